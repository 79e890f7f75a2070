/**
 * A worker's counters in memory that it shares with the main thread, so that they outlive it.
 *
 * The worker copies all of them whenever they agree with each other: after each batch of packets, each tick, each
 * Message that is settled. It writes into one of two halves and then says which is the newer, so that what is read is
 * always one moment's, also if the thread ended in the middle of a word. The main thread adds the workers up at scrape.
 *
 * Each number has a name and a way to read it, declared once; their order is the layout.
 */
import type { PacketSource } from '../capture/packet-source.ts';
import type { Exporter, RecordCounts } from '../export/exporter.ts';
import { NOT_SENT_REASONS } from '../export/message.ts';
import type { FragmentCounters } from '../flow/fragments.ts';
import { FLOW_END_REASON_NAMES, type Meter } from '../flow/meter.ts';
import type { KernelRoutes } from '../host/kernel-routes.ts';
import { TUNNELS } from '../packet/decapsulator.ts';
import { IGNORED_REASONS } from '../packet/packet-view.ts';
import { NOT_OPENED_REASONS } from '../packet/tunnel-header.ts';
import type { TransportCounters, TransportState } from '../transport/session.ts';

export const TRANSPORT_STATES: readonly TransportState[] = ['resolving', 'sending', 'failing'];
export const RECORD_COUNTS: readonly (keyof RecordCounts)[] = ['records', 'packets', 'octets'];
/** The names of the numbers, where they are lists. */
export const ENDED = FLOW_END_REASON_NAMES.flatMap((name, reason) => [{ name, reason }]);

export const FRAGMENT_COUNTS: readonly (keyof FragmentCounters)[] = [
  'fragments',
  'hits',
  'waited',
  'expired',
  'displaced',
  'evictions',
  'overlapping',
  'tiny',
];
/** What a dead worker's fragments held: they were not counted yet, and are in no counter. */
const OF_FRAGMENTS = ['fragmentDatagrams', 'fragmentsWaitingPackets', 'fragmentsWaitingOctets'];

/** What a worker counts with. */
export interface CountedLine {
  readonly meter: Meter;
  readonly sources: readonly PacketSource[];
  /** By their slots; undefined: there is none in it yet. One that was taken away stays. */
  readonly collectors: readonly (CountedCollector | undefined)[];
  /** The kernel's routes; undefined: they are not asked for. */
  readonly routes: KernelRoutes | undefined;
  /** The longest delay of the event loop in the last second, in seconds. */
  readonly eventLoopLagSeconds: () => number;
}

export interface CountedCollector {
  readonly exporter: Exporter;
  readonly transport: { readonly state: TransportState; readonly counters: TransportCounters };
}

type Numbers<T> = Readonly<Record<string, (of: T) => number>>;

const LINE_NUMBERS: Numbers<CountedLine> = {
  eventLoopLagSeconds: (line) => line.eventLoopLagSeconds(),
  /** Set by {@link afterDeath}: flows that were in its table. */
  flowsDied: () => 0,
  ipv4Routes: ({ routes }) => routes?.count(4) ?? 0,
  ipv6Routes: ({ routes }) => routes?.count(6) ?? 0,
  routeReads: ({ routes }) => routes?.counters.reads ?? 0,
  routeFailures: ({ routes }) => routes?.counters.failures ?? 0,
  routeMonitors: ({ routes }) => routes?.counters.monitors ?? 0,
  routesUnfollowed: ({ routes }) => (routes ? routes.unfollowedRules + routes.unfollowedRoutes : 0),
  routeReadMilliseconds: ({ routes }) => routes?.readMilliseconds ?? 0,
  routeAgeMilliseconds: ({ routes }) => routes?.ageMilliseconds ?? 0,
};

const METER_NUMBERS: Numbers<Meter> = {
  capturedPackets: (meter) => meter.capturedPackets,
  capturedOctets: (meter) => meter.capturedOctets,
  meteredPackets: (meter) => meter.meteredPackets,
  meteredOctets: (meter) => meter.meteredOctets,
  flowsActive: (meter) => meter.flows,
  maxFlows: (meter) => meter.maxFlows,
  flowsCreated: (meter) => meter.tables[0].created + meter.tables[1].created,
  flowsCrowdedOut: (meter) => meter.tables[0].crowdedOut + meter.tables[1].crowdedOut,
  inTablePackets: (meter) => meter.meteredPackets - meter.recordedPackets,
  inTableOctets: (meter) => meter.meteredOctets - meter.recordedOctets,
  fragmentDatagrams: ({ fragments }) => fragments.datagrams,
  fragmentsWaitingPackets: ({ fragments }) => fragments.waitingPackets,
  fragmentsWaitingOctets: ({ fragments }) => fragments.waitingOctets,
  ...named(FRAGMENT_COUNTS, (count) => ({
    [`fragments.${count}`]: ({ fragments }: Meter) => fragments.counters[count],
  })),
  ...named(TUNNELS, (tunnel, i) => ({
    [`opened.${tunnel}`]: ({ decapsulator }: Meter) => decapsulator?.openedPackets[i] ?? 0,
  })),
  ...named(NOT_OPENED_REASONS, (reason, i) => ({
    [`notOpened.${reason}`]: ({ decapsulator }: Meter) => decapsulator?.notOpenedPackets[i] ?? 0,
  })),
  ...named(IGNORED_REASONS, (reason, i) => ({
    [`ignoredPackets.${reason}`]: (meter: Meter) => meter.ignoredPackets[i]!,
    [`ignoredOctets.${reason}`]: (meter: Meter) => meter.ignoredOctets[i]!,
  })),
  ...named(ENDED, ({ name, reason }) => ({
    [`ended.${name}`]: ({ tables }: Meter) => tables[0].ended[reason]! + tables[1].ended[reason]!,
    [`records.${name}`]: (meter: Meter) => meter.records[reason]!,
  })),
};

