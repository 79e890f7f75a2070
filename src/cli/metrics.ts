/** The metrics of `run`: the line's plain counters, put together for the registry, behind an HTTP server. */

import { performance } from 'node:perf_hooks';
import process from 'node:process';
import type { PacketSource } from '../capture/packet-source.ts';
import { FLOW_END_REASON_NAMES } from '../flow/meter.ts';
import type { KernelRoutes } from '../host/kernel-routes.ts';
import { LoopLag } from '../metrics/loop-lag.ts';
import { buildRegistry } from '../metrics/registry.ts';
import { MetricsServer } from '../metrics/server.ts';
import type {
  CaptureMetrics,
  CollectorMetrics,
  MeterMetrics,
  RouteMetrics,
  RunMetrics,
} from '../metrics/sources.ts';
import type { Probe } from '../probe.ts';
import type { CollectorOutlet } from './outlets.ts';

export interface RunningMetrics {
  /** Where Prometheus scrapes. */
  readonly url: string;
  /** The collectors are these now. */
  follow(outlets: readonly CollectorOutlet[]): void;
  stop(): Promise<void>;
}

/**
 * @param endpoint where to listen; undefined: off
 * @param interfaces the names, in the order of `sources`
 */
export async function startMetrics(
  endpoint: { readonly host: string; readonly port: number } | undefined,
  interfaces: readonly string[],
  sources: readonly PacketSource[],
  probe: Probe,
  outlets: readonly CollectorOutlet[],
  routes: KernelRoutes | undefined,
  version: string,
  run: RunMetrics,
): Promise<RunningMetrics | undefined> {
  if (endpoint === undefined) return undefined;
  const captures = sources.map((source, i) => captureMetrics(interfaces[i]!, source));
  const collectors = outlets.map((outlet) => collectorMetrics(outlet, probe));
  const loopLag = new LoopLag();
  const registry = buildRegistry({
    captures,
    meter: meterMetrics(probe),
    routes: routes && routeMetrics(routes),
    collectors,
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
    captures,
    collectors,
  });
  const bound = await server.start();
  loopLag.start();
  const host = bound.address.includes(':') ? `[${bound.address}]` : bound.address;
  return {
    url: `http://${host}:${bound.port}/metrics`,
    follow(now) {
      collectors.splice(0, collectors.length, ...now.map((outlet) => collectorMetrics(outlet, probe)));
    },
    async stop() {
      loopLag.stop();
      await server.stop();
    },
  };
}

function captureMetrics(name: string, source: PacketSource): CaptureMetrics {
  return {
    interface: name,
    counters: source.counters,
    get capturing() {
      return source.capturing;
    },
    refreshCounters: () => source.refreshCounters(),
  };
}

function meterMetrics({ meter }: Probe): MeterMetrics {
  const endedBy = (reason: number): number => meter.tables[0].ended[reason]! + meter.tables[1].ended[reason]!;
  return {
    get capturedPackets() {
      return meter.capturedPackets;
    },
    get capturedOctets() {
      return meter.capturedOctets;
    },
    get meteredPackets() {
      return meter.meteredPackets;
    },
    get meteredOctets() {
      return meter.meteredOctets;
    },
    ignoredPackets: meter.ignoredPackets,
    ignoredOctets: meter.ignoredOctets,
    get flowsActive() {
      return meter.flows;
    },
    maxFlows: meter.maxFlows,
    get flowsCreated() {
      return meter.tables[0].created + meter.tables[1].created;
    },
    get flowsCrowdedOut() {
      return meter.tables[0].crowdedOut + meter.tables[1].crowdedOut;
    },
    get flowsEnded() {
      // The reasons begin at 1: flatMap passes over the hole at 0.
      return Object.fromEntries(FLOW_END_REASON_NAMES.flatMap((name, reason) => [[name, endedBy(reason)]]));
    },
    get recordsExported() {
      return meter.records.reduce((sum, n) => sum + n, 0);
    },
    get inTablePackets() {
      return meter.meteredPackets - meter.recordedPackets;
    },
    get inTableOctets() {
      return meter.meteredOctets - meter.recordedOctets;
    },
    fragments: meter.fragments,
    tunnels: meter.decapsulator,
  };
}

function routeMetrics(routes: KernelRoutes): RouteMetrics {
  return {
    get ipv4Routes() {
      return routes.count(4);
    },
    get ipv6Routes() {
      return routes.count(6);
    },
    get reads() {
      return routes.counters.reads;
    },
    get failures() {
      return routes.counters.failures;
    },
    get monitors() {
      return routes.counters.monitors;
    },
    get unfollowed() {
      return routes.unfollowedRules + routes.unfollowedRoutes;
    },
    get readSeconds() {
      return routes.readMilliseconds / 1000;
    },
    get ageSeconds() {
      return routes.ageMilliseconds / 1000;
    },
  };
}

function collectorMetrics(outlet: CollectorOutlet, probe: Probe): CollectorMetrics {
  const { exporter } = probe.exports.find((each) => each.outlet === outlet)!;
  const { transport } = outlet;
  return {
    url: outlet.name,
    protocol: outlet.protocol,
    get state() {
      return transport.state;
    },
    sent: exporter.sent,
    get queued() {
      return exporter.queued;
    },
    balancedAway: exporter.balancedAway,
    notSent: exporter.notSent,
    get messagesSent() {
      return exporter.messagesSent;
    },
    get messageOctetsSent() {
      return exporter.messageOctetsSent;
    },
    get wideInterfaceRecords() {
      return exporter.wideInterfaceRecords;
    },
    get templatesSent() {
      return exporter.templatesSent;
    },
    get sendErrors() {
      return transport.counters.sendErrors;
    },
    get resolutions() {
      return transport.counters.resolutions;
    },
    get sessions() {
      return transport.counters.sessions;
    },
  };
}
