import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'tap';
import { CORPUS, corpusMissing } from '../support/corpus.ts';
import { hasProgram } from '../support/programs.ts';
import { CaptureFolder, type ReadRecord, readCapture } from '../support/read-capture.ts';

const run = promisify(execFile);

/** Fractions of more than a second: mergecap's own arithmetic on them wraps. pcap-parser.test.ts has them. */
const ODD_FRACTIONS = [
  'atm-oam-loopback-print-overrun.pcap',
  'rx_serviceid_oobr.pcap',
  'timestamp_invalid_micro.pcap',
  'timestamp_invalid_nano.pcap',
];
const LINKTYPE_SUNATM = 123;

const noTshark =
  hasProgram('tshark') && hasProgram('mergecap') ? false : 'tshark is not installed (apt-get install tshark)';

test('every file of the corpus is read to its end', { skip: corpusMissing }, async (t) => {
  const names = readdirSync(CORPUS);
  const failed: string[] = [];
  for (const name of names) {
    const { error } = await readCapture({ path: join(CORPUS, name) });
    if (error !== undefined) failed.push(error.message);
  }
  t.same(failed, []); // none of them is cut: the malformed ones are malformed within their packets
  t.ok(names.length > 800);
});

test('tshark agrees on every packet of the corpus', {
  skip: corpusMissing || noTshark,
  timeout: 100_000,
}, async (t) => {
  const merged = join(new CaptureFolder(t).path, 'merged.pcapng');
  const names = await merge(
    readdirSync(CORPUS).filter((name) => !ODD_FRACTIONS.includes(name)),
    merged,
  );
  t.ok(names.length > 750, `${names.length} files`);
  const fields = ['frame.len', 'frame.cap_len', 'frame.time_epoch', 'frame.interface_id'].flatMap((f) => [
    '-e',
    f,
  ]);
  const { stdout } = await run('tshark', ['-r', merged, '-T', 'fields', ...fields], {
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  const theirs = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
  t.ok(theirs.length > 8000, `${theirs.length} packets`);

  const ours: ReadRecord[] = [];
  for (const name of names) ours.push(...(await readCapture({ path: join(CORPUS, name) })).records);
  const fieldsOf = (r: ReadRecord) => {
    const pseudoHeader = r.linkType === LINKTYPE_SUNATM ? 4 : 0; // which tshark does not count
    return [
      `${r.wireLength - pseudoHeader}`,
      `${r.captured.length / 2 - pseudoHeader}`,
      `${r.seconds}.${`${r.nanoseconds}`.padStart(9, '0')}`,
    ];
  };
  t.same(
    ours.map(fieldsOf),
    theirs.map((line) => line.slice(0, 3)),
    'file by file',
  );

  const { records } = await readCapture({ path: merged });
  t.same(
    records.map((r) => [...fieldsOf(r), `${r.ingressInterface - 1}`]),
    theirs,
    'and from the one file of many interfaces that mergecap made of them',
  );
});

/** Concatenates the captures into one; leaves out those whose link type mergecap does not know. Returns the names taken. */
async function merge(all: readonly string[], into: string): Promise<string[]> {
  let names = [...all];
  for (;;) {
    try {
      await run('mergecap', ['-a', '-F', 'pcapng', '-w', into, ...names], { cwd: CORPUS, timeout: 60_000 });
      return names;
    } catch (error) {
      const unknown = /"([^"]+)" contains record data that mergecap doesn't support/.exec(String(error))?.[1];
      if (unknown === undefined || !names.includes(unknown)) throw error;
      names = names.filter((name) => name !== unknown);
    }
  }
}
