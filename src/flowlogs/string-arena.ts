/**
 * The strings of the present line, as they go on the wire: one octet of length up to 254, else 255 and two octets
 * (RFC 7011 §7). A record has 32-bit references into it. It is emptied at each line, which is bounded, so that it is never
 * full, and a reference never names another string.
 */

/** Octets of a line at most: what is longer is a fault. AWS's longest have some 5 KB. */
export const MOST_LINE_OCTETS = 65_536;
/** Fields of a line at most, and the length octets of each. */
const MOST_PREFIX_OCTETS = 256 * 3;

/** The reference of the string of no octets, which is what a field that is not applicable has. */
export const EMPTY_STRING = 0;

export class StringArena {
  /** Begins with the empty string. */
  readonly octets = new Uint8Array(1 + MOST_LINE_OCTETS + MOST_PREFIX_OCTETS);
  #used = 1;

  /** A line begins: all references end. */
  clear(): void {
    this.#used = 1;
  }

  /** @returns the reference of the octets from `from` to before `to` */
  add(source: Uint8Array, from: number, to: number): number {
    const length = to - from;
    if (length <= 0) return EMPTY_STRING;
    const { octets } = this;
    const reference = this.#used;
    let at = reference;
    if (length < 255) octets[at++] = length;
    else {
      octets[at++] = 255;
      octets[at++] = length >>> 8;
      octets[at++] = length & 0xff;
    }
    for (let i = from; i < to; i++) octets[at++] = source[i]!;
    this.#used = at;
    return reference;
  }
}
