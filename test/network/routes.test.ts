/** The kernel's routes as Weir knows them, held against the kernel's own answers: `ip route get … fibmatch`. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import type { LabNamespace } from '../../src/cli/demo/lab.ts';
import { KernelRoutes } from '../../src/host/kernel-routes.ts';
import { addressOf, flowWords } from '../host/addresses.ts';
import { labFor, noLiveCapture } from './program.ts';

const WAIT_MILLISECONDS = 15_000;

/** The routes of a namespace, kept current from outside of it. */
function routesOf(t: Test, namespace: LabNamespace, notices: string[]): KernelRoutes {
  const folder = mkdtempSync(join(tmpdir(), 'weir-ip-'));
  const program = join(folder, 'ip');
  writeFileSync(program, `#!/bin/sh\nexec ip -n ${namespace.name} "$@"\n`, { mode: 0o755 });
  const routes = new KernelRoutes({
    program,
    monotonicMilliseconds: () => performance.now(),
    onNotice: (text) => notices.push(text),
  });
  t.teardown(async () => {
    await routes.stop();
    rmSync(folder, { recursive: true });
  });
  return routes;
}

interface Answer {
  readonly interface: string;
  readonly gateway: string;
  readonly length: number;
}

async function interfaceNames(namespace: LabNamespace): Promise<Map<number, string>> {
  const links = JSON.parse(await namespace.run(['ip', '-json', 'link'])) as {
    ifindex: number;
    ifname: string;
  }[];
  return new Map(links.map(({ ifindex, ifname }) => [ifindex, ifname]));
}

function weirs(routes: KernelRoutes, destination: string, names: ReadonlyMap<number, string>): Answer {
  const ipVersion = destination.includes(':') ? 6 : 4;
  const found = routes.lookup(
    flowWords(ipVersion === 4 ? '192.0.2.1' : '2001:db8::1', destination),
    0,
    ipVersion,
  );
  return {
    interface: names.get(found.egressInterface) ?? '',
    gateway: addressOf(found.nextHop, ipVersion),
    length: found.destinationPrefixLength,
  };
}

/** What the kernel does with packets to these addresses. It knows no route: undefined. */
async function kernels(
  namespace: LabNamespace,
  destinations: readonly string[],
): Promise<(Answer | undefined)[]> {
  return Promise.all(
    destinations.map(async (destination) => {
      const ipVersion = destination.includes(':') ? 6 : 4;
      let printed: string;
      try {
        printed = await namespace.run([
          'ip',
          '-json',
          `-${ipVersion}`,
          'route',
          'get',
          'fibmatch',
          destination,
        ]);
      } catch {
        return undefined; // RTNETLINK answers: Network is unreachable
      }
      const [route] = JSON.parse(printed) as [{ dst: string; dev?: string; gateway?: string; type?: string }];
      const most = ipVersion === 4 ? 32 : 128;
      const isKept = route.type !== undefined && route.type !== 'unicast';
      return {
        interface: isKept ? '' : (route.dev ?? ''),
        gateway: (isKept ? undefined : route.gateway) ?? (ipVersion === 4 ? '0.0.0.0' : '::'),
        length: route.dst === 'default' ? 0 : Number(route.dst.split('/')[1] ?? most),
      };
    }),
  );
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MILLISECONDS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await delay(5); // the routes tell nobody that they have changed
  }
}

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    return (state >>> 8) % below;
  };
}

