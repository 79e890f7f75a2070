/** Events as AWS sends them to a function, written by hand from its documentation. */

import { gzipSync } from 'node:zlib';
import type {
  CloudWatchLogsEvent,
  FirehoseTransformationEvent,
  KinesisStreamEvent,
  S3Event,
  SNSEvent,
  SQSEvent,
} from 'aws-lambda';

export const ACCOUNT = '123456789012';
export const LOG_GROUP = '/aws/vpc/flow-logs';

/** A line of the default format; each has other ports and counters. */
export function flowLogLine(n: number, action = 'ACCEPT'): string {
  return `2 ${ACCOUNT} eni-0123456789abcdef0 10.0.0.${n % 250} 192.0.2.7 ${1024 + n} 443 6 ${n + 1} ${(n + 1) * 100} 1796040000 1796040060 ${action} OK`;
}

export function envelope(messages: readonly string[], more: object = {}): Buffer {
  return gzipSync(
    JSON.stringify({
      messageType: 'DATA_MESSAGE',
      owner: ACCOUNT,
      logGroup: LOG_GROUP,
      logStream: 'eni-0123456789abcdef0-all',
      subscriptionFilters: ['weir'],
      logEvents: messages.map((message, n) => ({ id: `3${n}`, timestamp: 1796040000000 + n, message })),
      ...more,
    }),
  );
}

/** By which CloudWatch Logs tries whether the destination can be reached. */
export const CONTROL = envelope(['CWL CONTROL MESSAGE: Checking health of destination Kinesis stream.'], {
  messageType: 'CONTROL_MESSAGE',
  logGroup: '',
  logStream: '',
  subscriptionFilters: [],
});

export function cloudWatchLogsEvent(octets: Uint8Array): CloudWatchLogsEvent {
  return { awslogs: { data: Buffer.from(octets).toString('base64') } };
}

export function kinesisEvent(...records: Uint8Array[]): KinesisStreamEvent {
  return {
    Records: records.map((octets, n) => ({
      kinesis: {
        kinesisSchemaVersion: '1.0',
        partitionKey: `${n}`,
        sequenceNumber: `4954511553${n}`,
        data: Buffer.from(octets).toString('base64'),
        approximateArrivalTimestamp: 1796040000.5,
      },
      eventSource: 'aws:kinesis',
      eventVersion: '1.0',
      eventID: `shardId-000000000006:4954511553${n}`,
      eventName: 'aws:kinesis:record',
      invokeIdentityArn: `arn:aws:iam::${ACCOUNT}:role/weir`,
      awsRegion: 'eu-west-1',
      eventSourceARN: `arn:aws:kinesis:eu-west-1:${ACCOUNT}:stream/flow-logs`,
    })),
  };
}

export function firehoseEvent(...records: (Uint8Array | string)[]): FirehoseTransformationEvent {
  return {
    invocationId: 'invocation-1',
    deliveryStreamArn: `arn:aws:firehose:eu-west-1:${ACCOUNT}:deliverystream/archive`,
    region: 'eu-west-1',
    records: records.map((octets, n) => ({
      recordId: `record-${n}`,
      approximateArrivalTimestamp: 1796040000000,
      data: Buffer.from(octets as string).toString('base64'),
    })),
  };
}

/** @param keys as they are; the event has them encoded */
export function s3Event(bucket: string, ...keys: string[]): S3Event {
  return {
    Records: keys.map((key) => ({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: 'eu-west-1',
      eventTime: '2026-11-26T12:00:00.000Z',
      eventName: 'ObjectCreated:Put',
      userIdentity: { principalId: 'AWS:X' },
      requestParameters: { sourceIPAddress: '10.0.0.1' },
      responseElements: { 'x-amz-request-id': 'C3D1', 'x-amz-id-2': 'F' },
      s3: {
        s3SchemaVersion: '1.0',
        configurationId: 'weir',
        bucket: { name: bucket, ownerIdentity: { principalId: 'A3' }, arn: `arn:aws:s3:::${bucket}` },
        object: {
          key: encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/'),
          size: 100,
          eTag: 'd4',
          sequencer: '00',
        },
      },
    })),
  };
}

export function snsEvent(...messages: object[]): SNSEvent {
  return {
    Records: messages.map((message) => ({
      EventVersion: '1.0',
      EventSubscriptionArn: `arn:aws:sns:eu-west-1:${ACCOUNT}:logs:1`,
      EventSource: 'aws:sns',
      Sns: {
        SignatureVersion: '1',
        Timestamp: '2026-11-26T12:00:00.000Z',
        Signature: 'x',
        SigningCertUrl: 'https://sns.eu-west-1.amazonaws.com/x.pem',
        MessageId: '95df01b4',
        Message: JSON.stringify(message),
        MessageAttributes: {},
        Type: 'Notification',
        UnsubscribeUrl: 'https://sns.eu-west-1.amazonaws.com/',
        TopicArn: `arn:aws:sns:eu-west-1:${ACCOUNT}:logs`,
        Subject: 'Amazon S3 Notification',
      },
    })),
  };
}

export function sqsEvent(...bodies: (object | string)[]): SQSEvent {
  return {
    Records: bodies.map((body, n) => ({
      messageId: `message-${n}`,
      receiptHandle: 'AQEB',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      attributes: {
        ApproximateReceiveCount: '1',
        SentTimestamp: '1796040000000',
        SenderId: 'AIDA',
        ApproximateFirstReceiveTimestamp: '1796040000001',
      },
      messageAttributes: {},
      md5OfBody: 'x',
      eventSource: 'aws:sqs',
      eventSourceARN: `arn:aws:sqs:eu-west-1:${ACCOUNT}:flow-logs`,
      awsRegion: 'eu-west-1',
    })),
  };
}

/** What SNS puts into a queue. */
export const inSns = (message: object): object => ({
  Type: 'Notification',
  MessageId: '95df01b4',
  TopicArn: `arn:aws:sns:eu-west-1:${ACCOUNT}:logs`,
  Subject: 'Amazon S3 Notification',
  Message: JSON.stringify(message),
});

export function eventBridgeEvent(bucket: string, key: string): object {
  return {
    version: '0',
    id: '17793124',
    'detail-type': 'Object Created',
    source: 'aws.s3',
    account: ACCOUNT,
    time: '2026-11-26T12:00:00Z',
    region: 'eu-west-1',
    resources: [`arn:aws:s3:::${bucket}`],
    detail: {
      version: '0',
      bucket: { name: bucket },
      object: { key, size: 5, etag: 'b1', sequencer: '00' },
      'request-id': 'N4',
      requester: ACCOUNT,
      'source-ip-address': '10.0.0.1',
      reason: 'PutObject',
    },
  };
}

export const S3_TEST_EVENT = {
  Service: 'Amazon S3',
  Event: 's3:TestEvent',
  Time: '2026-11-26T12:00:00.000Z',
  Bucket: 'logs',
  RequestId: '5582',
  HostId: '8cLe',
};
