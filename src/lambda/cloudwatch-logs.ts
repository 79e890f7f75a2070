/** A subscription of CloudWatch Logs to the function: one envelope an invocation. */

import type { CloudWatchLogsEvent } from 'aws-lambda';
import type { LogObject } from '../flowlogs/log-object.ts';
import { linesOf } from '../flowlogs/sources/cloudwatch.ts';
import { decodeEnvelope, type Envelope } from './envelope.ts';
import type { Work } from './work.ts';

/** Rejects where the envelope is none, or its records did not leave: AWS brings the event again. */
export async function cloudWatchLogs(event: CloudWatchLogsEvent, work: Work): Promise<void> {
  const envelope = decodeEnvelope(Buffer.from(event.awslogs.data, 'base64'));
  if (envelope === undefined) {
    work.log.debug('a control message of CloudWatch Logs');
    return;
  }
  const object = await objectOf([envelope], work);
  if (object !== undefined) await work.convert(object);
}

/** Envelopes of one log group as one object; undefined: there is no event in them. */
export async function objectOf(envelopes: readonly Envelope[], work: Work): Promise<LogObject | undefined> {
  const [first] = envelopes;
  const messages = envelopes.flatMap((envelope) => envelope.messages);
  if (first === undefined || messages.length === 0) return undefined;
  const content = linesOf(messages);
  const { logGroup, logStream, owner } = first;
  return {
    name: `cloudwatch://${logGroup}/${logStream}`,
    storedOctets: content.octets,
    content,
    format: await work.formatOf(logGroup, owner),
  };
}