test('random routes: the same interface, gateway and prefix as the kernel', {
  skip: noLiveCapture,
  timeout: 60_000,
}, async (t) => {
  const lab = await labFor(t);
  const { router } = lab;
  const below = random(20_261_126);
  const commands: string[] = ['route add default via 10.71.1.2', 'route add ::/0 via fd71:1::2'];
  const probes4: string[] = [];
  const probes6: string[] = [];
  const via = () => (below(2) === 0 ? 1 : 2);
  for (let i = 0; i < 300; i++) {
    // Few first octets, so that prefixes enclose one another.
    const length = 8 + below(25);
    const word = ((20 + below(3)) << 24) | (below(4) << 16) | (below(8) << 8) | below(256);
    const masked = (word & (-1 << (32 - length))) >>> 0;
    const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
    const how = below(12);
    const prefix = `${text(masked)}/${length}`;
    if (how === 0) commands.push(`route replace blackhole ${prefix}`);
    else if (how === 1) commands.push(`route replace ${prefix} dev to-server`);
    else commands.push(`route replace ${prefix} via 10.71.${via()}.2 metric ${below(3) * 10}`);
    const first = masked;
    const last = (masked | (length === 32 ? 0 : 0xffffffff >>> length)) >>> 0;
    probes4.push(...[first - 1, first, last, last + 1, word >>> 0].map((value) => text(value >>> 0)));

    const length6 = 16 + below(113);
    const groups = [
      0x2001,
      0xdb8 + below(2),
      below(4) << 14,
      below(4) << 14,
      below(2),
      0,
      below(2) << 15,
      below(4),
    ];
    const address6 = groups.map((group) => group.toString(16)).join(':');
    const masked6 = groups
      .map((group, g) => {
        const bits = Math.min(16, Math.max(0, length6 - 16 * g));
        return (group & (0xffff << (16 - bits)) & 0xffff).toString(16);
      })
      .join(':');
    commands.push(`route replace ${masked6}/${length6} via fd71:${via()}::2 metric ${1 + below(3)}`);
    probes6.push(address6, masked6);
  }
  const own = [
    '10.71.1.1',
    '10.71.2.1',
    '10.71.1.255',
    '10.71.2.2',
    'fd71:1::1',
    'fd71:2::2',
    '127.0.0.1',
    '::1',
  ];
  const folder = mkdtempSync(join(tmpdir(), 'weir-batch-'));
  writeFileSync(join(folder, 'lines'), `${commands.join('\n')}\n`);
  await router.run(['ip', '-batch', join(folder, 'lines')]);
  rmSync(folder, { recursive: true });

  const notices: string[] = [];
  const routes = routesOf(t, router, notices);
  await routes.start();
  const names = await interfaceNames(router);
  const probes = [
    ...new Set([...probes4.slice(0, 400), ...probes6.slice(0, 400), ...own, '8.8.8.8', '2600::1']),
  ];
  const answers: (Answer | undefined)[] = [];
  for (let i = 0; i < probes.length; i += 16)
    answers.push(...(await kernels(router, probes.slice(i, i + 16))));
  const wrong = probes.flatMap((probe, i) => {
    const kernel = answers[i];
    const weir = weirs(routes, probe, names);
    const same =
      kernel === undefined
        ? weir.interface === ''
        : kernel.interface === weir.interface &&
          kernel.gateway === weir.gateway &&
          kernel.length === weir.length;
    return same ? [] : [{ probe, kernel, weir }];
  });
  t.same(wrong.slice(0, 5), [], `${wrong.length} of ${probes.length} differ`);
  t.ok(answers.filter((answer) => answer !== undefined && answer.length > 0).length > 200);
  t.same(notices, []);
  t.ok(routes.count(4) > 200 && routes.count(6) > 200, `${routes.count(4)} and ${routes.count(6)} routes`);
});

test('routes that come, change and go; interfaces that are renamed, go down and vanish', {
  skip: noLiveCapture,
  timeout: 60_000,
}, async (t) => {
  const { router } = await labFor(t);
  const ip = (...args: string[]) => router.run(['ip', ...args]);
  const routes = routesOf(t, router, []);
  await routes.start();
  let names = await interfaceNames(router);
  const now = (destination: string) => weirs(routes, destination, names);
  t.same(now('192.0.2.1'), { interface: '', gateway: '0.0.0.0', length: 0 });

  await ip('route', 'add', '192.0.2.0/24', 'via', '10.71.2.2');
  await until('the route is there', () => now('192.0.2.1').gateway === '10.71.2.2');
  t.same(now('192.0.2.1'), { interface: 'to-server', gateway: '10.71.2.2', length: 24 });
  await ip('route', 'change', '192.0.2.0/24', 'via', '10.71.1.2');
  await until('it has changed', () => now('192.0.2.1').interface === 'to-client');
  await ip('-6', 'route', 'add', '192:2::/48', 'via', 'fd71:2::2');
  await until('one of IPv6', () => now('192:2::1').gateway === 'fd71:2::2');
  await ip('route', 'add', '198.51.100.0/24', 'via', 'inet6', 'fd71:2::2');
  await until('one by a gateway of IPv6', () => now('198.51.100.1').length === 24);
  t.same(now('198.51.100.1'), { interface: 'to-server', gateway: '0.0.0.0', length: 24 });
  await ip('route', 'del', '192.0.2.0/24');
  await until('it has gone', () => now('192.0.2.1').length === 0);

  await ip('route', 'add', '192.0.2.0/24', 'via', '10.71.2.2', 'table', '77');
  await ip('rule', 'add', 'lookup', '77', 'priority', '500');
  await until('a rule asks another table', () => now('192.0.2.1').length === 24);
  await ip('rule', 'del', 'lookup', '77', 'priority', '500');
  await until('the rule has gone', () => now('192.0.2.1').length === 0);

  const index = [...names].find(([, name]) => name === 'to-server')![0];
  await ip('link', 'set', 'to-server', 'down');
  await until('its routes have gone', () => now('10.71.2.2').length === 0);
  await ip('link', 'set', 'to-server', 'name', 'uplink');
  await ip('link', 'set', 'uplink', 'up');
  await until('the name is known', () => routes.interfaces.some(({ name }) => name === 'uplink'));
  t.same(
    routes.interfaces.find(({ name }) => name === 'uplink'),
    { index, name: 'uplink' },
    'the index stays',
  );
  names = await interfaceNames(router);
  await until('its routes are back', () => now('10.71.2.2').interface === 'uplink');
  await ip('link', 'del', 'uplink');
  await until('it has vanished', () => now('10.71.2.2').length === 0);
  t.notOk(routes.interfaces.some(({ name }) => name === 'uplink'));
});
