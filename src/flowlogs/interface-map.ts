/** `eni-…` → a number of 16 bits that stays the same, as an ifIndex should. */

/** Numbers interfaces; remembers them in a file, where it has one. */
export interface InterfaceMap {
  /**
   * The number of an interface, given now if it has none yet; 0: all 65 535 are given.
   * @param octets memory in which its ID lies @param from first octet @param to octet behind the last
   */
  number(octets: Uint8Array, from: number, to: number): number;
  /** The ID of a number, undefined: it is nobody's. */
  name(number: number): string | undefined;
  /** Every interface that was numbered or asked for in this run, the latest first, so many at most. */
  interfaces(most: number): readonly { readonly index: number; readonly name: string }[];
  /** Interfaces that have a number. */
  readonly size: number;
  /** Makes what is new durable, where there is a file: a new file in the place of the old one. */
  save(): Promise<void>;
}
