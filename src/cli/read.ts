/** `weir read`: capture files through the whole line. */

import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { PcapFileSource } from '../capture/pcap-file.ts';
import type { EffectiveConfig } from '../config/load.ts';
import { IGNORED_REASONS } from '../packet/packet-view.ts';
import { type Outlet, Probe } from '../probe.ts';
import type { CommandContext } from './context.ts';
import { fileDecapsulator } from './decapsulation.ts';
import { EXIT_FAILED, EXIT_OK } from './errors.ts';
import { FlowSummary } from './flow-summary.ts';
import { collectorMetrics, meterMetrics } from './line-metrics.ts';
import { jsonLines, localOutlet, toView } from './local-collector.ts';
import { collectorOutlets } from './outlets.ts';
import { reportTotals } from './report.ts';
import { probeSettings, warnOfLongWay } from './settings.ts';

/** How long queues may take to drain at the end: a file's records are worth waiting for … */
const DRAIN_MILLISECONDS = 60_000;
/** … but not after SIGINT or SIGTERM. */
const INTERRUPTED_DRAIN_MILLISECONDS = 4200;

/** A progress bar on a terminal; loaded only there, because that takes 30 ms. */
async function startProgress(
  { stderr, color, log }: CommandContext,
  files: readonly string[],
  state: () => { octets: number; packets: number; flows: number },
) {
  if (stderr.isTTY !== true) return undefined;
  const { ReadProgress } = await import('./progress.ts');
  const progress = new ReadProgress({ output: stderr, color, totalOctets: totalOctets(files), state });
  log.repaint(progress);
  progress.start();
  return progress;
}

/** Octets of all files; undefined where one is no regular file, and nobody knows. */
function totalOctets(files: readonly string[]): number | undefined {
  let total = 0;
  for (const file of files) {
    const status = file === '-' ? undefined : statSync(file, { throwIfNoEntry: false });
    if (status?.isFile() !== true) return undefined;
    total += status.size;
  }
  return total;
}

/** Resolves to the exit code: 1 if a file could not be read to its end or a record was not sent. */
export async function read(
  context: CommandContext,
  config: EffectiveConfig,
  files: readonly string[],
): Promise<number> {
  const { stdout, isTerminal, color, log, signal } = context;
  const sources = files.map((path) => new PcapFileSource({ path }));
  const collectors = collectorOutlets(config, log, false);
  const outlets: Outlet[] = [...collectors];
  const summary = outlets.length === 0 && isTerminal && !config.json ? new FlowSummary() : undefined;
  if (summary !== undefined) outlets.push(localOutlet(toView(summary), config.observationDomain));
  else if (config.json || outlets.length === 0)
    outlets.push(localOutlet(jsonLines(stdout), config.observationDomain));

  let failures = 0;
  const probe = new Probe({
    ...probeSettings(config, randomBytes(8)),
    decapsulator: fileDecapsulator(config),
    sources,
    live: false,
    outlets,
    clocks: { unix: Date.now, monotonic: () => performance.now() },
    onNotice: (outlet, text) => log.warn(text, { collector: outlet }),
    onSourceError(error) {
      failures++;
      log.error(error instanceof Error ? error.message : String(error));
    },
  });
  const { meter } = probe;
  warnOfLongWay(meter, log);
  const progress = await startProgress(context, files, () => ({
    octets: sources.reduce((sum, source) => sum + source.octetsRead, 0),
    packets: meter.capturedPackets,
    flows: meter.flows,
  }));

  const interrupted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    await probe.start();
    await Promise.race([probe.finished, interrupted]);
  } finally {
    progress?.stop();
    log.repaint(undefined);
    const drained = probe.stop(DRAIN_MILLISECONDS);
    // Whoever interrupts wants an end soon, also of the draining.
    const soon = interrupted.then(() => probe.stop(INTERRUPTED_DRAIN_MILLISECONDS));
    await Promise.race([drained, soon]);
  }

  if (summary !== undefined) {
    const ignored = new Map(IGNORED_REASONS.map((reason, i) => [reason as string, meter.ignoredPackets[i]!]));
    const flows = meter.tables[0].created + meter.tables[1].created;
    for (const line of summary.lines(stdout.columns ?? 80, color, { flows, ignoredPackets: ignored })) {
      stdout.write(`${line}\n`);
    }
  }
  const totals = {
    meter: meterMetrics(probe),
    collectors: collectors.map((outlet) => collectorMetrics(outlet, probe)),
    unknownLinkTypes: meter.unknownLinkTypes,
  };
  const lost = reportTotals(totals, log);
  return failures > 0 || lost > 0 ? EXIT_FAILED : EXIT_OK;
}
