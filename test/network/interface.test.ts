import { test } from 'tap';
import { serve, traffic } from '../capture/live.ts';
import { hasProgram } from '../support/programs.ts';
import {
  conserves,
  labFor,
  type Metrics,
  noLiveCapture,
  received,
  server,
  total,
  WeirRun,
} from './program.ts';

const live = { skip: noLiveCapture, timeout: 60_000 };
const SIDES = ['to-client', 'to-server'];
const UDP = 17;

test('an interface goes down and comes back', live, async (t) => {
  const lab = await labFor(t);
  const host = lab.addresses.server.ipv4;
  const port = await serve(lab.server, 'udp-echo', host);
  const { program: collector, port: to } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const url = `ipfix://127.0.0.1:${to}`;
  const weir = await WeirRun.start(lab.router, SIDES, '-c', url, '--active-timeout', '0.2');
  await traffic(lab.client, 'udp-send', host, port, 10, 100);

  await lab.router.run(['ip', 'link', 'set', 'to-client', 'down']);
  await weir.said('to-client is down');
  const down = await weir.get('/readyz');
  t.equal(down.status, 503);
  t.match(JSON.parse(down.body), {
    ready: false,
    captures: [
      { interface: 'to-client', capturing: false },
      { interface: 'to-server', capturing: true },
    ],
  });
  t.equal((await weir.metrics()).sum('weir_capture_up'), 1);
  t.equal((await weir.get('/healthz')).status, 200);

  await lab.router.run(['ip', 'link', 'set', 'to-client', 'up']);
  await weir.said('to-client is back');
  t.equal((await weir.get('/readyz')).status, 200);
  await traffic(lab.client, 'udp-send', host, port, 20, 100);
  const metrics = await weir.metrics();
  conserves(t, metrics, [url]);
  t.equal(metrics.sum('weir_capture_up'), 2);

  t.equal((await weir.end()).code, 0);
  await collector.end();
  const records = received(collector).map(({ record }) => record);
  t.same(total(records, { protocolIdentifier: UDP, destinationTransportPort: port }), {
    packets: 30,
    octets: 30 * 128,
  });
});

for (const scheme of ['ipfix', 'ipfix+tcp']) {
  test(`both directions, without Weir's own ${scheme}`, live, async (t) => {
    const lab = await labFor(t);
    const host = lab.addresses.server.ipv4;
    const port = await serve(lab.server, 'udp-echo', host);
    // The export leaves by an interface that is captured.
    const { program: collector, port: to } = await server(lab.server, 'collector', host, 0);
    const url = `${scheme}://${host}:${to}`;
    const weir = await WeirRun.start(
      lab.router,
      ['to-server'],
      ...['--direction', 'both', '-c', url, '--active-timeout', '0.2', '--idle-timeout', '0.3'],
    );
    await traffic(lab.client, 'udp-send', host, port, 50, 100);
    await collector.until('records', (program) => received(program).length > 0);
    // Every octet that has been sent has been captured and ignored.
    const octetsOf = (metrics: Metrics) => {
      const octets = metrics.sum('weir_collector_message_bytes_total');
      return scheme === 'ipfix' ? octets + 28 * metrics.sum('weir_collector_messages_total') : octets;
    };
    const metrics = await weir.metricsUntil(
      'its own messages are ignored',
      (m) => m.sum('weir_ignored_bytes_total', { reason: 'own_export' }) >= octetsOf(m),
    );
    conserves(t, metrics, [url]);
    if (scheme === 'ipfix')
      t.equal(metrics.sum('weir_ignored_bytes_total', { reason: 'own_export' }), octetsOf(metrics));

    t.equal((await weir.end()).code, 0);
    await collector.end();
    const records = received(collector).map(({ record }) => record);
    t.same(total(records, { protocolIdentifier: UDP, destinationTransportPort: port }).packets, 50);
    t.same(total(records, { protocolIdentifier: UDP, sourceTransportPort: port }).packets, 50);
    const exported = total(records, {
      protocolIdentifier: scheme === 'ipfix' ? UDP : 6,
      destinationTransportPort: to,
    });
    if (scheme === 'ipfix') t.equal(exported.packets, 0, 'no record of the export');
    // A connection's port is known when it is made: SYN and the acknowledgment that makes it come before.
    else t.ok(exported.packets <= 2, `${exported.packets} segments of the export in records`);
  });
}

test('egress; and a filter', {
  ...live,
  skip: noLiveCapture || (hasProgram('tcpdump') ? false : 'no tcpdump to compile filters with'),
}, async (t) => {
  const lab = await labFor(t);
  const host = lab.addresses.server.ipv4;
  const [udp, tcp] = [await serve(lab.server, 'udp-echo', host), await serve(lab.server, 'tcp-sink', host)];
  const { program: collector, port: to } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const url = (domain: number) => `ipfix://127.0.0.1:${to}?observation-domain=${domain}`;
  const egress = await WeirRun.start(lab.router, ['to-server'], '--direction', 'egress', '-c', url(1));
  const filtered = await WeirRun.start(lab.router, SIDES, '--filter', 'udp', '-c', url(2));
  await traffic(lab.client, 'udp-send', host, udp, 50, 100);
  await traffic(lab.client, 'tcp-send', host, tcp, 10_000);
  t.same(
    (await Promise.all([egress.end(), filtered.end()])).map(({ code }) => code),
    [0, 0],
  );
  await collector.end();
  const packets = (domain: number, pattern: Parameters<typeof total>[1]) =>
    total(
      received(collector)
        .filter((line) => line.domain === domain)
        .map(({ record }) => record),
      pattern,
    ).packets;
  t.equal(packets(1, { protocolIdentifier: UDP, destinationTransportPort: udp }), 50);
  t.equal(packets(1, { protocolIdentifier: UDP, sourceTransportPort: udp }), 0);
  t.ok(packets(1, { protocolIdentifier: 6, destinationTransportPort: tcp }) > 4);
  t.equal(packets(1, { protocolIdentifier: 6, sourceTransportPort: tcp }), 0);
  t.equal(packets(2, {}), packets(2, { protocolIdentifier: UDP }));
  t.equal(packets(2, { protocolIdentifier: UDP, destinationTransportPort: udp }), 50);
  t.equal(packets(2, { protocolIdentifier: UDP, sourceTransportPort: udp }), 50);
});
