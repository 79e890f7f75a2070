/**
 * The flow table: one typed array of Flow Records of one layout, found through an index, ended by a wheel.
 *
 * Steps of a packet (`count`): find its entry by the key → close what its deadlines have closed → open a
 * record if none is open → add to the record. Steps of the clock (`expire`): visit what is due → export and
 * keep, or export and free.
 *
 * The rules of time (design: an active timer from a record's first packet, an idle timer from the entry's
 * last, both kept by the clock). With T the tick of now:
 * - at start + active timeout the record is exported (flowEndReason 2) and the entry stays, with no record
 *   open; its next packet opens the next one;
 * - at last + idle timeout the entry leaves, with a record (reason 1) if one is open;
 * - once a FIN or RST was seen, the entry leaves at last + linger (reason 3); after RST `last` stands still,
 *   so that stragglers do not keep it; a SYN on such an entry ends it at once and begins a new flow.
 * A packet that comes at or after a deadline never joins the record that the deadline ended, however late
 * the wheel visits: results do not depend on the wheel's granularity.
 */

import {
  CONTROL,
  IP_OCTETS,
  MILLISECONDS,
  PACKET_HASH,
  PORTS as PACKET_KEY,
  PACKETS,
} from '../packet/packet-layout.ts';
import type { PacketView } from '../packet/packet-view.ts';
import { BiflowDirections } from './biflow.ts';
import { ACK, ENDED, FIN, LIVE, LONG, NO_KEY, OPEN, RESET, RST, SYN, VALUES } from './entry-state.ts';
import { beginExtension, openExtension, updateExtension } from './extension.ts';
import { FlowIndex, mostIndexWords } from './flow-index.ts';
import {
  FLAGS,
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  FlowEndReason,
  type FlowLayout,
  KEY,
  LAST_TICK,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
  type RecordBatch,
  START_TICK,
} from './flow-record.ts';
import { MOST_RECORDS } from './record-batch.ts';
import { LONGEST_PROBE } from './record-head.ts';
import { RouteFields, type RouteLookup } from './route.ts';
import type { SharedMemory } from './shared-memory.ts';
import { CAPACITY, FREE, FREE_COUNT, MAY_BEGIN, TABLE_STATE_WORDS, USED } from './table-state.ts';
import { TimerWheel, wheelWords } from './timer-wheel.ts';

/** Slots that eviction looks at to find the smallest, and at most while all of them have more than one packet. */
const EVICTION_WINDOW = 8;
const LARGEST_WINDOW = 32;

/**
 * Large ArrayBuffers begin 16 octets into a page (the allocator's header); 48 more and a record of 16 words
 * is one cache line. Nothing depends on it but speed.
 */
const CACHE_LINE_OFFSET = 48;

/** Memory that a table shares with the short way (plain-packets.ts). */
export interface TableMemory extends SharedMemory {
  /** Puts the entries of an index into a larger one. @param hashes of the slots */
  rehash(old: Int32Array, entries: Int32Array, hashes: Int32Array): void;
  /**
   * Marks records as on their way out and lists them: those of entries from a slot on that have one open, and of which nothing
   * is due and no end was seen. It ends before the first of another kind.
   * @returns the slot that it came to
   */
  endSome(
    table: FlowTable,
    entries: { readonly from: number; readonly most: number },
    tick: number,
    list: Uint32Array,
  ): number;
  /** How many it listed, and what they carry. */
  readonly endedRecords: number;
  readonly endedPackets: number;
  readonly endedOctets: number;
  /** Frees the slots of records that were listed. */
  release(table: FlowTable, list: Uint32Array, count: number): void;
}

