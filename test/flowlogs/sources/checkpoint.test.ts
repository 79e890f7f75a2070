import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Checkpoint, LOOK_BACK_MILLISECONDS } from '../../../src/flowlogs/sources/checkpoint.ts';

const NOON = Date.UTC(2026, 10, 26, 12);
const MINUTE = 60_000;

t.test('what it keeps: the keys of the look-back window, and nothing older', async (t) => {
  const folder = t.testdir({});
  const path = join(folder, 'state.json');
  const checkpoint = new Checkpoint('s3://b/p', path);
  await checkpoint.load();
  t.equal(checkpoint.oldest, Number.NEGATIVE_INFINITY);
  for (let i = 0; i <= 120; i += 10)
    await checkpoint.add(`k${i}`, NOON + i * MINUTE, Number.POSITIVE_INFINITY);
  t.same(readdirSync(folder), ['state.json'], 'nothing is left beside it');
  const again = new Checkpoint('s3://b/p', path);
  await again.load();
  t.equal(again.oldest, NOON + 120 * MINUTE - LOOK_BACK_MILLISECONDS);
  t.same([...again.keys()], ['k60', 'k70', 'k80', 'k90', 'k100', 'k110', 'k120']);
});

t.test('what is known and not exported keeps the window open', async (t) => {
  const path = join(t.testdir({}), 'state.json');
  const checkpoint = new Checkpoint('s3://b', path);
  await checkpoint.add('new', NOON, NOON - 90 * MINUTE);
  const again = new Checkpoint('s3://b', path);
  await again.load();
  t.ok(again.oldest <= NOON - 90 * MINUTE);
  t.same([...again.keys()], ['new']);
  await again.add('old', NOON - 90 * MINUTE, Number.POSITIVE_INFINITY);
  await again.add('newer', NOON + MINUTE, Number.POSITIVE_INFINITY);
  t.same([...again.keys()], ['new', 'newer']);
});

t.test('an object adds a line, whatever the file holds; now and then the file is written anew', async (t) => {
  const path = join(t.testdir({}), 'state.json');
  const checkpoint = new Checkpoint('s3://b', path);
  const KEYS = 3500;
  const lines = (): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');
  let written = 0;
  let octets = 0;
  let anew = 0;
  for (let i = 0; i < KEYS; i++) {
    const before = octets;
    // 1.03 s apart: the hour has all of them.
    await checkpoint.add(`key ${i}`, NOON + i * 1028, Number.POSITIVE_INFINITY);
    octets = statSync(path).size;
    if (lines().length === 1) anew++;
    written += lines().length === 1 ? octets : octets - before;
  }
  t.equal(anew, 3, 'at 1, 1 002 and 2 005');
  t.ok(written < 5 * octets, `${written} octets were written for ${octets}`);
  const again = new Checkpoint('s3://b', path);
  await again.load();
  t.equal([...again.keys()].length, KEYS);
  t.equal(again.oldest, NOON + (KEYS - 1) * 1028 - LOOK_BACK_MILLISECONDS);
});

t.test(
  'a crash at any octet of a line: what was said to be exported is, the line in the works is not',
  async (t) => {
    const path = join(t.testdir({}), 'state.json');
    const checkpoint = new Checkpoint('s3://b', path);
    for (const key of ['a', 'b', 'c']) await checkpoint.add(key, NOON, Number.POSITIVE_INFINITY);
    const text = readFileSync(path, 'utf8');
    const [first, second, third] = text.split('\n') as [string, string, string];
    t.match(JSON.parse(third), { newest: '2026-11-26T12:00:00.000Z', exported: { c: NOON } });
    const begin = first.length + second.length + 2;
    for (let length = begin; length <= text.length; length++) {
      writeFileSync(path, text.slice(0, length));
      const again = new Checkpoint('s3://b', path);
      await again.load();
      t.same([...again.keys()], length === text.length ? ['a', 'b', 'c'] : ['a', 'b']);
      await again.add('d', NOON, Number.POSITIVE_INFINITY);
      const third = new Checkpoint('s3://b', path);
      await third.load();
      t.same([...third.keys()].at(-1), 'd', 'and what follows is whole');
    }
  },
);

