/** The built bundle, its events and real collectors: what AWS brings arrives, once, with an unbroken sequence. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { AwsClients } from '../../src/aws/clients.ts';
import { type BoundAddress, TcpCollector, UdpCollector } from '../../src/collect/collector.ts';
import { MessageDecoder } from '../../src/collect/decode.ts';
import type { MessageHeader } from '../../src/collect/message.ts';
import { type DecodedRecord, fieldValue } from '../../src/collect/record.ts';
import { missing, startCollector } from '../interop/peers.ts';
import { MOTO_ENVIRONMENT, noMoto, startMoto } from '../support/moto.ts';
import { buildBundle, Environment } from './environment.ts';
import {
  CONTROL,
  cloudWatchLogsEvent,
  envelope,
  firehoseEvent,
  flowLogLine,
  kinesisEvent,
  LOG_GROUP,
  s3Event,
  sqsEvent,
} from './events.ts';

const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status';
const FORMAT = HEADER.replaceAll(/\S+/g, '${$&}');

/** A collector, and what it received. */
async function collect(t: Test, Kind: typeof UdpCollector | typeof TcpCollector, port = 0) {
  const records: DecodedRecord[] = [];
  const domains = new Set<number>();
  const decoder = new MessageDecoder();
  let changed = (): void => {};
  const receiver = {
    record: (record: DecodedRecord, { observationDomainId }: MessageHeader) => {
      records.push(record);
      domains.add(observationDomainId);
      changed();
    },
    options: () => {},
  };
  const collector = new Kind({ address: '127.0.0.1', port, decoder, receiver });
  const bound: BoundAddress = await collector.start();
  t.teardown(() => collector.stop());
  return {
    ...bound,
    domains,
    decoder,
    stop: () => collector.stop(),
    /** The ports that tell the lines of {@link flowLogLine} apart, when so many records are there. */
    ports: async (count: number): Promise<number[]> => {
      while (records.length < count)
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      return records.map((record) => Number(fieldValue(record, 'sourceTransportPort')) - 1024);
    },
    records,
  };
}

const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => flowLogLine(from + n));
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);

