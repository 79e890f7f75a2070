/** `weir run`: capture, meter and export until SIGTERM or SIGINT. */

import { opensInterface } from '../capture/filter.ts';
import type { EffectiveConfig, Loaded } from '../config/load.ts';
import type { Outlet } from '../probe.ts';
import { ownRights } from '../system/rights.ts';
import type { CommandContext } from './context.ts';
import { EXIT_FAILED, EXIT_OK, UserError } from './errors.ts';
import { FlowTableView } from './flow-table-view.ts';
import { liveLine } from './line.ts';
import { collectorMetrics, type LineMetrics, lineMetrics } from './line-metrics.ts';
import { jsonLines, localOutlet, type RecordSink, toView } from './local-collector.ts';
import type { Log } from './log.ts';
import { type RunningMetrics, startMetrics } from './metrics.ts';
import { type CollectorOutlet, collectorOutlet, warnOfLonelyGroups } from './outlets.ts';
import { DRAIN_MILLISECONDS, Reloader } from './reload.ts';
import { reportExport, reportTotals } from './report.ts';
import { keepRightsFromChildren, reportRights } from './rights-report.ts';
import type { RunningLine } from './running-line.ts';
import { compileFilters, type FilterPrograms } from './sources.ts';
import { StateFile, type UncleanEnd } from './state-file.ts';

/** From SIGTERM to the end, with every flow exported and every queue drained. */
const STOP_WITHIN_MILLISECONDS = 4200;
const STATE_LOG_SECONDS = 60;

/**
 * Resolves to the exit code: 1 if the capture failed.
 * @param load reads the configuration again, at SIGHUP; undefined: there is no file, and SIGHUP ends the command
 * @param lineCard what a worker's thread runs; undefined: Weir's own
 */
export async function run(
  context: CommandContext,
  config: EffectiveConfig,
  load?: (() => Loaded) | undefined,
  lineCard?: URL,
): Promise<number> {
  const { log, signal } = context;
  reportRights(ownRights(), log);
  const filterOpens = config.filter !== undefined && opensInterface(config.filter);
  keepRightsFromChildren(filterOpens, log);
  const filters = await compileFilters(config);
  if (filterOpens) keepRightsFromChildren(false, log);
  warnOfLonelyGroups(config.collectors, log);
  const { sink, view, lines } = localView(context, config, (index) => line.interfaceName(index));
  let failures = 0;
  const failed = (error: unknown): void => {
    failures++;
    log.error(error instanceof Error ? error.message : String(error));
  };
  let line: RunningLine;
  if (config.workerCount === 1) line = lineHere(config, filters, load, log, sink, failed);
  else {
    const { workersLine } = await import('./workers.ts');
    line = workersLine(config, filters, load, log, sink, lineCard);
  }
  const state = stateFile(config.state, line.metrics, log);
  let metrics: RunningMetrics | undefined;

  try {
    const unclean = state?.begin();
    if (unclean !== undefined) reportUncleanEnd(unclean, log);
    metrics = await startMetrics(config.metrics, line.metrics, context.version, {
      reloads: line.reloader.counters,
      ...(state !== undefined && { unclean: unclean ?? null }),
    });
    await line.start();
  } catch (error) {
    await metrics?.stop();
    await line.stop(0);
    state?.undo();
    throw error instanceof UserError
      ? error
      : new UserError(error instanceof Error ? error.message : String(error));
  }
  let isEnding = false;
  if (load !== undefined) {
    context.onReload?.(() => {
      if (!isEnding) line.reloader.reload();
    });
  }
  log.info('capturing', {
    interfaces: config.interfaces,
    direction: config.direction,
    collectors: config.collectors.map(({ url }) => url),
    ...(config.workerCount === 1 ? {} : { workers: config.workerCount }),
    ...(metrics === undefined ? {} : { metrics: metrics.url }),
  });
  if (view !== undefined) log.repaint(view);
  view?.start();

  const asked = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([asked, line.finished.catch(failed)]);

  isEnding = true;
  await line.stop(STOP_WITHIN_MILLISECONDS);
  log.repaint(undefined);
  view?.stop();
  await metrics?.stop();
  state?.end();
  if (lines !== undefined && lines.dropped > 0) {
    log.warn('standard output was read too slowly', { recordsNotWritten: lines.dropped });
  }
  reportTotals({ ...line.metrics, unknownLinkTypes: line.unknownLinkTypes }, log);
  return failures > 0 ? EXIT_FAILED : EXIT_OK;
}

