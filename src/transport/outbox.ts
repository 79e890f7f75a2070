/**
 * What every transport shares: the bounded queue of Messages towards one collector, and the promise that each
 * Message is settled exactly once.
 *
 *   put ─▶ waiting (bounded) ─┐
 *                             ├─▶ take (stamped) ─▶ in flight ─▶ settleOldest ─▶ session.settled
 *   sessionStarted ─▶ first ──┘
 */
import type { Clock } from './clock.ts';
import { Fifo } from './fifo.ts';
import type { Sendable, Session, TransportCounters, TransportNotSentReason } from './session.ts';

interface Waiter {
  /** Wakes when fewer Messages than this are unsettled. */
  readonly below: number;
  readonly wake: (reached: boolean) => void;
}

export class Outbox<M extends Sendable> {
  readonly #capacity: number;
  readonly #patienceMilliseconds: number;
  readonly #clock: Clock;
  readonly #counters: TransportCounters;
  readonly #session: Session<M>;
  /** Messages that open the present session; they pass those that wait. */
  #first = new Fifo<M>();
  readonly #waiting = new Fifo<M>();
  readonly #inFlight = new Fifo<M>();
  readonly #waiters = new Set<Waiter>();
  /** Nothing has left for so long that whoever waits should carry on. */
  #stalled = false;
  /** Messages that have been in flight and no longer are; a change of it is progress. */
  #passed = 0;
  /** Messages of all three, and of those that wait; each of a train's counts. */
  #queued = 0;
  #waitingMessages = 0;

  /**
   * @param session whom to ask and to tell
   * @param capacity Messages that may wait
   * @param patienceMilliseconds how long `whenBelow` waits while nothing at all leaves
   */
  constructor(
    session: Session<M>,
    capacity: number,
    patienceMilliseconds: number,
    clock: Clock,
    counters: TransportCounters,
  ) {
    this.#session = session;
    this.#capacity = capacity;
    this.#patienceMilliseconds = patienceMilliseconds;
    this.#clock = clock;
    this.#counters = counters;
  }

  /** Messages that are not settled yet. */
  get queued(): number {
    return this.#queued;
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** True where `take` would return a Message. */
  get hasNext(): boolean {
    return this.#first.length + this.#waiting.length > 0;
  }

  /** The Message that `take` would return. */
  get next(): M | undefined {
    return this.#first.peek() ?? this.#waiting.peek();
  }

  /** True while the next Message is one of those that open the session. */
  get isOpening(): boolean {
    return this.#first.length > 0;
  }

  /** Asks for smaller Messages from now on. */
  limitMessages(octets: number): void {
    this.#session.limitMessages(octets);
  }

  /** Queues a Message, or settles it at once where there is no room; of a train, as many as there is room for. */
  put(message: M, reasonWhenFull: TransportNotSentReason): void {
    if (this.#waitingMessages + message.messages > this.#capacity) {
      if (message.messages === 1) this.#settle(message, reasonWhenFull);
      else for (const one of this.#session.parted(message)) this.put(one, reasonWhenFull);
      return;
    }
    this.#waiting.push(message);
    this.#waitingMessages += message.messages;
    this.#queued += message.messages;
  }

  /** A Transport Session begins: what belonged to the one before it and opened it is obsolete. */
  beginSession(): void {
    this.#counters.sessions++;
    const obsolete = this.#first;
    this.#first = new Fifo<M>();
    this.#settleAllOf(this.#inFlight, 'disconnected');
    this.#settleAllOf(obsolete, 'disconnected');
    for (const message of this.#session.sessionStarted()) {
      this.#first.push(message);
      this.#queued += message.messages;
    }
  }

  /** The next Message, stamped and now in flight; undefined: there is none. */
  take(): M | undefined {
    let message = this.#first.shift();
    if (message === undefined) {
      message = this.#waiting.shift();
      if (message === undefined) return undefined;
      this.#waitingMessages -= message.messages;
    }
    this.#session.stamp(message);
    this.#inFlight.push(message);
    return message;
  }

  /** Parts the trains in flight. @returns all that is in flight, the oldest first */
  partInFlight(): readonly M[] {
    const all: M[] = [];
    for (let left = this.#inFlight.length; left > 0; left--) {
      const message = this.#inFlight.shift()!;
      if (message.messages === 1) all.push(message);
      else all.push(...this.#session.parted(message));
    }
    for (const message of all) this.#inFlight.push(message);
    return all;
  }

  /** The oldest Message in flight has left (no reason), or never will. */
  settleOldest(notSent?: TransportNotSentReason): void {
    const message = this.#inFlight.shift();
    if (message === undefined) throw new Error('settled a Message although none is in flight'); // a fault of the program
    this.#passed++;
    this.#stalled = false;
    this.#queued -= message.messages;
    this.#settle(message, notSent);
  }

  /** None of the Messages in flight will be known to have left. */
  settleInFlight(notSent: TransportNotSentReason): void {
    this.#settleAllOf(this.#inFlight, notSent);
  }

  /** Nothing more will leave. */
  settleAll(notSent: TransportNotSentReason): void {
    this.#settleAllOf(this.#inFlight, notSent);
    this.#settleAllOf(this.#first, notSent);
    this.#waitingMessages = 0;
    this.#settleAllOf(this.#waiting, notSent);
  }

  /** Settles a Message that was never queued. */
  refuse(message: M, notSent: TransportNotSentReason): void {
    this.#settle(message, notSent);
  }

  /**
   * Resolves when fewer than so many Messages are unsettled; undefined: they are already. It also ends, and does
   * not begin, when nothing has left for the patience: a dead collector must not hold up who feeds several.
   */
  whenBelow(messages: number): Promise<void> | undefined {
    if (this.queued < messages || this.#stalled) return undefined;
    return new Promise((resolve) => {
      let cancel: () => void;
      const waiter: Waiter = {
        below: messages,
        wake: () => {
          cancel();
          this.#waiters.delete(waiter);
          resolve();
        },
      };
      const watch = () => {
        const passed = this.#passed;
        cancel = this.#clock.after(this.#patienceMilliseconds, () => {
          this.#stalled = this.#passed === passed;
          if (this.#stalled) waiter.wake(false);
          else watch();
        });
      };
      watch();
      this.#waiters.add(waiter);
    });
  }

  /** Resolves with true when every Message is settled, with false when the time is over. */
  whenEmpty(withinMilliseconds: number): Promise<boolean> {
    if (this.queued === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        below: 1,
        wake: (reached) => {
          cancel();
          this.#waiters.delete(waiter);
          resolve(reached);
        },
      };
      const cancel = this.#clock.after(withinMilliseconds, () => waiter.wake(false));
      this.#waiters.add(waiter);
    });
  }

  #settleAllOf(fifo: Fifo<M>, notSent: TransportNotSentReason): void {
    // Counted down, so that a Message which its owner sends in answer is not settled by the same loop.
    for (let left = fifo.length; left > 0; left--) {
      const message = fifo.shift()!;
      this.#queued -= message.messages;
      this.#settle(message, notSent);
    }
  }

  #settle(message: M, notSent?: TransportNotSentReason): void {
    if (notSent === undefined) {
      this.#counters.messagesSent += message.messages;
      this.#counters.octetsSent += message.bytes.length;
      this.#session.settled(message);
    } else {
      this.#counters.messagesNotSent[notSent] += message.messages;
      this.#session.settled(message, notSent);
    }
    if (this.#waiters.size === 0) return;
    const queued = this.queued;
    for (const waiter of this.#waiters) if (queued < waiter.below) waiter.wake(true);
  }
}
