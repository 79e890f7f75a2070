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

const KEEPALIVE_MILLISECONDS = 30_000;

/** Connects; rejects with the kernel's error. The caller listens for `error` and `close` from then on. */
export function connectTcp(collector: ResolvedAddress, options: ConnectOptions): Promise<Socket> {
  const { port, source, withinMilliseconds, clock, signal } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: collector.address,
      port,
      noDelay: true, // a batch is whole, there is nothing to wait for
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MILLISECONDS,
      ...(source === undefined ? {} : { localAddress: source }),
    });
    const giveUp = () => socket.destroy(new Error('given up'));
    const cancel = clock.after(withinMilliseconds, () =>
      socket.destroy(new Error(`no answer within ${withinMilliseconds / 1000} s`)),
    );
    const ended = () => {
      cancel();
      signal.removeEventListener('abort', giveUp);
    };
    signal.addEventListener('abort', giveUp);
    const failed = (error: Error) => {
      ended();
      reject(error);
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      ended();
      socket.off('error', failed);
      resolve(socket);
    });
  });
}
