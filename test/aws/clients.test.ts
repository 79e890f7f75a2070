/** Clients against moto_server: loaded once, where asked for; and what is said where a package is missing. */
import t from 'tap';
import { AwsClients, importPackage } from '../../src/aws/clients.ts';
import { noMoto, startMoto } from '../support/moto.ts';

t.test('a package that is missing: what to install', async (t) => {
  const name = '@aws-sdk/client-that-is-not-there';
  await t.rejects(
    importPackage(name, () => import(name)),
    { kind: 'package-missing', message: `${name} is not installed; install it: npm install ${name}` },
  );
});

t.test('every client speaks to the endpoint, and is made once', { skip: noMoto }, async (t) => {
  const moto = await startMoto();
  t.teardown(() => moto.stop());
  const aws = new AwsClients({ region: 'eu-west-1', endpoint: moto.endpoint });
  t.teardown(() => aws.close());

  const s3 = await aws.s3();
  await s3.client.send(
    new s3.sdk.CreateBucketCommand({
      Bucket: 'logs',
      CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' },
    }),
  );
  const { Buckets } = await s3.client.send(new s3.sdk.ListBucketsCommand());
  t.same(
    Buckets?.map(({ Name }) => Name),
    ['logs'],
  );
  const sqs = await aws.sqs();
  const { QueueUrl } = await sqs.client.send(new sqs.sdk.CreateQueueCommand({ QueueName: 'q' }));
  t.match(QueueUrl, /\/123456789012\/q$/);
  const logs = await aws.cloudWatchLogs();
  t.same((await logs.client.send(new logs.sdk.DescribeLogGroupsCommand())).logGroups, []);
  const ec2 = await aws.ec2();
  t.same((await ec2.client.send(new ec2.sdk.DescribeFlowLogsCommand())).FlowLogs, []);
  const ssm = await aws.ssm();
  t.same((await ssm.client.send(new ssm.sdk.GetParametersByPathCommand({ Path: '/a' }))).Parameters, []);

  t.equal(await aws.s3(), s3, 'the same client again');
  t.not(await aws.s3('us-west-2'), s3, 'another region has its own');
  t.equal(aws.retries, 0);

  await moto.reset();
  t.same((await s3.client.send(new s3.sdk.ListBucketsCommand())).Buckets ?? [], [], 'reset forgets');
});
