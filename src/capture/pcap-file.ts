/**
 * Capture files as a source of packets: classic pcap and pcapng, from a file or a pipe.
 *
 *    open → first octets → format → [read a chunk → walk its frames in place → let the event loop run] … → end
 */

import { setImmediate } from 'node:timers/promises';
import { type CaptureFormat, Magic, notACapture } from './capture-format.ts';
import { ChunkReader } from './chunk-reader.ts';
import { openInput } from './octet-input.ts';
import {
  type CaptureCounters,
  type CaptureInterface,
  Frame,
  type FrameReceiver,
  type PacketSource,
} from './packet-source.ts';
import { PcapFormat } from './pcap-format.ts';
import { PcapngFormat } from './pcapng-format.ts';

export { CaptureFileError } from './capture-file-error.ts';

const MAGIC_OCTETS = 4;
/**
 * Million packets/s of 64 octets, 4 million of them, by chunk: 256 KiB 50, 512 KiB 54, 1 MiB 59, 2 MiB 58, 4 MiB 53,
 * 8 MiB 44. The smallest of the best: the event loop has its turn every 13 000 packets.
 */
const DEFAULT_CHUNK_OCTETS = 1024 * 1024;

export interface PcapFileOptions {
  /** The file; '-': standard input (descriptor 0). Also what errors call it. */
  readonly path: string;
  /** An open descriptor to read instead of `path`; the source takes it over and closes it. */
  readonly fd?: number | undefined;
  /** Octets asked for in one read. */
  readonly chunkOctets?: number | undefined;
}

/**
 * Reads one capture file to its end. Frames of classic pcap have ingressInterface 0; those of pcapng the number
 * of their interface in the file + 1, counted over all sections. `start` and `finished` reject with a
 * CaptureFileError; what stands before the trouble has been handed over by then.
 */
export class PcapFileSource implements PacketSource {
  readonly interfaces: CaptureInterface[] = [];
  readonly counters: CaptureCounters = { frames: 0, kernelDroppedPackets: 0, ringFreezes: 0 };
  readonly finished: Promise<void>;
  capturing = false;
  /** Octets of the file; undefined before `start`, and for a pipe always. */
  octetsTotal: number | undefined;
  readonly #options: PcapFileOptions;
  readonly #frame = new Frame();
  #chunk: ChunkReader | undefined;
  #stopped = false;
  #finish: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(options: PcapFileOptions) {
    this.#options = options;
    this.finished = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    // Whoever waits for `finished` sees its rejection; one that comes before anybody waits must not end the process.
    this.finished.catch(() => {});
  }

  /** Octets read so far, for a progress bar. */
  get octetsRead(): number {
    return this.#chunk?.octetsRead ?? 0;
  }

  /** Resolves when the file is open and known to be a capture: for a pipe, when its first octets are there. */
  async start(receiver: FrameReceiver): Promise<void> {
    if (this.#stopped) return;
    try {
      const { path, fd, chunkOctets } = this.#options;
      const input = openInput(path, fd);
      this.octetsTotal = input.octetsTotal;
      const memory = receiver.plain?.memory;
      const chunk = new ChunkReader(path, input, chunkOctets ?? DEFAULT_CHUNK_OCTETS, memory);
      this.#chunk = chunk;
      const format = await this.#recognise(chunk);
      this.capturing = format !== undefined;
      void this.#run(chunk, format, receiver).then(this.#finish, this.#fail);
    } catch (error) {
      this.#chunk?.close();
      this.#fail(error);
      throw error;
    }
  }

  refreshCounters(): void {
    // They are always up to date.
  }

  /** Ends after the chunk being read, at once where the source waits for a pipe. `finished` tells of errors. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#chunk === undefined) this.#finish();
    else this.#chunk.close();
    await this.finished.catch(() => {});
  }

  /** Undefined where `stop` came before the first octets did. */
  async #recognise(chunk: ChunkReader): Promise<CaptureFormat | undefined> {
    while (chunk.available < MAGIC_OCTETS) {
      if (await chunk.fill(MAGIC_OCTETS)) continue;
      if (this.#stopped) return undefined;
      throw notACapture(chunk);
    }
    const magic = chunk.view.getUint32(chunk.start);
    if (magic === Magic.PCAPNG) return new PcapngFormat(this.#frame, this.counters, this.interfaces);
    const format = PcapFormat.recognise(magic, this.#frame, this.counters);
    if (format === undefined) throw notACapture(chunk);
    return format;
  }

  async #run(chunk: ChunkReader, format: CaptureFormat | undefined, receiver: FrameReceiver): Promise<void> {
    try {
      while (format !== undefined && !this.#stopped) {
        if (chunk.available >= format.needed) {
          await walkChunk(chunk, format, receiver);
          await setImmediate();
        } else if (!(await chunk.fill(format.needed))) {
          if (chunk.available > 0 && !this.#stopped) throw chunk.truncated(format.unit, format.needed);
          return;
        }
      }
    } finally {
      this.capturing = false;
      chunk.close();
    }
  }
}

/** One batch; it is ended, and waited for, also where the chunk turns out to be corrupt. */
async function walkChunk(chunk: ChunkReader, format: CaptureFormat, receiver: FrameReceiver): Promise<void> {
  receiver.beginBatch();
  try {
    format.walk(chunk, receiver);
  } finally {
    const wait = receiver.endBatch();
    if (wait !== undefined) await wait;
  }
}
