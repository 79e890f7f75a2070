/**
 * pcapng's Interface Description Block (draft-ietf-opsawg-pcapng §4.2):
 *
 *    type 4, total length 4 | link type 2, reserved 2, snap length 4, options | total length 4
 *    option: code 2, length 2, value, padding to 4 octets
 */

import type { ChunkReader } from './chunk-reader.ts';
import type { CaptureInterface } from './packet-source.ts';
import { PcapngClock } from './pcapng-clock.ts';

const OPTIONS = 16;
const TRAILER_OCTETS = 4;
const IDB_OCTETS = OPTIONS + TRAILER_OCTETS;
const OPT_ENDOFOPT = 0;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const IF_TSOFFSET = 14;
/** Names are cut here: they become options data, and one of 64 KB would not fit a datagram. */
const MAX_NAME_OCTETS = 255;
const MICROSECONDS = 6;

export class PcapngInterface implements CaptureInterface {
  readonly index: number;
  readonly name: string;
  readonly linkType: number;
  /** Octets that a Simple Packet Block holds at most. */
  readonly snapLength: number;
  readonly clock: PcapngClock;

  /** Reads the block of `total` octets at `position`; `index`: as {@link CaptureInterface.index}. */
  constructor(chunk: ChunkReader, position: number, total: number, littleEndian: boolean, index: number) {
    const { view } = chunk;
    if (total < IDB_OCTETS) {
      throw chunk.error(
        position,
        `corrupt: an Interface Description Block of ${total} octets, below ${IDB_OCTETS}`,
      );
    }
    let name = '';
    let resolution = MICROSECONDS;
    let offsetSeconds = 0;
    const end = position + total - TRAILER_OCTETS;
    for (let at = position + OPTIONS; end - at >= 4; ) {
      const code = view.getUint16(at, littleEndian);
      const length = view.getUint16(at + 2, littleEndian);
      const value = at + 4;
      if (code === OPT_ENDOFOPT) break;
      if (length > end - value) {
        throw chunk.error(at, `corrupt: option ${code} of ${length} octets goes beyond its block`);
      }
      if (code === IF_NAME) {
        name = text(view, value, Math.min(length, MAX_NAME_OCTETS));
      } else if (code === IF_TSRESOL) {
        if (length !== 1) throw chunk.error(at, `corrupt: if_tsresol of ${length} octets, where 1 is right`);
        resolution = view.getUint8(value);
      } else if (code === IF_TSOFFSET) {
        if (length !== 8)
          throw chunk.error(at, `corrupt: if_tsoffset of ${length} octets, where 8 are right`);
        const high = view.getInt32(littleEndian ? value + 4 : value, littleEndian);
        const low = view.getUint32(littleEndian ? value : value + 4, littleEndian);
        offsetSeconds = high * 4_294_967_296 + low;
      }
      at = value + ((length + 3) & ~3);
    }
    if (!PcapngClock.reads(resolution)) {
      const unit = `${resolution & 0x80 ? 2 : 10}^-${resolution & 0x7f} s`;
      throw chunk.error(
        position,
        `if_tsresol ${resolution}: timestamps in units of ${unit} are finer than Weir reads`,
      );
    }
    this.index = index;
    this.name = name === '' ? `interface ${index - 1}` : name; // numbered as in the file, as tshark does
    this.linkType = view.getUint16(position + 8, littleEndian);
    this.snapLength = view.getUint32(position + 12, littleEndian) || Number.POSITIVE_INFINITY; // 0: no limit
    this.clock = new PcapngClock(resolution, offsetSeconds);
  }
}

/** UTF-8 up to the first NUL, which some writers append. */
function text(view: DataView, offset: number, length: number): string {
  const [value = ''] = new TextDecoder().decode(new Uint8Array(view.buffer, offset, length)).split('\0');
  return value;
}
