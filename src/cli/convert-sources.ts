/** From the SOURCE arguments to the sources of flow logs. What needs AWS is loaded only where it is asked for. */

import process from 'node:process';
import type { AwsClients } from '../aws/clients.ts';
import type { EffectiveConfig } from '../config/load.ts';
import type { LogSource } from '../flowlogs/log-object.ts';
import type { DescribedFormats } from '../flowlogs/sources/described-formats.ts';
import { FileSource } from '../flowlogs/sources/file.ts';
import type { CommandContext } from './context.ts';
import { type ConvertPlan, logGroupOf, type SourceSpec } from './convert-plan.ts';
import type { Logger } from './logger.ts';

/** The sources, and the numbers of all of them. */
export interface ConvertSources {
  readonly sources: readonly LogSource[];
  /** Plain counters, read at scrape and by the progress bar. */
  readonly numbers: {
    readonly foundObjects: number;
    readonly foundOctets: number;
    /** Undefined: not every source can tell. */
    readonly readOctets: number | undefined;
    readonly vanished: number;
    readonly retries: number;
  };
}

export async function openSources(
  plan: ConvertPlan,
  config: EffectiveConfig,
  { stdin, log }: Pick<CommandContext, 'stdin' | 'log'>,
): Promise<ConvertSources> {
  const isOfAws = plan.sources.some(({ kind }) => kind !== 'file' && kind !== 'standard input');
  const clients = isOfAws ? await awsClients(config) : undefined;
  const formats =
    clients === undefined || plan.format !== undefined ? undefined : await describedFormats(clients, log);
  const sources: LogSource[] = [];
  for (const spec of plan.sources)
    sources.push(await openSource(spec, plan, config, clients!, formats, { stdin, log }));
  const sum = (value: (source: LogSource) => number): number =>
    sources.reduce((total, source) => total + value(source), 0);
  return {
    sources,
    numbers: {
      get foundObjects() {
        return sum(({ found }) => found.objects);
      },
      get foundOctets() {
        return sum(({ found }) => found.storedOctets);
      },
      get readOctets() {
        return sources.every(({ readOctets }) => readOctets !== undefined)
          ? sum(({ readOctets }) => readOctets!)
          : undefined;
      },
      get vanished() {
        return sum(({ vanished }) => vanished);
      },
      get retries() {
        // What a source tells includes the clients', which all of them share.
        const ofClients = clients?.retries ?? 0;
        return ofClients + sum(({ retries = ofClients }) => retries - ofClients);
      },
    },
  };
}

async function awsClients({ region, endpoint }: EffectiveConfig): Promise<AwsClients> {
  const { AwsClients } = await import('../aws/clients.ts');
  // Which Node.js the next year's SDK wants is no news of this conversion.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  return new AwsClients({ region, endpoint });
}

async function openSource(
  spec: SourceSpec,
  plan: ConvertPlan,
  config: EffectiveConfig,
  clients: AwsClients,
  /** Undefined: --format has chosen. */
  formats: DescribedFormats | undefined,
  { stdin, log }: Pick<CommandContext, 'stdin' | 'log'>,
): Promise<LogSource> {
  const { format, sinceMilliseconds, untilMilliseconds } = plan;
  const { follow, checkpoint } = config;
  switch (spec.kind) {
    case 'standard input':
    case 'file':
      return new FileSource({ path: spec.text, standardInput: () => stdin, format });
    case 's3': {
      const { S3Source } = await import('../flowlogs/sources/s3.ts');
      return new S3Source({
        url: spec.text,
        clients,
        formatOf: formats && ((bucket, key) => formats.ofObject(bucket, key)),
        since: sinceMilliseconds,
        until: untilMilliseconds,
        follow,
        checkpoint,
        clock: Date.now,
      });
    }
    case 'sqs': {
      const { SqsSource } = await import('../flowlogs/sources/sqs.ts');
      return new SqsSource({
        queue: spec.text,
        clients,
        formatOf: formats && ((bucket, key) => formats.ofObject(bucket, key)),
        onNotice: (text) => log.warn(text, { source: spec.text }),
      });
    }
    case 'cloudwatch': {
      const { CloudWatchSource, filterLogEventsOf } = await import('../flowlogs/sources/cloudwatch.ts');
      const { logGroupName } = await import('../flowlogs/sources/describe-flow-logs.ts');
      const logGroup = logGroupOf(spec.text)!;
      return new CloudWatchSource({
        logGroup,
        filterLogEvents: filterLogEventsOf(clients, logGroup),
        format: format ?? (await formats!.ofLogGroup(logGroupName(logGroup))),
        sinceMilliseconds,
        untilMilliseconds,
        follow,
        checkpoint,
        unix: Date.now,
      });
    }
  }
}

/** The formats that EC2 knows, for lines without a header where no --format is given. */
async function describedFormats(clients: AwsClients, log: Logger): Promise<DescribedFormats> {
  const [{ DescribedFormats }, { describeFlowLogsOf }] = await Promise.all([
    import('../flowlogs/sources/described-formats.ts'),
    import('../flowlogs/sources/describe-flow-logs.ts'),
  ]);
  return new DescribedFormats({
    describe: (region) => describeFlowLogsOf(clients, region),
    option: '--format',
    onChosen: (level, text) => log[level](text),
  });
}
