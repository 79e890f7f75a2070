/**
 * `live`: a router in a network namespace forwards small packets as fast as the machine can, without anyone
 * looking, with Weir, and with softflowd.
 *
 * ```
 *   client ── flood ──▶ to-client  router  to-server ──▶ server: no one's MAC address, dropped at the door
 *                         └─ weir or softflowd ─▶ receive, on the router's loopback
 * ```
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab, labProblem } from '../src/cli/demo/lab.ts';
import { compiled, findCommand, softflowdProblem, WEIR } from './programs.ts';
import type { Surroundings } from './read.ts';
import { type Section, spreadText, type Verdict } from './report.ts';
import { ratios, spread } from './statistics.ts';
import { ended, type Received, Receiver } from './trial.ts';

/** Fewer than softflowd's table holds by default (8192). */
const FLOWS = 8000;
const WARM_UP_SECONDS = 1;
/** The flood's destination port. */
export const DISCARD_PORT = 9;
/** An address in the server's network that no one has: frames to it reach the server and end there. */
export const SINK = '10.71.2.99';
export const SINK_MAC = '02:00:00:00:00:99';

export interface Metering {
  readonly name: string;
  /** Packet sockets that it opens in the router: when they are there, it captures. */
  readonly sockets: number;
  command(port: number): readonly string[];
  /** Asks it to export what it has and to end. */
  stop(lab: Lab, child: ChildProcess): Promise<void>;
}

interface Round {
  /** Packets per second that the router forwarded. */
  readonly forwardedRate: number;
  readonly forwarded: number;
  /** CPU seconds of the metering process during the flood, as a share of one core. */
  readonly cores: number;
  /** What it has exported of the flood; undefined: no one metered. */
  readonly received?: Received;
}

const nobody: Metering = {
  name: 'no metering',
  sockets: 0,
  command: () => [],
  stop: () => Promise.resolve(),
};

const weir: Metering = {
  name: 'weir',
  sockets: 2,
  command: (port) => [
    ...WEIR,
    'run',
    '-i',
    'to-client',
    '-i',
    'to-server',
    '-c',
    `ipfix://127.0.0.1:${port}`,
  ],
  stop: async (_lab, child) => {
    child.kill('SIGTERM');
  },
};

function softflowd(folder: string): Metering {
  const control = `${folder}/softflowd.control`;
  const files = ['-c', control, '-p', `${folder}/softflowd.pid`];
  return {
    name: 'softflowd',
    sockets: 1,
    command: (port) => [
      findCommand('softflowd')!,
      ...['-d', '-i', 'to-client', '-n', `127.0.0.1:${port}`, '-v', '10', ...files],
    ],
    // SIGTERM would end it without a record.
    stop: async (lab) => {
      await lab.router.run([findCommand('softflowctl')!, '-c', control, 'shutdown']);
    },
  };
}

