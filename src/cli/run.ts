/** `weir run`: capture, meter and export until SIGTERM or SIGINT. */

import { randomBytes } from 'node:crypto';
import { opensInterface } from '../capture/filter.ts';
import type { PacketSource } from '../capture/packet-source.ts';
import type { EffectiveConfig, Loaded } from '../config/load.ts';
import { KernelRoutes } from '../host/kernel-routes.ts';
import { type Outlet, Probe } from '../probe.ts';
import { ownRights } from '../system/rights.ts';
import type { CommandContext } from './context.ts';
import { liveDecapsulation } from './decapsulation.ts';
import { EXIT_FAILED, EXIT_OK, UserError } from './errors.ts';
import { FlowTableView } from './flow-table-view.ts';
import { jsonLines, localOutlet, toView } from './local-collector.ts';
import type { Log } from './log.ts';
import { type RunningMetrics, startMetrics } from './metrics.ts';
import { type CollectorOutlet, collectorOutlet, warnOfLonelyGroups } from './outlets.ts';
import { OwnExport } from './own-export.ts';
import { type Collectors, collectorKey, Reloader } from './reload.ts';
import { reportTotals } from './report.ts';
import { keepRightsFromChildren, reportRights } from './rights-report.ts';
import { probeSettings } from './settings.ts';
import { liveSources } from './sources.ts';
import { StateFile, type UncleanEnd } from './state-file.ts';

/** From SIGTERM to the end, with every flow exported and every queue drained. */
const STOP_WITHIN_MILLISECONDS = 4200;
const STATE_LOG_SECONDS = 60;

/**
 * Resolves to the exit code: 1 if the capture failed.
 * @param load reads the configuration again, at SIGHUP; undefined: there is no file, and SIGHUP ends the command
 */
export async function run(
  context: CommandContext,
  config: EffectiveConfig,
  load?: (() => Loaded) | undefined,
): Promise<number> {
  const { log, signal } = context;
  reportRights(ownRights(), log);
  const filterOpens = config.filter !== undefined && opensInterface(config.filter);
  keepRightsFromChildren(filterOpens, log);
  const sources = await liveSources(config, log);
  if (filterOpens) keepRightsFromChildren(false, log);
  warnOfLonelyGroups(config.collectors, log);
  const collectors: Collectors = new Map(
    config.collectors.map((each) => [collectorKey(each), collectorOutlet(each, config.maxFlows, log, true)]),
  );
  const { outlets, view, lines } = localView(context, config, sources, [...collectors.values()]);
  const routes = config.routes === 'off' ? undefined : kernelRoutes(log);

  const decapsulation = liveDecapsulation(config, log);

  let failures = 0;
  const probe: Probe = new Probe({
    ...probeSettings(config, randomBytes(8)),
    decapsulator: decapsulation.decapsulator,
    sources,
    live: true,
    routes,
    outlets: [...collectors.values(), ...outlets],
    clocks: { unix: Date.now, monotonic: () => performance.now() },
    ownExport: ownExport(config, () => [...collectors.values(), ...reloader.leaving]),
    onNotice: (outlet, text) => log.warn(text, { collector: outlet }),
    onSourceError(error) {
      failures++;
      log.error(error instanceof Error ? error.message : String(error));
    },
  });
  const state = stateFile(config.state, probe, log);
  let metrics: RunningMetrics | undefined;
  const reloader = new Reloader({
    config,
    load: load ?? (() => ({ config, mistakes: [] })),
    probe,
    collectors,
    log,
    onChange: () => metrics?.follow([...collectors.values()]),
  });

  try {
    const unclean = state?.begin();
    if (unclean !== undefined) reportUncleanEnd(unclean, log);
    metrics = await startMetrics(
      config.metrics,
      config.interfaces,
      sources,
      probe,
      [...collectors.values()],
      routes,
      context.version,
      { reloads: reloader.counters, ...(state !== undefined && { unclean: unclean ?? null }) },
    );
    // Before the first packet, so that the first flows have theirs.
    await routes?.start();
    await probe.start();
  } catch (error) {
    decapsulation.stop();
    await metrics?.stop();
    await routes?.stop();
    await probe.stop(0);
    state?.undo();
    throw new UserError(error instanceof Error ? error.message : String(error));
  }
  let isEnding = false;
  if (load !== undefined) {
    context.onReload?.(() => {
      if (!isEnding) reloader.reload();
    });
  }
  log.info('capturing', {
    interfaces: config.interfaces,
    direction: config.direction,
    collectors: config.collectors.map(({ url }) => url),
    ...(metrics === undefined ? {} : { metrics: metrics.url }),
  });
  if (view !== undefined) log.repaint(view);
  view?.start();

  const asked = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([asked, probe.finished]);

  isEnding = true;
  await Promise.all([probe.stop(STOP_WITHIN_MILLISECONDS), routes?.stop()]);
  decapsulation.stop();
  log.repaint(undefined);
  view?.stop();
  await metrics?.stop();
  state?.end();
  if (lines !== undefined && lines.dropped > 0) {
    log.warn('standard output was read too slowly', { recordsNotWritten: lines.dropped });
  }
  reportTotals(probe, log);
  return failures > 0 ? EXIT_FAILED : EXIT_OK;
}

/** @param path undefined: none is kept */
function stateFile(path: string | undefined, probe: Probe, log: Log): StateFile | undefined {
  if (path === undefined) return undefined;
  const { meter } = probe;
  return new StateFile({
    path,
    clock: Date.now,
    held: () => ({
      flows: meter.flows,
      packets: meter.meteredPackets - meter.recordedPackets,
      octets: meter.meteredOctets - meter.recordedOctets,
      queuedRecords: probe.exports.reduce((sum, { exporter }) => sum + exporter.queued.records, 0),
    }),
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

function kernelRoutes(log: Log): KernelRoutes {
  return new KernelRoutes({
    monotonicMilliseconds: () => performance.now(),
    onNotice: (text) => log.warn(text),
  });
}

/** What standard output shows: nothing, JSON lines, or a live table. */
function localView(
  { stdout, isTerminal, color }: CommandContext,
  config: EffectiveConfig,
  sources: readonly PacketSource[],
  collectors: readonly Outlet[],
): { outlets: Outlet[]; view: FlowTableView | undefined; lines?: { readonly dropped: number } } {
  if (!config.json && collectors.length > 0) return { outlets: [], view: undefined };
  if (config.json || !isTerminal) {
    const lines = jsonLines(stdout);
    return { outlets: [localOutlet(lines, config.observationDomain)], view: undefined, lines };
  }
  const view = new FlowTableView({
    output: stdout,
    color,
    interfaceName: (index) => sources.flatMap((s) => s.interfaces).find((i) => i.index === index)?.name,
  });
  return { outlets: [localOutlet(toView(view), config.observationDomain)], view };
}

/** A router that counts what comes in never sees its own datagrams; on the way out, and on loopback, it does. */
function ownExport(
  config: EffectiveConfig,
  collectors: () => readonly CollectorOutlet[],
): OwnExport | undefined {
  if (config.direction === 'ingress' && !config.interfaces.includes('lo')) return undefined;
  return new OwnExport(() => collectors().flatMap(({ transport }) => transport.endpoints ?? []));
}
