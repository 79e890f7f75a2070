/** Each handler with events written by hand, and with a rest of the program that keeps what it is given. */

import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { Logger } from '../../src/cli/logger.ts';
import type { LogObject } from '../../src/flowlogs/log-object.ts';
import type { AnnouncedObject } from '../../src/flowlogs/sources/s3-events.ts';
import { cloudWatchLogs } from '../../src/lambda/cloudwatch-logs.ts';
import { kindOf } from '../../src/lambda/events.ts';
import { firehose } from '../../src/lambda/firehose.ts';
import { kinesis } from '../../src/lambda/kinesis.ts';
import { s3Notification, s3Queue } from '../../src/lambda/s3.ts';
import type { Work } from '../../src/lambda/work.ts';
import {
  CONTROL,
  cloudWatchLogsEvent,
  envelope,
  eventBridgeEvent,
  firehoseEvent,
  inSns,
  kinesisEvent,
  LOG_GROUP,
  S3_TEST_EVENT,
  s3Event,
  snsEvent,
  sqsEvent,
} from './events.ts';

const FORMAT = { fields: ['version', 'bytes'] };

async function textOf({ content }: LogObject): Promise<string> {
  if (content.kind !== 'text') throw new Error('text was expected');
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** @param failing what cannot be converted: objects whose text or name has it */
function workOf(failing?: string) {
  const converted: { name: string; text: string; format: unknown }[] = [];
  const opened: AnnouncedObject[] = [];
  const logged: string[] = [];
  const say = (message: string) => void logged.push(message);
  const log: Logger = { debug: say, info: say, warn: say, error: say };
  const work: Work = {
    log,
    convert: async (object) => {
      const text = await textOf(object);
      if (failing !== undefined && `${object.name} ${text}`.includes(failing))
        throw new Error('the collector is away');
      converted.push({ name: object.name, text, format: object.format });
    },
    formatOf: async (logGroup) => (logGroup === LOG_GROUP ? FORMAT : undefined),
    openS3: async (place) => {
      opened.push(place);
      if (place.key.includes('gone')) return undefined;
      if (place.key.includes('denied')) throw new Error(`s3://${place.bucket}/${place.key}: access denied`);
      return {
        name: `s3://${place.bucket}/${place.key}`,
        storedOctets: place.octets,
        format: undefined,
        content: {
          kind: 'text',
          header: 'first-line',
          async *chunks() {
            yield Buffer.from(`text of ${place.key}`);
          },
        },
      };
    },
  };
  return { work, converted, opened, logged };
}

t.test('CloudWatch Logs: an envelope is an object, in the format of its group', async (t) => {
  const { work, converted } = workOf();
  await cloudWatchLogs(cloudWatchLogsEvent(envelope(['one', 'two\n', 'drei ü'])), work);
  t.same(converted, [
    {
      name: `cloudwatch://${LOG_GROUP}/eni-0123456789abcdef0-all`,
      text: 'one\ntwo\ndrei ü\n',
      format: FORMAT,
    },
  ]);
  await cloudWatchLogs(cloudWatchLogsEvent(CONTROL), work);
  await cloudWatchLogs(cloudWatchLogsEvent(envelope([])), work);
  t.equal(converted.length, 1, 'a control message and an empty one are nothing');
});

t.test('CloudWatch Logs: what cannot be read or sent fails', async (t) => {
  const { work, converted } = workOf('one');
  await t.rejects(cloudWatchLogs(cloudWatchLogsEvent(envelope(['one'])), work), /the collector is away/);
  const cases: [Uint8Array, RegExp][] = [
    [Buffer.from('no gzip'), /is gzip, and this is not/],
    [envelope(['x']).subarray(0, 40), /is gzip, and this is not/],
    [gzipSync('{"messageType":'), /is JSON, and this is not/],
    [gzipSync('[]'), /has messageType/],
    [envelope(['x'], { messageType: 'OTHER' }), /messageType "OTHER"/],
    [envelope(['x'], { logEvents: [{ id: '1' }] }), /event 1 of .* has no message/],
  ];
  for (const [octets, message] of cases)
    await t.rejects(cloudWatchLogs(cloudWatchLogsEvent(octets), work), message);
  t.same(converted, []);
});

t.test('Kinesis: records of a group that follow each other are one object', async (t) => {
  const { work, converted } = workOf();
  const other = envelope(['three'], { logGroup: 'other' });
  const answer = await kinesis(
    kinesisEvent(envelope(['one']), CONTROL, envelope(['two']), other, envelope(['4'])),
    work,
  );
  t.same(answer, { batchItemFailures: [] });
  t.same(
    converted.map(({ text, format }) => [text, format]),
    [
      ['one\ntwo\n', FORMAT],
      ['three\n', undefined],
      ['4\n', FORMAT],
    ],
  );
});

t.test('Kinesis: the first record that failed is named, and none behind it is taken', async (t) => {
  const third = envelope(['three'], { logGroup: 'other' });
  const away = workOf('three');
  t.same(
    await kinesis(kinesisEvent(envelope(['one']), envelope(['two']), third, envelope(['four'])), away.work),
    { batchItemFailures: [{ itemIdentifier: '49545115532' }] },
  );
  t.same(
    away.converted.map(({ text }) => text),
    ['one\ntwo\n'],
  );

  const first = workOf('two');
  t.same(await kinesis(kinesisEvent(CONTROL, envelope(['one']), envelope(['two'])), first.work), {
    batchItemFailures: [{ itemIdentifier: '49545115531' }],
  });

  const unreadable = workOf();
  t.same(
    await kinesis(kinesisEvent(envelope(['one']), Buffer.from('?'), envelope(['three'])), unreadable.work),
    {
      batchItemFailures: [{ itemIdentifier: '49545115531' }],
    },
  );
  t.same(
    unreadable.converted.map(({ text }) => text),
    ['one\n'],
  );
  t.match(unreadable.logged, [/a record of Kinesis cannot be read/]);
});

t.test('Firehose: every record goes on as it came, whatever becomes of it here', async (t) => {
  const event = firehoseEvent(
    'line one\nline two\n',
    '{"message":"line three"}',
    '{"message":"line four"}\n{"message":"line five"}\n',
    envelope(['line six']),
    JSON.stringify({
      messageType: 'DATA_MESSAGE',
      owner: '1',
      logGroup: 'g',
      logStream: 's',
      logEvents: [{ message: 'line seven' }],
    }),
    CONTROL,
    '{"other":1}',
    envelope(['x']).subarray(0, 30),
    '',
  );
  const expected = {
    records: event.records.map(({ recordId, data }) => ({ recordId, result: 'Ok', data })),
  };
  t.equal(expected.records.length, 9);
  const { work, converted, logged } = workOf();
  t.same(await firehose(event, work), expected);
  t.same(converted, [
    {
      name: 'firehose://archive',
      text: 'line one\nline two\nline three\nline four\nline five\n{"other":1}\n',
      format: undefined,
    },
    { name: `cloudwatch://${LOG_GROUP}/eni-0123456789abcdef0-all`, text: 'line six\n', format: FORMAT },
    { name: 'cloudwatch://g/s', text: 'line seven\n', format: undefined },
  ]);
  t.match(logged, [/record record-7 of Firehose cannot be read/]);

  const away = workOf('line one');
  t.same(await firehose(event, away.work), expected);
  t.equal(away.converted.length, 2, 'the others are exported nevertheless');
  t.match(away.logged[1], /records of Firehose were not exported; they go on.*: the collector is away/);
});

const KEY = 'AWSLogs/1/vpcflowlogs/a b+c%20d ü.log.gz';

t.test('S3: several records, keys with spaces, plus and percent signs', async (t) => {
  const { work, converted, opened } = workOf();
  const event = s3Event('logs', KEY, 'second');
  t.match(event.Records[0]?.s3.object.key, /a\+b%2Bc%2520d\+%C3%BC/, 'it is encoded');
  await s3Notification(event, work);
  t.same(
    opened.map(({ key }) => key),
    [KEY, 'second'],
  );
  t.match(opened[0], { bucket: 'logs', octets: 100, region: 'eu-west-1' });
  t.equal(converted.length, 2);
  await s3Notification(S3_TEST_EVENT, work);
  await s3Notification(s3Event('logs', 'gone', `AWSLogs/123456789012/CloudTrail/x.json.gz`), work);
  t.equal(converted.length, 2, 'no object, one that has gone, one of another service');
});

t.test('S3: a failure is told when the others are exported', async (t) => {
  const { work, converted } = workOf('second');
  await t.rejects(s3Notification(s3Event('logs', 'denied', 'second', 'third'), work), {
    message: 's3://logs/denied: access denied\ns3://logs/second: the collector is away',
  });
  t.same(
    converted.map(({ name }) => name),
    ['s3://logs/third'],
  );
});

t.test('S3 through SNS, EventBridge and SQS', async (t) => {
  const { work, opened } = workOf();
  await s3Notification(snsEvent(s3Event('logs', 'a b'), S3_TEST_EVENT, s3Event('logs', 'c')), work);
  await s3Notification(eventBridgeEvent('logs', 'd+e f%20'), work);
  const answer = await s3Queue(
    sqsEvent(
      s3Event('logs', 'g', 'h'),
      inSns(s3Event('logs', 'i j')),
      eventBridgeEvent('logs', 'k+l'),
      S3_TEST_EVENT,
      inSns(eventBridgeEvent('logs', 'm')),
    ),
    work,
  );
  t.same(answer, { batchItemFailures: [] });
  t.same(
    opened.map(({ key }) => key),
    ['a b', 'c', 'd+e f%20', 'g', 'h', 'i j', 'k+l', 'm'],
  );
});

t.test('SQS: only the messages that failed come again', async (t) => {
  const { work, converted } = workOf('second');
  const answer = await s3Queue(
    sqsEvent(s3Event('logs', 'first'), s3Event('logs', 'second'), 'hello', s3Event('logs', 'third')),
    work,
  );
  t.same(answer, { batchItemFailures: [{ itemIdentifier: 'message-1' }, { itemIdentifier: 'message-2' }] });
  t.same(
    converted.map(({ name }) => name),
    ['s3://logs/first', 's3://logs/third'],
  );
});

t.test('which event it is', async (t) => {
  const cases: [unknown, string][] = [
    [cloudWatchLogsEvent(CONTROL), 'cloudwatch-logs'],
    [kinesisEvent(CONTROL), 'kinesis'],
    [firehoseEvent(''), 'firehose'],
    [s3Event('b', 'k'), 's3'],
    [S3_TEST_EVENT, 's3'],
    [snsEvent({}), 's3-topic'],
    [sqsEvent({}), 's3-queue'],
    [eventBridgeEvent('b', 'k'), 's3-eventbridge'],
  ];
  for (const [event, kind] of cases) t.equal(kindOf(event), kind);
  t.throws(
    () => kindOf({ Records: [{ eventSource: 'aws:dynamodb' }], x: 1 }),
    /no event of .*: it has Records, x/,
  );
  for (const event of [{}, null, undefined, [], 'x', { Records: [] }, { awslogs: {} }])
    t.throws(() => kindOf(event));
});
