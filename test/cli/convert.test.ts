// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so EC2 writes formats.
/** `weir convert`, the whole program: what it says, what it exports, and how it ends. */

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { LOG_FIELDS } from '../../src/flowlogs/fields.ts';

const MAIN = resolve(import.meta.dirname, '../../bundle/weir/main.js');
const { PATH } = process.env;
const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status';

type Child = ReturnType<typeof spawn> & { stdin: NonNullable<ReturnType<typeof spawn>['stdin']> };

interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly records: Record<string, unknown>[];
  readonly log: Record<string, unknown>[];
  readonly stdout: string;
  readonly stderr: string;
}

/** @param started gets the process when it runs; without, its standard input ends at once */
async function convert(
  args: readonly string[],
  started: (child: Child) => void = (child) => child.stdin.end(),
  env: Record<string, string> = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, 'convert', ...args], {
    env: { PATH, ...env },
    timeout: 30_000,
    stdio: ['pipe', 'pipe', 'pipe'],
  }) as Child;
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (chunk) => {
      text[name] += chunk;
    });
  }
  child.stdin.on('error', () => undefined); // it may have ended before it has read everything
  started(child);
  const [code, signal] = await once(child, 'close');
  const json = (all: string) =>
    all
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, signal, records: json(text.stdout), log: json(text.stderr), ...text };
}

const totals = ({ log }: Outcome) => log.find(({ msg }) => String(msg).startsWith('converted'));

/** Lines of the default format: `count` records, then one of each other kind, and two that are faulty. */
function lines(count: number): string[] {
  const all = [];
  for (let i = 0; i < count; i++) {
    all.push(
      `2 123456789010 eni-0a 10.0.0.5 203.0.113.${1 + (i % 250)} ${1024 + (i % 60_000)} 443 6 2 100 1780000000 1780000060 ${i % 4 === 0 ? 'REJECT' : 'ACCEPT'} OK`,
    );
  }
  return [
    ...all,
    '2 123456789010 eni-0a - - - - - - - 1780000000 1780000060 - NODATA',
    '2 123456789010 eni-0a - - - - - - - 1780000000 1780000060 - SKIPDATA',
    '2 123456789010 eni-0a 10.0.0.5 nonsense 1 2 6 1 40 1780000000 1780000060 ACCEPT OK',
    '2 123456789010 eni-0a 10.0.0.5 nothing 1 2 6 1 40 1780000000 1780000060 ACCEPT OK',
  ];
}
const file = (count: number) => `${[HEADER, ...lines(count)].join('\n')}\n`;

t.test(
  'files, folders, gzip and standard input: one after the other, every line accounted for',
  async (t) => {
    const folder = t.testdir({
      'a.log': file(10),
      logs: { 'b.log.gz': gzipSync(file(20)), 'c.log': file(30), 'not-a-log.txt': 'x' },
    });
    const outcome = await convert([`${folder}/a.log`, `${folder}/logs`, '-'], (child) =>
      child.stdin.end(gzipSync(file(5))),
    );
    t.equal(outcome.code, 0, 'faulty lines are no failure');
    t.equal(outcome.records.length, 65);
    t.match(outcome.records[0], {
      sourceIPv4Address: '10.0.0.5',
      destinationIPv4Address: '203.0.113.1',
      flowStartMilliseconds: 1_780_000_000_000,
      forwardingStatus: 129,
    });
    t.match(totals(outcome), {
      level: 'warn',
      lines: 65 + 4 * 4,
      records: 65,
      nodata: 4,
      skipdata: 4,
      faults: 8,
      faultKinds: { address: 8 },
      packets: 130,
      octets: 6500,
      objects: 4,
    });
    const told = outcome.log.filter(({ msg }) => String(msg).startsWith('a faulty line'));
    t.match(told, [{ level: 'warn', object: `${folder}/a.log`, line: 14, text: /nonsense/ }], 'once a kind');
    t.equal(told.length, 1);
  },
);

