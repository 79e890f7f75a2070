/**
 * The Metering Process: frames in, Flow Records out.
 *
 * Steps of a frame: decode it → count it as captured, and as ignored if it cannot be metered → move the
 * clock → count it in the table of its IP version. Fragments first find their ports, for which some wait (fragments.ts).
 */

import type { Frame, FrameReceiver, PlainFrames } from '../capture/packet-source.ts';
import type { Decapsulator } from '../packet/decapsulator.ts';
import { decode } from '../packet/decode.ts';
import {
  CONTROL,
  FRAGMENT_BITS,
  IP_OCTETS,
  MAC_ADDRESSES,
  METERED,
  MILLISECONDS,
  PACKET_HASH,
  PACKET_WORDS,
  PACKETS,
  TCP_PAYLOAD,
  TTL,
} from '../packet/packet-layout.ts';
import { IGNORED_REASONS, PacketView } from '../packet/packet-view.ts';
import { writeBiflowKey } from './biflow.ts';
import {
  FlowEndReason,
  type FlowLayout,
  type FlowRecord,
  flowLayout,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
  type RecordBatch,
  type RecordReceiver,
} from './flow-record.ts';
import { FlowTable, tableWords } from './flow-table.ts';
import { Fragments, LIFETIME_MILLISECONDS, MOST_WAITING } from './fragments.ts';
import { type HashSeed, hashKey } from './hash.ts';
import { PlainPackets } from './plain-packets.ts';
import { handOn } from './record-batch.ts';
import { GRANULE_SHIFT } from './record-head.ts';
import type { RouteLookup } from './route.ts';
import { Sampler, type Sampling } from './sampler.ts';

export interface MeterOptions {
  readonly activeTimeoutMilliseconds: number;
  readonly idleTimeoutMilliseconds: number;
  /** Most flows in the table, IPv4 and IPv6 together. */
  readonly maxFlows: number;
  readonly fields: 'standard' | 'full';
  /**
   * Whose clock ends flows. `monotonic`: live, the injected clock, read once a batch. `packet`: a file, the
   * greatest packet time seen, so that a result depends on the file alone.
   */
  readonly clock: 'monotonic' | 'packet';
  /** The monotonic clock, in milliseconds. Not used with `packet`. */
  readonly monotonicMilliseconds: () => number;
  readonly seed: HashSeed;
  /** Where given, records have room for what the routes say. */
  readonly routes?: RouteLookup | undefined;
  /** Opens tunnels; undefined: none is opened. */
  readonly decapsulator?: Decapsulator | undefined;
  /** Counts plain packets as all others: for tests, which compare. */
  readonly withoutPlain?: boolean | undefined;
  /** Octets of the rings that packets come from: they are mapped into the memory of plain packets. Default 0. */
  readonly ringOctets?: number | undefined;
  /** True for Weir's own export, which is not metered (only asked where egress is captured). */
  readonly isOwnExport?: ((view: PacketView) => boolean) | undefined;
  /** Both directions in one record. */
  readonly biflow?: boolean | undefined;
  /** Undefined: every packet is metered. */
  readonly sampling?: Sampling | undefined;
}

/** How long an entry absorbs stragglers after FIN or RST, so that the record is at a collector within 1 s. */
const LINGER_MILLISECONDS = 500;

/** How long a biflow waits for the other direction's FIN: longer than the round trip over a satellite. */
const HALF_CLOSED_MILLISECONDS = 1000;

/** The clock moves in steps of at most this, so that differences of ticks stay in 32 bits. */
const LONGEST_STEP_MILLISECONDS = 2 ** 29;

/** Packets that are looked up together: on the short way 32 took 4 % longer, 8 % with 880 000 flows, and 128 as long. */
const BATCH = 64;
/** Parts of memory that a table consists of, its index at every size included; each begins on a cache line. */
const MOST_PARTS = 48;
/** Where the packet stands that is counted alone: see `#countAlone`. Behind it stand the fragments that wait. */
const ALONE = BATCH * PACKET_WORDS;

const OWN_EXPORT = IGNORED_REASONS.indexOf('own_export');
const NOT_SAMPLED = IGNORED_REASONS.indexOf('not_sampled');
const UNKNOWN_LINK_TYPE = IGNORED_REASONS.indexOf('unknown_link_type');

