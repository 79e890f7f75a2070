/** What iproute2 6.1 printed, and what is made of it. */

import { test } from 'tap';
import { NoIpCommand } from '../../src/host/ip-command.ts';
import { type ReadRoutes, readRoutes, TooManyRoutes } from '../../src/host/read-routes.ts';
import { addressOf, flowWords } from './addresses.ts';
import { FakeIp, type Printed } from './fake-ip.ts';

const LINK =
  '[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536},' +
  '{"ifindex":2,"link":"a0","ifname":"a1","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1500},' +
  '{"ifindex":3,"link":"a1","ifname":"a0","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1500},' +
  '{"ifindex":4,"ifname":"unused","flags":[],"mtu":1500}]';

const ROUTES_4 = `[{"type":"throw","dst":"10.14.0.0/16","table":"100","flags":[]},
{"dst":"default","gateway":"10.1.0.2","dev":"a0","flags":[]},
{"dst":"10.0.0.0/24","gateway":"10.2.0.2","dev":"a1","metric":50,"flags":[]},
{"dst":"10.0.0.0/24","gateway":"10.1.0.2","dev":"a0","metric":100,"flags":[]},
{"dst":"10.0.0.0/16","gateway":"10.1.0.2","dev":"a0","flags":[]},
{"dst":"10.0.0.0/8","gateway":"10.1.0.9","dev":"a0","flags":[]},
{"dst":"10.1.0.0/24","dev":"a0","protocol":"kernel","scope":"link","prefsrc":"10.1.0.1","flags":[]},
{"dst":"10.2.0.0/24","dev":"a1","protocol":"kernel","scope":"link","prefsrc":"10.2.0.1","flags":[]},
{"dst":"10.9.0.0/16","flags":[],"nexthops":[{"gateway":"10.1.0.9","dev":"a0","weight":2,"flags":[]},
{"gateway":"10.2.0.9","dev":"a1","weight":1,"flags":[]}]},
{"dst":"10.10.0.0/16","via":{"family":"inet6","host":"fe80::99"},"dev":"a0","flags":[]},
{"type":"blackhole","dst":"10.11.0.0/16","flags":[]},
{"type":"unreachable","dst":"10.12.0.0/16","flags":[]},
{"type":"prohibit","dst":"10.13.0.0/16","flags":[]},
{"dst":"10.15.0.0/16","tos":"0x10","gateway":"10.1.0.2","dev":"a0","flags":[]},
{"dst":"10.16.0.0/16","nhid":5,"gateway":"10.1.0.7","dev":"a0","flags":[]},
{"dst":"10.17.0.0/16","nhid":7,"flags":[],"nexthops":[{"gateway":"10.1.0.7","dev":"a0","weight":1,"flags":["dead","linkdown"]},
{"gateway":"10.2.0.7","dev":"a1","weight":1,"flags":[]}]},
{"dst":"10.18.0.0/16","encap":"ip","id":42,"src":"0.0.0.0","dst":"0.0.0.0","ttl":0,"tos":0,"gateway":"10.1.0.2","dev":"a0","flags":[]},
{"dst":"10.19.0.0/16","gateway":"10.1.0.2","dev":"a0","protocol":"bird","prefsrc":"10.2.0.1","flags":[],"metrics":[{"mtu":1400}]},
{"dst":"10.20.0.0/16","gateway":"10.1.0.2","dev":"a0","flags":["dead","linkdown"]},
{"type":"local","dst":"10.1.0.1","dev":"a0","table":"local","protocol":"kernel","scope":"host","prefsrc":"10.1.0.1","flags":[]},
{"type":"broadcast","dst":"10.1.0.255","dev":"a0","table":"local","protocol":"kernel","scope":"link","prefsrc":"10.1.0.1","flags":[]},
{"type":"local","dst":"127.0.0.0/8","dev":"lo","table":"local","protocol":"kernel","scope":"host","prefsrc":"127.0.0.1","flags":[]}]`;

const ROUTES_6 = `[{"dst":"2001:db8::/32","metric":1024,"flags":[],"pref":"medium","nexthops":[{"gateway":"fd01::9","dev":"a0","weight":1,"flags":[]},
{"gateway":"fd02::9","dev":"a1","weight":1,"flags":[]}]},
{"dst":"2001:db9::/32","from":"2001:aaaa::/48","gateway":"fd01::9","dev":"a0","metric":1024,"flags":[],"pref":"medium"},
{"type":"unreachable","dst":"2001:dba::/32","dev":"lo","metric":1024,"flags":[],"pref":"medium"},
{"dst":"fd01::/64","dev":"a0","protocol":"kernel","metric":256,"flags":[],"pref":"medium"},
{"dst":"fe80::/64","dev":"a1","protocol":"kernel","metric":256,"flags":[],"pref":"medium"},
{"dst":"fe80::/64","dev":"a0","protocol":"kernel","metric":256,"flags":[],"pref":"medium"},
{"dst":"default","gateway":"fe80::1","dev":"a1","metric":1024,"flags":[],"pref":"medium"},
{"type":"local","dst":"fd01::1","dev":"a0","table":"local","protocol":"kernel","metric":0,"flags":[],"pref":"medium"},
{"type":"multicast","dst":"ff00::/8","dev":"a1","table":"local","protocol":"kernel","metric":256,"flags":[],"pref":"medium"}]`;

