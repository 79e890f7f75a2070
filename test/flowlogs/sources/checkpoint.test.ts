import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
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
      JSON.stringify({ ...good, version: 2 }),
      `it is of version 2, and this program reads version 1; ${anew}`,
    ],
    [JSON.stringify({ ...good, newest: 'soon' }), `it is damaged; ${anew}`],
    [JSON.stringify({ ...good, exported: { k: 'x' } }), `it is damaged; ${anew}`],
    [JSON.stringify({ ...good, exported: [] }), `it is damaged; ${anew}`],
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
