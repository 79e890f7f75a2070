/** Opening a UDP socket that is connected to one collector. */
import { createSocket, type Socket } from 'node:dgram';
import { getSystemErrorName } from 'node:util';
import type { ResolvedAddress } from './resolve.ts';
import { type UdpAddon, udpAddon } from './udp-addon.ts';

/** As {@link UdpSocket.sendTogether} has it. */
export type SendTogether = (
  datagrams: readonly Uint8Array[],
  count: number,
  octets: number,
) => string | undefined;

/** The part of node:dgram's Socket that the transport uses, and what the addon adds to it. */
export interface UdpSocket {
  send(bytes: Uint8Array, callback: (error: Error | null) => void): void;
  /**
   * The first so many of an array at once, a datagram or several, one behind the other, in each: {@link MOST_TOGETHER}
   * datagrams at most, of {@link MOST_OCTETS_TOGETHER} in all. Absent: it is not to be had.
   * @param octets of each datagram, but for the very last, which may be smaller
   * @returns the code of an error, and then none has left; undefined: the kernel has them
   */
  readonly sendTogether?: SendTogether;
  /** The local address and port, as the kernel chose them. */
  address(): { readonly address: string; readonly port: number };
  close(): void;
}

/** UDP_MAX_SEGMENTS of Linux, of the kernels that have fewest. */
export const MOST_TOGETHER = 64;
/** Of 65 535 with the headers of IP and UDP. */
export const MOST_OCTETS_TOGETHER = 65_400;

export interface UdpSocketHandlers {
  /** Octets of a datagram that came from the collector. */
  received(octets: number): void;
  /** An error that answers no `send`: what ICMP had to say about an earlier datagram. */
  failed(error: NodeJS.ErrnoException): void;
}

export interface UdpSocketPlace {
  readonly collector: ResolvedAddress;
  readonly port: number;
  /** The local address that is pinned; undefined: the kernel chooses. */
  readonly source: string | undefined;
  /** Datagrams are to leave together, where they can. */
  readonly together: boolean;
}

/** Opens a socket; rejects with the kernel's error. */
export type OpenUdpSocket = (place: UdpSocketPlace, handlers: UdpSocketHandlers) => Promise<UdpSocket>;

/**
 * Opens a socket, binds it to the source address where one is pinned, and connects it: the kernel then keeps the
 * route, nothing is looked up a datagram, and ICMP errors come back to this socket.
 */
export const openUdpSocket: OpenUdpSocket = ({ collector, port, source, together }, handlers) =>
  new Promise((resolve, reject) => {
    const any = collector.family === 6 ? '::' : '0.0.0.0';
    const addon = together ? udpAddon() : undefined;
    let opened: ReturnType<UdpAddon['open']> | undefined;
    try {
      opened = addon?.open(source ?? any);
    } catch (error) {
      const { syscall, code } = error as NodeJS.ErrnoException;
      throw Object.assign(new Error(`${syscall} ${code} ${source ?? any}`), { code });
    }
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
      if (addon === undefined || opened?.segments !== true) resolve(socket);
      else resolve(withAddon(socket, addon, opened.descriptor));
    });
    const connect = () => socket.connect(port, collector.address);
    if (opened !== undefined) socket.bind({ fd: opened.descriptor, exclusive: true }, connect);
    else if (source !== undefined) socket.bind({ address: source, port: 0, exclusive: true }, connect);
    else connect();
  });

function withAddon(socket: Socket, addon: UdpAddon, descriptor: number): UdpSocket {
  return {
    send: (bytes, callback) => socket.send(bytes, callback),
    sendTogether(datagrams, count, octets) {
      const errno = addon.sendSegments(descriptor, datagrams, count, octets);
      return errno === 0 ? undefined : getSystemErrorName(-errno);
    },
    address: () => socket.address(),
    close: () => socket.close(),
  };
}
