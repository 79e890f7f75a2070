import { fileURLToPath } from 'node:url';
import { type Test, test } from 'tap';
import type { Lab } from '../../src/cli/demo/lab.ts';
import { serve, traffic } from '../capture/live.ts';
import { hasProgram } from '../support/programs.ts';
import type { Command } from './faulty-run.ts';
import {
  conserves,
  labFor,
  noLiveCapture,
  once,
  type Received,
  received,
  remakeToClient,
  server,
  total,
  WeirRun,
} from './program.ts';

const live = { skip: noLiveCapture, timeout: 90_000 };
const SIDES = ['to-client', 'to-server'];
const FAULTY_RUN = fileURLToPath(new URL('./faulty-run.js', import.meta.url));
const UDP = 17;
/** Enough that each of two workers has some: all at one would be chance of 2^-15. */
const SOURCES = Array.from({ length: 16 }, (_, i) => `10.71.1.${100 + i}`);

async function manySources(lab: Lab): Promise<void> {
  for (const source of SOURCES) await lab.client.run(['ip', 'address', 'add', `${source}/24`, 'dev', 'eth0']);
}

/** The Observation Domains that told of each of these; the key says which are the same. */
function domainsBy(lines: readonly Received[], key: (record: Received['record']) => string) {
  const domains = new Map<string, Set<number>>();
  for (const { domain, record } of lines) {
    const name = key(record);
    domains.set(name, (domains.get(name) ?? new Set()).add(domain));
  }
  return domains;
}

const KEY = [
  'sourceIPv4Address',
  'destinationIPv4Address',
  'sourceIPv6Address',
  'destinationIPv6Address',
  'protocolIdentifier',
  'sourceTransportPort',
  'destinationTransportPort',
  'ingressInterface',
];
const flowKey = (record: Received['record']): string => KEY.map((name) => record[name] ?? '-').join(' ');
/** One of {@link SOURCES}, or undefined. */
const sourceOf = ({ sourceIPv4Address }: { readonly [name: string]: unknown }): string | undefined =>
  SOURCES.find((source) => source === sourceIPv4Address);

function checkWhole(t: Test, lines: readonly Received[], domains: readonly number[]): void {
  const by = domainsBy(lines, flowKey);
  t.ok(by.size > 40, `${by.size} flows`);
  t.same(
    [...by].filter(([, each]) => each.size > 1),
    [],
    'each flow is at one worker',
  );
  t.same(new Set(lines.map(({ domain }) => domain)), new Set(domains), 'and every worker has some');
}

test('two workers count everything exactly once', live, async (t) => {
  const lab = await labFor(t);
  await manySources(lab);
  const { client, server: host } = lab.addresses;
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const urls = [
    `ipfix://127.0.0.1:${port}?observation-domain=7`,
    `netflow9://127.0.0.1:${port}?observation-domain=9`,
    `netflow5://127.0.0.1:${port}?observation-domain=254`,
    `ipfix+tcp://127.0.0.1:${port}?observation-domain=11`,
  ];
  const weir = await WeirRun.start(
    lab.router,
    SIDES,
    ...urls.flatMap((url) => ['-c', url]),
    ...['--workers', '2', '--active-timeout', '1'],
  );
  const [udp4, udp6] = [
    await serve(lab.server, 'udp-echo', host.ipv4),
    await serve(lab.server, 'udp-echo', host.ipv6),
  ];
  const [tcp4, tcp6] = [
    await serve(lab.server, 'tcp-sink', host.ipv4),
    await serve(lab.server, 'tcp-sink', host.ipv6),
  ];
  const many = Array.from({ length: 6 });
  await Promise.all([
    traffic(lab.client, 'udp-send', host.ipv4, udp4, 300, 777),
    traffic(lab.client, 'udp-send', host.ipv6, udp6, 200, 333),
    once(lab.client, 'udp-from', host.ipv4, udp4, 100, ...SOURCES),
    ...many.map(() => traffic(lab.client, 'tcp-send', host.ipv4, tcp4, 100_000)),
    ...many.map(() => traffic(lab.client, 'tcp-send', host.ipv6, tcp6, 100_000)),
  ]);
  const canPing = hasProgram('ping');
  if (canPing) await lab.client.run(['ping', '-n', '-q', '-c', '5', '-i', '0.01', '-s', '100', host.ipv4]);

  for (let scrape = 0; scrape < 3; scrape++) conserves(t, await weir.metrics(), urls);
  const metrics = await weir.metrics();
  t.equal(metrics.sum('weir_workers_running'), 2);
  t.equal(metrics.sum('weir_capture_up'), 2, 'one an interface, whatever the number of workers');
  t.equal(metrics.sum('weir_flows_limit'), 1_048_576, '--max-flows is the total');
  t.equal(
    metrics.sum('weir_worker_captured_packets_total'),
    metrics.sum('weir_captured_packets_total'),
    'the workers together',
  );
  const readyz = await weir.get('/readyz');
  t.equal(readyz.status, 200);
  t.match(JSON.parse(readyz.body), { ready: true, workers: { running: 2, of: 2 } });

  const { code, milliseconds } = await weir.end();
  t.equal(code, 0);
  t.ok(milliseconds < 5000, `ended ${Math.round(milliseconds)} ms after SIGTERM`);
  await collector.end();
  t.match(collector.lines.at(-1), {
    lostRecords: 0,
    lostPackets: 0,
    lostFlows: 0,
    missingTemplate: 0,
    malformed: 0,
  });

  const { meteredPackets, meteredOctets } = weir.log.find(({ msg }) => msg === 'metered')!;
  const of = (version: number, domains: readonly number[]) =>
    received(collector).filter((line) => line.version === version && domains.includes(line.domain));
  for (const [version, domains] of [
    [10, [7, 8]],
    [9, [9, 10]],
    [5, [254, 255]],
    [10, [11, 12]],
  ] as const) {
    const lines = of(version, domains);
    const records = lines.map(({ record }) => record);
    checkWhole(t, lines, domains);
    const there = { protocolIdentifier: UDP, destinationTransportPort: udp4 };
    t.same(total(records, { ...there, sourceIPv4Address: client.ipv4 }), {
      packets: 300,
      octets: 300 * (777 + 28),
    });
    for (const source of SOURCES) {
      t.same(total(records, { ...there, sourceIPv4Address: source }), { packets: 1, octets: 128 });
      const of = (name: string) => lines.find(({ record }) => record[name] === source)?.domain;
      t.equal(of('destinationIPv4Address'), of('sourceIPv4Address'), 'both directions are at one worker');
    }
    if (version === 5) continue;
    t.same(total(records, { protocolIdentifier: UDP, destinationTransportPort: udp6 }), {
      packets: 200,
      octets: 200 * (333 + 48),
    });
    t.same(total(records, {}), { packets: meteredPackets, octets: meteredOctets }, 'all that was metered');
  }
});

