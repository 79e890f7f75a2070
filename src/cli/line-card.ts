/** What a worker thread runs: the line of its share of the configuration, on a card. */
import { parentPort, workerData } from 'node:worker_threads';
import type { EffectiveConfig } from '../config/load.ts';
import { shareOf } from '../config/worker-share.ts';
import { LoopLag } from '../metrics/loop-lag.ts';
import { runLineCard } from '../worker.ts';
import type { WorkerData } from '../workers/messages.ts';
import { liveLine } from './line.ts';
import { localOptions } from './local-collector.ts';
import { createLogOf } from './log.ts';
import type { FilterPrograms } from './sources.ts';

/** What the main thread gives. */
export interface LineOfWorker {
  readonly config: EffectiveConfig;
  readonly filters: FilterPrograms;
  /** The main thread shows the records. */
  readonly isShown: boolean;
}

/** How long the event loop's delays are gathered. */
const LAG_MILLISECONDS = 1000;

await runLineCard(parentPort!, workerData as WorkerData, (given, surroundings) => {
  const { config: whole, filters, isShown } = given as LineOfWorker;
  const config = shareOf(whole, surroundings.index);
  const lag = new LoopLag();
  lag.start();
  let eventLoopLagSeconds = 0;
  setInterval(() => {
    eventLoopLagSeconds = lag.take().max;
  }, LAG_MILLISECONDS).unref();
  const shown = isShown
    ? [{ ...localOptions(config.observationDomain), transport: surroundings.toMainThread }]
    : [];
  const log = createLogOf(surroundings.log, () => performance.now());
  const line = liveLine(config, {
    ...surroundings,
    log,
    filters,
    outlets: shown,
  });
  return {
    ...line,
    collectors: [...line.collectors.values()],
    eventLoopLagSeconds: () => eventLoopLagSeconds,
    flushLog: () => log.flush(),
  };
});