const PRINTED: Printed = { link: LINK, route4: ROUTES_4, route6: ROUTES_6 };

async function reading(
  ip: FakeIp,
  maxRoutes = 1000,
  signal = new AbortController().signal,
): Promise<ReadRoutes> {
  return readRoutes({ program: ip.program, maxRoutes, signal });
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error) => error,
  );
}

/** Egress interface, next hop, source and destination prefix length. */
function answer(
  { routes }: ReadRoutes,
  source: string,
  destination: string,
): [number, string, number, number] {
  const ipVersion = destination.includes(':') ? 6 : 4;
  routes.lookup(flowWords(source, destination), 0, ipVersion);
  const { egressInterface, nextHop, sourcePrefixLength, destinationPrefixLength } = routes;
  return [egressInterface, addressOf(nextHop, ipVersion), sourcePrefixLength, destinationPrefixLength];
}

test('IPv4 routes', async (t) => {
  const read = await reading(new FakeIp(t, PRINTED));
  for (const [what, destination, ...expected] of [
    ['the default route', '8.8.8.8', 3, '10.1.0.2', 24, 0],
    ['directly connected', '10.2.0.7', 2, '0.0.0.0', 24, 24],
    ['the lowest metric of equals', '10.0.0.1', 2, '10.2.0.2', 24, 24],
    ['longer than /8', '10.0.1.1', 3, '10.1.0.2', 24, 16],
    ['the first of several next hops', '10.9.1.1', 3, '10.1.0.9', 24, 16],
    ['… the first that lives', '10.17.1.1', 2, '10.2.0.7', 24, 16],
    ['a next hop object', '10.16.1.1', 3, '10.1.0.7', 24, 16],
    ['a gateway of IPv6', '10.10.1.1', 3, '0.0.0.0', 24, 16],
    ['an encapsulation, which prints a dst of its own', '10.18.1.1', 3, '10.1.0.2', 24, 16],
    ['metrics', '10.19.1.1', 3, '10.1.0.2', 24, 16],
    ['a route whose only next hop is dead does not count', '10.20.1.1', 3, '10.1.0.9', 24, 8],
    ['a type of service does not count', '10.15.1.1', 3, '10.1.0.9', 24, 8],
    ['a table that no rule asks does not count', '10.14.1.1', 3, '10.1.0.9', 24, 8],
    ['blackhole', '10.11.1.1', 0, '0.0.0.0', 24, 16],
    ['unreachable', '10.12.1.1', 0, '0.0.0.0', 24, 16],
    ['prohibit', '10.13.1.1', 0, '0.0.0.0', 24, 16],
    ['for the router itself', '10.1.0.1', 0, '0.0.0.0', 24, 32],
    ['broadcast', '10.1.0.255', 0, '0.0.0.0', 24, 32],
    ['limited broadcast', '255.255.255.255', 0, '0.0.0.0', 24, 0],
    ['multicast', '239.1.2.3', 0, '0.0.0.0', 24, 0],
    ['loopback', '127.1.2.3', 0, '0.0.0.0', 24, 8],
  ] as const) {
    t.same(answer(read, '10.1.0.7', destination), expected, what);
  }
  t.same(answer(read, '8.8.8.8', '10.1.0.7'), [3, '0.0.0.0', 0, 24], 'a source of the default route');
  t.equal(read.routes.ipv4.count, 20);
  t.equal(read.unfollowedRules, 0);
  t.equal(read.unfollowedRoutes, 2, 'one with a type of service, one with a source');
  t.same(
    read.routes.interfaces,
    [
      { index: 2, name: 'a1' },
      { index: 3, name: 'a0' },
    ],
    'interfaces that packets may leave by',
  );
});

test('IPv6 routes', async (t) => {
  const read = await reading(new FakeIp(t, PRINTED));
  for (const [what, destination, ...expected] of [
    ['the default route, by a link-local gateway', '2600::1', 2, 'fe80::1', 64, 0],
    ['directly connected', 'fd01::7', 3, '::', 64, 64],
    ['the first of several next hops', '2001:db8:1::1', 3, 'fd01::9', 64, 32],
    ['a route for some sources does not count', '2001:db9::1', 2, 'fe80::1', 64, 0],
    ['unreachable', '2001:dba::1', 0, '::', 64, 32],
    ['for the router itself', 'fd01::1', 0, '::', 64, 128],
    ['link-local addresses are not forwarded', 'fe80::5', 0, '::', 64, 64],
    ['multicast', 'ff02::1', 0, '::', 64, 8],
  ] as const) {
    t.same(answer(read, 'fd01::7', destination), expected, what);
  }
  t.equal(read.routes.ipv6.count, 8);
});

