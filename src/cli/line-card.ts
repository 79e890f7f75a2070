/** What a worker thread runs: the line of its share of the configuration, on a card. */
import { parentPort, workerData } from 'node:worker_threads';
import type { CollectorConfig } from '../config/collector-url.ts';
import type { EffectiveConfig } from '../config/load.ts';
import { shareOf } from '../config/worker-share.ts';
import { LoopLag } from '../metrics/loop-lag.ts';
import { runLineCard } from '../worker.ts';
import type { CountedCollector } from '../workers/counters.ts';
import type { WorkerData } from '../workers/messages.ts';
import { liveLine } from './line.ts';
import { localOptions } from './local-collector.ts';
import { createLogOf } from './log.ts';
import { type CollectorOutlet, collectorOutlet } from './outlets.ts';
import { DRAIN_MILLISECONDS } from './reload.ts';
import type { FilterPrograms } from './sources.ts';

/** What the main thread gives: for all workers the same. */
export interface LineOfWorker {
  readonly config: EffectiveConfig;
  readonly filters: FilterPrograms;
  /** The main thread shows the records. */
  readonly isShown: boolean;
  /** The collectors of now, in slots that are no one else's, before or after. */
  readonly collectors: readonly CollectorInSlot[];
}

export interface CollectorInSlot {
  readonly slot: number;
  readonly collector: CollectorConfig;
}

/** How long the event loop's delays are gathered. */
const LAG_MILLISECONDS = 1000;

await runLineCard(parentPort!, workerData as WorkerData, (given, surroundings) => {
  const { config: whole, filters, isShown, collectors: first } = given as LineOfWorker;
  /** Of these collectors, what is this worker's. */
  const share = (collectors: readonly CollectorInSlot[]): EffectiveConfig =>
    shareOf({ ...whole, collectors: collectors.map(({ collector }) => collector) }, surroundings.index);
  const config = share(first);
  const lag = new LoopLag();
  lag.start();
  let eventLoopLagSeconds = 0;
  setInterval(() => {
    eventLoopLagSeconds = lag.take().max;
  }, LAG_MILLISECONDS).unref();
  const log = createLogOf(surroundings.log, () => performance.now());
  const shown = { ...localOptions(config.observationDomain), transport: surroundings.toMainThread };
  const line = liveLine(config, { ...surroundings, log, filters, outlets: isShown ? [shown] : [] });
  const { probe, sources, routes } = line;

  const outlets = new Map<number, CollectorOutlet>();
  const counted: CountedCollector[] = [];
  const take = (slot: number, outlet: CollectorOutlet): void => {
    outlets.set(slot, outlet);
    const { exporter } = probe.exports.find((each) => each.outlet === outlet)!;
    counted[slot] = { exporter, transport: outlet.transport };
  };
  [...line.collectors.values()].forEach((outlet, i) => {
    take(first[i]!.slot, outlet);
  });
  return {
    ...line,
    counted: {
      meter: probe.meter,
      sources,
      collectors: counted,
      routes,
      eventLoopLagSeconds: () => eventLoopLagSeconds,
    },
    follow(next) {
      const { collectors } = next as LineOfWorker;
      for (const [slot, outlet] of outlets) {
        if (collectors.some((each) => each.slot === slot)) continue;
        outlets.delete(slot);
        void probe.removeOutlet(outlet, DRAIN_MILLISECONDS);
      }
      share(collectors).collectors.forEach((collector, i) => {
        const { slot } = collectors[i]!;
        if (outlets.has(slot)) return;
        const outlet = collectorOutlet(collector, config.maxFlows, log, true);
        probe.addOutlet(outlet);
        take(slot, outlet);
      });
    },
    flushLog: () => log.flush(),
  };
});
