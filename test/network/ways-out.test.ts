/** Live, through the whole program: files that rotate, and collectors that share the flows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { decodeStream } from '../support/ipfix-stream.ts';
import {
  conserves,
  inside,
  labFor,
  noLiveCapture,
  once,
  received,
  server,
  total,
  WeirRun,
} from './program.ts';

const live = { skip: noLiveCapture, timeout: 60_000 };

test('files rotate while it runs, and the last has its name at the end', live, async (t) => {
  const lab = await labFor(t);
  const folder = t.testdir({});
  inside(lab.client, 'udp-trickle', lab.addresses.server.ipv4, 9, 10);
  const url = `ipfix+file://${folder}/flows.ipfix?rotate-seconds=1`;
  const weir = await WeirRun.start(lab.router, ['to-client'], '-c', url, '--active-timeout', '0.2');
  const names = () => readdirSync(folder).sort();
  const whole = () => names().filter((name) => name.endsWith('.ipfix'));
  const metrics = await weir.metricsUntil('three files are whole', () => whole().length >= 3);
  conserves(t, metrics, [url]);
  t.ok(metrics.sum('weir_collector_sessions_total', { collector: url }) >= 3, 'a session each');
  t.equal(metrics.sum('weir_collector_state', { collector: url, state: 'sending' }), 1);
  const { code, milliseconds } = await weir.end();
  t.equal(code, 0);
  t.ok(milliseconds < 5000, `ended ${Math.round(milliseconds)} ms after SIGTERM`);
  t.same(names(), whole(), 'no part is left');
  const files = whole().map((name) => decodeStream(readFileSync(join(folder, name))));
  for (const file of files) t.match(file, { lostRecords: 0, missingTemplate: 0, malformed: 0, rest: 0 });
  const records = files.flatMap(({ lines }) =>
    lines.map((line) => JSON.parse(line) as Record<string, number>),
  );
  const metered = weir.log.find(({ msg }) => msg === 'metered')!;
  t.equal(records.length, metered.records);
  t.same(total(records, {}), { packets: metered.meteredPackets, octets: metered.meteredOctets });
});

test('collectors share the flows; one that is gone keeps its share, counted', live, async (t) => {
  const lab = await labFor(t);
  const [one, other, all] = await Promise.all(
    [1, 2, 3].map(() => server(lab.router, 'collector', '127.0.0.1', 0)),
  );
  const shared = [one!, other!].map(({ port }) => `ipfix+tcp://127.0.0.1:${port}?balance=pair`);
  const plain = `ipfix://127.0.0.1:${all!.port}`;
  const urls = [...shared, plain];
  const weir = await WeirRun.start(
    lab.router,
    ['to-client', 'to-server'],
    ...urls.flatMap((url) => ['-c', url]),
    ...['--idle-timeout', '0.2'],
  );
  const flows = async () => {
    const before = (await weir.metrics()).sum('weir_metered_packets_total');
    await once(lab.client, 'udp-flows', lab.addresses.server.ipv4, 2048, 1000, 2);
    return weir.metricsUntil(
      'the table is empty',
      (metrics) =>
        metrics.sum('weir_metered_packets_total') > before + 1000 &&
        metrics.sum('weir_flow_table_packets') === 0 &&
        metrics.sum('weir_collector_queued_records', { collector: plain }) === 0,
    );
  };
  const first = await flows();
  conserves(t, first, urls);
  const sentTo = (metrics: typeof first, url: string) =>
    metrics.sum('weir_collector_sent_records_total', { collector: url });
  t.equal(sentTo(first, shared[0]!) + sentTo(first, shared[1]!), sentTo(first, plain), 'each record once');
  for (const url of shared) {
    t.ok(sentTo(first, url) > 0.3 * sentTo(first, plain), `${url}: ${sentTo(first, url)} records`);
  }

  await other!.program.end('SIGKILL');
  await weir.metricsUntil(
    'the loss is seen',
    (metrics) => metrics.sum('weir_collector_state', { collector: shared[1]!, state: 'failing' }) === 1,
  );
  const second = await flows();
  conserves(t, second, urls);
  t.equal(sentTo(second, shared[1]!), sentTo(first, shared[1]!), 'nothing more to the one that is gone');
  const queued = second.sum('weir_collector_queued_records', { collector: shared[1]! });
  t.equal(sentTo(second, shared[0]!) + sentTo(second, shared[1]!) + queued, sentTo(second, plain));
  t.ok(queued > 0, 'its share waits for it');
  t.equal((await weir.end()).code, 0);
  await Promise.all([one!.program.end(), all!.program.end()]);
  t.match(
    weir.log.find(({ msg, collector }) => msg?.startsWith('exported, but') && collector === shared[1]),
    { notSentRecords: { shutdown: queued } },
  );
  // All records of a flow are at one collector, those from before the loss and after it, too.
  const ports = (program: typeof all) =>
    new Set(
      received(program!.program).map(
        ({ record: { sourceTransportPort, destinationTransportPort, protocolIdentifier } }) =>
          JSON.stringify([protocolIdentifier, [sourceTransportPort, destinationTransportPort].sort()]),
      ),
    );
  const atOther = ports(other);
  t.ok(![...ports(one)].some((pair) => atOther.has(pair)));
});
