/**
 * Text from octets as they are stored: gzip (RFC 1952) is known by its first two octets, whatever the name says, and
 * may have several members; anything else is handed on as it is.
 */
import { createGunzip } from 'node:zlib';

/** Large enough that a turn of zlib's thread costs little, small enough to stay in a cache. */
const CHUNK_OCTETS = 128 * 1024;
const MAGIC = [0x1f, 0x8b];

/** Octets as they are stored, from their begin each time it is called; undefined: they cannot be had again. */
export type StoredOctets = () => AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined;

/** Where a gzip broke: in a chunk of so many octets, before which all had come out. */
interface Break {
  readonly start: number;
  readonly end: number;
  /** Octets of text handed over by then. */
  readonly text: number;
}

/** What zlib writes at the least (Z_MIN_CHUNK). */
const LEAST_CHUNK_OCTETS = 64;
/** A broken chunk is tried again in so many pieces, and the piece that is broken likewise. */
const PIECES = 64;

/**
 * Decompressed octets. All that can be had of a gzip that is cut short or damaged is handed over before it throws: Node's
 * own streams drop what they still hold when they fail, so this reads a chunk's text to its end before the next goes in.
 * zlib itself drops what came out of a chunk before it found that chunk broken, so where that happens the octets are read
 * once more, and the chunk goes in by ever smaller pieces. Less than 64 octets of text are lost then.
 * @param octets asked for again where they are broken
 * @throws Error that says what is wrong with the gzip; and whatever `octets` throws
 */
export async function* decompressed(octets: StoredOctets): AsyncGenerator<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  let gunzip: Gunzip | undefined;
  let plain = false;
  let read = 0;
  let text = 0;
  try {
    for await (const chunk of octets() ?? []) {
      read += chunk.length;
      if (plain) {
        yield chunk;
        continue;
      }
      let next = chunk;
      if (gunzip === undefined) {
        head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
        if (head.length < MAGIC.length) continue;
        if (!MAGIC.every((octet, i) => head[i] === octet)) {
          plain = true;
          yield head;
          continue;
        }
        gunzip = new Gunzip();
        next = head;
      }
      const start = read - next.length;
      try {
        for await (const part of gunzip.inflate(next)) {
          text += part.length;
          yield part;
        }
      } catch (error) {
        yield* untilBroken(octets, { start, end: read, text });
        throw error;
      }
    }
    if (gunzip !== undefined) yield* gunzip.end();
    else if (!plain && head.length > 0) yield head;
  } finally {
    gunzip?.close();
  }
}

/** What can be read once alone, and again as long as it has no more than `mostOctets`, which are kept. */
export function remembering(octets: AsyncIterable<Uint8Array>, mostOctets: number): StoredOctets {
  let kept: Uint8Array[] | undefined = [];
  let isRead = false;
  async function* read(): AsyncGenerator<Uint8Array> {
    let length = 0;
    for await (const chunk of octets) {
      length += chunk.length;
      if (length > mostOctets) kept = undefined;
      // Its memory may be used again by whoever reads.
      kept?.push(new Uint8Array(chunk));
      yield chunk;
    }
  }
  return () => {
    if (isRead) return kept;
    isRead = true;
    return read();
  };
}

/** The text of a broken chunk up to where it is broken, behind what has been handed over. */
async function* untilBroken(octets: StoredOctets, broken: Break): AsyncGenerator<Uint8Array> {
  let { start, end, text } = broken;
  while (start < end) {
    const again = octets();
    if (again === undefined) return;
    const pieceOctets = Math.ceil((end - start) / PIECES);
    const gunzip = new Gunzip(pieceOctets === 1 ? LEAST_CHUNK_OCTETS : CHUNK_OCTETS);
    let at = 0;
    let toSkip = text;
    let isBroken = false;
    try {
      for await (const piece of inPieces(again, start, end, pieceOctets)) {
        try {
          for await (const part of gunzip.inflate(piece)) {
            const skipped = Math.min(toSkip, part.length);
            toSkip -= skipped;
            text += part.length - skipped;
            if (skipped < part.length) yield part.subarray(skipped);
          }
        } catch {
          // That it is broken is known.
          isBroken = true;
          break;
        }
        at += piece.length;
      }
    } finally {
      gunzip.close();
    }
    // Broken no more: these are not the octets that were read before.
    if (!isBroken || pieceOctets === 1) return;
    start = Math.max(start, at);
    end = Math.min(end, at + pieceOctets);
  }
}

/** Octets up to `end`, as they come, but those from `start` on in pieces. */
async function* inPieces(
  octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  start: number,
  end: number,
  pieceOctets: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of octets) {
    for (let from = 0; from < chunk.length; ) {
      const position = at + from;
      if (position >= end) return;
      const to =
        position < start
          ? Math.min(chunk.length, from + start - position)
          : Math.min(chunk.length, from + pieceOctets, from + end - position);
      yield chunk.subarray(from, to);
      from = to;
    }
    at += chunk.length;
  }
}

/** One gunzip, fed by hand. */
class Gunzip {
  readonly #stream: ReturnType<typeof createGunzip>;
  #error: Error | undefined;
  #done = false;
  #wake: () => void = () => {};

  constructor(chunkSize = CHUNK_OCTETS) {
    this.#stream = createGunzip({ chunkSize });
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
