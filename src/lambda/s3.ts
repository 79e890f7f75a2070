/** New objects of S3, announced straight to the function, or through SNS, EventBridge or an SQS queue. */

import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { type AnnouncedObject, readAnnouncement, readEvent } from '../flowlogs/sources/s3-events.ts';
import { isOtherService, s3Url } from '../flowlogs/sources/s3-keys.ts';
import type { Work } from './work.ts';

/**
 * An event of S3, SNS or EventBridge, for which there is all or nothing: AWS brings the whole of it again. Where one object
 * fails, the others are exported nevertheless.
 * @throws Error that names what was not exported
 */
export async function s3Notification(event: unknown, work: Work): Promise<void> {
  const failures: string[] = [];
  for (const object of announced(event)) {
    try {
      await exportObject(object, work);
    } catch (error) {
      failures.push(whatFailed(object, error));
    }
  }
  if (failures.length > 0) throw new Error(failures.join('\n'));
}

/** Messages of a queue: those that failed are named, and AWS brings them alone again. */
export async function s3Queue(event: SQSEvent, work: Work): Promise<SQSBatchResponse> {
  const batchItemFailures: { itemIdentifier: string }[] = [];
  for (const { messageId, body } of event.Records) {
    try {
      for (const object of objectsOf(readAnnouncement(body))) await exportObject(object, work);
    } catch (error) {
      work.log.error(`a message of SQS stays in the queue: ${(error as Error).message}`, { messageId });
      batchItemFailures.push({ itemIdentifier: messageId });
    }
  }
  return { batchItemFailures };
}

function announced(event: unknown): readonly AnnouncedObject[] {
  const { Records } = Object(event) as { readonly Records?: readonly SnsRecord[] };
  if (!Array.isArray(Records) || Records[0]?.Sns === undefined) return objectsOf(readEvent(Object(event)));
  return Records.flatMap(({ Sns }: SnsRecord) => objectsOf(readAnnouncement(Sns?.Message ?? '')));
}

interface SnsRecord {
  readonly Sns?: { readonly Message: string };
}

/** @throws Error for what is no announcement of S3 */
function objectsOf(announcement: ReturnType<typeof readEvent>): readonly AnnouncedObject[] {
  if (announcement.kind === 'foreign') throw new Error(`no announcement of S3: ${announcement.why}`);
  return announcement.kind === 'test' ? [] : announcement.objects;
}

async function exportObject(place: AnnouncedObject, work: Work): Promise<void> {
  // Of a bucket that CloudTrail or a load balancer writes to as well.
  if (isOtherService(place.key)) return;
  const object = await work.openS3(place);
  if (object !== undefined) await work.convert(object);
}

const whatFailed = ({ bucket, key }: AnnouncedObject, error: unknown): string => {
  const name = s3Url(bucket, key);
  const { message } = error as Error;
  return message.includes(name) ? message : `${name}: ${message}`;
};