t.test('a file of version 1, of before there were lines, is read and goes on as version 2', async (t) => {
  const path = join(t.testdir({}), 'state.json');
  const file = { kind: 'weir convert checkpoint', source: 's3://b', newest: new Date(NOON).toISOString() };
  writeFileSync(path, `${JSON.stringify({ ...file, version: 1, exported: { a: NOON } })}\n`);
  const checkpoint = new Checkpoint('s3://b', path);
  await checkpoint.load();
  t.same([...checkpoint.keys()], ['a']);
  await checkpoint.add('b', NOON, Number.POSITIVE_INFINITY);
  t.match(JSON.parse(readFileSync(path, 'utf8')), { version: 2, exported: { a: NOON, b: NOON } });
});

t.test('a file that is taken away meanwhile is written anew', async (t) => {
  const path = join(t.testdir({}), 'state.json');
  const checkpoint = new Checkpoint('s3://b', path);
  for (const key of ['a', 'b']) await checkpoint.add(key, NOON, Number.POSITIVE_INFINITY);
  rmSync(path);
  await checkpoint.add('c', NOON, Number.POSITIVE_INFINITY);
  t.match(JSON.parse(readFileSync(path, 'utf8')).exported, { a: NOON, b: NOON, c: NOON });
});

t.test('without a file it is in memory', async (t) => {
  const checkpoint = new Checkpoint('s3://b', undefined);
  await checkpoint.load();
  await checkpoint.add('k', NOON, Number.POSITIVE_INFINITY);
  t.same([...checkpoint.keys()], ['k']);
});

t.test('a file that cannot be used', async (t) => {
  const folder = t.testdir({});
  const path = join(folder, 'state.json');
  await new Checkpoint('s3://b/p', path).add('k', NOON, Number.POSITIVE_INFINITY);
  const good = JSON.parse(readFileSync(path, 'utf8'));
  const anew = 'to begin anew, move the file away and give --since';
  for (const [text, problem] of [
    ['', `the file is empty; ${anew}`],
    ['{"kind":', `it is no JSON; ${anew}`],
    ['[]', `it is no checkpoint of weir convert; ${anew}`],
    ['{"kind":"other"}', `it is no checkpoint of weir convert; ${anew}`],
    [
      JSON.stringify({ ...good, version: 3 }),
      `it is of version 3, and this program reads versions 1 and 2; ${anew}`,
    ],
    [JSON.stringify({ ...good, newest: 'soon' }), `it is damaged; ${anew}`],
    [JSON.stringify({ ...good, exported: { k: 'x' } }), `it is damaged; ${anew}`],
    [JSON.stringify({ ...good, exported: [] }), `it is damaged; ${anew}`],
    [`${JSON.stringify(good)}\n{}\n`, `it is damaged; ${anew}`],
    [`${JSON.stringify(good)}\n{"newest":\n{}\n`, `it is no JSON; ${anew}`],
    [
      JSON.stringify({ ...good, source: 's3://b/q' }),
      'it is of s3://b/q, not of s3://b/p; give each source its own file',
    ],
  ] as const) {
    writeFileSync(path, text);
    await t.rejects(new Checkpoint('s3://b/p', path).load(), {
      name: 'SourceError',
      message: `checkpoint ${path}: ${problem}`,
    });
    t.equal(readFileSync(path, 'utf8'), text, 'and it is left as it is');
  }
  await t.rejects(new Checkpoint('s3://b', folder).load(), { message: /^checkpoint .*EISDIR/ });
  const nowhere = new Checkpoint('s3://b', join(folder, 'no/such/folder/state.json'));
  await nowhere.load();
  await t.rejects(nowhere.add('k', NOON, Number.POSITIVE_INFINITY), {
    name: 'SourceError',
    message: /^checkpoint .*ENOENT/,
  });
});
