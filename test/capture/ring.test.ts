import { type Test, test } from 'tap';
import { loadRingAddon } from '../../src/capture/ring-addon.ts';
import { createLab, type Lab, labProblem } from '../../src/cli/demo/lab.ts';
import { hasProgram } from '../support/programs.ts';
import { serve, total, traffic, Watch, watch } from './live.ts';

const skip = problem();
const noTcpdump = hasProgram('tcpdump') ? false : 'no tcpdump to compile filters with';
const noCap = await import('cap').then(
  () => false as const,
  () => "no npm package 'cap' to send frames with",
);

function problem(): string | false {
  const lab = labProblem();
  if (lab !== undefined) return `no network namespaces: ${lab}`;
  try {
    loadRingAddon();
  } catch (error) {
    return (error as Error).message;
  }
  return false;
}

async function withLab(t: Test, body: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await createLab({ prefix: 'weir-ring' });
  t.teardown(() => lab.close());
  await body(lab);
}

/** The kernel's own count of a namespace: a field of /proc/net/snmp. */
async function snmp(namespace: Lab['client'], protocol: string, field: string): Promise<number> {
  const lines = (await namespace.run(['cat', '/proc/net/snmp'])).split('\n');
  const [names, values] = lines
    .filter((line) => line.startsWith(`${protocol}: `))
    .map((line) => line.split(' '));
  return Number(values![names!.indexOf(field)]);
}

const SIDES = ['to-client', 'to-server'];

for (const version of ['ipv4', 'ipv6'] as const) {
  const v = version === 'ipv4' ? 4 : 6;

  test(`${version}: each packet is seen once, where it comes in`, { skip, timeout: 60_000 }, async (t) => {
    await withLab(t, async (lab) => {
      const { client, server } = {
        client: lab.addresses.client[version],
        server: lab.addresses.server[version],
      };
      const { router } = lab;
      const udpPort = await serve(lab.server, 'udp-echo', server);
      const tcpPort = await serve(lab.server, 'tcp-sink', server);
      const ring = await watch(router, { by: 'ring', interfaces: SIDES });
      await traffic(lab.client, 'udp-send', server, udpPort, 200, 777);
      await traffic(lab.client, 'tcp-send', server, tcpPort, 10_000_000);
      await traffic(lab.client, 'udp-refused', server, 9);
      const { seen, counters } = await ring.stop();

      const there = { interfaceName: 'to-client', to: `${expand(server)} ${udpPort}`, protocol: `udp${v}` };
      const back = { interfaceName: 'to-server', from: `${expand(server)} ${udpPort}`, protocol: `udp${v}` };
      t.match(total(seen, there), { packets: 200, payload: 200 * 777, frames: 200 });
      t.match(total(seen, back), { packets: 200, payload: 200 * 777, frames: 200 });
      t.match(total(seen, { interfaceName: 'to-server', to: `${expand(server)} ${udpPort}` }), { frames: 0 });

      // TCP against the counters of the hosts at both ends, which know what offloads hide.
      const sent = async (host: Lab['client']) =>
        (await snmp(host, 'Tcp', 'OutSegs')) + (await snmp(host, 'Tcp', 'RetransSegs'));
      const request = total(seen, { interfaceName: 'to-client', protocol: `tcp${v}` });
      const reply = total(seen, { interfaceName: 'to-server', protocol: `tcp${v}` });
      t.equal(request.packets, await sent(lab.client));
      t.equal(reply.packets, await sent(lab.server));
      // … and offloads did hide something: each segment carries 1 500 octets less the headers and a timestamp option.
      t.ok(request.giants > 0, `${request.giants} giants`);
      t.equal(request.gsoSize, v === 4 ? 1448 : 1428);
      const resent = 1448 * (await snmp(lab.client, 'Tcp', 'RetransSegs'));
      t.ok(request.payload >= 10_000_000 && request.payload <= 10_000_000 + resent, `${request.payload}`);

      // Port unreachable, from the server: ICMP type 3, ICMPv6 type 1.
      const unreachable = v === 4 ? 'icmp 3' : 'icmp6 1';
      t.match(total(seen, { protocol: unreachable, from: expand(server), to: expand(client) }), {
        frames: 1,
      });
      t.match(total(seen, { protocol: `udp${v}`, to: `${expand(server)} 9` }), { frames: 1 });
      t.equal(
        counters.reduce((sum, { frames }) => sum + frames, 0),
        total(seen, {}).frames,
      );
      t.same(
        counters.map(({ kernelDroppedPackets }) => kernelDroppedPackets),
        [0, 0],
      );
    });
  });
}

