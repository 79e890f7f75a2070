/**
 * The address of an interface, learned from its records. `srcaddr` and `dstaddr` show the interface's primary address at
 * its own end: the destination of what comes in, the source of what goes out. Where the format does not tell the direction,
 * it is the one address that all of the interface's records have in common, and is known as soon as two peers were met.
 */

export class OwnAddress {
  /** Undefined: not known yet. */
  address: string | undefined;
  /** What it can still be; undefined: anything. */
  #candidates: readonly string[] | undefined;

  /** Takes the address, where the direction says which end is the interface's. The first that is told stays. */
  tell(address: string): string {
    this.address ??= address;
    return this.address;
  }

  /**
   * Takes the ends of a record of the interface.
   * @returns the address, where it is known by now
   */
  learn(source: string, destination: string): string | undefined {
    if (this.address !== undefined) return this.address;
    const ends = source === destination ? [source] : [source, destination];
    const left = this.#candidates?.filter((candidate) => ends.includes(candidate)) ?? ends;
    // Nothing in common: one of the records is not as AWS writes them. It begins anew.
    this.#candidates = left.length === 0 ? ends : left;
    if (left.length === 1) this.address = left[0];
    return this.address;
  }
}
