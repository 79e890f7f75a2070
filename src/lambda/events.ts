/** Which of AWS's events an invocation has brought. */

export type EventKind =
  | 'cloudwatch-logs'
  | 'kinesis'
  | 'firehose'
  | 's3'
  | 's3-queue'
  | 's3-topic'
  | 's3-eventbridge';

/** @throws Error for an event that no handler here is for */
export function kindOf(event: unknown): EventKind {
  const { awslogs, deliveryStreamArn, records, Records, Event, source, detail } = Object(event) as Record<
    string,
    unknown
  >;
  if (typeof Object(awslogs).data === 'string') return 'cloudwatch-logs';
  if (typeof deliveryStreamArn === 'string' && Array.isArray(records)) return 'firehose';
  if (Array.isArray(Records) && Records.length > 0) {
    const { eventSource, EventSource } = Object(Records[0]) as Record<string, unknown>;
    if (eventSource === 'aws:kinesis') return 'kinesis';
    if (eventSource === 'aws:s3') return 's3';
    if (eventSource === 'aws:sqs') return 's3-queue';
    if (EventSource === 'aws:sns') return 's3-topic';
  }
  // What S3 sends when a notification is configured.
  if (Event === 's3:TestEvent') return 's3';
  if (source === 'aws.s3' && detail !== undefined) return 's3-eventbridge';
  throw new Error(
    `no event of CloudWatch Logs, S3, SQS, SNS, EventBridge, Kinesis or Firehose: it has ${Object.keys(Object(event)).slice(0, 10).join(', ') || 'nothing'}`,
  );
}
