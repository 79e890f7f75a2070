/**
 * Raw sockets, through the optional package `raw-socket`: the way out for datagrams that carry an IP header of their own.
 *
 * One socket serves all who send to a Collector, each in its turn: it takes a datagram at a time, as fast as the pace
 * allows.
 */
import { isIPv6 } from 'node:net';
import { type Clock, systemClock } from './clock.ts';
import { Fifo } from './fifo.ts';
import { Pacer } from './pacer.ts';

/** What of the package `raw-socket` is used. */
export interface RawSocketPackage {
  readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number };
  createSocket(options: { protocol: number; addressFamily: number }): RawSocketHandle;
}
interface RawSocketHandle {
  send(
    buffer: Uint8Array,
    offset: number,
    length: number,
    address: string,
    after: (error: Error | null) => void,
  ): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  pauseRecv(): unknown;
  close(): unknown;
}

/** A raw socket cannot be had; the message says what to do. */
export class RawSocketError extends Error {}

/**
 * Loads the package.
 * @throws RawSocketError where it is not installed or cannot be loaded
 */
export async function loadRawSocket(): Promise<RawSocketPackage> {
  try {
    const loaded = await import('raw-socket');
    return loaded.default;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const what =
      code === 'ERR_MODULE_NOT_FOUND' ? 'is not installed' : `cannot be loaded (${message.split('\n')[0]})`;
    throw new RawSocketError(
      `the package raw-socket ${what}; datagrams with a source of their own need it: npm install raw-socket ` +
        '(its addon is compiled: that takes python3, make and g++)',
    );
  }
}

/** IPPROTO_RAW: the IP header is the sender's (IP_HDRINCL, raw(7), and so for IPv6), and nothing is received. */
const IPPROTO_RAW = 255;

/** Linux's words for the errors that `sendto` answers with; the package hands on nothing else. */
const CODES: Readonly<Record<string, string>> = {
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'Message too long': 'EMSGSIZE',
  'Network is unreachable': 'ENETUNREACH',
  'No route to host': 'EHOSTUNREACH',
  'Network is down': 'ENETDOWN',
  'No buffer space available': 'ENOBUFS',
  'Resource temporarily unavailable': 'EAGAIN',
  'Cannot allocate memory': 'ENOMEM',
  'Invalid argument': 'EINVAL',
  'Cannot assign requested address': 'EADDRNOTAVAIL',
};

/** The code of an error of the package, or its text where that is not known. */
export function rawErrorCode(error: Error): string {
  return CODES[error.message] ?? error.message;
}

/** Opens a socket for one IP version. @throws RawSocketError where this process may not */
export function openRawSocket(library: RawSocketPackage, ipVersion: 4 | 6): RawSocketHandle {
  const { AddressFamily } = library;
  try {
    return library.createSocket({
      protocol: IPPROTO_RAW,
      addressFamily: ipVersion === 6 ? AddressFamily.IPv6 : AddressFamily.IPv4,
    });
  } catch (error) {
    const code = rawErrorCode(error as Error);
    throw new RawSocketError(
      code === 'EPERM' || code === 'EACCES'
        ? 'a raw socket takes the capability CAP_NET_RAW: run Weir as root, or give it that'
        : `no raw socket for IPv${ipVersion} can be opened: ${(error as Error).message}`,
    );
  }
}

export interface RawSenderOptions {
  readonly library: RawSocketPackage;
  /** All who share the socket, together; 0: unpaced. */
  readonly datagramsPerSecond: number;
  readonly burst: number;
  /** Messages of all who share it that may wait to leave. */
  readonly maxQueuedMessages: number;
  readonly clock?: Clock | undefined;
}

/** The socket of all who send to one Collector. */
export class RawSender {
  #queued = 0;
  readonly #waiters = new Set<() => void>();
  readonly maxQueuedMessages: number;
  readonly #library: RawSocketPackage;
  readonly #clock: Clock;
  readonly #pacer: Pacer | undefined;
  readonly #sockets = new Map<4 | 6, RawSocketHandle>();
  /** Who waits for a turn. */
  readonly #turns = new Fifo<() => void>();
  #isBusy = false;
  #cancelTimer: () => void = () => {};

  constructor({
    library,
    datagramsPerSecond,
    burst,
    maxQueuedMessages,
    clock = systemClock,
  }: RawSenderOptions) {
    this.#library = library;
    this.#clock = clock;
    this.maxQueuedMessages = maxQueuedMessages;
    this.#pacer = datagramsPerSecond > 0 ? new Pacer(datagramsPerSecond, burst) : undefined;
  }

  /** Messages that those who share the socket have not settled yet. They keep the number. */
  get queued(): number {
    return this.#queued;
  }
  set queued(messages: number) {
    this.#queued = messages;
    if (this.#waiters.size > 0 && !this.isCongested) for (const wake of this.#waiters) wake();
  }

  /** Whoever can wait should. */
  get isCongested(): boolean {
    return this.#queued >= this.maxQueuedMessages / 2;
  }

  /** Resolves when it is not congested any more, or nothing has left for the patience; undefined: it is not. */
  whenRelieved(patienceMilliseconds: number): Promise<void> | undefined {
    if (!this.isCongested) return undefined;
    return new Promise((resolve) => {
      let cancel = () => {};
      const done = () => {
        cancel();
        this.#waiters.delete(done);
        resolve();
      };
      const watch = () => {
        const queued = this.#queued;
        cancel = this.#clock.after(patienceMilliseconds, () => (this.#queued < queued ? watch() : done()));
      };
      watch();
      this.#waiters.add(done);
    });
  }

  /** Opens the socket of an IP version, where it is not open yet. @throws RawSocketError */
  open(ipVersion: 4 | 6): void {
    if (this.#sockets.has(ipVersion)) return;
    const socket = openRawSocket(this.#library, ipVersion);
    // Errors of sending come with the datagram; the socket's own can only be its poll's.
    socket.on('error', () => {
      socket.close();
      this.#sockets.delete(ipVersion);
    });
    socket.pauseRecv();
    this.#sockets.set(ipVersion, socket);
  }

  /** Asks for a turn: `act` is called once, when a datagram may leave, and then either sends one or passes. */
  turn(act: () => void): void {
    this.#turns.push(act);
    this.#next();
  }

  /** A turn's datagram. `after` gets the error's code, where there is one. */
  send(datagram: Uint8Array, destination: string, after: (code: string | undefined) => void): void {
    const done = (error: Error | null) => {
      this.#isBusy = false;
      after(error === null ? undefined : rawErrorCode(error));
      this.#next();
    };
    const socket = this.#sockets.get(isIPv6(destination) ? 6 : 4);
    if (socket === undefined) done(new Error('Network is down'));
    else socket.send(datagram, 0, datagram.length, destination, done);
  }

  /** A turn that was not needed any more. */
  pass(): void {
    this.#isBusy = false;
    this.#next();
  }

  close(): void {
    this.#cancelTimer();
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #next(): void {
    if (this.#isBusy || this.#turns.length === 0) return;
    this.#isBusy = true;
    const wait = this.#pacer === undefined ? 0 : this.#pacer.take(this.#clock.nowMilliseconds());
    if (wait === 0) {
      this.#turns.shift()!();
      return;
    }
    this.#cancelTimer = this.#clock.after(wait, () => {
      this.#isBusy = false;
      this.#next();
    });
  }
}
