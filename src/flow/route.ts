/**
 * What the routes say of a flow: its egress interface, next hop and prefix lengths. Looked up once, when the flow is
 * new, and again only when a record of it opens and the routes have been read anew since: so a flow that goes on for
 * days does not keep a route that is gone. A record tells the route that it began with.
 */

import { type FlowLayout, ROUTE_EGRESS, ROUTE_NEXT_HOP, ROUTE_PREFIX_LENGTHS } from './flow-record.ts';

/** The routes' answer for a flow; 0 where they have none. */
export interface Route {
  /** ifIndex; 0: the packet stays, or no route is known. */
  readonly egressInterface: number;
  /** As it lies in a record: network byte order, one word or four; 0: directly connected. */
  readonly nextHop: Int32Array;
  readonly sourcePrefixLength: number;
  readonly destinationPrefixLength: number;
}

/** Who knows the routes. */
export interface RouteLookup {
  /** 0 to 65535, another whenever the routes may have changed. */
  readonly generation: number;
  /**
   * Looks up both addresses of a flow. The answer is valid until the next call.
   * @param words holds the source address, then the destination, in network byte order
   * @param at word at which they begin
   */
  lookup(words: Int32Array, at: number, ipVersion: 4 | 6): Route;
}

/** Writes the answers into the records of one layout. */
export class RouteFields {
  readonly #routes: RouteLookup;
  readonly #ipVersion: 4 | 6;
  /** Words from a record's start. */
  readonly #addresses: number;
  readonly #at: number;
  readonly #nextHopWords: number;

  constructor(routes: RouteLookup, { ipVersion, route, fields }: FlowLayout) {
    const source = fields.get(`sourceIPv${ipVersion}Address`)!;
    this.#routes = routes;
    this.#ipVersion = ipVersion;
    this.#addresses = source.offset / 4;
    this.#nextHopWords = source.size / 4;
    this.#at = route;
  }

  /** A new flow, whose key is written. @param base word at which its record begins */
  begin(words: Int32Array, base: number): void {
    const { generation } = this.#routes;
    const route = this.#routes.lookup(words, base + this.#addresses, this.#ipVersion);
    const at = base + this.#at;
    words[at + ROUTE_EGRESS] = route.egressInterface;
    words[at + ROUTE_PREFIX_LENGTHS] =
      route.sourcePrefixLength | (route.destinationPrefixLength << 8) | (generation << 16);
    for (let i = 0; i < this.#nextHopWords; i++) words[at + ROUTE_NEXT_HOP + i] = route.nextHop[i]!;
  }

  /** A record of it opens. */
  refresh(words: Int32Array, base: number): void {
    if (words[base + this.#at + ROUTE_PREFIX_LENGTHS]! >>> 16 !== this.#routes.generation)
      this.begin(words, base);
  }
}
