/**
 * Longest-prefix match. The prefixes of a routing table cut the address space into ranges, at most two for each and
 * one more, and within a range the answer is one. So the table is the ranges' first addresses in order, what each
 * answers, and an index by the highest bits that leaves few to search among.
 */

import type { Ranges } from './range-builder.ts';

const MOST_INDEX_BITS = 16;

/**
 * Addresses are compared as signed numbers of 32 bits whose highest bit is turned over, which sort as the addresses do:
 * half of the unsigned ones would be objects whenever they are handed from one function to another.
 */
export const SORTABLE = 0x80000000;

export class RangeTable {
  /** Words of an address: 1 or 4. */
  readonly #width: number;
  /** The ranges' first addresses; the first is 0. */
  readonly #starts: Int32Array;
  readonly #answers: Uint32Array;
  /** By an address' highest bits: the last range that does not begin after the first address with them. */
  readonly #index: Uint32Array;
  readonly #shift: number;

  constructor({ width, starts, answers, count }: Ranges) {
    this.#width = width;
    this.#starts = new Int32Array(starts.length);
    for (let i = 0; i < starts.length; i++) this.#starts[i] = starts[i]! ^ SORTABLE;
    this.#answers = answers;
    const bits = Math.min(MOST_INDEX_BITS, Math.max(1, Math.floor(Math.log2(count))));
    this.#shift = 32 - bits;
    const tops = 2 ** bits;
    const step = 2 ** this.#shift;
    this.#index = new Uint32Array(tops + 1);
    let range = 0;
    for (let top = 0; top < tops; top++) {
      while (range + 1 < count && this.#startsBy(range + 1, (top * step) ^ SORTABLE)) range++;
      this.#index[top] = range;
    }
    this.#index[tops] = count - 1;
  }

  /** Octets that it takes. */
  get octets(): number {
    return this.#starts.byteLength + this.#answers.byteLength + this.#index.byteLength;
  }

  /** The answer for an IPv4 address: as {@link Ranges.answers}. @param address {@link SORTABLE}, as all words here */
  find4(address: number): number {
    const starts = this.#starts;
    const top = (address ^ SORTABLE) >>> this.#shift;
    let low = this.#index[top]!;
    let high = this.#index[top + 1]!;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle]! <= address) low = middle;
      else high = middle - 1;
    }
    return this.#answers[low]!;
  }

  /** The answer for an IPv6 address, the highest word first. */
  find6(a: number, b: number, c: number, d: number): number {
    const starts = this.#starts;
    const top = (a ^ SORTABLE) >>> this.#shift;
    let low = this.#index[top]!;
    let high = this.#index[top + 1]!;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const at = middle * 4;
      const begins =
        starts[at]! !== a
          ? starts[at]! < a
          : starts[at + 1]! !== b
            ? starts[at + 1]! < b
            : starts[at + 2]! !== c
              ? starts[at + 2]! < c
              : starts[at + 3]! <= d;
      if (begins) low = middle;
      else high = middle - 1;
    }
    return this.#answers[low]!;
  }

  /** True if a range begins at or before the first address with these highest bits. */
  #startsBy(range: number, word: number): boolean {
    const at = range * this.#width;
    if (this.#starts[at]! !== word) return this.#starts[at]! < word;
    for (let w = 1; w < this.#width; w++) if (this.#starts[at + w]! !== (0 ^ SORTABLE)) return false;
    return true;
  }
}
