import { LONGEST_PROBE } from './record-head.ts';
import { HASHES, INDEXED, TABLE_STATE_WORDS } from './table-state.ts';

/**
 * From a Flow Key's hash to the slot of its flow: open addressing with linear probing.
 *
 * An entry is one word: the slot + 1 in its low 24 bits (0: empty), the hash's top 8 bits above them, so that a
 * probe touches a record it does not want only once in 256 times. The whole hash of each slot is kept beside, for
 * growing and deleting, which touch no record. Deletion shifts the entries behind it back, so there are no
 * tombstones and lookups never decay.
 *
 * No entry lies further than {@link LONGEST_PROBE} behind its home, so a lookup looks at no more. Of a million flows,
 * in an index as full as it gets, the furthest lies about 45 behind (five draws: 32 to 45); only who knows the seed
 * gets beyond the bound, and costs the table an eviction a flow.
 *
 * With 100 000 flows the entries are 1 MB and stay in a core's cache. Entries of two words, hash and slot, took twice
 * the memory, and a packet about 5 % longer.
 */
export class FlowIndex {
  /** At most half of them are taken. */
  entries: Int32Array;
  /** Entries − 1: the mask of a position. */
  mask: number;
  readonly #hashes: Int32Array;
  /** Its {@link INDEXED}. */
  readonly #state: Int32Array;

  readonly #allocate: (words: number) => Int32Array;
  readonly #memory: Rehashing | undefined;

  /**
   * @param slots most slots, below 2^24
   * @param initialEntries a power of two
   * @param allocate words that are 0, for the entries
   */
  constructor(
    slots: number,
    initialEntries = FEWEST_ENTRIES,
    allocate = (words: number): Int32Array => new Int32Array(words),
    state: Int32Array = new Int32Array(TABLE_STATE_WORDS),
    memory?: Rehashing,
  ) {
    this.#memory = memory;
    if (slots >= MOST_SLOTS) throw new Error(`an index holds fewer than ${MOST_SLOTS} flows`);
    this.#hashes = allocate(slots);
    this.#state = state;
    state[HASHES] = this.#hashes.byteOffset;
    this.#allocate = allocate;
    this.entries = allocate(initialEntries);
    this.mask = initialEntries - 1;
  }

  get count(): number {
    return this.#state[INDEXED]!;
  }

  /** The slot whose entry stands so many places behind a hash's home; there has to be one. */
  slotAt(hash: number, probe: number): number {
    return (this.entries[(hash + probe) & this.mask]! & SLOT) - 1;
  }

  /** The first slot indexed under a hash that is, most likely, this one; or -1. */
  first(hash: number): number {
    const { entries, mask } = this;
    const tag = hash >>> 24;
    let position = hash & mask;
    for (let left = LONGEST_PROBE; left > 0; left--) {
      const entry = entries[position]!;
      if (entry === 0) return -1;
      if (entry >>> 24 === tag) return (entry & SLOT) - 1;
      position = (position + 1) & mask;
    }
    return -1;
  }

  /**
   * Adds a slot whose key is known not to be in the index.
   * @returns false where every place within the bound is taken: one of those there ({@link slotAt}) has to leave first
   */
  insert(hash: number, slot: number): boolean {
    if ((this.count + 1) * 2 > this.mask + 1) this.#grow();
    if (!this.#place(hash, slot, LONGEST_PROBE)) return false;
    this.#state[INDEXED] = this.count + 1;
    this.#hashes[slot] = hash;
    return true;
  }

  /** Removes a slot that is in the index. */
  remove(slot: number): void {
    const { entries, mask } = this;
    const hashes = this.#hashes;
    let hole = hashes[slot]! & mask;
    while ((entries[hole]! & SLOT) !== slot + 1) hole = (hole + 1) & mask;
    this.#state[INDEXED] = this.count - 1;
    // Shift back every following entry of the run whose home is not behind the hole.
    for (let position = (hole + 1) & mask; ; position = (position + 1) & mask) {
      const entry = entries[position]!;
      if (entry === 0) break;
      const home = hashes[(entry & SLOT) - 1]! & mask;
      if (((position - home) & mask) >= ((position - hole) & mask)) {
        entries[hole] = entry;
        hole = position;
      }
    }
    entries[hole] = 0;
  }

  /** Forgets all of them at once, which costs less than to remove each. */
  clear(): void {
    this.entries.fill(0);
    this.#state[INDEXED] = 0;
  }

  #place(hash: number, slot: number, probes: number): boolean {
    const { entries, mask } = this;
    let position = hash & mask;
    for (let left = probes; left > 0; left--) {
      if (entries[position] === 0) {
        entries[position] = ((hash >>> 24) << 24) | (slot + 1);
        return true;
      }
      position = (position + 1) & mask;
    }
    return false;
  }

  #grow(): void {
    const old = this.entries;
    this.entries = this.#allocate(old.length * 2);
    this.mask = old.length * 2 - 1;
    if (this.#memory !== undefined) {
      this.#memory.rehash(old, this.entries, this.#hashes);
      return;
    }
    for (const entry of old) {
      // Without the bound: whom a crowd of chosen keys pushes beyond it here is not found again, and ends by its timeout.
      if (entry !== 0) this.#place(this.#hashes[(entry & SLOT) - 1]!, (entry & SLOT) - 1, this.mask);
    }
  }
}

const SLOT = 0xffffff;
const MOST_SLOTS = 2 ** 24 - 1;
const FEWEST_ENTRIES = 1024;

/** Words that an index of so many slots allocates while it grows to its largest, at most. */
export function mostIndexWords(slots: number): number {
  let words = FEWEST_ENTRIES;
  let all = words;
  while (words < 2 * slots) {
    words *= 2;
    all += words;
  }
  return all;
}

/** Whoever can do it faster. */
interface Rehashing {
  rehash(old: Int32Array, entries: Int32Array, hashes: Int32Array): void;
}
