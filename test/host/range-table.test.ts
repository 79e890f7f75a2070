/** Longest-prefix match, held against an oracle that looks at every prefix, bit by bit. */

import fc from 'fast-check';
import { test } from 'tap';
import { PrefixColumns } from '../../src/host/prefix-columns.ts';
import { buildRanges } from '../../src/host/range-builder.ts';
import { RangeTable, SORTABLE } from '../../src/host/range-table.ts';

interface Prefix {
  readonly address: bigint;
  readonly length: number;
  readonly metric: number;
}

const BITS = { 4: 32, 6: 128 } as const;

const wordsOf = (address: bigint, ipVersion: 4 | 6): Uint32Array =>
  Uint32Array.from({ length: BITS[ipVersion] / 32 }, (_, w) =>
    Number((address >> BigInt(BITS[ipVersion] - 32 * (w + 1))) & 0xffffffffn),
  );

const turn = () => Promise.resolve();

/** The hop of a prefix is its place in the list + 1. */
async function tableOf(prefixes: readonly Prefix[], ipVersion: 4 | 6): Promise<(address: bigint) => number> {
  const columns = new PrefixColumns(ipVersion);
  for (const [i, { address, length, metric }] of prefixes.entries())
    columns.add(wordsOf(address, ipVersion), length, i + 1, metric);
  const table = await RangeTable.of(await buildRanges(columns, turn), turn);
  return (address) => {
    const [a, b, c, d] = [...wordsOf(address, ipVersion)].map((word) => word ^ SORTABLE);
    return ipVersion === 4 ? table.find4(a!) : table.find6(a!, b!, c!, d!);
  };
}

function naive(prefixes: readonly Prefix[], address: bigint, ipVersion: 4 | 6): number {
  let best = -1;
  for (const [i, { address: of, length, metric }] of prefixes.entries()) {
    const rest = BigInt(BITS[ipVersion] - length);
    if (of >> rest !== address >> rest) continue;
    const before = prefixes[best];
    if (
      before === undefined ||
      length > before.length ||
      (length === before.length && metric < before.metric)
    )
      best = i;
  }
  return best < 0 ? 0 : (best + 1) * 256 + prefixes[best]!.length;
}

/** Addresses near each other, so that prefixes enclose one another and are found. */
function addresses(ipVersion: 4 | 6): fc.Arbitrary<bigint> {
  const bits = BITS[ipVersion];
  const all = (1n << BigInt(bits)) - 1n;
  const dense = fc
    .tuple(fc.nat(7), fc.nat(bits - 3))
    .map(([value, shift]) => (BigInt(value) << BigInt(shift)) & all);
  const edge = fc.constantFrom(0n, 1n, all, all - 1n, all >> 1n, (all >> 1n) + 1n);
  return fc.oneof(
    dense,
    edge,
    fc.bigInt({ min: 0n, max: all }),
    dense.map((address) => all ^ address),
  );
}

for (const ipVersion of [4, 6] as const) {
  test(`IPv${ipVersion}: the longest prefix, of equals the lowest metric, of equals the first`, async (t) => {
    const bits = BITS[ipVersion];
    const all = (1n << BigInt(bits)) - 1n;
    const prefix = fc.record({
      address: addresses(ipVersion),
      length: fc.oneof(fc.nat(bits), fc.constantFrom(0, 1, bits - 1, bits)),
      metric: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(prefix, { maxLength: 60 }),
        fc.array(addresses(ipVersion), { maxLength: 60 }),
        async (prefixes, probes) => {
          const find = await tableOf(prefixes, ipVersion);
          // Around the edges of each prefix, too.
          const edges = prefixes.flatMap(({ address, length }) => {
            const rest = BigInt(bits - length);
            const first = (address >> rest) << rest;
            const last = first | ((1n << rest) - 1n);
            return [first - 1n, first, last, last + 1n].filter((edge) => edge >= 0n && edge <= all);
          });
          for (const address of [...probes, ...edges]) {
            const expected = naive(prefixes, address, ipVersion);
            if (find(address) !== expected)
              throw new Error(`${address.toString(16)}: ${find(address)}, expected ${expected}`);
          }
        },
      ),
      { numRuns: 300 },
    );
    t.pass("every answer was the oracle's");
  });
}

test('a table that is large enough for an index of 16 bits, in any order', async (t) => {
  let state = 1;
  const random = (): number => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    return state >>> 0;
  };
  const byLength = Array.from({ length: 33 }, () => new Map<bigint, number>());
  const prefixes: Prefix[] = Array.from({ length: 80_000 }, (_, i) => {
    const length = [24, 24, 24, 22, 20, 16, 12, 32][random() >>> 29]!;
    const rest = BigInt(32 - length);
    const address = (BigInt(random()) >> rest) << rest;
    if (!byLength[length]!.has(address)) byLength[length]!.set(address, i);
    return { address, length, metric: 0 };
  });
  const find = await tableOf(prefixes, 4);
  const expected = (address: bigint): number => {
    for (let length = 32; length >= 0; length--) {
      const rest = BigInt(32 - length);
      const found = byLength[length]!.get((address >> rest) << rest);
      if (found !== undefined) return (found + 1) * 256 + length;
    }
    return 0;
  };
  let wrong = 0;
  let matched = 0;
  for (let i = 0; i < 100_000; i++) {
    const address = BigInt(random());
    const answer = expected(address);
    if (answer !== 0) matched++;
    if (find(address) !== answer) wrong++;
  }
  t.equal(wrong, 0);
  t.ok(matched > 10_000, `${matched} addresses had a route`);
});

test('a large table is built in turns', async (t) => {
  const columns = new PrefixColumns(4);
  for (let i = 0; i < 50_000; i++) columns.add(Uint32Array.of(i * 65_536), 16, 1, 0);
  let turns = 0;
  await buildRanges(columns, async () => {
    turns++;
  });
  t.ok(turns >= 5, `${turns} turns`);
});

test('bits beyond the length do not count; an empty table knows no route', async (t) => {
  const find = await tableOf([{ address: 0x0a0102ffn, length: 24, metric: 0 }], 4);
  t.equal(find(0x0a010201n), 256 + 24);
  t.equal(find(0x0a010301n), 0);
  t.equal((await tableOf([], 4))(1n), 0);
  t.equal((await tableOf([], 6))(1n << 127n), 0);
});
