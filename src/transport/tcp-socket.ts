/** Opening a TCP connection to one collector. */
import { connect, type Socket } from 'node:net';
import type { Clock } from './clock.ts';
import type { ResolvedAddress } from './resolve.ts';

export interface ConnectOptions {
  readonly port: number;
  readonly source: string | undefined;
  /** A connection that is not made in this time is given up. */
  readonly withinMilliseconds: number;
  readonly clock: Clock;
  /** Gives the attempt up; without effect on a connection that is made. */
  readonly signal: AbortSignal;
}

/** The collector has closed a connection that was being made. */
export class ClosedByPeer extends Error {}

/** A way to open connections: TCP alone, or TLS over it. */
export interface Connector {
  /** Connects; rejects with the kernel's error. The caller listens for `error` and `close` from then on. */
  connect(collector: ResolvedAddress, options: ConnectOptions): Promise<Socket>;
  /** An error of an attempt or of a connection, in words for the operator. */
  explain(error: Error): string;
}

const KEEPALIVE_MILLISECONDS = 30_000;

export const tcpConnector: Connector = {
  connect(collector, options) {
    const socket = connect({
      host: collector.address,
      port: options.port,
      noDelay: true, // a batch is whole, there is nothing to wait for
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MILLISECONDS,
      ...(options.source === undefined ? {} : { localAddress: options.source }),
    });
    return whenReady(socket, 'connect', options);
  },
  explain: (error) => error.message,
};

/** Resolves at the event that says that the socket can be used; when time is over, too, if `silenceAgrees`. */
export function whenReady<S extends Socket>(
  socket: S,
  event: string,
  { withinMilliseconds, clock, signal }: ConnectOptions,
  silenceAgrees = false,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const giveUp = () => socket.destroy(new Error('given up'));
    const cancel = clock.after(withinMilliseconds, () => {
      if (silenceAgrees) ready();
      else socket.destroy(new Error(`no answer within ${withinMilliseconds / 1000} s`));
    });
    const ended = () => {
      cancel();
      signal.removeEventListener('abort', giveUp);
      socket.off('error', failed).off('close', closed).off(event, ready);
    };
    const failed = (error: Error) => {
      ended();
      reject(error);
    };
    const closed = () => failed(new ClosedByPeer('the collector closed it'));
    const ready = () => {
      ended();
      resolve(socket);
    };
    signal.addEventListener('abort', giveUp);
    socket.once('error', failed).once('close', closed).once(event, ready);
  });
}
