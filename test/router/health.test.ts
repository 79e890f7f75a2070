/** Hysteresis; and how one router asks another. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import t from 'tap';
import { parseAllowances } from '../../src/router/allowances.ts';
import { type Finding, Health } from '../../src/router/health.ts';
import { checkHealth, type HealthReport } from '../../src/router/health-check.ts';
import { HealthServer } from '../../src/router/health-server.ts';
import { Peers } from '../../src/router/peers.ts';

const FINDINGS: Readonly<Record<string, Finding>> = { g: 'good', b: 'bad', r: 'released' };

t.test('hysteresis: two good ones to rise, three bad ones to fall', async (t) => {
  const states: Readonly<Record<string, string>> = {
    u: 'unknown',
    f: 'forwarding',
    x: 'failing',
    r: 'released',
  };
  const cases: [checks: string, states: string][] = [
    ['gg', 'uf'],
    ['bbb', 'uux'],
    ['gbgbgb', 'uuuuuu'],
    ['ggbbgbbb', 'uffffffx'],
    ['ggbbbgbgg', 'ufffxxxxf'],
    ['ggrgg', 'ufrrf'],
    ['ggrbbb', 'ufrrrx'],
  ];
  for (const [checks, expected] of cases) {
    const health = new Health(2, 3);
    const changes: boolean[] = [];
    let last = 'unknown';
    for (const [i, check] of [...checks].entries()) {
      changes.push(health.found(FINDINGS[check]!));
      t.equal(health.state, states[expected[i]!], `${checks}, after ${i + 1}`);
      t.equal(changes.at(-1), health.state !== last);
      last = health.state;
    }
  }
});

t.test('a router says how it is, and another believes it', async (t) => {
  let report: HealthReport = { interface: 'eni-00000001', forwarding: true, released: false };
  const server = new HealthServer(() => report);
  const { port } = await server.start('127.0.0.1', 0);
  const at = { host: '127.0.0.1', port };
  const check = () => checkHealth(at, 'eni-00000001', 2_000);
  t.match(await check(), { finding: 'good', why: undefined });
  t.match(await checkHealth(at, 'eni-00000002', 2_000), { finding: 'bad', why: /it is eni-00000001$/ });
  report = { ...report, released: true };
  t.match(await check(), { finding: 'released' });
  t.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 200, 'for a load balancer');
  report = { ...report, forwarding: false };
  t.match(await check(), { finding: 'bad', why: 'it says that it does not forward' });
  t.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 503);
  t.equal((await fetch(`http://127.0.0.1:${port}/health`, { method: 'POST' })).status, 405);
  await server.stop();
  t.match(await check(), { finding: 'bad', why: 'ECONNREFUSED' });
});

t.test('who holds connections open keeps no peer from asking', async (t) => {
  const server = new HealthServer(() => ({ interface: 'eni-1', forwarding: true, released: false }));
  const { port } = await server.start('127.0.0.1', 0);
  t.teardown(() => server.stop());
  const idle = await Promise.all(
    Array.from({ length: 70 }, async () => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      return socket;
    }),
  );
  t.teardown(() => {
    for (const socket of idle) socket.destroy();
  });
  t.match(await checkHealth({ host: '127.0.0.1', port }, 'eni-1', 2_000), { finding: 'good' });
});

t.test('another program at that port, and one that never answers', async (t) => {
  const other = createServer((request, response) => {
    if (request.headers['x-never'] === undefined && request.url === '/health') response.end('ok');
  });
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  const { port } = other.address() as AddressInfo;
  t.match(await checkHealth({ host: '127.0.0.1', port }, 'eni-1', 2_000), {
    finding: 'bad',
    why: 'its answer is none of a router',
  });
  const silent = createServer(() => undefined);
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => {
    silent.close();
    silent.closeAllConnections();
  });
  const at = { host: '127.0.0.1', port: (silent.address() as AddressInfo).port };
  t.match(await checkHealth(at, 'eni-1', 50), { finding: 'bad', why: 'no answer within 50 ms' });
});

t.test('peers come and go; a change is told once', async (t) => {
  const changes: string[] = [];
  const results = new Map<string, Finding>([['10.0.0.2', 'good']]);
  const asked: string[] = [];
  const peers = new Peers({
    places: [{ matches: ({ id }) => id === 'eni-3', at: { host: '192.0.2.3', port: 7 } }],
    port: 9470,
    rise: 1,
    fall: 2,
    timeoutMilliseconds: 100,
    onChange: ({ id, state }) => changes.push(`${id} ${state}`),
    check: async ({ host, port }) => {
      asked.push(`${host}:${port}`);
      return { finding: results.get(host) ?? 'bad', why: undefined };
    },
  });
  const one = (id: string, address: string | undefined) => ({
    id,
    address,
    zone: 'z1',
    status: 'in-use',
    instanceId: 'i-1',
    isSourceDestChecked: false,
    tags: new Map<string, string>(),
  });
  const all = [one('eni-2', '10.0.0.2'), one('eni-3', '10.0.0.3'), one('eni-4', undefined)];
  t.equal(peers.follow(all), true);
  t.equal(peers.follow(all), false);
  t.same(
    peers.all.map(({ state }) => state),
    ['unknown', 'unknown', 'unknown'],
  );
  await peers.check();
  t.same(asked.sort(), ['10.0.0.2:9470', '192.0.2.3:7'], 'at its address, or where it is configured');
  await peers.check();
  t.same(changes.toSorted(), ['eni-2 forwarding', 'eni-3 failing', 'eni-4 failing']);
  // EC2's lists are eventually consistent.
  const states = () => peers.all.map(({ id, state }) => `${id} ${state}`);
  const before = states();
  t.same([peers.follow(all.slice(1)), peers.follow(all.slice(1))], [false, false]);
  t.same(states(), before, 'missing from two answers it is still there, and as healthy as before');
  t.equal(peers.follow(all), false);
  t.same(
    [1, 2, 3].map(() => peers.follow(all.slice(1))),
    [false, false, true],
    'then it is gone',
  );
  await peers.check();
  t.same(
    peers.all.map(({ id, checks }) => [id, checks.bad]),
    [
      ['eni-3', 3],
      ['eni-4', 3],
    ],
  );
  t.equal(changes.length, 3);
});

t.test("the ENA driver's counters, as ethtool prints them", async (t) => {
  const text = `NIC statistics:
     tx_timeout: 0
     bw_in_allowance_exceeded: 12
     bw_out_allowance_exceeded: 0
     pps_allowance_exceeded: 3456789012
     conntrack_allowance_exceeded: 1
     linklocal_allowance_exceeded: 7
     conntrack_allowance_available: 136812
     queue_0_tx_cnt: 5
`;
  t.same(
    [...parseAllowances(text)],
    [
      ['bw_in', 12],
      ['bw_out', 0],
      ['pps', 3_456_789_012],
      ['conntrack', 1],
      ['linklocal', 7],
    ],
  );
  t.same([...parseAllowances('NIC statistics:\n     rx_queue_0_xdp_packets: 0\n')], []);
});