/** The line in this thread. */
function lineHere(
  config: EffectiveConfig,
  filters: FilterPrograms,
  load: (() => Loaded) | undefined,
  log: Log,
  sink: RecordSink | undefined,
  onSourceError: (error: unknown) => void,
): RunningLine {
  const outlets: Outlet[] = sink === undefined ? [] : [localOutlet(sink, config.observationDomain)];
  const onNotice = (outlet: string, text: string) => log.warn(text, { collector: outlet });
  /** Collectors that were taken away, and still drain. */
  const leaving = new Set<CollectorOutlet>();
  const line = liveLine(config, { log, filters, outlets, leaving: () => leaving, onNotice, onSourceError });
  const { probe } = line;
  const metrics = lineMetrics(config.interfaces, line);
  const remove = async (outlet: CollectorOutlet): Promise<void> => {
    const counts = collectorMetrics(outlet, probe);
    leaving.add(outlet);
    await probe.removeOutlet(outlet, DRAIN_MILLISECONDS);
    leaving.delete(outlet);
    reportExport(counts, log);
  };
  const reloader = new Reloader<CollectorOutlet>({
    config,
    load: load ?? (() => ({ config, mistakes: [] })),
    collectors: {
      current: line.collectors,
      // The queue is sized by the table, which stays as it is.
      make: (collector) => collectorOutlet(collector, config.maxFlows, log, true),
      follow(gone, fresh) {
        for (const outlet of gone) void remove(outlet);
        for (const outlet of fresh) probe.addOutlet(outlet);
        metrics.follow();
      },
    },
    log,
  });
  return {
    metrics,
    unknownLinkTypes: probe.meter.unknownLinkTypes,
    reloader,
    interfaceName: (index) =>
      line.sources.flatMap(({ interfaces }) => interfaces).find((each) => each.index === index)?.name,
    start: () => line.start(),
    get finished() {
      return probe.finished;
    },
    stop: (withinMilliseconds) => line.stop(withinMilliseconds),
  };
}

/** @param path undefined: none is kept */
function stateFile(path: string | undefined, metrics: LineMetrics, log: Log): StateFile | undefined {
  if (path === undefined) return undefined;
  const { captures, meter, collectors } = metrics;
  return new StateFile({
    path,
    clock: Date.now,
    held() {
      for (const capture of captures) capture.refreshCounters();
      return {
        flows: meter.flowsActive,
        packets: meter.inTablePackets,
        octets: meter.inTableOctets,
        queuedRecords: collectors.reduce((sum, { queued }) => sum + queued.records, 0),
      };
    },
    onError: (error) =>
      log.rateLimited('state', STATE_LOG_SECONDS).warn(`the state file cannot be written: ${String(error)}`),
  });
}

function reportUncleanEnd({ last }: UncleanEnd, log: Log): void {
  if (last === undefined) {
    log.warn('the last run did not end cleanly; its state file says no more');
    return;
  }
  log.warn(`the last run did not end cleanly: it was last alive at ${last.aliveAt}`, {
    startedAt: last.startedAt,
    flowsInTable: last.flows,
    packetsInTable: last.packets,
    octetsInTable: last.octets,
    recordsQueued: last.queuedRecords,
  });
}

/** What standard output shows: nothing, JSON lines, or a live table. */
function localView(
  { stdout, isTerminal, color }: CommandContext,
  config: EffectiveConfig,
  interfaceName: (index: number) => string | undefined,
): {
  sink: RecordSink | undefined;
  view: FlowTableView | undefined;
  lines?: { readonly dropped: number };
} {
  if (!config.json && config.collectors.length > 0) return { sink: undefined, view: undefined };
  if (config.json || !isTerminal) {
    const lines = jsonLines(stdout);
    return { sink: lines, view: undefined, lines };
  }
  const view = new FlowTableView({ output: stdout, color, interfaceName });
  return { sink: toView(view), view };
}