t.test('what cannot be read to its end fails, and the others go on', async (t) => {
  const cut = gzipSync(file(2000));
  const folder = t.testdir({
    'a-cut.log.gz': cut.subarray(0, cut.length / 2),
    'b-empty.log': '',
    'c.log': file(7),
    'd-cut.parquet': Buffer.from('PAR1 and no more'),
    'e-no-gzip.log.gz': Buffer.from([0x1f, 0x8b, 1, 2, 3]),
  });
  const outcome = await convert([folder, '--json']);
  t.equal(outcome.code, 1);
  const failed = outcome.log.filter(({ level }) => level === 'error').map(({ msg }) => String(msg));
  t.equal(failed.length, 3, failed.join('\n'));
  t.match(failed[0], /a-cut\.log\.gz: .*cut short/);
  t.match(failed[1], /d-cut\.parquet: /);
  t.match(totals(outcome), { objects: 2, failedObjects: 3 });
  t.match(totals(outcome), { records: outcome.records.length });
  t.ok(outcome.records.length > 7, 'what came before the cut counts');

  const missing = await convert([`${folder}/missing.log`]);
  t.equal(missing.code, 1);
  t.match(missing.log[0], { level: 'error', msg: /missing\.log: there is no such file/ });
});

t.test('to collectors: v5 keeps refused flows apart, and IPv6 is counted and said', async (t) => {
  const collector = createSocket('udp4').bind(0, '127.0.0.1');
  await once(collector, 'listening');
  t.teardown(() => collector.close());
  const datagrams: Buffer[] = [];
  collector.on('message', (datagram) => datagrams.push(datagram));
  const { port } = collector.address();
  const six =
    '2 123456789010 eni-0a 2001:db8::1 2001:db8::2 1024 443 6 2 100 1780000000 1780000060 ACCEPT OK';
  const log = `${[HEADER, ...lines(100), six].join('\n')}\n`;
  const url = `netflow5://127.0.0.1:${port}`;
  const started = (child: Child) => child.stdin.end(log);
  const outcome = await convert(['-', '-c', url, '-c', `ipfix://127.0.0.1:${port}`], started);
  t.equal(outcome.code, 0);
  t.equal(outcome.stdout, '');
  t.match(
    outcome.log.find(({ msg }) => /IPv4 only/.test(String(msg))),
    { level: 'warn', collector: url },
  );
  t.match(
    outcome.log.filter(({ msg }) => String(msg).startsWith('exported')),
    [
      { collector: url, records: 100, notSentRecords: { not_representable: 1 } },
      { collector: `ipfix://127.0.0.1:${port}`, records: 101 },
    ],
  );
  const engines = new Map<number, number>();
  for (const datagram of datagrams.filter((each) => each.readUInt16BE(0) === 5)) {
    const engine = datagram.readUInt8(21);
    t.equal(datagram.readUInt32BE(16), engines.get(engine) ?? 0, `sequence of engine ${engine}`);
    engines.set(engine, (engines.get(engine) ?? 0) + datagram.readUInt16BE(2));
  }
  t.same(
    engines,
    new Map([
      [1, 75],
      [2, 25],
    ]),
  );

  const dropped = await convert(['-', '--json', '--rejects', 'drop'], started);
  t.match(totals(dropped), { records: 101, droppedRejects: 25, rejects: 25 });
  t.equal(dropped.records.length, 76);
  const only = await convert(['-', '--json', '--rejects', 'only'], started);
  t.equal(only.records.length, 25);
});

t.test('a record that is lost is a failure', async (t) => {
  // A name that never resolves: nothing can leave.
  const outcome = await convert(['-', '-c', 'ipfix://no-such-host.invalid'], (child) =>
    child.stdin.end(file(3)),
  );
  t.equal(outcome.code, 1);
  t.match(
    outcome.log.find(({ msg }) => msg === 'exported, but not everything was sent'),
    { records: 0, notSentRecords: { unresolved: 3 } },
  );
});

t.test('--format where no header says, --vantage and --enterprise-number', async (t) => {
  const rows = ['ingress 10.0.0.1 10.0.0.2 100 subnet-1', 'egress 10.0.0.1 10.0.0.2 200 subnet-2'];
  const format = '${flow-direction} ${srcaddr} ${dstaddr} ${bytes} ${subnet-id}';
  const outcome = await convert(
    ['-', '--format', format, '--vantage', 'egress', '--enterprise-number', '999', '--json'],
    (child) => child.stdin.end(rows.join('\n')),
  );
  t.equal(outcome.code, 0);
  t.match(outcome.records, [{ octetDeltaCount: 200, flowDirection: 1, 'subnet-id': 'subnet-2' }]);
  t.equal(outcome.records.length, 1);
  t.match(totals(outcome), { records: 2, droppedVantage: 1 });
});

