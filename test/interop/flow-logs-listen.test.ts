/** `weir listen --json` prints for a record the line that `weir convert --json` prints for it. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { asGzip, asText } from '../flowlogs/support/carry.ts';
import { generateLog } from '../flowlogs/support/generate.ts';
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

/** A line without the fields that IANA has no element for: what an exporter without an enterprise number tells. */
function withoutOwn(line: string): string {
  const isOfLog = (name: string) =>
    name.includes('-') || ['version', 'type', 'region', 'srcaddr', 'dstaddr', 'x'].includes(name);
  return JSON.stringify(
    Object.fromEntries(Object.entries(JSON.parse(line) as object).filter(([name]) => !isOfLog(name))),
  );
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
      // With a number options data tells names and types (RFC 5610): line for line the same.
      t.same(lines, enterprise.length === 0 ? expected.map(withoutOwn) : expected);
    });
  }
}