test('a direction takes what goes that way, and nothing else', { skip, timeout: 60_000 }, async (t) => {
  await withLab(t, async (lab) => {
    const { client, server } = { client: lab.addresses.client.ipv4, server: lab.addresses.server.ipv4 };
    const port = await serve(lab.server, 'udp-echo', server);
    const own = await serve(lab.router, 'udp-echo', '127.0.0.1');
    const egress = await watch(lab.router, { by: 'ring', interfaces: SIDES, direction: 'egress' });
    const both = await watch(lab.router, { by: 'ring', interfaces: ['to-server'], direction: 'both' });
    const loopback = await watch(lab.router, { by: 'ring', interfaces: ['lo'] });
    await traffic(lab.client, 'udp-send', server, port, 10, 100);
    await traffic(lab.router, 'udp-send', '127.0.0.1', own, 10, 100);
    const count = (seen: Parameters<typeof total>[0]) =>
      SIDES.flatMap((interfaceName) =>
        [client, server].map((from) => total(seen, { interfaceName, from, protocol: 'udp4' }).packets),
      );
    t.same(count((await egress.stop()).seen), [0, 10, 10, 0], 'egress');
    t.same(count((await both.stop()).seen), [0, 0, 10, 10], 'both');
    const { seen } = await loopback.stop();
    t.match(
      total(seen, { protocol: 'udp4', to: `127.0.0.1 ${own}` }),
      { packets: 10 },
      'loopback shows all twice',
    );
    t.match(total(seen, { protocol: 'udp4', from: `127.0.0.1 ${own}` }), { packets: 10 });
  });
});

test('a filter is applied together with the direction', {
  skip: skip || noTcpdump,
  timeout: 60_000,
}, async (t) => {
  await withLab(t, async (lab) => {
    const { client, server } = { client: lab.addresses.client.ipv4, server: lab.addresses.server.ipv4 };
    const [wanted, unwanted] = [
      await serve(lab.server, 'udp-echo', server),
      await serve(lab.server, 'udp-echo', server),
    ];
    const filter = `not port ${unwanted}`;
    const ring = await watch(lab.router, { by: 'ring', interfaces: SIDES, filter });
    await traffic(lab.client, 'udp-send', server, unwanted, 10, 100);
    await traffic(lab.client, 'udp-send', server, wanted, 10, 1000);
    const { seen } = await ring.stop();
    const udp = { protocol: 'udp4' };
    t.match(total(seen, udp), { packets: 20, payload: 20_000 });
    t.match(total(seen, { ...udp, interfaceName: 'to-client', from: client, to: `${server} ${wanted}` }), {
      packets: 10,
    });
    t.match(total(seen, { ...udp, interfaceName: 'to-server', from: `${server} ${wanted}` }), {
      packets: 10,
    });
  });
});

test('the outer VLAN tag, which the kernel strips, is told beside the frame', {
  skip: skip || noCap,
}, async (t) => {
  await withLab(t, async (lab) => {
    const mac = (await lab.router.run(['cat', '/sys/class/net/to-client/address']))
      .trim()
      .replaceAll(':', '');
    const source = '02000000aa01';
    // IPv4, 30 octets, UDP from 10.71.1.9 port 5 to 10.71.2.2 port 9, two octets of payload; checksum left out.
    const packet = `4500001e00000000401100000a4701090a4702020005000900 0a00006869`.replaceAll(' ', '');
    const frames = [
      `${mac}${source} 0800 ${packet}`, //           none
      `${mac}${source} 8100 6005 0800 ${packet}`, // priority 3, VLAN 5
      `${mac}${source} 88a8 0fff 8100 0007 0800 ${packet}`, // service tag 4095, customer tag 7
    ].map((frame) => frame.replaceAll(' ', ''));
    const all = await watch(lab.router, { by: 'ring', interfaces: ['to-client'] });
    const five = noTcpdump
      ? undefined
      : await watch(lab.router, { by: 'ring', interfaces: ['to-client'], filter: 'vlan 5 and udp' });
    await traffic(lab.client, 'send-frames', 'eth0', ...frames);
    const { seen } = await all.stop();
    const from = '10.71.1.9 5';
    t.match(total(seen, { vlan: 0, from, protocol: 'udp4', payload: 2 }), { frames: 1 });
    t.match(total(seen, { vlan: 5, from, protocol: 'udp4', payload: 2 }), { frames: 1 });
    // The inner tag stays where it was.
    t.match(total(seen, { vlan: 4095, etherType: 0x8100 }), { frames: 1 });
    if (five !== undefined) t.match(total((await five.stop()).seen, {}), { frames: 1 });
  });
});