export interface FlowTableOptions {
  /** Where its words are to stand; by default in memory of its own. */
  readonly memory?: TableMemory | undefined;
  /** The memory that packets to count stand in. */
  readonly packets: Pick<PacketView, 'words' | 'floats'>;
  readonly layout: FlowLayout;
  /** Most entries that the table can hold. Memory is reserved for them, and used only as they come. */
  readonly capacity: number;
  readonly activeTimeoutMilliseconds: number;
  readonly idleTimeoutMilliseconds: number;
  /** How long an entry stays after FIN or RST; of a biflow: after RST, or FIN of both directions. */
  readonly lingerMilliseconds: number;
  /** Of a biflow: how long it stays after FIN of one direction while nothing comes. */
  readonly halfClosedMilliseconds: number;
  /** Asked for each flow, where the layout has room for the answer. */
  readonly routes?: RouteLookup | undefined;
  /** Called before an entry is added: sees to it, by {@link FlowTable.evict}, that there is room. */
  readonly makeRoom: () => void;
  /** Called for each record that leaves, which lies at word `base` of `words`, its flowEndReason set. */
  readonly emit: (table: FlowTable, base: number, reason: number) => void;
  /** As `emit`, of records that all have one flowEndReason, and what they carry. */
  readonly emitBatch: (batch: RecordBatch, reason: number, packets: number, octets: number) => void;
}

/** Words that a table of so many flows takes at most. */
export function tableWords(recordWords: number, capacity: number): number {
  const freeAndHashes = 2 * capacity;
  return (
    recordWords * capacity +
    mostIndexWords(capacity) +
    freeAndHashes +
    wheelWords(capacity) +
    MOST_RECORDS +
    TABLE_STATE_WORDS
  );
}

export class FlowTable {
  readonly layout: FlowLayout;
  /** The slots, one record each. Word offsets as in flow-record.ts. */
  readonly words: Int32Array;
  /** The same memory, for the float64 fields: index = word / 2. */
  readonly floats: Float64Array;
  readonly view: DataView;
  /** Flows that left early because too many hashes had met in one place of the index: keys chosen by who knows the seed. */
  crowdedOut = 0;
  /** Flows that began … */
  created = 0;
  /** … and that left, by flowEndReason (the index). */
  readonly ended = new Float64Array(6);

  /** Words of table-state.ts. */
  readonly state: Int32Array;
  readonly #packets: Int32Array;
  readonly #packetTimes: Float64Array;
  /** From a key's hash to a slot whose key may be that. */
  readonly index: FlowIndex;
  readonly #wheel: TimerWheel;
  readonly #stride: number;
  readonly #extension: number;
  readonly #route: RouteFields | undefined;
  readonly #keyWords: number;
  /** In ticks. */
  readonly activeTimeout: number;
  readonly idleTimeout: number;
  readonly #linger: number;
  readonly #lingerAfterFin: number;
  readonly #biflow: BiflowDirections | undefined;
  /** Milliseconds from a record's start within which no deadline can have passed. */
  readonly #soonest: number;
  readonly #makeRoom: () => void;
  readonly #emit: FlowTableOptions['emit'];
  readonly #emitBatch: FlowTableOptions['emitBatch'];
  readonly #memory: TableMemory | undefined;
  /** Records that leave together. */
  readonly #batch: RecordBatch | undefined;
  readonly #visit = (slot: number): void => this.#visitDue(slot);

  /** Freed slots, a stack; below {@link USED} every slot was taken once. */
  readonly #free: Int32Array;
  #tick = 0;
  #evictionCursor = 0;
  #draw = 0x2545f491;
  #endCursor = 0;
  /** All flows are on their way out, and the index has forgotten them. */
  #isEnding = false;
  readonly #mayBegin: number;

