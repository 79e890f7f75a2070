/** Other people's collectors, started on a loopback port that was free, and ended by the test that started them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hasProgram } from '../support/programs.ts';

/** What a peer needs of tap's test. */
export interface Test {
  teardown(end: () => void | Promise<void>): void;
}

/** For a test's `skip`: false where all of these are installed. */
export function missing(programs: Readonly<Record<string, string>>): false | string {
  const absent = Object.keys(programs).filter((program) => !hasProgram(program));
  if (absent.length === 0) return false;
  const packages = new Set(absent.map((program) => programs[program]));
  return `${absent.join(', ')} not installed (apt-get install ${[...packages].join(' ')})`;
}

const READY_MILLISECONDS = 15_000;
const END_MILLISECONDS = 15_000;
/** Between choosing a port and binding it somebody else may take it. */
const ATTEMPTS = 3;

export class Peer {
  readonly #child: ChildProcess;
  readonly #program: string;
  /** What it has written to standard output. */
  stdout = '';
  stderr = '';
  #changed: () => void = () => {};

  constructor(program: string, args: readonly string[]) {
    this.#program = program;
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout!.setEncoding('utf8').on('data', (text) => {
      this.stdout += text;
      this.#changed();
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
      this.#changed();
    });
    this.#child.on('close', () => this.#changed());
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves when `condition` holds, looked at whenever the peer says something. */
  async until(what: string, condition: () => boolean, milliseconds = READY_MILLISECONDS): Promise<void> {
    const deadline = AbortSignal.timeout(milliseconds);
    while (!condition()) {
      if (this.hasEnded || deadline.aborted) {
        const how = this.hasEnded ? 'ended' : `said nothing for ${milliseconds} ms`;
        throw new Error(`${this.#program} ${how} before ${what}:\n${this.stderr}${this.stdout}`);
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
        deadline.onabort = () => resolve();
      });
    }
  }

  /** Ends it by this signal, in time or by force. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.hasEnded) return;
    const closed = once(this.#child, 'close');
    this.#child.kill(signal);
    const force = setTimeout(() => this.#child.kill('SIGKILL'), END_MILLISECONDS);
    await closed;
    clearTimeout(force);
  }
}

/** A peer that receives datagrams on this port of 127.0.0.1. */
export class UdpPeer extends Peer {
  readonly port: number;

  constructor(program: string, args: readonly string[], port: number) {
    super(program, args);
    this.port = port;
  }

  /** Resolves when it has taken everything out of its socket; rejects if the kernel dropped a datagram there. */
  async drained(): Promise<void> {
    for (let waited = 0; waited < READY_MILLISECONDS; waited += 10) {
      const { waitingOctets, drops } = udpSocket(this.port);
      if (drops > 0) throw new Error(`${drops} datagrams were dropped at port ${this.port}`);
      if (waitingOctets === 0) return;
      await delay(10); // the kernel tells nobody of it
    }
    throw new Error(`nobody reads port ${this.port}`);
  }
}

/** Starts a collector on a UDP port that was free; `ready`: what it says when it listens. */
export async function startCollector(
  t: Test,
  program: string,
  args: (port: number) => readonly string[],
  ready: RegExp,
): Promise<UdpPeer> {
  for (let attempt = 1; ; attempt++) {
    const port = await freeUdpPort();
    const peer = new UdpPeer(program, args(port), port);
    t.teardown(() => peer.end('SIGKILL'));
    try {
      await peer.until('it listened', () => ready.test(peer.stderr) || ready.test(peer.stdout));
      return peer;
    } catch (error) {
      if (attempt === ATTEMPTS || !peer.hasEnded) throw error;
    }
  }
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

/** proc(5), /proc/net/udp: local address and port, …, transmit:receive queue, …, drops; in hexadecimal but the last. */
function udpSocket(port: number): { waitingOctets: number; drops: number } {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of readFileSync('/proc/net/udp', 'latin1').split('\n')) {
    const columns = line.trim().split(/\s+/);
    if (!columns[1]?.endsWith(suffix)) continue;
    return { waitingOctets: Number.parseInt(columns[4]!.split(':')[1]!, 16), drops: Number(columns.at(-1)) };
  }
  throw new Error(`no UDP socket on port ${port}`);
}
