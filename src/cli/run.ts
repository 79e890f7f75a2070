/** `weir run`: capture, meter and export until SIGTERM or SIGINT. */

import { randomBytes } from 'node:crypto';
import type { PacketSource } from '../capture/packet-source.ts';
import type { EffectiveConfig } from '../config/load.ts';
import { type Outlet, Probe } from '../probe.ts';
import type { CommandContext } from './context.ts';
import { EXIT_FAILED, EXIT_OK, UserError } from './errors.ts';
import { FlowTableView } from './flow-table-view.ts';
import { jsonLines, localOutlet, toView } from './local-collector.ts';
import { type RunningMetrics, startMetrics } from './metrics.ts';
import { type CollectorOutlet, collectorOutlets } from './outlets.ts';
import { OwnExport } from './own-export.ts';
import { reportTotals } from './report.ts';
import { probeSettings } from './settings.ts';
import { liveSources } from './sources.ts';

/** From SIGTERM to the end, with every flow exported and every queue drained. */
const STOP_WITHIN_MILLISECONDS = 4200;

/** Resolves to the exit code: 1 if the capture failed. */
export async function run(context: CommandContext, config: EffectiveConfig): Promise<number> {
  const { log, signal } = context;
  const sources = await liveSources(config, log);
  const collectors = collectorOutlets(config, log);
  const { outlets, view, lines } = localView(context, config, sources, collectors);

  let failures = 0;
  const probe = new Probe({
    ...probeSettings(config, randomBytes(8)),
    sources,
    live: true,
    outlets: [...collectors, ...outlets],
    clocks: { unix: Date.now, monotonic: () => performance.now() },
    ownExport: ownExport(config, collectors),
    onNotice: (outlet, text) => log.warn(text, { collector: outlet }),
    onSourceError(error) {
      failures++;
      log.error(error instanceof Error ? error.message : String(error));
    },
  });

  let metrics: RunningMetrics | undefined;
  try {
    metrics = await startMetrics(
      config.metrics,
      config.interfaces,
      sources,
      probe,
      collectors,
      context.version,
    );
    await probe.start();
  } catch (error) {
    await metrics?.stop();
    await probe.stop(0);
    throw new UserError(error instanceof Error ? error.message : String(error));
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

  await probe.stop(STOP_WITHIN_MILLISECONDS);
  log.repaint(undefined);
  view?.stop();
  await metrics?.stop();
  if (lines !== undefined && lines.dropped > 0) {
    log.warn('standard output was read too slowly', { recordsNotWritten: lines.dropped });
  }
  reportTotals(probe, log);
  return failures > 0 ? EXIT_FAILED : EXIT_OK;
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
function ownExport(config: EffectiveConfig, collectors: readonly CollectorOutlet[]): OwnExport | undefined {
  if (config.direction === 'ingress' && !config.interfaces.includes('lo')) return undefined;
  return new OwnExport(() => collectors.flatMap(({ transport }) => transport.endpoints ?? []));
}
