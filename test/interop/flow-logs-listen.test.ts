/** `weir listen --json` prints for a record the line that `weir convert --json` prints for it. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { asGzip, asText } from '../flowlogs/support/carry.ts';
import { generateLog } from '../flowlogs/support/generate.ts';
import { differences } from './compare.ts';
import { folderOf } from './flow-logs.ts';
import { Peer, type Test } from './peers.ts';
import { jsonLines, WEIR, weir } from './weir.ts';

interface Listener {
  readonly peer: Peer;
  readonly port: number;
}

async function startListener(t: Test): Promise<Listener> {
  const peer = new Peer(process.execPath, [WEIR, 'listen', '127.0.0.1:0', '--json']);
  t.teardown(() => peer.end('SIGKILL'));
  await peer.until('it listened', () => peer.stderr.includes('listening on '));
  const lines = jsonLines<{ port?: number }>(peer.stderr);
  return { peer, port: lines.find(({ port }) => port !== undefined)?.port ?? 0 };
}

/** The lines that it printed, when there are so many, and it has ended well. */
async function linesOf({ peer }: Listener, count: number): Promise<string[]> {
  const lines = () => peer.stdout.split('\n').slice(0, -1);
  await peer.until(`it printed ${count} lines`, () => lines().length >= count);
  await peer.end('SIGTERM');
  const received = jsonLines<{ msg: string }>(peer.stderr).find(({ msg }) => msg.startsWith('received '));
  const nothing = { missingTemplate: 0, lostRecords: 0, lateMessages: 0, malformed: {}, oddities: {} };
  t.match(received, nothing, 'it misses nothing');
  return lines();
}

/** Numbers among the fields that IANA has no element for, and their octets. */
const NUMBERS = new Map([
  ['version', 1],
  ['traffic-path', 1],
]);

/** A line's values. Who listens knows neither names nor types of the enterprise's elements: it says their octets. */
function values(line: string): string[] {
  return Object.entries(JSON.parse(line) as Record<string, string | number>).map(([name, value]) => {
    const octets = NUMBERS.get(name);
    if (octets !== undefined) return value.toString(16).padStart(2 * octets, '0');
    const isOfLog = /-/.test(name) || ['type', 'region', 'x'].includes(name);
    return isOfLog ? Buffer.from(`${value}`).toString('hex') : `${value}`;
  });
}

for (const scheme of ['ipfix', 'ipfix+tcp']) {
  for (const enterprise of [[], ['--enterprise-number', '32473']]) {
    t.test([scheme, ...enterprise].join(' '), async (t) => {
      const path = join(folderOf(t), 'flows.log.gz');
      const log = generateLog({ seed: 70, lines: 1000, version: 11, shuffled: true, faultyPercent: 2 });
      writeFileSync(path, asGzip(asText(log), 3));
      const listener = await startListener(t);
      const url = `${scheme}://127.0.0.1:${listener.port}`;
      const { code, stdout, stderr } = await weir('convert', path, '--json', '-c', url, ...enterprise);
      t.equal(code, 0, 'weir convert ends well', { stderr });
      const expected = stdout.split('\n').slice(0, -1);
      t.ok(expected.length > 800, `${expected.length} records`);
      const lines = await linesOf(listener, expected.length);
      t.same(
        differences(
          lines.map((line) => values(line)),
          expected.map((line) => values(line)),
        ),
        [],
      );
      if (enterprise.length === 0) t.same(lines.sort(), expected.sort());
    });
  }
}