t.test('functions', { timeout: 110_000 }, async (t) => {
  const bundle = await buildBundle(t);
  const start = (t: Test, collectors: string, more: Readonly<Record<string, string>> = {}) =>
    Environment.start(t, bundle, { WEIR_COLLECTORS: collectors, WEIR_FORMAT: FORMAT, ...more });

  t.test('CloudWatch Logs: invocations share a sequence, environments do not', async (t) => {
    const collector = await collect(t, UdpCollector);
    const url = `ipfix://127.0.0.1:${collector.port}`;
    const environment = await start(t, url);
    t.equal(await environment.invoke(cloudWatchLogsEvent(CONTROL)), undefined);
    for (let n = 0; n < 5; n++)
      t.equal(
        await environment.invoke(cloudWatchLogsEvent(envelope(lines(n * 100, n * 100 + 100)))),
        undefined,
      );
    t.same(await collector.ports(500), numbers(0, 500));
    const [first] = collector.records;
    t.equal(fieldValue(first!, 'sourceIPv4Address'), '10.0.0.0');
    t.equal(Number(fieldValue(first!, 'octetDeltaCount')), 100);
    t.equal(collector.domains.size, 1);

    const other = await start(t, url);
    await other.invoke(cloudWatchLogsEvent(envelope(lines(500, 600))));
    t.same(await collector.ports(600), numbers(0, 600));
    t.equal(collector.domains.size, 2, 'each environment is a domain');
    const { lostRecords, restarts, lateMessages, missingTemplate } = collector.decoder.counters;
    t.same(
      { lostRecords, restarts, lateMessages, missingTemplate },
      { lostRecords: 0, restarts: 0, lateMessages: 0, missingTemplate: 0 },
    );

    const told = await environment.logged(/^converted$/, 5);
    t.equal(told.length, 5, 'JSON lines on standard output');
    t.match(told[4], {
      level: 'info',
      lines: 100,
      records: 100,
      converted: 100,
      nodata: 0,
      skipdata: 0,
      faults: 0,
    });
  });

  t.test('mixed lines: each is counted under its name', async (t) => {
    const collector = await collect(t, UdpCollector);
    const environment = await start(t, `netflow9://127.0.0.1:${collector.port}`, { WEIR_REJECTS: 'drop' });
    const nodata = '2 123456789012 eni-1 - - - - - - - 1796040000 1796040060 - NODATA';
    const skipdata = nodata.replace('NODATA', 'SKIPDATA');
    const other = 'TCP 10.0.0.1 10.0.0.2';
    const event = envelope([
      flowLogLine(1),
      nodata,
      skipdata,
      other,
      flowLogLine(2, 'REJECT'),
      flowLogLine(3),
    ]);
    await environment.invoke(cloudWatchLogsEvent(event), { name: 'cloudWatchLogs' });
    t.same(await collector.ports(2), [1, 3]);
    const told = await environment.logged(/^converted$/);
    t.match(told[0], { lines: 6, records: 3, converted: 2, nodata: 1, skipdata: 1, faults: 1 });
    t.match(await environment.logged(/a faulty line/), [{ level: 'warn', line: 4, text: other }]);
  });

  t.test('Kinesis: what came before an unreadable record is exported, and that record named', async (t) => {
    const collector = await collect(t, UdpCollector);
    const environment = await start(t, `ipfix://127.0.0.1:${collector.port}`);
    const event = kinesisEvent(
      envelope(lines(0, 3)),
      CONTROL,
      envelope(lines(3, 5)),
      Buffer.from('?'),
      envelope(lines(5, 6)),
    );
    t.same(await environment.invoke(event, { name: 'kinesis' }), {
      batchItemFailures: [{ itemIdentifier: '49545115533' }],
    });
    t.same(await collector.ports(5), numbers(0, 5));
    await t.rejects(
      environment.invoke(event, { name: 's3' }),
      /an event of kind kinesis came to the handler of s3/,
    );
  });

  t.test('Firehose: records go on unchanged, with a collector and without', async (t) => {
    const collector = await collect(t, TcpCollector);
    const environment = await start(t, `ipfix+tcp://127.0.0.1:${collector.port}`);
    const event = firehoseEvent(
      `${flowLogLine(0)}\n${flowLogLine(1)}\n`,
      JSON.stringify({ message: flowLogLine(2) }),
    );
    const unchanged = {
      records: event.records.map(({ recordId, data }) => ({ recordId, result: 'Ok', data })),
    };
    t.same(await environment.invoke(event, { name: 'firehose' }), unchanged);
    t.same(await collector.ports(3), numbers(0, 3));
    await collector.stop();
    t.same(await environment.invoke(event, { milliseconds: 1500 }), unchanged);
    t.match(await environment.logged(/were not exported; they go on/), [{ level: 'error' }]);
  });

  t.test('TCP: nothing is lost with a connection that died while the environment was frozen', async (t) => {
    const first = await collect(t, TcpCollector);
    const environment = await start(t, `ipfix+tcp://127.0.0.1:${first.port}`);
    await environment.invoke(cloudWatchLogsEvent(envelope(lines(0, 10))));
    t.same(await first.ports(10), numbers(0, 10));
    environment.freeze();
    await first.stop();
    const second = await collect(t, TcpCollector, first.port);
    environment.thaw();
    const event = cloudWatchLogsEvent(envelope(lines(10, 20)));
    // AWS would bring it again.
    await environment.invoke(event).catch(() => environment.invoke(event));
    t.same((await second.ports(10)).slice(-10), numbers(10, 20));
  });

  t.test('TCP: a collector that is not there is waited for as long as there is time', async (t) => {
    // A port where nobody listens any more.
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    const environment = await start(t, `ipfix+tcp://127.0.0.1:${port}`);
    await t.rejects(
      environment.invoke(cloudWatchLogsEvent(envelope(lines(0, 10))), { milliseconds: 1500 }),
      /not everything was exported in the time that the function has/,
    );
    const collector = await collect(t, TcpCollector, port);
    await environment.invoke(cloudWatchLogsEvent(envelope(lines(10, 20))));
    t.same(
      await collector.ports(10),
      numbers(10, 20),
      'what failed is brought again by AWS, and not sent by itself',
    );
  });

  t.test('NetFlow v5 by nfcapd', { skip: missing({ nfcapd: 'nfdump', nfdump: 'nfdump' }) }, async (t) => {
    const folder = join(t.testdir(), 'nfcapd');
    mkdirSync(folder);
    const args = (port: number) => ['-w', folder, '-p', `${port}`, '-b', '127.0.0.1', '-B', '4000000'];
    const peer = await startCollector(t, 'nfcapd', args, /Startup nfcapd/);
    const environment = await start(t, `netflow5://127.0.0.1:${peer.port}`);
    for (let n = 0; n < 3; n++)
      await environment.invoke(cloudWatchLogsEvent(envelope(lines(n * 40, n * 40 + 40))));
    await environment.invoke(cloudWatchLogsEvent(envelope([flowLogLine(120, 'REJECT')])));
    await peer.drained();
    await peer.end('SIGTERM');
    const show = ['-R', folder, '-q', '-N', '-o', 'fmt:%sp %pkt %byt %ts %te %eng'];
    const { stdout } = await promisify(execFile)('nfdump', show, { env: { ...process.env, TZ: 'UTC' } });
    const flows = stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    t.same(
      flows.map(([port]) => Number(port) - 1024).sort((a, b) => a - b),
      numbers(0, 121),
    );
    const sum = (column: number) => flows.reduce((total, flow) => total + Number(flow[column]), 0);
    t.same([sum(1), sum(2)], [(121 * 122) / 2, (121 * 122 * 100) / 2]);
    const times = new Set(flows.map((flow) => flow.slice(3, 7).join(' ')));
    t.same([...times], ['2026-11-30 12:00:00.000 2026-11-30 12:01:00.000']);
    const engineOf = (n: number) => flows.find(([port]) => Number(port) === 1024 + n)!.at(-1);
    t.equal(new Set(numbers(0, 120).map(engineOf)).size, 1);
    t.not(engineOf(120), engineOf(0), 'refused flows have an engine of their own');
    t.match(peer.stderr + peer.stdout, /Sequence Errors: 0/);
    t.notMatch(peer.stderr + peer.stdout, /Sequence Errors: [1-9]/);
  });

  t.test('a mistake in the variables is told by their names', async (t) => {
    const environment = await start(t, 'ipfix://127.0.0.1:4739 udp://x', {
      WEIR_VANTAGE: 'inside',
      WEIR_VANTGE: 'ingress',
      WEIR_ENTERPRISE_NUMBER: '',
      WEIR_FOLLOW: 'true',
    });
    const event = cloudWatchLogsEvent(envelope(lines(0, 1)));
    await t.rejects(environment.invoke(event), {
      message:
        /^unknown variable WEIR_VANTGE; did you mean "WEIR_VANTAGE"\?\nunknown variable WEIR_FOLLOW.*\nWEIR_VANTAGE: "inside".*\nWEIR_COLLECTORS: "udp:\/\/x"/s,
    });
    const none = await Environment.start(t, bundle, {});
    await t.rejects(none.invoke(event), /WEIR_COLLECTORS: no collector is given/);
    const format = await start(t, 'ipfix://127.0.0.1', { WEIR_FORMAT: '${version}${bytes}' });
    await t.rejects(format.invoke(event), /^WEIR_FORMAT: /);
  });

  t.test('an observation domain that is given is kept', async (t) => {
    const collector = await collect(t, UdpCollector);
    const environment = await start(t, `ipfix://127.0.0.1:${collector.port}?observation-domain=77`);
    await environment.invoke(cloudWatchLogsEvent(envelope(lines(0, 1))));
    await collector.ports(1);
    t.same([...collector.domains], [77]);
  });

  t.test('with AWS on loopback', { skip: noMoto }, async (t) => {
    const moto = await startMoto();
    t.teardown(() => moto.stop());
    const clients = new AwsClients({ region: MOTO_ENVIRONMENT.AWS_REGION, endpoint: moto.endpoint });
    t.teardown(() => clients.close());
    const variables = { ...MOTO_ENVIRONMENT, WEIR_ENDPOINT: moto.endpoint };
    const { sdk, client } = await clients.s3();
    const Bucket = 'flow-logs';
    const CreateBucketConfiguration = { LocationConstraint: MOTO_ENVIRONMENT.AWS_REGION };
    await client.send(new sdk.CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
    const put = (Key: string, Body: Uint8Array) =>
      client.send(new sdk.PutObjectCommand({ Bucket, Key, Body }));
    const object = (from: number, to: number) => gzipSync(`${HEADER}\n${lines(from, to).join('\n')}\n`);

    t.test('S3: several records, keys that have to be decoded, an object that has gone', async (t) => {
      const keys = ['AWSLogs/a b+c.log.gz', 'AWSLogs/100%25 ü.log.gz', 'AWSLogs/plain.log'];
      await put(keys[0]!, object(0, 10));
      await put(keys[1]!, object(10, 20));
      await put(keys[2]!, Buffer.from(`${HEADER}\n${lines(20, 30).join('\n')}\n`));
      await put('empty.log.gz', gzipSync(''));
      const collector = await collect(t, UdpCollector);
      const environment = await start(t, `ipfix://127.0.0.1:${collector.port}`, variables);
      const event = s3Event(Bucket, ...keys, 'AWSLogs/gone.log.gz', 'empty.log.gz');
      t.equal(await environment.invoke(event, { name: 's3' }), undefined);
      t.same(await collector.ports(30), numbers(0, 30));
      t.match(await environment.logged(/was deleted before/), [
        { level: 'warn', key: 'AWSLogs/gone.log.gz' },
      ]);
    });

    t.test('SQS: a message whose object is cut short comes again, the others do not', async (t) => {
      await put('whole.log.gz', object(0, 5));
      await put('cut.log.gz', object(5, 500).subarray(0, -20));
      const collector = await collect(t, UdpCollector);
      const environment = await start(t, `ipfix://127.0.0.1:${collector.port}`, variables);
      const event = sqsEvent(s3Event(Bucket, 'cut.log.gz'), s3Event(Bucket, 'whole.log.gz'));
      t.same(await environment.invoke(event), { batchItemFailures: [{ itemIdentifier: 'message-0' }] });
      t.same((await collector.ports(5)).slice(-5), numbers(0, 5));
    });

    t.test('an object without a header: the format from EC2, of the flow log in its name', async (t) => {
      const ec2 = await clients.ec2();
      const ids: string[] = [];
      for (const LogFormat of [
        '${version} ${start}',
        '${srcport} ${srcaddr} ${dstaddr} ${bytes} ${packets} ${start} ${end}',
      ]) {
        const { Vpc } = await ec2.client.send(new ec2.sdk.CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
        const { FlowLogIds } = await ec2.client.send(
          new ec2.sdk.CreateFlowLogsCommand({
            ResourceType: 'VPC',
            ResourceIds: [Vpc!.VpcId!],
            TrafficType: 'ALL',
            LogDestinationType: 's3',
            LogDestination: `arn:aws:s3:::${Bucket}`,
            LogFormat,
          }),
        );
        ids.push(FlowLogIds![0]!);
      }
      const key = `123456789012_vpcflowlogs_${MOTO_ENVIRONMENT.AWS_REGION}_${ids[1]}_20261130T1200Z_a.log`;
      await put(key, Buffer.from('1029 10.0.0.1 10.0.0.2 900 3 1796040000 1796040060\n'));
      await put('unnamed.log', Buffer.from('1030 10.0.0.1 10.0.0.2 900 3 1796040000 1796040060\n'));
      await put('whole.log.gz', object(7, 9));
      const collector = await collect(t, UdpCollector);
      const environment = await start(t, `ipfix://127.0.0.1:${collector.port}`, {
        ...variables,
        WEIR_FORMAT: '',
      });
      await t.rejects(
        environment.invoke(s3Event(Bucket, 'unnamed.log', key, 'whole.log.gz')),
        /s3:\/\/flow-logs\/unnamed.log.* 2 formats .*WEIR_FORMAT/,
      );
      t.same(await collector.ports(3), [5, 7, 8], 'the others are exported');
      t.match(await environment.logged(/the format of fl-.*, from EC2/), [
        { level: 'info', msg: new RegExp(ids[1]!) },
      ]);
    });

    t.test('no such bucket: what to change', async (t) => {
      const environment = await start(t, 'ipfix://127.0.0.1', variables);
      await t.rejects(
        environment.invoke(s3Event('nobodys', 'x')),
        /s3:\/\/nobodys\/x: there is no such bucket/,
      );
    });

    t.test('the format of a log group, from EC2', async (t) => {
      const ec2 = await clients.ec2();
      const { Vpc } = await ec2.client.send(new ec2.sdk.CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
      await ec2.client.send(
        new ec2.sdk.CreateFlowLogsCommand({
          ResourceType: 'VPC',
          ResourceIds: [Vpc!.VpcId!],
          TrafficType: 'ALL',
          LogGroupName: LOG_GROUP,
          LogFormat: '${srcport} ${srcaddr} ${dstaddr} ${bytes} ${packets} ${start} ${end}',
          DeliverLogsPermissionArn: 'arn:aws:iam::123456789012:role/flow-logs',
        }),
      );
      const collector = await collect(t, UdpCollector);
      const environment = await start(t, `ipfix://127.0.0.1:${collector.port}`, {
        ...variables,
        WEIR_FORMAT: '',
      });
      await environment.invoke(
        cloudWatchLogsEvent(envelope(['1029 10.0.0.1 10.0.0.2 900 3 1796040000 1796040060'])),
      );
      t.same(await collector.ports(1), [5]);
      t.equal(Number(fieldValue(collector.records[0]!, 'octetDeltaCount')), 900);
      t.match(await environment.logged(/the format of fl-.*, from EC2/), [{ level: 'info' }]);
    });
  });
});
