/** `memory`: a million flows in the table at once. */
import { floor, softflowd, weir } from './contestants.ts';
import { generateCapture } from './generate.ts';
import { softflowdProblem } from './programs.ts';
import { faults, interleaved, resultText, type Surroundings } from './read.ts';
import type { Section } from './report.ts';
import { spread } from './statistics.ts';

const FLOWS = 1_000_000;

export async function benchMemory({ folder, runs, say }: Surroundings): Promise<Section[]> {
  const problem = softflowdProblem();
  const sections: Section[] = [];
  for (const ipVersion of [4, 6] as const) {
    say(`writing ${FLOWS} flows of IPv${ipVersion}`);
    // One packet a flow within one second: nothing times out, all flows are in the table when the file ends.
    const capture = generateCapture(`${folder}/memory-${ipVersion}.pcap`, {
      ipVersion,
      packets: FLOWS,
      flows: FLOWS,
      packetsPerSecond: FLOWS,
      seed: ipVersion,
    });
    const contestants = [weir, ...(problem === undefined ? [softflowd] : []), floor];
    const trials = await interleaved(contestants, capture, runs, say);
    const peaks = (name: (typeof contestants)[number]) =>
      spread(trials.get(name)!.map(({ cost }) => cost.peakResidentOctets / 1e6));
    sections.push({
      title: `memory: ${FLOWS} concurrent flows of IPv${ipVersion}`,
      notes: [
        'The high-water mark of the resident set, the whole process; every flow is exported at the end.',
      ],
      columns: ['', 'peak MB', 'octets a flow', 'records', 'result'],
      rows: contestants.map((contestant) => [
        contestant.name,
        String(Math.round(peaks(contestant).median)),
        String(Math.round((peaks(contestant).median * 1e6) / FLOWS)),
        String(spread(trials.get(contestant)!.map(({ received }) => received.records)).median),
        resultText(trials.get(contestant)!, capture),
      ]),
      verdicts: [
        {
          what: `weir's peak with ${FLOWS} flows`,
          value: peaks(weir),
          unit: 'MB',
          demand: { relation: '<=', value: 300 },
        },
      ],
      skipped: problem === undefined ? [] : [problem],
      faults: faults(trials, capture),
    });
  }
  return sections;
}
