/** What the transports' tests share: a clock that stands still, a session that keeps the books, collectors on loopback. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Clock } from '../../src/transport/clock.ts';
import type { Session, TransportNotSentReason } from '../../src/transport/session.ts';

/**
 * A Message with a number in its first four octets; `stamp` writes how many were stamped before it into the next. Or a train of
 * them, which are numbered on.
 */
export interface TestMessage {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly messages: number;
}

export function testMessage(id: number, octets = 8): TestMessage {
  return testTrain(id, 1, octets);
}

export function testTrain(id: number, messages: number, octets = 8): TestMessage {
  const bytes = new Uint8Array(messages * octets);
  for (let i = 0; i < messages; i++) new DataView(bytes.buffer).setUint32(i * octets, id + i);
  return { id, bytes, messages };
}

const idsOf = ({ id, messages }: TestMessage): number[] => Array.from({ length: messages }, (_, i) => id + i);

/** The number of a session's opening Message: beyond those of all others. */
export const OPENING = 1_000_000;

/** Keeps the books of a session, and throws where the transport breaks its promise. */
export class Books implements Session<TestMessage> {
  readonly sent: number[] = [];
  readonly notSent = new Map<number, TransportNotSentReason>();
  readonly stamped = new Set<number>();
  sessions = 0;
  readonly #settled = new Set<number>();
  readonly #parted = new Set<TestMessage>();
  readonly #openingOctets: number;

  constructor(openingOctets = 8) {
    this.#openingOctets = openingOctets;
  }

  sessionStarted(): readonly TestMessage[] {
    this.sessions++;
    return [testMessage(OPENING + this.sessions, this.#openingOctets)];
  }

  stamp(message: TestMessage): void {
    const { bytes, messages } = message;
    for (const [i, id] of idsOf(message).entries()) {
      if (this.stamped.has(id)) throw new Error(`Message ${id} was stamped twice`);
      if (this.#settled.has(id)) throw new Error(`Message ${id} was stamped when it was settled`);
      new DataView(bytes.buffer).setUint32((i * bytes.length) / messages + 4, this.stamped.size);
      this.stamped.add(id);
    }
  }

  settled(message: TestMessage, notSent?: TransportNotSentReason): void {
    if (this.#parted.has(message)) throw new Error(`train ${message.id} was settled after it was parted`);
    for (const id of idsOf(message)) {
      if (this.#settled.has(id)) throw new Error(`Message ${id} was settled twice`);
      this.#settled.add(id);
      if (notSent === undefined) {
        if (!this.stamped.has(id)) throw new Error(`Message ${id} was sent without a stamp`);
        this.sent.push(id);
      } else {
        this.notSent.set(id, notSent);
      }
    }
  }

  parted(train: TestMessage): readonly TestMessage[] {
    if (this.#parted.has(train)) throw new Error(`train ${train.id} was parted twice`);
    this.#parted.add(train);
    const octets = train.bytes.length / train.messages;
    return idsOf(train).map((id, i) => ({
      id,
      bytes: train.bytes.slice(i * octets, (i + 1) * octets),
      messages: 1,
    }));
  }

  /** What the transport asked for last. */
  limit: number | undefined;

  limitMessages(octets: number): void {
    this.limit = octets;
  }

  /** Every session's opening Message is settled, too. */
  get openingsSettled(): boolean {
    return [...this.#settled].filter((id) => id >= OPENING).length === this.sessions;
  }

  /** Messages settled, openings left out. */
  get settledCount(): number {
    return [...this.#settled].filter((id) => id < OPENING).length;
  }

  /** The numbers that were not sent for a reason. */
  withReason(reason: TransportNotSentReason): number[] {
    return [...this.notSent].filter(([, why]) => why === reason).map(([id]) => id);
  }
}

/** Time that passes only on demand. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  nowMilliseconds(): number {
    return this.#now;
  }

  after(delayMilliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMilliseconds, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Lets time pass, timer by timer, and after each lets everything happen that follows without time. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    await turns();
    for (;;) {
      let next: { at: number; callback: () => void } | undefined;
      for (const timer of this.#timers) if (next === undefined || timer.at < next.at) next = timer;
      if (next === undefined || next.at > until) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await turns();
    }
    this.#now = until;
  }
}

/** Some turns of the event loop. */
export async function turns(count = 4): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Resolves when the condition holds, which is looked at every turn; rejects after ten seconds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A collector's UDP socket, and the numbers of the Messages that reached it. */
export interface UdpCollector {
  readonly socket: Socket;
  readonly port: number;
  readonly ids: number[];
  readonly stamps: number[];
  readonly senders: RemoteInfo[];
}

export async function udpCollector(address: string, port = 0): Promise<UdpCollector> {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
  const ids: number[] = [];
  const stamps: number[] = [];
  const senders: RemoteInfo[] = [];
  socket.on('message', (bytes, sender) => {
    ids.push(bytes.readUInt32BE(0));
    stamps.push(bytes.readUInt32BE(4));
    senders.push(sender);
  });
  socket.bind(port, address);
  await once(socket, 'listening');
  return { socket, port: socket.address().port, ids, stamps, senders };
}

/** The numbers from 0 up to that count. */
export function range(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}
