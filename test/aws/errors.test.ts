/** What the errors of AWS mean: those that the SDK itself makes, and a table of those that services answer. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import t from 'tap';
import { AwsClients } from '../../src/aws/clients.ts';
import { type AwsError, type AwsErrorKind, explainAwsError, explaining } from '../../src/aws/errors.ts';
import { MOTO_ENVIRONMENT } from '../support/moto.ts';

const attempt = { action: 'ec2:DescribeFlowLogs', resource: '*', name: 'flow logs of vpc-1' };

/** Lists buckets with nothing in the environment but `environment`. */
async function listBuckets(environment: Record<string, string>, endpoint?: string): Promise<AwsError> {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/nowhere',
    AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
    ...environment,
  });
  const clients = new AwsClients({ maxAttempts: 1, endpoint });
  try {
    await explaining({ action: 's3:ListAllMyBuckets', resource: '*', name: 's3://' }, async () => {
      const { sdk, client } = await clients.s3();
      return await client.send(new sdk.ListBucketsCommand());
    });
  } catch (error) {
    return error as AwsError;
  } finally {
    await clients.close();
  }
  throw new Error('no error');
}

t.test('no region', async (t) => {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = MOTO_ENVIRONMENT;
  const error = await listBuckets({ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY }, 'http://127.0.0.1:9');
  t.equal(error.kind, 'no-region');
  t.equal(
    error.message,
    's3://: no region is known; set AWS_REGION, or a region in the profile, or --region',
  );
});

t.test('no credentials', async (t) => {
  const error = await listBuckets({ AWS_REGION: 'eu-west-1' }, 'http://127.0.0.1:9');
  t.equal(error.kind, 'no-credentials');
  t.match(
    error.message,
    /^s3:\/\/: no credentials for AWS were found \(.*\); on AWS attach a role .* `aws sso login`$/,
  );
});

t.test('no network', async (t) => {
  // A port at which nobody listens.
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const error = await listBuckets({ ...MOTO_ENVIRONMENT }, `http://127.0.0.1:${port}`);
  t.equal(error.kind, 'network');
  t.match(error.message, /AWS cannot be reached \(ECONNREFUSED.*\); look at the network: the route to AWS/);
});

t.test('what services answer', async (t) => {
  const user = 'User: arn:aws:iam::123456789012:user/weir is not authorized to perform: ';
  for (const [name, status, message, kind, text] of [
    [
      'UnauthorizedOperation',
      403,
      'You are not authorized to perform this operation.',
      'access-denied',
      'grant ec2:DescribeFlowLogs on *',
    ],
    [
      'AccessDeniedException',
      400,
      `${user}logs:FilterLogEvents on resource: arn:aws:logs:eu-west-1:123456789012:log-group:x:* with an explicit deny in a service control policy`,
      'access-denied',
      'grant logs:FilterLogEvents on arn:aws:logs:eu-west-1:123456789012:log-group:x:* to arn:aws:iam::123456789012:user/weir; a policy denies it explicitly, which no grant undoes',
    ],
    ['Unknown', 403, '', 'access-denied', 'grant ec2:DescribeFlowLogs on *'],
    ['RequestExpired', 400, '', 'expired-credentials', 'the credentials have expired'],
    ['ExpiredTokenException', 400, '', 'expired-credentials', 'set a new AWS_SESSION_TOKEN'],
    ['AuthFailure', 401, 'bad key', 'wrong-credentials', '(AuthFailure: bad key)'],
    ['RequestLimitExceeded', 503, '', 'throttled', 'after 10 attempts'],
    ['ThrottlingException', 400, '', 'throttled', 'AWS still asks to slow down (ThrottlingException)'],
    ['Whatever', 429, '', 'throttled', 'AWS still asks to slow down (Whatever)'],
    [
      'ServiceUnavailable',
      503,
      '',
      'service-error',
      'AWS failed (503 ServiceUnavailable) after 10 attempts; try again later',
    ],
    ['ResourceNotFoundException', 400, '', 'no-such-resource', 'there is no such resource'],
    ['InvalidObjectState', 403, '', 'archived', 'aws s3api restore-object'],
    ['PreconditionFailed', 412, '', 'changed', 'it was overwritten while it was read'],
    ['ValidationError', 400, 'too long', 'other', 'flow logs of vpc-1: ValidationError: too long'],
  ] as const satisfies readonly (readonly [string, number, string, AwsErrorKind, string])[]) {
    const error = Object.assign(new Error(message), {
      name,
      $metadata: { httpStatusCode: status, attempts: 10 },
    });
    const explained = explainAwsError(error, attempt);
    t.equal(explained.kind, kind, name);
    t.ok(explained.message.includes(text), `${name}: ${explained.message}`);
    t.ok(explained.message.startsWith(`${attempt.name}: `));
    t.equal(explained.cause, error);
    t.equal(explainAwsError(explained, attempt), explained, 'explained once');
  }
  t.match(explainAwsError('text', attempt), { kind: 'other', message: 'flow logs of vpc-1: text' });
  t.match(
    explainAwsError(
      Object.assign(new Error('x'), { name: 'AuthorizationHeaderMalformed', Region: 'eu-north-1' }),
      attempt,
    ),
    { kind: 'wrong-region', region: 'eu-north-1', message: /set AWS_REGION=eu-north-1$/ },
  );
  t.match(
    explainAwsError(new AggregateError([Object.assign(new Error('no'), { code: 'EHOSTUNREACH' })]), attempt),
    { kind: 'network' },
  );
});
