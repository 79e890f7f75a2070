// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so EC2 writes formats.
/** `weir convert`, the whole program, from S3, SQS and CloudWatch Logs as moto_server plays them. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { AwsClients } from '../../src/aws/clients.ts';
import { MOTO_ENVIRONMENT, noMoto, startMoto } from '../support/moto.ts';

const MAIN = resolve(import.meta.dirname, '../../bundle/weir/main.js');
const { PATH } = process.env;
const HEADER = 'interface-id srcaddr dstaddr bytes packets start end action log-status';

const line = (i: number) =>
  `eni-0a 10.0.0.5 203.0.113.${1 + (i % 250)} ${100 + i} 1 1780000000 1780000060 ACCEPT OK`;
const object = (from: number, count: number) =>
  gzipSync(`${[HEADER, ...Array.from({ length: count }, (_, i) => line(from + i))].join('\n')}\n`);

/** @param enough looks at the records so far: with true the program is asked to end */
async function convert(args: readonly string[], enough?: (records: number) => boolean) {
  const child = spawn(process.execPath, [MAIN, 'convert', ...args, '--json'], {
    env: { PATH, ...MOTO_ENVIRONMENT },
    timeout: 40_000,
  });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk) => {
      text[name] += chunk;
      if (enough?.(text.stdout.split('\n').length - 1) === true) child.kill('SIGTERM');
    });
  }
  const [code] = await once(child, 'close');
  const json = (all: string) =>
    all
      .split('\n')
      .slice(0, -1)
      .map((each) => JSON.parse(each) as Record<string, unknown>);
  return { code, records: json(text.stdout), log: json(text.stderr) };
}

