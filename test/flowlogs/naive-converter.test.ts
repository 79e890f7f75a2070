/** The oracle itself: AWS's own examples, and what the generator promises of its logs. */

import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { asCloudWatchEnvelope, asGzip, asParquet, asText } from './support/carry.ts';
import { TRANSIT_GATEWAY_FIELDS, VERSION_2, vpcFields } from './support/fields.ts';
import { generateLog } from './support/generate.ts';
import { convertNaively, convertTextNaively, hexOfAddress } from './support/naive-converter.ts';

// https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-records-examples.html
t.test("AWS's examples", async (t) => {
  const { records, counts } = convertNaively(VERSION_2, [
    '2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK',
    '2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK',
    '2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA',
    '2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA',
    '2 123456789010 eni-1235b8ca123456789 2001:db8:1234:a100:8d6e:3477:df66:f105 2001:db8:1234:a102:3304:8879:34cf:4071 34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK',
    '2 123456789010 eni-1235b8ca123456789 203.0.113.12 172.31.16.139 0 0 1 4 336 1432917027 1432917142 ACCEPT',
  ]);
  t.match(counts, { lines: 6, records: 3, nodata: 1, skipdata: 1, faults: 1 });
  t.match(records[0], {
    source: 'ac1f108b',
    destination: 'ac1f1015',
    sourcePort: 20_641,
    destinationPort: 22,
    protocol: 6,
    packets: 20n,
    octets: 4249n,
    startMilliseconds: 1_418_530_010_000,
    endMilliseconds: 1_418_530_070_000,
    interfaceId: 'eni-1235b8ca123456789',
    action: 'ACCEPT',
  });
  t.equal(records[2]?.source, '20010db81234a1008d6e3477df66f105');
});

t.test('the real ends go before those of the interface', async (t) => {
  const header = 'instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr start end';
  const text = [
    header,
    '- eni-1235b8ca123456789 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5 1 2',
    'i-01234567890123456 eni-1111aaaa2222bbbb3 10.0.1.5 203.0.113.5 - - 1 2',
  ].join('\n');
  const { records } = convertTextNaively(text);
  t.same(
    records.map(({ source, destination }) => [source, destination]),
    [
      ['0a000105', 'cb007105'],
      ['0a000105', 'cb007105'],
    ],
  );
});

t.test('addresses', async (t) => {
  for (const [text, hex] of [
    ['0.0.0.0', '00000000'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['1::', `0001${'0'.repeat(28)}`],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::2:3:4:5:6:7:8', '00000002000300040005000600070008'],
    ['2001:DB8::1', '20010db8000000000000000000000001'],
    ['::ffff:10.1.2.3', '00000000000000000000ffff0a010203'],
  ] as const) {
    t.equal(hexOfAddress(text), hex, text);
  }
  const none = [
    '',
    '1',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4.5',
    '1.2.3.4x',
    '01234.1.1.1',
    ':',
    ':::',
    '1:2',
    '1::2::3',
  ];
  const alsoNone = [
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    'g::',
    '12345::',
    '::1%eth0',
    '::1.2.3',
    '1.2.3.4::',
    '1:',
  ];
  for (const text of [...none, ...alsoNone]) t.equal(hexOfAddress(text), undefined, text);
});

t.test('a generated log', async (t) => {
  for (const version of [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) {
    const shape = { seed: version, lines: 500, version, shuffled: false };
    const log = generateLog(shape);
    t.same(generateLog(shape), log, 'is the same for the same seed');
    t.notSame(generateLog({ ...shape, seed: 99 }).lines, log.lines);
    t.same(log.fields, version === 6 ? TRANSIT_GATEWAY_FIELDS : vpcFields(version));
    const { records, counts } = convertNaively(log.fields, log.lines);
    t.match(counts, { lines: 500, faults: 0 }, 'has no fault that nobody asked for');
    t.ok(counts.nodata > 0 && counts.skipdata > 0 && counts.records > 400);
    t.ok(records.some(({ octets }) => octets > 2n ** 32n));
    for (const field of log.fields.slice(1)) {
      const values = new Set(records.map(({ said }) => said.get(field)));
      const isConstant = ['log-status', 'resource-type', 'region', 'next-hop-interface-type'].includes(field);
      const isRare = field.startsWith('ecs-') || /^(account|.*vpc|.*interface)-id$/.test(field);
      t.ok(isConstant || isRare || values.size > 1, `${field} takes several values`);
    }
    const faulty = generateLog({ ...shape, faultyPercent: 100 });
    t.equal(
      convertNaively(faulty.fields, faulty.lines).counts.faults,
      500,
      'or is wrong through and through',
    );
  }
});

t.test('the forms of a log', async (t) => {
  const log = generateLog({ seed: 1, lines: 20, version: 5 });
  const text = asText(log);
  t.equal(convertTextNaively(text.toString()).counts.lines, 20);
  t.ok(gunzipSync(asGzip(text, 7)).equals(text), 'gzip of seven members');
  t.ok(gunzipSync(asGzip(Buffer.alloc(0))).equals(Buffer.alloc(0)), 'gzip of nothing');
  const envelope = JSON.parse(gunzipSync(asCloudWatchEnvelope(log)).toString()) as {
    logEvents: { message: string }[];
  };
  t.same(
    envelope.logEvents.map(({ message }) => message),
    log.lines,
  );
  const { parquetReadObjects } = await import('hyparquet');
  const rows = await parquetReadObjects({ file: asParquet(log).slice().buffer });
  t.equal(rows.length, 20);
  const { start, version, interface_id } = rows[0] as Record<'start' | 'version' | 'interface_id', unknown>;
  t.same([typeof start, typeof version, typeof interface_id], ['bigint', 'number', 'string']);
});
