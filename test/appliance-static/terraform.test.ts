/**
 * Terraform's side of the routers. Its provider is not here to check arguments against; what can be said without it is: the
 * form, that what is referred to is there, that its files give what they should, and that it makes what CloudFormation does.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { hasProgram } from '../support/programs.ts';
import { policyFiles, ROOT, statementsOf } from './iam.ts';
import { readTemplate, render } from './template.ts';

const FOLDER = join(ROOT, 'appliance/terraform');
const skip = hasProgram('terraform') ? false : 'terraform is not installed';
const files = readdirSync(FOLDER).filter((file) => file.endsWith('.tf'));
const text = files.map((file) => readFileSync(join(FOLDER, file), 'utf8')).join('\n');
const code = text.replace(/^\s*#.*$/gm, '');

const PLACES = {
  partition: 'aws',
  region: 'eu-west-1',
  account: '123456789012',
  name: 'edge',
  key_arn: 'arn:aws:kms:eu-west-1:123456789012:key/1',
  route_table_ids: 'rtb-1", "arn:aws:ec2:eu-west-1:123456789012:route-table/rtb-2',
};

/** Evaluates an expression, in a folder without a configuration: functions alone need no provider. @throws Error */
function evaluate(folder: string, expression: string): unknown {
  const { status, stdout, stderr } = spawnSync('terraform', ['console'], {
    cwd: folder,
    input: `jsonencode(${expression.replaceAll('\n', ' ')})\n`,
    encoding: 'utf8',
    env: { ...process.env, CHECKPOINT_DISABLE: '1', TF_CLI_CONFIG_FILE: '/dev/null' },
  });
  if (status !== 0) throw new Error(stderr);
  // A string, with its quotes escaped.
  return JSON.parse(JSON.parse(stdout) as string);
}

t.test('terraform fmt', { skip }, async (t) => {
  const { status, stdout } = spawnSync('terraform', ['fmt', '-check', '-diff', FOLDER], {
    encoding: 'utf8',
    env: { ...process.env, CHECKPOINT_DISABLE: '1', TF_CLI_CONFIG_FILE: '/dev/null' },
  });
  t.equal(stdout, '');
  t.equal(status, 0);
});

