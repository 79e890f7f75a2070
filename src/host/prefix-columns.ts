/** The prefixes of one routing table while it is read: columns that grow, and no object a route. */

import { ADDRESS_WORDS, type IpVersion } from './prefix.ts';

const FIRST_CAPACITY = 64;
const GROUPS = 65_536;

export class PrefixColumns {
  readonly ipVersion: IpVersion;
  /** Words of an address. */
  readonly width: number;
  count = 0;
  /** {@link width} words a prefix, the bits beyond its length zero. */
  addresses: Uint32Array;
  lengths: Uint8Array;
  /** Numbers of next hops. */
  hops: Uint32Array;
  /** The kernel's priority: the lowest is taken. */
  metrics: Uint32Array;
  /** By an address' highest 16 bits: the last of the prefixes with them + 1 … */
  readonly #last = new Uint32Array(GROUPS);
  /** … and for each prefix the one before it, likewise. */
  #before: Uint32Array;

  constructor(ipVersion: IpVersion) {
    this.ipVersion = ipVersion;
    this.width = ADDRESS_WORDS[ipVersion];
    this.addresses = new Uint32Array(FIRST_CAPACITY * this.width);
    this.lengths = new Uint8Array(FIRST_CAPACITY);
    this.hops = new Uint32Array(FIRST_CAPACITY);
    this.metrics = new Uint32Array(FIRST_CAPACITY);
    this.#before = new Uint32Array(FIRST_CAPACITY);
  }

  /** @param address its first {@link width} words are taken */
  add(address: Uint32Array, length: number, hop: number, metric: number): void {
    const i = this.count++;
    if (i === this.lengths.length) this.#grow();
    for (let w = 0; w < this.width; w++) {
      const bits = Math.min(32, Math.max(0, length - 32 * w));
      this.addresses[i * this.width + w] = bits === 0 ? 0 : address[w]! & (-1 << (32 - bits));
    }
    this.lengths[i] = length;
    this.hops[i] = hop;
    this.metrics[i] = metric;
    const group = this.addresses[i * this.width]! >>> 16;
    this.#before[i] = this.#last[group]!;
    this.#last[group] = i + 1;
  }

  /**
   * The prefixes in order, in groups that have the highest 16 bits in common: by address, what encloses before what it
   * encloses, the lowest metric first, and of equals the one that was added first.
   */
  *inOrder(): Generator<readonly number[]> {
    for (const last of this.#last) {
      if (last === 0) continue;
      const group: number[] = [];
      for (let next = last; next !== 0; next = this.#before[next - 1]!) group.push(next - 1);
      yield group.reverse().sort((a, b) => this.#compare(a, b));
    }
  }

  /** True if two prefixes are the same, whatever their metrics and next hops. */
  isSame(a: number, b: number): boolean {
    const { addresses, width } = this;
    if (this.lengths[a] !== this.lengths[b]) return false;
    for (let w = 0; w < width; w++) if (addresses[a * width + w] !== addresses[b * width + w]) return false;
    return true;
  }

  #compare(a: number, b: number): number {
    const { addresses, width } = this;
    for (let w = 0; w < width; w++) {
      const difference = addresses[a * width + w]! - addresses[b * width + w]!;
      if (difference !== 0) return difference;
    }
    return this.lengths[a]! - this.lengths[b]! || this.metrics[a]! - this.metrics[b]!;
  }

  #grow(): void {
    const capacity = this.lengths.length * 2;
    const grown = <T extends Uint8Array | Uint32Array>(old: T, made: T): T => {
      made.set(old);
      return made;
    };
    this.addresses = grown(this.addresses, new Uint32Array(capacity * this.width));
    this.lengths = grown(this.lengths, new Uint8Array(capacity));
    this.hops = grown(this.hops, new Uint32Array(capacity));
    this.metrics = grown(this.metrics, new Uint32Array(capacity));
    this.#before = grown(this.#before, new Uint32Array(capacity));
  }
}
