/** The policies allow what the program calls, and it calls what they allow. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { actionsOf, policyFiles, ROOT, statementsOf } from './iam.ts';

const PLACES = {
  partition: 'aws',
  region: 'eu-west-1',
  account: '123456789012',
  name: 'edge',
  key_arn: 'arn:aws:kms:eu-west-1:123456789012:key/1',
  route_table_ids: 'rtb-1',
};
const files = policyFiles();
const statements = [...files].flatMap(([file, text]) =>
  statementsOf(text, PLACES).map((statement) => ({ file, statement })),
);
const allowed = new Set(
  statements
    .filter(({ file }) => file !== 'session-manager')
    .flatMap(({ statement }) => actionsOf(statement)),
);

const sourceOf = (file: string) => readFileSync(join(ROOT, 'src', file), 'utf8');

/** What a file of src/aws sends: the commands of the SDK, as IAM spells them. */
function sentBy(file: string, service: string): string[] {
  const code = sourceOf(`aws/${file}`).replace(/\/\*[\s\S]*?\*\//g, '');
  return [...code.matchAll(/new [\w.]+\.(\w+)Command\(/g)].map(([, name]) => `${service}:${name}`);
}

t.test('every action that is called, and none besides', async (t) => {
  const sent = [...sentBy('ec2.ts', 'ec2'), ...sentBy('ssm.ts', 'ssm')];
  t.ok(sent.includes('ec2:ReplaceRoute') && sent.includes('ssm:GetParameter'), 'the code was found');
  // The key of a SecureString is used by Systems Manager in the caller's name.
  t.same(new Set([...sent, 'kms:Decrypt']), allowed);
});

t.test('the router calls AWS by these files only', async (t) => {
  const files = ['router', 'cli'].flatMap((folder) =>
    readdirSync(join(ROOT, 'src', folder))
      .filter((file) => folder === 'router' || /^router.*\.ts$/.test(file))
      .map((file) => `${folder}/${file}`),
  );
  const imported = new Set(
    files.flatMap((file) => [...sourceOf(file).matchAll(/'\.\.\/aws\/(\w+)\.ts'/g)].map(([, name]) => name!)),
  );
  t.ok(imported.has('ec2') && imported.has('ssm'));
  for (const name of imported) {
    t.ok(['clients', 'errors', 'imds', 'instance', 'ec2', 'ssm'].includes(name), name);
    if (name !== 'ec2' && name !== 'ssm') t.same(sentBy(`${name}.ts`, ''), []);
  }
  for (const file of files) t.notMatch(sourceOf(file), /@aws-sdk/, file);
});

t.test('the reference lists the same actions', async (t) => {
  const reference = readFileSync(join(ROOT, 'docs/router.md'), 'utf8');
  const table = /## What it calls\n([\s\S]*?)\n## /.exec(reference)![1]!;
  const listed = new Set([...table.matchAll(/`((?:ec2|ssm|kms):\w+)`/g)].map(([, action]) => action));
  t.same(listed, allowed);
});

t.test('nothing is allowed on everything but to look, and to open a session', async (t) => {
  for (const { file, statement } of statements) {
    t.equal(statement.Effect, 'Allow', file);
    for (const action of actionsOf(statement)) t.notMatch(action, /\*/, `${file}: ${action}`);
    if (statement.Resource === '*') {
      for (const action of actionsOf(statement))
        t.match(action, /^ec2:Describe|^ssmmessages:|^ssm:UpdateInstanceInformation$/, `${file}: ${action}`);
      continue;
    }
    const resources = [statement.Resource].flat();
    // Where a resource is not named it has to have the tag, which no router can set.
    if (resources.some((one) => one.endsWith('/*') && !one.includes(':parameter/weir/edge/')))
      t.same(statement.Condition, { StringEquals: { 'aws:ResourceTag/weir:router': 'edge' } }, file);
  }
  t.notOk([...allowed].some((action) => /Tag|Delete|Detach|Disassociate/.test(action)));
});

t.test('route tables are named, each by its ARN', async (t) => {
  const of = (ids: readonly string[]) =>
    statementsOf(files.get('routes')!, {
      ...PLACES,
      route_table_ids: ids.join('", "arn:aws:ec2:eu-west-1:123456789012:route-table/'),
    })[0]!.Resource;
  t.same(of(['rtb-1']), ['arn:aws:ec2:eu-west-1:123456789012:route-table/rtb-1']);
  t.same(of(['rtb-1', 'rtb-2']), [
    'arn:aws:ec2:eu-west-1:123456789012:route-table/rtb-1',
    'arn:aws:ec2:eu-west-1:123456789012:route-table/rtb-2',
  ]);
});

t.test('every file is in the table of its folder', async (t) => {
  const readme = readFileSync(join(ROOT, 'appliance/iam/README.md'), 'utf8');
  const listed = [...readme.matchAll(/^\| `([\w-]+)\.json` \|/gm)].map(([, name]) => name!);
  t.same(listed.sort(), [...files.keys()].sort());
});
