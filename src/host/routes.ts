/**
 * What the kernel would do with a packet: its routing tables in the order of its policy rules, as they were at one
 * moment. A lookup makes no object and no string.
 */

import type { IpVersion } from './prefix.ts';
import { NO_ROUTE } from './range-builder.ts';
import { type RangeTable, SORTABLE } from './range-table.ts';

/** What becomes of a packet that matches a route. */
export const Fate = {
  FORWARDED: 0,
  /** It is for this machine, for all on the link, or dropped: it leaves by no interface. */
  KEPT: 1,
  /** The tables of the rules that follow decide (`throw`). */
  PASSED_ON: 2,
} as const;

/** A next hop. Flow Records take it as it is. */
export interface NextHop {
  readonly fate: number;
  /** ifIndex; 0 where the packet is kept. */
  readonly egressInterface: number;
  /** In network byte order, in 32-bit words as a little-endian machine reads them; 0: directly connected. */
  readonly gateway: Int32Array;
}

/** Words of a gateway; IPv4 uses the first. */
export const GATEWAY_WORDS = 4;

/** Next hops by number. Number 0 is that of no route. */
export class NextHops {
  readonly #numbers = new Map<string, number>([['', 0]]);
  readonly #hops: NextHop[] = [
    { fate: Fate.KEPT, egressInterface: 0, gateway: new Int32Array(GATEWAY_WORDS) },
  ];

  /** @param key what tells it from others @param make makes it where it is new */
  number(key: string, make: () => NextHop): number {
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#hops.length;
      this.#numbers.set(key, number);
      this.#hops.push(make());
    }
    return number;
  }

  get list(): readonly NextHop[] {
    return this.#hops;
  }
}

export interface HostInterface {
  /** ifIndex. */
  readonly index: number;
  readonly name: string;
}

/** The routes of one IP version. */
export interface FamilyRoutes {
  /** In the order in which the rules ask them. */
  readonly tables: readonly RangeTable[];
  /** Routes read, in all tables. */
  readonly count: number;
}

export class Routes {
  /** Of the flow that was looked up last: */
  egressInterface = 0;
  /** As {@link NextHop.gateway}. */
  nextHop: Int32Array = new Int32Array(GATEWAY_WORDS);
  sourcePrefixLength = 0;
  destinationPrefixLength = 0;

  readonly ipv4: FamilyRoutes;
  readonly ipv6: FamilyRoutes;
  /** Interfaces that a packet may leave by, by index. */
  readonly interfaces: readonly HostInterface[];
  readonly #hops: readonly NextHop[];

  /** @param names interface names by index */
  constructor(
    ipv4: FamilyRoutes,
    ipv6: FamilyRoutes,
    hops: NextHops,
    names: ReadonlyMap<number, string> = new Map(),
  ) {
    this.ipv4 = ipv4;
    this.ipv6 = ipv6;
    this.#hops = hops.list;
    const egress = new Set(this.#hops.map(({ egressInterface }) => egressInterface));
    this.interfaces = [...names]
      .filter(([index]) => egress.has(index))
      .map(([index, name]) => ({ index, name }))
      .sort((a, b) => a.index - b.index);
  }

  /** Octets that the tables take. */
  get octets(): number {
    return [...this.ipv4.tables, ...this.ipv6.tables].reduce((sum, { octets }) => sum + octets, 0);
  }

  /**
   * Looks up both addresses of a flow. The answer stands in this object's fields until the next lookup.
   * @param words holds the source address, then the destination, in network byte order
   * @param at word at which they begin
   */
  lookup(words: Int32Array, at: number, ipVersion: IpVersion): void {
    if (ipVersion === 4) {
      const destination = sortable(words[at + 1]!);
      this.sourcePrefixLength = this.#find4(sortable(words[at]!)) & 0xff;
      this.#answer(this.#find4(destination), staysOnLink4(destination));
    } else {
      const destination = sortable(words[at + 4]!);
      this.sourcePrefixLength = this.#find6(words, at) & 0xff;
      this.#answer(this.#find6(words, at + 4), staysOnLink6(destination));
    }
  }

  #answer(found: number, staysOnLink: boolean): void {
    const hop = this.#hops[staysOnLink ? 0 : found >>> 8]!;
    this.destinationPrefixLength = found & 0xff;
    this.egressInterface = hop.egressInterface;
    this.nextHop = hop.gateway;
  }

  #find4(address: number): number {
    const { tables } = this.ipv4;
    for (let i = 0; i < tables.length; i++) {
      const found = tables[i]!.find4(address);
      if (this.#decides(found)) return found;
    }
    return NO_ROUTE;
  }

  #find6(words: Int32Array, at: number): number {
    const { tables } = this.ipv6;
    const a = sortable(words[at]!);
    const b = sortable(words[at + 1]!);
    const c = sortable(words[at + 2]!);
    const d = sortable(words[at + 3]!);
    for (let i = 0; i < tables.length; i++) {
      const found = tables[i]!.find6(a, b, c, d);
      if (this.#decides(found)) return found;
    }
    return NO_ROUTE;
  }

  #decides(found: number): boolean {
    return found !== NO_ROUTE && this.#hops[found >>> 8]!.fate !== Fate.PASSED_ON;
  }
}

/** No routes at all: every answer is 0. */
export function noRoutes(): Routes {
  return new Routes({ tables: [], count: 0 }, { tables: [], count: 0 }, new NextHops());
}

/** A word in network byte order, as a little-endian machine has read it, as a number from 0 to 2^32 − 1. */
export function hostOrder(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

/** Such a word as range-table.ts compares it. */
function sortable(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) ^ SORTABLE;
}

/**
 * Multicast, the limited broadcast and the unspecified address are not forwarded by the unicast routes.
 * @param address sortable
 */
function staysOnLink4(address: number): boolean {
  const word = address ^ SORTABLE;
  return word >>> 28 === 0xe || word === -1 || word === 0;
}

/**
 * Multicast (ff00::/8) and link-local addresses (fe80::/10) neither.
 * @param address its highest word, sortable
 */
function staysOnLink6(address: number): boolean {
  const word = address ^ SORTABLE;
  return word >>> 24 === 0xff || word >>> 22 === 0xfe80 >>> 6;
}
