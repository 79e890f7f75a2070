/** The metrics of `run` and `convert`: the line's plain counters behind an HTTP server. */

import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { LoopLag } from '../metrics/loop-lag.ts';
import { buildConvertRegistry, buildRegistry } from '../metrics/registry.ts';
import { MetricsServer, type MetricsServerOptions } from '../metrics/server.ts';
import type { CollectorMetrics, ConvertMetrics, ProgramMetrics, RunMetrics } from '../metrics/sources.ts';
import type { LineMetrics } from './line-metrics.ts';

export interface RunningMetrics {
  /** Where Prometheus scrapes. */
  readonly url: string;
  stop(): Promise<void>;
}

/** @param endpoint where to listen; undefined: off */
export async function startMetrics(
  endpoint: { readonly host: string; readonly port: number } | undefined,
  line: LineMetrics,
  version: string,
  run: RunMetrics,
): Promise<RunningMetrics | undefined> {
  if (endpoint === undefined) return undefined;
  const loopLag = new LoopLag();
  const registry = buildRegistry({
    captures: line.captures,
    meter: line.meter,
    routes: line.routes,
    collectors: line.collectors,
    workers: line.workers,
    run,
    program: program(version),
    loopLag,
  });
  return serve(endpoint, loopLag, {
    registry,
    captures: line.captures,
    collectors: line.collectors,
    workers: line.workers,
  });
}

/** As {@link startMetrics}, of a conversion. */
export async function startConvertMetrics(
  endpoint: { readonly host: string; readonly port: number } | undefined,
  convert: ConvertMetrics,
  collectors: readonly CollectorMetrics[],
  version: string,
): Promise<RunningMetrics | undefined> {
  if (endpoint === undefined) return undefined;
  const loopLag = new LoopLag();
  const registry = buildConvertRegistry({ convert, collectors, program: program(version), loopLag });
  return serve(endpoint, loopLag, { registry, collectors });
}

function program(version: string): ProgramMetrics {
  return {
    version,
    nodeVersion: process.version,
    startTimeSeconds: performance.timeOrigin / 1000,
    memoryUsage: () => process.memoryUsage(),
    cpuUsage: () => process.cpuUsage(),
  };
}

async function serve(
  endpoint: { readonly host: string; readonly port: number },
  loopLag: LoopLag,
  served: Pick<MetricsServerOptions, 'registry' | 'captures' | 'collectors' | 'workers'>,
): Promise<RunningMetrics> {
  const server = new MetricsServer({ address: endpoint.host, port: endpoint.port, ...served });
  const bound = await server.start();
  loopLag.start();
  const host = bound.address.includes(':') ? `[${bound.address}]` : bound.address;
  return {
    url: `http://${host}:${bound.port}/metrics`,
    async stop() {
      loopLag.stop();
      await server.stop();
    },
  };
}
