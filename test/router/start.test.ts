/** The start of a router: what comes late is waited for, fixed addresses are brought, and it ends loudly or is done. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import type { Ec2Api, Ec2Interface } from '../../src/aws/ec2.ts';
import { ImdsError } from '../../src/aws/imds.ts';
import type { Instance, InstanceInterface } from '../../src/aws/instance.ts';
import { defaultRouteInterface, type KernelInterface } from '../../src/router/kernel-interfaces.ts';
import { Machine, type MachineOptions } from '../../src/router/machine.ts';
import { Router, type RouterSettings, taskOf } from '../../src/router/router.ts';

const interfaceOf = (n: number, more: Partial<InstanceInterface> = {}): InstanceInterface => ({
  id: `eni-0000000${n}`,
  mac: `02:00:00:00:00:0${n}`,
  deviceNumber: n - 1,
  subnetId: `subnet-${n}`,
  vpcId: 'vpc-1',
  ipv4: [`10.0.${n}.9`],
  ipv6: [],
  subnetCidrs: [`10.0.${n}.0/24`],
  vpcCidrs: ['10.0.0.0/16', '100.64.0.0/16'],
  ...more,
});
const kernelOf = (n: number, more: Partial<KernelInterface> = {}): KernelInterface => ({
  name: `ens${n + 4}`,
  mac: `02:00:00:00:00:0${n}`,
  isUp: true,
  addresses: [`10.0.${n}.9`],
  ...more,
});
const instanceOf = (...interfaces: InstanceInterface[]): Instance => ({
  instanceId: 'i-0000000a',
  instanceType: 'c7gn.large',
  region: 'eu-west-1',
  zone: 'eu-west-1a',
  interfaces,
});

const SETTINGS: RouterSettings = {
  mode: 'route',
  interfaces: [],
  routes: [],
  peers: [],
  failback: 'automatic',
  checkSeconds: 0.1,
  rise: 1,
  fall: 1,
  routeSeconds: 0.2,
  nat: false,
  natSources: [],
  tunnelSources: [],
  attachInterface: undefined,
  elasticIp: undefined,
  waitSeconds: 10,
  health: undefined,
};

/** EC2 with these interfaces; it remembers what was changed. */
function fakeEc2(interfaces: Ec2Interface[]) {
  const changes: string[] = [];
  const ec2 = {
    calls: new Map(),
    failures: new Map(),
    addressOf: undefined as string | undefined,
    async interfaces(selectors: readonly { id?: string }[]) {
      return interfaces.filter((one) => selectors.some(({ id }) => id === one.id));
    },
    async attachInterface(id: string, instance: string, index: number) {
      changes.push(`attach ${id} to ${instance} as ${index}`);
    },
    async addressInterface() {
      return ec2.addressOf;
    },
    async associateAddress(allocation: string, id: string) {
      changes.push(`associate ${allocation} with ${id}`);
      ec2.addressOf = id;
    },
    async turnSourceDestCheckOff(id: string) {
      changes.push(`check of ${id} off`);
      const at = interfaces.findIndex((one) => one.id === id);
      interfaces[at] = { ...interfaces[at]!, isSourceDestChecked: false };
    },
  };
  return { ec2: ec2 as unknown as Ec2Api, changes, fake: ec2 };
}

const ec2InterfaceOf = (n: number, more: Partial<Ec2Interface> = {}): Ec2Interface => ({
  id: `eni-0000000${n}`,
  zone: 'eu-west-1a',
  status: 'in-use',
  instanceId: 'i-0000000a',
  isSourceDestChecked: true,
  tags: new Map(),
  address: `10.0.${n}.9`,
  ...more,
});