  constructor(options: FlowTableOptions) {
    this.layout = options.layout;
    this.#packets = options.packets.words;
    this.#packetTimes = options.packets.floats;
    this.#stride = options.layout.words;
    this.#extension = options.layout.extension;
    const { memory } = options;
    const allocate = (words: number): Int32Array =>
      memory === undefined
        ? new Int32Array(words)
        : new Int32Array(memory.memory.buffer, memory.allocate(words * 4), words);
    this.state = allocate(TABLE_STATE_WORDS);
    this.index = new FlowIndex(options.capacity, undefined, allocate, this.state, memory);
    this.activeTimeout = options.activeTimeoutMilliseconds;
    this.idleTimeout = options.idleTimeoutMilliseconds;
    this.#linger = Math.min(options.lingerMilliseconds, options.idleTimeoutMilliseconds);
    this.#lingerAfterFin =
      options.layout.reverse === 0
        ? this.#linger
        : Math.min(options.halfClosedMilliseconds, options.idleTimeoutMilliseconds);
    this.#soonest = Math.min(options.activeTimeoutMilliseconds, options.idleTimeoutMilliseconds);
    this.#makeRoom = options.makeRoom;
    this.#emit = options.emit;
    this.#emitBatch = options.emitBatch;
    this.#memory = memory;
    this.#wheel = new TimerWheel(options.capacity, allocate, this.state);
    this.#free = allocate(options.capacity);
    this.state[FREE] = this.#free.byteOffset;
    this.state[CAPACITY] = options.capacity;
    // What the routes say of a flow, the short way does not know.
    this.#mayBegin = options.layout.route === 0 ? 1 : 0;
    this.state[MAY_BEGIN] = this.#mayBegin;
    const octets = options.capacity * options.layout.words * 4;
    const buffer = memory?.memory.buffer ?? new ArrayBuffer(octets + CACHE_LINE_OFFSET);
    const at = memory?.allocate(octets) ?? CACHE_LINE_OFFSET;
    this.words = new Int32Array(buffer, at, octets / 4);
    this.floats = new Float64Array(buffer, at, octets / 8);
    this.view = new DataView(buffer, at, octets);
    this.#keyWords = options.layout.keyWords;
    const { layout, packets, routes } = options;
    if (memory !== undefined) {
      const view = new DataView(buffer);
      const list = new Uint32Array(buffer, memory.allocate(MOST_RECORDS * 4), MOST_RECORDS);
      this.#batch = { layout, shared: memory, view, list, count: 0 };
    }
    const isBiflow = layout.reverse !== 0;
    this.#biflow = isBiflow
      ? new BiflowDirections(layout, this.words, this.floats, packets, routes)
      : undefined;
    this.#route = routes && !isBiflow ? new RouteFields(routes, layout) : undefined;
  }

  /** Entries in the table. */
  get flows(): number {
    return this.state[USED]! - this.state[FREE_COUNT]!;
  }

  /** Sets the clock for the first time, without visiting anything. */
  begin(tick: number): void {
    this.#tick = tick | 0;
    this.#wheel.begin(this.#tick);
  }

  /** Moves the clock to `tick` and lets go of everything that is due. */
  expire(tick: number): void {
    this.#tick = tick | 0;
    this.#wheel.advance(this.#tick, this.#visit);
  }

