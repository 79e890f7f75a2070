/**
 * Longest-prefix match. The prefixes of a routing table cut the address space into ranges, at most two for each and
 * one more, and within a range the answer is one. So the table is the ranges' first addresses in order, what each
 * answers, and an index by the highest bits that leaves few to search among.
 */

import type { Ranges } from './range-builder.ts';

const MOST_INDEX_BITS = 16;
/** What is done in one turn of the event loop: some 1 ms. */
const WORDS_A_TURN = 262_144;
const TOPS_A_TURN = 4096;

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

  private constructor({ width, starts, answers, count }: Ranges) {
    this.#width = width;
    this.#starts = new Int32Array(starts.length);
    this.#answers = answers;
    const bits = Math.min(MOST_INDEX_BITS, Math.max(1, Math.floor(Math.log2(count))));
    this.#shift = 32 - bits;
    this.#index = new Uint32Array(2 ** bits + 1);
  }

  /** @param turn resolves when others have had their turn */
  static async of(ranges: Ranges, turn: () => Promise<void>): Promise<RangeTable> {
    const table = new RangeTable(ranges);
    for (let from = 0; from < ranges.starts.length; from += WORDS_A_TURN) {
      table.#take(ranges.starts, from, Math.min(from + WORDS_A_TURN, ranges.starts.length));
      await turn();
    }
    const tops = table.#index.length - 1;
    let range = 0;
    for (let from = 0; from < tops; from += TOPS_A_TURN) {
      range = table.#indexFrom(from, Math.min(from + TOPS_A_TURN, tops), range, ranges.count);
      await turn();
    }
    table.#index[tops] = ranges.count - 1;
    return table;
  }

  #take(starts: Uint32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) this.#starts[i] = starts[i]! ^ SORTABLE;
  }

  /** @returns the last range that does not begin after the last of these tops */
  #indexFrom(from: number, to: number, first: number, count: number): number {
    const step = 2 ** this.#shift;
    let range = first;
    for (let top = from; top < to; top++) {
      while (range + 1 < count && this.#startsBy(range + 1, (top * step) ^ SORTABLE)) range++;
      this.#index[top] = range;
    }
    return range;
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
