/**
 * The converter beside the naive one (support/naive-converter.ts): for random logs, in every form and cut anywhere, the
 * counts and the records are the same.
 */

import t from 'tap';
import { localOutlet } from '../../src/cli/local-collector.ts';
import { recordToJson } from '../../src/collect/json.ts';
import { registerElements } from '../../src/export/elements.ts';
import type { ConverterOptions } from '../../src/flowlogs/convert-options.ts';
import { Converter } from '../../src/flowlogs/converter.ts';
import { flowLogElements } from '../../src/flowlogs/flow-log-layout.ts';
import type { LogObject } from '../../src/flowlogs/log-object.ts';
import { Random } from '../fuzz/random.ts';
import { differences } from '../interop/compare.ts';
import { told, verdict } from '../interop/flow-logs.ts';
import { asParquet, asText } from './support/carry.ts';
import { INT32_FIELDS, INT64_FIELDS } from './support/fields.ts';
import { type GeneratedLog, generateLog } from './support/generate.ts';
import { MemoryInterfaceMap, MemorySource, parquetObject, textObject } from './support/memory-source.ts';
import {
  convertNaively,
  hexOfAddress,
  isToldBeside,
  KEEP_ALL,
  type NaiveCounts,
  type NaiveOptions,
  type NaiveRecord,
} from './support/naive-converter.ts';

/** IANA's, for documentation (RFC 5612). */
const ENTERPRISE = 32_473;
registerElements(flowLogElements(ENTERPRISE));

type Json = Readonly<Record<string, string | number | undefined>>;

interface Result {
  readonly counts: NaiveCounts;
  readonly json: Json[];
  readonly numbers: ReadonlyMap<string, number>;
  readonly source: MemorySource;
  readonly errors: string[];
  readonly faultsShown: string[];
}

async function convert(
  objects: readonly LogObject[],
  options: NaiveOptions = KEEP_ALL,
  more: Partial<ConverterOptions> = {},
): Promise<Result> {
  const json: Json[] = [];
  const sink = {
    record: (record: Parameters<typeof recordToJson>[0]) => {
      json.push(JSON.parse(recordToJson(record)) as Json);
    },
    written: () => undefined,
  };
  const interfaceMap = new MemoryInterfaceMap();
  const source = new MemorySource(objects);
  const errors: string[] = [];
  const faultsShown: string[] = [];
  const converter = new Converter({
    sources: [source],
    outlets: [localOutlet(sink, 1)],
    ...options,
    format: undefined,
    interfaceMap,
    recordsPerSecond: 0,
    enterpriseNumber: ENTERPRISE,
    clocks: { unix: Date.now, monotonic: () => performance.now() },
    onNotice: () => undefined,
    onFault: ({ kind }) => faultsShown.push(kind),
    onLongWay: ({ message }) => errors.push(message),
    onWrongFormat: () => {},
    onObjectError: (object, error) => errors.push(`${object}: ${error.message}`),
    ...more,
  });
  await converter.start();
  await converter.finished;
  await converter.stop(10_000);
  const { lines, records, nodata, skipdata, faults, droppedRejects, droppedVantage } = converter.counts;
  const counts = {
    lines,
    records,
    nodata,
    skipdata,
    faults: [...faults.values()].reduce((sum, count) => sum + count, 0),
    droppedRejects,
    droppedVantage,
  };
  return { counts, json, numbers: interfaceMap.numbers, source, errors, faultsShown };
}

/** What the mapping gives an element of IANA's, or needs no telling. */
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

/** A record as the naive converter would have it told, by the names of the log's fields where there is no element of IANA's. */
function expected(record: NaiveRecord, fields: readonly string[], numbers: ReadonlyMap<string, number>) {
  const others = fields
    .filter((field) => !MAPPED.has(field) || isToldBeside(field, fields))
    .map((field) => [field, record.said.get(field) ?? (NUMBERS.has(field) ? '0' : '')]);
  return {
    ...told(record, numbers),
    tcpFlags: record.tcpFlags,
    ...verdict(record),
    vpc: record.said.get('vpc-id') ?? '',
    direction: record.direction ?? '',
    ...Object.fromEntries(others),
  };
}

