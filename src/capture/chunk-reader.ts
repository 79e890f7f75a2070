/**
 * A capture file's octets, a large chunk at a time, in one buffer that is used again and again: what the walk
 * over a chunk leaves (a record whose end is not there yet) is moved to the front before the next read.
 */

import { CaptureFileError } from './capture-file-error.ts';
import { explain, type OctetInput } from './octet-input.ts';

export class ChunkReader {
  readonly path: string;
  /** The octets in memory; those from {@link start} to {@link end} are to be read. Replaced when it must grow. */
  view: DataView;
  start = 0;
  end = 0;
  /** Octets read from the file so far: the file's offset of {@link end}. */
  octetsRead = 0;
  readonly #input: OctetInput;
  readonly #chunkOctets: number;
  #bytes: Uint8Array;

  /**
   * `path` names the input in errors; `chunkOctets` are asked of it at a time, and read into the beginning of
   * `memory`, if there is one, as long as they fit.
   */
  constructor(path: string, input: OctetInput, chunkOctets: number, memory?: Uint8Array) {
    this.path = path;
    this.#input = input;
    this.#chunkOctets = chunkOctets;
    this.#bytes = memory?.subarray(0, chunkOctets) ?? new Uint8Array(chunkOctets);
    this.view = viewOf(this.#bytes);
  }

  /** Whether {@link view} begins where that memory does. */
  isIn(memory: Uint8Array): boolean {
    return this.#bytes.buffer === memory.buffer && this.#bytes.byteOffset === memory.byteOffset;
  }

  /** Octets in memory that nobody has walked over yet. */
  get available(): number {
    return this.end - this.start;
  }

  /**
   * Reads once, and makes room for `needed` octets from {@link start} on; returns false at the end of the file.
   * One read may bring fewer than needed (a pipe). Rejects with a CaptureFileError.
   */
  async fill(needed: number): Promise<boolean> {
    const rest = this.#bytes.subarray(this.start, this.end);
    if (needed > this.#bytes.length) {
      this.#bytes = new Uint8Array(needed + this.#chunkOctets);
      this.view = viewOf(this.#bytes);
      this.#bytes.set(rest);
    } else if (this.start > 0) {
      this.#bytes.copyWithin(0, this.start, this.end);
    }
    this.start = 0;
    this.end = rest.length;
    let count: number;
    try {
      count = await this.#input.read(this.#bytes.subarray(this.end));
    } catch (error) {
      throw new CaptureFileError(
        this.path,
        this.octetsRead,
        `at octet ${this.octetsRead}: ${explain(error)}`,
        {
          cause: error,
        },
      );
    }
    this.end += count;
    this.octetsRead += count;
    return count > 0;
  }

  /** An error about what stands at `position` in the buffer: `problem` begins after "at octet N: ". */
  error(position: number, problem: string): CaptureFileError {
    const offset = this.octetsRead - this.end + position;
    return new CaptureFileError(this.path, offset, `at octet ${offset}: ${problem}`);
  }

  /** The file ends within what begins at {@link start} and has `needed` octets. */
  truncated(unit: string, needed: number): CaptureFileError {
    const offset = this.octetsRead - this.available;
    return new CaptureFileError(
      this.path,
      offset,
      `truncated at octet ${offset}: ${unit} of ${needed} octets begins, ${this.available} are there`,
    );
  }

  /** Ends a pending {@link fill}, which then returns false, and closes the file. Idempotent. */
  close(): void {
    this.#input.close();
  }
}

const viewOf = ({ buffer, byteOffset, length }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, length);
