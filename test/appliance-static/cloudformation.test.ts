/** The template of the routers: cfn-lint's rules; what it makes, by parameters; and a configuration that the program takes. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { hasProgram } from '../support/programs.ts';
import { policyFiles, ROOT, type Statement, statementsOf } from './iam.ts';
import { PSEUDO, type Rendered, readTemplate, render } from './template.ts';

const FILE = join(ROOT, 'appliance/cloudformation/router.yaml');
const template = readTemplate(FILE);

const ONE = {
  ImageId: 'ami-1',
  VpcId: 'vpc-1',
  SubnetA: 'subnet-a',
  RouteTableIds: 'rtb-0a11111111111111a',
  ForwardedCidr: '10.0.0.0/16',
  Collectors: 'ipfix://10.0.9.9',
};
const THREE = {
  ...ONE,
  SubnetB: 'subnet-b',
  SubnetC: 'subnet-c',
  RouteTableIds: 'rtb-0a11111111111111a,rtb-0b22222222222222b',
  Destinations: '0.0.0.0/0,::/0',
  Collectors: 'ipfix://10.0.9.9,netflow9://10.0.9.8:2055?rate=0&mtu=1400',
  MetricsCidr: '10.0.9.0/24',
  ForwardedIpv6Cidr: '2001:db8::/56',
  AlarmTopicArn: 'arn:aws:sns:eu-west-1:123456789012:night',
};
const one = render(template, ONE);
const three = render(template, THREE);

const typesOf = ({ resources }: Rendered, type: string) =>
  Object.values(resources).filter((resource) => resource.Type === type);
// biome-ignore lint/suspicious/noExplicitAny: what a template's properties are is CloudFormation's affair
const propertiesOf = ({ resources }: Rendered, name: string): Record<string, any> =>
  resources[name]!.Properties;

t.test(
  'cfn-lint',
  { skip: hasProgram('cfn-lint') ? false : 'cfn-lint is not installed (pip install cfn-lint)' },
  async (t) => {
    const { stdout } = await promisify(execFile)('cfn-lint', ['--format', 'parseable', FILE]).catch(
      (error: { stdout: string }) => error,
    );
    t.equal(stdout, '');
  },
);

t.test('a router in each zone: a group of one, an interface and an address that stay', async (t) => {
  for (const [rendered, zones] of [
    [one, ['A']],
    [three, ['A', 'B', 'C']],
  ] as const) {
    const groups = typesOf(rendered, 'AWS::AutoScaling::AutoScalingGroup');
    t.equal(groups.length, zones.length);
    for (const zone of zones) {
      const subnet = `subnet-${zone.toLowerCase()}`;
      t.match(propertiesOf(rendered, `Group${zone}`), {
        MinSize: '1',
        MaxSize: '1',
        VPCZoneIdentifier: [subnet],
        HealthCheckType: 'EC2',
      });
      t.match(propertiesOf(rendered, `Interface${zone}`), { SubnetId: subnet, SourceDestCheck: false });
      t.match(propertiesOf(rendered, `AddressAssociation${zone}`), {
        NetworkInterfaceId: rendered.outputs[`Interface${zone}`],
      });
      t.match(propertiesOf(rendered, `Alarm${zone}`), {
        MetricName: 'StatusCheckFailed',
        Dimensions: [{ Name: 'AutoScalingGroupName', Value: `Group${zone}` }],
        TreatMissingData: 'breaching',
      });
    }
  }
  t.same(propertiesOf(three, 'AlarmB')['AlarmActions'], [THREE.AlarmTopicArn]);
  t.notOk('AlarmActions' in propertiesOf(one, 'AlarmA'));
  const without = render(template, { ...THREE, PublicAddresses: 'false' });
  t.same(typesOf(without, 'AWS::EC2::EIP'), []);
  t.equal(without.outputs['PublicAddressA'], undefined);
});

t.test('what is the same in each zone is the same', async (t) => {
  const plain = (zone: string) =>
    ['Interface', 'Address', 'AddressAssociation', 'Configuration', 'Group', 'Alarm'].map((kind) => {
      const { DependsOn: _, ...resource } = three.resources[`${kind}${zone}`]!;
      return JSON.stringify(resource)
        .replaceAll(String(three.outputs[`Interface${zone}`]), (id, at: number, text: string) =>
          // In the list of peers there are all of them.
          /peer: \[[^\]]*$/.test(text.slice(0, at)) ? id : 'OWN',
        )
        .replaceAll(
          new RegExp(`(Interface|Address|Configuration|Group|Alarm)${zone}\\b`, 'g'),
          (_all, kind) => kind,
        )
        .replaceAll(`subnet-${zone.toLowerCase()}`, 'SUBNET')
        .replaceAll(new RegExp(`(edge[-/]|router |"Value":")${zone.toLowerCase()}\\b`, 'g'), '$1ROLE');
    });
  t.same(plain('B'), plain('A'));
  t.same(plain('C'), plain('A'));
});

t.test('an update replaces one router after the other, and lets the old one go first', async (t) => {
  for (const [zone, before] of [
    ['B', 'A'],
    ['C', 'B'],
  ]) {
    t.ok([three.resources[`Group${zone}`]!.DependsOn].flat().includes(`Group${before}`));
  }
  t.match(three.resources['GroupA']!.UpdatePolicy, {
    AutoScalingRollingUpdate: { MinInstancesInService: 0, PauseTime: 'PT3M' },
  });
});

t.test('weir.yaml has no mistake, and says what the parameters say', async (t) => {
  const configOf = (rendered: Rendered, zone: string) => {
    const { Name, Value } = propertiesOf(rendered, `Configuration${zone}`) as { Name: string; Value: string };
    t.equal(Name, `/weir/edge/${zone.toLowerCase()}`);
    t.ok(Value.length < 4096, 'a parameter of the standard tier');
    const { config, mistakes } = loadConfig(new Map([['config', ['weir.yaml']]]), {
      readFile: () => new TextEncoder().encode(Value),
    });
    t.same(mistakes, []);
    return config!;
  };
  const plain = configOf(one, 'A');
  t.match(plain, {
    interfaces: ['ens6'],
    collectorUrls: ['ipfix://10.0.9.9'],
    metrics: { host: '127.0.0.1', port: 9469 },
    routerMetrics: { host: '127.0.0.1', port: 9471 },
    routerInterfaces: ['ens6'],
    routerAttachInterface: one.outputs['InterfaceA'],
    routerNat: true,
  });
  const peers = (['A', 'B', 'C'] as const).map((zone) => ({
    interfaces: { id: three.outputs[`Interface${zone}`] },
  }));
  for (const zone of ['A', 'B', 'C']) {
    const config = configOf(three, zone);
    t.match(config, {
      collectorUrls: THREE.Collectors.split(','),
      metrics: { host: '0.0.0.0', port: 9469 },
      routerMetrics: { host: '0.0.0.0', port: 9471 },
      routerAttachInterface: three.outputs[`Interface${zone}`],
    });
    t.match(config.routerPeers, peers);
    t.match(config.routerRoutes, [
      {
        tables: [{ id: 'rtb-0a11111111111111a' }, { id: 'rtb-0b22222222222222b' }],
        destinations: ['0.0.0.0/0', '::/0'],
      },
    ]);
  }
  t.equal(configOf(render(template, { ...ONE, Nat: 'false' }), 'A').routerNat, false);
});

interface UserData {
  readonly bootcmd: readonly (readonly string[])[];
  readonly write_files: readonly { readonly path: string; readonly content: string }[];
  readonly runcmd: readonly (readonly string[])[];
}

function userDataOf(rendered: Rendered): UserData {
  const { UserData } = propertiesOf(rendered, 'LaunchTemplate')['LaunchTemplateData'];
  const text = Buffer.from(UserData, 'base64').toString();
  if (!text.startsWith('#cloud-config\n')) throw new Error(`cloud-init would not know it: ${text}`);
  return parse(text) as UserData;
}

t.test('user data names the parameter, and closes the ports of the metrics', async (t) => {
  const { write_files: files, bootcmd, runcmd } = userDataOf(three);
  t.equal(
    files.find(({ path }) => path === '/etc/weir/source')?.content,
    'WEIR_SOURCE=ssm:/weir/edge/{role}\n',
  );
  const roles = ['A', 'B', 'C'].map((zone) => {
    const tag = propertiesOf(three, `Group${zone}`)['Tags'].find(
      ({ Key }: { Key: string }) => Key === 'weir:role',
    );
    t.equal(tag.PropagateAtLaunch, true);
    return `/weir/edge/${tag.Value}`;
  });
  t.same(
    roles,
    ['A', 'B', 'C'].map((zone) => propertiesOf(three, `Configuration${zone}`)['Name']),
  );
  t.match(
    files.find(({ path }) => path.startsWith('/etc/systemd/network/'))?.content,
    /Name=ens6[\s\S]*RouteMetric=256/,
  );
  t.same(runcmd, [['networkctl', 'reload']]);
  t.equal(bootcmd[0]![0], 'nft');
  t.match(bootcmd[0]![1], 'ip saddr 10.0.9.0/24 tcp dport { 9469, 9471 } accept;');
  t.match(userDataOf(one).bootcmd[0]![1], 'iif lo accept;  tcp dport { 9469, 9471 } drop;');
});

t.test(
  'nft takes the rules, twice',
  {
    skip:
      process.getuid?.() !== 0 || !hasProgram('nft') || !hasProgram('unshare')
        ? 'needs root, nft and unshare'
        : false,
  },
  async (t) => {
    for (const rendered of [one, three]) {
      const rules = userDataOf(rendered).bootcmd[0]![1]!;
      const twice = `nft "$1" && nft "$1" && nft list table inet weir-access`;
      const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-c', twice, 'sh', rules], {
        encoding: 'utf8',
      });
      t.equal(status, 0, stderr);
      t.equal(stdout.match(/tcp dport \{ 9469, 9471 \} drop/g)?.length, 1);
    }
  },
);

t.test('version 2 of the metadata service alone, one hop; no way in but these', async (t) => {
  const { LaunchTemplateData } = propertiesOf(three, 'LaunchTemplate');
  t.match(LaunchTemplateData, {
    MetadataOptions: {
      HttpTokens: 'required',
      HttpPutResponseHopLimit: 1,
      HttpProtocolIpv6: 'enabled',
      InstanceMetadataTags: 'enabled',
    },
  });
  t.notOk('KeyName' in LaunchTemplateData, 'no key: Session Manager');
  const ingress = (rendered: Rendered) =>
    propertiesOf(rendered, 'SecurityGroup')['SecurityGroupIngress'].map(
      (rule: Record<string, unknown>) =>
        `${rule['IpProtocol']} ${rule['FromPort'] ?? ''}-${rule['ToPort'] ?? ''} ${rule['CidrIp'] ?? rule['CidrIpv6']}`,
    );
  t.same(ingress(one), ['-1 - 10.0.0.0/16']);
  t.same(ingress(three), ['-1 - 10.0.0.0/16', '-1 - 2001:db8::/56', 'tcp 9469-9471 10.0.9.0/24']);
  const health = propertiesOf(one, 'HealthIngress');
  t.match(health, { IpProtocol: 'tcp', FromPort: 9470, ToPort: 9470 });
  t.equal(health['SourceSecurityGroupId'], health['GroupId']);
});

t.test('the role has the policies of appliance/iam, and no others', async (t) => {
  const policiesOf = ({ resources }: Rendered) => {
    const found = new Map<string, Statement[]>();
    for (const { Type, Properties } of Object.values(resources)) {
      const list = Type === 'AWS::IAM::RolePolicy' ? [Properties] : (Properties['Policies'] ?? []);
      for (const { PolicyName, PolicyDocument } of list as {
        PolicyName: string;
        PolicyDocument: { Statement: Statement[] };
      }[])
        found.set(PolicyName, PolicyDocument.Statement);
      t.notOk('ManagedPolicyArns' in Properties);
    }
    return found;
  };
  const files = policyFiles();
  for (const partition of ['aws', 'aws-cn', 'aws-us-gov']) {
    const rendered = render(template, THREE, { ...PSEUDO, 'AWS::Partition': partition });
    const policies = policiesOf(rendered);
    t.same(
      [...policies.keys()],
      ['observe', 'routes', 'source-dest-check', 'attach-interface', 'configuration', 'session-manager'],
    );
    for (const [name, statements] of policies) {
      const places = {
        partition,
        region: PSEUDO['AWS::Region']!,
        account: PSEUDO['AWS::AccountId']!,
        name: 'edge',
        key_arn: '',
        route_table_ids: THREE.RouteTableIds.split(',').join(
          `", "arn:${partition}:ec2:eu-west-1:123456789012:route-table/`,
        ),
      };
      const expected = statementsOf(files.get(name)!, places).map((statement) =>
        // Here the ID alone says which; see the template.
        name === 'routes'
          ? {
              ...statement,
              Resource: [statement.Resource].flat().map((arn) => arn.replace(/eu-west-1:\d+/, '*:*')),
            }
          : statement,
      );
      t.same(statements, expected, `${name} in ${partition}`);
    }
  }
  t.notOk(policiesOf(render(template, { ...ONE, SessionManager: 'false' })).has('session-manager'));
  // The tag that the policies ask for is at everything that they are about, and only there.
  const tagged = propertiesOf(one, 'LaunchTemplate')['LaunchTemplateData'].TagSpecifications.map(
    ({ ResourceType, Tags }: { ResourceType: string; Tags: unknown }) => [ResourceType, Tags],
  );
  const tag = { Key: 'weir:router', Value: 'edge' };
  t.same(tagged, [
    ['instance', [tag]],
    ['network-interface', [tag]],
  ]);
  t.match(propertiesOf(one, 'InterfaceA')['Tags'], [{ Key: 'Name' }, tag]);
});

t.test('every parameter stands in the walk-through', async (t) => {
  const page = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8');
  const [, section] = /\n## Launch on AWS in ten minutes\n([\s\S]*?)\n## /.exec(page)!;
  for (const [name, { Default }] of Object.entries(template.Parameters)) {
    t.match(section, new RegExp(`\\b${name}\\b`), name);
    // What has no default is in the command.
    if (Default === undefined) t.match(section, new RegExp(`\\b${name}=`), name);
  }
  const command = /cloudformation deploy ([\s\S]*?)```/.exec(section!)![1]!;
  for (const [, name] of command.matchAll(/\b(\w+)=/g)) t.ok(name! in template.Parameters, name!);
});