function seen(json: Json, fields: readonly string[]): ReturnType<typeof expected> {
  const text = (name: string) => json[name] ?? '';
  const number = (name: string, otherwise = 0) => Number(json[name] ?? otherwise);
  const others = fields
    .filter((field) => !MAPPED.has(field) || isToldBeside(field, fields))
    .map((field) => [field, `${json[field] ?? unnamed(json) ?? 'missing'}`]);
  return {
    source: hexOfAddress(`${text('sourceIPv4Address')}${text('sourceIPv6Address')}`) ?? '',
    destination: hexOfAddress(`${text('destinationIPv4Address')}${text('destinationIPv6Address')}`) ?? '',
    sourcePort: number('sourceTransportPort'),
    destinationPort: number('destinationTransportPort'),
    protocol: number('protocolIdentifier'),
    tcpFlags: number('tcpControlBits'),
    packets: `${text('packetDeltaCount')}`,
    octets: `${text('octetDeltaCount')}`,
    startMilliseconds: number('flowStartMilliseconds'),
    endMilliseconds: number('flowEndMilliseconds'),
    input: number('ingressInterface'),
    output: number('egressInterface'),
    forwardingStatus: number('forwardingStatus'),
    firewallEvent: number('firewallEvent'),
    vpc: `${text('VRFname')}`,
    direction: ['ingress', 'egress'][number('flowDirection', 255)] ?? '',
    ...Object.fromEntries(others),
  };
}

/** A field that nobody knew has only a number: at most one in these logs. */
function unnamed(json: Json): string | number | undefined {
  return Object.entries(json).find(([name]) => /^enterprise32473\.element\d{4,}$/.test(name))?.[1];
}

/** What differs between the converter and the naive one. */
function check(log: GeneratedLog, result: Result, options: NaiveOptions = KEEP_ALL) {
  const naive = convertNaively(log.fields, log.lines, options);
  return {
    counts: differences([result.counts], [naive.counts]),
    records: differences(
      result.json.map((json) => seen(json, log.fields)),
      naive.records.map((record) => expected(record, log.fields, result.numbers)),
    ),
    errors: result.errors,
  };
}

const NO_DIFFERENCE = { counts: [], records: [], errors: [] };
const VERSIONS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const SEEDS = 25;

for (const version of VERSIONS) {
  t.test(`text of version ${version}, cut anywhere`, async (t) => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const random = new Random(1000 * version + seed);
      const log = generateLog({
        seed: 1000 * version + seed,
        lines: random.pick([0, 1, 2, 50, 300]),
        version,
        shuffled: !random.oneIn(3),
        faultyPercent: random.pick([0, 5, 50]),
      });
      const hasHeader = random.oneIn(2);
      const octets = asText(log, {
        header: hasHeader,
        lineEnd: random.pick(['\n', '\r\n']),
        finalEnd: random.oneIn(2),
      });
      const object = { name: 'log', octets, ...(hasHeader ? {} : { fields: log.fields }) };
      const options: NaiveOptions = {
        rejects: random.pick(['keep', 'drop', 'only']),
        vantage: random.pick(['both', 'both', 'ingress', 'egress']),
      };
      const result = await convert([textObject(random, object)], options);
      const found = check(log, result, options);
      t.same(found, NO_DIFFERENCE, `seed ${seed}: ${log.lines.length} lines`, { options, hasHeader });
      if (JSON.stringify(found) !== JSON.stringify(NO_DIFFERENCE)) return;
    }
  });
}

