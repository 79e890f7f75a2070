/** What metrics the two programs export, as their own registries say; and what an expression of Prometheus asks for. */
import { buildRegistry } from '../../src/metrics/registry.ts';
import { buildRouterRegistry } from '../../src/metrics/router-metrics.ts';
import { testSources } from '../metrics/sources.ts';

/** Of Prometheus itself, and what scrape.yml adds to each series. */
const OF_PROMETHEUS = new Map([['up', [] as readonly string[]]]);
export const TARGET_LABELS = ['job', 'instance', 'group'];

/** Names of metrics, with their labels, of `weir run` (with workers) and of `weir router`. */
export async function exportedMetrics(): Promise<Map<string, readonly string[]>> {
  const sources = testSources();
  const run = buildRegistry({
    ...sources,
    workers: {
      running: 1,
      restarts: 0,
      each: [{ capturedPackets: 1, kernelDroppedPackets: 0, eventLoopLagSeconds: 0 }],
    },
  });
  const router = buildRouterRegistry({
    router: {
      isForwarding: true,
      isReleased: false,
      healthEpoch: 0,
      checks: [],
      routers: [],
      peers: [],
      machine: { repairs: { settings: 0, rules: 0 } },
      reconciler: undefined,
      ec2: undefined,
      allowances: new Map(),
      conntrack: () => undefined,
    },
    apiRetries: () => 0,
    nowMilliseconds: () => 0,
    program: sources.program,
    loopLag: sources.loopLag,
  });
  const metrics = new Map(OF_PROMETHEUS);
  for (const registry of [run, router]) {
    for (const { name } of await registry.getMetricsAsJSON()) {
      const { labelNames = [] } = registry.getSingleMetric(name) as unknown as {
        labelNames?: readonly string[];
      };
      metrics.set(name, labelNames);
    }
  }
  return metrics;
}

/** Names that an expression selects, with the labels that it asks for, and the values that it compares them with. */
export function selectorsOf(
  expression: string,
): { name: string; matchers: { label: string; values: readonly string[] }[] }[] {
  return [...expression.matchAll(/\b((?:weir|process|nodejs)_\w+|up)\b(?:\{([^}]*)\})?/g)].map(
    ([, name, matchers = '']) => ({
      name: name!,
      matchers: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)].map(([, label, value]) => ({
        label: label!,
        values: value!.split('|'),
      })),
    }),
  );
}

/** Labels that an expression groups by. */
export const groupedBy = (expression: string): string[] =>
  [...expression.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/,\s*/));
