/** Opening a UDP socket that is connected to one collector. */
import { createSocket, type Socket } from 'node:dgram';
import type { ResolvedAddress } from './resolve.ts';

/** The part of node:dgram's Socket that the transport uses. */
export interface UdpSocket {
  send(bytes: Uint8Array, callback: (error: Error | null) => void): void;
  /** The local address and port, as the kernel chose them. */
  address(): { readonly address: string; readonly port: number };
  close(): void;
}

export interface UdpSocketHandlers {
  /** Octets of a datagram that came from the collector. */
  received(octets: number): void;
  /** An error that answers no `send`: what ICMP had to say about an earlier datagram. */
  failed(error: NodeJS.ErrnoException): void;
}

/** Opens a socket; rejects with the kernel's error. */
export type OpenUdpSocket = (
  collector: ResolvedAddress,
  port: number,
  source: string | undefined,
  handlers: UdpSocketHandlers,
) => Promise<UdpSocket>;

/**
 * Opens a socket, binds it to the source address where one is pinned, and connects it: the kernel then keeps the
 * route, nothing is looked up a datagram, and ICMP errors come back to this socket.
 */
export const openUdpSocket: OpenUdpSocket = (collector, port, source, handlers) =>
  new Promise((resolve, reject) => {
    const socket: Socket = createSocket(collector.family === 6 ? 'udp6' : 'udp4');
    const refused = (error: Error) => {
      socket.close();
      reject(error);
    };
    socket.once('error', refused);
    socket.once('connect', () => {
      socket.off('error', refused);
      socket.on('error', handlers.failed);
      socket.on('message', (_bytes, { size }) => handlers.received(size));
      resolve(socket);
    });
    if (source === undefined) socket.connect(port, collector.address);
    else
      socket.bind({ address: source, port: 0, exclusive: true }, () =>
        socket.connect(port, collector.address),
      );
  });
