import t from 'tap';
import {
  flowLogOfKey,
  intervalOfFolder,
  isInTree,
  isOtherService,
  parseS3Url,
  timeOfName,
} from '../../../src/flowlogs/sources/s3-keys.ts';

const CLASSIC = 'AWSLogs/123456789012/vpcflowlogs/eu-west-1/';
const HIVE = 'AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/';

t.test('the time in a name', async (t) => {
  const name = '123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz';
  t.equal(timeOfName(`a/${name}`), Date.UTC(2018, 5, 20, 16, 20));
  t.equal(timeOfName(name.replace('.log.gz', '.log.parquet')), Date.UTC(2018, 5, 20, 16, 20));
  t.equal(timeOfName('a_20180620T1620Z_b/flows.log'), undefined, 'of the name, not of a folder');
  t.equal(timeOfName('a_20181320T1620Z_b'), undefined);
  t.equal(timeOfName('flows.log.gz'), undefined);
});

t.test('the flow log in a name, and its region', async (t) => {
  const name = '123456789012_vpcflowlogs_us-gov-east-1_fl-1234abcd_20180620T1620Z_fe123456.log';
  const told = { region: 'us-gov-east-1', flowLogId: 'fl-1234abcd' };
  t.same(flowLogOfKey(`${HIVE}year=2018/${name}.gz`), told);
  t.same(flowLogOfKey(`${name}.parquet`), told);
  for (const key of [`${name}/x.log`, `my-${name}`, name.replace('vpcflowlogs', 'dns'), 'flows.log', ''])
    t.equal(flowLogOfKey(key), undefined, key);
});

t.test('folders of dates, in both layouts', async (t) => {
  for (const prefix of ['', 'a/b/']) {
    for (const [tree, day, hour] of [
      [CLASSIC, '2026/11/30/', '2026/11/30/23/'],
      [HIVE, 'year=2026/month=11/day=30/', 'year=2026/month=11/day=30/hour=23/'],
    ]) {
      t.ok(isInTree(prefix + tree));
      t.equal(intervalOfFolder(prefix + tree), undefined);
      t.same(intervalOfFolder(prefix + tree! + day), {
        start: Date.UTC(2026, 10, 30),
        end: Date.UTC(2026, 11, 1),
      });
      t.same(intervalOfFolder(prefix + tree! + hour), {
        start: Date.UTC(2026, 10, 30, 23),
        end: Date.UTC(2026, 11, 1),
      });
      t.same(intervalOfFolder(`${prefix + tree! + day!.split('/').slice(0, 2).join('/')}/`), {
        start: Date.UTC(2026, 10),
        end: Date.UTC(2026, 11),
      });
      t.same(intervalOfFolder(`${prefix + tree! + day!.split('/')[0]}/`), {
        start: Date.UTC(2026, 0),
        end: Date.UTC(2027, 0),
      });
    }
  }
  t.notOk(isInTree('AWSLogs/123456789012/vpcflowlogs/'));
  t.notOk(isInTree('AWSLogs/123456789012/CloudTrail/eu-west-1/'));
  t.equal(intervalOfFolder(`${CLASSIC}other/`), undefined);
});

t.test('other services that share the bucket', async (t) => {
  t.ok(isOtherService('AWSLogs/123456789012/CloudTrail/'));
  t.ok(isOtherService('x/AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/a.gz'));
  t.ok(isOtherService('AWSLogs/aws-account-id=123456789012/aws-service=route53/x'));
  for (const key of [`${CLASSIC}x`, `${HIVE}x`, 'AWSLogs/123456789012/', 'flows/a.log', 'AWSLogs/x']) {
    t.notOk(isOtherService(key), key);
  }
});

t.test('URLs', async (t) => {
  t.same(parseS3Url('s3://my.bucket-1'), { bucket: 'my.bucket-1', prefix: '' });
  t.same(parseS3Url('s3://bucket/a b/c//'), { bucket: 'bucket', prefix: 'a b/c' });
  for (const url of ['s3://', 's3:///x', 'http://bucket/x', 's3://a_b?/x']) {
    t.throws(() => parseS3Url(url), { message: `${url}: not s3://BUCKET or s3://BUCKET/PREFIX` });
  }
});
