/**
 * Classic pcap (draft-ietf-opsawg-pcap): a file header of 24 octets, then records.
 *
 *    file header: magic 4, version 2 + 2, zone 4, accuracy 4, snap length 4, link type 4
 *    record:      seconds 4, fraction 4, captured length 4, length on the wire 4, [modified: 8 more], octets
 *
 * All integers in the byte order of the machine that wrote the file; the magic shows which.
 */

import { type CaptureFormat, MAX_CAPTURED_OCTETS, Magic } from './capture-format.ts';
import type { ChunkReader } from './chunk-reader.ts';
import {
  type CaptureCounters,
  type Frame,
  type FrameReceiver,
  LinkType,
  type PlainFrames,
} from './packet-source.ts';

const FILE_HEADER_OCTETS = 24;
const RECORD_HEADER_OCTETS = 16;
const MODIFIED_RECORD_HEADER_OCTETS = 24;
/** Frames that are handed over one by one after several that were not plain. */
const LONGEST_PAUSE = 63;
/** The link type proper: the upper half holds the length of the frames' check sequence, and reserved bits. */
const LINK_TYPE_MASK = 0xffff;

export class PcapFormat implements CaptureFormat {
  needed = FILE_HEADER_OCTETS;
  unit = 'a file header';
  readonly #frame: Frame;
  readonly #counters: CaptureCounters;
  readonly #littleEndian: boolean;
  readonly #recordHeaderOctets: number;
  readonly #fractionsPerSecond: number;
  readonly #nanosecondsPerFraction: number;
  #headerRead = false;

  /** `magic` in the order of the file's octets; undefined: it is not classic pcap. */
  static recognise(magic: number, frame: Frame, counters: CaptureCounters): PcapFormat | undefined {
    const swapped =
      ((magic & 0xff) << 24) | ((magic & 0xff00) << 8) | ((magic >>> 8) & 0xff00) | (magic >>> 24);
    for (const littleEndian of [false, true]) {
      const known = littleEndian ? swapped >>> 0 : magic;
      if (
        known === Magic.PCAP_MICROSECONDS ||
        known === Magic.PCAP_NANOSECONDS ||
        known === Magic.PCAP_MODIFIED
      ) {
        return new PcapFormat(known, littleEndian, frame, counters);
      }
    }
    return undefined;
  }

  constructor(magic: number, littleEndian: boolean, frame: Frame, counters: CaptureCounters) {
    this.#littleEndian = littleEndian;
    this.#frame = frame;
    this.#counters = counters;
    this.#recordHeaderOctets =
      magic === Magic.PCAP_MODIFIED ? MODIFIED_RECORD_HEADER_OCTETS : RECORD_HEADER_OCTETS;
    this.#fractionsPerSecond = magic === Magic.PCAP_NANOSECONDS ? 1_000_000_000 : 1_000_000;
    this.#nanosecondsPerFraction = 1_000_000_000 / this.#fractionsPerSecond;
  }

  /** 17 ns a packet of 64 octets, 12 of them the kernel's copy: every field by DataView, the Frame reused. */
  walk(chunk: ChunkReader, receiver: FrameReceiver): void {
    if (!this.#headerRead) this.#readHeader(chunk);
    const { view, end } = chunk;
    const frame = this.#frame;
    const counters = this.#counters;
    const littleEndian = this.#littleEndian;
    const headerOctets = this.#recordHeaderOctets;
    const fractionsPerSecond = this.#fractionsPerSecond;
    const nanosecondsPerFraction = this.#nanosecondsPerFraction;
    let position = chunk.start;
    frame.view = view;
    this.needed = headerOctets;
    this.unit = 'a record header';
    const plain = this.#plainFrames(chunk, receiver);
    // Where frames are not plain, one after the other, asking costs more than it gains.
    let untilNext = 0;
    let pause = 0;
    while (end - position >= headerOctets) {
      if (plain !== undefined && untilNext-- === 0) {
        const { taken } = plain;
        position = plain.takePcap(position, end, frame.ingressInterface, fractionsPerSecond / 1000);
        const count = (plain.taken - taken) >>> 0;
        counters.frames += count;
        pause = count > pause ? 0 : Math.min(2 * pause + 1, LONGEST_PAUSE);
        untilNext = pause;
        if (end - position < headerOctets) break;
      }
      const capturedLength = view.getUint32(position + 8, littleEndian);
      if (capturedLength > MAX_CAPTURED_OCTETS) {
        throw chunk.error(
          position,
          `corrupt: a record claims ${capturedLength} captured octets, more than ${MAX_CAPTURED_OCTETS}`,
        );
      }
      const offset = position + headerOctets;
      if (capturedLength > end - offset) {
        this.needed = headerOctets + capturedLength;
        this.unit = 'a record';
        break;
      }
      let seconds = view.getUint32(position, littleEndian);
      let fraction = view.getUint32(position + 4, littleEndian);
      if (fraction >= fractionsPerSecond) {
        // No writer should do so, and some do: the sum is what they mean.
        seconds += Math.floor(fraction / fractionsPerSecond);
        fraction %= fractionsPerSecond;
      }
      frame.offset = offset;
      frame.capturedLength = capturedLength;
      frame.wireLength = view.getUint32(position + 12, littleEndian);
      frame.seconds = seconds;
      frame.nanoseconds = fraction * nanosecondsPerFraction;
      counters.frames++;
      receiver.frame(frame);
      position = offset + capturedLength;
    }
    chunk.start = position;
  }

  /** The short way, where it knows this file. */
  #plainFrames(chunk: ChunkReader, { plain }: FrameReceiver): PlainFrames | undefined {
    const isKnown =
      this.#littleEndian &&
      this.#recordHeaderOctets === RECORD_HEADER_OCTETS &&
      this.#frame.linkType === LinkType.ETHERNET;
    return isKnown && plain !== undefined && chunk.isIn(plain.memory) ? plain : undefined;
  }

  #readHeader(chunk: ChunkReader): void {
    const { view, start } = chunk;
    const major = view.getUint16(start + 4, this.#littleEndian);
    const minor = view.getUint16(start + 6, this.#littleEndian);
    if (major !== 2 || minor < 4) {
      throw chunk.error(
        start + 4,
        `pcap version ${major}.${minor}, where Weir reads 2.4; editcap -F pcapng IN OUT may convert it`,
      );
    }
    this.#frame.linkType = view.getUint32(start + 20, this.#littleEndian) & LINK_TYPE_MASK;
    this.#headerRead = true;
    chunk.start += FILE_HEADER_OCTETS;
  }
}
