/**
 * `live`: a router in a network namespace forwards small packets as fast as the machine can, without anyone
 * looking, with Weir, and with softflowd.
 */
import { labProblem } from '../src/cli/demo/lab.ts';
import { flooded, floodLab, type Metering, type Round, WARM_UP_SECONDS, weirRun } from './flooded.ts';
import { compiled, findCommand, softflowdProblem } from './programs.ts';
import type { Surroundings } from './read.ts';
import { type Section, spreadText, type Verdict } from './report.ts';
import { ratios, spread, sum } from './statistics.ts';

/** Fewer than softflowd's table holds by default (8192). */
const FLOWS = 8000;

const nobody: Metering = {
  name: 'no metering',
  sockets: 0,
  command: () => [],
  stop: () => Promise.resolve(),
};
/** What any ring on both interfaces costs. */
const drain: Metering = {
  name: 'drained ring (C)',
  sockets: 2,
  isMute: true,
  command: () => [compiled('drain'), 'to-client', 'to-server'],
  stop: async (_lab, child) => {
    child.kill('SIGTERM');
  },
};
const weir = weirRun('weir', 1);
const twoWorkers = weirRun('weir, 2 workers', 2);

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
  const peer = peerProblem === undefined ? softflowd(folder) : undefined;
  // What is compared stands side by side: the machine's speed changes within a minute.
  const contestants = [nobody, weir, ...(peer === undefined ? [] : [peer]), drain, twoWorkers];
  const rounds = new Map<Metering, Round[]>(contestants.map((contestant) => [contestant, []]));
  const lab = await floodLab();
  try {
    for (let run = 1; run <= runs; run++) {
      for (const contestant of contestants) {
        const round = await flooded(lab, contestant, nobody, { flows: FLOWS, seconds });
        rounds.get(contestant)!.push(round);
        say(`live, round ${run} of ${runs}: ${contestant.name} ${Math.round(round.forwardedRate)} packets/s`);
      }
    }
  } finally {
    await lab.close();
  }

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
      what: 'forwarding with a ring that a C program drains / without',
      value: ratios(
        of(drain, (round) => round.forwardedRate),
        of(nobody, (round) => round.forwardedRate),
      ),
    },
    {
      what: 'forwarding with weir / with a ring that a C program drains',
      value: ratios(
        of(weir, (round) => round.forwardedRate),
        of(drain, (round) => round.forwardedRate),
      ),
    },
    ...[weir, twoWorkers].map(
      (contestant): Verdict => ({
        what: `${contestant.name}: loss`,
        value: spread(of(contestant, lost)),
        unit: 'packets',
        demand: { relation: '<=', value: 0 },
      }),
    ),
    {
      what: 'forwarding with 2 workers / with 1',
      value: ratios(
        of(twoWorkers, (round) => round.forwardedRate),
        of(weir, (round) => round.forwardedRate),
      ),
    },
  ];
  if (peer !== undefined) {
    verdicts.unshift({
      what: 'CPU of weir / of softflowd, a packet',
      value: ratios(of(weir, nanosecondsAPacket), of(peer, nanosecondsAPacket)),
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
      columns: [
        '',
        'forwarded packets/s',
        'CPU, % of a core',
        'ns a packet',
        'forwarded',
        'in records',
        'lost',
      ],
      rows: contestants.map((contestant) => [
        contestant.name,
        spreadText(spread(of(contestant, (round) => Math.round(round.forwardedRate)))),
        contestant === nobody ? '' : spreadText(spread(of(contestant, (round) => round.cores * 100))),
        contestant === nobody ? '' : spreadText(spread(of(contestant, nanosecondsAPacket))),
        String(sum(of(contestant, (round) => round.forwarded))),
        isMute(contestant) ? '' : String(sum(of(contestant, (round) => round.received?.packets ?? 0))),
        isMute(contestant) ? '' : String(sum(of(contestant, lost))),
      ]),
      verdicts,
      skipped: peerProblem === undefined ? [] : [peerProblem],
      // Loss has a verdict of its own; more than was there, or wrong lengths, is a fault.
      faults: [weir, twoWorkers].flatMap((contestant) =>
        rounds.get(contestant)!.flatMap((round) => faultsOf(contestant.name, round)),
      ),
    },
  ];
}

/** Of the metering process's CPU. How many packets the machine forwards differs from one trial to the next. */
const nanosecondsAPacket = ({ cores, forwardedRate }: Round): number => (cores * 1e9) / forwardedRate;

const isMute = (contestant: Metering): boolean => contestant === nobody || contestant === drain;

/** IP octets of each packet of the flood. */
const PACKET_OCTETS = 46;

function faultsOf(name: string, { forwarded, received }: Round): string[] {
  const { packets, octets } = received!;
  const found: string[] = [];
  if (packets > forwarded) found.push(`${name}: ${packets} packets in records, ${forwarded} were forwarded`);
  if (octets !== packets * PACKET_OCTETS)
    found.push(`${name}: ${octets} octets in ${packets} packets of ${PACKET_OCTETS}`);
  return found;
}