test('on a quiet link a packet does not wait for company, nor is it lost at the end', {
  skip,
  timeout: 60_000,
}, async (t) => {
  await withLab(t, async (lab) => {
    const server = lab.addresses.server.ipv4;
    const port = await serve(lab.server, 'udp-echo', server);
    const filter = noTcpdump ? {} : { filter: 'udp' };
    const base = { by: 'ring', interfaces: ['to-client'], ...filter } as const;
    const ring = await watch(lab.router, { ...base, tellFrames: true });
    const delays: number[] = [];
    for (let i = 0; i < 5; i++) {
      await traffic(lab.client, 'udp-send', server, port, 1, 10);
      delays.push((await ring.next('frame')).delayMilliseconds);
    }
    // The kernel's clock and ours are one; the fastest shows what the ring costs, the others the machine's load.
    t.ok(Math.min(...delays) < 100 && Math.min(...delays) > -1, `${delays} ms`);
    await ring.stop();

    const slow = await watch(lab.router, { ...base, blockTimeoutMilliseconds: 1000 });
    await traffic(lab.client, 'udp-send', server, port, 3, 10);
    t.match(
      total((await slow.stop()).seen, { protocol: 'udp4' }),
      { packets: 3 },
      'what was in the open block',
    );
  });
});

test('an interface that goes down, or is made anew, is captured again when it is back', {
  skip,
  timeout: 60_000,
}, async (t) => {
  await withLab(t, async (lab) => {
    const { toClient, client, server } = lab.addresses;
    const port = await serve(lab.server, 'udp-echo', server.ipv4);
    const ring = await watch(lab.router, { by: 'ring', interfaces: ['to-client'] });
    const send = () => traffic(lab.client, 'udp-send', server.ipv4, port, 10, 100);
    await send();

    await lab.router.run(['ip', 'link', 'set', 'to-client', 'down']);
    t.match(await ring.next('log'), { message: /^to-client is down/, capturing: false });
    await lab.router.run(['ip', 'link', 'set', 'to-client', 'up']);
    t.match(await ring.next('log'), { message: /^to-client is back/, capturing: true });
    await send();

    await lab.router.run(['ip', 'link', 'delete', 'to-client']);
    t.match(await ring.next('log'), { message: /^to-client is gone/, capturing: false });
    const pair = ['eth0', 'type', 'veth', 'peer', 'name', 'to-client', 'netns', lab.router.name];
    await lab.client.run(['ip', 'link', 'add', ...pair]);
    await lab.router.run(['ip', 'address', 'add', `${toClient.ipv4}/24`, 'dev', 'to-client']);
    await lab.router.run(['ip', 'link', 'set', 'to-client', 'up']);
    await lab.client.run(['ip', 'address', 'add', `${client.ipv4}/24`, 'dev', 'eth0']);
    await lab.client.run(['ip', 'link', 'set', 'eth0', 'up']);
    await lab.client.run(['ip', 'route', 'add', 'default', 'via', toClient.ipv4]);
    t.match(await ring.next('log'), { message: /^to-client is back/, capturing: true });
    await send();

    const { seen } = await ring.stop();
    t.match(total(seen, { interfaceName: 'to-client', to: `${server.ipv4} ${port}` }), { packets: 30 });
    t.equal(ring.events.filter(({ event }) => event === 'log').length, 4, 'each said once');
  });
});

test('an interface that is down at the start is waited for', { skip, timeout: 60_000 }, async (t) => {
  await withLab(t, async (lab) => {
    await lab.router.run(['ip', 'link', 'set', 'to-client', 'down']);
    const ring = new Watch(lab.router, { by: 'ring', interfaces: ['to-client'] });
    t.match(await ring.next('log'), { message: /^to-client is down/, capturing: false });
    await ring.next('ready');
    await lab.router.run(['ip', 'link', 'set', 'to-client', 'up']);
    t.match(await ring.next('log'), { message: /^to-client is back/, capturing: true });
    const port = await serve(lab.server, 'udp-echo', lab.addresses.server.ipv4);
    await traffic(lab.client, 'udp-send', lab.addresses.server.ipv4, port, 10, 100);
    t.match(total((await ring.stop()).seen, { protocol: 'udp4' }), { packets: 10 });
  });
});

test('what cannot be captured is refused with words that help', { skip, timeout: 60_000 }, async (t) => {
  await withLab(t, async (lab) => {
    const failure = async (interfaceName: string, launcher: string[] = []) => {
      const ring = new Watch(lab.router, { by: 'ring', interfaces: [interfaceName] }, launcher);
      return (await ring.next('failed')).message;
    };
    t.equal(
      await failure('to-cleint'),
      'There is no interface named to-cleint. Did you mean to-client? There are: lo, to-client, to-server.',
    );
    const without = await failure('to-client', ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw']);
    t.match(
      without,
      /Not permitted to capture on to-client.*CAP_NET_RAW.*AmbientCapabilities=CAP_NET_RAW.*setpriv/,
    );
    t.notMatch(without, /setcap/);
  });
});

/** As watch.ts writes addresses: IPv6 in eight groups. */
function expand(address: string): string {
  if (!address.includes(':')) return address;
  const [head, tail] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  return [...head!, ...Array(8 - head!.length - tail!.length).fill('0'), ...tail!].join(':');
}
