/**
 * One line card: a probe in a worker thread, with rings, tables, exporters and sequence numbers of its own.
 *
 *   1. it makes its line and waits for its turn to join the groups of rings
 *   2. `joined` ─▶ when all have: `capture` ─▶ packets come, and the counters are copied to the shared memory
 *   3. `stop` ─▶ it ends its flows, drains its queues and says `stopped`
 *
 * What goes wrong with one of its sources, or within its own code, ends the thread: the main thread starts another.
 */
import type { MessagePort } from 'node:worker_threads';
import { type FanoutGroup, SharedFanoutGroup } from './capture/fanout.ts';
import type { PacketSource } from './capture/packet-source.ts';
import type { Probe, ProbeOptions } from './probe.ts';
import { type CountedLine, CountersLayout, SharedCounters } from './workers/counters.ts';
import type { FromWorker, LogLevel, ToWorker, WorkerData } from './workers/messages.ts';
import { PortTransport } from './workers/port-transport.ts';

/** The kernel's counters are read so often; so long do metrics lag behind them. */
const KERNEL_COUNTERS_MILLISECONDS = 100;

/** What a line in a worker is made with. */
export interface CardSurroundings
  extends Pick<ProbeOptions, 'onNotice' | 'onSourceError'>,
    Required<Pick<ProbeOptions, 'onCounted'>> {
  readonly index: number;
  /** The group of the rings on an interface. @param position in the list of interfaces */
  group(position: number): FanoutGroup;
  log(level: LogLevel, message: string, fields: object): void;
  /** To the collector in the main thread. */
  readonly toMainThread: PortTransport;
}

/** What the entry makes. */
export interface CardLine {
  readonly probe: Probe;
  readonly sources: readonly PacketSource[];
  readonly counted: CountedLine;
  start(): Promise<void>;
  stop(withinMilliseconds: number): Promise<void>;
  /** The collectors are others now. @param line as it was given for the whole */
  follow(line: unknown): void;
  /** Says what is still to be said in the log. */
  readonly flushLog: () => void;
}

/** Runs until the main thread ends it. @param make the line, from what the main thread gave for it */
export async function runLineCard(
  port: MessagePort,
  data: WorkerData,
  make: (line: unknown, surroundings: CardSurroundings) => CardLine,
): Promise<void> {
  const { index } = data;
  const post = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  const toMainThread = new PortTransport(post);
  let join = (): void => {};
  let capture = (): void => {};
  let stop = (_withinMilliseconds: number): void => {};
  let follow = (_line: unknown): void => {};
  const mayJoin = new Promise<void>((resolve) => {
    join = resolve;
  });
  const mayCapture = new Promise<void>((resolve) => {
    capture = resolve;
  });
  const mustStop = new Promise<number>((resolve) => {
    stop = resolve;
  });
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'join') join();
    else if (message.kind === 'capture') capture();
    else if (message.kind === 'follow') follow(message.line);
    else if (message.kind === 'taken') toMainThread.taken(message.octets);
    else stop(message.withinMilliseconds);
  });

  let open = 0;
  let publish = (): void => {};
  const complete = (): Promise<void> => {
    open++;
    if (open === data.groups.length) post({ kind: 'joined' });
    return mayCapture;
  };
  try {
    const line = make(data.line, {
      index,
      group: (position) => new SharedFanoutGroup(data.groups[position]!, complete),
      log: (level, message, fields) => post({ kind: 'log', level, message, fields }),
      onNotice: (outlet, text) => post({ kind: 'notice', outlet, text }),
      onSourceError: die,
      onCounted: () => publish(),
      toMainThread,
    });
    const { probe, sources } = line;
    follow = (given) => line.follow(given);
    const layout = new CountersLayout(sources.length, data.slots);
    publish = new SharedCounters(layout.length, data.counters).publisher(line.counted);

    await mayJoin;
    await line.start();
    const refresh = setInterval(() => {
      for (const source of sources) source.refreshCounters();
    }, KERNEL_COUNTERS_MILLISECONDS);
    post({ kind: 'capturing' });

    const withinMilliseconds = await mustStop;
    await line.stop(withinMilliseconds);
    clearInterval(refresh);
    publish();
    const local = probe.exports.find(({ outlet }) => outlet.transport === toMainThread);
    const notShown = local?.exporter.notSent.get('queue_full')?.records ?? 0;
    if (notShown > 0) {
      const fields = { recordsNotWritten: notShown };
      post({ kind: 'log', level: 'warn', message: 'records came faster than they could be shown', fields });
    }
    line.flushLog();
    post({ kind: 'stopped', unknownLinkTypes: [...probe.meter.unknownLinkTypes] });
  } catch (error) {
    const { message } = error as Error;
    const { exitCode } = error as { exitCode?: number };
    post({ kind: 'failed', message, exitCode });
  }
  port.close();
}

/** Ends the thread, from outside of whatever promise the error was caught in. */
function die(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
