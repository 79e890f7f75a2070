/** The converter of an execution environment: one line, from what invocations bring to the collectors, that goes on. */

import { setImmediate as turn } from 'node:timers/promises';
import { convertCollectors } from '../cli/convert-outlets.ts';
import { convertReports } from '../cli/convert-reports.ts';
import type { Log } from '../cli/log.ts';
import type { ConvertCounts } from '../flowlogs/convert-counts.ts';
import { Converter } from '../flowlogs/converter.ts';
import { openInterfaceMap } from '../flowlogs/interface-map.ts';
import type { LogObject } from '../flowlogs/log-object.ts';
import type { LambdaConfig } from './configuration.ts';
import { Delivery } from './delivery.ts';
import { InvocationSource } from './invocation-source.ts';

export class Line {
  readonly #source = new InvocationSource();
  readonly #converter: Converter;
  readonly #ways: ConstructorParameters<typeof Delivery>[0];
  #isBroken = false;

  /** Starts it. */
  static async start(config: LambdaConfig, log: Log): Promise<Line> {
    const line = new Line(config, log);
    await line.#converter.start();
    // It ends only by an error, or when it is stopped: whoever waits is told.
    const end = (error: unknown): void => {
      line.#isBroken = true;
      line.#source.end(error as Error);
    };
    line.#converter.finished.then(() => end(new Error('the converter was stopped')), end);
    return line;
  }

  private constructor(config: LambdaConfig, log: Log) {
    const collectors = convertCollectors(config, log);
    this.#converter = new Converter({
      sources: [this.#source],
      outlets: collectors,
      rejects: config.rejects,
      vantage: config.vantage,
      format: config.logFormat,
      interfaceMap: openInterfaceMap(config.interfaceMap),
      recordsPerSecond: config.recordsPerSecond,
      enterpriseNumber: config.enterpriseNumber,
      clocks: { unix: Date.now, monotonic: () => performance.now() },
      ...convertReports(log, 'WEIR_FORMAT'),
    });
    const { exports } = this.#converter;
    this.#ways = collectors
      .flatMap((collector) => [collector, ...(collector.rejects === undefined ? [] : [collector.rejects])])
      .map((outlet) => ({ outlet, exporter: exports.find((each) => each.outlet === outlet)!.exporter }));
  }

  get counts(): ConvertCounts {
    return this.#converter.counts;
  }

  /** It converts nothing any more. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /**
   * Resolves when every record of the object has left.
   * @param signal gives up; the line is of no use then
   * @throws Error that says what was not read, or did not leave
   */
  async convert(object: LogObject, signal: AbortSignal): Promise<void> {
    // Two turns of the event loop: the end of a connection that came while the environment was frozen is known by then.
    await turn();
    await turn();
    const delivery = new Delivery(this.#ways);
    await orAborted(this.#source.convert(object), signal);
    await delivery.done(signal);
  }

  /** Closes it. What is queued is not sent. */
  async stop(): Promise<void> {
    this.#isBroken = true;
    this.#source.end(new Error('the converter was stopped'));
    await this.#converter.stop(0);
  }
}

async function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  promise.catch(() => {}); // whoever gives up does not wait for it
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
  });
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
