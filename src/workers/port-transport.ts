/**
 * The way out of a worker to the collector in the main thread, where standard output is: Messages through the thread's
 * port. It is bounded: what the main thread has not taken yet counts against it, and what does not fit is not sent.
 */
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import type { Message, Session } from '../export/message.ts';
import type { Transport } from '../probe.ts';
import type { FromWorker } from './messages.ts';

const MOST_WAITING_OCTETS = 16 * 1024 * 1024;

export class PortTransport implements Transport {
  readonly queued = 0;
  readonly #post: (message: FromWorker, transfer: ArrayBuffer[]) => void;
  #session: Session<Message> | undefined;
  #waitingOctets = 0;
  #allTaken: () => void = () => {};

  constructor(post: (message: FromWorker, transfer: ArrayBuffer[]) => void) {
    this.#post = post;
  }

  start(session: Session<Message>): void {
    this.#session = session;
    for (const message of session.sessionStarted()) this.send(message);
  }

  send(message: Message): void {
    const session = this.#session;
    if (session === undefined) throw new Error('a Message came before the session');
    if (this.#waitingOctets + message.bytes.length > MOST_WAITING_OCTETS) {
      session.settled(message, 'queue_full');
      return;
    }
    session.stamp(message);
    const octets = message.bytes.slice();
    this.#waitingOctets += octets.length;
    this.#post({ kind: 'message', octets }, [octets.buffer]);
    session.settled(message);
  }

  /** The main thread has taken so many octets. */
  taken(octets: number): void {
    this.#waitingOctets -= octets;
    if (this.#waitingOctets === 0) this.#allTaken();
  }

  whenBelow(): Promise<void> | undefined {
    if (this.#waitingOctets === 0) return undefined;
    return new Promise((resolve) => {
      this.#allTaken = resolve;
    });
  }

  async drain(deadlineMilliseconds: number): Promise<void> {
    const taken = this.whenBelow();
    if (taken !== undefined)
      await Promise.race([taken, setTimeoutPromise(deadlineMilliseconds, undefined, { ref: false })]);
  }

  stop(): void {}
}
