/** SIGHUP: the collectors follow the configuration file, and nothing else is touched. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Test, test } from 'tap';
import { serve, traffic } from '../capture/live.ts';
import { hasProgram } from '../support/programs.ts';
import { conserves, labFor, noLiveCapture, received, server, total, WeirRun } from './program.ts';

const MAIN = fileURLToPath(new URL('../../bundle/weir/main.js', import.meta.url));
const { PATH } = process.env;
const SIDES = ['to-client', 'to-server'];
const live = { skip: noLiveCapture, timeout: 60_000 };
const READ_AGAIN = 'the configuration was read again';

/** A configuration file, and how to write it anew. */
function configuration(t: Test, first: object): { path: string; write: (options: object) => void } {
  const path = join(t.testdir({}), 'weir.yaml');
  // JSON is YAML.
  const write = (options: object) => writeFileSync(path, `${JSON.stringify(options, undefined, 1)}\n`);
  write(first);
  return { path, write };
}

for (const workers of [1, 2]) {
  test(`collectors are added and taken away, and the table is kept: workers ${workers}`, live, (t) =>
    addAndTakeAway(t, workers),
  );
}

async function addAndTakeAway(t: Test, workers: number): Promise<void> {
  const lab = await labFor(t);
  const host = lab.addresses.server.ipv4;
  const udp = await serve(lab.server, 'udp-echo', host);
  const tcp = await serve(lab.server, 'tcp-sink', host);
  const { program: collector, port: to } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const [a, b, c] = [`ipfix://127.0.0.1:${to}`, `netflow9://127.0.0.1:${to}`, `ipfix+tcp://127.0.0.1:${to}`];
  const timeouts = { 'active-timeout': 300, 'idle-timeout': 300 };
  const { path, write } = configuration(t, { ...timeouts, collector: [a] });
  const weir = await WeirRun.start(lab.router, SIDES, '--config', path, '--workers', String(workers));
  let lines = 0;
  const reload = async (options: object, message = READ_AGAIN) => {
    write(options);
    lines = weir.log.length;
    weir.child.kill('SIGHUP');
    return weir.said(message, lines);
  };

  // Flows that end by FIN have left the table before B is there; those of UDP stay in it until the end.
  await traffic(lab.client, 'udp-send', host, udp, 20, 100);
  await traffic(lab.client, 'tcp-send', host, tcp, 10_000);
  const ended = await weir.metricsUntil('a record has left', (m) => m.sum('weir_flow_records_total') >= 2);
  conserves(t, ended, [a]);

  t.match(await reload({ ...timeouts, collector: [a, b, c] }), {
    level: 'info',
    collectorsAdded: [b, c],
    collectorsRemoved: [],
    collectorsKept: 1,
  });
  const added = await weir.metrics();
  conserves(t, added, [a, b, c]);
  const left = ended.sum('weir_metered_packets_total') - ended.sum('weir_flow_table_packets');
  t.ok(left > 4);
  const before = { collector: b, reason: 'before_start' };
  t.equal(added.sum('weir_collector_not_sent_packets_total', before), left);
  t.equal(added.sum('weir_collector_not_sent_packets_total', { ...before, collector: a }), 0);
  t.equal(added.sum('weir_flows'), ended.sum('weir_flows'), 'the table is as it was');
  t.equal(added.sum('weir_collector_sessions_total', { collector: a }), workers);

  await traffic(lab.client, 'tcp-send', host, tcp, 10_000);
  const more = await weir.metricsUntil(
    'the records have left',
    (m) => m.sum('weir_flow_records_total') >= 4 && m.sum('weir_collector_sent_records_total') === 2 + 3 * 2,
  );
  conserves(t, more, [a, b, c]);

  t.match(await reload({ ...timeouts, collector: [b], 'active-timeout': 7, interface: 'lo', mtu: 1500 }), {
    collectorsAdded: [],
    collectorsRemoved: [a, c],
    collectorsKept: 1,
  });
  t.match(await weir.said('of these options', lines), { msg: /next start: active-timeout$/, level: 'warn' });
  for (const collector of [a, c]) {
    const said = await weir.until('what it got', ({ log }) =>
      log.slice(lines).find((line) => line.msg === 'exported' && line.collector === collector),
    );
    t.match(said, { records: collector === a ? 4 : 2, ...(collector === c && { recordsBeforeStart: 2 }) });
  }
  const fewer = await weir.metrics();
  conserves(t, fewer, [b]);
  t.notMatch(fewer.text, `"${a}"`);
  t.equal(fewer.sum('weir_collector_sessions_total', { collector: b }), workers, 'the same session');

  // What a collector takes from the options makes it another one, with a session of its own.
  t.match(await reload({ ...timeouts, collector: [b], mtu: 1400 }), {
    collectorsAdded: [b],
    collectorsRemoved: [b],
    collectorsKept: 0,
  });
  conserves(t, await weir.metrics(), [b]);
  await traffic(lab.client, 'udp-send', host, udp, 10, 100);

  t.equal((await weir.end()).code, 0);
  await collector.end();
  t.match(collector.lines.at(-1), { lostRecords: 0, lostPackets: 0, missingTemplate: 0, malformed: 0 });
  const of = (version: number) =>
    received(collector)
      .filter((line) => line.version === version)
      .map(({ record }) => record);
  t.same(
    total(of(9), { protocolIdentifier: 17, destinationTransportPort: udp }),
    // The client's socket, and so the flow, is another one each time.
    { packets: 30, octets: 30 * 128 },
    'what was in the table when B came has come to B, whole',
  );
  t.equal(total(of(10), { protocolIdentifier: 17 }).packets, 0, 'A and C had gone when it left');
  const { meteredPackets } = weir.log.find(({ msg }) => msg === 'metered')!;
  t.equal(total(of(9), {}).packets, Number(meteredPackets) - left, 'all that left since B was added');
  t.equal(weir.log.filter(({ msg }) => msg === 'capturing').length, 1);
}

