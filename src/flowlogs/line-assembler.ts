/** Lines out of octets that are cut anywhere, with the memory of one line. */

import { MOST_LINE_OCTETS } from './string-arena.ts';

/** Whole lines, each with its line feed, in `bytes` from `from` to before `to`. */
export interface Lines {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

const LF = 0x0a;

export class LineAssembler {
  /** The beginning of a line whose end has not come, with a place for its line feed … */
  readonly #kept = new Uint8Array(MOST_LINE_OCTETS + 2);
  #length = 0;
  /** … and the line that came before it, which may still be read. */
  readonly #whole = new Uint8Array(MOST_LINE_OCTETS + 2);

  /** Octets are there of a line that has not ended. */
  get isWithinLine(): boolean {
    return this.#length > 0;
  }

  /** Takes octets. What is returned is valid until the next call. */
  push(chunk: Uint8Array): Lines[] {
    // A Buffer and a Uint8Array are two shapes to the code that reads them: one is faster.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    const lines: Lines[] = [];
    let from = 0;
    if (this.#length > 0) {
      const end = bytes.indexOf(LF);
      this.#keep(bytes, 0, end < 0 ? bytes.length : end);
      if (end < 0) return lines;
      from = end + 1;
      lines.push(this.#finish());
    }
    const to = Math.max(from, bytes.lastIndexOf(LF) + 1);
    if (to > from) lines.push({ bytes, from, to });
    this.#keep(bytes, to, bytes.length);
    return lines;
  }

  /** The last line, where it has no line feed; it begins anew. */
  end(): Lines | undefined {
    return this.#length === 0 ? undefined : this.#finish();
  }

  /** What does not fit is passed over: the line is one octet too long then, which its parser says. */
  #keep(bytes: Uint8Array, from: number, to: number): void {
    const taken = Math.min(to - from, MOST_LINE_OCTETS + 1 - this.#length);
    this.#kept.set(bytes.subarray(from, from + taken), this.#length);
    this.#length += taken;
  }

  #finish(): Lines {
    const length = this.#length;
    this.#whole.set(this.#kept.subarray(0, length));
    this.#whole[length] = LF;
    this.#length = 0;
    // Another line, another array: whoever reads it may have kept what stood in the one before.
    return { bytes: this.#whole.subarray(0, length + 1), from: 0, to: length + 1 };
  }
}
