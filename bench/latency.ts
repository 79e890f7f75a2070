/** `latency`: how long after a packet is its record at a collector, while the router forwards as fast as it can? */
import { labProblem } from '../src/cli/demo/lab.ts';
import { flooded, floodLab, type Metering, type Round, WARM_UP_SECONDS, weirRun } from './flooded.ts';
import type { Surroundings } from './read.ts';
import { figure, type Section, spreadText, type Verdict } from './report.ts';
import { spread } from './statistics.ts';

const FLOWS = 100_000;
const ACTIVE_TIMEOUT_SECONDS = 1;
/** Of a record after its flow's first packet, the active timeout included. */
const MOST_SINCE_START_MILLISECONDS = ACTIVE_TIMEOUT_SECONDS * 1000 + 300;
const MOST_SINCE_END_MILLISECONDS = 1000;
const MOST_SCRAPE_MILLISECONDS = 100;
/** Longer than the active timeout several times. */
const LEAST_SECONDS = 5;
const METRICS = '127.0.0.1:9469';

/** Unpaced, as in every trial of the benchmark: the receiver's socket holds what comes. */
function contestant(name: string, workers: number): Metering {
  const weir = weirRun(name, workers, '--active-timeout', String(ACTIVE_TIMEOUT_SECONDS));
  return {
    ...weir,
    command: (port) =>
      weir.command(port).map((word) => (word.startsWith('ipfix://') ? `${word}?rate=0` : word)),
    metrics: `http://${METRICS}/metrics`,
  };
}

export async function benchLatency(
  surroundings: Surroundings & { readonly seconds: number },
): Promise<Section[]> {
  const { runs, say } = surroundings;
  const seconds = Math.max(surroundings.seconds, LEAST_SECONDS);
  const title = `latency: ${FLOWS} flows at the forwarding limit, --active-timeout ${ACTIVE_TIMEOUT_SECONDS}`;
  const problem = labProblem();
  if (problem !== undefined) {
    const empty = { notes: [], columns: [], rows: [], verdicts: [], faults: [] };
    return [{ title, ...empty, skipped: [`the whole part: ${problem}`] }];
  }
  const contestants = [contestant('weir', 1), contestant('weir, 2 workers', 2)];
  const rounds = new Map<Metering, Round[]>(contestants.map((each) => [each, []]));
  const lab = await floodLab();
  try {
    for (let run = 1; run <= runs; run++) {
      for (const each of contestants) {
        const round = await flooded(lab, each, undefined, { flows: FLOWS, seconds, withLatency: true });
        rounds.get(each)!.push(round);
        say(
          `latency, round ${run} of ${runs}: ${each.name} 99 % within ${round.received!.sinceStart!.p99} ms`,
        );
      }
    }
  } finally {
    await lab.close();
  }

  const over = (each: Metering, value: (round: Round) => number) => spread(rounds.get(each)!.map(value));
  const verdicts = contestants.flatMap((each): Verdict[] => {
    const verdict = (what: string, value: (round: Round) => number, most: number): Verdict => ({
      what: `${each.name}: ${what}`,
      value: over(each, value),
      unit: 'ms',
      demand: { relation: '<=', value: most },
    });
    return [
      verdict(
        'from the first packet to the record, 99 %',
        ({ received }) => received!.sinceStart!.p99,
        MOST_SINCE_START_MILLISECONDS,
      ),
      verdict(
        'from a FIN to the record, the slowest',
        ({ received }) => received!.sinceEnd!.most,
        MOST_SINCE_END_MILLISECONDS,
      ),
      verdict('an answer of /metrics, the slowest', ({ scrapes }) => scrapes!.most, MOST_SCRAPE_MILLISECONDS),
      {
        what: `${each.name}: loss`,
        value: over(each, ({ forwarded, received }) => forwarded - received!.packets),
        unit: 'packets',
        demand: { relation: '<=', value: 0 },
      },
    ];
  });
  return [
    {
      title,
      notes: [
        `UDP flows in turn and, one packet in 64, the FIN of a TCP connection of its own, for ${seconds} s after a`,
        `warm-up of ${WARM_UP_SECONDS} s. Milliseconds from flowStartMilliseconds, and from the FIN, to the arrival in the`,
        "collector's socket by the kernel's clock. /metrics is scraped every 50 ms meanwhile, by a process that has to wait",
        'for the same cores as all others.',
      ],
      columns: [
        '',
        'forwarded packets/s',
        'records',
        'start: median',
        '99 %',
        'most',
        'FIN: median',
        '99 %',
        'most',
        'scrape: median',
        'most',
      ],
      rows: contestants.map((each) => [
        each.name,
        spreadText(over(each, ({ forwardedRate }) => Math.round(forwardedRate))),
        ...[
          ({ received }: Round) => received!.records,
          ({ received }: Round) => received!.sinceStart!.median,
          ({ received }: Round) => received!.sinceStart!.p99,
          ({ received }: Round) => received!.sinceStart!.most,
          ({ received }: Round) => received!.sinceEnd!.median,
          ({ received }: Round) => received!.sinceEnd!.p99,
          ({ received }: Round) => received!.sinceEnd!.most,
          ({ scrapes }: Round) => scrapes!.median,
          ({ scrapes }: Round) => scrapes!.most,
        ].map((value) => figure(over(each, value).median)),
      ]),
      verdicts,
      skipped: [],
      faults: [],
    },
  ];
}
