/** The metrics of `run`: the line's plain counters behind an HTTP server. */

import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { LoopLag } from '../metrics/loop-lag.ts';
import { buildRegistry } from '../metrics/registry.ts';
import { MetricsServer } from '../metrics/server.ts';
import type { RunMetrics } from '../metrics/sources.ts';
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
    program: {
      version,
      nodeVersion: process.version,
      startTimeSeconds: performance.timeOrigin / 1000,
      memoryUsage: () => process.memoryUsage(),
      cpuUsage: () => process.cpuUsage(),
    },
    loopLag,
  });
  const server = new MetricsServer({
    address: endpoint.host,
    port: endpoint.port,
    registry,
    captures: line.captures,
    collectors: line.collectors,
    workers: line.workers,
  });
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
