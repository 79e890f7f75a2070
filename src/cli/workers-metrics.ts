/** The counters of the workers, added up, as the metrics want them. Read anew by the first capture's refreshCounters. */

import type { EffectiveConfig } from '../config/load.ts';
import { NOT_SENT_REASONS } from '../export/message.ts';
import type {
  CaptureMetrics,
  CollectorMetrics,
  FragmentMetrics,
  MeterMetrics,
  RecordMetrics,
  RouteMetrics,
} from '../metrics/sources.ts';
import { TUNNELS } from '../packet/decapsulator.ts';
import { IGNORED_REASONS } from '../packet/packet-view.ts';
import { NOT_OPENED_REASONS } from '../packet/tunnel-header.ts';
import type { TransportState } from '../transport/session.ts';
import { ENDED, FRAGMENT_COUNTS, RECORD_COUNTS } from '../workers/counters.ts';
import type { Supervisor } from '../workers/supervisor.ts';
import type { CollectorInSlot } from './line-card.ts';
import type { LineMetrics } from './line-metrics.ts';

/** What is shown of several that differ: the worst. */
const WORST_FIRST: readonly TransportState[] = ['failing', 'resolving', 'sending'];

export interface WorkersMetrics extends LineMetrics {
  refresh(): void;
  /** The collectors are these now. */
  follow(collectors: readonly CollectorInSlot[]): void;
  /** Of one that is no more, brought up to date. */
  ofCollector(collector: CollectorInSlot): CollectorMetrics;
}

export function workersMetrics(
  supervisor: Supervisor,
  config: Pick<EffectiveConfig, 'interfaces' | 'routes' | 'decapsulate'>,
): WorkersMetrics {
  const { interfaces } = config;
  const workers = Array.from({ length: supervisor.count }, (_, index) => index);
  /** As it is now, without the totals that a scrape is reading. */
  const now = (name: string): number =>
    workers.reduce((sum, worker) => sum + supervisor.numberOf(worker, name), 0);
  const following: CollectorMetrics[] = [];
  const ofCollector = ({ slot, collector }: CollectorInSlot): CollectorMetrics =>
    collectorMetrics(supervisor, collector, `collector.${slot}`, now);
  return {
    refresh: () => supervisor.refresh(),
    captures: interfaces.map((name, i) => captureMetrics(supervisor, name, `capture.${i}`, now)),
    meter: meterMetrics(supervisor, config.decapsulate.length > 0),
    routes: config.routes !== 'off' ? routeMetrics(supervisor) : undefined,
    collectors: following,
    follow(collectors) {
      following.splice(0, following.length, ...collectors.map(ofCollector));
    },
    ofCollector(collector) {
      supervisor.refresh();
      return ofCollector(collector);
    },
    workers: {
      get running() {
        return supervisor.running;
      },
      get restarts() {
        return supervisor.restarts;
      },
      get each() {
        return workers.map((worker) => ({
          capturedPackets: supervisor.numberOf(worker, 'capturedPackets'),
          kernelDroppedPackets: interfaces.reduce(
            (sum, _, i) => sum + supervisor.numberOf(worker, `capture.${i}.kernelDroppedPackets`),
            0,
          ),
          eventLoopLagSeconds: supervisor.numberOf(worker, 'eventLoopLagSeconds'),
        }));
      },
    },
  };
}

function captureMetrics(
  supervisor: Supervisor,
  name: string,
  capture: string,
  now: (name: string) => number,
): CaptureMetrics {
  const total = (number: string): number => supervisor.total(`${capture}.${number}`);
  return {
    interface: name,
    counters: {
      get frames() {
        return total('frames');
      },
      get kernelDroppedPackets() {
        return total('kernelDroppedPackets');
      },
      get ringFreezes() {
        return total('ringFreezes');
      },
    },
    /** Every worker that runs captures there. */
    get capturing() {
      const { running } = supervisor;
      return running > 0 && now(`${capture}.capturing`) >= running;
    },
    refreshCounters: () => supervisor.refresh(),
  };
}