t.test(
  '--json has every field under its name, whether or not an enterprise number is configured',
  async (t) => {
    const fields = LOG_FIELDS.map(({ name }) => name).filter((name) => name !== 'log-status');
    const known: Record<string, string> = {
      version: '11',
      srcaddr: '10.0.0.1',
      dstaddr: '10.0.0.2',
      'pkt-srcaddr': '10.0.0.3',
      'pkt-dstaddr': '10.0.0.4',
      action: 'ACCEPT',
      'flow-direction': 'egress',
    };
    const NUMERIC =
      /^(srcport|dstport|protocol|packets|bytes|start|end|tcp-flags|traffic-path|packets-lost-.*)$/;
    const given = (name: string) => known[name] ?? (NUMERIC.test(name) ? '7' : `of-${name}`);
    const row = [...fields, 'field-of-tomorrow'].map(given).join(' ');
    const { code, records } = await convert(['-', '--json'], (child) =>
      child.stdin.end(`${[...fields, 'field-of-tomorrow'].join(' ')}\n${row}\n`),
    );
    t.equal(code, 0);
    const own = [
      ...LOG_FIELDS.filter(({ element }) => element !== 0).map(({ name }) => name),
      'field-of-tomorrow',
    ];
    t.equal(own.length, 59);
    t.same(
      Object.fromEntries(own.map((name) => [name, String(records[0]?.[name])])),
      Object.fromEntries(own.map((name) => [name, given(name)])),
    );
  },
);

t.test(
  'weir listen names the fields of another enterprise as weir convert does, line for line',
  async (t) => {
    const listener = spawn(process.execPath, [MAIN, 'listen', '0', '--json'], { env: { PATH } });
    t.teardown(() => listener.kill());
    let heard = '';
    listener.stdout.setEncoding('utf8').on('data', (chunk) => {
      heard += chunk;
    });
    let log = '';
    const port = await new Promise<number>((resolve) => {
      listener.stderr.setEncoding('utf8').on('data', (chunk) => {
        log += chunk;
        const said = log.split('\n').find((line) => line.includes('"port":') && line.endsWith('}'));
        if (said !== undefined) resolve((JSON.parse(said) as { port: number }).port);
      });
    });
    const folder = t.testdir({
      '1.log':
        'region srcaddr dstaddr bytes packets-lost-blackhole\neu-west-1 10.0.0.1 10.0.0.2 9007199254740991 5\n',
      // Another format that turns up later, with a field that nobody knows yet.
      '2.log':
        'az-id srcaddr dstaddr my-new-field interface-id\nuse1-az1 2001:db8::1 2001:db8::2 Zürich eni-1\n',
    });
    const url = `ipfix+tcp://127.0.0.1:${port}`;
    const outcome = await convert([folder, '--json', '-c', url, '--enterprise-number', '64999']);
    t.equal(outcome.code, 0, outcome.stderr);
    while (heard.split('\n').length < 3) await once(listener.stdout, 'data');
    t.equal(heard, outcome.stdout);
    t.match(outcome.records, [{ region: 'eu-west-1' }, { 'az-id': 'use1-az1', 'my-new-field': 'Zürich' }]);
  },
);

t.test('mistakes: named, with the nearest name, exit 2, and nothing on standard output', async (t) => {
  const cases: [args: string[], said: RegExp][] = [
    [[], /^weir: SOURCE is missing: weir convert needs at least one, or - for standard input$/m],
    [['s4://x'], /^weir: SOURCE "s4:\/\/x": unknown scheme "s4"/m],
    [['-', '--rejcts', 'keep'], /unknown option "--rejcts"; did you mean "--rejects"\?/],
    [['-', '--rejects', 'kep'], /--rejects: "kep" is not keep, drop or only; did you mean "keep"\?/],
    [['-', '--vantage', 'inside'], /--vantage: "inside" is not ingress, egress or both/],
    [['-', '--rate', '-5'], /--rate: /],
    [['-', '--enterprise-number', '0'], /--enterprise-number: "0" is not a whole number from 1/],
    [
      ['-', '--active-timeout', '5'],
      /"--active-timeout": it is one of weir run and weir read, not of weir convert/,
    ],
    [['-', '--format', '${srcaddr} ${srcaddr}'], /--format: .*srcaddr/],
    [['-', '--format', '  '], /--format: " {2}" is empty/],
    [['-', '--follow'], /--follow: only s3/],
    [['-', '--endpoint', 'localhost'], /--endpoint: "localhost" is not a URL/],
    [['-', '--exporter', 'per-interface'], /--exporter: per-interface needs a collector/],
  ];
  await Promise.all(
    cases.map(async ([args, said]) => {
      const outcome = await convert(args);
      t.equal(outcome.code, 2, args.join(' '));
      t.match(outcome.stderr, said);
      t.equal(outcome.stdout, '');
    }),
  );
});

