import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { FileSource } from '../../../src/flowlogs/sources/file.ts';
import { readAll, readObject } from './read-all.ts';

const noInput = (): never => {
  throw new Error('standard input was asked for');
};
const source = (path: string): FileSource => new FileSource({ path, standardInput: noInput });

t.test('a folder, with all below it, oldest first', async (t) => {
  const folder = t.testdir({
    'b.log': 'b\n',
    'a.txt': 'not a flow log',
    a: { 'z.log': 'az\n', 'p.parquet': 'PAR1....PAR1', 'deep.er': { 'c.gz': gzipSync('c\n') } },
    zone: {
      '123456789012_vpcflowlogs_eu-west-1_fl-2_20261126T0800Z_aa.log.gz': gzipSync('08:00\n'),
      '123456789012_vpcflowlogs_eu-west-1_fl-1_20261126T0805Z_aa.log.gz': gzipSync('08:05\n'),
    },
    '123456789012_vpcflowlogs_eu-west-1_fl-1_20261125T2355Z_aa.log': '23:55\n',
  });
  const files = source(folder);
  const read = await readAll(files);
  t.same(
    read.map(({ name, text }) => [name.slice(folder.length + 1).replace(/^.*\//, ''), text]),
    [
      ['c.gz', 'c\n'],
      ['p.parquet', 'PAR1....PAR1'],
      ['z.log', 'az\n'],
      ['b.log', 'b\n'],
      ['123456789012_vpcflowlogs_eu-west-1_fl-1_20261125T2355Z_aa.log', '23:55\n'],
      ['123456789012_vpcflowlogs_eu-west-1_fl-2_20261126T0800Z_aa.log.gz', '08:00\n'],
      ['123456789012_vpcflowlogs_eu-west-1_fl-1_20261126T0805Z_aa.log.gz', '08:05\n'],
    ],
  );
  t.equal(files.found.objects, 7);
  t.ok(files.found.storedOctets > 20);
});

t.test('one file, whatever its name; gzip is known by its octets', async (t) => {
  const folder = t.testdir({ flows: gzipSync('a b\n'), 'plain.log.gz': 'a b\n', 'empty.log.gz': '' });
  for (const [name, text] of [
    ['flows', 'a b\n'],
    ['plain.log.gz', 'a b\n'],
    ['empty.log.gz', ''],
  ] as const) {
    const [read] = await readAll(source(join(folder, name)));
    t.same(read, { name: join(folder, name), text, error: undefined });
  }
});

t.test('Parquet is known by its first octets as well', async (t) => {
  const folder = t.testdir({
    'a.log': 'PAR1....PAR1',
    b: 'PAR1....PAR1',
    'c.parquet': 'PAR1....PAR1',
    'd.log': 'PAR',
  });
  const kinds: string[] = [];
  for (const path of [folder, join(folder, 'b')]) {
    for await (const { name, content } of source(path).objects(new AbortController().signal)) {
      kinds.push(`${name.slice(folder.length + 1)} ${content.kind}`);
    }
  }
  t.same(kinds, ['a.log parquet', 'c.parquet parquet', 'd.log text', 'b parquet']);
});

t.test('a gzip that is cut short: what came before, and the error', async (t) => {
  const whole = gzipSync(Buffer.concat([Buffer.from('first\n'), Buffer.alloc(100_000, 'x y z\n')]));
  const folder = t.testdir({ 'a.gz': whole.subarray(0, whole.length - 12), 'b.log': 'b\n' });
  const [a, b] = await readAll(source(folder));
  t.match(a, { error: { message: /cut short/ } });
  t.match(a?.text, /^first\nx y z\n/);
  t.equal(b?.text, 'b\n', 'and the next is read');
});

t.test('standard input, plain and gzip', async (t) => {
  for (const octets of [Buffer.from('a\nb\n'), gzipSync('a\nb\n')]) {
    async function* standardInput(): AsyncGenerator<Uint8Array> {
      for (const octet of octets) yield Uint8Array.of(octet);
    }
    const read = await readAll(new FileSource({ path: '-', standardInput }));
    t.same(read, [{ name: 'standard input', text: 'a\nb\n', error: undefined }]);
  }
});

t.test('what is not there', async (t) => {
  const folder = t.testdir({ empty: { 'x.txt': '' } });
  await t.rejects(readAll(source(join(folder, 'nowhere'))), {
    message: /nowhere: there is no such file or folder$/,
  });
  await t.rejects(readAll(source(join(folder, 'empty'))), { message: /empty: no flow logs in this folder/ });
});

t.test('a file that goes while the folder is read is counted', async (t) => {
  const folder = t.testdir({ 'a.log': 'a\n', 'b.log': 'b\n', 'c.log': 'c\n' });
  const files = source(folder);
  const read = await readAll(files, undefined, () => rmSync(join(folder, 'b.log'), { force: true }));
  t.same(
    read.map(({ text }) => text),
    ['a\n', '', 'c\n'],
  );
  t.equal(files.vanished, 1);
});

t.test('Parquet is read by slices', async (t) => {
  const folder = t.testdir({});
  const octets = Buffer.from(Array.from({ length: 1000 }, (_, i) => i & 0xff));
  mkdirSync(join(folder, 'x'));
  writeFileSync(join(folder, 'x/a.parquet'), octets);
  for await (const object of source(folder).objects(new AbortController().signal)) {
    if (object.content.kind !== 'parquet') throw new Error('not Parquet');
    const { file } = object.content;
    t.equal(file.byteLength, 1000);
    t.ok(Buffer.from(await file.slice(10, 700)).equals(octets.subarray(10, 700)));
    t.ok(Buffer.from(await file.slice(990)).equals(octets.subarray(990)));
    writeFileSync(join(folder, 'x/a.parquet'), 'short');
    await t.rejects(file.slice(0), /became shorter/);
    rmSync(join(folder, 'x/a.parquet'));
    t.match((await readObject(object)).error, { code: 'ENOENT' });
  }
});