test('the export to a collector that was added is not metered', live, async (t) => {
  const lab = await labFor(t);
  const host = lab.addresses.server.ipv4;
  const port = await serve(lab.server, 'udp-echo', host);
  const { program: collector, port: to } = await server(lab.server, 'collector', host, 0);
  const [here, there] = ['ipfix://127.0.0.1:9', `ipfix://${host}:${to}`];
  // The export leaves by an interface that is captured.
  const options = { direction: 'both', 'active-timeout': 0.2, 'idle-timeout': 0.3 };
  const { path, write } = configuration(t, { ...options, collector: [here] });
  const weir = await WeirRun.start(lab.router, ['to-server'], '--config', path);
  write({ ...options, collector: [here, there] });
  weir.child.kill('SIGHUP');
  await weir.said(READ_AGAIN);
  await traffic(lab.client, 'udp-send', host, port, 50, 100);
  await collector.until('records', (program) => received(program).length > 0);
  const of = { collector: there };
  const metrics = await weir.metricsUntil(
    'every octet that has been sent has been captured, and ignored',
    (m) =>
      m.sum('weir_ignored_bytes_total', { reason: 'own_export' }) ===
      m.sum('weir_collector_message_bytes_total', of) + 28 * m.sum('weir_collector_messages_total', of),
  );
  conserves(t, metrics, [here, there]);
  t.equal((await weir.end()).code, 0);
  await collector.end();
  const records = received(collector).map(({ record }) => record);
  t.equal(total(records, { destinationTransportPort: port }).packets, 50);
  t.equal(total(records, { destinationTransportPort: to }).packets, 0, 'no record of the export');
});

test('a faulty file changes nothing', live, async (t) => {
  const lab = await labFor(t);
  const { port: to } = await server(lab.router, 'collector', '127.0.0.1', 0, 'quiet');
  const url = `ipfix://127.0.0.1:${to}`;
  const { path } = configuration(t, { collector: [url] });
  const weir = await WeirRun.start(lab.router, SIDES, '--config', path);
  const faulty = async (text: string, ...mistakes: RegExp[]) => {
    const lines = weir.log.length;
    writeFileSync(path, text);
    weir.child.kill('SIGHUP');
    await weir.said('the configuration has mistakes: the one before stays in force', lines);
    const errors = weir.log.slice(lines).filter(({ level }) => level === 'error');
    t.match(
      errors.map(({ msg }) => msg),
      mistakes,
    );
    t.equal(errors.length, mistakes.length + 1);
  };
  await faulty(
    'mtu: 1500\n\nactive-timout: 5\ncollector: [ipfx://127.0.0.1]\n',
    /weir\.yaml:3: unknown option "active-timout"; did you mean "active-timeout"\?/,
    /weir\.yaml:4: collector: .*"ipfix"/,
  );
  await faulty('collector: [', /weir\.yaml:1: not YAML/);
  const metrics = await weir.metrics();
  conserves(t, metrics, [url]);
  t.equal(metrics.sum('weir_reloads_total', { outcome: 'refused' }), 2);
  t.equal(metrics.sum('weir_reloads_total', { outcome: 'applied' }), 0);
  t.equal((await weir.end()).code, 0);
});

