/** The kernel as a router: its settings and the rules of nftables, in namespaces, with real packets. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { createLab, type LabNamespace, labProblem } from '../../src/cli/demo/lab.ts';
import { Machine, type MachineTask } from '../../src/router/machine.ts';
import { nftRules } from '../../src/router/nft-rules.ts';
import { routerSysctls } from '../../src/router/sysctls.ts';
import { asNobody } from '../network/program.ts';
import { hasProgram } from '../support/programs.ts';

const INSIDE = fileURLToPath(new URL('./machine-inside.js', import.meta.url));
const { PATH } = process.env;
const problem = labProblem();
const skip =
  problem !== undefined ? `no network namespaces: ${problem}` : !hasProgram('nft') && 'there is no nft';
const INTERFACES = ['to-client', 'to-server'];
const route = (rules: MachineTask['rules']): MachineTask => ({
  interfaces: INTERFACES,
  forwards: true,
  rules,
});

interface Told {
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
  readonly spoilt?: readonly { readonly name: string }[];
  readonly repairs: { readonly settings: number; readonly rules: number };
  readonly said: readonly string[];
}

async function inside<T>(namespace: LabNamespace, kind: string, ...args: (string | number)[]): Promise<T> {
  const argv = ['env', '-i', `PATH=${PATH}`, process.execPath, INSIDE, kind, ...args.map(String)];
  return JSON.parse(await namespace.run(argv)) as T;
}

async function lab(t: Test) {
  const one = await createLab({ prefix: 'weir-machine' });
  t.teardown(() => one.close());
  const who = one.server.spawn([process.execPath, INSIDE, 'who-server', one.addresses.server.ipv4], {
    env: { PATH },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(who.stdout!, 'data')) as [Buffer];
  const { port } = JSON.parse(String(line)) as { port: number };
  const apply = (task: MachineTask) => inside<Told>(one.router, 'apply', JSON.stringify(task));
  /** Whom the server sees when that address of the client asks. */
  const seen = async (source: string) =>
    (await inside<{ address: string }>(one.client, 'who', one.addresses.server.ipv4, port, source)).address;
  const ruleset = () => one.router.run(['nft', 'list', 'ruleset']);
  return { ...one, apply, seen, ruleset };
}

const failed = ({ checks }: Told) => checks.filter(({ ok }) => !ok);

t.test('settings, for IPv4 and IPv6, and twice is once', { skip }, async (t) => {
  const { router, apply } = await lab(t);
  const spoil = [
    ...['ipv4/ip_forward=0', 'ipv6/conf/all/forwarding=0', 'ipv4/conf/all/send_redirects=1'],
    ...['ipv4/conf/to-client/rp_filter=1', 'ipv6/conf/to-client/accept_ra=1'],
    ...['ipv6/conf/to-server/accept_redirects=1', 'ipv6/conf/to-server/accept_ra=1'],
  ];
  for (const one of spoil) await router.run(['sysctl', '-q', '-w', `net/${one}`]);
  const told = await apply(route({ kind: 'none' }));
  t.same(failed(told), []);
  t.same(told.repairs, { settings: 0, rules: 0 }, 'to set for the first time is no repair');
  t.same(told.said, []);
  for (const { path, value } of routerSysctls(INTERFACES, true)) {
    const now = (await router.run(['cat', `/proc/sys/net/${path}`])).trim();
    t.equal(now, value, path);
  }
});

t.test(
  'CAP_NET_ADMIN alone is enough',
  { skip: skip || (!hasProgram('setpriv') && 'there is no setpriv') },
  async (t) => {
    const { router, ruleset } = await lab(t);
    await router.run(['sysctl', '-q', '-w', 'net.ipv4.ip_forward=0']);
    const task = JSON.stringify(route({ kind: 'nat', sources: ['10.71.1.0/24'] }));
    const as = (...capabilities: string[]) =>
      router.run([...asNobody(...capabilities), process.execPath, INSIDE, 'apply', task]);
    const without = JSON.parse(await as()) as Told;
    t.match(failed(without), [{ name: 'ipv4_forwarding' }, { name: 'settings' }, { name: 'rules' }]);
    t.ok(without.said.includes('net.ipv4.ip_forward is 0, and cannot be set to 1: it takes CAP_NET_ADMIN'));
    t.same(failed(JSON.parse(await as('+net_admin'))), []);
    t.match(await ruleset(), 'masquerade');
  },
);

