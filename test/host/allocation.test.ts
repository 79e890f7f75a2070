/** Lookups allocate nothing: the heap around a million of them. */

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { PrefixColumns } from '../../src/host/prefix-columns.ts';
import { buildRanges } from '../../src/host/range-builder.ts';
import { RangeTable } from '../../src/host/range-table.ts';
import { type FamilyRoutes, Fate, NextHops, Routes } from '../../src/host/routes.ts';
import { Random } from '../fuzz/random.ts';

const BATCHES = 20;
const LOOKUPS = 25_000;
const turn = () => Promise.resolve();

/** Two tables, so that the first is passed and the second decides. */
async function family(ipVersion: 4 | 6, hops: NextHops, random: Random): Promise<FamilyRoutes> {
  const tables: RangeTable[] = [];
  for (const count of [20, 5000]) {
    const prefixes = new PrefixColumns(ipVersion);
    for (let i = 0; i < count; i++) {
      const address = Uint32Array.from({ length: 4 }, () => random.below(2 ** 32));
      const length = random.below(25);
      const hop = hops.number(String(i % 9), () => ({
        fate: Fate.FORWARDED,
        egressInterface: i % 9,
        gateway: new Int32Array(4),
      }));
      prefixes.add(address, count === 20 ? 16 + length : length, hop, 0);
    }
    tables.push(await RangeTable.of(await buildRanges(prefixes, turn), turn));
  }
  return { tables, count: 5020 };
}

t.test('a million lookups leave the heap as it was', async (t) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const random = new Random(2675);
  const hops = new NextHops();
  const routes = new Routes(await family(4, hops, random), await family(6, hops, random), hops);
  const words = Int32Array.from({ length: 8 * 4096 }, () => random.below(2 ** 32));
  for (const ipVersion of [4, 6] as const) {
    lookUpMany(routes, words, ipVersion, 400_000); // until the optimizing compiler is done
    // One number of 16 octets a lookup would show as 400 000 octets in every batch; see test/packet/allocation.test.ts.
    const growth: number[] = [];
    for (let batch = 0; batch < BATCHES; batch++) {
      collectGarbage();
      const before = getHeapStatistics().used_heap_size;
      lookUpMany(routes, words, ipVersion, LOOKUPS);
      growth.push(getHeapStatistics().used_heap_size - before);
    }
    growth.sort((a, b) => a - b);
    const median = growth[BATCHES / 2]!;
    t.ok(median >= 0 && median < LOOKUPS, `IPv${ipVersion}: ${median} octets in ${LOOKUPS} lookups`);
  }
});

function lookUpMany(routes: Routes, words: Int32Array, ipVersion: 4 | 6, count: number): void {
  for (let i = 0; i < count; i++) routes.lookup(words, 8 * (i % 4096), ipVersion);
}
