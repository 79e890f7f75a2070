/**
 * Biflows (RFC 5103): both directions of a conversation in one entry, found by one key.
 *
 * The key has the two ends in the order of their addresses and ports, and neither interface, VLAN nor DSCP, in which
 * the directions differ. An entry is two records of one direction, side by side: forward, then reverse, each with its
 * own identity (addresses, ports, interface, VLAN as its first packet had them). So a Collector that knows no
 * biflows is handed the two as they are.
 *
 * Forward is the direction of the first packet (RFC 5103 §5, biflowDirection initiator), or the other one if that is a
 * SYN-ACK. Of ICMP's questions and answers the types belong together: echo and echo reply are one biflow.
 */

import {
  ADDRESSES,
  CONTROL,
  INGRESS_INTERFACE,
  MILLISECONDS,
  PORTS,
  PROTOCOL,
  SEEN,
  SEEN_INTERFACE,
  SEEN_SWAPPED,
} from '../packet/packet-layout.ts';
import type { PacketView } from '../packet/packet-view.ts';
import { BEGUN, FINISHED, SWAPPED } from './biflow-state.ts';
import { ACK, FIN, LIVE, SYN, VALUES } from './entry-state.ts';
import { beginExtension, openExtension } from './extension.ts';
import {
  EXT_WORDS,
  FLAGS,
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  type FlowLayout,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
} from './flow-record.ts';
import { RouteFields, type RouteLookup } from './route.ts';

/** The question to an answer's type (IANA's registries of ICMP and ICMPv6 parameters). */
const QUESTIONS_V4: ReadonlyMap<number, number> = new Map([
  [0, 8], //   echo
  [14, 13], // timestamp
  [16, 15], // information
  [18, 17], // address mask
]);
const QUESTIONS_V6: ReadonlyMap<number, number> = new Map([
  [129, 128], // echo
  [140, 139], // node information
]);

/**
 * Makes the first words of a decoded packet the key of its biflow, and keeps beside what they said. A fragment has
 * found its ports before.
 * @param words memory of the packet, which begins at word `base`
 */
export function writeBiflowKey(words: Int32Array, base: number): void {
  const protocol = words[base + PROTOCOL]! & 0xff;
  const vlan = words[base + PROTOCOL]! >>> 16;
  const isIpv4 = words[base + CONTROL]! >>> 24 === 4;
  const isIcmp = protocol === (isIpv4 ? 1 : 58);
  words[base + SEEN_INTERFACE] = words[base + INGRESS_INTERFACE]!;
  words[base + INGRESS_INTERFACE] = 0;
  words[base + PROTOCOL] = protocol;
  const ports = words[base + PORTS]!;
  if (isIcmp) {
    const question = (isIpv4 ? QUESTIONS_V4 : QUESTIONS_V6).get((ports >>> 8) & 0xff);
    if (question !== undefined) words[base + PORTS] = (question << 8) | (ports & 0xff);
  }
  const addressWords = isIpv4 ? 1 : 4;
  let order = 0;
  for (let i = base + ADDRESSES; order === 0 && i < base + ADDRESSES + addressWords; i++) {
    if (words[i]! !== words[i + addressWords]!) order = words[i]! < words[i + addressWords]! ? -1 : 1;
  }
  if (order === 0 && !isIcmp) order = ports >>> 16 > (ports & 0xffff) ? 1 : -1;
  words[base + SEEN] = (ports & 0xffff) | (vlan << 16) | (order > 0 ? SEEN_SWAPPED : 0);
  if (order <= 0) return;
  if (!isIcmp) words[base + PORTS] = (ports << 16) | (ports >>> 16);
  for (let i = base + ADDRESSES; i < base + ADDRESSES + addressWords; i++) {
    const source = words[i]!;
    words[i] = words[i + addressWords]!;
    words[i + addressWords] = source;
  }
}

/** What a flow table does more, or otherwise, for biflows. `base` is the first word of an entry. */
export class BiflowDirections {
  /** Words from the forward direction's record to the reverse one's. */
  readonly reverse: number;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #packets: Int32Array;
  readonly #times: Float64Array;
  readonly #identity: number;
  readonly #addressWords: number;
  readonly #keyWords: number;
  readonly #icmp: number;
  readonly #extension: number;
  readonly #route: RouteFields | undefined;

  /** @param words the table's memory, and the same as float64 @param packets those to count */
  constructor(
    layout: FlowLayout,
    words: Int32Array,
    floats: Float64Array,
    packets: Pick<PacketView, 'words' | 'floats'>,
    routes: RouteLookup | undefined,
  ) {
    this.reverse = layout.reverse;
    this.#words = words;
    this.#floats = floats;
    this.#packets = packets.words;
    this.#times = packets.floats;
    this.#identity = layout.identity;
    this.#addressWords = layout.ipVersion === 4 ? 1 : 4;
    this.#keyWords = layout.keyWords;
    this.#icmp = layout.ipVersion === 4 ? 1 : 58;
    this.#extension = layout.extension;
    this.#route = routes && new RouteFields(routes, layout);
  }

