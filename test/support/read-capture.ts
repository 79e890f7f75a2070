/** Reads a capture with a PcapFileSource and keeps everything, for tests to compare. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CaptureInterface, Frame, FrameReceiver } from '../../src/capture/packet-source.ts';
import { CaptureFileError, type PcapFileOptions, PcapFileSource } from '../../src/capture/pcap-file.ts';
import { hex } from './octets.ts';

export interface ReadRecord {
  linkType: number;
  ingressInterface: number;
  seconds: number;
  nanoseconds: number;
  wireLength: number;
  /** Octets captured, in hexadecimal. */
  captured: string;
}

export interface ReadCapture {
  records: ReadRecord[];
  interfaces: readonly CaptureInterface[];
  /** Why the file could not be read to its end. */
  error: CaptureFileError | undefined;
}

/** Keeps every frame, and holds the source to what the interface promises of it. */
export class Keeper implements FrameReceiver {
  readonly records: ReadRecord[] = [];
  batches = 0;
  #inBatch = false;

  beginBatch(): void {
    if (this.#inBatch) throw new Error('beginBatch before the batch before it ended');
    this.#inBatch = true;
    this.batches++;
  }

  frame(frame: Frame): void {
    const { view, offset, capturedLength, seconds, nanoseconds } = frame;
    if (!this.#inBatch) throw new Error('a frame outside any batch');
    if (!(seconds >= 0 && Number.isSafeInteger(seconds))) throw new Error(`seconds ${seconds}`);
    if (!(nanoseconds >= 0 && nanoseconds <= 999_999_999 && Number.isInteger(nanoseconds))) {
      throw new Error(`nanoseconds ${nanoseconds}`);
    }
    // Throws where the frame reaches out of its memory.
    const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, capturedLength);
    this.records.push({
      linkType: frame.linkType,
      ingressInterface: frame.ingressInterface,
      seconds,
      nanoseconds,
      wireLength: frame.wireLength,
      captured: hex(bytes),
    });
  }

  endBatch(): Promise<void> | undefined {
    if (!this.#inBatch) throw new Error('endBatch without beginBatch');
    this.#inBatch = false;
    return undefined;
  }
}

/** Reads a file to its end, or to its first CaptureFileError; any other error rejects. */
export async function readCapture(options: PcapFileOptions): Promise<ReadCapture> {
  const source = new PcapFileSource(options);
  const keeper = new Keeper();
  let error: CaptureFileError | undefined;
  try {
    await source.start(keeper);
    await source.finished;
  } catch (thrown) {
    if (!(thrown instanceof CaptureFileError)) throw thrown;
    error = thrown;
  }
  if (source.capturing) throw new Error('still capturing at the end');
  if (source.counters.frames !== keeper.records.length) {
    throw new Error(`counted ${source.counters.frames} frames of ${keeper.records.length}`);
  }
  return { records: keeper.records, interfaces: source.interfaces, error };
}

/** A folder for capture files, gone when the test has ended. */
export class CaptureFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'weir-capture-'));

  constructor(test: { teardown(end: () => void): void }) {
    test.teardown(() => rmSync(this.path, { recursive: true }));
  }

  write(name: string, bytes: Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, bytes);
    return path;
  }

  /** Reads a file that consists of these octets. */
  read(bytes: Uint8Array, chunkOctets?: number): Promise<ReadCapture> {
    return readCapture({ path: this.write('x.pcap', bytes), chunkOctets });
  }
}