test(
  'collectors are judged by the workers that run, whatever the file says of the next start',
  live,
  async (t) => {
    const lab = await labFor(t);
    const { port: to } = await server(lab.router, 'collector', '127.0.0.1', 0, 'quiet');
    const [one, two, three] = [1, 2, 3].map(
      (domain) => `ipfix://127.0.0.1:${to}?observation-domain=${domain}`,
    );
    const { path, write } = configuration(t, { workers: 2, collector: [one] });
    const weir = await WeirRun.start(lab.router, SIDES, '--config', path);
    const reload = async (options: object, message: string) => {
      const lines = weir.log.length;
      write(options);
      weir.child.kill('SIGHUP');
      await weir.said(message, lines);
      return weir.log.slice(lines);
    };
    const refused = await reload({ workers: 1, collector: [one, two] }, 'the configuration has mistakes');
    t.match(refused[0], {
      level: 'error',
      msg: /2 apart: each of 2 workers, which run until the next start/,
    });
    const applied = await reload({ workers: 1, collector: [one, three] }, 'of these options');
    t.match(applied[0], { msg: READ_AGAIN, collectorsAdded: [three] });
    t.match(applied[1], { msg: /next start: workers$/ });
    conserves(t, await weir.metrics(), [one!, three!]);
    t.equal((await weir.end()).code, 0);
  },
);

test('a SIGHUP that comes while Weir starts is kept until it can be followed', live, async (t) => {
  const lab = await labFor(t);
  const { path } = configuration(t, { collector: ['ipfix://127.0.0.1:9'] });
  const early = join(dirname(path), 'early.mjs');
  // As soon as Weir listens for signals, which is long before it captures.
  writeFileSync(
    early,
    `process.on('newListener', (name) => {
      if (name === 'SIGTERM') setImmediate(() => process.kill(process.pid, 'SIGHUP'));
    });`,
  );
  const by = ['env', `NODE_OPTIONS=--import=${early}`];
  const weir = await WeirRun.startBy(by, lab.router, SIDES, '--config', path);
  t.match(await weir.said(READ_AGAIN), { collectorsKept: 1 });
  t.equal((await weir.metrics()).sum('weir_reloads_total', { outcome: 'applied' }), 1);
  t.equal((await weir.end()).code, 0);
});

test('without a configuration file SIGHUP ends Weir', live, async (t) => {
  const lab = await labFor(t);
  const weir = await WeirRun.start(lab.router, SIDES, '--json');
  t.equal((await weir.end('SIGHUP')).code, 0);
});

test('a terminal that goes away ends Weir, although it would reload', {
  ...live,
  skip: live.skip || (!hasProgram('script') && 'there is no script to make a terminal with'),
}, async (t) => {
  const lab = await labFor(t);
  const { path } = configuration(t, {
    interface: 'to-client',
    metrics: 'off',
    collector: ['ipfix://127.0.0.1:9'],
  });
  // Its log goes to a pipe of its own, so that it does not notice by writing.
  const weir = `echo '{"pid":'$$'}' >&3; exec ${process.execPath} ${MAIN} run --config ${path} 2>&3`;
  const terminal = lab.router.spawn(['script', '-qec', weir, '/dev/null'], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    env: { PATH, SHELL: '/bin/sh' },
  });
  const lines = createInterface(terminal.stdio[3] as NodeJS.ReadableStream);
  const said: string[] = [];
  let pid = 0;
  for await (const line of lines) {
    if (!line.startsWith('{')) {
      t.fail(line); // Node.js, of a terminal that it cannot reset
      continue;
    }
    const { msg, pid: id } = JSON.parse(line) as { msg?: string; pid?: number };
    if (id !== undefined) pid = id;
    else if (msg !== undefined) said.push(msg);
    if (msg === 'capturing') process.kill(pid, 'SIGHUP');
    if (msg === READ_AGAIN) terminal.kill('SIGKILL');
  }
  t.match(said, ['Weir runs as root; CAP_NET_RAW alone is enough', 'capturing']);
  t.ok(said.includes(READ_AGAIN), 'a SIGHUP with the terminal there: a reload');
  t.equal(said.filter((text) => text === READ_AGAIN).length, 1);
  t.match(said.at(-1), /^exported/, 'and when it has gone: a clean end');
});
