/**
 * The whole line in one process, and its other end: sources → meter → IPFIX → UDP on loopback → collector → table.
 * What is shown is what the collector has received, and nothing else.
 */
import { randomBytes } from 'node:crypto';
import type { PacketSource } from '../../capture/packet-source.ts';
import { UdpCollector } from '../../collect/collector.ts';
import { type DecodedRecordReceiver, MessageDecoder } from '../../collect/decode.ts';
import { recordToJson } from '../../collect/json.ts';
import { PROBLEM_TEXTS } from '../../collect/problems.ts';
import { fieldValue } from '../../collect/record.ts';
import { type EffectiveConfig, type Flags, loadConfig } from '../../config/load.ts';
import { Probe } from '../../probe.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_FAILED, EXIT_OK } from '../errors.ts';
import { FlowTableView } from '../flow-table-view.ts';
import { count, octets } from '../format.ts';
import { LineOutput } from '../line-output.ts';
import type { Log } from '../log.ts';
import { collectorOutlets } from '../outlets.ts';
import { probeSettings } from '../settings.ts';

export interface ShowFlowsOptions {
  /** What captures, made from the demo's configuration. */
  readonly makeSources: (config: EffectiveConfig) => Promise<readonly PacketSource[]>;
  /** JSON lines instead of a table. */
  readonly json: boolean;
  /** What the traffic is: said when the capture has begun, above the records. */
  readonly traffic: string;
  /** The capture has begun. */
  readonly onCapturing: () => void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

const LOOPBACK = '127.0.0.1';
/** Shorter than the defaults, so that the table is lively: of a flow that goes on a record a second. */
const TIMEOUTS: readonly [property: 'activeTimeoutSeconds' | 'idleTimeoutSeconds', seconds: string][] = [
  ['activeTimeoutSeconds', '1'],
  ['idleTimeoutSeconds', '5'],
];
/** What the demo says before the table, and the command itself. */
const INTRODUCTION_ROWS = 6;
const STOP_WITHIN_MILLISECONDS = 3000;
const PROBLEM_INTERVAL_SECONDS = 10;

/**
 * Captures, exports, receives and shows, until the signal. Resolves to the exit code.
 * @throws what a source throws that cannot begin to capture
 */
export async function showFlows(context: CommandContext, options: ShowFlowsOptions): Promise<number> {
  const { log } = context;
  const display = options.json ? jsonDisplay(context) : tableDisplay(context);
  let received = 0;
  const collector = new UdpCollector({
    address: LOOPBACK,
    port: 0,
    decoder: new MessageDecoder({
      onProblem: ({ reason }) =>
        log
          .rateLimited(`demo ${reason}`, PROBLEM_INTERVAL_SECONDS)
          .warn(`the collector has received a message that ${PROBLEM_TEXTS[reason]}`),
    }),
    receiver: {
      record(record) {
        received++;
        display.record(record);
      },
      options() {},
    },
    onError: (error) => log.error(`the collector's socket: ${error.message}`),
  });

  let probe: Probe | undefined;
  let failures = 0;
  try {
    const { port } = await collector.start();
    const config = demoConfig(`ipfix://${LOOPBACK}:${port}`);
    const sources = await options.makeSources(config);
    probe = new Probe({
      ...probeSettings(config, randomBytes(8)),
      sources,
      live: true,
      outlets: collectorOutlets(config, withoutGoodNews(log), true),
      clocks: { unix: Date.now, monotonic: () => performance.now() },
      onNotice: (_, text) => log.warn(text),
      onSourceError(error) {
        failures++;
        log.error(error instanceof Error ? error.message : String(error));
      },
    });
    await probe.start();
    say(context, options.traffic);
    say(context, `What the collector receives${context.isTerminal ? ' (Ctrl-C ends it):' : ':'}`);
    display.start(sources);
    options.onCapturing();
    await Promise.race([aborted(options.signal), probe.finished]);
  } finally {
    await probe?.stop(STOP_WITHIN_MILLISECONDS);
    await collector.stop();
    await display.stop();
  }
  sayWhatCame(context, probe, received);
  return failures > 0 ? EXIT_FAILED : EXIT_OK;
}

/** Resolves when the signal is aborted; at once where it already is. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function demoConfig(collectorUrl: string): EffectiveConfig {
  const flags: Flags = new Map([
    ['collectorUrls', [collectorUrl]],
    ...TIMEOUTS.map(([property, seconds]) => [property, [seconds]] as const),
  ]);
  const { config, mistakes } = loadConfig(flags);
  if (config === undefined) throw new Error(mistakes.join('; '));
  return config;
}

/** That its own collector can be reached is no news. */
function withoutGoodNews(log: Log): Log {
  return {
    ...log,
    rateLimited(key, intervalSeconds) {
      const limited = log.rateLimited(key, intervalSeconds);
      return { ...limited, info: limited.debug };
    },
  };
}

/** Where the records go. */
interface Display {
  start(sources: readonly PacketSource[]): void;
  readonly record: (record: Parameters<DecodedRecordReceiver['record']>[0]) => void;
  stop(): Promise<void>;
}

function tableDisplay({ stdout, color, log }: CommandContext): Display {
  let sources: readonly PacketSource[] = [];
  const view = new FlowTableView({
    output: stdout,
    color,
    rowsAbove: INTRODUCTION_ROWS,
    interfaceName: (index) =>
      sources.flatMap((source) => source.interfaces).find((each) => each.index === index)?.name,
  });
  // The second signal ends the process at once: even then the cursor comes back.
  const atExit = () => view.stop();
  return {
    start(began) {
      sources = began;
      process.once('exit', atExit);
      log.repaint(view);
      view.start();
    },
    record: (record) => view.record((name) => fieldValue(record, name)),
    async stop() {
      process.off('exit', atExit);
      log.repaint(undefined);
      view.stop();
    },
  };
}

function jsonDisplay({ stdout }: CommandContext): Display {
  const output = new LineOutput(stdout, {
    // UDP cannot be held back: what a stalled reader leaves is bounded, and dropped beyond that.
    congested() {},
    drained() {},
    // A reader that has gone ends the demo, by the context's signal.
    closed() {},
  });
  output.start();
  return {
    start() {},
    record: (record) => output.line(recordToJson(record)),
    stop: () => output.finish(),
  };
}

function sayWhatCame(context: CommandContext, probe: Probe, received: number): void {
  const { meter } = probe;
  const sent = probe.exports.reduce((sum, { exporter }) => sum + exporter.sent.records, 0);
  say(
    context,
    `${count(meter.meteredPackets)} packets (${octets(meter.meteredOctets)}) became ${count(sent)} flow records, ` +
      `of which the collector has received ${count(received)}.`,
  );
}

/** A line for people: on a terminal among the results, else in the log. */
export function say(
  { stdout, isTerminal, log }: { stdout: CommandContext['stdout']; isTerminal: boolean; log: Log },
  line: string,
): void {
  if (isTerminal) stdout.write(`${line}\n`);
  else log.info(line);
}
