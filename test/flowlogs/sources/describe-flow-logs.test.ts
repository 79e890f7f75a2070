import t from 'tap';
import { AwsClients } from '../../../src/aws/clients.ts';
import { explainAwsError } from '../../../src/aws/errors.ts';
import { DEFAULT_FORMAT, parseFormat } from '../../../src/flowlogs/log-format.ts';
import {
  chooseFormat,
  type DescribedFlowLog,
  type DescribeFlowLogs,
  describeFlowLogsOf,
  describeFormat,
  type FlowLogDestination,
  logGroupName,
} from '../../../src/flowlogs/sources/describe-flow-logs.ts';
import { DescribedFormats } from '../../../src/flowlogs/sources/described-formats.ts';
import { noMoto, startMoto } from '../../support/moto.ts';

const GROUP = { logGroup: '/aws/vpc' };

function flowLog(flowLogId: string, logFormat: string, logDestination?: string): DescribedFlowLog {
  return { flowLogId, logFormat, logDestination };
}

/** EC2 whose answers come in pages of one. */
function ec2(...flowLogs: DescribedFlowLog[]): DescribeFlowLogs {
  return async ({ nextToken = '0' }) => {
    const at = Number(nextToken);
    return {
      flowLogs: flowLogs.slice(at, at + 1),
      nextToken: at + 1 < flowLogs.length ? String(at + 1) : undefined,
    };
  };
}

const choose = async (describe: DescribeFlowLogs, destination: FlowLogDestination = GROUP) =>
  chooseFormat(
    await describeFormat(destination, describe, parseFormat),
    destination,
    DEFAULT_FORMAT,
    '--format',
  );

t.test('one format, however many flow logs have it', async (t) => {
  t.match(
    await choose(ec2(flowLog('fl-1', '${version}  ${bytes}'), flowLog('fl-2', '${version} ${bytes}'))),
    {
      format: { fields: ['version', 'bytes'] },
      level: 'info',
      text: 'log group /aws/vpc: the format of fl-1, fl-2, from EC2',
    },
  );
});

t.test('several formats: none is chosen', async (t) => {
  const chosen = await choose(
    ec2(flowLog('fl-1', '${version} ${bytes}'), flowLog('fl-2', '${version} ${start}')),
  );
  t.equal(chosen.format, undefined);
  t.match(
    chosen.text,
    /flow logs of 2 formats .* give --format .*\n\$\{version\} \$\{bytes\}\n\$\{version\} \$\{start\}$/s,
  );
});

t.test(
  'no flow log, no permission: the default, and it is said; no answer, no sense: no format',
  async (t) => {
    t.match(await choose(ec2()), {
      format: DEFAULT_FORMAT,
      level: 'warn',
      text: /EC2 knows no flow log .*the default format \(version 2\) is taken.*give --format/,
    });
    const failing =
      (name: string): DescribeFlowLogs =>
      async () => {
        const error = Object.assign(new Error('You are not authorized'), { name });
        throw explainAwsError(error, { action: 'ec2:DescribeFlowLogs', resource: '*', name: 'EC2' });
      };
    t.match(await choose(failing('UnauthorizedOperation')), {
      format: DEFAULT_FORMAT,
      level: 'warn',
      text: /grant ec2:DescribeFlowLogs/,
    });
    t.match(await choose(failing('InternalError')), {
      format: undefined,
      text: /EC2 could not be asked for the format .*InternalError.*; give --format/,
    });
    t.match(await choose(ec2(flowLog('fl-1', '${Version}'))), {
      format: undefined,
      text: /could not be asked for the format .*Version.*; give --format/,
    });
  },
);

t.test('a bucket: those that write there, under whatever prefix', async (t) => {
  const chosen = await choose(
    ec2(
      flowLog('fl-1', '${version} ${start}', 'arn:aws:s3:::logs-other/AWSLogs'),
      flowLog('fl-2', '${version} ${bytes}', 'arn:aws:s3:::logs/prefix/'),
      flowLog('fl-3', '${version} ${bytes}', 'arn:aws-us-gov:s3:::logs'),
    ),
    { bucket: 'logs' },
  );
  t.match(chosen, { format: { fields: ['version', 'bytes'] }, text: /bucket logs: .*fl-2, fl-3/ });
});

