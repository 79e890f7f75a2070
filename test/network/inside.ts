/**
 * Runs inside a namespace, started by the tests: what traffic.ts of the capture's tests has no kind for. The first
 * argument names it. Servers print a line with their port when they listen; all output is JSON lines.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer, get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { TcpCollector, UdpCollector } from '../../src/collect/collector.ts';
import { MessageDecoder } from '../../src/collect/decode.ts';
import { recordToJson } from '../../src/collect/json.ts';
import { TcpTransport } from '../../src/transport/tcp.ts';
import { Books, type TestMessage, testMessage } from '../transport/helpers.ts';

const [kind, ...rest] = process.argv.slice(2);
const [host = '', port = '0', count = '0', sockets = '1'] = rest;
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

const kinds: Record<string, () => Promise<void>> = {
  /** host: answers GET /N with N octets, and says how many octets each connection carried. */
  async 'http-server'() {
    const server = createHttpServer((request, response) => {
      const { socket } = request;
      socket.once('close', () => say({ sent: socket.bytesWritten, received: socket.bytesRead }));
      response.end(Buffer.alloc(Number(request.url?.slice(1))));
    });
    server.listen(0, host);
    await once(server, 'listening');
    say({ port: (server.address() as AddressInfo).port });
  },
  /** url: fetches it; prints the status and the body. */
  async get() {
    const [response] = await once(get(host, { agent: false }), 'response');
    let body = '';
    for await (const text of response.setEncoding('utf8')) body += text;
    say({ status: response.statusCode, body });
  },
  /** host port: UDP and TCP; prints each record with who sent it, or with a third argument only the sums at the end. */
  async collector() {
    const decoder = new MessageDecoder();
    const zero = () => ({ records: 0, packets: 0, octets: 0 });
    const sums: Record<string, ReturnType<typeof zero>> = { v5: zero(), v9: zero(), v10: zero() };
    const quiet = rest.length > 2;
    const options = {
      address: host,
      decoder,
      receiver: {
        record: (record: Parameters<typeof recordToJson>[0], message: { version: number } & Said) => {
          if (quiet) {
            const sum = sums[`v${message.version}`]!;
            sum.records++;
            sum.packets += Number(record.values[record.shape.indexOf('packetDeltaCount')]);
            sum.octets += Number(record.values[record.shape.indexOf('octetDeltaCount')]);
            return;
          }
          const { version, source, observationDomainId: domain } = message;
          process.stdout.write(
            `${JSON.stringify({ version, source, domain }).slice(0, -1)},"record":${recordToJson(record)}}\n`,
          );
        },
        options: () => undefined,
      },
    };
    const udp = new UdpCollector({ ...options, port: Number(port) });
    const bound = await udp.start();
    const tcp = new TcpCollector({ ...options, port: bound.port });
    await tcp.start();
    process.once('SIGTERM', async () => {
      await Promise.all([udp.stop(), tcp.stop()]);
      const { malformed, oddities, ...counters } = decoder.counters;
      say({ ...counters, ...sums, malformed: Object.values(malformed).reduce((sum, n) => sum + n, 0) });
    });
    say({ port: bound.port });
  },
  /** host: reads to the end of each connection, and says how many octets came from which port. */
  async 'tcp-count'() {
    const server = createServer((socket) => {
      const from = socket.remotePort;
      socket.resume().once('close', () => say({ from, received: socket.bytesRead }));
    });
    server.listen(0, host);
    await once(server, 'listening');
    say({ port: (server.address() as AddressInfo).port });
  },
  /** host: UDP; prints each datagram in hexadecimal. */
  async keep() {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4_000_000 });
    socket.on('message', (datagram) => say({ datagram: datagram.toString('hex') }));
    socket.bind(0, host);
    await once(socket, 'listening');
    say({ port: socket.address().port });
  },
  /** host: accepts connections and never reads. */
  async 'tcp-stall'() {
    const server = createServer((socket) => {
      socket.pause().on('error', () => undefined);
      say({ connection: socket.remotePort });
    });
    server.listen(0, host);
    await once(server, 'listening');
    say({ port: (server.address() as AddressInfo).port });
  },
  /** host: accepts connections, and says for each the number of the Message that it begins with. */
  async 'tcp-numbers'() {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (octets) => say({ connection: socket.remotePort, first: octets.readUInt32BE(0) }));
      socket.on('data', () => undefined);
    });
    server.listen(0, host);
    await once(server, 'listening');
    say({ port: (server.address() as AddressInfo).port });
  },
  /** host port milliseconds: Weir's own transport over TCP, so impatient; a Message every 20 ms, or with a fourth argument one. */
  async 'tcp-exporter'() {
    const books = new Books();
    const transport = new TcpTransport<TestMessage>({
      host,
      port: Number(port),
      stallMilliseconds: Number(count),
      connectMilliseconds: 500,
      onEvent: (event) => say(event),
    });
    transport.start(books);
    let id = 0;
    transport.send(testMessage(id++));
    if (rest.length <= 3) setInterval(() => transport.send(testMessage(id++)), 20);
  },
  /** host port milliseconds: a datagram of 100 octets every so often, for ever. */
  async 'udp-trickle'() {
    const socket = createSocket('udp4');
    setInterval(() => socket.send(Buffer.alloc(100), Number(port), host), Number(count));
  },
  /** host port octets source…: from each of these addresses a datagram, after the echo of the one before. */
  async 'udp-from'() {
    for (const source of rest.slice(3)) {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      socket.bind(0, source);
      await once(socket, 'listening');
      socket.send(Buffer.alloc(Number(count)), Number(port), host);
      await once(socket, 'message');
      socket.close();
    }
    say({ sent: rest.length - 3 });
  },
  /** host first-port ports sockets: a datagram from each socket to each port, a flow each. */
  async 'udp-flows'() {
    const senders = Array.from({ length: Number(sockets) }, () => createSocket('udp4'));
    for (const socket of senders) {
      socket.on('error', () => undefined); // ICMP: nobody listens there
      socket.bind(0);
      await once(socket, 'listening');
    }
    const datagram = Buffer.alloc(10);
    const first = Number(port);
    for (let i = 0; i < Number(count); i++) {
      for (const socket of senders) socket.send(datagram, first + i, host);
      // The kernel takes each within the call; the callbacks' memory goes with the turn.
      if (i % 256 === 0) await new Promise(setImmediate);
    }
    say(senders.map((socket) => socket.address().port));
    for (const socket of senders) socket.close();
  },
};

interface Said {
  readonly source: unknown;
  readonly observationDomainId: number;
}

await kinds[kind ?? '']?.();
