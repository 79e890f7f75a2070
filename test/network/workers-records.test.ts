/** Several workers with what shapes the records: biflows, whose directions are to meet, and tunnels. */
import { test } from 'tap';
import type { Lab } from '../../src/cli/demo/lab.ts';
import { serve, traffic } from '../capture/live.ts';
import { ethernetFrame, type Packet } from '../support/frames.ts';
import { hasProgram } from '../support/programs.ts';
import {
  conserves,
  labFor,
  noLiveCapture,
  once,
  type Received,
  received,
  server,
  total,
  WeirRun,
} from './program.ts';

const live = { skip: noLiveCapture, timeout: 90_000 };
const SIDES = ['to-client', 'to-server'];
/** Enough that each of two workers has some: all at one would be chance of 2^-15. */
const SOURCES = Array.from({ length: 16 }, (_, i) => `10.71.1.${100 + i}`);

async function manySources(lab: Lab): Promise<void> {
  for (const source of SOURCES) await lab.client.run(['ip', 'address', 'add', `${source}/24`, 'dev', 'eth0']);
}

test('both directions of a biflow meet at one worker, in one record', live, async (t) => {
  const lab = await labFor(t);
  await manySources(lab);
  const { server: host } = lab.addresses;
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const urls = [`ipfix://127.0.0.1:${port}`, `netflow9://127.0.0.1:${port}`];
  const weir = await WeirRun.start(
    lab.router,
    SIDES,
    ...urls.flatMap((url) => ['-c', url]),
    ...['--workers', '2', '--biflow', '--active-timeout', '300', '--idle-timeout', '300'],
  );
  const [udp4, udp6] = [
    await serve(lab.server, 'udp-echo', host.ipv4),
    await serve(lab.server, 'udp-echo', host.ipv6),
  ];
  const [tcp4, tcp6] = [
    await serve(lab.server, 'tcp-sink', host.ipv4),
    await serve(lab.server, 'tcp-sink', host.ipv6),
  ];
  const many = Array.from({ length: 8 });
  await Promise.all([
    once(lab.client, 'udp-from', host.ipv4, udp4, 100, ...SOURCES),
    ...many.map(() => traffic(lab.client, 'udp-send', host.ipv6, udp6, 3, 333)),
    ...many.map(() => traffic(lab.client, 'tcp-send', host.ipv4, tcp4, 10_000)),
    ...many.map(() => traffic(lab.client, 'tcp-send', host.ipv6, tcp6, 10_000)),
  ]);
  const canPing = hasProgram('ping');
  if (canPing) {
    for (const source of SOURCES)
      await lab.client.run(['ping', '-n', '-q', '-c', '1', '-I', source, host.ipv4]);
  }
  conserves(t, await weir.metrics(), urls);
  t.equal((await weir.end()).code, 0);
  await collector.end();
  const lines = received(collector).filter(({ version }) => version === 10);
  const oneWay = (record: Received['record']) =>
    record.packetDeltaCount === 0 || record['reversePacketDeltaCount'] === 0;
  /** Of each kind: how many records, of how many Observation Domains, how many of one direction alone. */
  const kind = (match: (record: Received['record']) => boolean) => {
    const those = lines.filter(({ record }) => match(record));
    return {
      records: those.length,
      domains: new Set(those.map(({ domain }) => domain)).size,
      oneWay: those.filter(({ record }) => oneWay(record)).length,
    };
  };
  // The rings are read one after the other: the answer may be seen before the question.
  const to = (server: number) => (record: Received['record']) =>
    record['destinationTransportPort'] === server || record['sourceTransportPort'] === server;
  const isAmongSources = (record: Received['record']) =>
    SOURCES.some(
      (source) => source === record['sourceIPv4Address'] || source === record['destinationIPv4Address'],
    );
  t.same(
    kind((record) => to(udp4)(record) && isAmongSources(record)),
    { records: SOURCES.length, domains: 2, oneWay: 0 },
    'UDP over IPv4',
  );
  for (const [what, port] of Object.entries({ 'UDP over IPv6': udp6, TCP: tcp4, 'TCP over IPv6': tcp6 })) {
    t.same(kind(to(port)), { records: many.length, domains: 2, oneWay: 0 }, what);
  }
  // The kernel's hash of ICMP has the addresses alone: echo and its answer have both.
  if (canPing) {
    const pings = kind((record) => record['protocolIdentifier'] === 1 && isAmongSources(record));
    t.same(pings, { records: SOURCES.length, domains: 2, oneWay: 0 }, 'ICMP');
  }
});

