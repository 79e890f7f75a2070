/**
 * The format of flow logs as EC2 knows it (DescribeFlowLogs), for lines that come without a header. It is not guessed:
 * where flow logs of several formats write to one place, or EC2 does not say, the answer says so.
 */

import type { AwsClients } from '../../aws/clients.ts';
import { AwsError, explaining } from '../../aws/errors.ts';
import type { LogFormat } from '../log-object.ts';

/** Where flow logs are written to. */
export type FlowLogDestination =
  | { readonly logGroup: string }
  /** With the flow log that an object's name tells, it is the one, whatever else writes to the bucket. */
  | { readonly bucket: string; readonly flowLogId?: string | undefined };

/** What is read of a flow log of EC2's answer. */
export interface DescribedFlowLog {
  readonly flowLogId: string;
  readonly logFormat: string;
  /** `arn:aws:s3:::bucket/prefix`, or of a log group. */
  readonly logDestination: string | undefined;
}

export interface DescribeRequest {
  readonly filters: readonly { readonly name: string; readonly values: readonly string[] }[];
  readonly nextToken: string | undefined;
}

/** DescribeFlowLogs in one region; rejects with an error that says what to do. */
export type DescribeFlowLogs = (
  request: DescribeRequest,
) => Promise<{ readonly flowLogs: readonly DescribedFlowLog[]; readonly nextToken: string | undefined }>;

export type DescribedFormat =
  | { readonly kind: 'known'; readonly format: LogFormat; readonly flowLogIds: readonly string[] }
  /** Flow logs of different formats: only --format can choose. */
  | { readonly kind: 'several'; readonly formats: readonly string[] }
  /** No flow log of this account and region writes there. */
  | { readonly kind: 'none' }
  /** It may not be asked. */
  | { readonly kind: 'denied' }
  /** It did not answer, or not with a format. */
  | { readonly kind: 'failed'; readonly error: Error };

/** @param parseFormat of a text like `${version} ${srcaddr}` */
export async function describeFormat(
  destination: FlowLogDestination,
  describe: DescribeFlowLogs,
  parseFormat: (text: string) => LogFormat,
): Promise<DescribedFormat> {
  // EC2 has no filter for a bucket.
  const filter =
    'logGroup' in destination
      ? { name: 'log-group-name', values: [destination.logGroup] }
      : { name: 'log-destination-type', values: ['s3'] };
  let found: DescribedFlowLog[] = [];
  try {
    let nextToken: string | undefined;
    do {
      const page = await describe({ filters: [filter], nextToken });
      found.push(...page.flowLogs.filter((flowLog) => isAt(flowLog, destination)));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  } catch (error) {
    const isDenied = error instanceof AwsError && error.kind === 'access-denied';
    return isDenied ? { kind: 'denied' } : { kind: 'failed', error: error as Error };
  }
  const named = found.filter(
    (flowLog) => 'bucket' in destination && flowLog.flowLogId === destination.flowLogId,
  );
  if (named.length > 0) found = named;
  const [first] = found;
  if (first === undefined) return { kind: 'none' };
  const formats = [...new Set(found.map(({ logFormat }) => logFormat.trim().replace(/\s+/g, ' ')))];
  if (formats.length > 1) return { kind: 'several', formats };
  try {
    const flowLogIds = found.map(({ flowLogId }) => flowLogId);
    return { kind: 'known', format: parseFormat(first.logFormat), flowLogIds };
  } catch (error) {
    return { kind: 'failed', error: error as Error };
  }
}

/** The group of an ARN as EC2's filter wants it: its name. */
export function logGroupName(logGroup: string): string {
  return logGroup.replace(/^arn:[^:]*:logs:[^:]*:[^:]*:log-group:/, '').replace(/:\*$/, '');
}

function isAt({ logDestination }: DescribedFlowLog, destination: FlowLogDestination): boolean {
  if ('logGroup' in destination) return true; // filtered by EC2
  return logDestination?.replace(/^arn:[^:]*:s3:::/, '').split('/')[0] === destination.bucket;
}

/** What to convert by, and what to tell the operator of it. */
export type ChosenFormat =
  | { readonly format: LogFormat; readonly level: 'info' | 'warn'; readonly text: string }
  /** It cannot be converted without --format. */
  | { readonly format: undefined; readonly text: string };

/**
 * The rule: one format is taken; several need a choice; where EC2 knows of no flow log or may not be asked, the default
 * format is taken and that is said: lines that do not fit it are faults, counted and shown. Where EC2 fails, it may know
 * another format in a minute: that is no reason to convert by the default one.
 * @param option how the user gives a format: `--format`, `WEIR_FORMAT`
 */
export function chooseFormat(
  described: DescribedFormat,
  destination: FlowLogDestination,
  defaultFormat: LogFormat,
  option: string,
): ChosenFormat {
  const place =
    'logGroup' in destination ? `log group ${destination.logGroup}` : `bucket ${destination.bucket}`;
  const byDefault = `the default format (version 2) is taken; if that is not how they are written, give ${option}`;
  switch (described.kind) {
    case 'known':
      return {
        format: described.format,
        level: 'info',
        text: `${place}: the format of ${described.flowLogIds.join(', ')}, from EC2`,
      };
    case 'several':
      return {
        format: undefined,
        text: `${place}: flow logs of ${described.formats.length} formats are written there; give ${option} with the one to convert by, and lines of the others are counted as faults:\n${described.formats.join('\n')}`,
      };
    case 'none':
      return {
        format: defaultFormat,
        level: 'warn',
        text: `${place}: EC2 knows no flow log of this account and region that is written there; ${byDefault}`,
      };
    case 'denied':
      return {
        format: defaultFormat,
        level: 'warn',
        text: `${place}: EC2 may not be asked for the format; grant ec2:DescribeFlowLogs (on "*": it takes no resource) or give ${option}; until then ${byDefault}`,
      };
    default:
      return {
        format: undefined,
        text: `${place}: EC2 could not be asked for the format (${described.error.message}); give ${option}`,
      };
  }
}

/** DescribeFlowLogs by EC2's client. @throws AwsError */
export function describeFlowLogsOf(clients: AwsClients, region?: string): DescribeFlowLogs {
  const attempt = { action: 'ec2:DescribeFlowLogs', resource: '*', name: 'EC2' };
  return ({ filters, nextToken }) =>
    explaining(attempt, async () => {
      const { sdk, client } = await clients.ec2(region);
      const { FlowLogs = [], NextToken } = await client.send(
        new sdk.DescribeFlowLogsCommand({
          Filter: filters.map(({ name, values }) => ({ Name: name, Values: [...values] })),
          ...(nextToken === undefined ? {} : { NextToken: nextToken }),
        }),
      );
      return {
        flowLogs: FlowLogs.map(({ FlowLogId = '', LogFormat = '', LogDestination }) => ({
          flowLogId: FlowLogId,
          logFormat: LogFormat,
          logDestination: LogDestination,
        })),
        nextToken: NextToken === '' ? undefined : NextToken,
      };
    });
}
