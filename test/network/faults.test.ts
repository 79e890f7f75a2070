/** What a machine does to a program that runs on it (docs/reliability.md). */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { serve, traffic } from '../capture/live.ts';
import { conserves, inside, labFor, noLiveCapture, received, server, total, WeirRun } from './program.ts';

const SIDES = ['to-client', 'to-server'];
const UDP = 17;
const live = { skip: noLiveCapture, timeout: 60_000 };

test('an interface is renamed while it is captured, and back', live, async (t) => {
  const lab = await labFor(t);
  const host = lab.addresses.server.ipv4;
  const port = await serve(lab.server, 'udp-echo', host);
  const { program: collector, port: to } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const url = `ipfix://127.0.0.1:${to}`;
  const weir = await WeirRun.start(lab.router, SIDES, '-c', url);
  const send = () => traffic(lab.client, 'udp-send', host, port, 20, 100);
  const rename = async (from: string, name: string, ...between: string[]) => {
    const ip = (...words: string[]) => lab.router.run(['ip', 'link', 'set', ...words]);
    await ip(from, 'down');
    await weir.said(`to-client is ${between[0]}`);
    await ip(from, 'name', name);
    await ip(name, 'up');
  };
  await send();
  // The link has to go down for its name to change (by default); up again, the ring's socket hears it as before.
  await rename('to-client', 'uplink', 'down');
  await send();
  const renamed = await weir.metrics();
  conserves(t, renamed, [url]);
  await lab.router.run(['ip', 'link', 'set', 'uplink', 'down']);
  await lab.router.run(['ip', 'link', 'set', 'uplink', 'name', 'to-client']);
  await lab.router.run(['ip', 'link', 'set', 'to-client', 'up']);
  await weir.said('to-client is back');
  await send();
  conserves(t, await weir.metrics(), [url]);
  t.equal(JSON.parse((await weir.get('/readyz')).body).ready, true);

  t.equal((await weir.end()).code, 0);
  await collector.end();
  const records = received(collector).map(({ record }) => record);
  t.same(total(records, { protocolIdentifier: UDP, destinationTransportPort: port }), {
    packets: 60,
    octets: 60 * 128,
  });
});

test('SIGTERM while packets come: each that was metered is sent, or told as not sent', live, async (t) => {
  const lab = await labFor(t);
  const { program: collector, port: to } = await server(lab.router, 'collector', '127.0.0.1', 0, 'quiet');
  // The second can take but a part of what there is to send within the time of the end.
  const [url, slow] = [`ipfix://127.0.0.1:${to}`, `netflow9://127.0.0.1:${to}?rate=100`];
  const weir = await WeirRun.start(lab.router, SIDES, '-c', url, '-c', slow, '--active-timeout', '0.5');
  const flood = inside(lab.client, 'udp-flows', lab.addresses.server.ipv4, 1024, 60_000, 5);
  await weir.metricsUntil(
    'records leave, and more packets come',
    (m) => m.sum('weir_flow_records_total') > 20_000,
  );
  t.equal(flood.child.exitCode, null, 'the packets still come');
  const { code, milliseconds } = await weir.end();
  t.equal(code, 0);
  t.ok(milliseconds < 5000, `ended ${Math.round(milliseconds)} ms after SIGTERM`);
  await collector.end();

  const metered = weir.log.find(({ msg }) => msg === 'metered')!;
  const records = Number(metered.records);
  t.ok(records > 20_000, `${records} records`);
  for (const [collectorUrl, version] of [
    [url, 'v10'],
    [slow, 'v9'],
  ] as const) {
    const exported = weir.log.find(
      ({ msg, collector }) => msg?.startsWith('exported') && collector === collectorUrl,
    )!;
    const notSent = Object.values(exported.notSentRecords ?? {});
    const lost = notSent.reduce((sum, n) => sum + n, 0);
    t.equal(Number(exported.records) + lost, records, `${version}: sent and not sent are all`);
    t.equal(lost > 0, collectorUrl === slow, `${version}: ${lost} not sent`);
    const { lostRecords, [version]: got } = collector.lines.at(-1) as unknown as {
      lostRecords: number;
      v9: { records: number };
      v10: { records: number };
    };
    t.equal(lostRecords, 0);
    t.equal(got.records, Number(exported.records), `${version}: what was sent has arrived`);
  }
});

