/** `weir convert` over what no flow log should be: it says what and where, converts all the rest, and counts every line. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { asGzip, asParquet, asText } from '../flowlogs/support/carry.ts';
import { type GeneratedLog, generateLog } from '../flowlogs/support/generate.ts';
import { convertNaively, convertTextNaively, type NaiveCounts } from '../flowlogs/support/naive-converter.ts';
import { folderOf } from './flow-logs.ts';
import type { Test } from './peers.ts';
import { type WeirRun, weir } from './weir.ts';

const GOOD: GeneratedLog = generateLog({ seed: 60, lines: 200, version: 5 });
const GOOD_COUNTS = convertNaively(GOOD.fields, GOOD.lines).counts;

/** The totals at the end. */
interface Totals {
  readonly lines: number;
  readonly records: number;
  readonly nodata: number;
  readonly skipdata: number;
  readonly faults: number;
  readonly failedObjects?: number;
}

interface Outcome extends WeirRun {
  readonly totals: Totals;
}

/** Converts a folder of these files to JSON. */
async function convertFiles(
  t: Test,
  files: Readonly<Record<string, Uint8Array | string>>,
  ...args: string[]
): Promise<Outcome> {
  const folder = folderOf(t);
  for (const [name, octets] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), octets);
  }
  const run = await weir('convert', folder, '--json', ...args);
  const totals = run.log.find((line) => 'nodata' in line) as unknown as Totals;
  return { ...run, totals };
}

/** What the totals have to be: those of several logs. */
function sumOf(...all: NaiveCounts[]): Totals {
  const sum = (name: keyof NaiveCounts) => all.reduce((total, counts) => total + counts[name], 0);
  return {
    lines: sum('lines'),
    records: sum('records'),
    nodata: sum('nodata'),
    skipdata: sum('skipdata'),
    faults: sum('faults'),
  };
}

type Assertions = Test & Pick<typeof t, 'equal' | 'match' | 'notMatch' | 'ok'>;

/** The totals are these, a line of JSON for each record, and no stack trace. */
function expectTotals(t: Assertions, { totals, records, stderr }: Outcome, expected: Totals): void {
  t.match(totals, expected, 'the totals', { stderr });
  t.equal(records.length, expected.records, 'a record each');
  t.notMatch(stderr, /\n\s+at .*\.[jt]s:/, 'no stack trace');
}

/** An object of its own failed, is named, and nothing else did. */
function expectFailure(t: Assertions, { code, stderr, totals }: Outcome, object: string): void {
  t.equal(code, 1, 'and so has Weir');
  t.ok(stderr.includes(object), 'the object is named', { stderr });
  t.equal(totals.failedObjects, 1, 'one object failed');
}

t.test('an end of lines of CR LF, and no end of the last', async (t) => {
  const crlf = asText(GOOD, { lineEnd: '\r\n' });
  const endless = asText(GOOD, { finalEnd: false });
  const outcome = await convertFiles(t, { 'a.log': crlf, 'b.log': endless, 'c.log.gz': asGzip(endless, 5) });
  t.equal(outcome.code, 0, '', { stderr: outcome.stderr });
  expectTotals(t, outcome, sumOf(GOOD_COUNTS, GOOD_COUNTS, GOOD_COUNTS));
});

t.test('an empty object, and one of nothing but a header', async (t) => {
  const outcome = await convertFiles(t, {
    'a.log': '',
    'b.log.gz': asGzip(Buffer.alloc(0)),
    'c.log': asText({ ...GOOD, lines: [] }),
    'd.log': asText({ ...GOOD, lines: [] }, { finalEnd: false }),
    'e.log': asText(GOOD),
  });
  expectTotals(t, outcome, sumOf(GOOD_COUNTS));
  t.equal(outcome.code, 0, '', { stderr: outcome.stderr });
});

t.test(
  'a header that is none, and none at all: the default format is meant, and no line is lost in silence',
  async (t) => {
    const headless = asText(GOOD, { header: false });
    const plain = generateLog({ seed: 62, lines: 100, version: 2 });
    const outcome = await convertFiles(t, {
      'a.log': `hello world\n${headless}`,
      'b.log': headless,
      'c.log': asText(GOOD),
      'd.log': asText(plain, { header: false }),
    });
    const { counts } = convertNaively(plain.fields, plain.lines);
    const faulty = { ...GOOD_COUNTS, records: 0, nodata: 0, skipdata: 0 };
    const lines = GOOD.lines.length;
    expectTotals(
      t,
      outcome,
      sumOf(
        { ...faulty, lines: lines + 1, faults: lines + 1 },
        { ...faulty, lines, faults: lines },
        GOOD_COUNTS,
        counts,
      ),
    );
    t.match(outcome.stderr, /a\.log/, 'and where it began is said');
  },
);

t.test('a header that has a field twice', async (t) => {
  const twice = 'srcaddr dstaddr srcaddr start end\n10.0.0.1 10.0.0.2 10.0.0.3 1 2\n';
  const outcome = await convertFiles(t, { 'a.log': twice, 'b.log': asText(GOOD) });
  expectFailure(t, outcome, 'a.log');
  expectTotals(t, outcome, sumOf(GOOD_COUNTS));
});

