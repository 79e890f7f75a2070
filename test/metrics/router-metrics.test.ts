/** The metrics of the router: what they say, and that promtool finds nothing to mend. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { LoopLag } from '../../src/metrics/loop-lag.ts';
import { buildRouterRegistry, type RouterMetrics } from '../../src/metrics/router-metrics.ts';
import { Metrics } from '../network/program.ts';
import { hasProgram } from '../support/programs.ts';

const SELF = 'eni-00000001';
const PEER = 'eni-00000002';
const route = (
  target: string | undefined,
  state = 'owned',
  wanted: string | undefined = target,
  as = 'active',
) => ({
  wanted,
  state,
  current: target === undefined ? undefined : { target, state: as },
});

const router: RouterMetrics = {
  isForwarding: true,
  isReleased: false,
  healthEpoch: 5,
  checks: [
    { name: 'interfaces', ok: true },
    { name: 'rules', ok: false },
  ],
  routers: [
    { id: SELF, zone: 'z1', state: 'forwarding' },
    { id: PEER, zone: 'z2', state: 'failing' },
  ],
  peers: [{ id: PEER, checks: { good: 7, bad: 3 } }],
  machine: { repairs: { settings: 2, rules: 1 } },
  reconciler: {
    takeovers: { missing: 1, failing: 4 },
    handBacks: { preferred: 2 },
    routes: [
      route(SELF),
      route(SELF, 'changing', PEER),
      route(PEER, 'owned'),
      route(PEER, 'contested', SELF),
      route(PEER, 'changing', SELF, 'blackhole'),
      route(undefined, 'no_table', SELF),
    ],
    observedAt: 1_000,
  },
  ec2: {
    calls: new Map([['ReplaceRoute', 6]]),
    failures: new Map([['ReplaceRoute', new Map([['access-denied', 2]])]]),
  },
  allowances: new Map([['ens5', new Map([['pps', 9]])]]),
  conntrack: () => ({ entries: 100, limit: 1000 }),
};
const sources = (one: RouterMetrics) => ({
  router: one,
  apiRetries: () => 8,
  nowMilliseconds: () => 3_500,
  loopLag: new LoopLag(),
  program: {
    version: '9.9.9',
    nodeVersion: 'v20',
    startTimeSeconds: 1,
    memoryUsage: () => process.memoryUsage(),
    cpuUsage: () => process.cpuUsage(),
  },
});

t.test('a scrape', async (t) => {
  const text = await buildRouterRegistry(sources(router)).metrics();
  const metrics = new Metrics(text);
  const expected: [name: string, labels: Record<string, string>, value: number][] = [
    ['forwarding', {}, 1],
    ['released', {}, 0],
    ['check_ok', { check: 'rules' }, 0],
    ['state', { router: PEER, state: 'failing' }, 1],
    ['state', { router: PEER, state: 'forwarding' }, 0],
    ['health_changes_total', {}, 5],
    ['peer_checks_total', { result: 'bad' }, 3],
    ['routes_wanted', {}, 4],
    ['routes_owned', {}, 2],
    ['routes', { state: 'owned' }, 2],
    ['routes', { state: 'contested' }, 1],
    ['routes', { state: 'blackhole' }, 1],
    ['routes', { state: 'no_table' }, 1],
    ['routes', {}, 6],
    ['takeovers_total', { reason: 'failing' }, 4],
    ['handbacks_total', { reason: 'preferred' }, 2],
    ['observation_age_seconds', {}, 2.5],
    ['api_calls_total', { action: 'ReplaceRoute' }, 6],
    ['api_failures_total', { action: 'ReplaceRoute', kind: 'access-denied' }, 2],
    ['api_retries_total', {}, 8],
    ['repairs_total', { what: 'settings' }, 2],
    ['ena_allowance_exceeded_total', { interface: 'ens5', allowance: 'pps' }, 9],
    ['conntrack_entries', {}, 100],
    ['conntrack_limit', {}, 1000],
  ];
  for (const [name, labels, value] of expected)
    t.equal(metrics.sum(`weir_router_${name}`, labels), value, `${name} ${JSON.stringify(labels)}`);

  await t.test('promtool', { skip: !hasProgram('promtool') && 'there is no promtool' }, async (t) => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    t.equal(stdout + stderr, '');
    t.equal(status, 0);
  });
});

t.test('at the start, and without connection tracking', async (t) => {
  const text = await buildRouterRegistry(
    sources({ ...router, reconciler: undefined, ec2: undefined, conntrack: () => undefined }),
  ).metrics();
  t.match(text, /^weir_router_observation_age_seconds \+?Inf$/m);
  t.match(text, /^weir_router_conntrack_limit 0$/m);
  t.equal(new Metrics(text).sum('weir_router_routes'), 0);
});
