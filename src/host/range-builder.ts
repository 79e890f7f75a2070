/**
 * From prefixes to ranges: walks the prefixes in order, while a stack holds those that enclose the present one. A range
 * begins where a prefix begins, and where one ends and what encloses it goes on.
 */

import type { PrefixColumns } from './prefix-columns.ts';

/** An answer: the number of a next hop · 256 + the prefix length. Where no prefix matches: 0. */
export const NO_ROUTE = 0;

/** The ranges of a table, in order. */
export interface Ranges {
  /** Words of an address: 1 or 4. */
  readonly width: number;
  readonly count: number;
  /** Their first addresses, `width` words each; the first is 0. */
  readonly starts: Uint32Array;
  readonly answers: Uint32Array;
}

/** Prefixes that are walked in one turn of the event loop: well below 1 ms, and a few when the code is still cold. */
const PREFIXES_A_TURN = 1024;

/** @param turn resolves when others have had their turn */
export async function buildRanges(prefixes: PrefixColumns, turn: () => Promise<void>): Promise<Ranges> {
  const { width, lengths, hops } = prefixes;
  const walk = new Walk(width, prefixes.count);
  let previous = -1;
  let walked = 0;
  for (const group of prefixes.inOrder()) {
    for (const prefix of group) {
      // Of equals the first counts: it has the lowest metric.
      if (previous < 0 || !prefixes.isSame(previous, prefix)) {
        walk.open(
          prefixes.addresses,
          prefix * width,
          lengths[prefix]!,
          hops[prefix]! * 256 + lengths[prefix]!,
        );
        previous = prefix;
      }
    }
    walked += group.length;
    if (walked >= PREFIXES_A_TURN) {
      walked = 0;
      await turn();
    }
  }
  return walk.end();
}

class Walk {
  readonly #width: number;
  #count = 1; // from address 0 on: no route
  readonly #starts: Uint32Array;
  readonly #answers: Uint32Array;
  /** The prefixes that enclose the present one: their last addresses and answers. */
  readonly #ends: Uint32Array;
  readonly #enclosing: Uint32Array;
  #depth = 0;

  constructor(width: number, prefixes: number) {
    this.#width = width;
    this.#starts = new Uint32Array((2 * prefixes + 1) * width);
    this.#answers = new Uint32Array(2 * prefixes + 1);
    this.#ends = new Uint32Array((32 * width + 1) * width);
    this.#enclosing = new Uint32Array(32 * width + 1);
  }

  /** The next prefix: its address is at `at` of `addresses`. */
  open(addresses: Uint32Array, at: number, length: number, answer: number): void {
    const width = this.#width;
    while (this.#depth > 0 && this.#endsBefore(addresses, at)) this.#close();
    this.#begin(addresses, at, answer);
    for (let w = 0; w < width; w++) {
      const bits = Math.min(32, Math.max(0, length - 32 * w));
      this.#ends[this.#depth * width + w] = addresses[at + w]! | (bits === 32 ? 0 : 0xffffffff >>> bits);
    }
    this.#enclosing[this.#depth++] = answer;
  }

  end(): Ranges {
    while (this.#depth > 0) this.#close();
    return {
      width: this.#width,
      count: this.#count,
      starts: this.#starts.subarray(0, this.#count * this.#width),
      answers: this.#answers.slice(0, this.#count),
    };
  }

  /** The innermost prefix ends: after its last address the one around it goes on. */
  #close(): void {
    const end = --this.#depth * this.#width;
    for (let w = this.#width - 1; w >= 0; w--) {
      this.#ends[end + w]!++;
      if (this.#ends[end + w] !== 0) {
        this.#begin(this.#ends, end, this.#depth === 0 ? NO_ROUTE : this.#enclosing[this.#depth - 1]!);
        return;
      }
    }
    // It ends with the last address of all.
  }

  #begin(addresses: Uint32Array, at: number, answer: number): void {
    const width = this.#width;
    const last = (this.#count - 1) * width;
    // What begins where the last one did takes its place.
    let isNew = false;
    for (let w = 0; w < width; w++) if (this.#starts[last + w] !== addresses[at + w]) isNew = true;
    if (isNew) {
      for (let w = 0; w < width; w++) this.#starts[last + width + w] = addresses[at + w]!;
      this.#count++;
    }
    this.#answers[this.#count - 1] = answer;
  }

  #endsBefore(addresses: Uint32Array, at: number): boolean {
    const end = (this.#depth - 1) * this.#width;
    for (let w = 0; w < this.#width; w++) {
      const difference = this.#ends[end + w]! - addresses[at + w]!;
      if (difference !== 0) return difference < 0;
    }
    return false;
  }
}