t.test('NAT for several prefixes, and gone without', { skip }, async (t) => {
  const { client, router, addresses, apply, seen, ruleset } = await lab(t);
  await client.run(['ip', 'address', 'add', '10.72.0.5/32', 'dev', 'eth0']);
  await client.run(['ip', 'address', 'add', '10.73.0.5/32', 'dev', 'eth0']);
  for (const prefix of ['10.72.0.0/16', '10.73.0.0/16'])
    await router.run(['ip', 'route', 'add', prefix, 'via', addresses.client.ipv4]);
  const nat = route({ kind: 'nat', sources: ['10.71.1.0/24', '10.72.0.0/16', '2001:db8::/56'] });
  t.same(failed(await apply(nat)), []);
  const first = await ruleset();
  t.equal(await seen(addresses.client.ipv4), addresses.toServer.ipv4, 'the first prefix');
  t.equal(await seen('10.72.0.5'), addresses.toServer.ipv4, 'the second');
  t.same((await apply(nat)).repairs, { settings: 0, rules: 0 });
  t.equal(await ruleset(), first, 'twice is once');
  // Between the prefixes nothing is translated.
  const within = route({ kind: 'nat', sources: ['10.71.0.0/16', '10.72.0.0/16'] });
  await apply(within);
  t.equal(await seen('10.72.0.5'), '10.72.0.5');
  t.same(failed(await apply(route({ kind: 'none' }))), []);
  t.equal(await ruleset(), '', 'no table is left, and nothing asks for connection tracking');
});

t.test('what others have changed is put right, and said', { skip }, async (t) => {
  const { router } = await lab(t);
  const task = route({ kind: 'nat', sources: ['10.71.1.0/24'] });
  const told = await inside<Told>(router, 'repair', JSON.stringify(task));
  t.match(told.spoilt, [{ name: 'ipv4_forwarding', detail: 'net.ipv4.ip_forward is 0' }]);
  t.same(failed(told), []);
  // It sets the interfaces' own values with it.
  t.ok(told.repairs.settings >= 1);
  t.equal(told.repairs.rules, 1);
  t.ok(told.said.includes('net.ipv4.ip_forward had become 0; it is 1 again'));
  t.ok(told.said.some((line) => /nftables was not as it should be/.test(line)));
});

t.test('a mirror target answers nothing on UDP 4789', { skip }, async (t) => {
  const { client, addresses, apply } = await lab(t);
  const ask = () => inside<{ refused: number[] }>(client, 'refused', addresses.toClient.ipv4, 4789, 4790);
  t.same((await ask()).refused, [4789, 4790], 'without the rule it does');
  const told = await apply({ interfaces: INTERFACES, forwards: false, rules: { kind: 'mirror-target' } });
  t.same(failed(told), []);
  t.same((await ask()).refused, [4790]);
});

t.test('a Gateway Load Balancer gets its GENEVE back', { skip }, async (t) => {
  const { client, addresses, apply, ruleset } = await lab(t);
  const rules = {
    kind: 'gwlb-target' as const,
    addresses: [addresses.toClient.ipv4, addresses.toServer.ipv4],
    sources: ['10.71.1.0/24'],
  };
  t.same(failed(await apply(route(rules))), []);
  for (const host of rules.addresses) {
    const back = await inside(client, 'hairpin', host);
    t.same(back, { isSame: true, from: host, isSamePort: true }, `by ${host}`);
  }
  t.notMatch(await ruleset(), /\bct\b|masquerade|dnat|snat/, 'without connection tracking');
  await apply(route({ ...rules, sources: ['10.99.0.0/16'] }));
  const ask = await inside<{ refused: number[] }>(client, 'refused', addresses.toClient.ipv4, 6081, 4790);
  t.same(ask.refused, [6081, 4790], 'from elsewhere it is not for us');
});