t.test('the interface map keeps its numbers', async (t) => {
  const folder = t.testdir();
  const one = (eni: string) => (child: Child) =>
    child.stdin.end(`${HEADER}\n2 1 ${eni} 10.0.0.5 10.0.0.6 1 2 6 1 40 1780000000 1780000060 ACCEPT OK\n`);
  const args = ['-', '--json', '--interface-map', `${folder}/map`];
  t.match((await convert(args, one('eni-b'))).records, [{ ingressInterface: 1 }]);
  t.match((await convert(args, one('eni-a'))).records, [{ ingressInterface: 2 }]);
  t.match((await convert(args, one('eni-b'))).records, [{ ingressInterface: 1 }]);
  t.match(readFileSync(`${folder}/map`, 'utf8'), /eni-b[\s\S]*eni-a/);
});

/** Writes lines for as long as somebody reads. */
function feedForEver(child: Child): void {
  const chunk = `${lines(2000).join('\n')}\n`;
  const more = () => {
    while (child.stdin.writable && child.stdin.write(chunk));
  };
  child.stdin.on('drain', more);
  child.stdin.write(`${HEADER}\n`);
  more();
}

t.test('SIGINT and SIGTERM end it cleanly, with the totals', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const outcome = await convert(['-', '--json'], (child) => {
      feedForEver(child);
      child.stdout!.once('data', () => child.kill(signal));
    });
    t.equal(outcome.code, 0);
    const { lines: read, records, nodata, skipdata, faults } = totals(outcome) as Record<string, number>;
    t.equal(read, records! + nodata! + skipdata! + faults!);
    t.equal(outcome.records.length, records, 'whatever was counted was written');
  }
});

t.test('the second signal ends it at once', async (t) => {
  // A collector that is not there (TEST-NET-1): the records cannot leave, and draining waits.
  const outcome = await convert(['-', '-c', 'ipfix+tcp://192.0.2.1'], (child) => {
    child.stdin.write(file(10));
    child.stderr!.once('data', () => {
      child.kill('SIGINT');
      setTimeout(() => child.kill('SIGINT'), 100);
    });
  });
  t.equal(outcome.code, 130);
});

t.test('a reader that goes ends it quietly', async (t) => {
  const outcome = await convert(['-', '--json'], (child) => {
    feedForEver(child);
    child.stdout!.once('data', () => child.stdout!.destroy());
  });
  t.equal(outcome.code, 0);
  t.same(
    outcome.log.filter(({ level }) => level === 'error'),
    [],
  );
});

t.test('metrics while it runs, off unless asked for', async (t) => {
  t.notOk((await convert(['-'])).log.some(({ msg }) => msg === 'metrics'));
  let metrics = '';
  let readiness: unknown;
  const outcome = await convert(['-', '--json', '--metrics', '127.0.0.1:0'], (child) => {
    child.stdin.write(file(10));
    let log = '';
    child.stderr!.on('data', async (text) => {
      log += text;
      const url = /"url":"([^"]+)"/.exec(log)?.[1];
      if (url === undefined || metrics !== '') return;
      metrics = 'asked';
      for (;;) {
        metrics = await (await fetch(url)).text();
        if (metrics.includes('weir_convert_lines_total{kind="record"} 10')) break;
      }
      readiness = await (await fetch(url.replace('/metrics', '/readyz'))).json();
      child.stdin.end();
    });
  });
  t.equal(outcome.code, 0);
  t.match(metrics, 'weir_convert_faults_total{kind="address"} 2');
  t.match(metrics, 'weir_convert_objects_found 1');
  t.match(readiness, { ready: true });
});
