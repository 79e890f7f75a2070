/** The user data of the templates, in the appliance's root: the way out that changes, and metrics for chosen sources only. */
import { join } from 'node:path';
import { test } from 'tap';
import { parse } from 'yaml';
import { REPOSITORY } from '../appliance-static/rootfs.ts';
import { readTemplate, render } from '../appliance-static/template.ts';
import { Container } from './container.ts';
import { noContainer } from './needs.ts';
import { run } from './process.ts';
import { Site } from './site.ts';

const BOUND = 120_000;

interface UserData {
  readonly bootcmd: readonly [readonly string[]];
  readonly write_files: readonly { readonly path: string; readonly content: string }[];
  readonly runcmd: readonly [readonly string[]];
}

function userData(metricsCidr: string): UserData {
  const { resources } = render(readTemplate(join(REPOSITORY, 'appliance/cloudformation/router.yaml')), {
    ImageId: 'ami-1',
    VpcId: 'vpc-1',
    SubnetA: 'subnet-a',
    RouteTableIds: 'rtb-0a11111111111111a',
    ForwardedCidr: '10.0.0.0/8',
    Collectors: 'ipfix://10.0.9.9',
    MetricsCidr: metricsCidr,
  });
  const { LaunchTemplateData } = resources['LaunchTemplate']!.Properties as {
    LaunchTemplateData: { UserData: string };
  };
  return parse(Buffer.from(LaunchTemplateData.UserData, 'base64').toString()) as UserData;
}

test('the user data of the templates', { skip: noContainer, timeout: 600_000 }, async (t) => {
  const site = await Site.open(t);
  const { lab } = site.wire;
  const box = await Container.start(t, site.wire, site.files);
  await site.forwards(BOUND);

  await t.test('everything leaves by ens6 once it is there, and forwarding goes on', async (t) => {
    const { write_files: files, runcmd } = userData('');
    const { path, content } = files.find((file) => file.path.startsWith('/etc/systemd/network/'))!;
    const { lost } = await site.lostDuring(async () => {
      t.equal((await box.run(['sh', '-c', 'printf %s "$2" > "$1"', 'sh', path, content])).code, 0);
      t.equal((await box.run(runcmd[0])).code, 0);
      await box.until('ens6 is reconfigured', ['ip', '-4', 'route', 'show', 'dev', 'ens6'], ({ output }) =>
        /metric 256/.test(output),
      );
    });
    t.ok(lost <= 5, `${lost} pings without an answer`);
    const { output } = await box.run(['networkctl', 'status', 'ens6', '--no-pager']);
    t.match(output, path);
    t.match(output, /State: routable/);
  });

  await t.test('metrics are for the chosen addresses and the machine itself', async (t) => {
    await site.meters(BOUND);
    const [, address] = /inet ([\d.]+)/.exec(
      (await box.run(['ip', '-4', 'address', 'show', 'ens5'])).output,
    )!;
    const asked = async (port: number) => {
      const url = `http://${address}:${port}/healthz`;
      const curl = ['curl', '-s', '-m', '3', '-o', '/dev/null', '-w', '%{http_code}', url];
      return (await run(['ip', 'netns', 'exec', lab.client.name, ...curl])).output;
    };
    const load = async (metricsCidr: string) => {
      const { code, output } = await box.run(userData(metricsCidr).bootcmd[0]);
      t.equal(code, 0, output);
    };
    t.match(await asked(9469), '200', 'without the rules it is open');
    await load('');
    await load('');
    t.match(await asked(9469), '000');
    t.match((await box.run(['curl', '-s', '-m', '3', 'http://127.0.0.1:9469/healthz'])).output, /ok/);
    await load(`${lab.addresses.client.ipv4}/32`);
    t.match(await asked(9469), '200');
    await load(`${lab.addresses.server.ipv4}/32`);
    t.match(await asked(9469), '000');
    t.equal((await box.run(['systemctl', 'restart', 'nftables'])).code, 0);
    t.match(await asked(9469), '000', 'a restart of nftables leaves the rules');
    await site.forwards(BOUND);
  });
});
