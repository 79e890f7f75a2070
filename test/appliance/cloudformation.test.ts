/** The template of the flow log converter: cfn-lint's rules, and no permission that nothing uses. */

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { parse, type ScalarTag } from 'yaml';
import { hasProgram } from '../support/programs.ts';

const ROOT = join(import.meta.dirname, '../../..');
const FILE = join(ROOT, 'appliance/cloudformation/flow-log-converter.yaml');

interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource?: unknown;
}
interface Resource {
  readonly Type: string;
  readonly Condition?: string;
  readonly Properties: Record<string, unknown>;
}
interface Template {
  readonly Parameters: Record<
    string,
    { readonly Default?: unknown; readonly AllowedValues?: readonly string[] }
  >;
  readonly Resources: Record<string, Resource>;
}

/** CloudFormation's short forms, as what they are given. */
const tags = ['Ref', 'GetAtt', 'Sub', 'If', 'Equals', 'Not', 'And', 'Condition'].flatMap((name) => [
  { tag: `!${name}`, resolve: (value: string) => ({ [name]: value }) },
  {
    tag: `!${name}`,
    collection: 'seq' as const,
    resolve: (value: { toJSON(): unknown }) => ({ [name]: value.toJSON() }),
  },
]) as unknown as ScalarTag[];
const template = parse(readFileSync(FILE, 'utf8'), { customTags: tags, logLevel: 'error' }) as Template;
const resources = Object.values(template.Resources);

/** All statements of the role, with the condition under which they are there. */
function statements(): { condition: string | undefined; statement: Statement }[] {
  return resources.flatMap(({ Type, Condition, Properties }) => {
    const { Policies, PolicyDocument } = Properties as {
      Policies?: { PolicyDocument: { Statement: Statement[] } }[];
      PolicyDocument?: { Statement: Statement[] };
    };
    if (Type !== 'AWS::IAM::Role' && Type !== 'AWS::IAM::RolePolicy') return [];
    const documents = [
      ...(Policies ?? []).map((policy) => policy.PolicyDocument),
      ...(PolicyDocument ? [PolicyDocument] : []),
    ];
    return documents.flatMap(({ Statement }) =>
      Statement.map((statement) => ({ condition: Condition, statement })),
    );
  });
}
const actionsOf = ({ Action }: Statement): readonly string[] =>
  typeof Action === 'string' ? [Action] : Action;

t.test(
  'cfn-lint',
  { skip: hasProgram('cfn-lint') ? false : 'cfn-lint not installed (pip install cfn-lint)' },
  async (t) => {
    const { stdout } = await promisify(execFile)('cfn-lint', ['--format', 'parseable', FILE]).catch(
      (error: { stdout: string }) => error,
    );
    t.equal(stdout, '');
  },
);

t.test('the function calls what it may call, and may call what it calls', async (t) => {
  // What the code sends to AWS, as far as functions use it: the commands of S3 and EC2.
  const code = readdirSync(join(ROOT, 'src/flowlogs/sources'))
    .filter((file) => /^(s3-bucket|s3-object|describe-flow-logs)\.ts$/.test(file))
    .map((file) => readFileSync(join(ROOT, 'src/flowlogs/sources', file), 'utf8'))
    .join('\n');
  const commands = new Set([...code.matchAll(/new sdk\.(\w+)Command\(/g)].map(([, name]) => name));
  t.same(commands, new Set(['GetObject', 'ListObjectsV2', 'DescribeFlowLogs']));
  // Objects are announced to a function: it lists none.
  commands.delete('ListObjectsV2');
  // What the Lambda service does in the role's name: logs, network interfaces, streams, the queue of failures; and S3's and
  // Kinesis' own use of the key.
  const OF_THE_SERVICE =
    /^(logs:(CreateLogStream|PutLogEvents)|kinesis:(DescribeStream(Summary)?|GetRecords|GetShardIterator|ListShards)|sqs:SendMessage|kms:Decrypt|ec2:(CreateNetworkInterface|DescribeNetworkInterfaces|DescribeSubnets|DeleteNetworkInterface|(Unassign|Assign)PrivateIpAddresses))$/;
  const allowed = statements().filter(({ statement }) => statement.Effect === 'Allow');
  t.ok(allowed.length >= 8);
  const own = allowed
    .flatMap(({ statement }) => actionsOf(statement))
    .filter((action) => !OF_THE_SERVICE.test(action));
  t.same(new Set(own.map((action) => action.split(':')[1])), commands);
});

t.test('permissions are of the source that is chosen, and of named resources', async (t) => {
  const conditionOf = (action: string) =>
    statements().find(({ statement }) => actionsOf(statement).includes(action))?.condition;
  t.equal(conditionOf('s3:GetObject'), 'IsS3');
  t.equal(conditionOf('kinesis:GetRecords'), 'IsKinesis');
  t.equal(conditionOf('ec2:DescribeFlowLogs'), 'AsksForFormat');
  t.equal(conditionOf('logs:PutLogEvents'), undefined);
  // EC2 has no resources for these.
  const everywhere = statements().filter(
    ({ statement }) => statement.Effect === 'Allow' && statement.Resource === '*',
  );
  t.same(
    everywhere
      .flatMap(({ statement }) => actionsOf(statement))
      .filter((action) => !action.startsWith('ec2:')),
    [],
  );
  // … and the code that runs in the function may not have them.
  const denied = statements().filter(({ statement }) => statement.Effect === 'Deny');
  t.same(
    denied.flatMap(({ statement }) => actionsOf(statement)),
    actionsOf(everywhere.find(({ condition }) => condition === undefined)!.statement),
  );
  t.notMatch(
    statements()
      .flatMap(({ statement }) => actionsOf(statement))
      .join(' '),
    /\*/,
  );
});

t.test('the default format is version 2, the variables are known, one environment for v5', async (t) => {
  const { parseFormat, DEFAULT_FORMAT } = await import('../../src/flowlogs/log-format.ts');
  t.same(parseFormat(String(template.Parameters['LogFormat']?.Default)), DEFAULT_FORMAT);
  const { Properties } = resources.find(({ Type }) => Type === 'AWS::Lambda::Function')!;
  const { readConfiguration } = await import('../../src/lambda/configuration.ts');
  const { Variables } = Properties['Environment'] as { Variables: Record<string, unknown> };
  const values: Record<string, string> = {};
  for (const variable of Object.keys(Variables)) values[variable] = '';
  values['WEIR_COLLECTORS'] = 'ipfix://192.0.2.1';
  for (const rejects of template.Parameters['Rejects']!.AllowedValues!)
    t.equal(readConfiguration({ ...values, WEIR_REJECTS: rejects }, () => 1).rejects, rejects);
  for (const vantage of template.Parameters['Vantage']!.AllowedValues!)
    t.equal(readConfiguration({ ...values, WEIR_VANTAGE: vantage }, () => 1).vantage, vantage);
  t.match(Properties, {
    Handler: 'index.handler',
    Architectures: ['arm64'],
    Runtime: 'nodejs22.x',
    ReservedConcurrentExecutions: { If: ['IsNetFlow5', 1] },
  });
  const { SecurityGroupEgress } = resources.find(({ Type }) => Type === 'AWS::EC2::SecurityGroup')!
    .Properties as {
    SecurityGroupEgress: object[];
  };
  t.match(SecurityGroupEgress[0], { FromPort: { Ref: 'CollectorPort' }, CidrIp: { Ref: 'CollectorCidr' } });
  t.same(
    SecurityGroupEgress.slice(1).map((egress) => (egress as { If: string[] }).If[0]),
    ['IsS3', 'AsksForFormat'],
  );
});
