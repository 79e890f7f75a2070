/** The metrics of `weir router`: routes, health, what EC2 was asked, and where the instance reaches its allowances. */
import { Registry as PromRegistry, type Registry } from 'prom-client';
import type { Definition } from './definition.ts';
import { processMetrics } from './process-metrics.ts';
import { addDefinition } from './registry.ts';
import type { MetricSources } from './sources.ts';

type Counts = ReadonlyMap<string, number>;

/** What a router counts; read at a scrape. */
export interface RouterMetrics {
  readonly isForwarding: boolean;
  readonly isReleased: boolean;
  readonly healthEpoch: number;
  readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
  /** This one first. */
  readonly routers: readonly { readonly id: string; readonly zone: string; readonly state: string }[];
  readonly peers: readonly { readonly id: string; readonly checks: { good: number; bad: number } }[];
  readonly machine: { readonly repairs: { readonly settings: number; readonly rules: number } };
  readonly reconciler:
    | {
        readonly takeovers: Readonly<Record<string, number>>;
        readonly handBacks: Readonly<Record<string, number>>;
        readonly routes: readonly {
          readonly wanted: string | undefined;
          readonly state: string;
          readonly current: { readonly target: string | undefined; readonly state: string } | undefined;
        }[];
        /** On the monotonic clock. */
        readonly observedAt: number | undefined;
      }
    | undefined;
  readonly ec2: { readonly calls: Counts; readonly failures: ReadonlyMap<string, Counts> } | undefined;
  /** By interface, then by allowance. */
  readonly allowances: ReadonlyMap<string, Counts>;
  conntrack(): { readonly entries: number; readonly limit: number } | undefined;
}

export interface RouterMetricSources extends Pick<MetricSources, 'program' | 'loopLag'> {
  readonly router: RouterMetrics;
  readonly apiRetries: () => number;
  /** Monotonic. */
  readonly nowMilliseconds: () => number;
}

export const ROUTE_STATES = [
  'owned',
  'changing',
  'waiting',
  'contested',
  'no_owner',
  'no_table',
  'blackhole',
] as const;
const ROUTER_STATES = ['forwarding', 'failing', 'released', 'unknown'] as const;

/** A registry whose `metrics()` reads the router's numbers. */
export function buildRouterRegistry(sources: RouterMetricSources): Registry {
  const registry = new PromRegistry();
  for (const definition of [...routerMetrics(sources), ...processMetrics(sources)])
    addDefinition(registry, definition);
  return registry;
}

