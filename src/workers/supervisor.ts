/**
 * Starts the workers, watches them, starts another where one has died, adds up what they count, and ends them.
 *
 * A worker that dies takes with it what was in its flow table and its queues. Its counters are in shared memory: the
 * loss is known to the packet, and is counted as not sent (`worker_died`). Another thread then takes its index, its
 * Observation Domain and its place in the groups of rings; its Transport Sessions are new, and so are its sequences.
 * Between the two the kernel gives the packets to those that are left. One that dies again and again, within seconds,
 * will not be mended by another start: the supervisor gives up.
 */
import { SharedFanoutGroup } from '../capture/fanout.ts';
import { Card, type Ending, WorkerFailure } from './card.ts';
import { afterDeath, CountersLayout, completeBeforeStart, SharedCounters } from './counters.ts';
import type { FromWorker, LogLevel } from './messages.ts';

export interface SupervisorOptions {
  /** Workers to keep. */
  readonly count: number;
  /** The file that each thread runs. */
  readonly entry: URL;
  readonly interfaces: readonly string[];
  /** Slots for collectors: how many there may be, one after the other, and how many there are. */
  readonly slots: number;
  readonly collectors: number;
  /** What each worker makes its line from; it is copied. */
  readonly line: unknown;
  readonly log: (level: LogLevel, message: string, fields: object) => void;
  readonly onNotice: (outlet: string, text: string) => void;
  /** An IPFIX Message for the collector in this thread. A returned promise: the worker is to hold back meanwhile. */
  readonly onMessage: (worker: number, octets: Uint8Array) => Promise<void> | undefined;
  /** A worker begins: what is known of its Transport Session is over. */
  readonly onBegin?: (worker: number) => void;
  /** Monotonic. */
  readonly nowMilliseconds: () => number;
}

/** A pause before another is started, doubled each time. */
const FIRST_PAUSE_MILLISECONDS = 100;
const LONGEST_PAUSE_MILLISECONDS = 5000;
/** One that has lived for so long has not died of what the one before it died of. */
const LONG_LIFE_MILLISECONDS = 10_000;
/** Deaths in a row, each of a short life, after which it is given up. */
const MOST_DEATHS = 6;
/** What is kept of the time to stop for the threads to end in. */
const EXIT_MILLISECONDS = 300;

/** The place of one worker. */
interface Place {
  readonly index: number;
  card: Card;
  startedMilliseconds: number;
  /** What those that have died have counted. */
  before: Float64Array;
  deathsInARow: number;
}

