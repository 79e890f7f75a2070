/** Where a capture file's octets come from: a file, read synchronously, or a pipe, read as its octets come. */

import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import { CaptureFileError } from './capture-file-error.ts';

export interface OctetInput {
  /** Octets of a regular file; undefined where nobody knows (a pipe). */
  readonly octetsTotal: number | undefined;
  /** Fills the beginning of `into`; returns how many octets it filled, 0 at the end. Rejects or throws the system's error. */
  read(into: Uint8Array): number | Promise<number>;
  /** Ends a pending read, which then returns 0, and closes the input. Idempotent. */
  close(): void;
}

/**
 * Opens `path`, or takes over the open descriptor `fd`; path '-' without `fd` is standard input, descriptor 0.
 * Throws a {@link CaptureFileError}.
 */
export function openInput(path: string, fd?: number): OctetInput {
  let descriptor = fd ?? 0;
  let stats: Stats;
  try {
    // Without O_NONBLOCK opening a FIFO would stop the whole process until somebody opens it for writing.
    if (fd === undefined && path !== '-')
      descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    stats = fstatSync(descriptor);
  } catch (error) {
    throw new CaptureFileError(path, 0, explain(error), { cause: error });
  }
  if (stats.isFIFO() || stats.isSocket()) return new PipeInput(descriptor);
  if (stats.isDirectory() || isatty(descriptor)) {
    closeSync(descriptor);
    const problem = stats.isDirectory()
      ? 'is a directory: name the capture files in it'
      : 'is a terminal: name a capture file, or pipe one in (tcpdump -w - | weir read -)';
    throw new CaptureFileError(path, 0, problem);
  }
  return new FileInput(descriptor, stats.isFile() ? stats.size : undefined);
}

/** What a user can do about an error of the system. */
export function explain(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'permission denied: this user may not read it';
  return error instanceof Error ? error.message : String(error);
}

class FileInput implements OctetInput {
  readonly octetsTotal: number | undefined;
  readonly #fd: number;
  #closed = false;

  constructor(fd: number, octetsTotal: number | undefined) {
    this.#fd = fd;
    this.octetsTotal = octetsTotal;
  }

  read(into: Uint8Array): number {
    return this.#closed ? 0 : readSync(this.#fd, into, 0, into.length, null);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }
}

/**
 * A pipe, a FIFO or a socket. Not by `fs.read`: on an idle pipe it keeps a thread of the pool waiting, which
 * nothing can call off, and process.exit() then waits for it too. A Socket's read ends when it is destroyed.
 */
class PipeInput implements OctetInput {
  readonly octetsTotal = undefined;
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** What the last chunk held beyond what was asked for. */
  #rest: Uint8Array = new Uint8Array(0);
  #closed = false;

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#chunks = this.#socket[Symbol.asyncIterator]();
  }

  async read(into: Uint8Array): Promise<number> {
    while (this.#rest.length === 0) {
      try {
        const { done, value } = await this.#chunks.next();
        if (done === true) return 0;
        this.#rest = value;
      } catch (error) {
        if (this.#closed) return 0; // by ourselves: ERR_STREAM_PREMATURE_CLOSE
        throw error;
      }
    }
    const part = this.#rest.subarray(0, into.length);
    into.set(part);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }
}
