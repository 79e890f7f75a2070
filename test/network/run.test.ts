import { type Test, test } from 'tap';
import { serve, traffic } from '../capture/live.ts';
import { hasProgram } from '../support/programs.ts';
import {
  conserves,
  type FlowLine,
  labFor,
  noLiveCapture,
  once,
  received,
  server,
  total,
  WeirRun,
} from './program.ts';

const SIDES = ['to-client', 'to-server'];
const IPFIX = 10;
const DOWNLOAD_OCTETS = 3_000_000;
/** Of TCP without timestamps and selective acknowledgments, so that only the SYN carries options. */
const IPV4_TCP_HEADERS = 40;
const IPV6_TCP_HEADERS = 60;
/** MSS (4 octets) and window scale (3) with a no-op before it. */
const SYN_OPTIONS = 8;
/** Datagrams a second, of which one carries some 25 records. */
const SLOW = 1000;
const PLAIN_TCP = ['tcp_timestamps', 'tcp_sack']
  .map((key) => `echo 0 > /proc/sys/net/ipv4/${key}`)
  .join(' && ');

test('real traffic, counted exactly by three collectors at once', {
  skip: noLiveCapture,
  timeout: 60_000,
}, async (t) => {
  const lab = await labFor(t);
  const { client, server: host } = lab.addresses;
  await Promise.all([lab.client, lab.server].map((each) => each.run(['sh', '-c', PLAIN_TCP])));
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const collectors = ['ipfix', 'netflow9', 'netflow5'].map((scheme) => `${scheme}://127.0.0.1:${port}`);
  const weir = await WeirRun.start(
    lab.router,
    SIDES,
    ...collectors.flatMap((url) => ['-c', url]),
    ...['--active-timeout', '1'],
  );

  const [udp4, udp6] = [
    await serve(lab.server, 'udp-echo', host.ipv4),
    await serve(lab.server, 'udp-echo', host.ipv6),
  ];
  const http4 = await server(lab.server, 'http-server', host.ipv4);
  const http6 = await server(lab.server, 'http-server', host.ipv6);
  await Promise.all([
    traffic(lab.client, 'udp-send', host.ipv4, udp4, 300, 777),
    traffic(lab.client, 'udp-send', host.ipv6, udp6, 200, 333),
    once(lab.client, 'get', `http://${host.ipv4}:${http4.port}/${DOWNLOAD_OCTETS}`),
    once(lab.client, 'get', `http://[${host.ipv6}]:${http6.port}/${DOWNLOAD_OCTETS}`),
    traffic(lab.client, 'udp-refused', host.ipv4, 9),
    traffic(lab.client, 'udp-refused', host.ipv6, 9),
  ]);
  const canPing = hasProgram('ping');
  if (canPing) await lab.client.run(['ping', '-n', '-q', '-c', '5', '-i', '0.01', '-s', '100', host.ipv4]);

  // While flows are in the table, and while the messages are on their way.
  for (let scrape = 0; scrape < 3; scrape++) {
    const metrics = await weir.metrics();
    conserves(t, metrics, collectors);
    t.equal(metrics.sum('weir_capture_kernel_dropped_packets_total'), 0);
    t.ok(metrics.sum('weir_metered_packets_total') > 4000 / 45, 'there were packets');
  }
  t.match(JSON.parse((await weir.get('/readyz')).body), { ready: true });

  const { code, milliseconds } = await weir.end();
  t.equal(code, 0);
  t.ok(milliseconds < 5000, `ended ${Math.round(milliseconds)} ms after SIGTERM`);
  const { meteredOctets } = weir.log.find(({ msg }) => msg === 'metered')!;
  await collector.end();
  t.match(collector.lines.at(-1), { lostRecords: 0, lostPackets: 0, lostFlows: 0, missingTemplate: 0 });

  const indexes = await Promise.all(
    SIDES.map(async (name) => Number(await lab.router.run(['cat', `/sys/class/net/${name}/ifindex`]))),
  );
  const [toClient, toServer] = indexes as [number, number];
  const retransmitted = async (namespace: typeof lab.client) => {
    const [names, values] = (await namespace.run(['grep', '^Tcp:', '/proc/net/snmp'])).split('\n');
    return Number(values!.split(' ')[names!.split(' ').indexOf('RetransSegs')]);
  };
  const isLossless = (await retransmitted(lab.client)) + (await retransmitted(lab.server)) === 0;

  for (const version of [IPFIX, 9, 5]) {
    const records = received(collector)
      .filter((line) => line.version === version)
      .map(({ record }) => record);
    await t.test(`NetFlow v${version}`, async (t) => {
      const udp = { protocolIdentifier: 17 };
      const there4 = { ...udp, sourceIPv4Address: client.ipv4, destinationTransportPort: udp4 };
      const back4 = { ...udp, destinationIPv4Address: client.ipv4, sourceTransportPort: udp4 };
      for (const [pattern, ingressInterface] of [
        [there4, toClient],
        [back4, toServer],
      ] as const) {
        const expected = { packets: 300, octets: 300 * (777 + 28) };
        t.same(total(records, pattern), expected);
        t.same(total(records, { ...pattern, ingressInterface }), expected, 'all of them where they came in');
      }
      if (isLossless) checkTcp(t, records, http4, IPV4_TCP_HEADERS);
      else t.comment('a segment was sent again: the octets of TCP are not compared');

      const icmp = { protocolIdentifier: 1, sourceIPv4Address: host.ipv4 };
      // Port unreachable: an IP header, 8 octets of ICMP, and the datagram of 29 octets that it answers.
      t.same(total(records, icmpOf(icmp, version, 3, 3)), { packets: 1, octets: 20 + 8 + 29 });
      if (canPing)
        t.same(total(records, icmpOf(icmp, version, 0, 0)), { packets: 5, octets: 5 * (28 + 100) });
      if (version === 5) return;

      for (const pattern of [
        { ...udp, sourceIPv6Address: client.ipv6, destinationTransportPort: udp6 },
        { ...udp, destinationIPv6Address: client.ipv6, sourceTransportPort: udp6 },
      ]) {
        t.same(total(records, pattern), { packets: 200, octets: 200 * (333 + 48) });
      }
      if (isLossless) checkTcp(t, records, http6, IPV6_TCP_HEADERS);
      const icmp6 = { protocolIdentifier: 58, sourceIPv6Address: host.ipv6 };
      t.same(total(records, { ...icmp6, icmpTypeCodeIPv6: 256 + 4 }), { packets: 1, octets: 40 + 8 + 49 });
      t.equal(total(records, {}).octets, meteredOctets, 'every octet that was metered has arrived');
    });
  }
});

