/** What goes wrong around two routers: EC2 throttles, denies, forgets; they cannot see each other; the machine changes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AllocateAddressCommand,
  CreateNetworkInterfaceCommand,
  DescribeAddressesCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import t from 'tap';
import { Cloud, motoFor } from './cloud.ts';

t.setTimeout(240_000);
const moto = await motoFor(t);
const QUICK = ['--check-interval', '0.2', '--route-interval', '0.5'];
/** TimeoutStopSec= of weir-router.service is 30 s. */
const STOP_MILLISECONDS = 20_000;
const ROUTES = ['--route', 'tag:weir=private 0.0.0.0/0'];

t.test('EC2 throttles while a router dies', { timeout: 60_000 }, async (t) => {
  const cloud = await Cloud.start(t, moto);
  const own = cloud.places.map(({ eni }) => eni);
  const [a, b] = [cloud.router(t, 0, ...ROUTES, ...QUICK), cloud.router(t, 1, ...ROUTES, ...QUICK)];
  const settled = await cloud.untilTargets(...own);
  await b.program.said(`router ${own[0]} in eu-west-1a is forwarding`);
  cloud.proxy.isThrottling = true;
  const from = b.program.log.length;
  await a.program.end('SIGKILL');
  await b.program.said(`router ${own[0]} in eu-west-1a is failing`, from);
  const { msg } = await b.program.until('the complaint', ({ log }) =>
    log.find((line) => /slow down \(RequestLimitExceeded\)/.test(line.msg ?? '')),
  );
  t.match(msg, /^[A-Z]\w+ \(.+\): /, 'it names what was refused');
  t.same(await cloud.targets(), own);
  cloud.proxy.isThrottling = false;
  await cloud.proxy.until('the takeover', () => cloud.proxy.done('ReplaceRoute', settled).length === 1);
  t.same(await cloud.targets(), [own[1], own[1]]);
  const { stdout } = await cloud.ask(1, b, 'status', '--json');
  const status = JSON.parse(stdout) as { routes: { state: string }[] };
  t.same(
    status.routes.map(({ state }) => state),
    ['owned', 'owned'],
  );
});

t.test('a permission is missing: it is named, and the rest goes on', { timeout: 60_000 }, async (t) => {
  const cloud = await Cloud.start(t, moto);
  const own = cloud.places.map(({ eni }) => eni);
  const [first] = cloud.tables;
  cloud.proxy.denied.add('10.0.0.10 CreateRoute');
  const flags = ['--route', `${first} 0.0.0.0/0,198.51.100.0/24`, ...QUICK];
  await cloud.createRoute(first!, '198.51.100.0/24', own[1]!);
  cloud.proxy.gone.add(own[1]!);
  const router = cloud.router(t, 0, ...flags);
  const { program } = router;
  const said = await program.said('CreateRoute (0.0.0.0/0 in');
  t.match(
    said.msg,
    `access denied: ec2:CreateRoute; grant ec2:CreateRoute on arn:aws:ec2:REGION:ACCOUNT:route-table/${first}`,
  );
  t.match(said, { level: 'error' });
  await cloud.proxy.until('the blackhole', () => cloud.proxy.done('ReplaceRoute').length === 1);
  t.equal(await cloud.target(first!, '198.51.100.0/24'), own[0], 'what is allowed is done');
  const status = await cloud.ask(0, router, 'status');
  t.match(status.stdout, /^problem: CreateRoute .* access denied/m);
  const metrics = await cloud.metrics(0, router);
  t.ok(metrics.sum('weir_router_api_failures_total', { action: 'CreateRoute', kind: 'access-denied' }) > 0);
  t.equal(metrics.sum('weir_router_takeovers_total', { reason: 'blackhole' }), 1);
  t.equal(metrics.sum('weir_router_routes_wanted'), 2);
  t.equal(metrics.sum('weir_router_routes_owned'), 1);
  cloud.proxy.denied.clear();
  await cloud.proxy.until('the route', () => cloud.proxy.done('CreateRoute').length === 1);
  t.equal(await cloud.target(first!), own[0], 'granted, it is done');
});

