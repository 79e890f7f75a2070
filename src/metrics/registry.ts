/**
 * The registry of all metrics. Nothing is kept in it: every scrape reads the stages' numbers anew, all in
 * one turn of the event loop, so that the two identities of conservation hold within a scrape:
 *
 *   captured = metered + Σ ignored        metered = Σ sent + Σ queued + in the table + Σ not sent, a collector
 *
 * Names follow https://prometheus.io/docs/practices/naming/; that is why octets are called bytes in them.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { collectorMetrics } from './collector-metrics.ts';
import { convertMetrics } from './convert-metrics.ts';
import type { Definition } from './definition.ts';
import { captureMetrics, meterMetrics } from './line-metrics.ts';
import { processMetrics } from './process-metrics.ts';
import { routeMetrics } from './route-metrics.ts';
import { runMetrics } from './run-metrics.ts';
import type { ConvertMetricSources, MetricSources } from './sources.ts';
import { workerMetrics } from './worker-metrics.ts';

/** A registry whose `metrics()` reads the sources. */
export function buildRegistry(sources: MetricSources): Registry {
  return registryOf([
    ...captureMetrics(sources),
    ...meterMetrics(sources),
    ...routeMetrics(sources),
    ...collectorMetrics(sources),
    ...runMetrics(sources),
    ...workerMetrics(sources),
    ...processMetrics(sources),
  ]);
}

/** As {@link buildRegistry}, of a conversion of flow logs. */
export function buildConvertRegistry(sources: ConvertMetricSources): Registry {
  return registryOf([
    ...convertMetrics(sources.convert),
    ...collectorMetrics(sources),
    ...processMetrics(sources),
  ]);
}

function registryOf(definitions: readonly Definition[]): Registry {
  const registry = new Registry();
  for (const definition of definitions) addDefinition(registry, definition);
  return registry;
}

/** Adds one metric, whose values are read at each scrape. */
export function addDefinition(registry: Registry, { kind, name, help, labels = [], read }: Definition): void {
  const common = { name, help, labelNames: [...labels], registers: [registry] };
  // prom-client's counters can only be increased: from zero, at each scrape, by what the stage has counted.
  if (kind === 'counter') {
    const counter: Counter = new Counter({
      ...common,
      collect: () => {
        counter.reset();
        read((value, of = {}) => counter.inc(of, value));
      },
    });
  } else {
    const gauge: Gauge = new Gauge({
      ...common,
      collect: () => {
        gauge.reset(); // a collector that is no more must not stay
        read((value, of = {}) => gauge.set(of, value));
      },
    });
  }
}