test('two workers open tunnels, and every packet inside is counted once', live, async (t) => {
  const lab = await labFor(t);
  const { client, toClient } = lab.addresses;
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const urls = ['ipfix', 'netflow9', 'netflow5'].map((scheme) => `${scheme}://127.0.0.1:${port}`);
  const weir = await WeirRun.start(
    lab.router,
    ['to-client'],
    ...urls.flatMap((url) => ['-c', url]),
    ...['--workers', '2', '--decapsulate', 'vxlan,gre'],
  );
  const macOf = async (namespace: typeof lab.client, name: string) =>
    (await namespace.run(['cat', `/sys/class/net/${name}/address`]))
      .trim()
      .split(':')
      .map((octet) => Number.parseInt(octet, 16));
  const link = [...(await macOf(lab.router, 'to-client')), ...(await macOf(lab.client, 'eth0'))];
  const frame = (packet: Packet, inner: readonly number[]) => {
    const bytes = ethernetFrame({ ...packet, payload: inner.length });
    bytes.set(link);
    bytes.set(inner, bytes.length - inner.length);
    return Buffer.from(bytes).toString('hex');
  };
  const FLOWS = 32;
  const INNER = { source: '172.16.0.1', destination: '172.16.0.2', protocol: 17, payload: 100 };
  const outer = { source: client.ipv4, destination: toClient.ipv4 };
  // Endpoints give the outer source port by the inner flow; GRE has none, so all of it is at one worker.
  const frames = Array.from({ length: FLOWS }, (_, i) => [
    frame({ ...outer, protocol: 17, sourcePort: 50_000 + i, destinationPort: 4789 }, [
      ...[0x08, 0, 0, 0, 0, 0, i, 0],
      ...ethernetFrame({ ...INNER, sourcePort: 1000 + i }),
    ]),
    frame({ ...outer, protocol: 47 }, [
      ...[0x20, 0, 0x08, 0, 0, 0, 0, i],
      ...ethernetFrame({ ...INNER, sourcePort: 2000 + i }).subarray(14),
    ]),
  ]).flat();
  const TIMES = 5;
  for (let i = 0; i < TIMES; i++) await traffic(lab.client, 'send-frames', 'eth0', ...frames);
  const metrics = await weir.metricsUntil(
    'all are opened',
    (m) => m.sum('weir_tunnel_packets_opened_total') >= 2 * FLOWS * TIMES,
  );
  conserves(t, metrics, urls);
  for (const tunnel of ['vxlan', 'gre'])
    t.equal(metrics.sum('weir_tunnel_packets_opened_total', { tunnel }), FLOWS * TIMES, tunnel);
  t.equal(metrics.sum('weir_tunnel_packets_not_opened_total'), 0);
  t.equal((await weir.end()).code, 0);
  await collector.end();
  for (const version of [10, 9, 5]) {
    const lines = received(collector).filter(
      ({ version: own, record }) => own === version && record['sourceIPv4Address'] === INNER.source,
    );
    const records = lines.map(({ record }) => record);
    for (let i = 0; i < FLOWS; i++) {
      for (const sourceTransportPort of [1000 + i, 2000 + i])
        t.same(total(records, { sourceTransportPort }), { packets: TIMES, octets: TIMES * 128 });
    }
    t.same(total(records, {}), { packets: 2 * FLOWS * TIMES, octets: 2 * FLOWS * TIMES * 128 });
    const domains = (from: number) =>
      new Set(
        lines
          .filter(({ record }) => Math.floor(Number(record['sourceTransportPort']) / 1000) === from)
          .map(({ domain }) => domain),
      ).size;
    t.equal(domains(1), 2, 'VXLAN is at both workers');
  }
});
