/** nfcapd and nfdump: what they say of converted flow logs equals the naive converter, whatever the protocol. */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { asText } from '../flowlogs/support/carry.ts';
import { type GeneratedLog, generateLog } from '../flowlogs/support/generate.ts';
import {
  convertNaively,
  hexOfAddress,
  KEEP_ALL,
  type NaiveRecord,
} from '../flowlogs/support/naive-converter.ts';
import { differences } from './compare.ts';
import { addUp, convertLog, convertPath, folderOf, type Told, told } from './flow-logs.ts';
import { missing, startCollector, type Test, type UdpPeer } from './peers.ts';

const run = promisify(execFile);
const OPTIONS = { skip: missing({ nfcapd: 'nfdump', nfdump: 'nfdump' }), timeout: 60_000 };

interface Nfcapd {
  readonly peer: UdpPeer;
  readonly folder: string;
}

type Fields = ReadonlyMap<string, string>;

async function startNfcapd(t: Test): Promise<Nfcapd> {
  const folder = folderOf(t);
  const args = (port: number) => ['-w', folder, '-p', `${port}`, '-b', '127.0.0.1', '-B', '4000000'];
  return { peer: await startCollector(t, 'nfcapd', args, /Startup nfcapd/), folder };
}

/** Ends it and reads its files with nfdump: a paragraph of lines `name = value` a record. */
async function recordsOf({ peer, folder }: Nfcapd): Promise<Fields[]> {
  await peer.drained();
  await peer.end('SIGTERM');
  const { stdout } = await run('nfdump', ['-R', folder, '-q', '-o', 'raw'], { maxBuffer: 256 * 1024 * 1024 });
  return stdout
    .split('Flow Record:')
    .slice(1)
    .map((text) => {
      const lines = [...text.matchAll(/^ {2}(\S.*?) *= *(\S+)/gm)];
      return new Map(lines.map(([, name = '', value = '']) => [name, value]));
    });
}

/** What nfdump shows of a record. ICMP's type and code, which flow logs do not know, are 0. */
function shown(fields: Fields): Told {
  const number = (name: string) => Number(fields.get(name) ?? 0);
  return {
    source: hexOfAddress(fields.get('src addr') ?? '') ?? '',
    destination: hexOfAddress(fields.get('dst addr') ?? '') ?? '',
    sourcePort: number('src port'),
    destinationPort: number('dst port'),
    protocol: number('proto'),
    tcpFlags: number('tcp flags'),
    packets: fields.get('in packets') ?? '',
    octets: fields.get('in bytes') ?? '',
    startMilliseconds: number('first'),
    endMilliseconds: number('last'),
    input: number('input'),
    output: number('output'),
  };
}

/** nfcapd 1.7.1 knows the ports of TCP and UDP only, in IPFIX: it puts the ICMP type in the place of the destination's. */
function withoutOtherPorts(record: Told): Told {
  return [6, 17].includes(record.protocol) ? record : { ...record, destinationPort: 0 };
}

const isIpv4 = ({ ipVersion }: NaiveRecord) => ipVersion === 4;
const isReject = ({ action }: NaiveRecord) => action === 'REJECT';

t.test('v5, v9 and IPFIX: every record, exact sums, true times', OPTIONS, async (t) => {
  const log = generateLog({ seed: 1, lines: 3000, version: 5, faultyPercent: 5 });
  const { records, counts } = convertNaively(log.fields, log.lines);
  t.ok(counts.faults > 50 && counts.nodata > 50 && counts.skipdata > 30, 'the log has everything', {
    counts,
  });
  const [v5, v9, ipfix] = await Promise.all([startNfcapd(t), startNfcapd(t), startNfcapd(t)]);
  const to = (scheme: string, { peer }: Nfcapd) => ['-c', `${scheme}://127.0.0.1:${peer.port}`];
  const collectors = [...to('netflow5', v5), ...to('netflow9', v9), ...to('ipfix', ipfix)];
  const { code, stderr, numbers } = await convertLog(t, log, ...collectors);
  t.equal(code, 0, 'weir convert ends well', { stderr });
  const expected = records.map((record) => told(record, numbers));

  const ofV5 = (await recordsOf(v5)).map(shown);
  const expectedOfV5 = records.filter(isIpv4).map((record) => told(record, numbers));
  t.ok(ofV5.length > expectedOfV5.length, 'some records were split');
  t.same(differences(addUp(ofV5), addUp(expectedOfV5)), [], 'v5: the IPv4 records');
  t.match(stderr, /IPv4 only/, 'IPv6 is said');

  const fieldsOfV9 = await recordsOf(v9);
  t.same(differences(fieldsOfV9.map(shown), expected), [], 'v9');
  const fieldsOfIpfix = await recordsOf(ipfix);
  t.same(
    differences(fieldsOfIpfix.map(shown).map(withoutOtherPorts), expected.map(withoutOtherPorts)),
    [],
    'IPFIX',
  );
  // nfdump 1.7.1 shows the forwarding status of v9 only; IPFIX's is seen by tshark.
  const statuses = fieldsOfV9.map((fields) => Number(fields.get('fwd status') ?? 0));
  const count = (status: number) => statuses.filter((one) => one === status).length;
  t.equal(count(129), records.filter(isReject).length, 'v9: forwardingStatus 129 of the rejected');
  t.equal(count(64), records.length - count(129), 'v9: 64 of the others');
});

