/**
 * Fragments find their datagram's ports: only the first fragment carries them.
 *
 * Steps of a fragment (`take`): find its datagram by addresses, identification and protocol → if it is the first, keep
 * its ports, count it, and with it all that waited for it → if it is a later one, count it under the ports that the
 * first had, or let it wait until the first comes.
 *
 * Fragments wait as decoded packets, not as octets, and count as captured and metered when their waiting ends: when the
 * first comes, after {@link WAIT_MILLISECONDS}, when others need the room, or at the end of the capture; without the
 * first they have the ports that their own octets tell: none.
 *
 * RFC 791 §3.2 and RFC 8200 §4.5 say what identifies a datagram; interface, VLAN and tunnel are added, so that two
 * networks with the same addresses do not mix. RFC 1858 and RFC 3128 say what attacks look like: they are counted, and
 * packets are metered all the same.
 */

import {
  ADDRESSES,
  CONTROL,
  FRAGMENT_ID,
  FRAGMENT_MORE,
  FRAGMENT_NOT_FIRST,
  FRAGMENT_RANGE,
  FRAGMENT_TINY,
  INGRESS_INTERFACE,
  IP_OCTETS,
  PACKET_WORDS,
  PACKETS,
  PORTS,
  PROTOCOL,
  TTL,
} from '../packet/packet-layout.ts';
import { TUNNEL_WORDS } from '../packet/tunnel-key.ts';
import { FlowIndex } from './flow-index.ts';
import { type HashSeed, hashKey } from './hash.ts';
import { LONGEST_PROBE } from './record-head.ts';

/** Datagrams whose fragments are remembered at most. 2 MiB. */
export const MOST_DATAGRAMS = 16_384;
/** Fragments that wait at most. 136 KiB. */
export const MOST_WAITING = 1024;
/** How long a later fragment waits for the first. */
export const WAIT_MILLISECONDS = 100;
/**
 * How long a datagram is remembered after its first fragment. An identification of 16 bits is used again after 65 536
 * datagrams (RFC 4963), and soon on a fast link; a host waits 30 s or 60 s, but for what is lost.
 */
export const LIFETIME_MILLISECONDS = 2000;

/** Of a datagram's entry, in words. The key comes first: 15 words, of which IPv4 leaves six empty. */
const ADDRESS_WORDS = 8;
const ENTRY_IDENTIFICATION = 0;
const ENTRY_PROTOCOL = 1; // the IPv4 header's protocol (uint8; IPv6: 0) | ipVersion « 8 | vlanId « 16
const ENTRY_INTERFACE = 2;
const ENTRY_ADDRESSES = 3;
const ENTRY_TUNNEL = ENTRY_ADDRESSES + ADDRESS_WORDS;
const ENTRY_KEY_WORDS = ENTRY_TUNNEL + TUNNEL_WORDS;
const ENTRY_PORTS = ENTRY_KEY_WORDS;
const ENTRY_STATE = ENTRY_PORTS + 1; // protocolIdentifier (uint8) | FIRST_SEEN | OWN_EXPORT
const ENTRY_TICK = ENTRY_STATE + 1; // of the first fragment; until then, of the last that waits
const ENTRY_WAITING = ENTRY_TICK + 1; // the first that waits: its place + 1; 0: none
const ENTRY_WAITING_LAST = ENTRY_WAITING + 1;
const ENTRY_END = ENTRY_WAITING_LAST + 1; // of the datagram, in units of 8 octets; 0: the last fragment has not come
const ENTRY_RANGES = ENTRY_END + 1; // number of the ranges that follow
const MOST_RANGES = 8;
const ENTRY_WORDS = ENTRY_RANGES + 1 + MOST_RANGES;

const FIRST_SEEN = 0x100;
/** It is a datagram of Weir's own export, which is not metered. */
const OWN_EXPORT = 0x200;