t.test('a route table is deleted: it is said, and the other is kept', { timeout: 60_000 }, async (t) => {
  const cloud = await Cloud.start(t, moto);
  const own = cloud.places.map(({ eni }) => eni);
  const [first, second] = cloud.tables as [string, string];
  const flags = ['--route', `${first},${second} 0.0.0.0/0`, ...QUICK];
  const router = cloud.router(t, 0, ...flags);
  const { program } = router;
  await cloud.proxy.until('both routes', () => cloud.proxy.done('CreateRoute').length === 2);
  await cloud.deleteTable(second);
  await program.said(`there is no route table ${second} in ${cloud.vpcId}`);
  cloud.proxy.gone.add(own[1]!);
  await cloud.createRoute(first, '203.0.113.0/24', own[1]!);
  const metrics = await cloud.metrics(0, router);
  t.equal(metrics.sum('weir_router_routes', { state: 'no_table' }), 1);
  t.equal(metrics.sum('weir_router_routes', { state: 'owned' }), 1);
  t.equal(await cloud.target(first), own[0]);
});

t.test('they cannot see each other: no taking turns', { timeout: 60_000 }, async (t) => {
  const cloud = await Cloud.start(t, moto);
  const own = cloud.places.map(({ eni }) => eni) as [string, string];
  const [a, b] = [cloud.router(t, 0, ...ROUTES, ...QUICK), cloud.router(t, 1, ...ROUTES, ...QUICK)];
  await cloud.untilTargets(...own);
  await a.program.said(`router ${own[1]} in eu-west-1b is forwarding`);
  await b.program.said(`router ${own[0]} in eu-west-1a is forwarding`);
  const [ofA, ofB] = [a.program.log.length, b.program.log.length];
  const from = cloud.proxy.calls.length;
  cloud.isConnected = false;
  await a.program.said(`router ${own[1]} in eu-west-1b is failing`, ofA);
  await b.program.said(`router ${own[0]} in eu-west-1a is failing`, ofB);
  const cut = cloud.proxy.calls.length;
  await cloud.proxy.until('twenty readings', () => cloud.proxy.done('DescribeRouteTables', cut).length >= 20);
  const moves = cloud.proxy.done('ReplaceRoute', from).length;
  t.ok(moves >= 1 && moves <= 4, `each took each route once at most: ${moves}`);
  const still = cloud.proxy.calls.length;
  await cloud.proxy.until('ten readings', () => cloud.proxy.done('DescribeRouteTables', still).length >= 10);
  t.equal(cloud.proxy.done('ReplaceRoute', from).length, moves, 'and then nothing moves any more');
  const said = [...a.program.log.slice(ofA), ...b.program.log.slice(ofB)];
  t.ok(
    said.some(({ msg }) => /was taken from this router by .* left alone/.test(msg ?? '')),
    'and says so',
  );
  cloud.isConnected = true;
  await cloud.untilTargets(...own);
  t.pass('when they see each other, all is as it was');
});