t.test('with moto_server', { skip: noMoto, timeout: 120_000 }, async (t) => {
  const moto = await startMoto();
  t.teardown(() => moto.stop());
  const clients = new AwsClients({ endpoint: moto.endpoint });
  const endpoint = ['--endpoint', moto.endpoint];
  const s3 = await clients.s3();
  const put = (key: string, body: Uint8Array) =>
    s3.client.send(new s3.sdk.PutObjectCommand({ Bucket: 'my-flow-logs', Key: key, Body: body }));
  const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' } as const;
  await s3.client.send(new s3.sdk.CreateBucketCommand({ Bucket: 'my-flow-logs', CreateBucketConfiguration }));
  const key = (minute: string) =>
    `AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/05/28/123456789012_vpcflowlogs_eu-west-1_fl-0a_20260528T20${minute}Z_abc.log.gz`;
  await put(key('05'), object(0, 10));
  await put(key('10'), object(10, 20));

  await t.test('S3: a prefix, then from the checkpoint on', async (t) => {
    const checkpoint = `${t.testdir()}/checkpoint`;
    const args = ['s3://my-flow-logs/AWSLogs', ...endpoint, '--checkpoint', checkpoint];
    const first = await convert(args);
    t.equal(first.code, 0, JSON.stringify(first.log));
    t.same(
      first.records.map(({ octetDeltaCount }) => octetDeltaCount),
      Array.from({ length: 30 }, (_, i) => 100 + i),
    );
    t.ok(existsSync(checkpoint));
    await put(key('15'), object(30, 5));
    const second = await convert(args);
    t.match(second.log.at(-1), { msg: 'converted', lines: 5, records: 5, objects: 1 });
    const since = await convert(['s3://my-flow-logs', ...endpoint, '--since', '2026-05-28T20:10Z']);
    t.equal(since.records.length, 25);
  });

  await t.test('S3: no such bucket is said, with the totals', async (t) => {
    const { code, log } = await convert(['s3://no-such-bucket-of-mine', ...endpoint]);
    t.equal(code, 1);
    t.match(log[0], { level: 'error', msg: /no-such-bucket-of-mine/ });
    t.match(log.at(-1), { msg: 'converted', lines: 0 });
  });

  await t.test('SQS: until a signal, and the message is gone', async (t) => {
    const sqs = await clients.sqs();
    const { QueueUrl } = await sqs.client.send(new sqs.sdk.CreateQueueCommand({ QueueName: 'flow-logs' }));
    const record = { s3: { bucket: { name: 'my-flow-logs' }, object: { key: key('10'), size: 1 } } };
    const Records = [
      { eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', awsRegion: 'eu-west-1', ...record },
    ];
    await sqs.client.send(
      new sqs.sdk.SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify({ Records }) }),
    );
    const { code, records, log } = await convert(['sqs://flow-logs', ...endpoint], (n) => n >= 20);
    t.equal(code, 0, JSON.stringify(log));
    t.equal(records.length, 20);
  });

  await t.test(
    'S3 and SQS: an object without a header, in the format that EC2 tells of its flow log',
    async (t) => {
      const ec2 = await clients.ec2();
      const Bucket = 'bare-logs';
      await s3.client.send(new s3.sdk.CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
      const FORMATS = [HEADER, 'version start'].map((names) => names.replaceAll(/\S+/g, '${$&}'));
      const ids: string[] = [];
      for (const LogFormat of FORMATS) {
        const { Vpc } = await ec2.client.send(new ec2.sdk.CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
        const { FlowLogIds } = await ec2.client.send(
          new ec2.sdk.CreateFlowLogsCommand({
            ...{ ResourceType: 'VPC', ResourceIds: [Vpc!.VpcId!], TrafficType: 'ALL', LogFormat },
            ...{ LogDestinationType: 's3', LogDestination: `arn:aws:s3:::${Bucket}` },
          }),
        );
        ids.push(FlowLogIds![0]!);
      }
      const nameOf = (id: string, minute: string) =>
        `123456789012_vpcflowlogs_eu-west-1_${id}_20260528T20${minute}Z_abc.log.gz`;
      const bare = (from: number, count: number) =>
        gzipSync(Array.from({ length: count }, (_, i) => `${line(from + i)}\n`).join(''));
      const putBare = (name: string, body: Uint8Array) =>
        s3.client.send(new s3.sdk.PutObjectCommand({ Bucket, Key: name, Body: body }));
      await putBare(`some/${nameOf(ids[0]!, '00')}`, bare(0, 3));
      await putBare(`some/${nameOf(ids[0]!, '05')}`, bare(3, 4));
      const octets = (records: readonly Record<string, unknown>[]) =>
        records.map(({ octetDeltaCount }) => octetDeltaCount);

      const asked = await convert([`s3://${Bucket}`, ...endpoint]);
      t.equal(asked.code, 0, JSON.stringify(asked.log));
      t.match(asked.log[0], { level: 'info', msg: `bucket ${Bucket}: the format of ${ids[0]}, from EC2` });
      t.same(octets(asked.records), [100, 101, 102, 103, 104, 105, 106]);

      const sqs = await clients.sqs();
      const { QueueUrl } = await sqs.client.send(new sqs.sdk.CreateQueueCommand({ QueueName: 'bare' }));
      const object = { key: `some/${nameOf(ids[0]!, '05')}`, size: 1 };
      const record = { s3: { bucket: { name: Bucket }, object } };
      const Records = [
        { eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', awsRegion: 'eu-west-1', ...record },
      ];
      await sqs.client.send(
        new sqs.sdk.SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify({ Records }) }),
      );
      const announced = await convert(['sqs://bare', ...endpoint], (n) => n >= 4);
      t.equal(announced.code, 0, JSON.stringify(announced.log));
      t.same(octets(announced.records), [103, 104, 105, 106]);

      // A name that tells no flow log, in a bucket of several formats: it is for the user to say, and nothing is lost by then.
      await putBare('some/flows.log.gz', bare(7, 2));
      const checkpoint = `${t.testdir()}/checkpoint`;
      const several = await convert([`s3://${Bucket}`, ...endpoint, '--checkpoint', checkpoint]);
      t.equal(several.code, 1);
      t.equal(several.records.length, 7);
      t.match(
        several.log.find(({ level }) => level === 'error'),
        { msg: /^s3:\/\/bare-logs\/some\/flows.log.gz has no header; .* 2 formats .* give --format/ },
      );
      const told = await convert([
        ...[`s3://${Bucket}`, ...endpoint, '--checkpoint', checkpoint],
        ...['--format', FORMATS[0]!],
      ]);
      t.equal(told.code, 0, JSON.stringify(told.log));
      t.same(octets(told.records), [107, 108], 'and after the checkpoint');
    },
  );

  await t.test('CloudWatch Logs: the format from EC2, or --format', async (t) => {
    const logs = await clients.cloudWatchLogs();
    const ec2 = await clients.ec2();
    const group = { logGroupName: '/vpc/flow' };
    const stream = { ...group, logStreamName: 'eni-0a-all' };
    await logs.client.send(new logs.sdk.CreateLogGroupCommand(group));
    await logs.client.send(new logs.sdk.CreateLogStreamCommand(stream));
    const now = Date.now();
    const logEvents = Array.from({ length: 7 }, (_, i) => ({ timestamp: now - 7000 + i, message: line(i) }));
    await logs.client.send(new logs.sdk.PutLogEventsCommand({ ...stream, logEvents }));
    const LogFormat = HEADER.split(' ')
      .map((name) => `\${${name}}`)
      .join(' ');

    const told = await convert(['cloudwatch:///vpc/flow', ...endpoint, '--format', LogFormat]);
    t.equal(told.code, 0, JSON.stringify(told.log));
    t.equal(told.records.length, 7);

    const { Vpc } = await ec2.client.send(new ec2.sdk.CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
    await ec2.client.send(
      new ec2.sdk.CreateFlowLogsCommand({
        ResourceIds: [Vpc!.VpcId!],
        ResourceType: 'VPC',
        TrafficType: 'ALL',
        LogGroupName: '/vpc/flow',
        DeliverLogsPermissionArn: 'arn:aws:iam::123456789012:role/flow-logs',
        LogFormat,
      }),
    );
    const asked = await convert(['cloudwatch:///vpc/flow', ...endpoint]);
    t.match(asked.log[0], { level: 'info', msg: /^log group \/vpc\/flow: the format of fl-\w+, from EC2$/ });
    t.same(asked.records, told.records);
  });
});