  /** An entry begins with this packet: which of its directions is forward? */
  begin(base: number, packet: number): void {
    const words = this.#words;
    const isTcp = (this.#packets[packet + PROTOCOL]! & 0xff) === 6;
    const isAnswer = isTcp && (this.#packets[packet + CONTROL]! & (SYN | ACK)) === (SYN | ACK);
    const isSwapped = this.#packets[packet + SEEN]! < 0 !== isAnswer;
    words[base + FLAGS] = isSwapped ? LIVE | SWAPPED : LIVE;
    words[base + this.reverse + FLAGS] = 0;
    this.#identify(base, packet, isSwapped);
    this.#identify(base + this.reverse, packet, !isSwapped);
  }

  /** A record opens: nothing is counted in it yet. */
  open(base: number): void {
    for (let at = base; at <= base + this.reverse; at += this.reverse) {
      this.#floats[(at + OCTET_DELTA_COUNT) >> 1] = 0;
      this.#floats[(at + PACKET_DELTA_COUNT) >> 1] = 0;
      this.#words[at + FLAGS] = this.#words[at + FLAGS]! & ~VALUES;
      if (this.#extension !== 0) openExtension(this.#words, at + this.#extension);
      this.#route?.refresh(this.#words, at);
    }
  }

  /** Whether a packet of this packet's direction came before. */
  hasBegun(base: number, packet: number): boolean {
    const isSwapped = this.#packets[packet + SEEN]! < 0;
    const at = this.#words[base + FLAGS]! < 0 === isSwapped ? base : base + this.reverse;
    return (this.#words[at + FLAGS]! & BEGUN) !== 0;
  }

  /** The first word of the record that the packet belongs to, made ready for it. */
  of(base: number, packet: number): number {
    const words = this.#words;
    const seen = this.#packets[packet + SEEN]!;
    const isSwapped = seen < 0;
    const at = words[base + FLAGS]! < 0 === isSwapped ? base : base + this.reverse;
    if ((words[at + FLAGS]! & BEGUN) === 0) {
      words[at + FLAGS] = words[at + FLAGS]! | BEGUN;
      words[at + this.#identity + PROTOCOL] =
        this.#packets[packet + PROTOCOL]! | (seen & ~SEEN_SWAPPED & 0xffff0000);
      words[at + this.#identity + INGRESS_INTERFACE] = this.#packets[packet + SEEN_INTERFACE]!;
      if (this.#packets[packet + PROTOCOL] === this.#icmp) {
        words[at + this.#identity + PORTS] = seen & 0xffff;
      }
      if (this.#extension !== 0) {
        beginExtension(words, at + this.#extension, this.#packets, packet);
        openExtension(words, at + this.#extension);
      }
    }
    const half = at >> 1;
    if (this.#floats[half + PACKET_DELTA_COUNT / 2] === 0) {
      const milliseconds = this.#times[(packet + MILLISECONDS) >> 1]!;
      this.#floats[half + FLOW_START_MILLISECONDS / 2] = milliseconds;
      this.#floats[half + FLOW_END_MILLISECONDS / 2] = milliseconds;
      words[at + FLAGS] = words[at + FLAGS]! | (this.#packets[packet + CONTROL]! & VALUES);
    }
    return at;
  }

  /** A packet with FIN, of the direction whose record begins at `at`. @returns whether both have now sent one */
  finish(base: number, at: number, packet: number): boolean {
    const words = this.#words;
    if ((this.#packets[packet + CONTROL]! & FIN) !== 0) words[at + FLAGS] = words[at + FLAGS]! | FINISHED;
    return (words[base + FLAGS]! & words[base + this.reverse + FLAGS]! & FINISHED) !== 0;
  }

  /**
   * The entry's record leaves. A direction that counted nothing has the times of the other.
   * @returns the reverse direction's FLAGS, for {@link unseal}
   */
  seal(base: number, reason: number): number {
    const forward = base >> 1;
    const reverse = (base + this.reverse) >> 1;
    const floats = this.#floats;
    const isOneWay = floats[forward + PACKET_DELTA_COUNT / 2] === 0;
    if (isOneWay || floats[reverse + PACKET_DELTA_COUNT / 2] === 0) {
      const [from, to] = isOneWay ? [reverse, forward] : [forward, reverse];
      for (const field of [FLOW_START_MILLISECONDS / 2, FLOW_END_MILLISECONDS / 2])
        floats[to + field] = floats[from + field]!;
    }
    const flags = this.#words[base + this.reverse + FLAGS]!;
    this.#words[base + this.reverse + FLAGS] = (flags & VALUES) | (reason << 24);
    return flags;
  }

  unseal(base: number, flags: number): void {
    this.#words[base + this.reverse + FLAGS] = flags;
  }

  /** Packets of the reverse direction in the entry's record. */
  packets(base: number): number {
    return this.#floats[(base + this.reverse + PACKET_DELTA_COUNT) >> 1]!;
  }

  octets(base: number): number {
    return this.#floats[(base + this.reverse + OCTET_DELTA_COUNT) >> 1]!;
  }

  /** Names the ends of a direction of which no packet came yet. */
  #identify(at: number, packet: number, isSwapped: boolean): void {
    const words = this.#words;
    const packets = this.#packets;
    const to = at + this.#identity;
    const ports = packets[packet + PORTS]!;
    const isIcmp = packets[packet + PROTOCOL] === this.#icmp;
    words[to + PORTS] = isIcmp ? 0 : isSwapped ? (ports << 16) | (ports >>> 16) : ports;
    words[to + PROTOCOL] = packets[packet + PROTOCOL]!;
    words[to + INGRESS_INTERFACE] = 0;
    const n = this.#addressWords;
    for (let i = 0; i < n; i++) {
      words[to + ADDRESSES + i] = packets[packet + ADDRESSES + (isSwapped ? n : 0) + i]!;
      words[to + ADDRESSES + n + i] = packets[packet + ADDRESSES + (isSwapped ? 0 : n) + i]!;
    }
    // The tunnel, if any are opened: one of the key, and so of both directions.
    for (let i = ADDRESSES + 2 * n; i < this.#keyWords; i++) words[to + i] = packets[packet + i]!;
    if (this.#extension !== 0) words.fill(0, at + this.#extension, at + this.#extension + EXT_WORDS);
    this.#route?.begin(words, at);
  }
}
