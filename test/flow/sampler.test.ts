/** Sampling: which packets are taken, what is counted of the others, and that nothing is by default. */

import t from 'tap';
import { Sampler } from '../../src/flow/sampler.ts';
import { IGNORED_REASONS } from '../../src/packet/packet-view.ts';
import { MeterRig } from './meter-rig.ts';

const NOT_SAMPLED = IGNORED_REASONS.indexOf('not_sampled');

/** What is taken of so many packets: 1 or 0 each. */
function taken(sampler: Sampler, packets: number): number[] {
  return Array.from({ length: packets }, () => Number(sampler.take()));
}
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

t.test('count: the first of every N', async (t) => {
  t.same(taken(new Sampler({ interval: 4, mode: 'count' }, [1, 2]), 10), [1, 0, 0, 0, 1, 0, 0, 0, 1, 0]);
});

t.test('random: exactly one of every N, at every place alike, and the seed alone says where', async (t) => {
  const interval = 10;
  const groups = 20_000;
  const picks = taken(new Sampler({ interval, mode: 'random' }, [3, 4]), groups * interval);
  const places = new Array<number>(interval).fill(0);
  for (let group = 0; group < groups; group++) {
    const inGroup = picks.slice(group * interval, (group + 1) * interval);
    if (sum(inGroup) !== 1) t.fail(`group ${group} has ${sum(inGroup)}`);
    places[inGroup.indexOf(1)]!++;
  }
  // Chi-square with 9 degrees of freedom: above 27.9 once in a thousand seeds; this seed is fixed.
  const expected = groups / interval;
  const chiSquare = sum(places.map((n) => (n - expected) ** 2 / expected));
  t.ok(chiSquare < 27.9, `chi-square ${chiSquare.toFixed(1)}`);
  // One group's place tells nothing of the next one's: all 100 pairs occur about equally often.
  const pairs = new Array<number>(interval * interval).fill(0);
  const at = (group: number) => picks.slice(group * interval, (group + 1) * interval).indexOf(1);
  for (let group = 0; group + 1 < groups; group++) pairs[at(group) * interval + at(group + 1)]!++;
  const pairsChiSquare = sum(pairs.map((n) => (n - groups / 100) ** 2 / (groups / 100)));
  t.ok(pairsChiSquare < 150, `chi-square of pairs ${pairsChiSquare.toFixed(1)}, 99 degrees of freedom`);

  t.same(taken(new Sampler({ interval, mode: 'random' }, [3, 4]), 1000), picks.slice(0, 1000));
  t.notSame(taken(new Sampler({ interval, mode: 'random' }, [3, 5]), 1000), picks.slice(0, 1000));
});

t.test('random: N times what is metered is an unbiased estimate, where counting is not', async (t) => {
  /** Every tenth packet is large: traffic with the sampler's own period. */
  const estimate = (mode: 'random' | 'count', seed: number): number => {
    const rig = new MeterRig({ sampling: { interval: 10, mode }, seed: [seed, ~seed] });
    for (let i = 0; i < 2000; i++) rig.packet(1000 + i, { payload: i % 10 === 0 ? 1000 : 10 });
    return rig.meter.meteredOctets * 10;
  };
  const truth = 200 * 1028 + 1800 * 38;
  const estimates = Array.from({ length: 40 }, (_, seed) => estimate('random', seed));
  const mean = sum(estimates) / estimates.length;
  // One sample of a group has the standard deviation 990 · √(0.1 · 0.9) = 297 octets; times 10, over 200 groups, 40 runs.
  const deviation = (297 * 10 * Math.sqrt(200)) / Math.sqrt(40);
  t.ok(Math.abs(mean - truth) < 3 * deviation, `mean ${mean}, truth ${truth}, ± ${deviation.toFixed(0)}`);
  t.equal(estimate('count', 1), 2000 * 1028, 'every tenth packet is always the large one');
});

t.test('what is not sampled is captured and ignored, with its octets; the identity holds', async (t) => {
  const rig = new MeterRig({ sampling: { interval: 3, mode: 'count' } });
  for (let i = 0; i < 8; i++) rig.packet(1000 + i, { payload: 100 * i });
  const { meter } = rig;
  t.equal(meter.capturedPackets, 8);
  t.equal(meter.meteredPackets, 3, 'the 1st, 4th and 7th');
  t.equal(meter.meteredOctets, 3 * 28 + 900);
  t.equal(meter.ignoredPackets[NOT_SAMPLED], 5);
  t.equal(meter.ignoredOctets[NOT_SAMPLED], 5 * 28 + 1900);
  t.equal(meter.capturedOctets, meter.meteredOctets + meter.ignoredOctets[NOT_SAMPLED]!);
  meter.endAll();
  t.same(
    rig.records.map(({ packets, octets }) => [packets, octets]),
    [[3, 984]],
    'records say what was metered; a collector scales',
  );
});

t.test('by default every packet is metered', async (t) => {
  const rig = new MeterRig();
  for (let i = 0; i < 8; i++) rig.packet(1000 + i);
  t.equal(rig.meter.meteredPackets, 8);
  t.equal(rig.meter.ignoredPackets[NOT_SAMPLED], 0);
});