t.test('rules as text', async (t) => {
  const fresh = 'add table inet weir_router\ndelete table inet weir_router\n';
  t.equal(nftRules({ kind: 'none' }), fresh);
  t.equal(nftRules({ kind: 'nat', sources: ['2001:db8::/56'] }), fresh, 'IPv6 is not translated');
  t.equal(nftRules({ kind: 'gwlb-target', addresses: [], sources: ['10.0.0.0/8'] }), fresh);
});

t.test('no nft, no right, no such interface: each is a check that says so', async (t) => {
  const folder = t.testdir({ ipv4: { ip_forward: '0\n', conf: { ens5: { forwarding: '1\n' } } } });
  const said: string[] = [];
  const logger = { info: () => {}, warn: () => {}, error: (text: string) => said.push(text) };
  const machine = new Machine({
    log: { ...logger, rateLimited: () => logger },
    sysctlFolder: folder,
    run: async () => undefined,
    interfaces: () => [{ name: 'ens5', mac: '02:00:00:00:00:01', isUp: false, addresses: [] }],
  });
  machine.task = {
    interfaces: ['ens5', 'ens6'],
    forwards: true,
    rules: { kind: 'nat', sources: ['10.0.0.0/8'] },
  };
  await machine.keepRules();
  t.match(machine.checks(), [
    { name: 'interfaces', ok: false, detail: 'ens6 does not exist, ens5 is down' },
    { name: 'ipv4_forwarding', ok: false, detail: 'net.ipv4.ip_forward is 0' },
    { name: 'settings', ok: true },
    { name: 'rules', ok: false, detail: /^there is no nft command/, isVital: true },
  ]);
  t.match(said, [/^there is no nft command/]);
  machine.keepSettings();
  t.equal(readFileSync(`${folder}/ipv4/ip_forward`, 'utf8'), '1');
  machine.task = { interfaces: ['ens5'], forwards: true, rules: { kind: 'none' } };
  await machine.keepRules();
  t.match(machine.checks().at(-1), { name: 'rules', ok: true, detail: 'none needed' });
});

t.test('rules that nft has taken and that are not there are none: NAT without a prefix', async (t) => {
  const said: string[] = [];
  const logger = { info: () => {}, warn: () => {}, error: (text: string) => said.push(text) };
  const machine = new Machine({
    log: { ...logger, rateLimited: () => logger },
    sysctlFolder: t.testdir({}),
    run: async () => ({ code: 0, stdout: '', stderr: '' }),
    interfaces: () => [],
  });
  machine.task = { interfaces: [], forwards: true, rules: { kind: 'nat', sources: ['2001:db8::/56'] } };
  await machine.keepRules();
  t.match(machine.checks().at(-1), { name: 'rules', ok: false, isVital: true });
  t.same(said, ['nft has taken the rules of nat, and there are none']);
});

t.test('accept_ra: 1 means no to a router; who has set 0 is left alone', async (t) => {
  const logger = { info: () => {}, warn: () => {}, error: () => {} };
  const folder = t.testdir({
    ipv6: { conf: { ens5: { accept_ra: '1\n' }, ens6: { accept_ra: '0\n' } } },
  });
  const machine = new Machine({
    log: { ...logger, rateLimited: () => logger },
    sysctlFolder: folder,
    interfaces: () => [],
  });
  machine.task = { interfaces: ['ens5', 'ens6'], forwards: true, rules: { kind: 'none' } };
  machine.keepSettings();
  t.equal(readFileSync(`${folder}/ipv6/conf/ens5/accept_ra`, 'utf8'), '2');
  t.equal(readFileSync(`${folder}/ipv6/conf/ens6/accept_ra`, 'utf8'), '0\n', 'systemd-networkd, say');
  t.same(machine.differences(), []);
});