/** The HTTP server knows how many octets it sent and received: the records say the same, and the headers. */
function checkTcp(
  t: Test,
  records: readonly FlowLine[],
  http: Awaited<ReturnType<typeof server>>,
  headers: number,
): void {
  const { sent, received } = http.program.lines[1] as { sent: number; received: number };
  t.ok(sent > DOWNLOAD_OCTETS);
  for (const [pattern, payload] of [
    [{ sourceTransportPort: http.port }, sent],
    [{ destinationTransportPort: http.port }, received],
  ] as const) {
    const { packets, octets } = total(records, { ...pattern, protocolIdentifier: 6 });
    t.ok(packets > 4);
    t.equal(octets - packets * headers - SYN_OPTIONS, payload);
  }
}

/** v5 has type and code where UDP has the destination port. */
function icmpOf(pattern: FlowLine, version: number, type: number, code: number): FlowLine {
  const typeCode = type * 256 + code;
  return version === 5
    ? { ...pattern, destinationTransportPort: typeCode }
    : { ...pattern, icmpTypeCodeIPv4: typeCode };
}

test('SIGTERM with 300 000 flows in the table', { skip: noLiveCapture, timeout: 60_000 }, async (t) => {
  const lab = await labFor(t);
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0, 'quiet');
  const url = `ipfix://127.0.0.1:${port}`;
  const slow = `netflow9://127.0.0.1:${port}?rate=${SLOW}`;
  const weir = await WeirRun.start(
    lab.router,
    SIDES,
    ...['-c', url, '-c', slow, '--active-timeout', '300', '--idle-timeout', '300'],
  );
  await once(lab.client, 'udp-flows', lab.addresses.server.ipv4, 1024, 60_000, 5);
  const before = await weir.metricsUntil('the flows are in the table', (m) => m.sum('weir_flows') >= 298_000);
  conserves(t, before, [url, slow]);
  t.equal(before.sum('weir_capture_kernel_dropped_packets_total'), 0);
  t.ok(before.sum('process_resident_memory_bytes') < 300e6, 'resident memory');

  const { code, milliseconds } = await weir.end();
  t.equal(code, 0);
  t.ok(milliseconds < 5000, `ended ${Math.round(milliseconds)} ms after SIGTERM`);
  await collector.end();
  const metered = weir.log.find(({ msg }) => msg === 'metered')!;
  const exported = weir.log.filter(({ msg }) => msg?.startsWith('exported'));
  t.match(exported[0], { msg: 'exported', collector: url, records: metered.records });
  t.match(collector.lines.at(-1), {
    lostRecords: 0,
    lostPackets: 0,
    malformed: 0,
    v10: { records: metered.records, packets: metered.meteredPackets, octets: metered.meteredOctets },
  });
  t.match(exported[1], { msg: /not everything was sent/, collector: slow });
  const { records, messages, notSentRecords } = exported[1] as unknown as {
    records: number;
    messages: number;
    notSentRecords: Record<string, number>;
  };
  t.match(collector.lines.at(-1), { v9: { records } });
  const seconds = milliseconds / 1000;
  t.ok(messages > 2 * SLOW && messages < SLOW * (seconds + 0.1), `${messages} datagrams in ${seconds} s`);
  const lost = Object.values(notSentRecords).reduce((sum, n) => sum + n, 0);
  t.equal(records + lost, metered.records, 'each is sent or told as not sent');
});