test('SIGKILL: the next start says what the last run held', live, async (t) => {
  const lab = await labFor(t);
  const host = lab.addresses.server.ipv4;
  const port = await serve(lab.server, 'udp-echo', host);
  const tcp = await serve(lab.server, 'tcp-sink', host);
  const { program: collector, port: to } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const folder = t.testdir({});
  const state = join(folder, 'state.json');
  const start = (...flags: string[]) =>
    WeirRun.start(lab.router, SIDES, '-c', `ipfix://127.0.0.1:${to}`, '--state', state, ...flags);
  const UNCLEAN = 'the last run did not end cleanly';

  const killed = await start('--active-timeout', '300', '--idle-timeout', '300');
  t.equal((await killed.metrics()).sum('weir_last_run_unclean'), 0);
  await traffic(lab.client, 'tcp-send', host, tcp, 10_000);
  await killed.metricsUntil('the connection has ended', (m) => m.sum('weir_flow_records_total') === 2);
  await traffic(lab.client, 'udp-send', host, port, 30, 100);
  const held = await killed.metricsUntil(
    'the state file knows the flows that go on',
    () => JSON.parse(readFileSync(state, 'utf8')).packets >= 60,
  );
  await killed.end('SIGKILL');
  const packets = JSON.parse(readFileSync(state, 'utf8')).packets as number;
  const metered = held.sum('weir_metered_packets_total');

  const next = await start();
  t.match(await next.said(UNCLEAN), {
    level: 'warn',
    msg: /it was last alive at 20\d\d-.*Z$/,
    packetsInTable: packets,
    recordsQueued: 0,
  });
  const metrics = await next.metrics();
  t.equal(metrics.sum('weir_last_run_unclean'), 1);
  t.equal(metrics.sum('weir_last_run_packets'), packets);
  t.equal((await next.end()).code, 0);
  t.notOk(existsSync(state), 'a clean end');

  const last = await start();
  t.equal((await last.metrics()).sum('weir_last_run_unclean'), 0);
  t.equal((await last.end()).code, 0);
  t.notOk(last.log.some(({ msg }) => msg?.startsWith(UNCLEAN)));

  await collector.end();
  const got = total(
    received(collector).map(({ record }) => record),
    {},
  ).packets;
  t.equal(got, metered - packets, 'what was lost is what was in the table, to the packet');
});

test('a state file that cannot be had is said at the start', live, async (t) => {
  const lab = await labFor(t);
  const folder = t.testdir({});
  const start = WeirRun.start(lab.router, SIDES, '--json', '--state', join(folder, 'none', 'state'));
  await t.rejects(start, { message: /ENOENT.*none\/state/ });
});

test('no file descriptor is left for the programs that Weir starts', live, async (t) => {
  const lab = await labFor(t);
  const weir = await WeirRun.start(lab.router, ['to-client', 'to-server'], '-c', 'ipfix://127.0.0.1:9');
  const limit = (descriptors: string) =>
    lab.router.run(['prlimit', `--pid=${weir.child.pid}`, `--nofile=${descriptors}:1024`]);
  await limit('4');
  const from = weir.log.length;
  await lab.router.run(['ip', 'route', 'add', '10.99.0.0/16', 'dev', 'to-server']);
  t.match(await weir.said('the routes cannot be read', from), { level: 'warn' });
  await limit('1024');
  const reads = (await weir.metrics()).sum('weir_route_reads_total');
  await weir.metricsUntil('the routes are read again', (m) => m.sum('weir_route_reads_total') > reads);
  t.equal((await weir.end()).code, 0);
});
