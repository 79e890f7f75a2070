/**
 * Offloads undone, live: iperf3's TCP through the router, with offloads on, off, and beyond 64 KiB (BIG TCP). What the
 * records say of octets, less the headers of the packets that they say, is what the receiver got; the packets are the
 * segments that the kernels of both ends count.
 */
import { once } from 'node:events';
import { type Test, test } from 'tap';
import type { Lab, LabNamespace } from '../../src/cli/demo/lab.ts';
import { traffic } from '../capture/live.ts';
import { hasProgram } from '../support/programs.ts';
import { type FlowLine, labFor, noLiveCapture, received, server, total, WeirRun } from './program.ts';

const skip =
  noLiveCapture ||
  (hasProgram('iperf3') ? false : 'no iperf3 to send with') ||
  (hasProgram('ethtool') ? false : 'no ethtool to set offloads with');

const noTcpdump = hasProgram('tcpdump') ? false : 'no tcpdump to see giants with';

/** What crosses the router: octets of payload, and the receive buffer of every socket. */
interface Load {
  readonly octetsSent: number;
  readonly window: string;
}
/** A window so small that no queue on the way overflows, and next to nothing is sent twice. */
const LOAD: Load = { octetsSent: 20_000_000, window: 'net.ipv4.tcp_rmem=4096 65536 65536' };
/** Room for segments beyond 64 KiB; much of it is sent twice. */
const WIDE_LOAD: Load = { octetsSent: 2_000_000, window: 'net.ipv4.tcp_rmem=4096 4000000 4000000' };
/** IP and TCP headers with the timestamp option, which every segment has; a SYN has 8 octets of options more. */
const HEADERS = { ipv4: 20 + 32, ipv6: 40 + 32 };
const SYN_OPTIONS = 8;
const MOST_PAYLOAD = 1500 - 20 - 32;
/** How iperf3 begins a connection, and does not count. */
const COOKIE = 37;

interface Iperf {
  readonly start: { readonly connected: readonly { readonly local_port: number }[] };
  readonly end: {
    readonly sum_sent: { readonly bytes: number };
    readonly sum_received: { readonly bytes: number };
  };
}

/** Segments that a host has sent, those sent again included, as its kernel counts them. */
async function segmentsSent(host: LabNamespace): Promise<{ sent: number; again: number }> {
  const [names, values] = (await host.run(['grep', '^Tcp:', '/proc/net/snmp']))
    .split('\n')
    .map((line) => line.split(' '));
  const field = (name: string) => Number(values![names!.indexOf(name)]);
  return { sent: field('OutSegs') + field('RetransSegs'), again: field('RetransSegs') };
}

/** The four ends of the two links. */
function links(lab: Lab): (readonly [LabNamespace, string])[] {
  return [
    [lab.client, 'eth0'],
    [lab.server, 'eth0'],
    [lab.router, 'to-client'],
    [lab.router, 'to-server'],
  ];
}

async function setOffloads(lab: Lab, state: 'on' | 'off'): Promise<void> {
  const features = ['tso', 'gso', 'gro', 'tx', 'rx'].flatMap((feature) => [feature, state]);
  for (const [namespace, name] of links(lab)) await namespace.run(['ethtool', '-K', name, ...features]);
}