/** Plain numbers that only grow. Packets. */
export interface FragmentCounters {
  /** Fragments, first ones included. */
  fragments: number;
  /** Later fragments that found their datagram's ports at once … */
  hits: number;
  /** … or had to wait for the first fragment … */
  waited: number;
  /** … and of those, which waited in vain: until their time was over … */
  expired: number;
  /** … or until their place was needed. */
  displaced: number;
  /** Datagrams forgotten before their time, because others needed the room. */
  evictions: number;
  /** Fragments of which octets had come before in another of the same datagram. */
  overlapping: number;
  /** First fragments too short for ports or TCP flags, and TCP fragments at offset 8 octets (RFC 1858 §3, RFC 3128). */
  tiny: number;
}

export interface FragmentsOptions {
  /** The memory of packets. Those that wait stand from word `waitingFrom` on, {@link MOST_WAITING} of them. */
  readonly words: Int32Array;
  readonly waitingFrom: number;
  readonly seed: HashSeed;
  /** Packets have the words of tunnel-key.ts behind their addresses. */
  readonly withTunnels: boolean;
  /** Counts the packet that stands at that word. Called at once, before anything is written there. */
  readonly count: (packet: number) => void;
  /** As `count`, of a fragment of Weir's own export. */
  readonly ignoreOwn: (packet: number) => void;
}

export class Fragments {
  readonly counters: FragmentCounters = {
    fragments: 0,
    hits: 0,
    waited: 0,
    expired: 0,
    displaced: 0,
    evictions: 0,
    overlapping: 0,
    tiny: 0,
  };
  /** What waits: captured, and not yet counted as such. */
  waitingPackets = 0;
  waitingOctets = 0;

  readonly #words: Int32Array;
  readonly #waitingFrom: number;
  readonly #seed: HashSeed;
  readonly #withTunnels: boolean;
  readonly #count: (packet: number) => void;
  readonly #ignoreOwn: (packet: number) => void;

  /**
   * Entries, a ring: the oldest is the first to go. One more, the last, is where a key is put together. There is no
   * memory for them until the first fragment comes.
   */
  #entries = new Int32Array(0);
  #index = new FlowIndex(1);
  /** Entries are taken from `#oldest` to before `#next`; both only grow, and their remainder is the slot. */
  #oldest = 0;
  #next = 0;

  /** The places of those that wait, a ring too; those whose waiting has ended early leave holes. */
  readonly #waitingEntry = new Int32Array(MOST_WAITING).fill(-1); // slot of its datagram; -1: a hole
  readonly #waitingNext = new Int32Array(MOST_WAITING); // of the same datagram: place + 1; 0: it is the last
  readonly #waitingTick = new Int32Array(MOST_WAITING);
  #waitingOldest = 0;
  #waitingEnd = 0;

  constructor(options: FragmentsOptions) {
    this.#words = options.words;
    this.#waitingFrom = options.waitingFrom;
    this.#seed = options.seed;
    this.#withTunnels = options.withTunnels;
    this.#count = options.count;
    this.#ignoreOwn = options.ignoreOwn;
  }

  /** Datagrams that are remembered. */
  get datagrams(): number {
    return this.#next - this.#oldest;
  }

