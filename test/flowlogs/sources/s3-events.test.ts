import t from 'tap';
import { readAnnouncement } from '../../../src/flowlogs/sources/s3-events.ts';

const record = (key: string, eventName = 'ObjectCreated:Put', size: unknown = 7): object => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  awsRegion: 'eu-west-1',
  eventName,
  s3: { bucket: { name: 'logs' }, object: { key, size, eTag: 'x' } },
});
const read = (message: unknown) => readAnnouncement(JSON.stringify(message));
const object = (key: string, octets: number | undefined = 7): object => ({
  bucket: 'logs',
  key,
  octets,
  version: 'x',
  region: 'eu-west-1',
});

t.test('S3’s own: several records, keys URL-encoded, removals', async (t) => {
  t.same(
    read({
      Records: [
        record('a+b%2Bc/%C3%BC%26.log.gz'),
        record('gone', 'ObjectRemoved:Delete'),
        record('x%3Dy', 'ObjectCreated:CompleteMultipartUpload', 'much'),
      ],
    }),
    { kind: 'objects', objects: [object('a b+c/ü&.log.gz'), { ...object('x=y'), octets: undefined }] },
  );
  t.same(read({ Records: [record('gone', 'ObjectRemoved:Delete')] }), { kind: 'objects', objects: [] });
});

t.test('through SNS, wrapped; raw it is as S3 sent it', async (t) => {
  t.same(
    read({ Type: 'Notification', MessageId: '1', Message: JSON.stringify({ Records: [record('a+b')] }) }),
    {
      kind: 'objects',
      objects: [object('a b')],
    },
  );
  t.same(read({ Type: 'Notification', Message: JSON.stringify({ Event: 's3:TestEvent' }) }), {
    kind: 'test',
  });
});

t.test('EventBridge: the key is as it is', async (t) => {
  const event = {
    version: '0',
    source: 'aws.s3',
    'detail-type': 'Object Created',
    region: 'eu-west-1',
    detail: { bucket: { name: 'logs' }, object: { key: 'a+b%20c d', size: 7, etag: 'y', 'version-id': 'x' } },
  };
  t.same(read(event), { kind: 'objects', objects: [object('a+b%20c d')] });
  t.same(read({ ...event, 'detail-type': 'Object Deleted' }), { kind: 'objects', objects: [] });
});

t.test('the test event', async (t) => {
  t.same(read({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'logs' }), { kind: 'test' });
});

t.test('foreign', async (t) => {
  for (const [body, why] of [
    ['hello', 'it is no JSON object'],
    ['7', 'it is no JSON object'],
    ['{}', 'it is no event of S3'],
    ['{"Records":[]}', 'it is no event of S3'],
    ['{"Records":[null]}', 'it has records that are not of S3'],
    ['{"Records":[{"eventSource":"aws:sns"}]}', 'it has records that are not of S3'],
    [JSON.stringify({ Records: [{ ...record('a'), s3: {} }] }), 'it names no object'],
    [JSON.stringify({ Records: [record('%E0%A4%A')] }), 'its key is not URL-encoded: %E0%A4%A'],
    ['{"Type":"Notification","Message":"disk full"}', 'what SNS passes on is no JSON object'],
    ['{"source":"aws.s3","detail-type":"Object Created"}', 'it names no object'],
    ['{"source":"aws.ec2"}', 'it is no event of S3'],
  ] as const) {
    t.same(readAnnouncement(body), { kind: 'foreign', why }, body);
  }
});
