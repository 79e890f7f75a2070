/** Tunnels to the router, as frames on the wire: a mirroring session, a load balancer, and those that stay closed. */

import { test } from 'tap';
import { traffic } from '../capture/live.ts';
import { octets } from '../support/octets.ts';
import { conserves, labFor, noLiveCapture, received, server, total, WeirRun } from './program.ts';

const hex = (...octets: number[]) => Buffer.from(octets).toString('hex');
const u16 = (value: number) => hex(value >> 8, value & 0xff);
const address = (text: string) => hex(...text.split('.').map(Number));

function ipv4(
  source: string,
  destination: string,
  protocol: number,
  payload: string,
  total?: number,
): string {
  const length = total ?? 20 + payload.length / 2;
  return `4500${u16(length)}00010000${hex(64, protocol)}0000${address(source)}${address(destination)}${payload}`;
}

const udp = (source: number, destination: number, payload: string) =>
  `${u16(source)}${u16(destination)}${u16(8 + payload.length / 2)}0000${payload}`;

const AWS_OPTIONS = hex(
  ...octets(`01 08 01 02 aa bb cc dd ee ff 00 11
             01 08 02 02 11 22 33 44 55 66 77 88
             01 08 03 01 de ad be ef`),
);
const TIMES = 3;

test('tunnels, opened where they are for the router', { skip: noLiveCapture, timeout: 60_000 }, async (t) => {
  const lab = await labFor(t);
  const { client, toClient, server: host } = lab.addresses;
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const collectors = ['ipfix', 'netflow9', 'netflow5'].map((scheme) => `${scheme}://127.0.0.1:${port}`);
  const weir = await WeirRun.start(
    lab.router,
    ['to-client'],
    ...collectors.flatMap((url) => ['-c', url]),
    ...['--decapsulate', 'vxlan,geneve,gre,ipip,6in4', '--decapsulate-from', '10.71.1.0/24'],
  );
  const said = weir.log.find(({ msg }) => msg?.startsWith('opening tunnels'));
  t.match(said, { from: ['10.71.1.0/24'] });

  const macOf = async (namespace: typeof lab.client, name: string) =>
    (await namespace.run(['cat', `/sys/class/net/${name}/address`])).trim().replaceAll(':', '');
  const link = `${await macOf(lab.router, 'to-client')}${await macOf(lab.client, 'eth0')}0800`;
  const to = (destination: string, protocol: number, payload: string, source = client.ipv4) =>
    link + ipv4(source, destination, protocol, payload);
  const inner = (n: number) => ipv4('172.16.0.1', '172.16.0.2', 17, udp(1000 + n, 53, '00'.repeat(100)));
  const innerEthernet = `0200000000020200000000010800`;
  const vxlan = (vni: number, packet: string) =>
    udp(50_000, 4789, `08000000${hex(vni >> 16)}${u16(vni & 0xffff)}00${innerEthernet}${packet}`);
  const mirrored = ipv4('172.16.0.1', '172.16.0.2', 17, udp(1002, 53, '00'.repeat(60)), 1500);
  const frames = [
    to(toClient.ipv4, 17, vxlan(0xabcdef, inner(1))),
    to(toClient.ipv4, 17, vxlan(0x000007, inner(1))),
    to(toClient.ipv4, 17, vxlan(0x000007, mirrored)),
    to(toClient.ipv4, 17, udp(50_000, 6081, `0800080000000000${AWS_OPTIONS}${inner(3)}`)),
    to(toClient.ipv4, 47, `20000800deadbeef${inner(4)}`),
    to(toClient.ipv4, 4, inner(5)),
    to(lab.addresses.toServer.ipv4, 4, inner(6)), // the router's other address
    to(host.ipv4, 4, inner(7)), // passes through
    to(toClient.ipv4, 4, inner(8), '10.72.0.1'), // not allowed
    to(toClient.ipv4, 17, udp(50_000, 4789, '00'.repeat(40))), // no VXLAN
  ];
  for (let i = 0; i < TIMES; i++) await traffic(lab.client, 'send-frames', 'eth0', ...frames);
  const metrics = await weir.metricsUntil(
    'the frames have come',
    (m) =>
      m.sum('weir_tunnel_packets_opened_total') >= 7 * TIMES &&
      m.sum('weir_tunnel_packets_not_opened_total') >= 3 * TIMES,
  );
  conserves(t, metrics, collectors);
  for (const [tunnel, count] of Object.entries({ vxlan: 3, geneve: 1, gre: 1, ipip: 2, '6in4': 0 })) {
    t.equal(metrics.sum('weir_tunnel_packets_opened_total', { tunnel }), TIMES * count, tunnel);
  }
  for (const reason of ['not_addressed_here', 'source_not_allowed', 'bad_header']) {
    t.equal(metrics.sum('weir_tunnel_packets_not_opened_total', { reason }), TIMES, reason);
  }
  t.equal((await weir.end()).code, 0);
  await collector.end();

  for (const version of [10, 9, 5]) {
    const records = received(collector)
      .filter((line) => line.version === version)
      .map(({ record }) => record);
    const own = { sourceIPv4Address: '172.16.0.1' };
    const expected = (octets: number) => ({ packets: TIMES, octets: TIMES * octets });
    t.same(
      total(records, { ...own, sourceTransportPort: 1002 }),
      expected(1500),
      'IP octets, not mirrored ones',
    );
    for (const n of [3, 4, 5, 6])
      t.same(total(records, { ...own, sourceTransportPort: 1000 + n }), expected(128));
    for (const n of [7, 8]) {
      t.same(total(records, { ...own, sourceTransportPort: 1000 + n }), { packets: 0, octets: 0 });
    }
    t.same(total(records, { sourceIPv4Address: '10.72.0.1' }), expected(148), 'the outer packet');
    t.same(total(records, { destinationIPv4Address: host.ipv4 }), expected(148));
    if (version === 5) continue;
    for (const [port, name, value] of [
      [1001, 'layer2SegmentId', `${(1n << 56n) + 0xabcdefn}`],
      [1001, 'layer2SegmentId', `${(1n << 56n) + 7n}`],
      [1003, 'observationPointId', `${0xaabbccddeeff0011n}`],
      [1004, 'greKey', 0xdeadbeef],
    ] as const) {
      t.same(
        total(records, { ...own, sourceTransportPort: port, [name]: value }),
        expected(128),
        `${name} ${value}`,
      );
    }
  }
});
