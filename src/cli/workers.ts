/** `weir run --workers N`: a line in each of N threads, and what the main thread is left to do. */

import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { findInterface } from '../capture/interfaces.ts';
import type { EffectiveConfig, Loaded } from '../config/load.ts';
import { WorkerFailure } from '../workers/card.ts';
import { Supervisor } from '../workers/supervisor.ts';
import { UserError } from './errors.ts';
import type { CollectorInSlot, LineOfWorker } from './line-card.ts';
import { type RecordSink, WorkersCollector } from './local-collector.ts';
import type { Log } from './log.ts';
import { collectorKey, collectorOutlet } from './outlets.ts';
import { DRAIN_MILLISECONDS, Reloader } from './reload.ts';
import { reportExport } from './report.ts';
import type { RunningLine } from './running-line.ts';
import type { FilterPrograms } from './sources.ts';
import { workersMetrics } from './workers-metrics.ts';

/** What the threads run: a file beside this one, in the bundle as well. */
const LINE_CARD = new URL('./line-card.js', import.meta.url);

/** Collectors that may be added in a run, beside those of the start. */
const SPARE_SLOTS = 64;

/** A collector of all workers. */
interface WorkersOutlet extends CollectorInSlot {
  readonly name: string;
}

/** The workers give a collector that is taken away so long, and tell no more of it. Keeps no process alive. */
function drained(milliseconds: number): Promise<void> {
  return setTimeoutPromise(milliseconds, undefined, { ref: false });
}

/**
 * @param load reads the configuration again
 * @param sink takes the records, where they are shown
 * @param entry what the threads run; undefined: Weir's own
 */
export function workersLine(
  config: EffectiveConfig,
  filters: FilterPrograms,
  load: (() => Loaded) | undefined,
  log: Log,
  sink: RecordSink | undefined,
  entry = LINE_CARD,
): RunningLine {
  const collector = sink && new WorkersCollector(sink);
  const current = new Map(
    config.collectors.map((each, slot) => [collectorKey(each), { name: each.url, slot, collector: each }]),
  );
  let slots = current.size;
  const line = (): LineOfWorker => ({
    config,
    filters,
    isShown: sink !== undefined,
    collectors: [...current.values()].map(({ slot, collector }) => ({ slot, collector })),
  });
  const noticed = new Set<string>();
  const supervisor = new Supervisor({
    count: config.workerCount,
    entry,
    interfaces: config.interfaces,
    slots: current.size + SPARE_SLOTS,
    collectors: current.size,
    line: line(),
    log: (level, message, fields) => log[level](message, fields),
    onNotice(outlet, text) {
      if (noticed.has(`${outlet} ${text}`)) return;
      noticed.add(`${outlet} ${text}`);
      log.warn(text, { collector: outlet });
    },
    onMessage: (worker, octets) => collector?.message(worker, octets),
    onBegin: (worker) => collector?.begin(worker),
    nowMilliseconds: () => performance.now(),
  });
  const metrics = workersMetrics(supervisor, config);
  metrics.follow([...current.values()]);
  const reloader = new Reloader<WorkersOutlet>({
    config,
    load: load ?? (() => ({ config, mistakes: [] })),
    collectors: {
      current,
      make(collector) {
        // Each worker makes its own; what is wrong with it is to be known before.
        collectorOutlet(collector, config.maxFlows, log, true);
        if (slots === supervisor.layout.collectors) {
          throw new UserError('there were too many collectors in this run; start Weir again to have others');
        }
        return { name: collector.url, slot: slots++, collector };
      },
      follow(gone) {
        supervisor.follow(
          line(),
          [...current.values()].map(({ slot }) => slot),
        );
        metrics.follow([...current.values()]);
        for (const outlet of gone) {
          void drained(DRAIN_MILLISECONDS).then(() => reportExport(metrics.ofCollector(outlet), log));
        }
      },
    },
    log,
  });
  return {
    metrics,
    unknownLinkTypes: supervisor.unknownLinkTypes,
    finished: supervisor.finished,
    reloader,
    interfaceName: namesOf(config.interfaces),
    async start() {
      try {
        await supervisor.start();
      } catch (error) {
        if (!(error instanceof WorkerFailure)) throw error;
        const { message, exitCode } = error;
        throw new UserError(message, exitCode === undefined ? {} : { exitCode });
      }
    },
    async stop(withinMilliseconds) {
      await supervisor.stop(withinMilliseconds);
      metrics.refresh();
    },
  };
}

/** Looks an index up that is not known: interfaces come and go, and then have others. */
function namesOf(interfaces: readonly string[]): (index: number) => string | undefined {
  const names = new Map<number, string | undefined>();
  return (index) => {
    if (!names.has(index))
      names.set(
        index,
        interfaces.find((name) => findInterface(name)?.index === index),
      );
    return names.get(index);
  };
}
