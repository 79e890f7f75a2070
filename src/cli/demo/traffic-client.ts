/**
 * The lab's client: what a few people and one intruder do, some 400 packets a second in all. Runs until its parent
 * has gone. Arguments: the server's IPv4 and IPv6 address.
 */
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { get } from 'node:http';
import { connect } from 'node:net';
import { startProgram } from '../../system/program.ts';
import { DNS_TYPE_A, DNS_TYPE_AAAA, encodeQuery } from './dns.ts';
import {
  CLOSED_UDP_PORT,
  DNS_PORT,
  HTTP_PORT,
  SCANNED_PORTS,
  STREAM_PORT,
  type WorkerMessage,
} from './traffic.ts';

const [server4 = '', server6 = ''] = process.argv.slice(2);
const SERVERS = [server4, server6] as const;
const NAMES = ['www.example.com', 'mail.example.org', 'api.example.net', 'cdn.example.com'] as const;
const ANSWER_WITHIN_MILLISECONDS = 2000;
const SCAN_EVERY_MILLISECONDS = 10_000;
const SCAN_PORT_EVERY_MILLISECONDS = 20;
/** A call: 50 datagrams of 172 octets a second (G.711 over RTP), and as many back. */
const STREAM_EVERY_MILLISECONDS = 20;
const STREAM_OCTETS = 172;

const children: ChildProcess[] = [];
const tell = (message: WorkerMessage) => process.send?.(message);
const problem = (text: string) => tell({ kind: 'problem', text });

// Asked to, or because the parent has gone.
process.once('SIGTERM', end).once('disconnect', end);

every(1000, (turn) => fetchPage(SERVERS[turn % 2]!, `/page/${1500 + ((turn * 911) % 7000)}`));
every(500, (turn) => lookUp(SERVERS[turn % 2]!, NAMES[turn % NAMES.length]!, turn % 2 === 0));
every(5000, () => knockAtClosedPort(server4));
every(SCAN_EVERY_MILLISECONDS, (turn) => scan(SERVERS[turn % 2]!));
downloadForEver(server4);
talk(server6);
for (const server of SERVERS) ping(server);
tell({ kind: 'ready' });

function end(): void {
  for (const child of children) child.kill();
  process.exit();
}

/** At once, and then again and again. */
function every(milliseconds: number, act: (turn: number) => void): void {
  let turn = 0;
  act(turn++);
  setInterval(() => act(turn++), milliseconds);
}

function fetchPage(server: string, path: string, then: () => void = () => {}): void {
  get({ host: server, port: HTTP_PORT, path, agent: false }, (response) => {
    if (response.statusCode !== 200) problem(`GET ${path} from ${server}: status ${response.statusCode}`);
    response.resume().once('close', then);
  }).once('error', (error) => {
    problem(`GET ${path} from ${server}: ${error.message}`);
    setTimeout(then, ANSWER_WITHIN_MILLISECONDS);
  });
}

function downloadForEver(server: string): void {
  fetchPage(server, '/download', () => downloadForEver(server));
}

/** Each query from a port of its own, as resolvers do (RFC 5452 §9.2): a flow each. */
function lookUp(server: string, name: string, isIpv4: boolean): void {
  const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
  const timer = setTimeout(() => {
    problem(`no answer to a DNS query from ${server}`);
    socket.close();
  }, ANSWER_WITHIN_MILLISECONDS);
  socket.once('message', () => {
    clearTimeout(timer);
    socket.close();
  });
  const type = isIpv4 ? DNS_TYPE_A : DNS_TYPE_AAAA;
  socket.send(encodeQuery({ id: Math.floor(Math.random() * 0x10000), name, type }), DNS_PORT, server);
}

/** The server's kernel answers with ICMP: port unreachable. */
function knockAtClosedPort(server: string): void {
  const socket = createSocket('udp4');
  socket.send('is anybody there?', CLOSED_UDP_PORT, server, () => socket.close());
}

/** A SYN to each port; each answers with RST. */
function scan(server: string): void {
  let port = SCANNED_PORTS.first;
  const timer = setInterval(() => {
    const socket = connect(port, server, () => socket.destroy());
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNREFUSED') problem(`port scan of ${server}: ${error.message}`);
    });
    port++;
    if (port >= SCANNED_PORTS.first + SCANNED_PORTS.count) clearInterval(timer);
  }, SCAN_PORT_EVERY_MILLISECONDS);
}

function talk(server: string): void {
  const socket = createSocket('udp6');
  const datagram = Buffer.alloc(STREAM_OCTETS);
  setInterval(() => socket.send(datagram, STREAM_PORT, server), STREAM_EVERY_MILLISECONDS);
}

function ping(server: string): void {
  const child = startProgram('ping', ['-n', '-q', '-i', '1', server], { stdio: 'ignore' });
  children.push(child);
  child.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') problem(`ping ${server}: ${error.message}`);
    else if (server === server4) {
      tell({
        kind: 'note',
        text: 'there is no `ping` command (Debian: iputils-ping): no echo requests',
      });
    }
  });
  child.once('exit', (code, signal) => {
    if (signal === null) problem(`ping ${server}: ended with status ${code}`);
  });
}