t.test('lines of several formats in one group', async (t) => {
  const other = generateLog({ seed: 61, lines: 50, version: 2 });
  const mixed = {
    fields: GOOD.fields,
    lines: [...GOOD.lines.slice(0, 100), ...other.lines, ...GOOD.lines.slice(100)],
  };
  const outcome = await convertFiles(t, { 'a.log': asText(mixed) });
  const { counts } = convertTextNaively(asText(mixed).toString());
  t.equal(counts.faults, 50, 'the other lines are faulty');
  expectTotals(t, outcome, sumOf(counts));
  const shown = outcome.log.filter((line) => 'line' in line);
  t.equal(shown.length, 1, 'shown once', { shown });
  t.match(shown[0], { line: 102, object: /a\.log/ }, 'with its place');
});

t.test('a gzip that is cut short', async (t) => {
  const octets = asGzip(asText(GOOD));
  const outcome = await convertFiles(t, {
    'a.log.gz': octets.subarray(0, octets.length - 300),
    'b.log': asText(GOOD),
  });
  expectFailure(t, outcome, 'a.log.gz');
  const { lines, records, nodata, skipdata, faults } = outcome.totals;
  t.ok(lines > GOOD_COUNTS.lines, 'what came before the end counts');
  t.ok(lines < 2 * GOOD_COUNTS.lines);
  t.equal(lines, records + nodata + skipdata + faults, 'every line is one of four');
  t.equal(outcome.records.length, records);
  t.ok(faults <= 1, 'at most the line in the middle of which it ends');
});

t.test('what is no gzip, and a gzip that is damaged', async (t) => {
  const damaged = Buffer.from(asGzip(asText(GOOD)));
  damaged.fill(0xff, damaged.length / 2, damaged.length / 2 + 50);
  for (const [what, octets] of [
    ['no gzip', Buffer.from('flow logs')],
    ['damaged', damaged],
  ] as const) {
    const outcome = await convertFiles(t, { 'a.log.gz': octets, 'b.log': asText(GOOD) });
    if (what === 'damaged') expectFailure(t, outcome, 'a.log.gz');
    else t.equal(outcome.totals.faults, GOOD_COUNTS.faults + 1, 'plain text, whatever its name');
    t.ok(outcome.totals.records >= GOOD_COUNTS.records, `${what}: the other file`);
    t.notMatch(outcome.stderr, /\n\s+at .*\.[jt]s:/, 'no stack trace');
  }
});

t.test('Parquet, whole and cut short anywhere', async (t) => {
  const octets = asParquet(GOOD);
  const whole = await convertFiles(t, { 'a.parquet': octets });
  t.equal(whole.code, 0, '', { stderr: whole.stderr });
  expectTotals(t, whole, sumOf(GOOD_COUNTS));
  for (const length of [0, 3, 100, octets.length - 5]) {
    const outcome = await convertFiles(t, { 'a.parquet': octets.subarray(0, length), 'b.log': asText(GOOD) });
    if (length > 0) expectFailure(t, outcome, 'a.parquet');
    expectTotals(t, outcome, sumOf(GOOD_COUNTS));
  }
});

t.test('a line of 1 MB, with and without an end', async (t) => {
  const long = 'x'.repeat(1_000_000);
  const lines = [...GOOD.lines.slice(0, 100), long, ...GOOD.lines.slice(100), long];
  const log = { fields: GOOD.fields, lines };
  const outcome = await convertFiles(t, { 'a.log': asText(log, { finalEnd: false }) });
  expectTotals(
    t,
    outcome,
    sumOf({ ...GOOD_COUNTS, lines: GOOD_COUNTS.lines + 2, faults: GOOD_COUNTS.faults + 2 }),
  );
  t.ok(outcome.stderr.length < 20_000, 'it is not shown whole');
});

t.test('a field of 1 MB, and a line of a million fields', async (t) => {
  const [first = '', ...rest] = GOOD.lines;
  const wide = first.replace(/^5 \S+/, `5 ${'9'.repeat(1_000_000)}`);
  const many = 'x '.repeat(1_000_000);
  const outcome = await convertFiles(t, {
    'a.log': asText({ fields: GOOD.fields, lines: [wide, many, ...rest] }),
  });
  const { lines, records, nodata, skipdata, faults } = outcome.totals;
  t.equal(lines, GOOD.lines.length + 1);
  t.equal(lines, records + nodata + skipdata + faults, 'every line is one of four');
  t.equal(outcome.records.length, records);
  t.ok(faults >= 1 && faults <= 2);
});

t.test('control characters, a NUL and octets that are no UTF-8 do nothing to a terminal', async (t) => {
  const evil = GOOD.lines[0]!.replace(/^5 \S+/, '5 \x1b[31mred\x07');
  const outcome = await convertFiles(t, {
    'a.log': Buffer.concat([asText(GOOD), Buffer.from(`${evil}\n`), Buffer.from([0, 0xff, 0xfe, 0x0a])]),
  });
  const { lines, records, nodata, skipdata, faults } = outcome.totals;
  t.equal(lines, GOOD.lines.length + 2);
  t.equal(lines, records + nodata + skipdata + faults);
  const isRaw = (text: string) => /\p{Cc}/u.test(text.replaceAll('\n', ''));
  t.notOk(isRaw(outcome.stderr), 'nothing raw in the log');
  t.notOk(isRaw(outcome.stdout), 'nor in the records');
});

t.test('a source that is not there', async (t) => {
  const run = await weir('convert', join(folderOf(t), 'nothing-here.log'), '--json');
  t.equal(run.code, 1);
  t.match(run.stderr, /nothing-here\.log/);
  t.notMatch(run.stderr, /\n\s+at .*\.[jt]s:/, 'no stack trace');
});