  /**
   * Counts the packet that stands at word `packet` of {@link FlowTableOptions.packets}, its hash and time included.
   * @param candidate a slot that may be its flow's, or -1
   * @param tick now, on the metering clock; never behind an earlier one
   */
  count(packet: number, candidate: number, tick: number): void {
    const { words } = this;
    const packets = this.#packets;
    const control = packets[packet + CONTROL]! & 0xffff;
    let slot = candidate;
    if (slot < 0 || !this.#holds(slot, packet)) slot = this.#find(packet);
    if (slot >= 0) {
      const base = slot * this.#stride;
      // What nearly every packet meets: a record that is open, whose deadlines are ahead, and that goes on.
      if (
        (words[base + FLAGS]! & (OPEN | ENDED)) === OPEN &&
        ((tick - words[base + START_TICK]!) | 0) < this.#soonest &&
        (control & (FIN | RST)) === 0
      ) {
        this.#addTo(this.#biflow === undefined ? base : this.#biflow.of(base, packet), packet);
        words[base + LAST_TICK] = tick;
        return;
      }
    }
    this.#countWithEvents(packet, slot, tick);
  }

  /** Counts a packet that may find deadlines passed, begins a record or a flow, or ends one. */
  #countWithEvents(packet: number, found: number, tick: number): void {
    const { words } = this;
    const packets = this.#packets;
    const control = packets[packet + CONTROL]! & 0xffff;
    let slot = found;
    if (slot >= 0) {
      const at = slot * this.#stride;
      if (
        (words[at + FLAGS]! & (OPEN | ENDED)) !== OPEN ||
        ((tick - words[at + START_TICK]!) | 0) >= this.activeTimeout ||
        ((tick - words[at + LAST_TICK]!) | 0) >= this.idleTimeout
      ) {
        slot = this.#settle(slot, packet, tick);
      }
    }
    if (slot < 0) slot = this.#add(packet, tick);

    const base = slot * this.#stride;
    const flags = words[base + FLAGS]!;
    let record = base;
    if ((flags & OPEN) === 0) {
      this.#open(slot, base, packet, tick);
      if (this.#biflow !== undefined) {
        this.#biflow.open(base);
        record = this.#biflow.of(base, packet);
        this.#addTo(record, packet);
      } else if (this.#extension !== 0) {
        openExtension(words, base + this.#extension);
        updateExtension(words, base + this.#extension, packets, this.#packetTimes, packet);
      }
    } else {
      if (this.#biflow !== undefined) record = this.#biflow.of(base, packet);
      this.#addTo(record, packet);
    }
    if ((flags & RESET) === 0) words[base + LAST_TICK] = tick;
    if ((control & (FIN | RST)) !== 0) {
      const closes = (control & RST) !== 0 || (this.#biflow?.finish(base, record, packet) ?? false);
      this.#end(slot, base, tick, closes);
    }
  }

  /** Adds a packet to the open record that begins at word `base`. */
  #addTo(base: number, packet: number): void {
    const { words, floats } = this;
    const packets = this.#packets;
    const milliseconds = this.#packetTimes[(packet + MILLISECONDS) >> 1]!;
    const half = base >> 1;
    floats[half + OCTET_DELTA_COUNT / 2] =
      floats[half + OCTET_DELTA_COUNT / 2]! + (packets[packet + IP_OCTETS]! >>> 0);
    floats[half + PACKET_DELTA_COUNT / 2] =
      floats[half + PACKET_DELTA_COUNT / 2]! + packets[packet + PACKETS]!;
    if (milliseconds > floats[half + FLOW_END_MILLISECONDS / 2]!) {
      floats[half + FLOW_END_MILLISECONDS / 2] = milliseconds;
    } else if (milliseconds < floats[half + FLOW_START_MILLISECONDS / 2]!) {
      floats[half + FLOW_START_MILLISECONDS / 2] = milliseconds;
    }
    words[base + FLAGS] = words[base + FLAGS]! | (packets[packet + CONTROL]! & 0xffff);
    if (this.#extension !== 0)
      updateExtension(words, base + this.#extension, packets, this.#packetTimes, packet);
  }

  /**
   * Makes room for one more entry: the smallest of a few leaves, older flows last (flowEndReason 5). They are
   * drawn from the whole table, because flows that began together, the large ones of a quiet time, are neighbours.
   */
  evict(): void {
    const used = this.state[USED]!;
    let victim = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let looked = 0; looked < EVICTION_WINDOW || (least > 1 && looked < LARGEST_WINDOW); looked++) {
      const slot = this.#drawn() % used;
      const weight = this.#weight(slot);
      if (weight < least) {
        least = weight;
        victim = slot;
      }
    }
    // All of those were free, which hardly happens while a table that is to make room holds half of all flows.
    for (let left = used; victim < 0 && left > 0; left--) {
      this.#evictionCursor = this.#evictionCursor + 1 < used ? this.#evictionCursor + 1 : 0;
      if (this.#weight(this.#evictionCursor) < least) victim = this.#evictionCursor;
    }
    if (victim >= 0) this.#evictSlot(victim);
  }

  /** Numbers that follow no pattern of the table's (xorshift32), the same in every run: what a file gives is the file's. */
  #drawn(): number {
    let x = this.#draw;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#draw = x;
    return x >>> 0;
  }

  /** As {@link evict}, among those that stand where an entry of this hash would. */
  #evictFromCrowd(hash: number): void {
    let victim = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let probe = 0; probe < LONGEST_PROBE; probe++) {
      const slot = this.index.slotAt(hash, probe);
      const weight = this.#weight(slot);
      if (weight < least) {
        least = weight;
        victim = slot;
      }
    }
    this.crowdedOut++;
    this.#evictSlot(victim);
  }

  /** What an entry is worth to eviction; infinite where the slot is free. */
  #weight(slot: number): number {
    const base = slot * this.#stride;
    const state = this.words[base + FLAGS]!;
    if ((state & LIVE) === 0) return Number.POSITIVE_INFINITY;
    let packets = this.floats[(base + PACKET_DELTA_COUNT) >> 1]!;
    if (this.#biflow !== undefined) packets += this.#biflow.packets(base);
    return (state & LONG) === 0 ? packets : packets + 1e9;
  }

  #evictSlot(slot: number): void {
    this.#wheel.unlink(slot);
    this.#leave(slot, FlowEndReason.LACK_OF_RESOURCES);
  }

  /**
   * Ends flows, at shutdown or at the end of a file: flowEndReason 4, or 3 where the flow had ended. Whoever
   * calls it may let others have their turn in between; where a new flow begins meanwhile, the others end first.
   * @param most flows to end in this call
   * @returns flows ended; fewer than `most`: the table is empty
   */
  endSome(most: number): number {
    let count = 0;
    if (!this.#isEnding && this.flows > 0) {
      // Taking 880 000 flows out one by one was a tenth of the whole time that reading them took.
      this.#isEnding = true;
      this.state[MAY_BEGIN] = 0;
      this.index.clear();
    }
    while (this.#endCursor < this.state[USED]! && count < most) {
      const together = this.#endTogether(most - count);
      count += together;
      if (together > 0 || this.#endCursor === this.state[USED]) continue;
      const slot = this.#endCursor++;
      const state = this.words[slot * this.#stride + FLAGS]!;
      if ((state & LIVE) === 0) continue;
      count++;
      this.#wheel.unlink(slot);
      // A deadline that has passed, and that the wheel has not come to yet, comes first.
      if (!this.#judge(slot, this.#tick)) continue;
      this.#wheel.unlink(slot);
      this.#leave(slot, (state & ENDED) !== 0 ? FlowEndReason.END_OF_FLOW : FlowEndReason.FORCED_END);
    }
    if (count < most) {
      this.#endCursor = 0;
      this.#isEnding = false;
      this.state[MAY_BEGIN] = this.#mayBegin;
    }
    return count;
  }

  /** Ends flows of which there is nothing to decide, from the cursor on. @returns how many */
  #endTogether(most: number): number {
    const batch = this.#batch;
    const memory = this.#memory;
    if (batch === undefined || memory === undefined) return 0;
    const { list } = batch;
    const entries = { from: this.#endCursor, most: Math.min(most, MOST_RECORDS) };
    this.#endCursor = memory.endSome(this, entries, this.#tick, list);
    const count = memory.endedRecords;
    if (count === 0) return 0;
    batch.count = count;
    this.#emitBatch(batch, FlowEndReason.FORCED_END, memory.endedPackets, memory.endedOctets);
    memory.release(this, list, count);
    this.ended[FlowEndReason.FORCED_END] = this.ended[FlowEndReason.FORCED_END]! + count;
    return count;
  }

  /** Packets and octets in the records that are open, added up one by one: for tests and checks, not for scrapes. */
  sumOpen(): { packets: number; octets: number } {
    let packets = 0;
    let octets = 0;
    for (let slot = 0; slot < this.state[USED]!; slot++) {
      const base = slot * this.#stride;
      const state = this.words[base + FLAGS]!;
      if ((state & (LIVE | OPEN)) !== (LIVE | OPEN)) continue;
      packets += this.floats[(base + PACKET_DELTA_COUNT) >> 1]!;
      octets += this.floats[(base + OCTET_DELTA_COUNT) >> 1]!;
      packets += this.#biflow?.packets(base) ?? 0;
      octets += this.#biflow?.octets(base) ?? 0;
    }
    return { packets, octets };
  }

  /** True if the slot holds the entry of that key: what has left holds {@link NO_KEY}. */
  #holds(slot: number, packet: number): boolean {
    const { words } = this;
    const packets = this.#packets;
    const key = slot * this.#stride + KEY;
    // The five words of an IPv4 key without a loop: the test of one against the other costs more than the words.
    if (
      words[key] !== packets[packet + PACKET_KEY] ||
      words[key + 1] !== packets[packet + PACKET_KEY + 1] ||
      words[key + 2] !== packets[packet + PACKET_KEY + 2] ||
      words[key + 3] !== packets[packet + PACKET_KEY + 3] ||
      words[key + 4] !== packets[packet + PACKET_KEY + 4]
    ) {
      return false;
    }
    for (let i = 5; i < this.#keyWords; i++) {
      if (words[key + i] !== packets[packet + PACKET_KEY + i]) return false;
    }
    return true;
  }

  #find(packet: number): number {
    const { entries, mask } = this.index;
    const hash = this.#packets[packet + PACKET_HASH]!;
    let position = hash & mask;
    for (let left = LONGEST_PROBE; left > 0; left--) {
      const entry = entries[position]!;
      if (entry === 0) return -1;
      if (entry >>> 24 === hash >>> 24 && this.#holds((entry & 0xffffff) - 1, packet)) {
        return (entry & 0xffffff) - 1;
      }
      position = (position + 1) & mask;
    }
    return -1;
  }

  #add(packet: number, tick: number): number {
    const packets = this.#packets;
    if (this.#isEnding) this.endSome(Number.POSITIVE_INFINITY);
    this.#makeRoom();
    const slot = this.#takeSlot();
    const base = slot * this.#stride;
    const { words } = this;
    for (let i = 0; i < this.#keyWords; i++) words[base + KEY + i] = packets[packet + PACKET_KEY + i]!;
    if (this.#biflow === undefined) words[base + FLAGS] = LIVE;
    else this.#biflow.begin(base, packet);
    words[base + LAST_TICK] = tick;
    this.created++;
    const hash = packets[packet + PACKET_HASH]!;
    while (!this.index.insert(hash, slot)) this.#evictFromCrowd(hash);
    if (this.#extension !== 0 && this.#biflow === undefined) {
      beginExtension(words, base + this.#extension, packets, packet);
    }
    this.#route?.begin(words, base);
    this.#wheel.link(slot, tick);
    return slot;
  }

  #takeSlot(): number {
    const { state } = this;
    const free = state[FREE_COUNT]! - 1;
    if (free >= 0) {
      state[FREE_COUNT] = free;
      return this.#free[free]!;
    }
    const slot = state[USED]!;
    state[USED] = slot + 1;
    return slot;
  }

  /** Opens a record with its first packet. The entry has none open and is linked in the wheel. */
  #open(slot: number, base: number, packet: number, tick: number): void {
    const { words, floats } = this;
    const packets = this.#packets;
    const milliseconds = this.#packetTimes[(packet + MILLISECONDS) >> 1]!;
    const half = base >> 1;
    floats[half + OCTET_DELTA_COUNT / 2] = packets[packet + IP_OCTETS]! >>> 0;
    floats[half + PACKET_DELTA_COUNT / 2] = packets[packet + PACKETS]!;
    floats[half + FLOW_START_MILLISECONDS / 2] = milliseconds;
    floats[half + FLOW_END_MILLISECONDS / 2] = milliseconds;
    words[base + FLAGS] = (words[base + FLAGS]! & ~VALUES) | OPEN | (packets[packet + CONTROL]! & VALUES);
    words[base + START_TICK] = tick;
    this.#route?.refresh(words, base);
    const state = words[base + FLAGS]!;
    this.#wheel.unlink(slot);
    const endIn =
      (state & RESET) !== 0
        ? ((words[base + LAST_TICK]! - tick) | 0) + this.#linger
        : (state & ENDED) !== 0
          ? this.#lingerAfterFin
          : this.idleTimeout;
    this.#wheel.link(slot, tick + Math.min(this.activeTimeout, endIn));
  }

  /** FIN or RST: the flow is over, and lingers. @param closes for good: from now on nothing keeps it */
  #end(slot: number, base: number, tick: number, closes: boolean): void {
    const { words } = this;
    const state = words[base + FLAGS]!;
    const ended = closes ? ENDED | RESET : ENDED;
    if ((state & ended) === ended) return;
    words[base + FLAGS] = state | ended;
    this.#wheel.unlink(slot);
    const activeIn = this.activeTimeout - ((tick - words[base + START_TICK]!) | 0);
    this.#wheel.link(slot, tick + Math.min(closes ? this.#linger : this.#lingerAfterFin, activeIn));
  }

  /**
   * A packet has met an entry that has no open record, has ended or may be past a deadline: does what is due.
   * @returns the slot, or -1 if the entry has left and the packet begins a new flow
   */
  #settle(slot: number, packet: number, tick: number): number {
    this.#wheel.unlink(slot);
    if (!this.#judge(slot, tick)) return -1;
    const base = slot * this.#stride;
    const control = this.#packets[packet + CONTROL]!;
    if ((this.words[base + FLAGS]! & ENDED) === 0 || (control & (SYN | ACK | RST)) !== SYN) return slot;
    // The rings of two interfaces are read one after the other: the other direction's end may come before this SYN.
    if (this.#biflow?.hasBegun(base, packet) === false) return slot;
    // The ports are used again: what lingers is the flow before.
    this.#wheel.unlink(slot);
    this.#leave(slot, FlowEndReason.END_OF_FLOW);
    return -1;
  }

  #visitDue(slot: number): void {
    this.#judge(slot, this.#tick);
  }

  /**
   * Applies the deadlines that have passed, in their order, to an entry that is unlinked from the wheel.
   * @returns true if the entry stays (and is linked again)
   */
  #judge(slot: number, tick: number): boolean {
    const { words } = this;
    const base = slot * this.#stride;
    const state = words[base + FLAGS]!;
    const ended = (state & ENDED) !== 0;
    // Milliseconds until each deadline; not positive: passed.
    let activeIn = this.activeTimeout - ((tick - words[base + START_TICK]!) | 0);
    const lingers = (state & RESET) !== 0 ? this.#linger : this.#lingerAfterFin;
    const endIn = (ended ? lingers : this.idleTimeout) - ((tick - words[base + LAST_TICK]!) | 0);
    if ((state & OPEN) === 0) activeIn = endIn;
    else if (activeIn <= 0 && activeIn <= endIn) {
      this.#export(base, FlowEndReason.ACTIVE_TIMEOUT);
      words[base + FLAGS] = (state & ~(OPEN | VALUES)) | LONG;
      activeIn = endIn;
    }
    if (endIn <= 0) {
      this.#leave(slot, ended ? FlowEndReason.END_OF_FLOW : FlowEndReason.IDLE_TIMEOUT);
      return false;
    }
    this.#wheel.link(slot, tick + Math.min(activeIn, endIn));
    return true;
  }

  /** Exports the record if one is open, and frees the slot, which is unlinked from the wheel. */
  #leave(slot: number, reason: number): void {
    const { words } = this;
    const base = slot * this.#stride;
    if ((words[base + FLAGS]! & OPEN) !== 0) this.#export(base, reason);
    words[base + FLAGS] = 0;
    words[base + KEY + 1] = NO_KEY;
    this.ended[reason] = this.ended[reason]! + 1;
    if (!this.#isEnding) this.index.remove(slot);
    const free = this.state[FREE_COUNT]!;
    this.#free[free] = slot;
    this.state[FREE_COUNT] = free + 1;
  }

  #export(base: number, reason: number): void {
    const state = this.words[base + FLAGS]!;
    this.words[base + FLAGS] = (state & VALUES) | (reason << 24);
    if (this.#biflow === undefined) this.#emit(this, base, reason);
    else {
      const reverse = this.#biflow.seal(base, reason);
      this.#emit(this, base, reason);
      this.#biflow.unseal(base, reverse);
    }
    this.words[base + FLAGS] = state;
  }
}