test('all fragments of a datagram reach one worker', live, async (t) => {
  const lab = await labFor(t);
  await manySources(lab);
  const host = lab.addresses.server.ipv4;
  const udp = await serve(lab.server, 'udp-echo', host);
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const weir = await WeirRun.start(
    lab.router,
    ['to-client'],
    ...['-c', `ipfix://127.0.0.1:${port}`, '--workers', '2'],
  );
  // 4000 octets and 8 of UDP's header, in 1480, 1480 and 1048.
  await once(lab.client, 'udp-from', host, udp, 4000, ...SOURCES);
  await weir.metricsUntil(
    'all of them are counted',
    (m) => m.sum('weir_fragments_total') === 3 * SOURCES.length,
  );
  t.equal((await weir.end()).code, 0);
  await collector.end();
  const lines = received(collector).filter(({ record }) => sourceOf(record) !== undefined);
  for (const sourceIPv4Address of SOURCES) {
    t.same(
      total(
        lines.map(({ record }) => record),
        { sourceIPv4Address },
      ),
      { packets: 3, octets: 4008 + 3 * 20 },
    );
  }
  const bySource = domainsBy(lines, (record) => String(sourceOf(record)));
  t.same(
    [...bySource].filter(([, domains]) => domains.size !== 1),
    [],
    'at one worker each',
  );
  t.equal(new Set(lines.map(({ domain }) => domain)).size, 2, 'and not all at the same');
});

test('without a collector, the records of all workers are shown', live, async (t) => {
  const lab = await labFor(t);
  await manySources(lab);
  const host = lab.addresses.server.ipv4;
  const udp = await serve(lab.server, 'udp-echo', host);
  const weir = await WeirRun.start(lab.router, ['to-client'], '--workers', '2', '--json');
  await once(lab.client, 'udp-from', host, udp, 100, ...SOURCES);
  t.equal((await weir.end()).code, 0);
  const shown = weir.lines.flatMap((line) => sourceOf(line) ?? []);
  t.same(new Set(shown), new Set(SOURCES));
  t.match(
    weir.log.find(({ msg }) => msg === 'metered'),
    { records: weir.lines.length },
  );
});

test('an interface of two workers goes down, and is deleted and made again', live, async (t) => {
  const lab = await labFor(t);
  await manySources(lab);
  const host = lab.addresses.server.ipv4;
  const udp = await serve(lab.server, 'udp-echo', host);
  await lab.router.run(['ip', 'link', 'set', 'to-client', 'down']);
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const url = `ipfix://127.0.0.1:${port}`;
  const weir = await WeirRun.start(lab.router, ['to-client'], '-c', url, '--workers', '2');
  const readyz = await weir.get('/readyz');
  t.equal(readyz.status, 503, 'it is down at the start, and waited for');
  t.match(JSON.parse(readyz.body), { workers: { running: 2, of: 2 } });
  const bothBack = (from: number) =>
    weir.until('both workers are back', ({ log }) => {
      const back = log.slice(from).filter(({ msg }) => msg?.startsWith('to-client is back'));
      return new Set(back.map(({ worker }) => worker)).size === 2;
    });
  const ping = () => once(lab.client, 'udp-from', host, udp, 100, ...SOURCES);

  await lab.router.run(['ip', 'link', 'set', 'to-client', 'up']);
  await bothBack(0);
  t.equal((await weir.get('/readyz')).status, 200);
  await ping();
  const from = weir.log.length;
  await remakeToClient(lab);
  await manySources(lab);
  await bothBack(from);
  await ping();
  conserves(t, await weir.metrics(), [url]);
  t.equal((await weir.end()).code, 0);
  await collector.end();
  const lines = received(collector).filter(({ record }) => sourceOf(record) !== undefined);
  for (const sourceIPv4Address of SOURCES) {
    t.same(
      total(
        lines.map(({ record }) => record),
        { sourceIPv4Address },
      ),
      { packets: 2, octets: 2 * 128 },
      'once before and once after',
    );
  }
  const domains = domainsBy(lines, ({ ingressInterface }) => String(ingressInterface));
  t.same([...domains.values()], [new Set([1, 2]), new Set([1, 2])], 'both workers had some of each');
});

