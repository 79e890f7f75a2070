/** The sockets of a Collecting Process: UDP for all three versions, TCP for IPFIX. */

import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, isIPv6, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DecodedRecordReceiver, MessageDecoder } from './decode.ts';
import { IPFIX_HEADER_OCTETS, IPFIX_VERSION } from './ipfix.ts';
import type { Source } from './template-store.ts';

export interface CollectorOptions {
  /** An IP address of this machine. */
  readonly address: string;
  /** 0: the kernel chooses. */
  readonly port: number;
  /** May be shared: it tells sources and transports apart. */
  readonly decoder: MessageDecoder;
  readonly receiver: DecodedRecordReceiver;
  /** The socket has failed after its start. */
  readonly onError?: (error: Error) => void;
}

export interface BoundAddress {
  readonly address: string;
  readonly port: number;
}

/** What UDP keeps for a collector that is busy. The kernel grants at most net.core.rmem_max. */
const RECEIVE_BUFFER_OCTETS = 8 * 1024 * 1024;
/** Turns of the event loop, of some 32 datagrams each, that `stop` gives to what the kernel has already received. */
const MAX_DRAIN_TURNS = 10_000;

export class UdpCollector {
  /** Plain numbers that only grow. */
  readonly counters = { datagrams: 0, octets: 0 };
  readonly #options: CollectorOptions;
  #socket: ReturnType<typeof createSocket> | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** Resolves when datagrams are being received. @throws the system's error (EADDRINUSE, EACCES, …) */
  async start(): Promise<BoundAddress> {
    const { address, port, onError } = this.#options;
    const type = isIPv6(address) ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: RECEIVE_BUFFER_OCTETS });
    this.#socket = socket;
    socket.on('message', (bytes, source) => this.#receive(bytes, source));
    try {
      socket.bind(port, address);
      await once(socket, 'listening');
    } catch (error) {
      this.#socket = undefined;
      socket.close();
      throw error;
    }
    socket.on('error', (error) => onError?.(error));
    return boundAddress(socket.address());
  }

  /** Receives what has arrived, and ends. Idempotent. */
  async stop(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    await settle(() => this.counters.datagrams);
    socket.close();
    await once(socket, 'close');
  }

  #receive(bytes: Uint8Array, { address, port }: RemoteInfo): void {
    this.counters.datagrams++;
    this.counters.octets += bytes.length;
    this.#options.decoder.decode(bytes, { address, port }, this.#options.receiver);
  }
}

/** Connections at once. Each holds one message that is not complete: 64 KiB at most. */
const MAX_CONNECTIONS = 64;

export class TcpCollector {
  /** Plain numbers that only grow. `refused`: connections beyond the limit. */
  readonly counters = { connections: 0, refused: 0, broken: 0, messages: 0, octets: 0 };
  readonly #options: CollectorOptions;
  readonly #sockets = new Set<Socket>();
  #server: ReturnType<typeof createServer> | undefined;
  #paused = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Resolves when connections are being accepted. @throws the system's error (EADDRINUSE, EACCES, …) */
  async start(): Promise<BoundAddress> {
    const { address, port, onError } = this.#options;
    const server = createServer((socket) => this.#accept(socket));
    server.maxConnections = MAX_CONNECTIONS;
    server.on('drop', () => {
      this.counters.refused++;
    });
    server.listen(port, address);
    await once(server, 'listening');
    server.on('error', (error) => onError?.(error));
    this.#server = server;
    return boundAddress(server.address() as AddressInfo);
  }

  /** Leaves what comes to the kernel's buffers and so to the exporters, until {@link resume}. */
  pause(): void {
    this.#paused = true;
    for (const socket of this.#sockets) socket.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Receives what has arrived, and ends every connection. Idempotent. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    await settle(() => this.counters.octets);
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    const { decoder, receiver } = this.#options;
    const source: Source = {
      address: socket.remoteAddress ?? '',
      port: socket.remotePort ?? 0,
      transport: 'tcp',
    };
    this.counters.connections++;
    this.#sockets.add(socket);
    const framer = new MessageFramer((bytes) => {
      this.counters.messages++;
      decoder.decode(bytes, source, receiver);
    });
    socket.on('data', (chunk) => {
      this.counters.octets += chunk.length;
      if (framer.push(chunk)) return;
      // Where the next message begins, nobody knows: the connection is of no more use (RFC 7011 §9.1).
      socket.destroy();
    });
    socket.on('error', () => {
      this.counters.broken++;
    });
    socket.on('close', () => {
      // What is left is no message: the decoder says and counts what it lacks.
      if (framer.rest.length > 0) decoder.decode(framer.rest, source, receiver);
      decoder.forget(source);
      this.#sockets.delete(socket);
    });
    socket.setKeepAlive(true);
    if (this.#paused) socket.pause();
  }
}

/** Version and length: what says where a message ends (RFC 7011 §3.1). */
const FRAME_OCTETS = 4;

/** Cuts a stream of octets into IPFIX Messages. Holds at most one. */
export class MessageFramer {
  readonly #onMessage: (bytes: Uint8Array) => void;
  /** The largest message that a length of 16 bits can tell of. */
  readonly #buffer = Buffer.allocUnsafe(65535);
  #held = 0;
  /** Octets to hold before the next step. */
  #wanted = FRAME_OCTETS;

  constructor(onMessage: (bytes: Uint8Array) => void) {
    this.#onMessage = onMessage;
  }

  /** The beginning of a message whose end has not come, or of what is none. */
  get rest(): Uint8Array {
    return this.#buffer.subarray(0, this.#held);
  }

  /**
   * Takes what has come, and hands on every message that is complete. The octets handed on are valid only until the
   * call returns.
   * @returns false when what has come is no IPFIX; then {@link rest} is what was found in place of a header
   */
  push(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      const taken = Math.min(this.#wanted - this.#held, chunk.length - at);
      this.#buffer.set(chunk.subarray(at, at + taken), this.#held);
      this.#held += taken;
      at += taken;
      if (this.#held < this.#wanted) break;
      if (this.#wanted === FRAME_OCTETS) {
        const length = this.#buffer.readUInt16BE(2);
        if (this.#buffer.readUInt16BE(0) !== IPFIX_VERSION || length < IPFIX_HEADER_OCTETS) return false;
        this.#wanted = length;
      } else {
        const message = this.rest;
        this.#held = 0;
        this.#wanted = FRAME_OCTETS;
        this.#onMessage(message);
      }
    }
    return true;
  }
}

function boundAddress({ address, port }: AddressInfo): BoundAddress {
  return { address, port };
}

/** Waits until nothing has come for two turns of the event loop, each of which polls the sockets. Bounded. */
async function settle(progress: () => number): Promise<void> {
  let before = progress();
  for (let turn = 0, quiet = 0; quiet < 2 && turn < MAX_DRAIN_TURNS; turn++) {
    await nextTurn();
    quiet = progress() === before ? quiet + 1 : 0;
    before = progress();
  }
}