t.test('a bucket of several formats: the flow log that an object is named by', async (t) => {
  const describe = ec2(
    flowLog('fl-1', '${version} ${start}', 'arn:aws:s3:::logs'),
    flowLog('fl-2', '${version} ${bytes}', 'arn:aws:s3:::logs'),
    flowLog('fl-3', '${version} ${end}', 'arn:aws:s3:::other'),
  );
  for (const [flowLogId, fields] of [
    ['fl-1', ['version', 'start']],
    ['fl-2', ['version', 'bytes']],
    // One that is deleted, one that writes elsewhere, none.
    ['fl-9', undefined],
    ['fl-3', undefined],
    [undefined, undefined],
  ] as const) {
    const { format } = await choose(describe, { bucket: 'logs', flowLogId });
    t.same(format?.fields, fields, `${flowLogId}`);
  }
});

t.test('asked once a destination, in the region of the flow log; a failure is no answer', async (t) => {
  const asked: (string | undefined)[] = [];
  const said: string[] = [];
  let isDown = true;
  const formats = new DescribedFormats({
    describe: (region) => async (request) => {
      asked.push(region);
      if (isDown) throw new Error('down');
      return await ec2(flowLog('fl-1', '${version} ${bytes}', 'arn:aws:s3:::logs'))(request);
    },
    option: '--format',
    onChosen: (level, text) => said.push(`${level} ${text}`),
  });
  const key = 'x/123456789012_vpcflowlogs_us-east-1_fl-1_20260101T0000Z_a.log.gz';
  await t.rejects(formats.ofObject('logs', key), {
    name: 'SourceError',
    message: `s3://logs/${key} has no header; bucket logs: EC2 could not be asked for the format (down); give --format`,
  });
  isDown = false;
  t.same(await formats.ofObject('logs', key), { fields: ['version', 'bytes'] });
  t.same(await formats.ofObject('logs', key.replace('T0000Z', 'T0005Z')), { fields: ['version', 'bytes'] });
  t.same(asked, ['us-east-1', 'us-east-1']);
  await formats.ofObject('logs', 'flows.log');
  t.same(asked.slice(2), [undefined], 'an object of another name is another question');
  await formats.ofLogGroup('g', '1');
  await formats.ofLogGroup('g', '1');
  await formats.ofLogGroup('g', '2');
  t.equal(asked.length, 5);
  t.same(said.length, 4);
  t.equal(said[0], 'info bucket logs: the format of fl-1, from EC2');
});

t.test('the name in an ARN', async (t) => {
  t.equal(logGroupName('arn:aws:logs:eu-west-1:123456789012:log-group:/aws/vpc:*'), '/aws/vpc');
  t.equal(logGroupName('/aws/vpc'), '/aws/vpc');
});

t.test('with the real client', { skip: noMoto, timeout: 60_000 }, async (t) => {
  const moto = await startMoto();
  t.teardown(() => moto.stop());
  const clients = new AwsClients({ region: 'eu-west-1', endpoint: moto.endpoint });
  t.teardown(() => clients.close());
  const { sdk, client } = await clients.ec2();
  const { Vpc } = await client.send(new sdk.CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
  const create = async (more: object) => {
    const made = await client.send(
      new sdk.CreateFlowLogsCommand({
        ResourceType: 'VPC',
        ResourceIds: [Vpc!.VpcId!],
        TrafficType: 'ALL',
        ...more,
      }),
    );
    t.equal(made.FlowLogIds?.length, 1, JSON.stringify(made.Unsuccessful ?? []));
  };
  const DeliverLogsPermissionArn = 'arn:aws:iam::123456789012:role/flow-logs';
  await create({
    LogGroupName: '/aws/vpc',
    LogFormat: '${version} ${srcaddr} ${bytes}',
    DeliverLogsPermissionArn,
  });
  await create({ LogGroupName: 'other', LogFormat: '${version} ${dstaddr}', DeliverLogsPermissionArn });
  const s3 = await clients.s3();
  for (const Bucket of ['logs-one', 'logs-two']) {
    const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' as const };
    await s3.client.send(new s3.sdk.CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
    const LogFormat = Bucket === 'logs-one' ? '${version} ${start}' : '${version} ${end}';
    await create({ LogDestinationType: 's3', LogDestination: `arn:aws:s3:::${Bucket}`, LogFormat });
  }

  const describe = describeFlowLogsOf(clients);
  t.match(await choose(describe), { format: { fields: ['version', 'srcaddr', 'bytes'] }, level: 'info' });
  t.match(await choose(describe, { logGroup: 'nobody' }), { format: DEFAULT_FORMAT, level: 'warn' });
  t.match(await choose(describe, { bucket: 'logs-two' }), { format: { fields: ['version', 'end'] } });
});
