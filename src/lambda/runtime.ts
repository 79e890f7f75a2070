/** An execution environment: reads its configuration, keeps its line, and gives each event to its handler. */

import type { AwsClients } from '../aws/clients.ts';
import { createLog, type Log } from '../cli/log.ts';
import { FAULT_KINDS } from '../flowlogs/convert-counts.ts';
import type { LogObject } from '../flowlogs/log-object.ts';
import type { DescribedFormats } from '../flowlogs/sources/described-formats.ts';
import type { AnnouncedObject } from '../flowlogs/sources/s3-events.ts';
import type { FormatOfObject } from '../flowlogs/sources/s3-object.ts';
import { cloudWatchLogs } from './cloudwatch-logs.ts';
import { type LambdaConfig, readConfiguration } from './configuration.ts';
import { type EventKind, kindOf } from './events.ts';
import { firehose } from './firehose.ts';
import { kinesis } from './kinesis.ts';
import { Line } from './line.ts';
import { s3Notification, s3Queue } from './s3.ts';
import type { Work } from './work.ts';

/** What is used of Lambda's context. */
export interface InvocationContext {
  getRemainingTimeInMillis(): number;
}

export interface RuntimeOptions {
  /** Environment variables. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Takes the lines of the log. */
  readonly write: (line: string) => void;
  /** 32 random bits. */
  readonly random32: () => number;
}

/** Kept of an invocation's time to close the line and to answer. */
const LAST_WORD_MILLISECONDS = 1000;
/** EC2 may be out of the VPC's reach: then the format is not known, and the invocation fails. */
const DESCRIBE_MILLISECONDS = 10_000;

const NOTHING = { lines: 0, records: 0, converted: 0, nodata: 0, skipdata: 0, faults: 0 };
type Numbers = Readonly<Record<keyof typeof NOTHING, number>>;

