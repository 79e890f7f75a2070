/** The benchmark's own measure of flow logs: what the generator says, the naive converter and the receiver find. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { difference } from '../../bench/convert.ts';
import { Block, gzippedFlowLog, writeFlowLog } from '../../bench/flow-logs.ts';
import { ObjectStore } from '../../bench/object-store.ts';
import { findCommand } from '../../bench/programs.ts';
import { runTrial } from '../../bench/trial.ts';
import { convertTextNaively } from '../flowlogs/support/naive-converter.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-bench-test-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const noCompiler = findCommand('gcc') === undefined ? 'gcc is not here to compile the receiver' : false;
const NAIVE = fileURLToPath(new URL('../../bench/naive-convert.js', import.meta.url));

t.test('a log holds what it says', async (t) => {
  const path = join(folder, 'flows.log');
  const log = writeFlowLog(path, new Block(1, 300), 3);
  const text = readFileSync(path);
  t.equal(text.length, log.textOctets);
  const { records, counts } = convertTextNaively(text.toString());
  t.match(counts, { lines: log.lines, records: log.lines });
  const sum = (values: bigint[]) => Number(values.reduce((total, value) => total + value, 0n));
  t.equal(sum(records.map(({ packets }) => packets)), log.packets);
  t.equal(sum(records.map(({ octets }) => octets)), log.octets);
  const { records: object } = convertTextNaively(gunzipSync(gzippedFlowLog(new Block(1, 300))).toString());
  t.same(object, records.slice(0, 300));
});

t.test('the naive converter is right about it', { skip: noCompiler }, async (t) => {
  const path = join(folder, 'flows.log');
  const log = writeFlowLog(path, new Block(2, 301), 2);
  const trial = await runTrial((port) => [process.execPath, NAIVE, path, `${port}`]);
  t.equal(difference(trial, log), undefined);
  t.match(difference(trial, { ...log, octets: log.octets + 1 }), /octets instead of/, 'the check can fail');
});

t.test('the store lists in pages and hands out what it has', async (t) => {
  const objects = new Map(Array.from({ length: 2500 }, (_, i) => [`a/${i}&`, Buffer.from(`${i}`)]));
  const store = new ObjectStore(objects, 0);
  const endpoint = await store.start();
  t.teardown(() => store.stop());
  const keys: string[] = [];
  for (let token: string | undefined = ''; token !== undefined; ) {
    const query: string = token === '' ? '' : `&continuation-token=${encodeURIComponent(token)}`;
    const text: string = await (await fetch(`${endpoint}/bucket?list-type=2&prefix=a/${query}`)).text();
    keys.push(
      ...[...text.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key.replaceAll('&amp;', '&')),
    );
    token = /<NextContinuationToken>(.*)<\/Next/.exec(text)?.[1]?.replaceAll('&amp;', '&');
  }
  t.same(keys, [...objects.keys()].sort());
  const answer = await fetch(`${endpoint}/bucket/${encodeURIComponent('a/17&')}`);
  t.equal(await answer.text(), '17');
  t.equal((await fetch(`${endpoint}/bucket/none`)).status, 404);
});
