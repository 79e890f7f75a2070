/** `read`: four million small packets out of a file, metered and exported as IPFIX. */
import { type Contestant, floor, softflowd, weir, weirPaced } from './contestants.ts';
import { type Capture, generateCapture } from './generate.ts';
import { C_FLAGS, softflowdProblem } from './programs.ts';
import { figure, type Section, spreadText, type Verdict } from './report.ts';
import { ratios, type Spread, spread } from './statistics.ts';
import { runTrial, type Trial } from './trial.ts';

/** What this part needs from its surroundings. */
export interface Surroundings {
  /** A folder of its own for captures. */
  readonly folder: string;
  readonly runs: number;
  /** Says what is going on. */
  readonly say: (what: string) => void;
}

const AGAINST_SOFTFLOWD = { relation: '>=', value: 12 } as const;
const AGAINST_FLOOR = { relation: '>=', value: 0.5 } as const;

export async function benchRead(surroundings: Surroundings): Promise<Section[]> {
  const sections: Section[] = [];
  for (const flows of [100_000, 880_000]) {
    const path = `${surroundings.folder}/${flows}.pcap`;
    surroundings.say(`writing 4 million packets of ${flows} flows`);
    const capture = generateCapture(path, {
      ipVersion: 4,
      packets: 4_000_000,
      flows,
      packetsPerSecond: 1_000_000,
      seed: flows,
    });
    sections.push(await readCapture(capture, surroundings));
  }
  return sections;
}

/** Wall seconds that Weir takes for one packet: the start and end that every trial contains. */
async function constantSeconds({ folder, runs }: Surroundings): Promise<Spread> {
  const one = { ipVersion: 4, packets: 1, flows: 1, packetsPerSecond: 1, seed: 1 } as const;
  const { path } = generateCapture(`${folder}/one.pcap`, one);
  const seconds: number[] = [];
  for (let run = 1; run <= runs; run++) {
    seconds.push((await runTrial((port) => weir.command(path, port))).cost.wallSeconds);
  }
  return spread(seconds);
}

/**
 * Two readers, a file each, at the same time: what a second core is worth where nothing else wants it. And the floor, which says
 * what the machine has left of it: its memory and the kernel's copies are shared, and each core is slowed down by neighbours of its
 * own. One alone is run before and after, because the machine's speed changes from second to second, and there are more rounds than of
 * what compares one process with another: here a core that is slow for a second is a tenth of the figure.
 */
async function sideBySide(capture: Capture, { runs, say }: Surroundings): Promise<Verdict[]> {
  const rounds = 3 * runs;
  const found = new Map(
    [weir, floor].map((contestant) => [contestant, { gains: [] as number[], sums: [] as number[] }]),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const [contestant, { gains, sums }] of found) {
      const one = () => runTrial((port) => contestant.command(capture.path, port));
      const before = await one();
      const together = await Promise.all([one(), one()]);
      const after = await one();
      for (const trial of contestant === weir ? [before, ...together, after] : []) {
        const wrong = difference(trial, capture);
        if (wrong !== undefined) throw new Error(`weir, two side by side: ${wrong}`);
      }
      const alone = (before.cost.wallSeconds + after.cost.wallSeconds) / 2;
      const seconds = together.map(({ cost }) => cost.wallSeconds);
      gains.push((2 * alone) / Math.max(...seconds));
      sums.push(seconds.reduce((sum, each) => sum + alone / each, 0));
      say(
        `${capture.flows} flows, round ${round} of ${rounds}: two of ${contestant.name} side by side ${figure(sums.at(-1)!)}`,
      );
    }
  }
  const of = (contestant: Contestant) => found.get(contestant)!;
  return [
    {
      what: 'packets per second of two readers, a file each / of one',
      value: spread(of(weir).sums),
      demand: { relation: '>=', value: 1.8 },
    },
    { what: 'the same of the floor', value: spread(of(floor).sums) },
    // What the slower core of the two says of the machine: the floor, which shares nothing, has had 1.78.
    { what: 'the time of one, twice / until the slower one of two has ended', value: spread(of(weir).gains) },
    { what: 'the same of the floor', value: spread(of(floor).gains) },
  ];
}

