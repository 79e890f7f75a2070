/**
 * The names of flow logs in S3: both layouts of folders, and the time in a name.
 *
 *   [prefix/]AWSLogs/ACCOUNT/vpcflowlogs/REGION/YYYY/MM/DD/[HH/]NAME
 *   [prefix/]AWSLogs/aws-account-id=ACCOUNT/aws-service=vpcflowlogs/aws-region=REGION/year=…/month=…/day=…/[hour=…/]NAME
 *
 * where NAME is ACCOUNT_vpcflowlogs_REGION_FLOWLOG_YYYYMMDDTHHmmZ_HASH.log.gz (or .log.parquet).
 */
import { SourceError } from './source-error.ts';

/** A bucket and what lies below a prefix in it. */
export interface S3Place {
  readonly bucket: string;
  /** Without a slash at its end; empty: the whole bucket. */
  readonly prefix: string;
}

/** The first instant of an interval, and the first after it. Unix milliseconds. */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

/** @throws SourceError */
export function parseS3Url(url: string): S3Place {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(url);
  // Names of buckets, and aliases of access points.
  if (match === null || !/^[a-zA-Z0-9][\w.-]{1,253}[a-zA-Z0-9]$/.test(match[1]!)) {
    throw new SourceError(`${url}: not s3://BUCKET or s3://BUCKET/PREFIX`);
  }
  return { bucket: match[1]!, prefix: (match[2] ?? '').replace(/\/+$/, '') };
}

export function s3Url(bucket: string, key: string): string {
  return key === '' ? `s3://${bucket}` : `s3://${bucket}/${key}`;
}

const NAME_TIME = /_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)Z_[^/]*$/;

/** The time in the name of an object or a file, Unix milliseconds; undefined: it has none. */
export function timeOfName(name: string): number | undefined {
  const match = NAME_TIME.exec(name);
  if (match === null) return undefined;
  const [year, month, day, hour, minute] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute);
}

const FLOW_LOG_NAME = /(?:^|\/)\d{12}_vpcflowlogs_([a-z0-9-]+)_(fl-[a-z0-9]+)_\d{8}T\d{4}Z_[^/]*$/;

/** The flow log that wrote an object, and its region, by the object's name; undefined: it is not named as AWS does. */
export function flowLogOfKey(
  key: string,
): { readonly region: string; readonly flowLogId: string } | undefined {
  const match = FLOW_LOG_NAME.exec(key);
  return match === null ? undefined : { region: match[1]!, flowLogId: match[2]! };
}

const TREE =
  /^(?:.*\/)?AWSLogs\/(?:o-[a-z0-9]+\/)?(?:\d{12}\/vpcflowlogs\/[^/]+|aws-account-id=\d{12}\/aws-service=vpcflowlogs\/aws-region=[^/]+)\/(.*)$/s;
const DATE = /^(?:year=)?(\d{4})\/(?:(?:month=)?(\d\d)\/(?:(?:day=)?(\d\d)\/(?:(?:hour=)?(\d\d)\/)?)?)?$/;

/** Whether a folder (with its slash) is that of a region's flow logs, or lies in it: its folders are dates. */
export function isInTree(folder: string): boolean {
  return TREE.test(folder);
}

/** What a folder of dates covers; undefined: it is no such folder, or has no date yet. */
export function intervalOfFolder(folder: string): Interval | undefined {
  const below = TREE.exec(folder)?.[1];
  const date = below === undefined ? null : DATE.exec(below);
  if (date === null) return undefined;
  const [year, month, day, hour] = date
    .slice(1)
    .map((part) => (part === undefined ? undefined : Number(part)));
  const at = (years: number, months: number, days: number, hours: number): Interval => ({
    start: Date.UTC(year!, (month ?? 1) - 1, day ?? 1, hour ?? 0),
    end: Date.UTC(year! + years, (month ?? 1) - 1 + months, (day ?? 1) + days, (hour ?? 0) + hours),
  });
  if (hour !== undefined) return at(0, 0, 0, 1);
  if (day !== undefined) return at(0, 0, 1, 0);
  return month === undefined ? at(1, 0, 0, 0) : at(0, 1, 0, 0);
}

const OTHER_SERVICE =
  /^(?:.*\/)?AWSLogs\/(?:o-[a-z0-9]+\/)?(?:\d{12}\/(?!vpcflowlogs\/)[^/]+\/|aws-account-id=\d{12}\/(?!aws-service=vpcflowlogs\/)[^/]+\/)/;

/** Whether a folder or a key belongs to the logs of another service that share the bucket: CloudTrail's, a balancer's. */
export function isOtherService(key: string): boolean {
  return OTHER_SERVICE.test(key);
}