/** Sends through the router under `weir run`, with iperf3 and to a sink that counts; checks what the records say. */
async function check(
  t: Test,
  lab: Lab,
  version: 'ipv4' | 'ipv6',
  { window, octetsSent }: Load = LOAD,
): Promise<void> {
  const address = lab.addresses.server[version];
  await lab.server.run(['sysctl', '-q', '-w', window]);
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const weir = await WeirRun.start(lab.router, ['to-client', 'to-server'], '-c', `ipfix://127.0.0.1:${port}`);
  const sink = lab.server.spawn(['iperf3', '--server', '--one-off', '--bind', address, '--forceflush']);
  const sinkClosed = once(sink, 'close');
  await once(sink.stdout, 'data'); // "Server listening": what it says first
  sink.stdout.resume();
  const report = JSON.parse(
    await lab.client.run(['iperf3', '--client', address, '--bytes', String(octetsSent), '--json']),
  ) as Iperf;
  t.same(await sinkClosed, [0, null], 'iperf3 at the server');
  const counter = await server(lab.server, 'tcp-count', address);
  await traffic(lab.client, 'tcp-send', address, counter.port, octetsSent);
  const sunk = await counter.program.until('the sink', ({ lines }) => lines[1]);
  t.equal(
    (await weir.metrics()).sum('weir_capture_kernel_dropped_packets_total'),
    0,
    'the ring lost nothing',
  );
  t.equal((await weir.end()).code, 0);
  const { meteredPackets } = weir.log.find(({ msg }) => msg === 'metered')!;
  const records = (): FlowLine[] => received(collector).map(({ record }) => record);
  await collector.until('every record', () => total(records(), {}).packets === meteredPackets);

  const tcp = { protocolIdentifier: 6 };
  const source = version === 'ipv4' ? 'sourceIPv4Address' : 'sourceIPv6Address';
  const client = await segmentsSent(lab.client);
  const host = await segmentsSent(lab.server);
  // `listen` and the collector write IPv6 addresses in their short form, as the lab does.
  t.equal(
    total(records(), { ...tcp, [source]: lab.addresses.client[version] }).packets,
    client.sent,
    "the client's segments",
  );
  t.equal(total(records(), { ...tcp, [source]: address }).packets, host.sent, "the server's segments");
  const payloadOf = (port: number) => {
    const { packets, octets } = total(records(), { ...tcp, sourceTransportPort: port });
    return octets - packets * HEADERS[version] - SYN_OPTIONS;
  };
  const { from, received: got } = sunk;
  const payload = payloadOf(Number(from));
  const again = client.again * MOST_PAYLOAD;
  t.equal(got, octetsSent, 'what the receiver got');
  t.ok(
    payload >= octetsSent && payload <= octetsSent + again,
    `${payload} octets of payload, ${client.again} segments sent twice`,
  );
  // iperf3 ends in the middle: what it wrote last is not all sent, and not all that was received is read.
  const octets = payloadOf(report.start.connected[0]!.local_port);
  const { sum_sent, sum_received } = report.end;
  t.ok(
    octets <= sum_sent.bytes + COOKIE + again && octets >= sum_received.bytes + COOKIE,
    `iperf3: ${octets}`,
  );
  await collector.end();
}

for (const version of ['ipv4', 'ipv6'] as const) {
  for (const state of ['on', 'off'] as const) {
    test(`${version}, offloads ${state}`, { skip, timeout: 60_000 }, async (t) => {
      const lab = await labFor(t);
      await setOffloads(lab, state);
      await check(t, lab, version);
    });
  }
}

test('ipv6 giants beyond 64 KiB (BIG TCP)', { skip: skip || noTcpdump, timeout: 60_000 }, async (t) => {
  const lab = await labFor(t);
  await setOffloads(lab, 'on');
  try {
    for (const [namespace, name] of links(lab)) {
      await namespace.run(['ip', 'link', 'set', name, 'gso_max_size', '180000', 'gro_max_size', '180000']);
    }
  } catch (error) {
    t.comment(`this kernel or ip command knows no BIG TCP: ${(error as Error).message}`);
    return;
  }
  // A witness of its own: tcpdump ends with the first frame that is that large.
  const witness = lab.router.spawn(['tcpdump', '-n', '-c', '1', '-i', 'to-client', 'greater', '66000']);
  const witnessed = once(witness, 'close');
  witness.stdout.resume();
  await once(witness.stderr, 'data');
  await check(t, lab, 'ipv6', WIDE_LOAD);
  t.same(await witnessed, [0, null], 'tcpdump saw a frame beyond 66 000 octets');
});