async function readCapture(capture: Capture, surroundings: Surroundings): Promise<Section> {
  const { runs, say } = surroundings;
  const problem = softflowdProblem();
  const contestants = [weir, ...(problem === undefined ? [softflowd] : []), floor, weirPaced];
  const trials = await interleaved(contestants, capture, runs, say);
  const rates = (contestant: Contestant) =>
    trials.get(contestant)!.map(({ cost }) => capture.packets / 1e6 / cost.wallSeconds);
  const verdicts: Verdict[] = [
    {
      what: 'weir / floor, packets per second',
      value: ratios(rates(weir), rates(floor)),
      demand: AGAINST_FLOOR,
    },
    {
      what: "weir's start and end (a file of one packet)",
      value: await constantSeconds(surroundings),
      unit: 's',
    },
  ];
  verdicts.push(...(await sideBySide(capture, surroundings)));
  if (problem === undefined) {
    const cpu = (contestant: Contestant) =>
      trials.get(contestant)!.map(({ cost }) => cost.userSeconds + cost.systemSeconds);
    // What a busy machine disturbs least.
    verdicts.unshift({ what: 'CPU of softflowd / of weir', value: ratios(cpu(softflowd), cpu(weir)) });
    verdicts.unshift({
      what: 'weir / softflowd, packets per second',
      value: ratios(rates(weir), rates(softflowd)),
      demand: AGAINST_SOFTFLOWD,
    });
  }
  return {
    title: `read: ${capture.packets} packets of 64 octets, ${capture.flows} flows, to IPFIX`,
    notes: [
      'IPv4, flows drawn uniformly at random; the file is in the page cache; one record a flow.',
      'A trial is a whole process, its start included; ratios are of trials of the same round.',
      `The floor is compiled by gcc ${C_FLAGS[0]}.`,
    ],
    columns: ['', 'million packets/s', 'wall s', 'CPU s', 'peak MB', 'records', 'result'],
    rows: contestants.map((contestant) => resultRow(contestant, capture, trials.get(contestant)!)),
    verdicts,
    skipped: problem === undefined ? [] : [problem],
    faults: faults(trials, capture),
  };
}

/** A B C, A B C, …: each trial a fresh process. */
export async function interleaved(
  contestants: readonly Contestant[],
  capture: Capture,
  runs: number,
  say: (what: string) => void,
): Promise<Map<Contestant, Trial[]>> {
  const trials = new Map<Contestant, Trial[]>(contestants.map((contestant) => [contestant, []]));
  for (let run = 1; run <= runs; run++) {
    for (const contestant of contestants) {
      const trial = await runTrial((port) => contestant.command(capture.path, port));
      trials.get(contestant)!.push(trial);
      const { wallSeconds, peakResidentOctets } = trial.cost;
      say(
        `${capture.flows} flows, round ${run} of ${runs}: ${contestant.name} ${figure(wallSeconds)} s, ` +
          `${Math.round(peakResidentOctets / 1e6)} MB`,
      );
    }
  }
  return trials;
}

function resultRow(contestant: Contestant, capture: Capture, trials: readonly Trial[]): string[] {
  const over = (value: (trial: Trial) => number) => spread(trials.map(value));
  return [
    contestant.name,
    spreadText(over(({ cost }) => capture.packets / 1e6 / cost.wallSeconds)),
    figure(over(({ cost }) => cost.wallSeconds).median),
    figure(over(({ cost }) => cost.userSeconds + cost.systemSeconds).median),
    String(Math.round(over(({ cost }) => cost.peakResidentOctets).median / 1e6)),
    String(over(({ received }) => received.records).median),
    resultText(trials, capture),
  ];
}

/** One word, or what was wrong in the first trial that was. */
export function resultText(trials: readonly Trial[], capture: Capture): string {
  const wrong = trials.map((trial) => difference(trial, capture)).find((found) => found !== undefined);
  return wrong === undefined ? 'exact' : (wrong.split(', ')[0] ?? wrong);
}

/** How what arrived differs from what the capture holds; undefined: it does not. */
export function difference({ received, failure }: Trial, capture: Capture): string | undefined {
  const found: string[] = [];
  for (const [what, counted, expected] of [
    ['packets', received.packets, capture.packets],
    ['octets', received.octets, capture.octets],
    ['records', received.records, capture.flows],
    ['malformed datagrams', received.malformed, 0],
    ['sets without a template', received.unknownSets, 0],
  ] as const) {
    if (counted !== expected) found.push(`${counted} ${what} instead of ${expected}`);
  }
  if (failure !== undefined) found.push(failure);
  return found.length === 0 ? undefined : found.join(', ');
}

/** Everything that Weir got wrong. */
export function faults(trials: ReadonlyMap<Contestant, readonly Trial[]>, capture: Capture): string[] {
  const found: string[] = [];
  for (const contestant of [weir, weirPaced]) {
    for (const trial of trials.get(contestant) ?? []) {
      const wrong = difference(trial, capture);
      if (wrong !== undefined) found.push(`${contestant.name}: ${wrong}`);
    }
  }
  return found;
}
