/** From the configuration to a line: sources, ways out and the probe between them. The same in every thread. */
import { randomBytes } from 'node:crypto';
import type { FanoutGroup } from '../capture/fanout.ts';
import type { PacketSource } from '../capture/packet-source.ts';
import type { EffectiveConfig } from '../config/load.ts';
import { KernelRoutes } from '../host/kernel-routes.ts';
import { type Outlet, Probe, type ProbeOptions } from '../probe.ts';
import { liveDecapsulation } from './decapsulation.ts';
import type { Log } from './log.ts';
import { type CollectorOutlet, collectorKey, collectorOutlet } from './outlets.ts';
import { OwnExport } from './own-export.ts';
import { probeSettings, warnOfLongWay } from './settings.ts';
import { type FilterPrograms, liveSources } from './sources.ts';

/** The collectors of a line, by {@link collectorKey}, in the order of the configuration. */
export type Collectors = Map<string, CollectorOutlet>;

export interface Line {
  readonly probe: Probe;
  /** In the order of the configuration's interfaces. */
  readonly sources: readonly PacketSource[];
  readonly collectors: Collectors;
  /** The kernel's; undefined: they are not asked for. */
  readonly routes: KernelRoutes | undefined;
  /** Begins to capture. */
  start(): Promise<void>;
  /** Exports every flow and drains every queue. */
  stop(withinMilliseconds: number): Promise<void>;
}

export interface LineOptions extends Pick<ProbeOptions, 'onNotice' | 'onSourceError' | 'onCounted'> {
  readonly log: Log;
  readonly filters: FilterPrograms;
  /** Beside the collectors: standard output. */
  readonly outlets: readonly Outlet[];
  /** Collectors that were taken away and still drain. */
  readonly leaving?: () => Iterable<CollectorOutlet>;
  /** The group that the ring on an interface is a member of. @param position in the configuration */
  readonly group?: (position: number) => FanoutGroup;
}

export function liveLine(config: EffectiveConfig, options: LineOptions): Line {
  const { log, filters, outlets, leaving = () => [], group, onNotice, onSourceError, onCounted } = options;
  const sources = liveSources(config, filters, log, group);
  const collectors: Collectors = new Map(
    config.collectors.map((each) => [collectorKey(each), collectorOutlet(each, config.maxFlows, log, true)]),
  );
  const routes = config.routes === 'off' ? undefined : kernelRoutes(log);
  const decapsulation = liveDecapsulation(config, log);
  const probe = new Probe({
    ...probeSettings(config, randomBytes(8)),
    decapsulator: decapsulation.decapsulator,
    sources,
    live: true,
    routes,
    outlets: [...collectors.values(), ...outlets],
    clocks: { unix: Date.now, monotonic: () => performance.now() },
    ownExport: ownExport(config, () => [...collectors.values(), ...leaving()]),
    onNotice,
    onSourceError,
    onCounted,
  });
  warnOfLongWay(probe.meter, log);
  return {
    probe,
    sources,
    collectors,
    routes,
    async start() {
      // Before the first packet, so that the first flows have theirs.
      await routes?.start();
      await probe.start();
    },
    async stop(withinMilliseconds) {
      await Promise.all([probe.stop(withinMilliseconds), routes?.stop()]);
      decapsulation.stop();
    },
  };
}

function kernelRoutes(log: Log): KernelRoutes {
  return new KernelRoutes({
    monotonicMilliseconds: () => performance.now(),
    onNotice: (text) => log.warn(text),
  });
}

/** A router that counts what comes in never sees its own datagrams; on the way out, and on loopback, it does. */
function ownExport(
  config: EffectiveConfig,
  collectors: () => readonly CollectorOutlet[],
): OwnExport | undefined {
  if (config.direction === 'ingress' && !config.interfaces.includes('lo')) return undefined;
  return new OwnExport(() => collectors().flatMap(({ transport }) => transport.endpoints ?? []));
}
