/** What UDP and TCP, with or without TLS, have in common: everything but the way into the kernel. */
import { type Clock, systemClock } from './clock.ts';
import { Locator } from './locator.ts';
import { Outbox } from './outbox.ts';
import { endpoint, type Lookup, type ResolvedAddress, systemLookup } from './resolve.ts';
import {
  type Sendable,
  type Session,
  type SessionEndpoints,
  type TransportCounters,
  type TransportEvent,
  type TransportState,
  transportCounters,
} from './session.ts';

export interface TransportOptions {
  /** Name or address of the collector; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Local address to send from; by default the kernel chooses. */
  readonly source?: string | undefined;
  /** Messages that may wait to leave. */
  readonly maxQueuedMessages?: number | undefined;
  /** How long `whenBelow` waits while nothing at all leaves. */
  readonly patienceMilliseconds?: number | undefined;
  readonly onEvent: (event: TransportEvent) => void;
  readonly clock?: Clock | undefined;
  readonly lookup?: Lookup | undefined;
  /** Uniform in [0, 1), for the jitter of retries. */
  readonly random?: (() => number) | undefined;
}

/** 12 MB of an Ethernet's datagrams: some 30 ms of sending as fast as it goes. */
const MAX_QUEUED_MESSAGES = 8192;
/** Longer than the usual pause of a collector that restarts or rotates its file. */
const PATIENCE_MILLISECONDS = 5_000;

export abstract class Transport<M extends Sendable> {
  readonly counters: TransportCounters = transportCounters();
  protected readonly options: TransportOptions;
  protected readonly clock: Clock;
  protected readonly locator: Locator;
  /** Where the collector was last; undefined: nowhere yet. */
  protected address: string | undefined;
  protected stopped = false;
  #outbox: Outbox<M> | undefined;
  /** The error that was told last, so that the same is not told again; empty: none. */
  #told = '';

  /** @param locateAgainMilliseconds how long after finding the collector to look again; undefined: not by itself */
  constructor(options: TransportOptions, locateAgainMilliseconds: number | undefined) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.locator = new Locator({
      host: options.host,
      source: options.source,
      lookup: options.lookup ?? systemLookup,
      clock: this.clock,
      random: options.random,
      againAfterMilliseconds: locateAgainMilliseconds,
      onEvent: options.onEvent,
      counters: this.counters,
      reach: (addresses) => this.reach(addresses),
    });
  }

  abstract get state(): TransportState;
  abstract get endpoints(): SessionEndpoints | undefined;
  /** Goes to one of the addresses, or stays where it is; false: it could not, and has told why. */
  protected abstract reach(addresses: readonly ResolvedAddress[]): Promise<boolean>;
  /** Something may be there to send. */
  protected abstract pump(): void;
  /** Lets go of sockets and timers. */
  protected abstract close(): void;

  /** Whether a train (session.ts) would leave as one, at the moment. */
  get takesTrains(): boolean {
    return false;
  }

  /** Messages that are not settled yet. */
  get queued(): number {
    return this.#outbox?.queued ?? 0;
  }

  /** Begins to look for the collector; the session starts when it is found. Once, before any `send`. */
  start(session: Session<M>): void {
    const { maxQueuedMessages = MAX_QUEUED_MESSAGES, patienceMilliseconds = PATIENCE_MILLISECONDS } =
      this.options;
    this.#outbox = new Outbox(session, maxQueuedMessages, patienceMilliseconds, this.clock, this.counters);
    this.locator.locateNow();
  }

  /**
   * Takes a Message. Where the queue is full it is settled before this returns: `queue_full`, or `unresolved`
   * while the collector's name has never resolved. After `stop`: `shutdown`.
   */
  send(message: M): void {
    if (this.stopped) {
      this.outbox.refuse(message, 'shutdown');
      return;
    }
    this.outbox.put(message, this.locator.everResolved ? 'queue_full' : 'unresolved');
    this.pump();
  }

  /**
   * For whoever can wait, a file's reader: resolves when fewer than so many Messages are queued, or when nothing
   * has left for the patience; undefined: go on at once.
   */
  whenBelow(messages: number): Promise<void> | undefined {
    return this.outbox.whenBelow(messages);
  }

  /**
   * Resolves when the kernel has taken all, or at the deadline, counted from now: what remains is then settled as
   * `shutdown`, and the transport is stopped.
   */
  async drain(deadlineMilliseconds: number): Promise<void> {
    if (this.queued === 0 || this.stopped) return;
    if (this.state !== 'sending') this.locator.locateNow();
    if (!(await this.outbox.whenEmpty(deadlineMilliseconds))) this.stop();
  }

  /** Closes; what is queued is settled as `shutdown`, what the kernel has taken it still delivers. Idempotent. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.locator.stop();
    this.close();
    this.#outbox?.settleAll(this.locator.everResolved ? 'shutdown' : 'unresolved');
  }

  protected get outbox(): Outbox<M> {
    if (this.#outbox === undefined) throw new Error('the transport was used before start'); // a fault of the program
    return this.#outbox;
  }

  protected tell(kind: TransportEvent['kind'], text: string): void {
    this.#told = '';
    if (!this.stopped) this.options.onEvent({ kind, text });
  }

  /** Counts an error, and tells of it unless it is the one told last. */
  protected tellError(text: string, kind: 'error' | 'disconnected' = 'error'): void {
    this.counters.sendErrors++;
    if (text === this.#told) return;
    this.tell(kind, text);
    this.#told = text;
  }

  /** The collector for the operator: `192.0.2.1:4739`, `collector.example (192.0.2.1:4739)`. */
  protected where(address = this.address): string {
    const { host, port } = this.options;
    if (address === undefined || address === host) return endpoint(host, port);
    return `${host} (${endpoint(address, port)})`;
  }
}
