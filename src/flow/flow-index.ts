/**
 * From a Flow Key's hash to the slot of its flow: open addressing with linear probing.
 *
 * An entry is two words, the hash and the slot + 1 (0: empty). The whole hash in the entry means that a
 * probe touches a record only when all 32 bits agree, and that growing and deleting touch no record at all.
 * Deletion shifts the entries behind it back, so there are no tombstones and lookups never decay.
 */
export class FlowIndex {
  /** Pairs [hash, slot + 1]; at most half of them are taken. */
  entries: Int32Array;
  /** Entries − 1: the mask of a position. */
  mask: number;
  #count = 0;

  constructor(initialEntries = 1024) {
    this.entries = new Int32Array(initialEntries * 2);
    this.mask = initialEntries - 1;
  }

  get count(): number {
    return this.#count;
  }

  /** Reads where the search for a hash begins, so that it is in the cache. */
  peek(hash: number): number {
    return this.entries[(hash & this.mask) * 2]!;
  }

  /** The first slot that is indexed under this hash, or -1. */
  first(hash: number): number {
    const { entries, mask } = this;
    for (let position = hash & mask; ; position = (position + 1) & mask) {
      const taken = entries[position * 2 + 1]!;
      if (taken === 0) return -1;
      if (entries[position * 2] === hash) return taken - 1;
    }
  }

  /** Adds a slot whose key is known not to be in the index. */
  insert(hash: number, slot: number): void {
    if ((this.#count + 1) * 2 > this.mask + 1) this.#grow();
    this.#count++;
    const { entries, mask } = this;
    let position = hash & mask;
    while (entries[position * 2 + 1] !== 0) position = (position + 1) & mask;
    entries[position * 2] = hash;
    entries[position * 2 + 1] = slot + 1;
  }

  /** Removes a slot that is in the index under `hash`. */
  remove(hash: number, slot: number): void {
    const { entries, mask } = this;
    let hole = hash & mask;
    while (entries[hole * 2 + 1] !== slot + 1) hole = (hole + 1) & mask;
    this.#count--;
    // Shift back every following entry of the run whose home is not behind the hole.
    let position = hole;
    for (;;) {
      position = (position + 1) & mask;
      const taken = entries[position * 2 + 1]!;
      if (taken === 0) break;
      const home = entries[position * 2]! & mask;
      if (((position - home) & mask) >= ((position - hole) & mask)) {
        entries[hole * 2] = entries[position * 2]!;
        entries[hole * 2 + 1] = taken;
        hole = position;
      }
    }
    entries[hole * 2 + 1] = 0;
  }

  #grow(): void {
    const old = this.entries;
    this.entries = new Int32Array(old.length * 2);
    this.mask = this.mask * 2 + 1;
    const { entries, mask } = this;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue;
      let position = old[i]! & mask;
      while (entries[position * 2 + 1] !== 0) position = (position + 1) & mask;
      entries[position * 2] = old[i]!;
      entries[position * 2 + 1] = old[i + 1]!;
    }
  }
}
