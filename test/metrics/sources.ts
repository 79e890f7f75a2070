/** Sources of metrics with numbers that satisfy both identities of conservation. */
import type { LoopLagMetrics, MeterMetrics, MetricSources, RouteMetrics } from '../../src/metrics/sources.ts';
import { IGNORED_REASONS } from '../../src/packet/packet-view.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface TestSources extends MetricSources {
  readonly captures: Mutable<MetricSources['captures'][number]>[];
  readonly meter: Mutable<MeterMetrics>;
  readonly routes: Mutable<RouteMetrics>;
  readonly collectors: Mutable<MetricSources['collectors'][number]>[];
}

export function testSources(): TestSources {
  const eth0 = { frames: 900, kernelDroppedPackets: 0, ringFreezes: 0 };
  const ignored = (counts: Record<string, number>) => IGNORED_REASONS.map((reason) => counts[reason] ?? 0);
  const lag: LoopLagMetrics = { take: () => ({ mean: 0.001, p50: 0.002, p99: 0.003, max: 0.004 }) };
  return {
    captures: [
      {
        interface: 'eth0',
        counters: eth0,
        capturing: true,
        refreshCounters: () => {
          eth0.kernelDroppedPackets = 7;
        },
      },
      {
        interface: 'eth1',
        counters: { frames: 100, kernelDroppedPackets: 1, ringFreezes: 2 },
        capturing: false,
        refreshCounters: () => {},
      },
    ],
    meter: {
      capturedPackets: 1000,
      capturedOctets: 100_000,
      meteredPackets: 990,
      meteredOctets: 99_900,
      ignoredPackets: ignored({ not_ip: 6, bad_ip_length: 4 }),
      ignoredOctets: ignored({ bad_ip_length: 100 }),
      flowsActive: 12,
      maxFlows: 1_048_576,
      flowsCreated: 52,
      flowsCrowdedOut: 3,
      flowsEnded: {
        idle_timeout: 30,
        active_timeout: 0,
        end_of_flow: 0,
        forced_end: 0,
        lack_of_resources: 10,
      },
      recordsExported: 70,
      inTablePackets: 90,
      inTableOctets: 9_900,
      fragments: {
        counters: {
          fragments: 20,
          hits: 9,
          waited: 5,
          expired: 2,
          displaced: 1,
          evictions: 3,
          overlapping: 4,
          tiny: 6,
        },
        datagrams: 8,
        waitingPackets: 7,
        waitingOctets: 10_360,
      },
    },
    run: { reloads: { applied: 2, refused: 1 }, unclean: { last: { flows: 3, packets: 30, octets: 3000 } } },
    routes: {
      ipv4Routes: 900_000,
      ipv6Routes: 200_000,
      reads: 17,
      failures: 3,
      monitors: 2,
      unfollowed: 5,
      readSeconds: 2.5,
      ageSeconds: 61.5,
    },
    collectors: [
      {
        url: 'ipfix://c.example:4739',
        protocol: 'ipfix',
        state: 'failing',
        sent: { records: 40, packets: 500, octets: 50_000 },
        queued: { records: 16, packets: 260, octets: 26_000 },
        balancedAway: { records: 4, packets: 40, octets: 4_000 },
        notSent: new Map([
          ['queue_full', { records: 8, packets: 80, octets: 8_000 }],
          ['refused', { records: 2, packets: 20, octets: 2_000 }],
        ]),
        messagesSent: 5,
        messageOctetsSent: 6_000,
        templatesSent: 3,
        wideInterfaceRecords: 2,
        sendErrors: 4,
        resolutions: 9,
        sessions: 2,
      },
    ],
    program: {
      version: '1.2.3',
      nodeVersion: 'v20.20.2',
      startTimeSeconds: 1_790_000_000,
      memoryUsage: () => ({
        rss: 60_000_000,
        heapTotal: 10_000_000,
        heapUsed: 8_000_000,
        external: 2_000_000,
      }),
      cpuUsage: () => ({ user: 1_500_000, system: 250_000 }),
    },
    loopLag: lag,
  };
}