t.test('late metadata, a missing interface, a second router, a dry run', { timeout: 60_000 }, async (t) => {
  const cloud = await Cloud.start(t, moto);
  const own = cloud.places.map(({ eni }) => eni);
  const [place] = cloud.places;
  place!.imds.status = 503;
  const late = cloud.router(t, 0, ...ROUTES, ...QUICK);
  await late.program.said('waiting for the instance metadata service: ');
  t.match(
    spawnSync('ip', [
      'netns',
      'exec',
      place!.namespace,
      'sysctl',
      '-n',
      'net.ipv4.ip_forward',
    ]).stdout.toString(),
    /^1/,
    'it forwards before AWS has said a word',
  );
  place!.imds.status = undefined;
  await cloud.proxy.until('a route', () => cloud.proxy.done('CreateRoute').length >= 1);

  const second = await cloud.ask(0, late);
  t.equal(second.code, 1);
  t.match(second.stderr, 'another weir router runs on this machine');

  await late.program.end('SIGKILL');
  const before = cloud.proxy.calls.length;
  const { AllocationId } = await cloud.ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
  const peer = ['--peer', 'tag:weir:group=main', '--elastic-ip', AllocationId!];
  const { code, stdout: text } = await cloud.run(
    1,
    ...['router', '--dry-run', ...ROUTES, ...QUICK, ...peer, '--nat'],
  );
  t.equal(code, 0);
  t.match(text, `turn the source/destination check of ${own[1]} off`);
  t.match(text, `associate ${AllocationId} with ${own[1]}, the default route's interface`);
  t.match(text, /set net\.ipv4\.ip_forward to 1 \(it is 0\)/);
  t.match(text, /ip saddr @sources ip daddr != @sources masquerade/);
  t.match(text, new RegExp(`(replace|create) 0.0.0.0/0 in ${cloud.tables[1]}`));
  const changes = cloud.proxy.calls.slice(before).filter(({ action }) => !action.startsWith('Describe'));
  t.same(changes, [], 'nothing was done');

  const wrong = ['--interface', 'ens6', '--wait', '1', '--metrics', 'off', '--control', `${late.control}.2`];
  const missing = await cloud.run(1, 'router', ...wrong);
  t.equal(missing.code, 1, 'never 0, half done');
  t.match(missing.stderr, 'in vain for the network interfaces: there is no interface ens6');
});