export class Meter implements FrameReceiver {
  /** Undefined: there is something to ask of every packet. */
  readonly plain: PlainFrames | undefined;
  /** Why plain packets take the way of all others, where they need not: it costs about twice the processor. */
  readonly plainProblem: Error | undefined;
  /** Packets and IP octets that were captured, metered, and ignored by reason (index: IGNORED_REASONS). */
  capturedPackets = 0;
  capturedOctets = 0;
  meteredPackets = 0;
  meteredOctets = 0;
  readonly ignoredPackets = new Float64Array(IGNORED_REASONS.length);
  readonly ignoredOctets = new Float64Array(IGNORED_REASONS.length);
  /** Records handed on, by flowEndReason (the index), and what they carried. */
  readonly records = new Float64Array(6);
  recordedPackets = 0;
  recordedOctets = 0;
  /** LINKTYPE_ numbers met that Weir does not read. */
  readonly unknownLinkTypes = new Set<number>();
  /** The greatest packet time seen, Unix milliseconds; 0 before the first packet. */
  greatestPacketMilliseconds = 0;

  readonly maxFlows: number;
  readonly tables: readonly [ipv4: FlowTable, ipv6: FlowTable];
  readonly #receiver: RecordReceiver;
  readonly #seed: HashSeed;
  readonly #full: boolean;
  readonly #biflow: boolean;
  /** The packets that wait for their look-up. */
  readonly #view: PacketView;
  /** Undefined: the records are of a layout that it does not know, or it is not to be had. */
  readonly #plain: PlainPackets | undefined;
  /** A slot that may be that of each one's flow, or -1. */
  readonly #candidates = new Int32Array(BATCH);
  #pending = 0;
  readonly fragments: Fragments;
  readonly decapsulator: Decapsulator | undefined;
  /** The greatest packet time when the last fragment came. */
  #lastFragmentMilliseconds = 0;
  /** Whether the clock is to be looked at before each packet: it is the packets', and fragments wait for its hand to move. */
  #isAlone = false;
  /** Keeps the reads of `#countBatch` from being optimised away. */
  touched = 0;
  readonly #byPacketTime: boolean;
  readonly #monotonic: () => number;
  readonly #isOwnExport: ((view: PacketView) => boolean) | undefined;
  readonly #sampler: Sampler | undefined;
  #congested: (() => Promise<void> | undefined) | undefined;
  /** Now, on the metering clock. */
  #tick = 0;
  /** Packet time at which the metering clock was `#tick` last (clock: packet). */
  #tickMilliseconds = 0;
  readonly #record: { layout: FlowRecord['layout']; view: DataView; offset: number };

