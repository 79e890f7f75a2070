/** What a capture file format looks like to the source that reads it, and how to tell the formats apart. */

import type { CaptureFileError } from './capture-file-error.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { FrameReceiver } from './packet-source.ts';

/**
 * No frame is longer: libpcap's MAXIMUM_SNAPLEN, Wireshark's limit too. A record that claims more is no record,
 * so the file is corrupt there. (Beyond the file's own snap length is no sign: such files exist and are whole.)
 */
export const MAX_CAPTURED_OCTETS = 262_144;

export interface CaptureFormat {
  /** Octets that must be there, from where the last walk ended, before the next can hand over anything. */
  needed: number;
  /** What needs them: 'a record', 'a block', …; for the message about a file that ends too early. */
  unit: string;
  /**
   * Hands over every whole record in the chunk, moves `chunk.start` behind them, and sets {@link needed}.
   * Throws a CaptureFileError at the first octet that cannot be right, after handing over what stands before it.
   */
  walk(chunk: ChunkReader, receiver: FrameReceiver): void;
}

/** What the file's first four octets say, in network byte order. */
export const Magic = {
  PCAP_MICROSECONDS: 0xa1b2c3d4,
  PCAP_NANOSECONDS: 0xa1b23c4d,
  /** Alexey Kuznetzov's modified format of 1998: eight octets more in each record header. */
  PCAP_MODIFIED: 0xa1b2cd34,
  PCAPNG: 0x0a0d0d0a,
} as const;

/** Compressed files, by the octets that they begin with, and what unpacks them. */
const COMPRESSIONS = [
  { begins: '1f8b', name: 'gzip', suffix: '.gz', command: 'gunzip -c' },
  { begins: '28b52ffd', name: 'zstd', suffix: '.zst', command: 'zstd -dc' },
  { begins: 'fd377a58', name: 'xz', suffix: '.xz', command: 'xz -dc' },
  { begins: '425a68', name: 'bzip2', suffix: '.bz2', command: 'bzip2 -dc' },
  { begins: '04224d18', name: 'lz4', suffix: '.lz4', command: 'lz4 -dc' },
] as const;

/** The error for a file that begins like no capture: says what it is, as far as its first octets tell. */
export function notACapture(chunk: ChunkReader): CaptureFileError {
  let begins = '';
  for (let i = 0; i < Math.min(4, chunk.available); i++) {
    begins += chunk.view
      .getUint8(chunk.start + i)
      .toString(16)
      .padStart(2, '0');
  }
  if (begins === '') return chunk.error(chunk.start, 'the file is empty: not even a capture header is there');
  const compression = COMPRESSIONS.find((known) => begins.startsWith(known.begins));
  if (compression !== undefined) {
    const { name, command, suffix } = compression;
    const file = chunk.path === '-' ? `x${suffix}` : chunk.path;
    return chunk.error(chunk.start, `compressed with ${name}; unpack it: ${command} ${file} | weir read -`);
  }
  return chunk.error(
    chunk.start,
    `no capture file begins with ${begins}; expected pcap (d4c3b2a1, a1b2c3d4; 4d3cb2a1, a1b23c4d with ` +
      'nanoseconds) or pcapng (0a0d0d0a). Other formats: editcap -F pcapng IN OUT converts them',
  );
}