t.test('v5: the rejected have an engine ID of their own', OPTIONS, async (t) => {
  const log = generateLog({ seed: 2, lines: 1000, ipv4Only: true, smallCounters: true });
  const { records } = convertNaively(log.fields, log.lines);
  const v5 = await startNfcapd(t);
  const { code, stderr, numbers } = await convertLog(t, log, '-c', `netflow5://127.0.0.1:${v5.peer.port}`);
  t.equal(code, 0, 'weir convert ends well', { stderr });
  const all = await recordsOf(v5);
  const engine = (fields: Fields) => `${fields.get('engine type')} ${fields.get('engine ID')}`;
  const engines = [...new Set(all.map(engine))];
  t.equal(engines.length, 2, 'two engines', { engines });
  const ofEngine = (wanted: string | undefined) =>
    all.filter((fields) => engine(fields) === wanted).map(shown);
  const [accepted, rejected] = [false, true].map((reject) =>
    records.filter((record) => isReject(record) === reject).map((record) => told(record, numbers)),
  );
  const smaller = engines.sort((a, b) => ofEngine(a).length - ofEngine(b).length);
  t.same(differences(ofEngine(smaller[0]), rejected!), [], 'the rejected');
  t.same(differences(ofEngine(smaller[1]), accepted!), [], 'the accepted');
});

for (const rejects of ['drop', 'only'] as const) {
  for (const vantage of ['ingress', 'egress', 'both'] as const) {
    t.test(`--rejects ${rejects} --vantage ${vantage}`, OPTIONS, async (t) => {
      const log = generateLog({ seed: 3, lines: 600, version: 5, ipv4Only: true, smallCounters: true });
      const { records } = convertNaively(log.fields, log.lines, { ...KEEP_ALL, rejects, vantage });
      const v5 = await startNfcapd(t);
      const url = `netflow5://127.0.0.1:${v5.peer.port}`;
      const options = ['--rejects', rejects, '--vantage', vantage];
      const { code, stderr, numbers } = await convertLog(t, log, '-c', url, ...options);
      t.equal(code, 0, 'weir convert ends well', { stderr });
      const expected = records.map((record) => told(record, numbers));
      t.ok(expected.length > 20, `${expected.length} records`);
      t.same(differences((await recordsOf(v5)).map(shown), expected), []);
    });
  }
}

t.test('v5: logs of years in one run keep their times', OPTIONS, async (t) => {
  const logs = [2015, 2024, 2026].map((year, i) =>
    generateLog({
      seed: 10 + i,
      lines: 200,
      ipv4Only: true,
      smallCounters: true,
      startSeconds: Date.UTC(year, 5, 1) / 1000,
    }),
  );
  const log = { fields: logs[0]!.fields, lines: logs.flatMap(({ lines }) => lines) };
  const { records } = convertNaively(log.fields, log.lines);
  const v5 = await startNfcapd(t);
  const url = `netflow5://127.0.0.1:${v5.peer.port}`;
  const { code, stderr, numbers } = await convertLog(t, log, '-c', url);
  t.equal(code, 0, 'weir convert ends well', { stderr });
  const expected = records.map((record) => told(record, numbers));
  t.same(differences((await recordsOf(v5)).map(shown), expected), []);
});

t.test('interfaces keep their numbers in another run', OPTIONS, async (t) => {
  const first = generateLog({ seed: 20, lines: 300, ipv4Only: true });
  const second = generateLog({ seed: 21, lines: 300, ipv4Only: true });
  const folder = folderOf(t);
  const before = await convertInto(folder, first, 'first.log');
  // The second's interfaces come first this time.
  const both = { fields: first.fields, lines: [...second.lines, ...first.lines] };
  const after = await convertInto(folder, both, 'second.log');
  for (const [id, number] of before) t.equal(after.get(id), number, id);
  const numbers = [...after.values()];
  t.equal(new Set(numbers).size, numbers.length, 'no number twice');
  t.ok(
    numbers.every((number) => number > 0 && number < 65_536),
    'in 16 bits',
  );
  t.ok(after.size > before.size, 'and there are more now');
});

async function convertInto(
  folder: string,
  log: GeneratedLog,
  name: string,
): Promise<ReadonlyMap<string, number>> {
  const path = join(folder, name);
  writeFileSync(path, asText(log));
  return (await convertPath(folder, path, '--json')).numbers;
}