t.test('Parquet says what the text says', async (t) => {
  for (const version of VERSIONS) {
    for (let seed = 0; seed < SEEDS / 10; seed++) {
      const random = new Random(2000 * version + seed);
      const log = generateLog({ seed: 2000 * version + seed, lines: 300, version, shuffled: true });
      const octets = asParquet(log, {
        separator: random.pick(['-', '_']),
        absent: random.pick([null, '-']),
        rowGroupRows: random.pick([7, 100, 1000]),
        codec: random.pick(['SNAPPY', 'UNCOMPRESSED']),
      });
      const result = await convert([parquetObject('flows.parquet', octets)]);
      t.same(check(log, result), NO_DIFFERENCE, `version ${version}, seed ${seed}`);
    }
  }
});

t.test('formats that leave fields out', async (t) => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const random = new Random(3000 + seed);
    const all = [
      'srcaddr',
      'pkt-srcaddr',
      'dstaddr',
      'pkt-dstaddr',
      'bytes',
      'packets',
      'start',
      'end',
      'action',
    ];
    const fields = [...all, 'interface-id', 'flow-direction', 'protocol', 'srcport', 'tcp-flags', 'type']
      .filter((field) => field === 'start' || !random.oneIn(3))
      .concat('log-status');
    const log = generateLog({ seed: 3000 + seed, lines: 60, version: 5, fields });
    const result = await convert([textObject(random, { name: 'log', octets: asText(log) })]);
    t.same(check(log, result), NO_DIFFERENCE, `seed ${seed}: ${fields.join(' ')}`);
  }
});

t.test('objects of different formats, one after the other', async (t) => {
  const random = new Random(5);
  const logs = VERSIONS.map((version) =>
    generateLog({ seed: 300 + version, lines: 100, version, shuffled: true, faultyPercent: 3 }),
  );
  const objects = logs.map((log, i) => textObject(random, { name: `log ${i}`, octets: asText(log) }));
  const result = await convert(objects);
  const naive = logs.map((log) => convertNaively(log.fields, log.lines));
  const sum = (name: keyof NaiveCounts) => naive.reduce((total, { counts }) => total + counts[name], 0);
  t.equal(result.counts.lines, 1000);
  for (const name of ['records', 'nodata', 'skipdata', 'faults'] as const) {
    t.equal(result.counts[name], sum(name), name);
  }
  const all = naive.flatMap(({ records }) => records).map((record) => expected(record, [], result.numbers));
  t.same(
    differences(
      result.json.map((json) => seen(json, [])),
      all,
    ),
    [],
  );
  t.same(
    result.source.done,
    objects.map(({ name }) => name),
  );
});

t.test('what came before an object broke off counts', async (t) => {
  const random = new Random(6);
  const log = generateLog({ seed: 400, lines: 100, version: 5 });
  const octets = asText(log);
  const cut = octets.indexOf('\n', octets.length / 2) + 1;
  const fails = new Error('unexpected end of file');
  const objects = [
    textObject(random, { name: 'broken', octets: octets.subarray(0, cut), fails }),
    textObject(random, { name: 'whole', octets }),
  ];
  const result = await convert(objects);
  const whole = convertNaively(log.fields, log.lines).counts;
  const lines = octets.subarray(0, cut).toString().split('\n').length - 2;
  const before = convertNaively(log.fields, log.lines.slice(0, lines)).counts;
  t.equal(result.counts.lines, whole.lines + before.lines);
  t.equal(result.counts.records, whole.records + before.records);
  t.equal(result.json.length, whole.records + before.records);
  t.match(result.errors, ['broken: unexpected end of file']);
  t.same(result.source.done, ['whole']);
  t.same([...result.source.failures.keys()], ['broken']);
});

t.test('a fault is shown once a kind', async (t) => {
  const random = new Random(7);
  const log = generateLog({ seed: 500, lines: 2000, version: 5, faultyPercent: 60 });
  const result = await convert([textObject(random, { name: 'log', octets: asText(log) })]);
  t.ok(result.counts.faults > 1000);
  t.ok(result.faultsShown.length > 4, `kinds: ${result.faultsShown.join(' ')}`);
  t.equal(new Set(result.faultsShown).size, result.faultsShown.length);
});
