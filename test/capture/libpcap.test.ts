import { test } from 'tap';
import { directionFilter, LibpcapSource } from '../../src/capture/libpcap.ts';
import { createLab, labProblem } from '../../src/cli/demo/lab.ts';
import { serve, total, traffic, Watch, watch } from './live.ts';
import type { Seen } from './watch.ts';

const labTrouble = labProblem();
const noCap = await import('cap').then(
  () => undefined,
  (error: Error) => error.message,
);
let skip: string | false = false;
if (labTrouble !== undefined) skip = `no network namespaces: ${labTrouble}`;
if (noCap !== undefined) skip = `the npm package 'cap' is not built: ${noCap}`;

test('each packet is seen once in its direction, IPv4 and IPv6, with a filter', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const lab = await createLab({ prefix: 'weir-pcap' });
  t.teardown(() => lab.close());
  const { server } = lab.addresses;
  const port4 = await serve(lab.server, 'udp-echo', server.ipv4);
  const port6 = await serve(lab.server, 'udp-echo', server.ipv6);
  const warmUp = await serve(lab.server, 'udp-echo', server.ipv6);
  const mac = (await lab.router.run(['cat', '/sys/class/net/to-client/address'])).trim();
  const base = { by: 'libpcap', interfaces: ['to-client'] } as const;
  const captures = {
    ingress: await watch(lab.router, base),
    egress: await watch(lab.router, { ...base, direction: 'egress' }),
    both: await watch(lab.router, { ...base, direction: 'both' }),
    // How the direction is told where there is no `inbound`.
    byAddress: await watch(lab.router, {
      ...base,
      direction: 'both',
      filter: directionFilter('ingress', 'darwin', mac, undefined),
    }),
    filtered: await watch(lab.router, { ...base, filter: `ip6 and udp port ${port6} or port ${warmUp}` }),
  };
  // libpcap judges the first frame itself, and cannot tell its direction: it is lost.
  await traffic(lab.client, 'udp-send', server.ipv6, warmUp, 1, 1);
  await traffic(lab.client, 'udp-send', server.ipv4, port4, 20, 500);
  await traffic(lab.client, 'udp-send', server.ipv6, port6, 30, 500);
  for (const [name, there4, back4, there6, back6] of [
    ['ingress', 20, 0, 30, 0],
    ['egress', 0, 20, 0, 30],
    ['both', 20, 20, 30, 30],
    ['byAddress', 20, 0, 30, 0],
    ['filtered', 0, 0, 30, 0],
  ] as const) {
    const { seen, counters } = await captures[name].stop();
    const count = (pattern: Partial<Seen>) => total(seen, pattern).frames;
    const [host4, host6] = [`${server.ipv4} ${port4}`, `fd71:2:0:0:0:0:0:2 ${port6}`];
    t.same(
      [count({ to: host4 }), count({ from: host4 }), count({ to: host6 }), count({ from: host6 })],
      [there4, back4, there6, back6],
      name,
    );
    t.equal(counters[0]!.frames, total(seen, {}).frames);
    t.equal(total(seen, { protocol: 'udp4' }).payload, (there4 + back4) * 500);
  }
});

test('what cannot be captured is refused in the words of libpcap, or better ones', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const lab = await createLab({ prefix: 'weir-pcap' });
  t.teardown(() => lab.close());
  const failure = async (interfaceName: string, filter?: string, launcher: string[] = []) => {
    const request = {
      by: 'libpcap',
      interfaces: [interfaceName],
      ...(filter === undefined ? {} : { filter }),
    } as const;
    return (await new Watch(lab.router, request, launcher).next('failed')).message;
  };
  t.match(await failure('to-clint'), /^There is no interface named to-clint\. Did you mean to-client\?/);
  t.match(await failure('to-client', 'prot 22'), /to-client and the filter 'prot 22': .*syntax error/);
  const without = ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'];
  t.match(
    await failure('to-client', undefined, without),
    /^Not permitted to capture on to-client: .*CAP_NET_RAW/,
  );
});

test('the direction becomes a part of the filter', (t) => {
  const mac = '02:00:00:00:00:01';
  const none = '00:00:00:00:00:00';
  for (const [direction, system, address, filter, expected] of [
    ['ingress', 'linux', mac, undefined, 'inbound'],
    ['egress', 'linux', undefined, ' ', 'outbound'],
    ['ingress', 'linux', mac, 'vlan 5 or arp', 'inbound and (vlan 5 or arp)'],
    ['both', 'linux', mac, 'udp', '(udp)'],
    ['both', 'freebsd', none, undefined, ''],
    ['ingress', 'darwin', mac, 'udp', `not ether src ${mac} and (udp)`],
    ['egress', 'darwin', mac, undefined, `ether src ${mac}`],
  ] as const) {
    t.equal(directionFilter(direction, system, address, filter), expected);
  }
  t.throws(() => directionFilter('ingress', 'darwin', none, undefined), { message: /--direction both/ });
  t.throws(() => directionFilter('egress', 'freebsd', undefined, undefined), { message: /--direction both/ });
  t.end();
});

test('new is inert, and stop without start is over at once', async (t) => {
  const source = new LibpcapSource({ interfaceName: 'nowhere0' });
  t.equal(source.capturing, false);
  await source.stop();
  await source.finished;
});
