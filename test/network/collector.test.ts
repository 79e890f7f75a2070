import { type Test, test } from 'tap';
import type { Lab } from '../../src/cli/demo/lab.ts';
import { serve } from '../capture/live.ts';
import { conserves, inside, labFor, noLiveCapture, once, received, server, WeirRun } from './program.ts';

const live = { skip: noLiveCapture, timeout: 60_000 };
const SIDES = ['to-client', 'to-server'];

/** A lab with a little traffic: a datagram every 10 ms, and its echo. */
async function trickle(t: Test): Promise<Lab> {
  const lab = await labFor(t);
  const host = lab.addresses.server.ipv4;
  const port = await serve(lab.server, 'udp-echo', host);
  inside(lab.client, 'udp-trickle', host, port, 10);
  return lab;
}

test('a collector that starts late learns the templates', live, async (t) => {
  const lab = await trickle(t);
  // A port that was free a moment ago, and where nobody listens for now.
  const { program: first, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  await first.end();
  const urls = ['netflow9', 'ipfix', 'ipfix+tcp'].map((scheme) => `${scheme}://127.0.0.1:${port}`);
  const weir = await WeirRun.start(
    lab.router,
    SIDES,
    ...urls.flatMap((url) => ['-c', url]),
    ...['--template-refresh', '1', '--active-timeout', '0.2'],
  );
  const refused = await weir.metricsUntil('every collector has refused something', (metrics) =>
    urls.every((collector) => metrics.sum('weir_collector_send_errors_total', { collector }) > 1),
  );
  conserves(t, refused, urls);
  t.equal(refused.sum('weir_collector_state', { state: 'failing' }), 3);
  t.equal(refused.sum('weir_collector_sent_records_total', { collector: urls[2]! }), 0);

  const { program: late } = await server(lab.router, 'collector', '127.0.0.1', port);
  await late.until('records of all three', () =>
    urls.every((url) => {
      const version = url.startsWith('netflow9') ? 9 : 10;
      return received(late).some((line) => line.version === version);
    }),
  );
  t.equal((await weir.end()).code, 0);
  await late.end();
  t.match(late.lines.at(-1), { malformed: 0 });
});

test('a collector that is killed and comes back', live, async (t) => {
  const lab = await trickle(t);
  const killed = await server(lab.router, 'collector', '127.0.0.1', 0);
  const steady = await server(lab.router, 'collector', '127.0.0.1', 0, 'quiet');
  const [udp, tcp, other] = [
    `netflow9://127.0.0.1:${killed.port}`,
    `ipfix+tcp://127.0.0.1:${killed.port}`,
    `ipfix://127.0.0.1:${steady.port}`,
  ];
  const urls = [udp, tcp, other];
  const weir = await WeirRun.start(
    lab.router,
    SIDES,
    ...urls.flatMap((url) => ['-c', url]),
    ...['--template-refresh', '1', '--active-timeout', '0.2'],
  );
  const bothIn = (program: typeof killed.program) =>
    [9, 10].every((version) => received(program).some((line) => line.version === version));
  await killed.program.until('records over UDP and TCP', bothIn);
  await killed.program.end('SIGKILL');
  const down = await weir.metricsUntil('both are failing', (metrics) =>
    [udp, tcp].every(
      (collector) => metrics.sum('weir_collector_state', { collector, state: 'failing' }) === 1,
    ),
  );
  conserves(t, down, urls);
  t.equal(down.sum('weir_collector_not_sent_records_total', { collector: other }), 0);
  const readyz = await weir.get('/readyz');
  t.equal(readyz.status, 200, 'metering goes on');
  t.match(JSON.parse(readyz.body).collectors, [
    { state: 'failing' },
    { state: 'failing' },
    { state: 'sending' },
  ]);

  const again = await server(lab.router, 'collector', '127.0.0.1', killed.port);
  await again.program.until('records over UDP and TCP', bothIn);
  conserves(t, await weir.metrics(), urls);
  t.equal((await weir.end()).code, 0);
  await Promise.all([again.program.end(), steady.program.end()]);
  t.match(again.program.lines.at(-1), { malformed: 0, lostRecords: 0 });

  const { meteredPackets, meteredOctets, records } = weir.log.find(({ msg }) => msg === 'metered')!;
  t.match(steady.program.lines.at(-1), {
    v10: { packets: meteredPackets, octets: meteredOctets, records },
    lostRecords: 0,
    missingTemplate: 0,
  });
  for (const { collector, msg, ...ending } of weir.log) {
    if (!msg?.startsWith('exported') || collector === undefined) continue;
    const { records: sent, notSentRecords = {} } = ending as { records: number; notSentRecords?: object };
    const notSent = Object.values(notSentRecords).reduce((sum: number, n: number) => sum + n, 0);
    t.equal(sent + notSent, records, `sent and not sent to ${collector}`);
  }
});

test('a collector that never reads does not hold up the others', live, async (t) => {
  const lab = await labFor(t);
  // Small buffers, so that little is enough to fill them.
  await lab.router.run([
    'sh',
    '-c',
    'for i in rmem wmem; do echo 4096 32768 32768 > /proc/sys/net/ipv4/tcp_$i; done',
  ]);
  const good = await server(lab.router, 'collector', '127.0.0.1', 0, 'quiet');
  const stalled = await server(lab.router, 'tcp-stall', '127.0.0.1');
  const [url, bad] = [`ipfix://127.0.0.1:${good.port}`, `ipfix+tcp://127.0.0.1:${stalled.port}`];
  const weir = await WeirRun.start(lab.router, SIDES, '-c', url, '-c', bad, '--idle-timeout', '0.2');
  const flows = 5 * 10_000;
  await once(lab.client, 'udp-flows', lab.addresses.server.ipv4, 1024, flows / 5, 5);
  const full = await weir.metricsUntil(
    'the good one has got nearly all',
    (metrics) =>
      metrics.sum('weir_collector_sent_records_total', { collector: url }) > 0.99 * flows &&
      metrics.sum('weir_flows') === 0,
  );
  conserves(t, full, [url, bad]);
  t.ok(full.sum('weir_collector_queued_records', { collector: bad }) > flows / 2, 'the bad one has not');
  t.ok(full.sum('process_resident_memory_bytes') < 250e6);
  const { code, milliseconds } = await weir.end();
  t.equal(code, 0);
  t.ok(milliseconds < 5000, `ended ${Math.round(milliseconds)} ms after SIGTERM`);
  await good.program.end();
  const { meteredPackets, records } = weir.log.find(({ msg }) => msg === 'metered')!;
  t.match(good.program.lines.at(-1), { v10: { packets: meteredPackets, records }, lostRecords: 0 });
  t.match(
    weir.log.find(({ msg, collector }) => msg?.startsWith('exported, but') && collector === bad),
    { notSentRecords: { shutdown: Number } },
  );
});

test('source pins the address that a collector sees', live, async (t) => {
  const lab = await trickle(t);
  const { toClient, toServer, server: host } = lab.addresses;
  const ipv4 = await server(lab.server, 'collector', host.ipv4, 0);
  const ipv6 = await server(lab.server, 'collector', host.ipv6, 0);
  const weir = await WeirRun.start(
    lab.router,
    ['to-client'],
    ...['-c', `ipfix://${host.ipv4}:${ipv4.port}?source=${toClient.ipv4}&observation-domain=7`],
    ...['-c', `ipfix+tcp://${host.ipv4}:${ipv4.port}?source=${toClient.ipv4}&observation-domain=8`],
    ...['-c', `ipfix://${host.ipv4}:${ipv4.port}?observation-domain=9`],
    ...['-c', `netflow9://[${host.ipv6}]:${ipv6.port}?source=${toClient.ipv6}`],
    ...['--active-timeout', '0.2'],
  );
  const sourceOf = (domain: number) =>
    ipv4.program.until(
      `domain ${domain}`,
      (program) => received(program).find((line) => line.domain === domain)?.source.address,
    );
  t.equal(await sourceOf(7), toClient.ipv4);
  t.equal(await sourceOf(8), toClient.ipv4);
  t.equal(await sourceOf(9), toServer.ipv4);
  t.equal(await ipv6.program.until('v9', (program) => received(program)[0]?.source.address), toClient.ipv6);
  t.equal((await weir.end()).code, 0);
});