/** A router on a machine of files; each answer of the metadata service and of the kernel is the next of the list. */
function router(
  t: Test,
  settings: Partial<RouterSettings>,
  ec2: Ec2Api,
  instances: (Instance | Error)[],
  kernels: KernelInterface[][],
  outer: () => string | undefined = () => 'ens5',
  run: MachineOptions['run'] = async () => undefined,
) {
  const said: string[] = [];
  let wake = () => {};
  const say = (text: string) => {
    said.push(text);
    wake();
  };
  const logger = { info: say, warn: say, error: say };
  const until = async (line: RegExp) => {
    while (!said.some((one) => line.test(one)))
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const log = { ...logger, rateLimited: () => logger };
  const folder = t.testdir({ ipv4: { ip_forward: '0\n' } });
  const next = <T>(list: T[]): T => (list.length > 1 ? list.shift()! : list[0]!);
  let now = 0;
  const one = new Router(
    { ...SETTINGS, ...settings },
    {
      log,
      readInstance: async () => {
        const found = next(instances);
        if (found instanceof Error) throw found;
        return found;
      },
      ec2Of: () => ec2,
      machine: new Machine({
        log,
        sysctlFolder: folder,
        run,
        interfaces: () => kernels.at(-1)!,
      }),
      kernelInterfaces: () => next(kernels),
      defaultRouteInterface: outer,
      // Each look takes a second.
      nowMilliseconds: () => (now += 1_000),
    },
  );
  t.teardown(() => one.stop());
  return { one, said, until };
}

t.test('metadata, interface and address come late', async (t) => {
  const { ec2, changes } = fakeEc2([ec2InterfaceOf(1)]);
  const { one, said } = router(
    t,
    { waitSeconds: 100 },
    ec2,
    [...Array.from({ length: 4 }, () => new ImdsError('answers 503', 503)), instanceOf(interfaceOf(1))],
    [[], [kernelOf(1, { isUp: false })], [kernelOf(1, { addresses: [] })], [kernelOf(1)]],
  );
  await one.start(new AbortController().signal);
  t.match(one.interfaces, [{ name: 'ens5', id: 'eni-00000001' }]);
  const waits = said.filter((line) => line.startsWith('waiting for'));
  t.match(waits[0], 'waiting for the instance metadata service: answers 503');
  t.ok(said.some((line) => /^the instance metadata service: there after \d/.test(line)));
  await one.stop();
  t.same(changes, ['check of eni-00000001 off']);
});

t.test('the wait has an end, and the error says what for', async (t) => {
  const { ec2 } = fakeEc2([]);
  const { one } = router(t, {}, ec2, [instanceOf(interfaceOf(1))], [[kernelOf(1, { isUp: false })]]);
  await t.rejects(one.start(new AbortController().signal), {
    name: 'RouterError',
    message: /^waited \d+ s in vain for the network interfaces: ens5 is down$/,
  });
  const ending = new AbortController();
  ending.abort(new Error('SIGTERM'));
  await t.rejects(one.start(ending.signal), { message: 'SIGTERM' });
});

t.test('a fixed interface and an Elastic IP are brought', async (t) => {
  // Of its predecessor, until the sixth look.
  const interfaces = [ec2InterfaceOf(1), ec2InterfaceOf(2, { instanceId: 'i-0000000b' })];
  const { ec2, changes, fake } = fakeEc2(interfaces);
  let looks = 0;
  const plain = fake.interfaces.bind(fake);
  fake.interfaces = async (selectors) => {
    if (selectors[0]?.id === 'eni-00000002' && ++looks === 6)
      interfaces[1] = { ...interfaces[1]!, instanceId: undefined as unknown as string, status: 'available' };
    return plain(selectors);
  };
  const both = instanceOf(interfaceOf(1), interfaceOf(2));
  let routes = 0;
  const { one, said } = router(
    t,
    {
      attachInterface: 'eni-00000002',
      elasticIp: 'eipalloc-00000001',
      interfaces: ['ens6', 'ens5'],
      waitSeconds: 100,
    },
    ec2,
    [instanceOf(interfaceOf(1)), both],
    [[kernelOf(1)], [kernelOf(1), kernelOf(2)]],
    () => (++routes > 2 ? 'ens5' : undefined),
  );
  await one.start(new AbortController().signal);
  t.same(
    one.interfaces.map(({ name, id }) => `${name} ${id}`),
    ['ens6 eni-00000002', 'ens5 eni-00000001'],
    'the first that is named is the one that routes lead to',
  );
  t.same(changes.slice(0, 2), [
    'attach eni-00000002 to i-0000000a as 1',
    'associate eipalloc-00000001 with eni-00000001',
  ]);
  t.equal(
    fake.addressOf,
    'eni-00000001',
    'that of the default route, by which NAT leaves; not the inner one',
  );
  t.ok(said.some((line) => /it is still attached to i-0000000b/.test(line)));
  t.ok(routes > 2, 'the default route was waited for');
  await one.stop();

  // The next start finds all of it done.
  const again = router(
    t,
    { attachInterface: 'eni-00000002', elasticIp: 'eipalloc-00000001', interfaces: ['ens6', 'ens5'] },
    ec2,
    [both],
    [[kernelOf(1), kernelOf(2)]],
  );
  const before = changes.filter((line) => !line.startsWith('check'));
  await again.one.start(new AbortController().signal);
  t.same(
    changes.filter((line) => !line.startsWith('check')),
    before,
    'idempotent',
  );
});

t.test('the Elastic IP follows the default route, which may come to a second interface late', async (t) => {
  const { ec2, fake } = fakeEc2([ec2InterfaceOf(1), ec2InterfaceOf(2)]);
  let outer = 'ens5';
  const { one } = router(
    t,
    { elasticIp: 'eipalloc-00000001' },
    ec2,
    [instanceOf(interfaceOf(1), interfaceOf(2))],
    [[kernelOf(1), kernelOf(2)]],
    () => outer,
  );
  await one.start(new AbortController().signal);
  t.equal(fake.addressOf, 'eni-00000001');
  outer = 'ens6';
  await one.lookAtElasticIp();
  t.equal(fake.addressOf, 'eni-00000002');
});

t.test('the interface of the default route, as the kernel tells it', async (t) => {
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
  const line = (name: string, to: string, flags: string, metric: number, mask: string) =>
    `${name}\t${to}\t0100000A\t${flags}\t0\t0\t${metric}\t${mask}\t0\t0\t0   \n`;
  const file = (...lines: string[]) => `${t.testdir({ route: head + lines.join('') })}/route`;
  const everywhere = '00000000';
  t.equal(defaultRouteInterface(file()), undefined);
  t.equal(
    defaultRouteInterface(
      file(
        line('ens7', everywhere, '0201', 0, everywhere),
        line('ens6', '0000000A', '0001', 0, '00FFFFFF'),
        line('ens6', everywhere, '0003', 1024, everywhere),
        line('ens5', everywhere, '0003', 512, everywhere),
        line('ens5', everywhere, '0003', 2048, everywhere),
      ),
    ),
    'ens5',
    'the lowest metric, and no unreachable route',
  );
});

t.test(
  "what is no router's is left alone: the check of an interface that nothing is forwarded on",
  async (t) => {
    const { ec2, changes } = fakeEc2([ec2InterfaceOf(1), ec2InterfaceOf(2)]);
    const { one, until } = router(
      t,
      { interfaces: ['ens6'] },
      ec2,
      [instanceOf(interfaceOf(1), interfaceOf(2))],
      [[kernelOf(1), kernelOf(2)]],
    );
    await one.start(new AbortController().signal);
    await until(/^the source\/destination check/);
    await one.stop();
    t.same(changes, ['check of eni-00000002 off']);
  },
);

t.test('an address is waited for: the first one, and in the metadata, too', async (t) => {
  const { ec2 } = fakeEc2([ec2InterfaceOf(1)]);
  const both = { ipv6: ['2001:db8::9'] };
  const without = router(t, {}, ec2, [instanceOf(interfaceOf(1, { ipv4: [] }))], [[kernelOf(1)]]);
  await t.rejects(without.one.start(new AbortController().signal), {
    message: /the metadata service knows no address of ens5 yet$/,
  });
  const late = router(
    t,
    {},
    ec2,
    [instanceOf(interfaceOf(1, both))],
    [[kernelOf(1, { addresses: ['2001:db8::9'] })]],
  );
  await t.rejects(late.one.start(new AbortController().signal), {
    message: /ens5 does not have its address 10\.0\.1\.9$/,
  });
});

t.test('an nft that hangs delays no look at the machine, nor at the peers', async (t) => {
  const { ec2 } = fakeEc2([ec2InterfaceOf(1)]);
  const kernels = [[kernelOf(1)]];
  let hangs = () => {};
  const hanging = new Promise<void>((resolve) => {
    hangs = resolve;
  });
  let calls = 0;
  const { one, until } = router(
    t,
    { nat: true },
    ec2,
    [instanceOf(interfaceOf(1))],
    kernels,
    undefined,
    // Listed, loaded, listed; then never again.
    async (_, args) => {
      if (++calls <= 3) return { code: 0, stdout: args.includes('list') ? `rules ${calls}` : '', stderr: '' };
      hangs();
      return new Promise(() => undefined);
    },
  );
  await one.start(new AbortController().signal);
  await hanging;
  kernels[0] = [kernelOf(1, { isUp: false })];
  await until(/^this router does not forward: ens5 is down/);
  t.equal(one.state, 'failing');
});

t.test(
  'a release has an end: peers that never answer are not asked for ever',
  { timeout: 20_000 },
  async (t) => {
    const silent = createServer(() => undefined);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    t.teardown(() => {
      silent.close();
      silent.closeAllConnections();
    });
    const { port } = silent.address() as AddressInfo;
    const { ec2 } = fakeEc2([ec2InterfaceOf(1), ec2InterfaceOf(9)]);
    const { one } = router(
      t,
      {
        fall: 100,
        peers: [{ interfaces: { id: 'eni-00000009' }, at: { host: '127.0.0.1', port } }],
        health: { host: '127.0.0.1', port: 0 },
      },
      ec2,
      [instanceOf(interfaceOf(1))],
      [[kernelOf(1)]],
    );
    await one.start(new AbortController().signal);
    t.equal(await one.release(), 0);
    t.equal(one.isReleased, true, 'it held no route, so nobody had to be there');
  },
);

t.test('what the machine is to be, by mode', async (t) => {
  const interfaces = [
    { ...interfaceOf(1), name: 'ens5' },
    { ...interfaceOf(2), name: 'ens6' },
  ];
  const of = (settings: Partial<RouterSettings>) => taskOf({ ...SETTINGS, ...settings }, interfaces);
  t.match(of({}), { interfaces: ['ens5', 'ens6'], forwards: true, rules: { kind: 'none' } });
  t.match(of({ nat: true }).rules, { kind: 'nat', sources: ['10.0.0.0/16', '100.64.0.0/16'] });
  t.match(of({ nat: true, natSources: ['10.9.0.0/16'] }).rules, { sources: ['10.9.0.0/16'] });
  t.match(of({ mode: 'mirror-target' }), { forwards: false, rules: { kind: 'mirror-target' } });
  t.match(of({ mode: 'gwlb-target' }), {
    forwards: true,
    rules: {
      kind: 'gwlb-target',
      addresses: ['10.0.1.9', '10.0.2.9'],
      sources: ['10.0.1.0/24', '10.0.2.0/24'],
    },
  });
});
