/** tshark's dissector: converted flow logs are well formed, and it reads in them what the naive converter says. */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { fieldOf, unknownField } from '../../src/flowlogs/fields.ts';
import { INT32_FIELDS, INT64_FIELDS } from '../flowlogs/support/fields.ts';
import { generateLog } from '../flowlogs/support/generate.ts';
import { convertNaively, hexOfAddress, type NaiveRecord } from '../flowlogs/support/naive-converter.ts';
import { differences } from './compare.ts';
import { asCapture, CAPTURED_PORT, DatagramKeeper } from './datagrams.ts';
import { addUp, convertLog, folderOf, type Told, told, verdict } from './flow-logs.ts';
import { missing, type Test } from './peers.ts';

const run = promisify(execFile);
const OPTIONS = { skip: missing({ tshark: 'tshark' }), timeout: 60_000 };
/** IANA's, for documentation (RFC 5612). */
const ENTERPRISE = 32_473;
/** Octets of an unknown field that tshark shows. */
const SHOWN_OCTETS = 24;

/** One line of the dissection below a record's own, by the name that tshark gives it. */
type Dissected = ReadonlyMap<string, string>;

interface Dissection {
  readonly text: string;
  readonly records: readonly Dissected[];
}

async function dissect(t: Test, datagrams: readonly Buffer[]): Promise<Dissection> {
  const path = join(folderOf(t), 'datagrams.pcap');
  writeFileSync(path, asCapture(datagrams));
  const { stdout: text } = await run(
    'tshark',
    ['-r', path, '-d', `udp.port==${CAPTURED_PORT},cflow`, '-O', 'cflow', '-V'],
    { maxBuffer: 512 * 1024 * 1024, env: { ...process.env, TZ: 'UTC' }, timeout: 50_000 },
  );
  const records: Map<string, string>[] = [];
  let boot = 0;
  let uptime = 0;
  for (const line of text.split('\n')) {
    const [, name = '', value = ''] = /^ +(?:[01.]{4} [01.]{4} = )?\[?([^:]+): (.*)$/.exec(line) ?? [];
    if (/^ *(Flow \d+|pdu \d+\/\d+)$/.test(line)) records.push(new Map([['boot', `${boot}`]]));
    else if (name === 'SysUptime') uptime = Math.round(Number.parseFloat(value) * 1000);
    else if (name === 'Timestamp') boot = millisecondsOf(value) - uptime;
    else if (name === 'Enterprise Private entry') {
      const [, id = '', octets = ''] = /Type (\d+): Value \(hex bytes\): ([0-9a-f ]+)/.exec(value) ?? [];
      records.at(-1)?.set(`type ${id}`, octets.replaceAll(' ', ''));
    } else if (name !== '' && !records.at(-1)?.has(name)) records.at(-1)?.set(name, value);
  }
  return { text, records: records.filter((record) => record.has('SrcAddr')) };
}

/** `Nov 14, 2023 22:13:20.886000000 UTC`, or seconds since boot. */
function millisecondsOf(text: string, bootMilliseconds = 0): number {
  const [, before, fraction = '0', after] = /^(.*)\.(\d+)(.*)$/.exec(text) ?? [];
  if (after?.trim() === 'seconds') return bootMilliseconds + Math.round(Number.parseFloat(text) * 1000);
  return Date.parse(`${before}${after}`) + Math.round(Number(`0.${fraction}`) * 1000);
}

/** `6`, `0x0014, ACK, RST`, `TCP (6)`: the number in it. */
function numberOf(text = ''): number {
  return Number(/\((\d+)\)$/.exec(text)?.[1] ?? Number.parseInt(text, text.startsWith('0x') ? 16 : 10));
}

function common(record: Dissected): Told {
  const boot = numberOf(record.get('boot'));
  return {
    source: hexOfAddress(record.get('SrcAddr') ?? '') ?? '',
    destination: hexOfAddress(record.get('DstAddr') ?? '') ?? '',
    sourcePort: numberOf(record.get('SrcPort')),
    destinationPort: numberOf(record.get('DstPort')),
    protocol: numberOf(record.get('Protocol')),
    tcpFlags: numberOf(record.get('TCP Flags')),
    packets: record.get('Packets') ?? '',
    octets: record.get('Octets') ?? '',
    startMilliseconds: millisecondsOf(record.get('StartTime') ?? '', boot),
    endMilliseconds: millisecondsOf(record.get('EndTime') ?? '', boot),
    input: numberOf(record.get('InputInt')),
    output: numberOf(record.get('OutputInt')),
  };
}

/** What v9 and IPFIX have beside. */
function withVerdict(record: Dissected) {
  const code = [...record].find(([name]) => /^ForwardingStatus\w+Code$/.test(name))?.[1];
  return {
    ...common(record),
    forwardingStatus: numberOf(record.get('ForwardingStatus')) * 64 + numberOf(code ?? '(0)'),
    firewallEvent: numberOf(record.get('Firewall Event')),
    direction: (record.get('Direction') ?? '').replace(/ .*/, '').toLowerCase().replace('unknown', ''),
  };
}

function expectedWithVerdict(record: NaiveRecord, numbers: ReadonlyMap<string, number>) {
  return { ...told(record, numbers), ...verdict(record), direction: record.direction ?? '' };
}

const MAPPED = new Set([
  ...[
    'srcaddr',
    'dstaddr',
    'pkt-srcaddr',
    'pkt-dstaddr',
    'srcport',
    'dstport',
    'protocol',
    'packets',
    'bytes',
  ],
  ...['start', 'end', 'tcp-flags', 'flow-direction', 'action', 'vpc-id', 'log-status'],
]);
const NUMBERS = new Set([...INT32_FIELDS, ...INT64_FIELDS]);

/** What only IPFIX carries: the VPC, and every other field, as hexadecimal digits. */
function withStrings(record: Dissected, fields: readonly string[]) {
  const others = othersOf(fields).map(([field, id]) => {
    const octets = record.get(`type ${id}`) ?? '';
    return [field, NUMBERS.has(field) ? `${Number.parseInt(octets, 16)}` : octets];
  });
  return { ...withVerdict(record), vpc: record.get('VRFname') ?? '', ...Object.fromEntries(others) };
}

function expectedWithStrings(
  record: NaiveRecord,
  fields: readonly string[],
  numbers: ReadonlyMap<string, number>,
): ReturnType<typeof withStrings> {
  const others = othersOf(fields).map(([field]) => {
    const said = record.said.get(field);
    const shown = Buffer.from(said ?? '').subarray(0, SHOWN_OCTETS);
    return [field, NUMBERS.has(field) ? (said ?? '0') : shown.toString('hex')];
  });
  const vpc = record.said.get('vpc-id') ?? '';
  return { ...expectedWithVerdict(record, numbers), vpc, ...Object.fromEntries(others) };
}

/** Fields under the enterprise number, and their elements. */
function othersOf(fields: readonly string[]): [string, number][] {
  return fields
    .filter((field) => !MAPPED.has(field))
    .map((field) => [field, (fieldOf(field) ?? unknownField(field, new Set())).element]);
}

const WRONG = /malformed|unknown field|type: unknown|unknown\(|no template|expert info \((warn|err)/i;

/** Whether each datagram's sequence number is what came before it, by whose it is. */
function gaps(datagrams: readonly Buffer[]): string[] {
  const next = new Map<number, number>();
  return datagrams.flatMap((datagram) => {
    const isV5 = datagram.readUInt16BE(0) === 5;
    const whose = isV5 ? datagram.readUInt16BE(20) : datagram.readUInt32BE(16);
    const sequence = datagram.readUInt32BE(isV5 ? 16 : 12);
    const wanted = next.get(whose) ?? 0;
    next.set(whose, sequence + (isV5 ? datagram.readUInt16BE(2) : 1)); // v9 counts datagrams
    return sequence === wanted ? [] : [`${whose}: ${sequence} instead of ${wanted}`];
  });
}

async function datagramsOf(
  t: Test & Pick<typeof import('tap').t, 'equal'>,
  scheme: string,
  seed: number,
  ...args: string[]
) {
  const log = generateLog({ seed, lines: 600, version: 11, shuffled: true, faultyPercent: 3 });
  const { records } = convertNaively(log.fields, log.lines);
  const keeper = await DatagramKeeper.start(t);
  const query = scheme === 'netflow5' ? '' : '?template-refresh=20';
  const url = `${scheme}://127.0.0.1:${keeper.port}${query}`;
  const { code, stderr, numbers } = await convertLog(t, log, '-c', url, ...args);
  t.equal(code, 0, 'weir convert ends well', { stderr });
  await keeper.quiet();
  return { datagrams: keeper.datagrams, records, numbers, fields: log.fields };
}

t.test('v5', OPTIONS, async (t) => {
  const { datagrams, records, numbers } = await datagramsOf(t, 'netflow5', 40);
  const { text, records: dissected } = await dissect(t, datagrams);
  const expected = records
    .filter(({ ipVersion }) => ipVersion === 4)
    .map((record) => ({ ...told(record, numbers), tcpFlags: record.tcpFlags & 0xff }));
  t.same(wrongLines(text), [], 'nothing is wrong');
  t.same(differences(addUp(dissected.map(common)), addUp(expected)), [], 'the records');
  t.same(gaps(datagrams), [], 'sequences without gaps');
});

t.test('v9', OPTIONS, async (t) => {
  const { datagrams, records, numbers } = await datagramsOf(t, 'netflow9', 41);
  const { text, records: dissected } = await dissect(t, datagrams);
  t.same(wrongLines(text), [], 'nothing is wrong');
  t.match(text, /IfName: eni-/, 'names of interfaces');
  const expected = records.map((record) => expectedWithVerdict(record, numbers));
  t.same(differences(dissected.map(withVerdict), expected), [], 'the records');
  t.same(gaps(datagrams), [], 'sequences without gaps');
});

t.test('IPFIX, with the fields that IANA has no element for', OPTIONS, async (t) => {
  const enterprise = ['--enterprise-number', `${ENTERPRISE}`];
  const { datagrams, records, numbers, fields } = await datagramsOf(t, 'ipfix', 42, ...enterprise);
  const { text, records: dissected } = await dissect(t, datagrams);
  t.same(wrongLines(text), [], 'nothing is wrong'); // an unexpected sequence among it
  t.match(text, /IfName: eni-/, 'names of interfaces');
  const expected = records.map((record) => expectedWithStrings(record, fields, numbers));
  t.same(
    differences(
      dissected.map((record) => withStrings(record, fields)),
      expected,
    ),
    [],
    'the records',
  );
});

t.test('IPFIX without an enterprise number has only what IANA has', OPTIONS, async (t) => {
  const { datagrams, records, numbers } = await datagramsOf(t, 'ipfix', 43);
  const { text, records: dissected } = await dissect(t, datagrams);
  t.same(wrongLines(text), [], 'nothing is wrong');
  t.notMatch(text, /Enterprise Private entry/);
  const expected = records.map((record) => expectedWithVerdict(record, numbers));
  t.same(differences(dissected.map(withVerdict), expected), [], 'the records');
});

function wrongLines(text: string): string[] {
  return text.split('\n').filter((line) => WRONG.test(line));
}
