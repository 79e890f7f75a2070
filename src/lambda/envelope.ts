/** What a subscription of CloudWatch Logs sends: gzip of a JSON document, to Lambda, Kinesis or Firehose. */

import { gunzipSync } from 'node:zlib';

/** AWS sends 6 MB at most, compressed; what grows beyond this is no envelope. */
const MOST_OCTETS = 512 * 1024 * 1024;

export interface Envelope {
  /** The account that owns the log group. */
  readonly owner: string;
  readonly logGroup: string;
  readonly logStream: string;
  /** The events' messages, in their order. */
  readonly messages: readonly string[];
}

/** Undefined: a control message, by which CloudWatch Logs tries whether the destination can be reached. */
export type Decoded = Envelope | undefined;

/** @throws Error where it is no envelope */
export function decodeEnvelope(octets: Uint8Array): Decoded {
  let text: string;
  try {
    text = gunzipSync(octets, { maxOutputLength: MOST_OCTETS }).toString('utf8');
  } catch (error) {
    throw new Error(`an envelope of CloudWatch Logs is gzip, and this is not: ${(error as Error).message}`);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Error(`an envelope of CloudWatch Logs is JSON, and this is not: ${(error as Error).message}`);
  }
  return readEnvelope(document);
}

/** Whether a JSON document claims to be an envelope. */
export function isEnvelope(document: unknown): boolean {
  return typeof document === 'object' && document !== null && 'messageType' in document;
}

/** @throws Error where it is no envelope */
export function readEnvelope(document: unknown): Decoded {
  const { messageType, owner, logGroup, logStream, logEvents } = Object(document) as Record<string, unknown>;
  if (messageType === 'CONTROL_MESSAGE') return undefined;
  if (messageType !== 'DATA_MESSAGE' || typeof logGroup !== 'string' || !Array.isArray(logEvents)) {
    throw new Error(
      `an envelope of CloudWatch Logs has messageType, logGroup and logEvents; this has messageType ${JSON.stringify(messageType)}`,
    );
  }
  const messages = logEvents.map((event, index) => {
    const { message } = Object(event) as Record<string, unknown>;
    if (typeof message !== 'string') throw new Error(`event ${index + 1} of ${logGroup} has no message`);
    return message;
  });
  return { owner: String(owner ?? ''), logGroup, logStream: String(logStream ?? ''), messages };
}

export const isGzip = (octets: Uint8Array): boolean => octets[0] === 0x1f && octets[1] === 0x8b;
