/**
 * What a message of S3 announces: S3's own notification, the same through SNS (wrapped, or raw), or EventBridge's
 * event. A notification has the key URL-encoded, with `+` for a space; EventBridge has it as it is.
 */

export interface AnnouncedObject {
  readonly bucket: string;
  readonly key: string;
  /** Undefined: the message does not say. */
  readonly octets: number | undefined;
  /** What tells it from what was there before: version, else entity tag, else the event's sequencer; undefined: none is told. */
  readonly version: string | undefined;
  /** Where the bucket lies, where the message says so. */
  readonly region: string | undefined;
}

export type Announcement =
  /** None: it tells of something else than a new object, a removal for example. */
  | { readonly kind: 'objects'; readonly objects: readonly AnnouncedObject[] }
  /** What S3 sends when notifications are switched on. */
  | { readonly kind: 'test' }
  | { readonly kind: 'foreign'; readonly why: string };

const foreign = (why: string): Announcement => ({ kind: 'foreign', why });

/** Reads a message's body. Never throws: what it does not know is foreign. */
export function readAnnouncement(body: string): Announcement {
  const message = parse(body);
  if (message === undefined) return foreign('it is no JSON object');
  const inner = get(message, 'Message');
  if (get(message, 'Type') === 'Notification' && typeof inner === 'string') {
    const wrapped = parse(inner);
    return wrapped === undefined ? foreign('what SNS passes on is no JSON object') : readEvent(wrapped);
  }
  return readEvent(message);
}

/** Reads an event: S3's, as a Lambda function gets it, or EventBridge's. */
export function readEvent(event: object): Announcement {
  if (get(event, 'Event') === 's3:TestEvent') return { kind: 'test' };
  const records = get(event, 'Records');
  if (Array.isArray(records) && records.length > 0) return readRecords(records);
  if (get(event, 'source') === 'aws.s3') return readBridge(event);
  return foreign('it is no event of S3');
}

/** A key as S3's notifications encode it. @throws URIError */
export function decodeKey(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '));
}

function readRecords(records: readonly unknown[]): Announcement {
  const objects: AnnouncedObject[] = [];
  for (const record of records) {
    const name = get(record, 'eventName');
    if (get(record, 'eventSource') !== 'aws:s3' || typeof name !== 'string') {
      return foreign('it has records that are not of S3');
    }
    if (!name.startsWith('ObjectCreated:')) continue;
    const bucket = get(get(get(record, 's3'), 'bucket'), 'name');
    const object = get(get(record, 's3'), 'object');
    const key = get(object, 'key');
    if (typeof bucket !== 'string' || typeof key !== 'string') return foreign('it names no object');
    try {
      objects.push({ bucket, key: decodeKey(key), ...details(object, get(record, 'awsRegion')) });
    } catch {
      return foreign(`its key is not URL-encoded: ${key}`);
    }
  }
  return { kind: 'objects', objects };
}

function readBridge(event: object): Announcement {
  if (get(event, 'detail-type') !== 'Object Created') return { kind: 'objects', objects: [] };
  const detail = get(event, 'detail');
  const bucket = get(get(detail, 'bucket'), 'name');
  const object = get(detail, 'object');
  const key = get(object, 'key');
  if (typeof bucket !== 'string' || typeof key !== 'string') return foreign('it names no object');
  return { kind: 'objects', objects: [{ bucket, key, ...details(object, get(event, 'region')) }] };
}

function details(object: unknown, region: unknown): Pick<AnnouncedObject, 'octets' | 'region' | 'version'> {
  const octets = get(object, 'size');
  // As S3 spells them, or as EventBridge does.
  const versions = ['versionId', 'version-id', 'eTag', 'etag', 'sequencer'].map((name) => get(object, name));
  return {
    octets: typeof octets === 'number' && Number.isSafeInteger(octets) && octets >= 0 ? octets : undefined,
    version: versions.find((version): version is string => typeof version === 'string' && version !== ''),
    region: typeof region === 'string' ? region : undefined,
  };
}

function parse(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value instanceof Object ? value : undefined;
  } catch {
    return undefined;
  }
}

function get(value: unknown, name: string): unknown {
  return value instanceof Object ? (value as Record<string, unknown>)[name] : undefined;
}