const CAPTURE_NUMBERS: Numbers<PacketSource> = {
  capturing: ({ capturing }) => Number(capturing),
  frames: ({ counters }) => counters.frames,
  kernelDroppedPackets: ({ counters }) => counters.kernelDroppedPackets,
  ringFreezes: ({ counters }) => counters.ringFreezes,
};

const COLLECTOR_NUMBERS: Numbers<CountedCollector> = {
  handed: ({ exporter }) => exporter.handed,
  messagesSent: ({ exporter }) => exporter.messagesSent,
  messageOctetsSent: ({ exporter }) => exporter.messageOctetsSent,
  wideInterfaceRecords: ({ exporter }) => exporter.wideInterfaceRecords,
  templatesSent: ({ exporter }) => exporter.templatesSent,
  sendErrors: ({ transport }) => transport.counters.sendErrors,
  resolutions: ({ transport }) => transport.counters.resolutions,
  sessions: ({ transport }) => transport.counters.sessions,
  ...named(TRANSPORT_STATES, (state) => ({
    [`state.${state}`]: ({ transport }: CountedCollector) => Number(transport.state === state),
  })),
  ...named(RECORD_COUNTS, (count) => ({
    [`accepted.${count}`]: ({ exporter }: CountedCollector) => exporter.accepted[count],
    [`sent.${count}`]: ({ exporter }: CountedCollector) => exporter.sent[count],
    [`balancedAway.${count}`]: ({ exporter }: CountedCollector) => exporter.balancedAway[count],
    ...named(NOT_SENT_REASONS, (reason) => ({
      [`notSent.${reason}.${count}`]: ({ exporter }: CountedCollector) =>
        exporter.notSent.get(reason)![count],
    })),
  })),
};

/** Merges what is made of each item. */
function named<T, N>(items: readonly T[], make: (item: T, index: number) => Numbers<N>): Numbers<N> {
  return Object.assign({}, ...items.map(make)) as Numbers<N>;
}

/** Where each number of so many interfaces and collectors stands. */
export class CountersLayout {
  readonly #indexes: ReadonlyMap<string, number>;
  readonly interfaces: number;
  /** Slots: there may be fewer collectors. */
  readonly collectors: number;

  constructor(interfaces: number, collectors: number) {
    const names = [
      ...Object.keys(LINE_NUMBERS),
      ...Object.keys(METER_NUMBERS),
      ...many('capture', interfaces, CAPTURE_NUMBERS),
      ...many('collector', collectors, COLLECTOR_NUMBERS),
    ];
    this.#indexes = new Map(names.map((name, index) => [name, index]));
    this.interfaces = interfaces;
    this.collectors = collectors;
  }

  get length(): number {
    return this.#indexes.size;
  }

  /** @param name `meteredPackets`, `capture.0.frames`, `collector.1.notSent.refused.octets` … */
  index(name: string): number {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`there is no counter named ${name}`);
    return index;
  }
}

function many<T>(kind: string, count: number, numbers: Numbers<T>): string[] {
  const keys = Object.keys(numbers);
  return Array.from({ length: count }, (_, i) => keys.map((key) => `${kind}.${i}.${key}`)).flat();
}

/** The numbers of a line but for its collectors, in the order of the layout. */
function readersOf(line: CountedLine): (() => number)[] {
  const bound = <T>(numbers: Numbers<T>, of: T) => Object.values(numbers).map((read) => () => read(of));
  return [
    ...bound(LINE_NUMBERS, line),
    ...bound(METER_NUMBERS, line.meter),
    ...line.sources.flatMap((source) => bound(CAPTURE_NUMBERS, source)),
  ];
}
const COLLECTOR_READERS = Object.values(COLLECTOR_NUMBERS);

/** A reader that a busy writer overtakes tries again; that it does so often in a row is not to be expected. */
const MOST_TRIES = 10_000;