t.test('what is referred to is there, and what is there is referred to', async (t) => {
  const names = (pattern: RegExp) =>
    new Set([...code.matchAll(pattern)].map(([, ...parts]) => parts.join('.')));
  const variables = names(/^variable "(\w+)"/gm);
  const usedVariables = names(/\bvar\.(\w+)/g);
  t.same([...variables].sort(), [...usedVariables].sort());
  const resources = names(/^resource "(\w+)" "(\w+)"/gm);
  t.ok(resources.size >= 9);
  for (const used of names(/(?<![.\w])(aws_\w+)\.(\w+)/g)) t.ok(resources.has(used), used);
  for (const used of names(/\bdata\.(\w+)\.(\w+)/g)) t.match(code, `data "${used.replace('.', '" "')}"`);
  const locals = names(/\blocal\.(\w+)/g);
  for (const used of locals) t.match(code, new RegExp(`^ {2}${used} += `, 'm'), used);
  for (const variable of code.split(/^variable /m).slice(1))
    t.match(variable, /description = "[\s\S]*type +=/);
});

t.test('terraform fills the policies in as they are meant', { skip, timeout: 120_000 }, async (t) => {
  const policies = policyFiles();
  const filled = evaluate(
    t.testdir({}),
    `[for name in ${JSON.stringify([...policies.keys()])} : jsondecode(templatefile("${join(ROOT, 'appliance/iam')}/\${name}.json", ${JSON.stringify(PLACES)}))]`,
  ) as { Statement: unknown }[];
  for (const [i, [name, policy]] of [...policies].entries())
    t.same(filled[i]!.Statement, statementsOf(policy, PLACES), name);
  // All that it is given, by name, is what the files have places for.
  const given =
    /policy = templatefile\("\$\{path\.module\}\/\.\.\/iam\/\$\{each\.key\}\.json", \{([\s\S]*?)\n {2}\}\)/.exec(
      code,
    )![1]!;
  t.same([...given.matchAll(/^ {4}(\w+) +=/gm)].map(([, name]) => name).sort(), Object.keys(PLACES).sort());
  const [, listed] = /policies = concat\(([\s\S]*?)\n {2}\)/.exec(code)!;
  const used = [...listed!.matchAll(/"([\w-]+)"/g)].map(([, name]) => name!);
  // The Elastic IP stays at the fixed interface.
  t.same(used.sort(), [...policies.keys()].filter((name) => name !== 'elastic-ip').sort());
});

t.test('user data and weir.yaml are those of CloudFormation', { skip, timeout: 120_000 }, async (t) => {
  const { resources } = render(readTemplate(join(ROOT, 'appliance/cloudformation/router.yaml')), {
    ImageId: 'ami-1',
    VpcId: 'vpc-1',
    SubnetA: 'subnet-a',
    RouteTableIds: 'rtb-0a11111111111111a,rtb-0b22222222222222b',
    ForwardedCidr: '10.0.0.0/16',
    Collectors: 'ipfix://10.0.9.9,netflow9://10.0.9.8',
    MetricsCidr: '10.0.9.0/24',
  });
  const expected = resources as unknown as {
    LaunchTemplate: { Properties: { LaunchTemplateData: { UserData: string } } };
    ConfigurationA: { Properties: { Value: string } };
    InterfaceA: unknown;
  };
  const userData = evaluate(
    t.testdir({}),
    `templatefile("${FOLDER}/user-data.yaml", { name = "edge", metrics_rule = "ip saddr { 10.0.9.0/24 } tcp dport { 9469, 9471 } accept;" })`,
  ) as string;
  const theirs = Buffer.from(
    expected.LaunchTemplate.Properties.LaunchTemplateData.UserData,
    'base64',
  ).toString();
  t.match(userData, /^#cloud-config\n/);
  t.same(parse(userData), parse(theirs.replace('saddr 10.0.9.0/24', 'saddr { 10.0.9.0/24 }')));

  // The text of the parameter, with what it takes from resources and variables in its place.
  const [, heredoc] = /value = (<<-YAML\n[\s\S]*?\n {2}YAML)\n/.exec(text)!;
  const own = /attach-interface: (eni-\w+)/.exec(expected.ConfigurationA.Properties.Value)![1]!;
  const places: Record<string, string> = {
    'var.collectors': '["ipfix://10.0.9.9", "netflow9://10.0.9.8"]',
    'local.metrics_address': '"0.0.0.0"',
    'aws_network_interface.router[each.key].id': `"${own}"`,
    '[for one in aws_network_interface.router : one.id]': `["${own}"]`,
    'var.route_table_ids': '["rtb-0a11111111111111a", "rtb-0b22222222222222b"]',
    'var.destinations': '["0.0.0.0/0"]',
    'var.nat': 'true',
  };
  let filled = heredoc!;
  for (const [name, value] of Object.entries(places)) {
    t.ok(filled.includes(name), name);
    filled = filled.replaceAll(name, value);
  }
  const folder = t.testdir({ 'main.tf': `locals {\n  value = ${filled}\n}\n` });
  const yaml = evaluate(folder, 'local.value') as string;
  t.same(parse(yaml), parse(expected.ConfigurationA.Properties.Value));
  const { mistakes } = loadConfig(new Map([['config', ['weir.yaml']]]), {
    readFile: () => new TextEncoder().encode(yaml),
  });
  t.same(mistakes, []);
});

t.test('the same safety: metadata, groups of one, no key, nothing replaced all at once', async (t) => {
  t.match(code, /http_tokens += {1,2}"required"/);
  t.match(code, /http_put_response_hop_limit += 1\n/);
  t.match(code, /instance_metadata_tags += {1,2}"enabled"/);
  t.match(code, /min_size += {1,2}1\n\s+max_size += {1,2}1\n/);
  t.match(code, /treat_missing_data += {1,2}"breaching"/);
  t.notMatch(code, /key_name|instance_refresh|managed_policy|policy_attachment/);
  // Of security groups: what may come in.
  const ingress = [...code.matchAll(/^\s+(?:dynamic "ingress"|ingress) \{([\s\S]*?)\n {2}\}/gm)].map(
    ([, body]) => `${/from_port += {1,2}(\d+)/.exec(body!)?.[1]}-${/to_port += {1,2}(\d+)/.exec(body!)?.[1]}`,
  );
  t.same(ingress, ['0-0', '9470-9470', '9469-9471']);
});

t.test('the example of the walk-through gives what has no default, by its name', async (t) => {
  const page = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8');
  const [, example] = /module "edge" \{\n([\s\S]*?)\n {3}\}/.exec(page)!;
  const given = new Set([...example!.matchAll(/^ +(\w+) +=/gm)].map(([, name]) => name!));
  given.delete('source');
  for (const [, name, body] of code.matchAll(/^variable "(\w+)" \{([\s\S]*?)\n\}/gm)) {
    if (!/^ {2}default +=/m.test(body!)) t.ok(given.has(name!), name!);
    given.delete(name!);
  }
  t.same([...given], []);
});

t.test('values that AWS would refuse at night are refused before', { skip, timeout: 120_000 }, async (t) => {
  const folder = t.testdir({ 'variables.tf': readFileSync(join(FOLDER, 'variables.tf'), 'utf8') });
  const variables = {
    ...{ image_id: 'ami-1', vpc_id: 'vpc-1', subnet_ids: '{ a = "subnet-1" }', route_table_ids: '["rtb-1"]' },
    ...{ forwarded_cidrs: '["10.0.0.0/16"]', collectors: '["ipfix://10.0.9.9"]' },
  };
  const isTaken = (more: Record<string, string>) => {
    const given = Object.entries({ ...variables, ...more }).flatMap(([name, value]) => [
      '-var',
      `${name}=${value}`,
    ]);
    const { stdout, stderr } = spawnSync('terraform', ['console', ...given], {
      ...{ cwd: folder, input: 'var.name\n', encoding: 'utf8' },
      env: { ...process.env, CHECKPOINT_DISABLE: '1', TF_CLI_CONFIG_FILE: '/dev/null' },
    });
    return !/Invalid value for variable/.test(stdout + stderr) && /^"/m.test(stdout);
  };
  t.equal(isTaken({ name: 'a'.repeat(37) }), true);
  t.equal(isTaken({ name: 'a'.repeat(38) }), false, "the prefix of a role's name has 38 characters at most");
  t.equal(isTaken({ tags: '{ "team:net" = "x" }' }), true);
  t.equal(isTaken({ tags: '{ "example.com/team" = "x" }' }), false, 'no such key among the metadata');
  t.equal(isTaken({ tags: '{ "cost centre" = "x" }' }), false);
});