  constructor(options: MeterOptions, receiver: RecordReceiver) {
    if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) {
      throw new Error('Weir needs a little-endian processor (x86-64, arm64)');
    }
    this.#receiver = receiver;
    this.#seed = options.seed;
    this.#full = options.fields === 'full';
    this.#biflow = options.biflow === true;
    this.maxFlows = options.maxFlows;
    const layouts = ([4, 6] as const).map((ipVersion) =>
      flowLayout(
        ipVersion,
        options.fields,
        options.routes !== undefined,
        options.decapsulator?.tunnels,
        options.biflow,
      ),
    );
    const rows = BATCH + 1 + MOST_WAITING;
    let plain: PlainPackets | undefined;
    if (!this.#full && !this.#biflow && options.withoutPlain !== true) {
      const words = layouts.reduce((sum, layout) => sum + tableWords(layout.words, options.maxFlows), 0);
      try {
        plain = PlainPackets.create(rows, words * 4 + layouts.length * MOST_PARTS * 64, options.ringOctets);
      } catch (error) {
        this.plainProblem = error as Error;
      }
    }
    this.#plain = plain;
    this.#view =
      plain === undefined
        ? new PacketView(rows)
        : new PacketView(rows, plain.memory.buffer, plain.allocate(rows * PACKET_WORDS * 4));
    this.#view.withTcp = this.#full;
    this.#byPacketTime = options.clock === 'packet';
    this.#monotonic = options.monotonicMilliseconds;
    this.#isOwnExport = options.isOwnExport;
    this.decapsulator = options.decapsulator;
    this.#sampler = options.sampling && new Sampler(options.sampling, options.seed);
    const table = (layout: FlowLayout): FlowTable =>
      new FlowTable({
        memory: plain,
        packets: this.#view,
        layout,
        routes: options.routes,
        capacity: options.maxFlows,
        activeTimeoutMilliseconds: options.activeTimeoutMilliseconds,
        idleTimeoutMilliseconds: options.idleTimeoutMilliseconds,
        lingerMilliseconds: LINGER_MILLISECONDS,
        halfClosedMilliseconds: HALF_CLOSED_MILLISECONDS,
        makeRoom: () => this.#makeRoom(),
        emit: (from, base, reason) => this.#emit(from, base, reason),
        emitBatch: (batch, reason, packets, octets) => this.#emitBatch(batch, reason, packets, octets),
      });
    this.tables = [table(layouts[0]!), table(layouts[1]!)];
    if (plain !== undefined) {
      plain.setRows(this.#view.words, BATCH);
      plain.setMetering(
        options.seed,
        Math.min(options.activeTimeoutMilliseconds, options.idleTimeoutMilliseconds),
        this.#byPacketTime,
        options.maxFlows,
      );
      for (const each of this.tables) plain.setTable(each);
    }
    this.plain =
      plain === undefined ||
      options.decapsulator !== undefined ||
      options.isOwnExport !== undefined ||
      options.sampling !== undefined
        ? undefined
        : this.#plainFrames(plain);
    this.fragments = new Fragments({
      words: this.#view.words,
      waitingFrom: ALONE + PACKET_WORDS,
      seed: options.seed,
      withTunnels: options.decapsulator !== undefined,
      count: (packet) => this.#append(packet),
      ignoreOwn: (packet) => this.#ignorePacket(OWN_EXPORT, packet),
    });
    this.#record = { layout: this.tables[0].layout, view: this.tables[0].view, offset: 0 };
    if (!this.#byPacketTime) {
      this.#tick = Math.floor(this.#monotonic()) | 0;
      for (const each of this.tables) each.begin(this.#tick);
    }
  }

  /** Flows in the table. */
  get flows(): number {
    return this.tables[0].flows + this.tables[1].flows;
  }

  /** Who says whether the way out is congested, asked after each batch. */
  set congestion(congested: () => Promise<void> | undefined) {
    this.#congested = congested;
  }

  beginBatch(): void {
    if (!this.#byPacketTime) this.#tick = Math.floor(this.#monotonic()) | 0;
  }

  endBatch(): Promise<void> | undefined {
    this.#countBatch();
    return this.#congested?.();
  }

  frame(frame: Frame): void {
    const view = this.#view;
    const i = this.#pending;
    view.base = i * PACKET_WORDS;
    const { decapsulator } = this;
    const outcome = decapsulator === undefined ? decode(frame, view) : decapsulator.decode(frame, view);
    if (outcome !== METERED) {
      if (outcome - 1 === UNKNOWN_LINK_TYPE) this.unknownLinkTypes.add(frame.linkType);
      this.#ignore(outcome - 1, 1, 0);
      return;
    }
    const isFragment = (view.words[view.base + TTL]! & FRAGMENT_BITS) !== 0;
    const isOwn = this.#isOwnExport?.(view) === true;
    // Of its datagram's later fragments only the first tells whose they are: it is not done with here.
    if (isOwn && !isFragment) {
      this.#ignore(OWN_EXPORT, view.packets, view.ipOctets);
      return;
    }
    // Behind the decoder, so that the octets of what is passed over are known; before any work on a flow.
    if (!isOwn && this.#sampler !== undefined && !this.#sampler.take()) {
      this.#ignore(NOT_SAMPLED, view.packets, view.ipOctets);
      return;
    }
    view.floats[(view.base + MILLISECONDS) >> 1] =
      frame.seconds * 1000 + ((frame.nanoseconds / 1_000_000) | 0);
    if (this.#full) {
      copyMacAddresses(frame.view, view);
      const microseconds = ((frame.nanoseconds / 1000) | 0) % 1000;
      view.words[view.base + TCP_PAYLOAD] = view.words[view.base + TCP_PAYLOAD]! | (microseconds << 22);
    }
    if (isFragment || this.#isAlone) {
      this.#countAlone(view.base, isOwn);
      return;
    }

    if (this.#biflow) writeBiflowKey(view.words, view.base);
    this.#pending = i + 1;
    if (i + 1 === BATCH) this.#countBatch();
  }

  /**
   * Counts a packet, but for a fragment that is to wait, after those that wait for their look-up and on a clock that
   * has moved to its time: what a fragment meets, and when it has waited long enough, depends on no batch.
   * @param packet its word
   * @param isOwn it is the first fragment of a datagram of Weir's own export
   */
  #countAlone(packet: number, isOwn: boolean): void {
    const { words, floats } = this.#view;
    words.copyWithin(ALONE, packet, packet + PACKET_WORDS);
    this.#countBatch();
    const now = floats[(ALONE + MILLISECONDS) >> 1]!;
    // Ticks are modulo 2^32: after a leap of the packets' clock they would not tell what is old.
    let leapt = false;
    if (now > this.greatestPacketMilliseconds) {
      if (this.#byPacketTime) {
        leapt = now - this.greatestPacketMilliseconds >= LIFETIME_MILLISECONDS;
        this.#advance(now);
      }
      this.greatestPacketMilliseconds = now;
    }
    const isFragment = (words[ALONE + TTL]! & FRAGMENT_BITS) !== 0;
    if (isFragment && this.#byPacketTime) {
      if (this.greatestPacketMilliseconds - this.#lastFragmentMilliseconds >= LIFETIME_MILLISECONDS)
        leapt = true;
      this.#lastFragmentMilliseconds = this.greatestPacketMilliseconds;
    }
    if (leapt) this.fragments.forget();
    else this.fragments.expire(this.#tick);
    if (isFragment) this.fragments.take(ALONE, this.#tick, isOwn);
    else this.#append(ALONE);
    this.#countBatch();
    this.#isAlone = this.#byPacketTime && this.fragments.waitingPackets > 0;
  }

  /** A fragment's waiting is over, or a packet is counted alone: it takes its place in the batch. */
  #append(packet: number): void {
    const { words } = this.#view;
    const to = this.#pending * PACKET_WORDS;
    words.copyWithin(to, packet, packet + PACKET_WORDS);
    if (this.#biflow) writeBiflowKey(words, to);
    this.#pending++;
    if (this.#pending === BATCH) this.#countBatch();
  }

  /**
   * Counts the packets that wait. With many flows neither the index's entries nor the records are in a cache, and one
   * packet after the other would wait for its own. So both are touched first, each in a loop of its own over plain arrays,
   * so short that the processor runs many of its turns at once and fetches side by side: 146 ns a packet instead of 174
   * with the records alone at 100 000 flows, 220 instead of 320 at 880 000 (without either, twice as much).
   */
  #countBatch(): void {
    if (this.#pending === 0) return;
    if (this.#plain !== undefined) {
      this.#countPlain(this.#plain);
      return;
    }
    const waiting = this.#pending * PACKET_WORDS;
    const { words, floats } = this.#view;
    const candidates = this.#candidates;
    const ipv4 = this.tables[0];
    const ipv6 = this.tables[1];
    const seed = this.#seed;
    const { keyWords: keyWords4 } = ipv4.layout;
    const { keyWords: keyWords6 } = ipv6.layout;
    for (let at = 0; at < waiting; at += PACKET_WORDS) {
      const isIpv4 = words[at + CONTROL]! >>> 24 === 4;
      words[at + PACKET_HASH] = hashKey(words, at, isIpv4 ? keyWords4 : keyWords6, seed);
    }
    let touched = 0;
    // Most batches are of one IP version; what packets of the other touch is of no use, and not worth a question a packet.
    const { entries, mask } = (words[CONTROL]! >>> 24 === 4 ? ipv4 : ipv6).index;
    for (let at = PACKET_HASH; at < waiting; at += PACKET_WORDS) touched ^= entries[words[at]! & mask]!;
    for (let at = 0, i = 0; at < waiting; at += PACKET_WORDS, i++) {
      const { index } = words[at + CONTROL]! >>> 24 === 4 ? ipv4 : ipv6;
      candidates[i] = index.first(words[at + PACKET_HASH]!);
    }
    const { words: words4 } = ipv4;
    const { words: words6 } = ipv6;
    const stride4 = ipv4.layout.words;
    const stride6 = ipv6.layout.words;
    for (let at = 0, i = 0; at < waiting; at += PACKET_WORDS, i++) {
      const slot = candidates[i]!;
      if (slot < 0) continue;
      touched ^= words[at + CONTROL]! >>> 24 === 4 ? words4[slot * stride4]! : words6[slot * stride6]!;
    }
    this.touched = touched;
    let packets = 0;
    let octets = 0;
    for (let at = 0, i = 0; at < waiting; at += PACKET_WORDS, i++) {
      const now = floats[(at + MILLISECONDS) >> 1]!;
      if (now > this.greatestPacketMilliseconds) {
        if (this.#byPacketTime) this.#advance(now);
        this.greatestPacketMilliseconds = now;
      }
      packets += words[at + PACKETS]!;
      octets += words[at + IP_OCTETS]! >>> 0;
      const table = words[at + CONTROL]! >>> 24 === 4 ? ipv4 : ipv6;
      table.count(at, candidates[i]!, this.#tick);
    }
    this.capturedPackets += packets;
    this.capturedOctets += octets;
    this.meteredPackets += packets;
    this.meteredOctets += octets;
    this.#pending = 0;
  }

  /** As {@link #countBatch}, with what has nothing to it counted in one go. */
  #countPlain(plain: PlainPackets): void {
    this.#tellPlain(plain);
    plain.functions.lookUp();
    this.#countFrom(plain.functions.count(0), plain);
  }

  /** Counts the rest of a batch, whose rows the short way leaves here and there, from one that it has left on. */
  #countFrom(first: number, plain: PlainPackets): void {
    const pending = this.#pending;
    const { words, floats } = this.#view;
    for (let i = first; i < pending; i = plain.functions.count(i + 1)) {
      this.#hearPlain(plain);
      const at = i * PACKET_WORDS;
      const now = floats[(at + MILLISECONDS) >> 1]!;
      if (now > this.greatestPacketMilliseconds) {
        if (this.#byPacketTime) this.#advance(now);
        this.greatestPacketMilliseconds = now;
      }
      this.#add(words[at + PACKETS]!, words[at + IP_OCTETS]! >>> 0);
      this.tables[words[at + CONTROL]! >>> 24 === 4 ? 0 : 1].count(at, -1, this.#tick);
      this.#tellPlain(plain);
    }
    this.#hearPlain(plain);
    this.#pending = 0;
  }

  /** What the short way has to know. */
  #tellPlain(plain: PlainPackets): void {
    plain.follow(this.tables);
    plain.pending = this.#pending;
    plain.tick = this.#tick;
    plain.tickMilliseconds = this.#tickMilliseconds;
    plain.greatestMilliseconds = this.greatestPacketMilliseconds;
  }

  /** What the short way has done. */
  #hearPlain(plain: PlainPackets): void {
    this.#tick = plain.tick;
    this.#tickMilliseconds = plain.tickMilliseconds;
    this.greatestPacketMilliseconds = plain.greatestMilliseconds;
    this.tables[0].created += plain.takeBegun(4);
    this.tables[1].created += plain.takeBegun(6);
    this.#add(plain.takePackets(), plain.takeOctets());
  }

  #add(packets: number, octets: number): void {
    this.capturedPackets += packets;
    this.capturedOctets += octets;
    this.meteredPackets += packets;
    this.meteredOctets += octets;
  }

  /** Frames that are metered without a Frame between. */
  #plainFrames(plain: PlainPackets): PlainFrames {
    const { functions, frames } = plain;
    const base = frames.byteOffset;
    /** @param take how to go on from an address @returns the address that it came to */
    const take = (from: number, more: (at: number) => number): number => {
      if (this.#isAlone) return from;
      this.#tellPlain(plain);
      for (let at = from; ; ) {
        at = more(at);
        this.#pending = plain.pending;
        if (this.#pending < BATCH) {
          this.#hearPlain(plain);
          return at;
        }
        this.#countFrom(plain.stopped, plain);
        plain.pending = 0;
      }
    };
    return {
      memory: frames,
      get taken() {
        return plain.taken;
      },
      ringMemory: (octets) => plain.ringMemory(octets),
      takePcap: (from, end, ingressInterface, fractions) =>
        take(base + from, (at) => functions.takePcap(at, base + end, ingressInterface, fractions)) - base,
      takeRing: (from, end, left, ingressInterface, outgoing, vnetHeader) => {
        const last = plain.taken + left;
        return take(from, (at) =>
          functions.takeRing(at, end, (last - plain.taken) | 0, ingressInterface, outgoing, vnetHeader),
        );
      },
    };
  }

  /** Live: lets go of every record whose time is over. To be called every few tens of milliseconds. */
  expire(): void {
    if (this.#byPacketTime) return;
    this.#tick = Math.floor(this.#monotonic()) | 0;
    this.fragments.expire(this.#tick);
    this.#countBatch();
    for (const table of this.tables) table.expire(this.#tick);
  }

  /** Ends every flow and hands on its record. */
  endAll(): void {
    while (this.endSome(1024));
  }

  /** Ends up to `most` flows. @returns true if some are left */
  endSome(most: number): boolean {
    this.fragments.forget();
    this.#countBatch();
    let left = most;
    for (const table of this.tables) {
      table.expire(this.#tick);
      left -= table.endSome(left);
    }
    return left <= 0;
  }

  #ignorePacket(reason: number, packet: number): void {
    const { words } = this.#view;
    this.#ignore(reason, words[packet + PACKETS]!, words[packet + IP_OCTETS]! >>> 0);
  }

  #ignore(reason: number, packets: number, octets: number): void {
    this.capturedPackets += packets;
    this.capturedOctets += octets;
    this.ignoredPackets[reason] = this.ignoredPackets[reason]! + packets;
    this.ignoredOctets[reason] = this.ignoredOctets[reason]! + octets;
  }

  /** Moves the metering clock to a packet's time, which is the greatest so far. */
  #advance(milliseconds: number): void {
    if (this.greatestPacketMilliseconds === 0) {
      for (const table of this.tables) table.begin(0);
      this.#tickMilliseconds = milliseconds;
      return;
    }
    let left = milliseconds - this.#tickMilliseconds;
    this.#tickMilliseconds = milliseconds;
    do {
      const step = Math.min(left, LONGEST_STEP_MILLISECONDS);
      const before = this.#tick >> GRANULE_SHIFT;
      this.#tick = (this.#tick + step) | 0;
      if (this.#tick >> GRANULE_SHIFT !== before) for (const table of this.tables) table.expire(this.#tick);
      left -= step;
      // After one step longer than every timeout the table is empty: the rest of a long gap has nothing to end.
    } while (left > 0 && this.flows > 0);
    if (left > 0) {
      this.#tick = (this.#tick + (left % 2 ** 32)) | 0;
      for (const table of this.tables) table.begin(this.#tick);
    }
  }

  /** The tables share the bound: the fuller one gives up a flow. */
  #makeRoom(): void {
    if (this.flows < this.maxFlows) return;
    const [ipv4, ipv6] = this.tables;
    (ipv4.flows >= ipv6.flows ? ipv4 : ipv6).evict();
  }

  #emitBatch(batch: RecordBatch, reason: number, packets: number, octets: number): void {
    this.records[reason] = this.records[reason]! + batch.count;
    this.recordedPackets += packets;
    this.recordedOctets += octets;
    handOn(batch, this.#receiver);
  }

  #emit(table: FlowTable, base: number, reason: number): void {
    const half = base >> 1;
    this.records[reason] = this.records[reason]! + 1;
    this.recordedPackets += table.floats[half + PACKET_DELTA_COUNT / 2]!;
    this.recordedOctets += table.floats[half + OCTET_DELTA_COUNT / 2]!;
    const { reverse } = table.layout;
    if (reverse !== 0) {
      this.recordedPackets += table.floats[half + (reverse + PACKET_DELTA_COUNT) / 2]!;
      this.recordedOctets += table.floats[half + (reverse + OCTET_DELTA_COUNT) / 2]!;
    }
    const record = this.#record;
    record.layout = table.layout;
    record.view = table.view;
    record.offset = base * 4;
    this.#receiver.record(record);
  }
}

/** Keeps the MAC addresses, source first, as the record has them; on the wire the destination comes first. */
function copyMacAddresses(octets: DataView, view: PacketView): void {
  const from = view.macAddressesOffset;
  const to = view.base + MAC_ADDRESSES;
  const { words } = view;
  const high = from < 0 ? 0 : octets.getInt32(from, true);
  const middle = from < 0 ? 0 : octets.getInt32(from + 4, true);
  const low = from < 0 ? 0 : octets.getInt32(from + 8, true);
  words[to] = (middle >>> 16) | (low << 16);
  words[to + 1] = (low >>> 16) | (high << 16);
  words[to + 2] = (high >>> 16) | (middle << 16);
}

/** The names of flowEndReason as metric labels, by value. */
export const FLOW_END_REASON_NAMES: readonly string[] = Object.entries(FlowEndReason).reduce<string[]>(
  (names, [name, value]) => {
    names[value] = name.toLowerCase();
    return names;
  },
  [],
);