export class Supervisor {
  /** Workers started in the place of one that died. */
  restarts = 0;
  /** LINKTYPE_ numbers met that Weir does not read; known at the end. */
  readonly unknownLinkTypes = new Set<number>();
  readonly count: number;
  readonly layout: CountersLayout;
  readonly #options: SupervisorOptions;
  readonly #groups: readonly SharedArrayBuffer[];
  readonly #totals: Float64Array;
  readonly #scratch: Float64Array;
  #places: readonly Place[] = [];
  #watches: Promise<void>[] = [];
  #isStopping = false;
  #line: unknown;
  /** The slots of the collectors of now. */
  #current: readonly number[];
  /** Those that were taken by any so far. */
  #taken: number;
  #wakeUp: () => void = () => {};
  readonly #stopping: Promise<void>;
  #giveUp: (reason: Error) => void = () => {};
  /** Rejects when a worker is given up. Never resolves. */
  readonly finished: Promise<never>;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.count = options.count;
    this.layout = new CountersLayout(options.interfaces.length, options.slots);
    this.#line = options.line;
    this.#current = Array.from({ length: options.collectors }, (_, slot) => slot);
    this.#taken = options.collectors;
    this.#groups = options.interfaces.map(() => SharedFanoutGroup.memory());
    this.#totals = new Float64Array(this.layout.length);
    this.#scratch = new Float64Array(this.layout.length);
    this.#stopping = new Promise((resolve) => {
      this.#wakeUp = resolve;
    });
    this.finished = new Promise((_, reject) => {
      this.#giveUp = reject;
    });
    this.finished.catch(() => undefined);
  }

  /** Starts all. Resolves when each captures. @throws WorkerFailure when one cannot */
  async start(): Promise<void> {
    this.#places = Array.from({ length: this.count }, (_, index) => ({
      index,
      card: this.#newCard(index),
      startedMilliseconds: this.#options.nowMilliseconds(),
      before: new Float64Array(this.layout.length),
      deathsInARow: 0,
    }));
    // In their order, so that a worker has the same place in every group: then both directions of a flow, which come
    // in on two interfaces, reach the same worker.
    for (const { card } of this.#places) {
      card.send({ kind: 'join' });
      await card.joined;
    }
    for (const { card } of this.#places) card.send({ kind: 'capture' });
    await Promise.all(this.#places.map(({ card }) => card.capturing));
    this.#watches = this.#places.map((place) => this.#watch(place));
  }

  /** Ends all at the same time; each exports what it has. @param withinMilliseconds for all of it */
  async stop(withinMilliseconds: number): Promise<void> {
    this.#isStopping = true;
    this.#wakeUp();
    const ended = Promise.all(this.#places.map(({ card }) => card.ended));
    for (const { card } of this.#places) {
      if (card.isRunning)
        card.send({ kind: 'stop', withinMilliseconds: Math.max(0, withinMilliseconds - EXIT_MILLISECONDS) });
      else await card.terminate();
    }
    const timer = setTimeout(() => {
      for (const { card } of this.#places) void card.terminate();
    }, withinMilliseconds);
    await ended;
    clearTimeout(timer);
    await Promise.all(this.#watches);
  }

  /**
   * The collectors are others now.
   * @param line with them, from which workers are made from now on, and which those that run follow
   * @param slots of the collectors that there are
   */
  follow(line: unknown, slots: readonly number[]): void {
    this.#line = line;
    this.#current = slots;
    this.#taken = Math.max(this.#taken, ...slots.map((slot) => slot + 1));
    for (const { card } of this.#places) card.send({ kind: 'follow', line });
  }

  get running(): number {
    return this.#places.filter(({ card }) => card.isRunning).length;
  }

  /** Adds up anew what all workers, also those that have died, have counted. */
  refresh(): void {
    const totals = this.#totals.fill(0);
    for (const place of this.#places) {
      const numbers = this.#numbersOf(place);
      for (let i = 0; i < totals.length; i++) totals[i]! += numbers[i]!;
    }
    for (const slot of this.#current) completeBeforeStart(totals, this.layout, slot);
  }

  /** A number of the last {@link refresh}. */
  total(name: string): number {
    return this.#totals[this.layout.index(name)]!;
  }

  /** A number of one worker, those that died in its place included, as it is now. */
  numberOf(worker: number, name: string): number {
    const place = this.#places[worker];
    return place === undefined ? 0 : this.#numbersOf(place)[this.layout.index(name)]!;
  }

  isRunning(worker: number): boolean {
    return this.#places[worker]?.card.isRunning === true;
  }

  /** Overwritten by the next call. */
  #numbersOf({ before, card }: Place): Float64Array {
    const numbers = this.#scratch;
    card.counters.read(numbers);
    for (let i = 0; i < numbers.length; i++) numbers[i]! += before[i]!;
    return numbers;
  }

  #newCard(index: number): Card {
    const { entry, slots, onBegin } = this.#options;
    onBegin?.(index);
    return new Card({
      entry,
      data: { index, groups: this.#groups, slots, line: this.#line },
      counters: new SharedCounters(this.layout.length),
      onMessage: (message) => this.#heard(index, message),
    });
  }

  #heard(worker: number, message: FromWorker): void {
    const { log, onNotice, onMessage } = this.#options;
    if (message.kind === 'log') log(message.level, message.message, { ...message.fields, worker });
    else if (message.kind === 'notice') onNotice(message.outlet, message.text);
    else if (message.kind === 'stopped')
      for (const linkType of message.unknownLinkTypes) this.unknownLinkTypes.add(linkType);
    else if (message.kind === 'message') {
      const { octets } = message;
      const { card } = this.#places[worker]!;
      const taken = () => card.send({ kind: 'taken', octets: octets.length });
      const busy = onMessage(worker, octets);
      if (busy === undefined) taken();
      else void busy.then(taken);
    }
  }

  /** Sees to it that there is a worker in this place. */
  async #watch(place: Place): Promise<void> {
    for (;;) {
      const ending = await place.card.ended;
      const lost = this.#settle(place);
      if (ending.isClean && this.#isStopping) return;
      this.#tell(place, ending, lost);
      if (this.#isStopping) return;
      const lived = this.#options.nowMilliseconds() - place.startedMilliseconds;
      place.deathsInARow = lived < LONG_LIFE_MILLISECONDS ? place.deathsInARow + 1 : 1;
      if (place.deathsInARow >= MOST_DEATHS) {
        this.#giveUp(
          new WorkerFailure(`worker ${place.index} has died ${MOST_DEATHS} times in a row: ${ending.cause}`),
        );
        return;
      }
      await this.#pause(FIRST_PAUSE_MILLISECONDS * 2 ** (place.deathsInARow - 1));
      if (this.#isStopping) return;
      await this.#replace(place);
    }
  }

  /** Counts what a worker that has ended leaves. @returns what was lost with it */
  #settle(place: Place): { packets: number; octets: number } {
    const numbers = new Float64Array(this.layout.length);
    place.card.counters.read(numbers);
    const after = afterDeath(numbers, this.layout, this.#taken);
    for (let i = 0; i < after.length; i++) place.before[i]! += after[i]!;
    // From here on these are all: the card's own would count twice.
    place.card.counters.clear();
    if (this.running === 0) for (const group of this.#groups) SharedFanoutGroup.forget(group);
    const gone = (name: string): number => numbers[this.layout.index(name)]!;
    return { packets: gone('inTablePackets'), octets: gone('inTableOctets') };
  }

  #tell({ index }: Place, { cause }: Ending, lost: { packets: number; octets: number }): void {
    this.#options.log('error', `worker ${index} has died: ${cause}`, {
      worker: index,
      lostTablePackets: lost.packets,
      lostTableOctets: lost.octets,
    });
  }

  async #pause(milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(milliseconds, LONGEST_PAUSE_MILLISECONDS));
    });
    await Promise.race([over, this.#stopping]);
    clearTimeout(timer);
  }

  async #replace(place: Place): Promise<void> {
    const { nowMilliseconds, log } = this.#options;
    const { index } = place;
    this.restarts++;
    place.startedMilliseconds = nowMilliseconds();
    place.card = this.#newCard(index);
    const { card } = place;
    card.send({ kind: 'join' });
    card.send({ kind: 'capture' });
    try {
      await card.capturing;
      log('info', `worker ${index} captures again`, { worker: index });
    } catch {
      // How it ended is told by #watch.
    }
  }
}
