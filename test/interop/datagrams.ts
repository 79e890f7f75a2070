/** A collector that only keeps what it receives: a UDP socket on loopback. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { LinkType } from '../../src/capture/packet-source.ts';
import { PcapWriter } from '../../src/capture/pcap-writer.ts';
import type { Test } from './peers.ts';

const RECEIVE_MILLISECONDS = 15_000;
/** The port in the capture that {@link asCapture} makes, whatever it was. */
export const CAPTURED_PORT = 2055;

export class DatagramKeeper {
  readonly datagrams: Buffer[] = [];
  readonly #socket = createSocket({ type: 'udp4', recvBufferSize: 4_000_000 });

  /** Binds it to a port that the kernel chooses; it is closed when the test ends. */
  static async start(t: Test): Promise<DatagramKeeper> {
    const keeper = new DatagramKeeper();
    keeper.#socket.on('message', (datagram) => keeper.datagrams.push(datagram));
    keeper.#socket.bind(0, '127.0.0.1');
    await once(keeper.#socket, 'listening');
    t.teardown(() => {
      keeper.#socket.close();
    });
    return keeper;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Resolves when everything that was sent before is here: a datagram that it sends to itself comes last. */
  async quiet(): Promise<void> {
    const signal = AbortSignal.timeout(RECEIVE_MILLISECONDS);
    this.#socket.send('last', this.port, '127.0.0.1');
    while (this.datagrams.at(-1)?.toString() !== 'last') await once(this.#socket, 'message', { signal });
    this.datagrams.pop();
  }

  /** Resolves when so many datagrams are here. */
  async received(count: number): Promise<void> {
    const signal = AbortSignal.timeout(RECEIVE_MILLISECONDS);
    while (this.datagrams.length < count) await once(this.#socket, 'message', { signal });
  }
}

/** A capture file of raw IPv4 that carries the datagrams to {@link CAPTURED_PORT}. */
export function asCapture(datagrams: readonly Buffer[]): Uint8Array {
  const writer = new PcapWriter({ linkType: LinkType.IPV4 });
  for (const datagram of datagrams) {
    const headers = Buffer.alloc(28);
    headers.writeUInt16BE(0x4500, 0);
    headers.writeUInt16BE(28 + datagram.length, 2);
    headers.writeUInt16BE(0x4011, 8); // TTL 64, UDP
    headers.set([127, 0, 0, 1, 127, 0, 0, 1], 12);
    headers.writeUInt16BE(40_000, 20);
    headers.writeUInt16BE(CAPTURED_PORT, 22);
    headers.writeUInt16BE(8 + datagram.length, 24);
    writer.write({ seconds: 0, nanoseconds: 0, bytes: Buffer.concat([headers, datagram]) });
  }
  return writer.take();
}