function routerMetrics({ router, apiRetries, nowMilliseconds }: RouterMetricSources): Definition[] {
  const gauge = (
    name: string,
    help: string,
    read: Definition['read'],
    labels: string[] = [],
  ): Definition => ({
    kind: 'gauge',
    name: `weir_router_${name}`,
    help,
    labels,
    read,
  });
  const counter = (
    name: string,
    help: string,
    read: Definition['read'],
    labels: string[] = [],
  ): Definition => ({
    ...gauge(name, help, read, labels),
    kind: 'counter',
  });
  const self = () => router.routers[0]?.id;
  const routes = () => router.reconciler?.routes ?? [];
  return [
    gauge('forwarding', '1 while this machine forwards: what peers are told.', (sample) =>
      sample(Number(router.isForwarding)),
    ),
    gauge('released', '1 while it wants no routes (weir router release).', (sample) =>
      sample(Number(router.isReleased)),
    ),
    gauge(
      'check_ok',
      '1 where a check of this machine is well.',
      (sample) => {
        for (const { name, ok } of router.checks) sample(Number(ok), { check: name });
      },
      ['check'],
    ),
    gauge(
      'state',
      'What is known of each router of the group, this one included: 1 for its state.',
      (sample) => {
        for (const { id, zone, state } of router.routers)
          for (const one of ROUTER_STATES) sample(Number(one === state), { router: id, zone, state: one });
      },
      ['router', 'zone', 'state'],
    ),
    counter('health_changes_total', "Changes of any router's state, and of the group.", (sample) =>
      sample(router.healthEpoch),
    ),
    counter(
      'peer_checks_total',
      'Checks of the health of peers.',
      (sample) => {
        for (const { id, checks } of router.peers) {
          sample(checks.good, { router: id, result: 'good' });
          sample(checks.bad, { router: id, result: 'bad' });
        }
      },
      ['router', 'result'],
    ),
    gauge('routes_wanted', 'Routes that this router should own.', (sample) =>
      sample(routes().filter(({ wanted }) => wanted !== undefined && wanted === self()).length),
    ),
    gauge('routes_owned', 'Routes that lead to this router and are active.', (sample) =>
      sample(
        routes().filter(({ current }) => current?.target === self() && current?.state === 'active').length,
      ),
    ),
    gauge(
      'routes',
      'Configured routes by state: owned (by whom it should be), changing, waiting (for another router), contested, ' +
        'no_owner, no_table, blackhole.',
      (sample) => {
        for (const one of ROUTE_STATES) {
          const count = routes().filter(
            ({ current, state }) => (current?.state === 'blackhole' ? 'blackhole' : state) === one,
          ).length;
          sample(count, { state: one });
        }
      },
      ['state'],
    ),
    counter(
      'takeovers_total',
      'Routes that this router has taken, by what was wrong with them.',
      (sample) => {
        for (const [reason, count] of Object.entries(router.reconciler?.takeovers ?? {}))
          sample(count, { reason });
      },
      ['reason'],
    ),
    counter(
      'handbacks_total',
      'Routes that this router has given to another one, by why.',
      (sample) => {
        for (const [reason, count] of Object.entries(router.reconciler?.handBacks ?? {}))
          sample(count, { reason });
      },
      ['reason'],
    ),
    gauge(
      'observation_age_seconds',
      'Time since the route tables were read; +Inf where they never were.',
      (sample) => {
        const at = router.reconciler?.observedAt;
        sample(at === undefined ? Number.POSITIVE_INFINITY : (nowMilliseconds() - at) / 1000);
      },
    ),
    counter(
      'api_calls_total',
      "Calls of EC2, by action; the SDK's own retries are not among them.",
      (sample) => {
        for (const [action, count] of router.ec2?.calls ?? []) sample(count, { action });
      },
      ['action'],
    ),
    counter(
      'api_failures_total',
      'Calls of EC2 that failed, by action and kind: access-denied, throttled, network, …',
      (sample) => {
        for (const [action, kinds] of router.ec2?.failures ?? [])
          for (const [kind, count] of kinds) sample(count, { action, kind });
      },
      ['action', 'kind'],
    ),
    counter('api_retries_total', 'Requests that were made again within a call.', (sample) =>
      sample(apiRetries()),
    ),
    counter(
      'repairs_total',
      'Times that a setting of the kernel, or the rules of nftables, had been changed by others and were put right.',
      (sample) => {
        sample(router.machine.repairs.settings, { what: 'settings' });
        sample(router.machine.repairs.rules, { what: 'rules' });
      },
      ['what'],
    ),
    counter(
      'ena_allowance_exceeded_total',
      'Packets that AWS dropped or delayed because the instance exceeded an allowance of its type (ethtool -S).',
      (sample) => {
        for (const [name, allowances] of router.allowances)
          for (const [allowance, count] of allowances) sample(count, { interface: name, allowance });
      },
      ['interface', 'allowance'],
    ),
    gauge('conntrack_entries', 'Connections that the kernel tracks.', (sample) => {
      const conntrack = router.conntrack();
      if (conntrack !== undefined) sample(conntrack.entries);
    }),
    gauge(
      'conntrack_limit',
      'How many the kernel can track; 0 where connection tracking is not loaded.',
      (sample) => {
        const conntrack = router.conntrack();
        if (conntrack !== undefined) sample(conntrack.limit);
      },
    ),
  ];
}