/** The shared memory: a number that says how often it was written, and two halves that are written in turn. */
export class SharedCounters {
  readonly memory: SharedArrayBuffer;
  readonly #written: Int32Array;
  readonly #halves: readonly [Float64Array, Float64Array];

  /** @param memory of another thread's; undefined: new, all counters 0 */
  constructor(length: number, memory = new SharedArrayBuffer(8 + 2 * 8 * length)) {
    this.memory = memory;
    this.#written = new Int32Array(memory, 0, 1);
    this.#halves = [new Float64Array(memory, 8, length), new Float64Array(memory, 8 + 8 * length, length)];
  }

  /** What copies a line's counters into the memory. */
  publisher(line: CountedLine): () => void {
    const readers = readersOf(line);
    const { length } = this.#halves[0];
    return () => {
      const next = (this.#written[0]! + 1) | 0;
      const half = this.#halves[next & 1]!;
      for (let i = 0; i < readers.length; i++) half[i] = readers[i]!();
      let at = readers.length;
      for (let slot = 0; slot < line.collectors.length; slot++, at += COLLECTOR_READERS.length) {
        const collector = line.collectors[slot];
        if (collector === undefined) continue;
        if (at >= length) throw new Error('the counters have another layout');
        for (let i = 0; i < COLLECTOR_READERS.length; i++) half[at + i] = COLLECTOR_READERS[i]!(collector);
      }
      Atomics.store(this.#written, 0, next);
    };
  }

  /** All counters are 0 again. Nobody writes any more. */
  clear(): void {
    for (const half of this.#halves) half.fill(0);
  }

  /** Copies the newest numbers. */
  read(into: Float64Array): void {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const written = Atomics.load(this.#written, 0);
      into.set(this.#halves[written & 1]!);
      // The writer comes back to this half only after it has finished the other one.
      if (Atomics.load(this.#written, 0) === written) return;
    }
    throw new Error("a worker's counters cannot be read: it writes without a pause");
  }
}

/**
 * What a dead worker's numbers become: what was in its table and on its way to a collector is lost, and counted as
 * that; what was a state is none any more.
 * @param slots of collectors that are or were taken
 */
export function afterDeath(
  numbers: Float64Array,
  layout: CountersLayout,
  slots = layout.collectors,
): Float64Array {
  const after = numbers.slice();
  const get = (name: string): number => numbers[layout.index(name)]!;
  const set = (name: string, value: number): void => {
    after[layout.index(name)] = value;
  };
  for (let i = 0; i < slots; i++) {
    const collector = `collector.${i}`;
    for (const count of RECORD_COUNTS) {
      let lost = get(`${collector}.accepted.${count}`) - get(`${collector}.sent.${count}`);
      for (const reason of NOT_SENT_REASONS) lost -= get(`${collector}.notSent.${reason}.${count}`);
      // What was in the table had become no record yet.
      const inTable = count === 'records' ? 0 : get(count === 'packets' ? 'inTablePackets' : 'inTableOctets');
      const died = `${collector}.notSent.worker_died.${count}`;
      set(died, get(died) + lost + inTable);
      set(`${collector}.accepted.${count}`, get(`${collector}.accepted.${count}`) + inTable);
    }
    for (const state of TRANSPORT_STATES) set(`${collector}.state.${state}`, 0);
  }
  set('flowsDied', get('flowsDied') + get('flowsActive'));
  for (let i = 0; i < layout.interfaces; i++) set(`capture.${i}.capturing`, 0);
  const ofTheLine = Object.keys(LINE_NUMBERS).filter((name) => name !== 'flowsDied');
  for (const gone of [
    ...ofTheLine,
    ...OF_FRAGMENTS,
    'flowsActive',
    'maxFlows',
    'inTablePackets',
    'inTableOctets',
  ])
    set(gone, 0);
  return after;
}

/**
 * Records that left the tables and that a collector has not got, because it was added later than that: by a worker
 * that does not know of it yet, or that died before it. They are `before_start`, as those that a worker knows of.
 */
export function completeBeforeStart(totals: Float64Array, layout: CountersLayout, slot: number): void {
  const get = (name: string): number => totals[layout.index(name)]!;
  for (const count of RECORD_COUNTS) {
    let missing = 0;
    if (count === 'records') {
      // Of a biflow v9 and v5 accept two: what they were handed is what can be compared.
      for (const { name } of ENDED) missing += get(`records.${name}`);
      missing -= get(`collector.${slot}.handed`);
    } else if (count === 'packets') missing = get('meteredPackets') - get('inTablePackets');
    else missing = get('meteredOctets') - get('inTableOctets');
    if (count !== 'records') missing -= get(`collector.${slot}.accepted.${count}`);
    missing -= get(`collector.${slot}.balancedAway.${count}`);
    const known = count === 'records' ? ['handed'] : [];
    for (const name of [...known, `accepted.${count}`, `notSent.before_start.${count}`])
      totals[layout.index(`collector.${slot}.${name}`)]! += missing;
  }
}
