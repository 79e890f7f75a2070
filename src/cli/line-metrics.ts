/** The plain counters of a line in this thread, as the metrics want them. */
import type { PacketSource } from '../capture/packet-source.ts';
import { FLOW_END_REASON_NAMES } from '../flow/meter.ts';
import type { KernelRoutes } from '../host/kernel-routes.ts';
import type {
  CaptureMetrics,
  CollectorMetrics,
  MeterMetrics,
  MetricSources,
  RouteMetrics,
} from '../metrics/sources.ts';
import type { Probe } from '../probe.ts';
import type { Line } from './line.ts';
import type { CollectorOutlet } from './outlets.ts';

/** What is counted on the way from the interfaces to the collectors. */
export type LineMetrics = Pick<MetricSources, 'captures' | 'meter' | 'routes' | 'collectors' | 'workers'>;

/**
 * The metrics of a line in this thread.
 * @param interfaces the names, in the order of the sources
 */
export function lineMetrics(
  interfaces: readonly string[],
  { probe, sources, collectors, routes }: Line,
): LineMetrics & { follow(): void } {
  const following = [...collectors.values()].map((outlet) => collectorMetrics(outlet, probe));
  return {
    captures: sources.map((source, i) => captureMetrics(interfaces[i]!, source)),
    meter: meterMetrics(probe),
    routes: routes && routeMetrics(routes),
    collectors: following,
    /** The line's collectors are others now. */
    follow() {
      const now = [...collectors.values()].map((outlet) => collectorMetrics(outlet, probe));
      following.splice(0, following.length, ...now);
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

export function meterMetrics({ meter }: Probe): MeterMetrics {
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

export function collectorMetrics(
  outlet: CollectorOutlet,
  { exports }: Pick<Probe, 'exports'>,
): CollectorMetrics {
  const { exporter } = exports.find((each) => each.outlet === outlet)!;
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