  /**
   * Takes the fragment at word `packet`: counts it, or keeps a copy that waits.
   * @param tick now, on the metering clock: {@link expire} was called for it
   * @param isOwn it is the first of a datagram of Weir's own export
   */
  take(packet: number, tick: number, isOwn: boolean): void {
    if (this.#entries.length === 0) {
      this.#entries = new Int32Array((MOST_DATAGRAMS + 1) * ENTRY_WORDS);
      this.#index = new FlowIndex(MOST_DATAGRAMS, 2 * MOST_DATAGRAMS);
    }
    const words = this.#words;
    const entries = this.#entries;
    const fragment = words[packet + TTL]! >>> 8;
    const entry = this.#entryOf(packet, tick);
    const at = entry * ENTRY_WORDS;
    this.counters.fragments++;
    if ((fragment & FRAGMENT_TINY) !== 0) this.counters.tiny++;
    const isFirst = (fragment & FRAGMENT_NOT_FIRST) === 0;
    // The identification is used again.
    if (isFirst && this.#isComplete(at)) this.#begin(at, tick);
    if (this.#overlaps(at, words[packet + FRAGMENT_RANGE]!, (fragment & FRAGMENT_MORE) === 0)) {
      this.counters.overlapping++;
    }

    if (isFirst) {
      entries[at + ENTRY_PORTS] = words[packet + PORTS]!;
      entries[at + ENTRY_STATE] = (words[packet + PROTOCOL]! & 0xff) | FIRST_SEEN | (isOwn ? OWN_EXPORT : 0);
      entries[at + ENTRY_TICK] = tick;
      this.#countOf(at, packet);
      this.#release(at);
      return;
    }
    if ((entries[at + ENTRY_STATE]! & FIRST_SEEN) !== 0) {
      this.counters.hits++;
      this.#join(packet, at);
      this.#countOf(at, packet);
      return;
    }
    entries[at + ENTRY_TICK] = tick;
    this.#wait(packet, entry, tick);
  }

  /** Counts a fragment whose first is known. */
  #countOf(at: number, packet: number): void {
    if ((this.#entries[at + ENTRY_STATE]! & OWN_EXPORT) === 0) this.#count(packet);
    else this.#ignoreOwn(packet);
  }

  /** Counts those that have waited long enough by `tick`, and forgets the datagrams whose time is over. */
  expire(tick: number): void {
    this.#releaseDue(tick);
    while (this.#oldest !== this.#next) {
      const slot = this.#oldest % MOST_DATAGRAMS;
      if (!this.#isOld(slot * ENTRY_WORDS, tick)) return;
      this.#index.remove(slot);
      this.#oldest++;
    }
  }

  #releaseDue(tick: number): void {
    while (this.#waitingOldest !== this.#waitingEnd) {
      const place = this.#waitingOldest % MOST_WAITING;
      if (this.#waitingEntry[place]! >= 0) {
        if (((tick - this.#waitingTick[place]!) | 0) < WAIT_MILLISECONDS) return;
        this.counters.expired++;
        this.#leaveUnmatched(place);
      }
      this.#waitingOldest++;
    }
  }

  /** The clock has leapt, or the capture ends: counts all that wait and forgets every datagram. */
  forget(): void {
    while (this.#waitingOldest !== this.#waitingEnd) {
      const place = this.#waitingOldest++ % MOST_WAITING;
      if (this.#waitingEntry[place]! < 0) continue;
      this.counters.expired++;
      this.#leaveUnmatched(place);
    }
    if (this.#oldest === this.#next) return;
    this.#oldest = this.#next;
    this.#index = new FlowIndex(MOST_DATAGRAMS, 2 * MOST_DATAGRAMS);
  }

  #isOld(at: number, tick: number): boolean {
    return ((tick - this.#entries[at + ENTRY_TICK]!) | 0) >= LIFETIME_MILLISECONDS;
  }

  /** The slot of a packet's datagram, a new one where it is not known. */
  #entryOf(packet: number, tick: number): number {
    const words = this.#words;
    const entries = this.#entries;
    const key = MOST_DATAGRAMS * ENTRY_WORDS;
    const ipVersion = words[packet + CONTROL]! >>> 24;
    const addressWords = ipVersion === 4 ? 2 : ADDRESS_WORDS;
    entries[key + ENTRY_IDENTIFICATION] = words[packet + FRAGMENT_ID]!;
    entries[key + ENTRY_PROTOCOL] =
      (words[packet + TTL]! >>> 16) | (ipVersion << 8) | (words[packet + PROTOCOL]! & 0xffff0000);
    entries[key + ENTRY_INTERFACE] = words[packet + INGRESS_INTERFACE]!;
    for (let i = 0; i < ADDRESS_WORDS; i++) {
      entries[key + ENTRY_ADDRESSES + i] = i < addressWords ? words[packet + ADDRESSES + i]! : 0;
    }
    for (let i = 0; i < TUNNEL_WORDS; i++) {
      entries[key + ENTRY_TUNNEL + i] = this.#withTunnels ? words[packet + ADDRESSES + addressWords + i]! : 0;
    }
    const hash = hashKey(entries, key, ENTRY_KEY_WORDS, this.#seed);
    const found = this.#find(hash, key);
    if (found >= 0) {
      const at = found * ENTRY_WORDS;
      // Its first fragment, if one was seen, was that of an earlier datagram.
      if (this.#isOld(at, tick)) this.#begin(at, tick);
      return found;
    }
    if (this.#next - this.#oldest === MOST_DATAGRAMS) this.#evict(tick);
    const slot = this.#next % MOST_DATAGRAMS;
    while (!this.#index.insert(hash, slot)) this.#evict(tick);
    this.#next++;
    const at = slot * ENTRY_WORDS;
    for (let i = 0; i < ENTRY_KEY_WORDS; i++) entries[at + i] = entries[key + i]!;
    entries[at + ENTRY_WAITING] = 0;
    this.#begin(at, tick);
    return slot;
  }

  #evict(tick: number): void {
    const victim = this.#oldest++ % MOST_DATAGRAMS;
    if (!this.#isOld(victim * ENTRY_WORDS, tick)) this.counters.evictions++;
    this.#leaveAllUnmatched(victim * ENTRY_WORDS);
    this.#index.remove(victim);
  }

  #begin(at: number, tick: number): void {
    this.#entries[at + ENTRY_STATE] = 0;
    this.#entries[at + ENTRY_TICK] = tick;
    this.#entries[at + ENTRY_END] = 0;
    this.#entries[at + ENTRY_RANGES] = 0;
  }

  #isComplete(at: number): boolean {
    const entries = this.#entries;
    const end = entries[at + ENTRY_END]!;
    return end !== 0 && entries[at + ENTRY_RANGES] === 1 && entries[at + ENTRY_RANGES + 1] === end << 16;
  }

  #find(hash: number, key: number): number {
    const { entries, mask } = this.#index;
    let position = hash & mask;
    for (let left = LONGEST_PROBE; left > 0; left--) {
      const entry = entries[position]!;
      if (entry === 0) return -1;
      const slot = (entry & 0xffffff) - 1;
      if (entry >>> 24 === hash >>> 24 && this.#holds(slot * ENTRY_WORDS, key)) return slot;
      position = (position + 1) & mask;
    }
    return -1;
  }

  #holds(at: number, key: number): boolean {
    for (let i = 0; i < ENTRY_KEY_WORDS; i++) {
      if (this.#entries[at + i] !== this.#entries[key + i]) return false;
    }
    return true;
  }

  /**
   * Whether a range of octets has come before; remembers it. Ranges that touch become one, so that fragments in order,
   * or in reverse order, need one word; where a datagram comes in more than {@link MOST_RANGES} separate pieces, those
   * beyond are not remembered, and fewer overlaps are counted.
   * @param range as FRAGMENT_RANGE; kept as end « 16 | begin, both in units of 8 octets, the end rounded up
   * @param isLast it ends the datagram
   */
  #overlaps(at: number, range: number, isLast: boolean): boolean {
    const entries = this.#entries;
    const list = at + ENTRY_RANGES + 1;
    let count = entries[at + ENTRY_RANGES]!;
    let begin = range >>> 16;
    let end = begin + (((range & 0xffff) + 7) >> 3);
    if (isLast) entries[at + ENTRY_END] = end;
    if (begin === end) return false;
    let overlaps = false;
    for (let i = 0; i < count; ) {
      const known = entries[list + i]!;
      const knownBegin = known & 0xffff;
      const knownEnd = known >>> 16;
      if (begin < knownEnd && knownBegin < end) overlaps = true;
      if (begin > knownEnd || knownBegin > end) {
        i++;
        continue;
      }
      begin = Math.min(begin, knownBegin);
      end = Math.max(end, knownEnd);
      // The last of the list takes its place.
      entries[list + i] = entries[list + --count]!;
    }
    if (count < MOST_RANGES) entries[list + count++] = (end << 16) | begin;
    entries[at + ENTRY_RANGES] = count;
    return overlaps;
  }

  /** Gives a later fragment the ports of its datagram, and the protocol: its own octets may name a header in between. */
  #join(packet: number, at: number): void {
    const words = this.#words;
    words[packet + PORTS] = this.#entries[at + ENTRY_PORTS]!;
    words[packet + PROTOCOL] =
      (words[packet + PROTOCOL]! & 0xffffff00) | (this.#entries[at + ENTRY_STATE]! & 0xff);
  }

  #wait(packet: number, entry: number, tick: number): void {
    const words = this.#words;
    if (this.#waitingEnd - this.#waitingOldest === MOST_WAITING) {
      const oldest = this.#waitingOldest++ % MOST_WAITING;
      if (this.#waitingEntry[oldest]! >= 0) {
        this.counters.displaced++;
        this.#leaveUnmatched(oldest);
      }
    }
    const place = this.#waitingEnd++ % MOST_WAITING;
    words.copyWithin(this.#waitingFrom + place * PACKET_WORDS, packet, packet + PACKET_WORDS);
    this.#waitingEntry[place] = entry;
    this.#waitingNext[place] = 0;
    this.#waitingTick[place] = tick;
    const at = entry * ENTRY_WORDS;
    const entries = this.#entries;
    if (entries[at + ENTRY_WAITING] === 0) entries[at + ENTRY_WAITING] = place + 1;
    else this.#waitingNext[entries[at + ENTRY_WAITING_LAST]! - 1] = place + 1;
    entries[at + ENTRY_WAITING_LAST] = place + 1;
    this.counters.waited++;
    this.waitingPackets += words[packet + PACKETS]!;
    this.waitingOctets += words[packet + IP_OCTETS]! >>> 0;
  }

  /** The first fragment has come: those that waited for it join it. */
  #release(at: number): void {
    const entries = this.#entries;
    let next = entries[at + ENTRY_WAITING]!;
    entries[at + ENTRY_WAITING] = 0;
    while (next !== 0) {
      const place = next - 1;
      next = this.#waitingNext[place]!;
      const packet = this.#leave(place);
      this.#join(packet, at);
      this.#countOf(at, packet);
    }
  }

  /** The oldest of those that wait goes as it is: it is the first of its datagram's list. */
  #leaveUnmatched(place: number): void {
    this.#entries[this.#waitingEntry[place]! * ENTRY_WORDS + ENTRY_WAITING] = this.#waitingNext[place]!;
    this.#count(this.#leave(place));
  }

  /** A datagram is forgotten: what waits for its first fragment goes as it is. */
  #leaveAllUnmatched(at: number): void {
    let next = this.#entries[at + ENTRY_WAITING]!;
    this.#entries[at + ENTRY_WAITING] = 0;
    while (next !== 0) {
      const place = next - 1;
      next = this.#waitingNext[place]!;
      this.counters.displaced++;
      this.#count(this.#leave(place));
    }
  }

  /** Its waiting has ended. @returns its word: to be counted at once */
  #leave(place: number): number {
    const packet = this.#waitingFrom + place * PACKET_WORDS;
    this.#waitingEntry[place] = -1;
    this.waitingPackets -= this.#words[packet + PACKETS]!;
    this.waitingOctets -= this.#words[packet + IP_OCTETS]! >>> 0;
    return packet;
  }
}