function meterMetrics(supervisor: Supervisor, opensTunnels: boolean): MeterMetrics {
  const total = (name: string): number => supervisor.total(name);
  return {
    get capturedPackets() {
      return total('capturedPackets');
    },
    get capturedOctets() {
      return total('capturedOctets');
    },
    get meteredPackets() {
      return total('meteredPackets');
    },
    get meteredOctets() {
      return total('meteredOctets');
    },
    get ignoredPackets() {
      return IGNORED_REASONS.map((reason) => total(`ignoredPackets.${reason}`));
    },
    get ignoredOctets() {
      return IGNORED_REASONS.map((reason) => total(`ignoredOctets.${reason}`));
    },
    get flowsActive() {
      return total('flowsActive');
    },
    get maxFlows() {
      return total('maxFlows');
    },
    get flowsCreated() {
      return total('flowsCreated');
    },
    get flowsEnded() {
      const ended = Object.fromEntries(ENDED.map(({ name }) => [name, total(`ended.${name}`)]));
      return { ...ended, worker_died: total('flowsDied') };
    },
    get flowsCrowdedOut() {
      return total('flowsCrowdedOut');
    },
    get recordsExported() {
      return ENDED.reduce((sum, { name }) => sum + total(`records.${name}`), 0);
    },
    get inTablePackets() {
      return total('inTablePackets');
    },
    get inTableOctets() {
      return total('inTableOctets');
    },
    fragments: {
      get counters() {
        const counts = FRAGMENT_COUNTS.map((count) => [count, total(`fragments.${count}`)]);
        return Object.fromEntries(counts) as FragmentMetrics['counters'];
      },
      get datagrams() {
        return total('fragmentDatagrams');
      },
      get waitingPackets() {
        return total('fragmentsWaitingPackets');
      },
      get waitingOctets() {
        return total('fragmentsWaitingOctets');
      },
    },
    tunnels: opensTunnels
      ? {
          get openedPackets() {
            return TUNNELS.map((tunnel) => total(`opened.${tunnel}`));
          },
          get notOpenedPackets() {
            return NOT_OPENED_REASONS.map((reason) => total(`notOpened.${reason}`));
          },
        }
      : undefined,
  };
}

/** Each worker reads them for itself; those of the first are told. */
function routeMetrics(supervisor: Supervisor): RouteMetrics {
  const first = (name: string): number => supervisor.numberOf(0, name);
  return {
    get ipv4Routes() {
      return first('ipv4Routes');
    },
    get ipv6Routes() {
      return first('ipv6Routes');
    },
    get reads() {
      return first('routeReads');
    },
    get failures() {
      return first('routeFailures');
    },
    get monitors() {
      return first('routeMonitors');
    },
    get unfollowed() {
      return first('routesUnfollowed');
    },
    get readSeconds() {
      return first('routeReadMilliseconds') / 1000;
    },
    get ageSeconds() {
      return first('routeAgeMilliseconds') / 1000;
    },
  };
}

function collectorMetrics(
  supervisor: Supervisor,
  { url, protocol }: { readonly url: string; readonly protocol: string },
  collector: string,
  now: (name: string) => number,
): CollectorMetrics {
  const total = (name: string): number => supervisor.total(`${collector}.${name}`);
  const counts = (read: (count: string) => number): RecordMetrics => {
    const [records, packets, octets] = RECORD_COUNTS.map(read);
    return { records: records!, packets: packets!, octets: octets! };
  };
  const lostBy = (reason: string): RecordMetrics => counts((count) => total(`notSent.${reason}.${count}`));
  return {
    url,
    protocol,
    get state() {
      return WORST_FIRST.find((state) => now(`${collector}.state.${state}`) > 0) ?? 'resolving';
    },
    get sent() {
      return counts((count) => total(`sent.${count}`));
    },
    get queued() {
      return counts((count) =>
        NOT_SENT_REASONS.reduce(
          (left, reason) => left - total(`notSent.${reason}.${count}`),
          total(`accepted.${count}`) - total(`sent.${count}`),
        ),
      );
    },
    get balancedAway() {
      return counts((count) => total(`balancedAway.${count}`));
    },
    get notSent() {
      return NOT_SENT_REASONS.map((reason) => [reason, lostBy(reason)] as const);
    },
    get messagesSent() {
      return total('messagesSent');
    },
    get messageOctetsSent() {
      return total('messageOctetsSent');
    },
    get wideInterfaceRecords() {
      return total('wideInterfaceRecords');
    },
    get templatesSent() {
      return total('templatesSent');
    },
    get sendErrors() {
      return total('sendErrors');
    },
    get resolutions() {
      return total('resolutions');
    },
    get sessions() {
      return total('sessions');
    },
  };
}
