/** A Kinesis stream that a subscription of CloudWatch Logs writes to: an envelope in each record. */

import type { KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import { objectOf } from './cloudwatch-logs.ts';
import { decodeEnvelope, type Envelope } from './envelope.ts';
import type { Work } from './work.ts';

interface Run {
  readonly firstSequenceNumber: string;
  readonly envelopes: Envelope[];
}

/**
 * Converts the records in their order and answers with the first that failed: AWS goes on from it, so that none is passed
 * over and none before it is converted again. The records of a log group that follow each other are one object.
 */
export async function kinesis(event: KinesisStreamEvent, work: Work): Promise<KinesisStreamBatchResponse> {
  const runs: Run[] = [];
  let failed: string | undefined;
  for (const { kinesis: record } of event.Records) {
    let envelope: Envelope | undefined;
    try {
      envelope = decodeEnvelope(Buffer.from(record.data, 'base64'));
    } catch (error) {
      work.log.error(`a record of Kinesis cannot be read: ${(error as Error).message}`, {
        sequenceNumber: record.sequenceNumber,
      });
      failed = record.sequenceNumber;
      break;
    }
    if (envelope === undefined) continue; // a control message
    const last = runs.at(-1)?.envelopes;
    if (last?.[0]?.logGroup === envelope.logGroup && last[0].owner === envelope.owner) last.push(envelope);
    else runs.push({ firstSequenceNumber: record.sequenceNumber, envelopes: [envelope] });
  }
  for (const { firstSequenceNumber, envelopes } of runs) {
    try {
      const object = await objectOf(envelopes, work);
      if (object !== undefined) await work.convert(object);
    } catch (error) {
      work.log.error(`records of Kinesis were not exported: ${(error as Error).message}`, {
        sequenceNumber: firstSequenceNumber,
      });
      failed = firstSequenceNumber;
      break;
    }
  }
  return { batchItemFailures: failed === undefined ? [] : [{ itemIdentifier: failed }] };
}
