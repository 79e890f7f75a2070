/** Which routes move together, and what one prefix is to another. */
import t from 'tap';
import { prefixCovers } from '../../src/router/prefixes.ts';
import { unitsOf } from '../../src/router/units.ts';

const VPC = ['10.0.0.0/16', '2001:db8::/56'];
const rule = (
  tables: string[],
  destinations: string[],
  more: { group?: string; prefer?: string[] } = {},
) => ({
  tables,
  destinations,
  group: more.group,
  prefer: more.prefer ?? [],
});
const table = (id: string, ...subnets: [zone: string, ...cidrs: string[]][]) => ({
  id,
  subnets: subnets.map(([zone, ...cidrs]) => ({ zone, cidrs })),
});

t.test('a prefix in another', async (t) => {
  const cases: [outer: string, inner: string, covers: boolean][] = [
    ['10.0.0.0/16', '10.0.7.0/24', true],
    ['10.0.0.0/16', '10.0.0.0/16', true],
    ['10.0.0.0/16', '10.0.0.0/15', false],
    ['10.0.0.0/16', '10.1.0.0/24', false],
    ['0.0.0.0/0', '10.0.0.0/16', true],
    ['0.0.0.0/0', '2001:db8::/56', false],
    ['2001:db8::/56', '2001:db8:0:1::/64', true],
    ['pl-0123abcd', '10.0.0.0/24', false],
    ['10.0.0.0/16', 'pl-0123abcd', false],
  ];
  for (const [outer, inner, covers] of cases)
    t.equal(prefixCovers(outer, inner), covers, `${inner} in ${outer}`);
});

t.test('a table is a unit by itself, in the zone of most of its subnets', async (t) => {
  const units = unitsOf(
    [rule(['rtb-b', 'rtb-a', 'rtb-c'], ['0.0.0.0/0', '::/0'])],
    [
      table('rtb-a', ['z1', '10.0.1.0/24'], ['z2', '10.0.2.0/24'], ['z2', '10.0.3.0/24']),
      table('rtb-b', ['z3', '10.0.4.0/24'], ['z1', '10.0.5.0/24']),
      table('rtb-c'),
    ],
    VPC,
  );
  t.same(
    units.map(({ id, zone, routes }) => [id, zone, routes.map(({ destination }) => destination)]),
    [
      ['rtb-a', 'z2', ['0.0.0.0/0', '::/0']],
      ['rtb-b', 'z1', ['0.0.0.0/0', '::/0']],
      ['rtb-c', undefined, ['0.0.0.0/0', '::/0']],
    ],
  );
});

t.test('tables that face each other are one, with all of their routes', async (t) => {
  const tables = [
    table('rtb-a', ['z1', '10.0.1.0/24', '2001:db8:0:1::/64']),
    table('rtb-b', ['z2', '10.0.2.0/24', '2001:db8:0:2::/64']),
    table('rtb-c', ['z3', '10.0.3.0/24']),
  ];
  const ids = (...rules: Parameters<typeof unitsOf>[0]) =>
    unitsOf(rules, tables, VPC).map(({ routes }) => [...new Set(routes.map((key) => key.table))].join(' '));
  t.same(
    ids(rule(['rtb-a'], ['10.0.2.0/24']), rule(['rtb-b'], ['10.0.1.0/24']), rule(['rtb-c'], ['0.0.0.0/0'])),
    ['rtb-a rtb-b', 'rtb-c'],
  );
  t.same(ids(rule(['rtb-a'], ['2001:db8:0:2::/64']), rule(['rtb-b'], ['::/0'])), ['rtb-a rtb-b'], 'IPv6');
  t.same(
    ids(rule(['rtb-a'], ['10.0.0.0/17']), rule(['rtb-b', 'rtb-c'], ['0.0.0.0/0'])),
    ['rtb-a rtb-b rtb-c'],
    'a larger prefix',
  );
  t.same(ids(rule(['rtb-a', 'rtb-b'], ['0.0.0.0/0'])), ['rtb-a', 'rtb-b'], 'the way out faces nobody');
  t.same(ids(rule(['rtb-a', 'rtb-b'], ['10.9.0.0/24'])), ['rtb-a', 'rtb-b'], 'nor does what nobody has');
});

t.test('a group by name, over several rules; preferences in order', async (t) => {
  const [unit, ...others] = unitsOf(
    [
      rule(['rtb-a'], ['192.0.2.0/24'], { group: 'middle', prefer: ['eni-2'] }),
      rule(['rtb-b', 'rtb-missing'], ['198.51.100.0/24'], { group: 'middle', prefer: ['eni-1', 'eni-2'] }),
    ],
    [table('rtb-a', ['z1', '10.0.1.0/24']), table('rtb-b', ['z1', '10.0.2.0/24'])],
    VPC,
  );
  t.same(others, []);
  t.match(unit, { id: 'middle', zone: 'z1', prefer: ['eni-2', 'eni-1'] });
  t.same(
    unit!.routes.map(({ table: id }) => id),
    ['rtb-a', 'rtb-b', 'rtb-missing'],
  );
});