t.test('the configuration: from SSM and user data, and the last that had no mistake', async (t) => {
  const cloud = await Cloud.start(t, moto);
  const [place] = cloud.places;
  const folder = mkdtempSync(join(tmpdir(), 'weir-config-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'weir.yaml');
  const text = (name: string) => readFileSync(join(folder, name), 'utf8');
  const ssm = new SSMClient({ endpoint: cloud.moto.endpoint, region: 'eu-west-1' });
  t.teardown(() => ssm.destroy());
  const put = (value: string) =>
    ssm.send(
      new PutParameterCommand({ Name: '/weir/edge', Value: value, Type: 'SecureString', Overwrite: true }),
    );
  const fetched = (source: string) => cloud.run(0, 'router', 'fetch', source, file);

  await put('router:\n  nat: true\n');
  const untagged = await fetched('ssm:/weir/{group}');
  t.equal(untagged.code, 1);
  t.match(untagged.stderr, 'the instance has no tag weir:group');
  place!.imds.values.set('meta-data/tags/instance/weir:group', '../../secret');
  t.match((await fetched('ssm:/weir/{group}')).stderr, 'is not a name of letters');
  place!.imds.values.set('meta-data/tags/instance/weir:group', 'edge');
  t.equal((await fetched('ssm:/weir/{group}')).code, 0);
  t.equal(text('weir.yaml'), 'router:\n  nat: true\n');

  await put('router:\n  natt: true\n');
  const wrong = await fetched('ssm:/weir/{group}');
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, 'ssm:/weir/{group}:2: unknown option "natt" in router; did you mean "nat"?');
  t.equal(text('weir.yaml'), 'router:\n  nat: true\n', 'the file stays');
  t.match((await fetched('ssm:/weir/none')).stderr, /the SSM parameter \/weir\/none: .*ParameterNotFound/);

  place!.imds.values.set('user-data', '#cloud-config\n');
  t.match((await fetched('user-data')).stderr, "the user data is cloud-init's");
  place!.imds.values.set('user-data', 'router:\n  check-interval: 0.5\n');
  t.equal((await fetched('user-data')).code, 0);
  t.equal(text('weir.yaml'), 'router:\n  check-interval: 0.5\n');

  // The router goes on with what it had, whatever the file has become.
  const good = join(folder, 'good.yaml');
  const flags = ['--config', file, '--last-good', good];
  const first = cloud.router(t, 0, ...flags);
  await first.program.said('routing');
  await first.program.end();
  t.equal(text('good.yaml'), text('weir.yaml'));
  writeFileSync(file, 'mut: 1400\nrouter:\n  modde: route\n');
  const second = cloud.router(t, 0, ...flags);
  t.match(await second.program.said(`${file}:3: unknown option "modde"`), { level: 'error' });
  await second.program.said('routing');
  t.equal(text('good.yaml'), 'router:\n  check-interval: 0.5\n', 'and keeps it');
  await second.program.end();
  const without = await cloud.run(0, 'router', '--config', file);
  t.equal(without.code, 2);
  writeFileSync(file, 'mut: 1400\nrouter:\n  check-interval: 0.4\n');
  const third = cloud.router(t, 0, ...flags);
  await third.program.said('routing');
  t.equal(
    third.program.log.filter(({ level }) => level === 'error').length,
    0,
    'what is wrong elsewhere is not its',
  );
});

t.test(
  'a fixed interface is attached; the Elastic IP is where the default route leaves',
  { timeout: 60_000 },
  async (t) => {
    const cloud = await Cloud.start(t, moto);
    const [place] = cloud.places;
    const { Instances } = await cloud.ec2.send(
      new RunInstancesCommand({
        ImageId: 'ami-12c6146b',
        MinCount: 1,
        MaxCount: 1,
        SubnetId: place!.subnetId,
      }),
    );
    const instance = Instances![0]!.InstanceId!;
    const { NetworkInterface } = await cloud.ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: place!.subnetId, PrivateIpAddress: '10.0.0.20' }),
    );
    const fixed = NetworkInterface!.NetworkInterfaceId!;
    const { AllocationId } = await cloud.ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
    place!.imds.values.set('meta-data/instance-id', instance);
    const flags = [
      '--attach-interface',
      fixed,
      '--elastic-ip',
      AllocationId!,
      '--interface',
      'ens6',
      ...QUICK,
    ];
    const { program } = cloud.router(t, 0, ...flags);
    const [attached] = await cloud.proxy.until('the attachment', () => {
      const calls = cloud.proxy.done('AttachNetworkInterface');
      return calls.length > 0 && calls;
    });
    t.match(Object.fromEntries(attached!.parameters), { InstanceId: instance, DeviceIndex: '1' });
    // Now the metadata service knows it, and then the kernel.
    await cloud.plugIn(0, { name: 'ens6', eni: fixed, address: '10.0.0.20' });
    await program.said('routing');
    const { Addresses } = await cloud.ec2.send(
      new DescribeAddressesCommand({ AllocationIds: [AllocationId!] }),
    );
    t.equal(Addresses?.[0]?.NetworkInterfaceId, place!.eni, 'ens5: packets for the Internet leave there');
    await program.end();

    const again = cloud.router(t, 0, ...flags);
    await again.program.said('routing');
    t.equal(
      cloud.proxy.calls.filter(({ action }) => action === 'AttachNetworkInterface').length,
      1,
      'idempotent',
    );
    t.equal(cloud.proxy.calls.filter(({ action }) => action === 'AssociateAddress').length, 1);
  },
);

t.test('SIGTERM while EC2 is silent', { timeout: 100_000 }, async (t) => {
  const cloud = await Cloud.start(t, moto);
  const own = cloud.places.map(({ eni }) => eni);
  const a = cloud.router(t, 0, ...ROUTES, ...QUICK);
  cloud.router(t, 1, ...ROUTES, ...QUICK);
  await cloud.untilTargets(...own);
  await a.program.said(`router ${own[1]} in eu-west-1b is forwarding`);
  cloud.proxy.delayMilliseconds = 100_000;
  const from = cloud.proxy.calls.length;
  await cloud.proxy.until('a call without an answer', () => cloud.proxy.calls.length > from + 2);
  const begin = performance.now();
  const { code } = await a.program.end();
  const took = performance.now() - begin;
  t.equal(code, 0);
  t.ok(took < STOP_MILLISECONDS, `ended after ${Math.round(took)} ms`);
});