export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #log: Log;
  #config: LambdaConfig | undefined;
  #line: Line | undefined;
  #clients: AwsClients | undefined;
  #formats: DescribedFormats | undefined;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    const { WEIR_DEBUG } = options.environment;
    this.#log = createLog({
      write: options.write,
      isTerminal: false,
      color: false,
      debug: WEIR_DEBUG === '1',
      nowMilliseconds: () => performance.now(),
    });
  }

  /**
   * Resolves with the handler's answer, when what the event brought has left.
   * @param kinds that are expected; none: any
   * @throws Error: AWS brings the event again
   */
  async invoke(event: unknown, context: InvocationContext, kinds: readonly EventKind[]): Promise<unknown> {
    const kind = kindOf(event);
    if (kinds.length > 0 && !kinds.includes(kind))
      throw new Error(`an event of kind ${kind} came to the handler of ${kinds.join(', ')}`);
    const outOfTime = new AbortController();
    const milliseconds = Math.max(0, context.getRemainingTimeInMillis() - LAST_WORD_MILLISECONDS);
    const timer = setTimeout(
      () => outOfTime.abort(new Error('not everything was exported in the time that the function has')),
      milliseconds,
    );
    const before = this.#counts();
    try {
      return await this.#handle(kind, event, this.#work(outOfTime.signal));
    } finally {
      clearTimeout(timer);
      this.#tell(before);
      // A line that hangs would hold up the next invocation, and send what AWS brings again.
      if (outOfTime.signal.aborted || this.#line?.isBroken === true) {
        const line = this.#line;
        this.#line = undefined;
        this.#config = undefined;
        await line?.stop();
      }
      this.#log.flush();
    }
  }

  #handle(kind: EventKind, event: unknown, work: Work): Promise<unknown> {
    switch (kind) {
      case 'cloudwatch-logs':
        return cloudWatchLogs(event as Parameters<typeof cloudWatchLogs>[0], work);
      case 'kinesis':
        return kinesis(event as Parameters<typeof kinesis>[0], work);
      case 'firehose':
        return firehose(event as Parameters<typeof firehose>[0], work);
      case 's3-queue':
        return s3Queue(event as Parameters<typeof s3Queue>[0], work);
      default:
        return s3Notification(event, work);
    }
  }

  #work(signal: AbortSignal): Work {
    return {
      log: this.#log,
      convert: (object) => this.#convert(object, signal),
      formatOf: async (logGroup, owner) => (await this.#describedFormats())?.ofLogGroup(logGroup, owner),
      openS3: (place) => this.#openS3(place, signal),
    };
  }

  /** Read again with every line, which thereby has an Observation Domain of its own. @throws ConfigurationError */
  #configuration(): LambdaConfig {
    this.#config ??= readConfiguration(this.#options.environment, this.#options.random32);
    return this.#config;
  }

  async #convert(object: LogObject, signal: AbortSignal): Promise<void> {
    this.#line ??= await Line.start(this.#configuration(), this.#log);
    await this.#line.convert(object, signal);
  }

  async #openS3(place: AnnouncedObject, signal: AbortSignal): Promise<LogObject | undefined> {
    const [{ S3Bucket }, { fetchObject, hasVanished }] = await Promise.all([
      import('../flowlogs/sources/s3-bucket.ts'),
      import('../flowlogs/sources/s3-object.ts'),
    ]);
    const { bucket, key, octets, region } = place;
    const s3 = new S3Bucket(await this.#aws(), bucket, region);
    const formats = await this.#describedFormats();
    const formatOf: FormatOfObject | undefined =
      formats && ((bucketName, objectKey) => formats.ofObject(bucketName, objectKey));
    try {
      return await fetchObject({ bucket: s3, key, octets }, formatOf, signal, signal);
    } catch (error) {
      if (!hasVanished(error)) throw error;
      this.#log.warn('an object was deleted before it could be read', { bucket, key });
      return undefined;
    }
  }

  async #aws(): Promise<AwsClients> {
    const { AwsClients } = await import('../aws/clients.ts');
    const { region, endpoint } = this.#configuration();
    this.#clients ??= new AwsClients({ region, endpoint });
    return this.#clients;
  }

  /** Undefined: one is configured, for all that have no header. */
  async #describedFormats(): Promise<DescribedFormats | undefined> {
    const { logFormat, region: configured, endpoint } = this.#configuration();
    if (logFormat !== undefined) return undefined;
    if (this.#formats !== undefined) return this.#formats;
    const [{ DescribedFormats }, { describeFlowLogsOf }, { AwsClients }] = await Promise.all([
      import('../flowlogs/sources/described-formats.ts'),
      import('../flowlogs/sources/describe-flow-logs.ts'),
      import('../aws/clients.ts'),
    ]);
    this.#formats ??= new DescribedFormats({
      describe: (region) => async (request) => {
        const clients = new AwsClients({ region: region ?? configured, endpoint, maxAttempts: 2 });
        try {
          const answer = describeFlowLogsOf(clients)(request);
          return await withinTime(answer, DESCRIBE_MILLISECONDS, 'EC2 did not answer');
        } finally {
          void clients.close();
        }
      },
      option: 'WEIR_FORMAT',
      onChosen: (level, text) => this.#log[level](text),
    });
    return this.#formats;
  }

  /** What has become of the lines of the present converter. */
  #counts(): Numbers {
    const counts = this.#line?.counts;
    if (counts === undefined) return NOTHING;
    const { lines, records, converted, nodata, skipdata } = counts;
    const faults = FAULT_KINDS.reduce((sum, kind) => sum + counts.faults.get(kind)!, 0);
    return { lines, records, converted, nodata, skipdata, faults };
  }

  /** What became of the invocation's lines: a line of the log that can be counted by. */
  #tell(before: Numbers): void {
    const now = this.#counts();
    if (now.lines === before.lines) return;
    const names = Object.keys(NOTHING) as (keyof Numbers)[];
    this.#log.info('converted', Object.fromEntries(names.map((name) => [name, now[name] - before[name]])));
  }
}

async function withinTime<T>(promise: Promise<T>, milliseconds: number, text: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${text} within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
