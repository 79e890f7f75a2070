/** `weir convert`: flow logs of AWS through the exporters. */

import type { EffectiveConfig } from '../config/load.ts';
import type { ConvertOutlet } from '../flowlogs/convert-options.ts';
import { Converter } from '../flowlogs/converter.ts';
import { openInterfaceMap } from '../flowlogs/interface-map.ts';
import type { CommandContext } from './context.ts';
import { convertCollectorMetrics, convertCollectors } from './convert-outlets.ts';
import type { ConvertPlan } from './convert-plan.ts';
import { reportConversion } from './convert-report.ts';
import { convertReports } from './convert-reports.ts';
import { type ConvertSources, openSources } from './convert-sources.ts';
import { EXIT_FAILED, EXIT_OK } from './errors.ts';
import { FlowSummary } from './flow-summary.ts';
import { jsonLines, localOutlet, toView } from './local-collector.ts';
import { startConvertMetrics } from './metrics.ts';

/** How long queues may take to drain at the end … */
const DRAIN_MILLISECONDS = 60_000;
/** … but not after SIGINT or SIGTERM. */
const INTERRUPTED_DRAIN_MILLISECONDS = 4200;

/** Resolves to the exit code: 1 if an object could not be read to its end or a record was not sent. */
export async function convert(
  context: CommandContext,
  config: EffectiveConfig,
  plan: ConvertPlan,
): Promise<number> {
  const { stdout, isTerminal, color, log, signal } = context;
  const interfaceMap = await openInterfaceMap(config.interfaceMap);
  const isPerInterface = config.exporter === 'per-interface';
  const collectors = isPerInterface ? [] : convertCollectors(config, log);
  const devices = isPerInterface
    ? await (await import('./interface-outlets.ts')).interfaceCollectors(config, log)
    : [];
  const outlets: ConvertOutlet[] = [...collectors];
  const summary =
    config.collectors.length === 0 && isTerminal && !config.json ? new FlowSummary() : undefined;
  if (summary !== undefined)
    outlets.push({ ...localOutlet(toView(summary), config.observationDomain), enterpriseNumber: undefined });
  else if (config.json || config.collectors.length === 0)
    outlets.push(localOutlet(jsonLines(stdout), config.observationDomain));
  const { sources, numbers } = await openSources(plan, config, context);

  let failures = 0;
  const converter = new Converter({
    sources,
    outlets,
    ways: devices.map(({ way }) => way),
    rejects: config.rejects,
    vantage: config.vantage,
    format: plan.format,
    interfaceMap,
    recordsPerSecond: config.recordsPerSecond,
    enterpriseNumber: config.enterpriseNumber,
    clocks: { unix: Date.now, monotonic: () => performance.now() },
    ...convertReports(log, '--format'),
  });
  const { counts } = converter;
  const collectorNumbers = [
    ...collectors.map((collector) => convertCollectorMetrics(collector, converter)),
    ...devices.map(({ metrics }) => metrics),
  ];
  const metrics = await startConvertMetrics(
    config.metrics,
    { counts, source: numbers, interfaceExporters: devices[0]?.way },
    collectorNumbers,
    context.version,
  );
  if (metrics !== undefined) log.info('metrics', { url: metrics.url });
  const progress = await startProgress(context, config, numbers, converter);

  const interrupted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    await converter.start();
    await Promise.race([converter.finished, interrupted]);
  } catch (error) {
    // A source that cannot go on: what was converted by then is still told.
    failures++;
    log.error(error instanceof Error ? error.message : String(error));
  } finally {
    progress?.stop();
    log.repaint(undefined);
    const drained = converter.stop(signal.aborted ? INTERRUPTED_DRAIN_MILLISECONDS : DRAIN_MILLISECONDS);
    // Whoever interrupts wants an end soon, also of the draining.
    const soon = interrupted.then(() => converter.stop(INTERRUPTED_DRAIN_MILLISECONDS));
    await Promise.race([drained, soon]);
    for (const device of devices) device.close();
    await metrics?.stop();
  }

  if (summary !== undefined) {
    for (const line of summary.lines(stdout.columns ?? 80, color)) stdout.write(`${line}\n`);
  }
  const lost = reportConversion({ counts, source: numbers, collectors: collectorNumbers }, log);
  return failures > 0 || counts.failedObjects > 0 || lost > 0 ? EXIT_FAILED : EXIT_OK;
}

/** A progress bar on a terminal; loaded only there, because that takes 30 ms. */
async function startProgress(
  { stderr, color, log }: CommandContext,
  { follow }: EffectiveConfig,
  numbers: ConvertSources['numbers'],
  { counts }: Converter,
) {
  if (stderr.isTTY !== true) return undefined;
  const { ConvertProgress } = await import('./progress.ts');
  const progress = new ConvertProgress({
    output: stderr,
    color,
    state: () => ({
      objects: counts.objects + counts.failedObjects,
      records: counts.records,
      octets: numbers.readOctets ?? counts.storedOctets,
      total:
        follow || numbers.foundOctets === 0
          ? undefined
          : { objects: numbers.foundObjects, octets: numbers.foundOctets },
    }),
  });
  log.repaint(progress);
  progress.start();
  return progress;
}
