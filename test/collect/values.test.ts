import fc from 'fast-check';
import t from 'tap';
import { ipv6Text } from '../../src/collect/address-text.ts';
import { recordToJson } from '../../src/collect/json.ts';
import { type DecodedRecord, fieldValue, type Value } from '../../src/collect/record.ts';
import { readerFor } from '../../src/collect/values.ts';
import type { ElementType } from '../../src/export/elements.ts';
import { ipfix, octets, RecordingDecoder } from './octets.ts';

const NOWHEN = { unixMilliseconds: 0, sysUptimeMilliseconds: 0 };

function read(type: ElementType | undefined, hex: string): Value {
  // Read in the middle of other octets: a reader that looks beyond its field sees them.
  const bytes = octets(`aa ${hex} bb`);
  const length = bytes.length - 2;
  return readerFor(type, length)!(new DataView(bytes.buffer), 1, length, NOWHEN);
}

t.test('readers by type and length', async (t) => {
  const cases: [ElementType | undefined, string, Value][] = [
    ['unsigned64', '00', 0],
    ['unsigned64', 'ff', 255],
    ['unsigned64', 'ff fe', 65534],
    ['unsigned64', 'ff ff fe', 16777214],
    ['unsigned64', 'ff ff ff fe', 4294967294],
    ['unsigned64', 'ff ff ff ff fe', 1099511627774],
    ['unsigned64', 'ff ff ff ff ff fe', 281474976710654],
    ['unsigned64', '1f ff ff ff ff ff ff', 9007199254740991],
    ['unsigned64', '20 00 00 00 00 00 00', 9007199254740992n],
    ['unsigned64', 'ff ff ff ff ff ff fe', 72057594037927934n],
    ['unsigned64', '00 1f ff ff ff ff ff ff', 9007199254740991],
    ['unsigned64', '00 20 00 00 00 00 00 01', 9007199254740993n],
    ['unsigned64', 'ff ff ff ff ff ff ff ff', 18446744073709551615n],
    ['unsigned8', '00 00 01 00', 256],
    ['boolean', '01', true],
    ['boolean', '02', false],
    ['boolean', '00', 0],
    ['ipv4Address', 'ff 00 0a 01', '255.0.10.1'],
    ['macAddress', '00 AB cd 00 0f 10', '00:ab:cd:00:0f:10'],
    ['octetArray', '00 ff 1a', '00ff1a'],
    [undefined, 'be ef', 'beef'],
    ['string', '65 74 68 30', 'eth0'],
    ['string', '65 00 68 00 00', 'e\0h'],
    ['string', 'c3 a9 ff', 'é�'],
    ['string', 'ef bb bf 61', '﻿a'],
    ['dateTimeSeconds', 'ff ff ff ff', 4294967295],
    ['dateTimeMilliseconds', '00 00 01 8b cf e5 68 07', 1_700_000_000_007],
    // NTP: 1 700 000 000 s are 3 908 988 800 s after 1900; half a second and what is below a microsecond.
    ['dateTimeMicroseconds', 'e8 fe 6f 80 80 00 07 ff', 1_700_000_000_500_000],
    ['dateTimeMicroseconds', 'e8 fe 6f 80 00 00 08 64', 1_700_000_000_000_000],
    ['dateTimeNanoseconds', 'e8 fe 6f 80 80 00 00 04', 1_700_000_000_500_000_001n],
    // Era 1 begins in February 2036, at Unix second 2 085 978 496.
    ['dateTimeMicroseconds', '00 00 00 01 00 00 00 00', 2_085_978_497_000_000],
    ['ipv6Address', '00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 01', '::ffff:192.0.2.1'],
  ];
  for (const [type, hex, value] of cases) t.equal(read(type, hex), value, `${type} ${hex}`);
});

t.test('IPv6 text is what URLs make of it (RFC 5952; WHATWG URL, which has no dotted form)', async () => {
  const group = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      fc.pre(!(groups.slice(0, 5).every((word) => word === 0) && groups[5] === 0xffff));
      const view = new DataView(new ArrayBuffer(16));
      for (const [index, word] of groups.entries()) view.setUint16(2 * index, word);
      const spelled = groups.map((word) => word.toString(16)).join(':');
      return `[${ipv6Text(view, 0)}]` === new URL(`http://[${spelled}]/`).hostname;
    }),
    { numRuns: 2000, seed: 1 },
  );
});

t.test('JSON: control characters, quotes and large numbers', async (t) => {
  const recording = new RecordingDecoder();
  const name = Buffer.from('a"\\\n\x1b[2J\x7f\u009b\u2028é', 'utf8').toString('hex');
  const length = (name.length / 2).toString(16).padStart(2, '0');
  recording.decode(
    ipfix(
      0,
      `00 02 00 14 01 00 00 03 00 52 00 ${length} 00 01 00 08 01 14 00 01
       01 00 00 ${(4 + name.length / 2 + 9).toString(16)} ${name} ff ff ff ff ff ff ff ff 02`,
    ),
  );
  const json = recordToJson(recording.records[0]!);
  t.equal(
    json,
    '{"interfaceName":"a\\"\\\\\\n\\u001b[2J\\u007f\\u009b\\u2028é",' +
      '"octetDeltaCount":"18446744073709551615","dataRecordsReliability":false}',
  );
  t.equal(JSON.parse(json).interfaceName, 'a"\\\n\x1b[2J\x7f\u009b\u2028é');
});

t.test('values by name', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(ipfix(0, '00 02 00 10 01 00 00 02 00 07 00 02 00 0b 00 02  01 00 00 08 00 50 01 bb'));
  const record: DecodedRecord = recording.records[0]!;
  t.equal(fieldValue(record, 'destinationTransportPort'), 443);
  t.equal(fieldValue(record, 'octetDeltaCount'), undefined);
  t.equal(record.shape.indexOf('octetDeltaCount'), -1);
});
