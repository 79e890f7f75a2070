/**
 * A transformation of Firehose that transforms nothing: the records go on to their destination as they came, and are
 * exported on the way. The destination is the user's archive, so no failure here keeps a record from it.
 */

import type {
  FirehoseTransformationEvent,
  FirehoseTransformationEventRecord,
  FirehoseTransformationResult,
} from 'aws-lambda';
import type { LogObject } from '../flowlogs/log-object.ts';
import { linesOf } from '../flowlogs/sources/cloudwatch.ts';
import { objectOf } from './cloudwatch-logs.ts';
import { decodeEnvelope, type Envelope, isEnvelope, isGzip, readEnvelope } from './envelope.ts';
import type { Work } from './work.ts';

export async function firehose(
  event: FirehoseTransformationEvent,
  work: Work,
): Promise<FirehoseTransformationResult> {
  const stream = event.deliveryStreamArn.split('/').at(-1)!;
  const failed = (what: string, error: unknown): void =>
    work.log.error(`${what}: ${(error as Error).message}`, {
      deliveryStream: stream,
      invocation: event.invocationId,
    });

  const messages: string[] = [];
  const envelopes = new Map<string, Envelope[]>();
  for (const record of event.records) {
    try {
      const { lines, envelope } = readRecord(record);
      messages.push(...lines);
      if (envelope === undefined) continue;
      const group = `${envelope.owner} ${envelope.logGroup}`;
      const known = envelopes.get(group);
      if (known === undefined) envelopes.set(group, [envelope]);
      else known.push(envelope);
    } catch (error) {
      failed(`record ${record.recordId} of Firehose cannot be read`, error);
    }
  }
  const objects = [async () => linesObject(`firehose://${stream}`, messages)];
  for (const each of envelopes.values()) objects.push(() => objectOf(each, work));
  for (const make of objects) {
    try {
      const object = await make();
      if (object !== undefined) await work.convert(object);
    } catch (error) {
      failed('records of Firehose were not exported; they go on to their destination', error);
    }
  }
  return { records: event.records.map(({ recordId, data }) => ({ recordId, result: 'Ok', data })) };
}

function linesObject(name: string, messages: readonly string[]): LogObject | undefined {
  if (messages.length === 0) return undefined;
  const content = linesOf(messages);
  return { name, storedOctets: content.octets, content, format: undefined };
}

/** EC2 writes `{"message":"2 1234…"}`; CloudWatch Logs its envelope; others lines of text. */
function readRecord({ data }: FirehoseTransformationEventRecord): {
  readonly lines: readonly string[];
  readonly envelope?: Envelope | undefined;
} {
  const octets = Buffer.from(data, 'base64');
  if (isGzip(octets)) return { lines: [], envelope: decodeEnvelope(octets) };
  const text = octets.toString('utf8');
  if (!text.trimStart().startsWith('{')) return { lines: linesIn(text) };
  const document = parseJson(text);
  if (isEnvelope(document)) return { lines: [], envelope: readEnvelope(document) };
  if (document !== undefined) return { lines: [messageOf(document) ?? text.trim()] };
  // Several documents, one a line. What is none is a line as it is: the converter counts it as a fault.
  return { lines: linesIn(text).map((line) => messageOf(parseJson(line)) ?? line) };
}

function linesIn(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function messageOf(document: unknown): string | undefined {
  const { message } = Object(document) as { readonly message?: unknown };
  return typeof message === 'string' ? message : undefined;
}

/** Undefined: it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
