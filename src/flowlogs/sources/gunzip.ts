/**
 * Text from octets as they are stored: gzip (RFC 1952) is known by its first two octets, whatever the name says, and
 * may have several members; anything else is handed on as it is.
 */
import { createGunzip } from 'node:zlib';

/** Large enough that a turn of zlib's thread costs little, small enough to stay in a cache. */
const CHUNK_OCTETS = 128 * 1024;
const MAGIC = [0x1f, 0x8b];

/**
 * Decompressed octets. All that can be had of a gzip that is cut short is handed over before it throws: Node's own
 * streams drop what they still hold when they fail, so this reads a chunk's text to its end before the next goes in.
 * @throws Error that says what is wrong with the gzip; and whatever `octets` throws
 */
export async function* decompressed(
  octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  let gunzip: Gunzip | undefined;
  let plain = false;
  try {
    for await (const chunk of octets) {
      if (gunzip !== undefined) {
        yield* gunzip.inflate(chunk);
        continue;
      }
      if (plain) {
        yield chunk;
        continue;
      }
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      if (head.length < MAGIC.length) continue;
      if (MAGIC.every((octet, i) => head[i] === octet)) {
        gunzip = new Gunzip();
        yield* gunzip.inflate(head);
      } else {
        plain = true;
        yield head;
      }
    }
    if (gunzip !== undefined) yield* gunzip.end();
    else if (!plain && head.length > 0) yield head;
  } finally {
    gunzip?.close();
  }
}

/** One gunzip, fed by hand. */
class Gunzip {
  readonly #stream = createGunzip({ chunkSize: CHUNK_OCTETS });
  #error: Error | undefined;
  #done = false;
  #wake: () => void = () => {};

  constructor() {
    this.#stream.on('readable', () => this.#wake());
    this.#stream.on('error', (error) => {
      this.#error = error;
      this.#wake();
    });
  }

  /** All that comes out of a chunk. */
  async *inflate(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
    this.#done = false;
    this.#stream.write(chunk, () => this.#finish());
    yield* this.#read();
  }

  /** What is left; throws where the last member is not complete. */
  async *end(): AsyncGenerator<Uint8Array> {
    this.#done = false;
    this.#stream.once('end', () => this.#finish());
    this.#stream.end();
    yield* this.#read();
  }

  close(): void {
    this.#stream.destroy();
  }

  #finish(): void {
    this.#done = true;
    this.#wake();
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const text: Buffer | null = this.#stream.read();
      if (text !== null) {
        yield text;
      } else if (this.#error !== undefined) {
        throw explain(this.#error);
      } else if (this.#done) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

function explain(error: NodeJS.ErrnoException): Error {
  const problem =
    error.code === 'Z_BUF_ERROR'
      ? 'the gzip is cut short: its end is missing'
      : `the gzip is damaged: ${error.message}`;
  return new Error(problem, { cause: error });
}
