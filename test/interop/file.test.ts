/** `ipfix+file://`: what tshark and Weir's own decoder find in a file is what `weir read --json` prints. */

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { decodeStream } from '../support/ipfix-stream.ts';
import { hasProgram } from '../support/programs.ts';
import { sampleCapture } from './sample.ts';
import { jsonLines, weir } from './weir.ts';

const run = promisify(execFile);

interface Counts {
  readonly packetDeltaCount: number;
  readonly octetDeltaCount: number;
}

/** What tshark says of a file: packets and octets of each record, and whether anything is wrong with it. */
async function dissect(path: string): Promise<{ counts: string[]; wrong: string[] }> {
  const { stdout } = await run('tshark', ['-r', path, '-O', 'cflow', '-V'], {
    maxBuffer: 256 * 1024 * 1024,
    timeout: 50_000,
  });
  const lines = stdout.split('\n');
  const counts: string[] = [];
  let packets = '';
  let octets = '';
  for (const line of lines) {
    const [, name, value = ''] = /^ +(Packets|Octets): (\d+)/.exec(line) ?? [];
    if (name === 'Packets') packets = value;
    if (name === 'Octets') octets = value;
    if (packets === '' || octets === '') continue;
    counts.push(`${packets} ${octets}`);
    packets = octets = '';
  }
  const wrong = /malformed|type: unknown|no template|expert info \((warn|err)/i;
  return { counts, wrong: lines.filter((line) => wrong.test(line)) };
}

const countsOf = (records: readonly Counts[]) =>
  records.map(({ packetDeltaCount, octetDeltaCount }) => `${packetDeltaCount} ${octetDeltaCount}`);

t.test('a file, and the same in several', { timeout: 60_000 }, async (t) => {
  const capture = sampleCapture(t, { conversations: 500 });
  for (const [name, query, several] of [
    ['one file', '', false],
    ['rotated by size', '?rotate-octets=64K', true],
    ['rotated by time', '?rotate-seconds=60', true],
  ] as const) {
    await t.test(name, async (t) => {
      const folder = t.testdir({});
      const url = `ipfix+file://${folder}/flows.ipfix${query}`;
      const { code, stdout, log } = await weir('read', capture, '--json', '-c', url);
      t.equal(code, 0, 'weir read ends well', { log });
      const expected = stdout.split('\n').slice(0, -1);
      t.ok(expected.length > 1_000, `${expected.length} records`);
      const names = readdirSync(folder).sort();
      if (several) t.ok(names.length > 1, `${names.length} files`);
      else t.same(names, ['flows.ipfix']);

      const found: string[] = [];
      for (const name of names) {
        const path = join(folder, name);
        if (query.includes('octets')) t.ok(statSync(path).size <= 65_536);
        const { lines, ...faults } = decodeStream(readFileSync(path));
        t.match(faults, { lostRecords: 0, missingTemplate: 0, malformed: 0, rest: 0 });
        found.push(...lines);
        if (!hasProgram('tshark')) continue;
        const { counts, wrong } = await dissect(path);
        t.same(wrong, [], `${name}: tshark finds nothing wrong`);
        t.same(counts.sort(), countsOf(jsonLines(lines.join('\n'))).sort(), `${name}: and the same records`);
      }
      t.same(found.sort(), expected.sort());
    });
  }
});

t.test('a collector and a file share the flows of a group', { timeout: 60_000 }, async (t) => {
  const capture = sampleCapture(t, { conversations: 500 });
  const folder = t.testdir({});
  const urls = ['a', 'b'].map((name) => `ipfix+file://${folder}/${name}.ipfix?balance=both`);
  const all = `ipfix+file://${folder}/all.ipfix`;
  const { code, stdout, log } = await weir(
    'read',
    capture,
    '--json',
    ...[...urls, all].flatMap((url) => ['-c', url]),
  );
  t.equal(code, 0, 'weir read ends well', { log });
  const expected = stdout.split('\n').slice(0, -1).sort();
  const [a, b, whole] = ['a', 'b', 'all'].map((name) =>
    decodeStream(readFileSync(join(folder, `${name}.ipfix`))).lines.sort(),
  );
  t.same(whole, expected, 'one outside of the group gets everything');
  t.same([...a!, ...b!].sort(), expected, 'the members together get everything, once');
  t.ok(a!.length > 0.3 * expected.length && b!.length > 0.3 * expected.length, `${a!.length} + ${b!.length}`);
});

t.test('a file that exists ends Weir before it begins, and is left as it was', async (t) => {
  const capture = sampleCapture(t, { conversations: 500 });
  const folder = t.testdir({});
  for (const name of ['flows.ipfix', 'flows.ipfix.part']) {
    const path = join(folder, name);
    writeFileSync(path, 'mine');
    const { code, stderr } = await weir('read', capture, '-c', `ipfix+file://${folder}/flows.ipfix`);
    t.equal(code, 1);
    t.match(stderr, /flows.ipfix(.part)? exists, and Weir writes over no file/);
    t.equal(readFileSync(path, 'utf8'), 'mine');
  }
  const { code, stderr } = await weir('read', capture, '-c', 'ipfix+file:///no/such/folder/flows.ipfix');
  t.equal(code, 1);
  t.match(stderr, /there is no folder \/no\/such\/folder; make it/);
});