for (const kind of ['throw', 'exit'] as const) {
  test(`a worker dies (${kind}): seen, said and healed, its loss counted`, live, async (t) => {
    const lab = await labFor(t);
    await manySources(lab);
    const host = lab.addresses.server.ipv4;
    const udp = await serve(lab.server, 'udp-echo', host);
    const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
    const urls = [
      `ipfix://127.0.0.1:${port}`,
      `netflow9://127.0.0.1:${port}`,
      `ipfix+tcp://127.0.0.1:${port}?observation-domain=5`,
    ];
    const weir = await WeirRun.startWith(
      FAULTY_RUN,
      lab.router,
      ['to-client'],
      ...urls.flatMap((url) => ['-c', url]),
      ...['--workers', '2', '--active-timeout', '300', '--idle-timeout', '300'],
    );
    const tell = (command: Command) => weir.child.stdin!.write(`${JSON.stringify(command)}\n`);
    const ping = () => once(lab.client, 'udp-from', host, udp, 100, ...SOURCES);
    const flows = (count: number) => (metrics: { sum(name: string): number }) =>
      metrics.sum('weir_flows_created_total') >= count;

    await ping();
    const before = await weir.metricsUntil('the flows are in the tables', flows(SOURCES.length));
    conserves(t, before, urls);
    const inTables = before.sum('weir_flow_table_packets');
    t.equal(inTables, before.sum('weir_metered_packets_total'), 'nothing was exported yet');

    // One is missing: the kernel gives its packets to the other.
    tell({ kind: 'hold' });
    tell({ kind, worker: 1 });
    await weir.said('worker 1 has died');
    const down = await weir.metrics();
    conserves(t, down, urls);
    t.equal(down.sum('weir_workers_running'), 1);
    const left = down.sum('weir_flow_table_packets');
    t.ok(left < inTables, `${inTables - left} of ${inTables} packets were in its table`);
    for (const collector of urls) {
      const of = { collector, reason: 'worker_died' };
      t.equal(
        down.sum('weir_collector_not_sent_packets_total', of),
        inTables - left,
        'and all of them are told',
      );
    }
    t.equal(
      down.sum('weir_flows_ended_total', { reason: 'worker_died' }) + down.sum('weir_flows'),
      down.sum('weir_flows_created_total'),
    );
    const readyz = await weir.get('/readyz');
    t.equal(readyz.status, 200, 'all packets are still captured');
    t.match(JSON.parse(readyz.body), { workers: { running: 1, of: 2 } });
    await ping();
    const during = await weir.metricsUntil('all that came meanwhile is metered', flows(2 * SOURCES.length));
    conserves(t, during, urls);

    tell({ kind: 'release' });
    await weir.said('worker 1 captures again');
    await ping();
    const after = await weir.metricsUntil('what comes now is metered', flows(3 * SOURCES.length));
    conserves(t, after, urls);
    t.equal(after.sum('weir_worker_restarts_total'), 1);
    t.equal(after.sum('weir_workers_running'), 2);
    const sockets = (await lab.router.run(['cat', '/proc/net/packet'])).trim().split('\n').length - 1;
    t.equal(sockets, 2, 'the dead one has left no socket behind');

    t.equal((await weir.end()).code, 0);
    await collector.end();
    const { meteredPackets } = weir.log.find(({ msg }) => msg === 'metered')!;
    t.match(collector.lines.at(-1), { lostRecords: 0, lostPackets: 0, missingTemplate: 0, malformed: 0 });
    for (const [version, domains] of [
      [10, [1, 2]],
      [9, [1, 2]],
      [10, [5, 6]],
    ] as const) {
      const lines = received(collector).filter(
        (line) => line.version === version && domains.includes(line.domain as never),
      );
      const { packets } = total(
        lines.map(({ record }) => record),
        {},
      );
      t.equal(packets, Number(meteredPackets) - (inTables - left), 'the rest has arrived');
      t.same(new Set(lines.map(({ domain }) => domain)), new Set(domains), "the dead one's domain too");
    }
    t.match(
      weir.log.find(({ msg, collector }) => msg?.startsWith('exported, but') && collector === urls[0]),
      { notSentRecords: { worker_died: 0 } },
    );
  });
}
