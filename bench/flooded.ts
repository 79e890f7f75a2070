/**
 * A router in a network namespace that forwards a flood of small packets, and who meters it.
 *
 * ```
 *   client ── flood ──▶ to-client  router  to-server ──▶ server: no one's MAC address, dropped at the door
 *                         └─ weir or softflowd ─▶ receive, on the router's loopback
 * ```
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../src/cli/demo/lab.ts';
import { compiled, WEIR } from './programs.ts';
import { Scraper, type Scrapes } from './scraper.ts';
import { sum } from './statistics.ts';
import { ended, type Received, Receiver } from './trial.ts';

/**
 * V8 compiles meanwhile, which in a process that runs for months is nothing: long enough for the first records, too, which
 * leave after the active timeout of 5 s (compiling what they need was a seventh of the CPU of the ten seconds after 2 s).
 */
export const WARM_UP_SECONDS = 8;
/** The flood's destination port. */
export const DISCARD_PORT = 9;
/** An address in the server's network that no one has: frames to it reach the server and end there. */
export const SINK = '10.71.2.99';
const SINK_MAC = '02:00:00:00:00:99';

export interface Metering {
  readonly name: string;
  /** Packet sockets that it opens in the router: when they are there, it captures. */
  readonly sockets: number;
  command(port: number): readonly string[];
  /** It captures, and exports nothing. */
  readonly isMute?: boolean;
  /** Where its metrics are scraped during the flood; undefined: they are not. */
  readonly metrics?: string;
  /** Asks it to export what it has and to end. */
  stop(lab: Lab, child: ChildProcess): Promise<void>;
}

/** `weir run` on both of the router's interfaces. */
export function weirRun(name: string, workers: number, ...flags: string[]): Metering {
  return {
    name,
    sockets: 2 * workers,
    command: (port) => [
      ...[...WEIR, 'run', '-i', 'to-client', '-i', 'to-server', '-c', `ipfix://127.0.0.1:${port}`],
      ...['--workers', String(workers), ...flags],
    ],
    stop: async (_lab, child) => {
      child.kill('SIGTERM');
    },
  };
}

export interface Flood {
  readonly flows: number;
  readonly seconds: number;
  /** One packet in 64 ends a TCP connection, and the receiver tells how long the records took. */
  readonly withLatency?: boolean;
}

export interface Round {
  /** Packets per second that the router forwarded. */
  readonly forwardedRate: number;
  readonly forwarded: number;
  /** CPU seconds of the metering process during the flood, as a share of one core. */
  readonly cores: number;
  /** What it has exported of the flood; undefined: no one metered. */
  readonly received?: Received;
  /** Where its metrics were scraped meanwhile. */
  readonly scrapes?: Scrapes;
}

/** A lab whose router knows the sink's MAC address without asking for it. */
export async function floodLab(prefix = 'weir-bench'): Promise<Lab> {
  const lab = await createLab({ prefix });
  const permanent = ['dev', 'to-server', 'nud', 'permanent'];
  try {
    await lab.router.run(['ip', 'neigh', 'replace', SINK, 'lladdr', SINK_MAC, ...permanent]);
  } catch (error) {
    await lab.close();
    throw error;
  }
  return lab;
}

/** One trial. @param nobody a metering that stands for none */
export async function flooded(
  lab: Lab,
  metering: Metering,
  nobody: Metering | undefined,
  { flows, seconds, withLatency = false }: Flood,
): Promise<Round> {
  const mac = (await lab.router.run(['cat', '/sys/class/net/to-client/address'])).trim();
  const flood = async (duration: number) => {
    const where = ['eth0', mac, lab.addresses.client.ipv4, SINK];
    const fins = withLatency ? ['fins'] : [];
    const argv = [compiled('flood'), ...where, String(flows), String(duration), ...fins];
    return JSON.parse(await lab.client.run(argv)) as { seconds: number };
  };
  const receiver = await Receiver.start((argv) => lab.router.spawn(argv), DISCARD_PORT, withLatency);
  const child = metering === nobody ? undefined : lab.router.spawn(metering.command(receiver.port));
  let errors = '';
  child?.stdout.resume();
  child?.stderr.setEncoding('utf8').on('data', (part: string) => {
    errors = (errors + part).slice(-2000);
  });
  if (child !== undefined) await capturing(lab, metering, child, () => errors);
  const scraper = metering.metrics === undefined ? undefined : await Scraper.start(lab, metering.metrics);

  const before = await forwardedDatagrams(lab);
  await flood(WARM_UP_SECONDS);
  const warm = await forwardedDatagrams(lab);
  const cpuBefore = child === undefined ? 0 : cpuSeconds(child.pid!);
  const flooding = await flood(seconds);
  const cpuAfter = child === undefined ? 0 : cpuSeconds(child.pid!);
  const after = await forwardedDatagrams(lab);
  const scrapes = await scraper?.stop();

  if (child !== undefined) {
    if (child.exitCode !== null) throw new Error(`${metering.name} ended during the flood: ${errors}`);
    await metering.stop(lab, child);
    await ended(child, 30);
  }
  const received = await receiver.stop();
  return {
    forwardedRate: (after - warm) / flooding.seconds,
    forwarded: after - before,
    cores: (cpuAfter - cpuBefore) / flooding.seconds,
    ...(child === undefined || metering.isMute === true ? {} : { received }),
    ...(scrapes === undefined ? {} : { scrapes }),
  };
}

/** Waits until the packet sockets are there and bound: then every packet is captured. */
export async function capturing(
  lab: Lab,
  metering: Metering,
  child: ChildProcess,
  errors: () => string,
): Promise<void> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; ) {
    // sk RefCnt Type Proto Iface R Rmem User Inode: Iface 0 is not bound yet, R 1 receives.
    const sockets = (await lab.router.run(['cat', '/proc/net/packet'])).trim().split('\n').slice(1);
    const bound = sockets.map((line) => line.trim().split(/\s+/)).filter((f) => f[4] !== '0' && f[5] === '1');
    if (bound.length >= metering.sockets) return;
    if (child.exitCode !== null || child.signalCode !== null) break;
    await delay(20);
  }
  throw new Error(`${metering.name} does not capture: ${errors().trim()}`);
}

/** IPv4 packets that the router has forwarded: exact, and blind to what it says to itself. */
export async function forwardedDatagrams(lab: Lab): Promise<number> {
  const [names, values] = (await lab.router.run(['cat', '/proc/net/snmp']))
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
    .map((line) => line.split(' '));
  return Number(values![names!.indexOf('ForwDatagrams')]);
}

/** CPU seconds of a process's threads. schedstat counts nanoseconds, where stat's ticks of 10 ms are too coarse. */
function cpuSeconds(processId: number): number {
  const tasks = `/proc/${processId}/task`;
  return sum(
    readdirSync(tasks).map(
      (task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e9,
    ),
  );
}