export async function benchLive(
  surroundings: Surroundings & { readonly seconds: number },
): Promise<Section[]> {
  const { folder, runs, say, seconds } = surroundings;
  const title = 'live: through a router in a network namespace, packets of 64 octets';
  const problem = labProblem();
  if (problem !== undefined) {
    const empty = { notes: [], columns: [], rows: [], verdicts: [], faults: [] };
    return [{ title, ...empty, skipped: [`the whole part: ${problem}`] }];
  }
  const peerProblem = softflowdProblem();
  const contestants = [nobody, weir, ...(peerProblem === undefined ? [softflowd(folder)] : [])];
  const rounds = new Map<Metering, Round[]>(contestants.map((contestant) => [contestant, []]));
  const lab = await createLab({ prefix: 'weir-bench' });
  try {
    await addSink(lab);
    for (let run = 1; run <= runs; run++) {
      for (const contestant of contestants) {
        const round = await flooded(lab, contestant, seconds);
        rounds.get(contestant)!.push(round);
        say(`live, round ${run} of ${runs}: ${contestant.name} ${Math.round(round.forwardedRate)} packets/s`);
      }
    }
  } finally {
    await lab.close();
  }

  const peer = contestants[2];
  const of = (contestant: Metering, value: (round: Round) => number) => rounds.get(contestant)!.map(value);
  const lost = (round: Round) => round.forwarded - (round.received?.packets ?? round.forwarded);
  const verdicts: Verdict[] = [
    {
      what: 'forwarding with weir / without',
      value: ratios(
        of(weir, (round) => round.forwardedRate),
        of(nobody, (round) => round.forwardedRate),
      ),
      demand: { relation: '>=', value: 0.93 },
    },
    {
      what: "weir's loss",
      value: spread(of(weir, lost)),
      unit: 'packets',
      demand: { relation: '<=', value: 0 },
    },
  ];
  if (peer !== undefined) {
    verdicts.unshift({
      what: 'CPU of weir / of softflowd',
      value: ratios(
        of(weir, (round) => round.cores),
        of(peer, (round) => round.cores),
      ),
      demand: { relation: '<=', value: 0.3 },
    });
  }
  return [
    {
      title,
      notes: [
        `${FLOWS} UDP flows in turn for ${seconds} s after a warm-up of ${WARM_UP_SECONDS} s; the sender and the kernel's`,
        'forwarding share the last core, as with one receive queue; ratios are of trials of the same round.',
        'Lost: forwarded by the router but in no record. CPU: of the metering process, its export included.',
      ],
      columns: ['', 'forwarded packets/s', 'CPU, % of a core', 'forwarded', 'in records', 'lost'],
      rows: contestants.map((contestant) => [
        contestant.name,
        spreadText(spread(of(contestant, (round) => Math.round(round.forwardedRate)))),
        contestant === nobody ? '' : spreadText(spread(of(contestant, (round) => round.cores * 100))),
        String(sum(of(contestant, (round) => round.forwarded))),
        contestant === nobody ? '' : String(sum(of(contestant, (round) => round.received?.packets ?? 0))),
        contestant === nobody ? '' : String(sum(of(contestant, lost))),
      ]),
      verdicts,
      skipped: peerProblem === undefined ? [] : [peerProblem],
      // Loss has a verdict of its own; more than was there, or wrong lengths, is a fault.
      faults: rounds.get(weir)!.flatMap((round) => faultsOf(round)),
    },
  ];
}

/** The router knows the sink's MAC address without asking for it. */
export async function addSink(lab: Lab): Promise<void> {
  const permanent = ['dev', 'to-server', 'nud', 'permanent'];
  await lab.router.run(['ip', 'neigh', 'replace', SINK, 'lladdr', SINK_MAC, ...permanent]);
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** IP octets of each packet of the flood. */
const PACKET_OCTETS = 46;

function faultsOf({ forwarded, received }: Round): string[] {
  const { packets, octets } = received!;
  const found: string[] = [];
  if (packets > forwarded) found.push(`weir: ${packets} packets in records, ${forwarded} were forwarded`);
  if (octets !== packets * PACKET_OCTETS)
    found.push(`weir: ${octets} octets in ${packets} packets of ${PACKET_OCTETS}`);
  return found;
}

/** One trial. */
async function flooded(lab: Lab, metering: Metering, seconds: number): Promise<Round> {
  const mac = (await lab.router.run(['cat', '/sys/class/net/to-client/address'])).trim();
  const flood = async (duration: number) => {
    const argv = [
      compiled('flood'),
      'eth0',
      mac,
      lab.addresses.client.ipv4,
      SINK,
      String(FLOWS),
      String(duration),
    ];
    return JSON.parse(await lab.client.run(argv)) as { seconds: number };
  };
  const receiver = await Receiver.start((argv) => lab.router.spawn(argv), DISCARD_PORT);
  const child = metering === nobody ? undefined : lab.router.spawn(metering.command(receiver.port));
  let errors = '';
  child?.stdout.resume();
  child?.stderr.setEncoding('utf8').on('data', (part: string) => {
    errors = (errors + part).slice(-2000);
  });
  if (child !== undefined) await capturing(lab, metering, child, () => errors);

  const before = await forwardedDatagrams(lab);
  await flood(WARM_UP_SECONDS);
  const warm = await forwardedDatagrams(lab);
  const cpuBefore = child === undefined ? 0 : cpuSeconds(child.pid!);
  const flooding = await flood(seconds);
  const cpuAfter = child === undefined ? 0 : cpuSeconds(child.pid!);
  const after = await forwardedDatagrams(lab);

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
    ...(child === undefined ? {} : { received }),
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
export function cpuSeconds(processId: number): number {
  const tasks = `/proc/${processId}/task`;
  return sum(
    readdirSync(tasks).map(
      (task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e9,
    ),
  );
}
