/** S3 by moto_server, with a proxy in front of it that fails as AWS fails. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { AwsClients } from '../../../src/aws/clients.ts';
import { S3Source, type S3SourceOptions } from '../../../src/flowlogs/sources/s3.ts';
import { WHOLE_OCTETS } from '../../../src/flowlogs/sources/s3-object.ts';
import { RecordsNotSentError } from '../../../src/flowlogs/sources/source-error.ts';
import { s3Fault } from '../../support/fault-proxy.ts';
import { noMoto } from '../../support/moto.ts';
import { HEADER, keyOf, logOf, startAwsBench } from './aws-bench.ts';
import { readAll, readObject } from './read-all.ts';

if (noMoto !== false) {
  t.plan(0, noMoto);
  process.exit(0);
}
const bench = await startAwsBench();
const { proxy } = bench;

t.beforeEach(async () => {
  await bench.moto.reset();
  await bench.createBucket('logs');
  proxy.fault = () => undefined;
  proxy.seen.length = 0;
  proxy.concurrent.most = 0;
});

const source = (url: string, options: Partial<S3SourceOptions> & { clients?: AwsClients } = {}): S3Source =>
  new S3Source({ url, clients: bench.clients(), clock: Date.now, pollMilliseconds: 20, ...options });
const names = (read: readonly { name: string }[]): string[] =>
  read.map(({ name }) => name.slice('s3://logs/'.length));
const isGet = ({ method, query }: (typeof proxy.seen)[number]): boolean =>
  method === 'GET' && !query.has('list-type');
const lists = (): string[] =>
  proxy.seen.filter(({ query }) => query.has('list-type')).map(({ query }) => query.get('prefix')!);

t.test('accounts, regions, flow logs and both layouts: one order, that of time', async (t) => {
  const inOrder = [
    keyOf('2025-12-31T23:55'),
    keyOf('2026-01-01T00:00', { account: '999999999999', layout: 'hive' }),
    keyOf('2026-01-01T00:05', { flowLog: 'fl-2' }),
    keyOf('2026-01-01T00:10', { flowLog: 'fl-1' }),
    keyOf('2026-01-01T00:15', { region: 'us-east-1', hourly: true }),
    keyOf('2026-01-01T10:15', { account: '999999999999', layout: 'hive' }),
    keyOf('2026-01-01T11:15', { region: 'us-east-1', hourly: true }),
    keyOf('2026-02-01T00:00', {
      prefix: 'some/where/',
      layout: 'hive',
      hourly: true,
      suffix: '.log.parquet',
    }),
    keyOf('2026-11-26T00:00'),
  ];
  for (const [i, key] of [...inOrder.entries()].reverse()) await bench.put('logs', key, logOf(i));
  await bench.put(
    'logs',
    'AWSLogs/123456789012/CloudTrail/eu-west-1/2026/01/01/trail.json.gz',
    'no flow log',
  );
  await bench.put('logs', 'some/', '');
  const all = source('s3://logs');
  const read = await readAll(all);
  t.same(names(read), inOrder);
  for (const [i, { text, name }] of read.entries()) {
    if (!name.endsWith('.parquet')) t.match(text, ` 6 ${i} 40 `, name);
  }
  t.equal(all.found.objects, inOrder.length);
  t.equal(all.vanished, 0);
  t.equal((await bench.keys('logs')).length, inOrder.length + 2, 'nothing is deleted');
  t.ok(
    proxy.seen.every(({ method }) => method === 'GET'),
    'nothing is written',
  );
});

t.test('a prefix names a folder at any depth, or one object; not what merely begins so', async (t) => {
  const keys = [keyOf('2026-01-01T00:00'), keyOf('2026-01-02T00:00'), keyOf('2026-01-12T00:00')];
  for (const key of keys) await bench.put('logs', key, logOf(1));
  const tree = 'AWSLogs/123456789012/vpcflowlogs/eu-west-1';
  for (const [url, expected] of [
    ['s3://logs/', keys],
    ['s3://logs/AWSLogs', keys],
    [`s3://logs/${tree}/`, keys],
    [`s3://logs/${tree}/2026/01`, keys],
    [`s3://logs/${tree}/2026/01/02`, [keys[1]]],
    [`s3://logs/${keys[2]}`, [keys[2]]],
  ] as const) {
    t.same(names(await readAll(source(url))), expected, url);
  }
  for (const url of ['s3://logs/AWS', `s3://logs/${tree}/2026/01/0`, 's3://logs/x']) {
    await t.rejects(readAll(source(url)), {
      name: 'SourceError',
      message: `${url}: there are no objects below it; look at the prefix`,
    });
  }
});

t.test('another layout: by the time in the name, else by that of the object', async (t) => {
  await bench.put('logs', 'copy/b/plain.log', `${HEADER}`);
  await bench.put('logs', 'copy/a_vpcflowlogs_x_fl-9_20260101T0000Z_h.log.gz', logOf(1));
  await bench.put('logs', 'copy/c/a_vpcflowlogs_x_fl-1_20260101T0005Z_h.log.gz', logOf(2));
  t.same(names(await readAll(source('s3://logs/copy'))), [
    'copy/a_vpcflowlogs_x_fl-9_20260101T0000Z_h.log.gz',
    'copy/c/a_vpcflowlogs_x_fl-1_20260101T0005Z_h.log.gz',
    'copy/b/plain.log',
  ]);
});

t.test('keys with spaces, plus signs, percent signs and more', async (t) => {
  const keys = ['odd/a b+c.log', 'odd/ü&<>.log', 'odd/100%25.log', "odd/('!*).log"];
  for (const [i, key] of keys.entries()) await bench.put('logs', key, `${i}`);
  const read = await readAll(source('s3://logs/odd'));
  for (const [i, key] of keys.entries())
    t.equal(read.find(({ name }) => name === `s3://logs/${key}`)?.text, `${i}`, key);
});

t.test('since and until: only those days are listed', async (t) => {
  const keys = [
    '2026-01-31T23:55',
    '2026-02-01T00:00',
    '2026-02-01T23:59',
    '2026-02-02T00:00',
    '2026-03-01T00:00',
  ].map((time) => keyOf(time));
  for (const key of keys) await bench.put('logs', key, logOf(1));
  const range = { since: Date.UTC(2026, 1, 1), until: Date.UTC(2026, 1, 2) };
  t.same(names(await readAll(source('s3://logs', range))), keys.slice(1, 3));
  const tree = 'AWSLogs/123456789012/vpcflowlogs/eu-west-1/';
  const days = lists().filter((prefix) => /\/\d{4}\/\d\d\/\d\d\/$/.test(prefix));
  t.same(
    days.map((day) => day.slice(tree.length)),
    ['2026/01/31/', '2026/02/01/', '2026/02/02/'],
    'an hour more on either side',
  );
  t.same(
    names(await readAll(source('s3://logs', { since: Date.UTC(2027, 0) }))),
    [],
    'none is no error here',
  );
});

t.test('lists of more than a page', async (t) => {
  for (let i = 0; i < 10; i++) await bench.put('logs', `many/${i}.log`, '');
  proxy.fault = ({ query }) => (query.has('list-type') ? { kind: 'ask', more: '&max-keys=4' } : undefined);
  t.equal((await readAll(source('s3://logs/many'))).length, 10);
  t.equal(lists().length, 4, 'its name, and three pages');
  t.equal(proxy.seen.filter(isGet).length, 0, 'empty objects are not even fetched');
});

t.test('throttled, failing and cut: repeated, counted, complete', async (t) => {
  const text =
    HEADER + Array.from({ length: 20_000 }, (_, i) => `2 ${i} ${(i * 2654435761) >>> 0}\n`).join('');
  const body = gzipSync(text);
  await bench.put('logs', 'x/a.log.gz', body);
  const faults = [
    s3Fault(503, 'SlowDown', 'Please reduce your request rate.'),
    s3Fault(500, 'InternalError'),
    { kind: 'reset' } as const,
    { kind: 'cut', octets: 1000 } as const,
    s3Fault(503, 'SlowDown'),
    { kind: 'cut', octets: body.length >> 1 } as const,
  ];
  proxy.fault = (seen) => (isGet(seen) ? faults.shift() : undefined);
  const s3 = source('s3://logs/x');
  const [read] = await readAll(s3);
  t.equal(read?.error, undefined);
  t.equal(read?.text, text);
  t.equal(s3.retries, 6);
  t.same(
    proxy.seen.filter(isGet).map(({ headers }) => headers.range),
    [
      undefined,
      undefined,
      undefined,
      undefined,
      'bytes=1000-',
      'bytes=1000-',
      `bytes=${1000 + (body.length >> 1)}-`,
    ],
    'what is there is not fetched again',
  );
  t.ok(proxy.seen.filter(isGet).at(-1)?.headers['if-match'], 'and it is of the same object');
});

t.test('throttled for good', async (t) => {
  await bench.put('logs', 'x/a.log', '');
  proxy.fault = () => s3Fault(503, 'SlowDown');
  const s3 = source('s3://logs/x', { clients: bench.clients({ maxAttempts: 3 }) });
  await t.rejects(readAll(s3), {
    kind: 'throttled',
    message:
      's3://logs/x: AWS still asks to slow down (SlowDown) after 3 attempts; try again later, or have the limit raised; what else uses this account shares it',
  });
  t.equal(s3.retries, 2);
});

t.test('an object overwritten between two parts', async (t) => {
  const key = 'x/a.log.gz';
  await bench.put('logs', key, Buffer.alloc(WHOLE_OCTETS + 1, 'a b c\n'));
  await bench.put('logs', 'x/b.log', 'next');
  let gets = 0;
  proxy.fault = async (seen) => {
    if (!isGet(seen) || !seen.path.endsWith(key)) return undefined;
    if (++gets === 1) return { kind: 'cut', octets: 100_000 };
    await bench.put('logs', key, Buffer.alloc(WHOLE_OCTETS + 1, 'other'));
    return undefined;
  };
  const s3 = source('s3://logs/x');
  const read = [];
  for await (const object of s3.objects(new AbortController().signal)) {
    read.push(await readObject(object));
    const { error } = read.at(-1)!;
    await (error === undefined ? s3.exported(object) : s3.failed(object, error));
  }
  t.match(read[0]?.error, { kind: 'changed' });
  t.notMatch(read[0]?.text, 'other');
  t.equal(read[1]?.text, 'next', 'the next is read');
});

t.test('objects that vanish after they were listed', async (t) => {
  for (const name of ['a', 'b', 'c']) await bench.put('logs', `x/${name}.log`, name);
  await bench.put('logs', 'x/d.log', Buffer.alloc(WHOLE_OCTETS + 1, 'd'));
  proxy.fault = async (seen) => {
    if (isGet(seen) && seen.path.endsWith('/a.log')) {
      await bench.remove('logs', 'x/b.log');
      await bench.remove('logs', 'x/d.log');
    }
    return undefined;
  };
  const s3 = source('s3://logs/x', { ahead: { objects: 1 } });
  const read = await readAll(s3);
  t.same(
    read.map(({ name, error }) => [name, (error as { kind?: string } | undefined)?.kind]),
    [
      ['s3://logs/x/a.log', undefined],
      ['s3://logs/x/c.log', undefined],
      ['s3://logs/x/d.log', 'no-such-key'],
    ],
  );
  t.equal(s3.vanished, 2);
});

t.test('large objects stream; large Parquet is read by ranges', async (t) => {
  const octets = Buffer.alloc(WHOLE_OCTETS + 4096, 0);
  for (let i = 0; i < octets.length; i += 4) octets.writeUInt32BE(i, i);
  await bench.put('logs', 'x/a.log.gz', gzipSync(octets, { level: 0 }));
  await bench.put('logs', 'x/b.parquet', octets);
  await bench.put('logs', 'x/c', 'PAR1 small');
  const s3 = source('s3://logs/x');
  for await (const object of s3.objects(new AbortController().signal)) {
    const { content } = object;
    if (content.kind === 'text') {
      const parts: Uint8Array[] = [];
      for await (const part of content.chunks()) parts.push(part);
      t.ok(Buffer.concat(parts).equals(octets));
    } else if (content.file.byteLength === octets.length) {
      const before = proxy.seen.length;
      proxy.fault = (seen) => {
        proxy.fault = () => undefined;
        return isGet(seen) ? { kind: 'cut', octets: 50 } : undefined;
      };
      t.ok(Buffer.from(await content.file.slice(1000, 3000)).equals(octets.subarray(1000, 3000)));
      t.ok(Buffer.from(await content.file.slice(octets.length - 8)).equals(octets.subarray(-8)));
      t.same(
        proxy.seen.slice(before).map(({ headers }) => headers.range),
        ['bytes=1000-2999', 'bytes=1050-2999', `bytes=${octets.length - 8}-${octets.length - 1}`],
      );
    } else {
      t.equal(Buffer.from(await content.file.slice(0)).toString(), 'PAR1 small');
    }
    await s3.exported(object);
  }
  t.equal(s3.found.objects, 3);
});

t.test('several are fetched ahead, within both bounds, and handed over in order', async (t) => {
  const keys = Array.from({ length: 40 }, (_, i) => `x/${String(i).padStart(2, '0')}.log`);
  for (const key of keys) await bench.put('logs', key, Buffer.alloc(1000, key));
  // The first of eight comes back last.
  proxy.fault = (seen) =>
    isGet(seen)
      ? { kind: 'delay', milliseconds: 40 - 4 * (Number(/(\d+)\.log/.exec(seen.path)?.[1]) % 8) }
      : undefined;
  t.same(names(await readAll(source('s3://logs/x'))), keys);
  t.equal(proxy.concurrent.most, 8);
  for (const [ahead, most] of [
    [{ objects: 3 }, 3],
    [{ octets: 2500 }, 2],
    [{ octets: 10 }, 1],
  ] as const) {
    proxy.concurrent.most = 0;
    t.same(names(await readAll(source('s3://logs/x', { ahead }))), keys);
    t.equal(proxy.concurrent.most, most, JSON.stringify(ahead));
  }
});

t.test('a bucket in another region is found by itself', async (t) => {
  await bench.put('logs', 'x/a.log', 'a');
  proxy.fault = ({ headers }) =>
    /\/eu-west-1\/s3\//.test(headers.authorization ?? '')
      ? undefined
      : s3Fault(
          301,
          'PermanentRedirect',
          'The bucket you are attempting to access must be addressed using the specified endpoint.',
          {
            'x-amz-bucket-region': 'eu-west-1',
          },
        );
  const read = await readAll(source('s3://logs/x', { clients: bench.clients({ region: 'us-west-2' }) }));
  t.same(
    read.map(({ text }) => text),
    ['a'],
  );
  t.equal(
    proxy.seen.filter(({ headers }) => /us-west-2/.test(headers.authorization ?? '')).length,
    1,
    'asked once',
  );
});

t.test('errors that end it say what to grant or change', async (t) => {
  await bench.put('logs', 'x/a.log', 'a');
  const fails = async (fault: typeof proxy.fault): Promise<string> => {
    proxy.fault = fault;
    let ofObject: Error | undefined;
    try {
      const s3 = source('s3://logs/x', { clients: bench.clients({ maxAttempts: 1 }) });
      await readAll(s3, undefined, ({ error }) => {
        ofObject = error;
      });
    } catch (error) {
      const { message } = error as Error;
      return ofObject === undefined ? message : `${ofObject.message} | ${message}`;
    }
    return 'no error';
  };
  t.equal(
    await fails((seen) => (isGet(seen) ? s3Fault(403, 'AccessDenied', 'Access Denied') : undefined)),
    's3://logs/x/a.log: access denied: s3:GetObject; grant s3:GetObject on arn:aws:s3:::logs/x/a.log (a key that is not ' +
      'there is answered so, too, where s3:ListBucket is not granted) | s3://logs/x: access was denied to every object that was to be read',
  );
  t.equal(
    await fails(() => s3Fault(403, 'AccessDenied', 'Access Denied')),
    's3://logs/x: access denied: s3:ListBucket; grant s3:ListBucket on arn:aws:s3:::logs',
  );
  t.equal(
    await fails((seen) =>
      isGet(seen)
        ? s3Fault(
            403,
            'AccessDenied',
            'User: arn:aws:sts::123456789012:assumed-role/weir/i-1 is not authorized to perform: kms:Decrypt on resource: ' +
              'arn:aws:kms:eu-west-1:123456789012:key/1 because no identity-based policy allows the kms:Decrypt action',
          )
        : undefined,
    ),
    's3://logs/x/a.log: access denied: s3:GetObject; grant kms:Decrypt on arn:aws:kms:eu-west-1:123456789012:key/1 to ' +
      'arn:aws:sts::123456789012:assumed-role/weir/i-1 | s3://logs/x: access was denied to every object that was to be read',
  );
  t.equal(
    await fails(() => s3Fault(400, 'ExpiredToken', 'The provided token has expired.')),
    's3://logs/x: the credentials have expired; renew them: log in again (`aws sso login`), or set a new ' +
      'AWS_SESSION_TOKEN with its keys',
  );
  t.match(
    await fails(() => s3Fault(403, 'InvalidAccessKeyId')),
    /AWS does not accept the credentials \(InvalidAccessKeyId/,
  );
  t.match(await fails(() => s3Fault(403, 'RequestTimeTooSkewed')), /set this machine's clock/);
  t.match(
    await fails(() => s3Fault(301, 'PermanentRedirect')),
    /it lies in another region; set AWS_REGION to that region/,
  );
  t.match(await fails(() => ({ kind: 'reset' })), /AWS cannot be reached \(ECONNRESET.*look at the network/);
  t.match(
    await fails(() => s3Fault(500, 'InternalError')),
    /AWS failed \(500 InternalError\); try again later/,
  );
  proxy.fault = () => undefined;
  await t.rejects(readAll(source('s3://nothing-here/x')), {
    kind: 'no-such-bucket',
    message: "s3://nothing-here/x: there is no such bucket; look at the bucket's name, and at the account",
  });
});

t.test('an object that is archived, or denied, is no reason not to read the others', async (t) => {
  const checkpoint = join(t.testdir({}), 'state.json');
  for (const key of ['a', 'b', 'c', 'd', 'e']) await bench.put('logs', `x/${key}.log`, key);
  await bench.put('logs', 'x/f.log', Buffer.alloc(WHOLE_OCTETS + 1, 'f'));
  proxy.fault = (seen) => {
    if (!isGet(seen)) return undefined;
    if (/\/[abf]\.log/.test(seen.path)) return s3Fault(403, 'AccessDenied', 'Access Denied');
    return seen.path.includes('/d.log')
      ? s3Fault(403, 'InvalidObjectState', 'The operation is not valid for its storage class')
      : undefined;
  };
  const read = await readAll(source('s3://logs/x', { checkpoint }));
  t.same(
    read.map(({ name, text, error }) => [name.at(-5), text, (error as { kind?: string } | undefined)?.kind]),
    [
      ['a', '', 'access-denied'],
      ['b', '', 'access-denied'],
      ['c', 'c', undefined],
      ['d', '', 'archived'],
      ['e', 'e', undefined],
      ['f', '', 'access-denied'],
    ],
  );
  t.equal(
    read[3]?.error?.message,
    's3://logs/x/d.log: it is archived (Glacier); restore it (`aws s3api restore-object`), then convert it by its own URL',
  );
  t.same(await readAll(source('s3://logs/x', { checkpoint })), [], 'they are done with');
});

t.test('access denied to every object ends it, and none is done with', async (t) => {
  const checkpoint = join(t.testdir({}), 'state.json');
  const keys = Array.from({ length: 20 }, (_, i) => `x/${10 + i}.log`);
  for (const key of keys) await bench.put('logs', key, key);
  proxy.fault = (seen) => (isGet(seen) ? s3Fault(403, 'AccessDenied', 'Access Denied') : undefined);
  const said: string[] = [];
  await t.rejects(
    readAll(source('s3://logs/x', { checkpoint }), undefined, ({ name }) => {
      said.push(name);
    }),
    { kind: 'access-denied', message: /^s3:\/\/logs\/x\/17.log: access denied: s3:GetObject; grant/ },
  );
  t.equal(said.length, 8, 'it does not go through all of them');
  proxy.fault = () => undefined;
  t.same(names(await readAll(source('s3://logs/x', { checkpoint }))), keys);
});

t.test('credentials that expire while an object is read: it is not done, and it ends', async (t) => {
  const checkpoint = join(t.testdir({}), 'state.json');
  await bench.put('logs', 'x/a.log', 'a');
  await bench.put('logs', 'x/b.log', Buffer.alloc(WHOLE_OCTETS + 1, 'b'));
  await bench.put('logs', 'x/c.log', 'c');
  proxy.fault = (seen) => (seen.path.endsWith('b.log') ? s3Fault(400, 'ExpiredToken') : undefined);
  await t.rejects(readAll(source('s3://logs/x', { checkpoint })), {
    message: /the credentials have expired/,
  });
  proxy.fault = () => undefined;
  t.same(names(await readAll(source('s3://logs/x', { checkpoint }))), ['x/b.log', 'x/c.log']);
});

t.test('a checkpoint: what is done is not exported again, what comes late is', async (t) => {
  const checkpoint = join(t.testdir({}), 'state.json');
  const first = ['2026-01-01T00:00', '2026-01-01T10:00', '2026-01-01T10:30', '2026-01-01T10:55'].map((time) =>
    keyOf(time),
  );
  for (const key of first) await bench.put('logs', key, logOf(1));
  t.same(names(await readAll(source('s3://logs', { checkpoint }))), first);
  t.same(names(await readAll(source('s3://logs', { checkpoint }))), [], 'nothing is new');
  const [file, ...added] = readFileSync(checkpoint, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(file, { kind: 'weir convert checkpoint', version: 2, source: 's3://logs' });
  t.equal(added.at(-1).newest, '2026-01-01T10:55:00.000Z');
  t.same(
    added.flatMap(({ exported }) => Object.keys(exported)),
    first.slice(1),
    'a line an object',
  );

  const late = keyOf('2026-01-01T10:05', { flowLog: 'fl-7' });
  const tooLate = keyOf('2026-01-01T09:50', { flowLog: 'fl-7' });
  const next = keyOf('2026-01-01T11:00');
  for (const key of [late, tooLate, next]) await bench.put('logs', key, logOf(1));
  proxy.seen.length = 0;
  t.same(names(await readAll(source('s3://logs', { checkpoint }))), [late, next]);

  writeFileSync(checkpoint, readFileSync(checkpoint, 'utf8').slice(0, 40));
  await t.rejects(readAll(source('s3://logs', { checkpoint })), {
    message: `checkpoint ${checkpoint}: it is no JSON; to begin anew, move the file away and give --since`,
  });
});

t.test('an object that is damaged is done: a restart does not repeat it', async (t) => {
  const checkpoint = join(t.testdir({}), 'state.json');
  await bench.put('logs', keyOf('2026-01-01T00:00'), logOf(1).subarray(0, 50));
  await bench.put('logs', keyOf('2026-01-01T00:05'), logOf(2));
  const [damaged, whole] = await readAll(source('s3://logs', { checkpoint }));
  t.match(damaged?.error?.message, 'the gzip is cut short');
  t.match(whole?.text, ' 6 2 40 ');
  t.same(await readAll(source('s3://logs', { checkpoint })), []);
});

t.test('follow: new objects, also those out of order, each once; the signal ends it', async (t) => {
  const checkpoint = join(t.testdir({}), 'state.json');
  const times = ['2026-01-01T10:30', '2026-01-01T10:20', '2026-01-01T11:15', '2026-01-02T00:00'];
  const keys = times.map((time) => keyOf(time));
  await bench.put('logs', keys[0]!, logOf(0));
  const ended = new AbortController();
  const s3 = source('s3://logs', { checkpoint, follow: true });
  const read = await readAll(s3, ended.signal, async () => {
    const next = keys[proxy.seen.filter(isGet).length];
    if (next === undefined) ended.abort();
    else await bench.put('logs', next, logOf(1));
  });
  t.same(names(read), keys);
  t.equal(s3.found.objects, 4);
  t.same(await readAll(source('s3://logs', { checkpoint })), []);
});

t.test('follow ends where nothing can come any more', async (t) => {
  await bench.put('logs', keyOf('2026-01-01T10:30'), logOf(0));
  const until = Date.UTC(2026, 0, 1, 12);
  let now = until;
  const s3 = source('s3://logs', {
    follow: true,
    until,
    clock: () => {
      now += 1_200_000;
      return now;
    },
  });
  t.equal((await readAll(s3)).length, 1);
  // It is asked the time for each list, and for the object, which may come between any two of them.
  t.ok(now >= until + 3_600_000 && now <= until + 4_800_000, `the look-back after it: ${now - until} ms`);
});

t.test('a stop while lists and objects are under way', async (t) => {
  for (let i = 0; i < 20; i++) await bench.put('logs', `x/${i}.log`, 'x');
  for (const stopAt of [1, 3, 10]) {
    const ended = new AbortController();
    let requests = 0;
    proxy.fault = async () => {
      if (++requests === stopAt) ended.abort();
      return requests >= stopAt ? { kind: 'delay', milliseconds: 5_000 } : undefined;
    };
    const begun = Date.now();
    const read = await readAll(source('s3://logs/x'), ended.signal);
    t.ok(read.length < 20);
    t.ok(Date.now() - begun < 4_000, 'it does not wait for answers');
  }
});

t.test('an object whose records were not sent is not in the checkpoint, and ends it', async (t) => {
  const keys = [keyOf('2026-01-01T00:00'), keyOf('2026-01-01T00:05')];
  for (const key of keys) await bench.put('logs', key, logOf(1));
  const checkpoint = join(t.testdir({}), 'checkpoint');
  const first = source('s3://logs', { checkpoint });
  const taken: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const object of first.objects(new AbortController().signal)) {
      taken.push(object.name);
      await first.failed(object, new RecordsNotSentError('3 of its records were not sent'));
    }
  };
  await t.rejects(reading(), {
    name: 'SourceError',
    message: `s3://logs/${keys[0]}: 3 of its records were not sent; it is not in the checkpoint ${checkpoint}, and the next start exports it again`,
  });
  t.equal(taken.length, 1);
  t.same(names(await readAll(source('s3://logs', { checkpoint }))), keys, 'the next start has both');
});

t.test('an object whose name claims a time to come does not hide what comes until then', async (t) => {
  const now = Date.parse('2026-01-01T00:10Z');
  const first = [keyOf('2026-01-01T00:00'), keyOf('2099-01-01T00:00')];
  for (const key of first) await bench.put('logs', key, logOf(1));
  const options = { checkpoint: join(t.testdir({}), 'checkpoint'), clock: () => now };
  t.same(names(await readAll(source('s3://logs', options))), first);
  const second = keyOf('2026-01-01T00:05');
  await bench.put('logs', second, logOf(2));
  t.same(names(await readAll(source('s3://logs', options))), [second]);
});
