/**
 * Runs inside a namespace, started by the tests: one kind of traffic, named by the first argument. Servers print
 * their port when they listen; everything else ends by itself when it is done.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const [kind, ...rest] = process.argv.slice(2);
const [host = '', port = '0', count = '0', octets = '0'] = rest;
const udp = () => createSocket(host.includes(':') ? 'udp6' : 'udp4');

const kinds: Record<string, () => Promise<void>> = {
  /** Sends every datagram back. */
  async 'udp-echo'() {
    const socket = udp();
    socket.on('message', (message, from) => socket.send(message, from.port, from.address));
    socket.bind(0, host);
    await once(socket, 'listening');
    process.stdout.write(`${socket.address().port}\n`);
  },
  /** host port count octets: sends so many datagrams of so many octets, each after the echo of the one before. */
  async 'udp-send'() {
    const socket = udp();
    for (let i = 0; i < Number(count); i++) {
      socket.send(Buffer.alloc(Number(octets)), Number(port), host);
      await once(socket, 'message');
    }
    socket.close();
  },
  /** host port: one datagram to where nobody listens; ends when the ICMP error is back. */
  async 'udp-refused'() {
    const socket = udp();
    socket.connect(Number(port), host);
    await once(socket, 'connect');
    socket.send('x');
    await new Promise((resolve) => socket.once('error', resolve));
    socket.close();
  },
  /** Takes what comes and closes when the other side does. */
  async 'tcp-sink'() {
    const server = createServer((socket) => socket.resume());
    server.listen(0, host);
    await once(server, 'listening');
    process.stdout.write(`${(server.address() as { port: number }).port}\n`);
  },
  /** host port octets: sends so many and ends when the other side has closed too. */
  async 'tcp-send'() {
    const socket = connect(Number(port), host);
    socket.end(Buffer.alloc(Number(count)));
    socket.resume();
    await once(socket, 'close');
  },
  /** interface hex…: sends frames as they are, by libpcap. */
  async 'send-frames'() {
    const { Cap } = (await import('cap')).default;
    const cap = new Cap();
    cap.open(host, 'less 1', 1 << 20, Buffer.alloc(65_535));
    for (const frame of rest.slice(1)) cap.send(Buffer.from(frame, 'hex'));
    cap.close();
  },
};

await kinds[kind ?? '']?.();
