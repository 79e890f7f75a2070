/** How collectors learn of sampling: v5's header, v9's and IPFIX's options data. */

import t from 'tap';
import { ExportRig, hex, value } from './export-rig.ts';

const RANDOM = { interval: 100, mode: 'random' } as const;
const COUNT = { interval: 16_383, mode: 'count' } as const;

t.test('v5: 2 bits of mode, 14 of interval', async (t) => {
  for (const [sampling, octets] of [
    [RANDOM, '8064'], // 2: at random
    [COUNT, '7fff'], // 1: one in interval
    [undefined, '0000'],
  ] as const) {
    const rig = new ExportRig({ protocol: 'netflow5', sampling });
    rig.record(4, { packetDeltaCount: 1, octetDeltaCount: 40 });
    rig.exporter.flush();
    t.equal(hex(rig.datagrams[0]!.subarray(22, 24)), octets);
    t.equal(value(rig.records[0], 'samplingInterval'), sampling?.interval);
  }
});

for (const protocol of ['netflow9', 'ipfix'] as const) {
  t.test(`${protocol}: options data says interval and algorithm, before any Flow Record`, async (t) => {
    for (const [sampling, algorithm] of [
      [RANDOM, 2],
      [COUNT, 1],
    ] as const) {
      const rig = new ExportRig({ protocol, sampling });
      const found = rig.options.filter((record) => value(record, 'samplingInterval') !== undefined);
      t.equal(found.length, 1);
      t.equal(rig.records.length, 0);
      t.equal(value(found[0], 'samplingInterval'), sampling.interval);
      t.equal(value(found[0], 'samplingAlgorithm'), algorithm);
      t.ok(found[0]!.shape.fields[0]!.scope, 'its scope is the Observation Domain (v9: the System)');
    }
  });

  t.test(`${protocol}: without sampling not an octet is different`, async (t) => {
    const octets = (sampling: undefined | typeof RANDOM) => {
      const rig = new ExportRig({ protocol, sampling });
      rig.record(4, { packetDeltaCount: 1, octetDeltaCount: 40 });
      rig.exporter.flush();
      return rig;
    };
    const off = octets(undefined);
    t.notOk(hex(off.datagrams[0]!).includes('00220004'), 'no samplingInterval in any Template');
    t.equal(off.options.length, 3);
    const on = octets(RANDOM);
    t.equal(on.options.length, protocol === 'ipfix' ? 5 : 4);
    // The sequence counts options data in IPFIX: the Flow Records' own octets are the same.
    t.equal(hex(on.datagrams.at(-1)!.subarray(20)), hex(off.datagrams.at(-1)!.subarray(20)));
  });
}

t.test('IPFIX: the Selector, as RFC 5477 has it', async (t) => {
  const selector = (sampling: typeof RANDOM | typeof COUNT) => {
    const { options } = new ExportRig({ protocol: 'ipfix', sampling });
    const found = options.find((record) => value(record, 'selectorId') !== undefined)!;
    t.ok(found.shape.fields[0]!.scope && found.shape.fields[0]!.name === 'selectorId');
    return Object.fromEntries(found.shape.fields.map(({ name }, i) => [name, found.values[i]]));
  };
  t.same(selector(RANDOM), {
    selectorId: 1,
    selectorAlgorithm: 3, // random n-out-of-N
    samplingSize: 1,
    samplingPopulation: 100,
  });
  t.same(selector(COUNT), {
    selectorId: 1,
    selectorAlgorithm: 1, // systematic count-based
    samplingPacketInterval: 1,
    samplingPacketSpace: 16_382,
  });
});
