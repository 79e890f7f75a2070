/** `weir run --workers N`: a line in each of N threads, and what the main thread is left to do. */
import { findInterface } from '../capture/interfaces.ts';
import type { EffectiveConfig } from '../config/load.ts';
import { WorkerFailure } from '../workers/card.ts';
import { Supervisor } from '../workers/supervisor.ts';
import { UserError } from './errors.ts';
import type { LineOfWorker } from './line-card.ts';
import { type RecordSink, WorkersCollector } from './local-collector.ts';
import type { Log } from './log.ts';
import type { RunningLine } from './running-line.ts';
import type { FilterPrograms } from './sources.ts';
import { workersMetrics } from './workers-metrics.ts';

/** What the threads run: a file beside this one, in the bundle as well. */
const LINE_CARD = new URL('./line-card.js', import.meta.url);

/**
 * @param sink takes the records, where they are shown
 * @param entry what the threads run; undefined: Weir's own
 */
export function workersLine(
  config: EffectiveConfig,
  filters: FilterPrograms,
  log: Log,
  sink: RecordSink | undefined,
  entry = LINE_CARD,
): RunningLine {
  const collector = sink && new WorkersCollector(sink);
  const line: LineOfWorker = { config, filters, isShown: sink !== undefined };
  const reloads = { applied: 0, refused: 0 };
  const noticed = new Set<string>();
  const supervisor = new Supervisor({
    count: config.workerCount,
    entry,
    interfaces: config.interfaces,
    collectors: config.collectors.length,
    line,
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
  const metrics = workersMetrics(supervisor, config.interfaces, config.collectors, config.routes !== 'off');
  return {
    metrics,
    unknownLinkTypes: supervisor.unknownLinkTypes,
    finished: supervisor.finished,
    reloader: {
      counters: reloads,
      reload() {
        reloads.refused++;
        log.error(
          'with several workers the configuration is read at the start only; the one before stays in force',
        );
      },
    },
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