test('policy rules: plain ones are followed in their order, throw passes on, others are counted', async (t) => {
  const rule4 = `[{"priority":0,"src":"all","table":"local"},
{"priority":96,"src":"all","ipproto":"tcp","dport":80,"table":"7"},
{"priority":97,"not":null,"src":"1.1.1.1","goto":32766},
{"priority":98,"src":"all","dst":"10.0.0.0","dstlen":8,"action":"prohibit"},
{"priority":99,"src":"all","iif":"a0","table":"7"},
{"priority":100,"src":"all","fwmark":"0x1","table":"7"},
{"priority":101,"src":"10.0.0.0","srclen":8,"table":"7"},
{"priority":102,"src":"all","table":"100"},
{"priority":110,"src":"all","table":"main","suppress_prefixlen":0},
{"priority":32766,"src":"all","table":"main","protocol":"kernel"},
{"priority":32767,"src":"all","table":"default"}]`;
  const route4 = `[{"dst":"10.0.0.0/8","gateway":"10.2.0.100","dev":"a1","table":"100","flags":[]},
{"type":"throw","dst":"10.14.0.0/16","table":"100","flags":[]},
{"dst":"default","gateway":"10.2.0.7","dev":"a1","table":"7","flags":[]},
{"dst":"10.0.0.0/16","gateway":"10.1.0.2","dev":"a0","flags":[]},
{"dst":"10.14.1.0/24","gateway":"10.1.0.14","dev":"a0","flags":[]},
{"dst":"default","gateway":"10.1.0.53","dev":"a0","table":"default","flags":[]}]`;
  const read = await reading(new FakeIp(t, { link: LINK, rule4, route4 }));
  t.same(answer(read, '1.2.3.4', '10.0.0.1'), [2, '10.2.0.100', 0, 8], 'table 100 comes before main');
  t.same(answer(read, '1.2.3.4', '10.14.1.1'), [3, '10.1.0.14', 0, 24], 'throw: main decides');
  t.same(answer(read, '1.2.3.4', '9.9.9.9'), [3, '10.1.0.53', 0, 0], 'the default table comes last');
  t.equal(read.unfollowedRules, 7);
});

test('without IPv6, without routes, without rules', async (t) => {
  const read = await reading(new FakeIp(t, { link: LINK, rule6: '', route6: '', route4: '[ ]' }));
  t.same(answer(read, '10.0.0.1', '10.0.0.2'), [0, '0.0.0.0', 0, 0]);
  t.same(answer(read, 'fd01::1', 'fd01::2'), [0, '::', 0, 0]);
  t.equal(read.routes.ipv4.count + read.routes.ipv6.count, 0);
});

test('what it is asked', async (t) => {
  const ip = new FakeIp(t, PRINTED);
  await reading(ip);
  t.same(ip.calls, [
    '-json link show',
    '-json -4 rule show',
    '-json -6 rule show',
    '-json -4 route show table all',
    '-json -6 route show table all',
  ]);
});

test('what goes wrong is told', async (t) => {
  const ip = new FakeIp(t, PRINTED);
  t.ok((await failure(reading(ip, 10))) instanceof TooManyRoutes);
  ip.fail('Error: the netlink is full.');
  t.equal((await failure(reading(ip))).message, 'ip link show: it ended with 2: Error: the netlink is full.');
  ip.fail(undefined);

  for (const [printed, message] of [
    ['[{"dst":"10.0.0.0/33","dev":"a0"}]', /^ip prints a route to 10\.0\.0\.0\/33, which is no prefix/],
    ['[{"dev":"a0"}]', /a route without a destination/],
    ['[{"dst":"10.0.0.0/8","gateway":"x","dev":"a0"}]', /the gateway x, which is no address/],
    ['[{"dst":"10.0.0.0/8","dev":}]', /^ip prints what is no JSON: /],
    ['[{"dst":"10.0.0.0/8","dev"', /^ip -4 route show table all: its output ends within an object$/],
  ] as const) {
    ip.print({ route4: printed });
    t.match((await failure(reading(ip))).message, message);
  }

  const missing = readRoutes({ program: '/nowhere/ip', maxRoutes: 1, signal: new AbortController().signal });
  t.ok((await failure(missing)) instanceof NoIpCommand);
});

test('a reading that is aborted ends', async (t) => {
  const ip = new FakeIp(t, PRINTED);
  const stop = new AbortController();
  const read = reading(ip, 1000, stop.signal);
  stop.abort(new Error('enough'));
  await t.rejects(read, /enough/);
  t.ok(ip.calls.length <= 1);
  await t.rejects(reading(ip, 1000, stop.signal), /enough/);
});
