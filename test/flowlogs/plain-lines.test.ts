/** Lines are the same to a parser that knows the short way of plain lines, and to one that does not. */

import fc from 'fast-check';
import t from 'tap';
import { DEFAULT_FORMAT, parseFormat } from '../../src/flowlogs/log-format.ts';
import type { LogFormat } from '../../src/flowlogs/log-object.ts';
import { asText } from './support/carry.ts';
import { generateLog } from './support/generate.ts';
import { differenceOfLines, readLines } from './twin-parsers.ts';

const V2 = '2 123456789010 eni-a 192.0.2.1 198.51.100.2 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK';
const FULL = parseFormat(
  '${interface-id} ${pkt-srcaddr} ${srcaddr} ${dstaddr} ${pkt-dstaddr} ${tcp-flags} ${flow-direction} ${traffic-path} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status} ${vpc-id} ${type}',
);
const octets = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

t.test('what goes the short way', async (t) => {
  const count = (format: LogFormat, text: string) => readLines(format, octets(text), 4096, true).plain;
  t.equal(count(DEFAULT_FORMAT, `${V2}\n`.repeat(1000)), 1000);
  const full =
    'eni-a 10.0.0.1 10.0.0.2 10.0.0.3 255.255.255.255 19 egress 8 0 65535 255 1 999999999999999 0 4294967295 REJECT OK vpc-1 IPv4';
  t.equal(count(FULL, `${full.replace('egress 8', 'ingress -')}\n`.repeat(3)), 3);
  t.equal(differenceOfLines(FULL, octets(`${full.replace('egress 8', 'ingress -')}\n`.repeat(3)), 1000), '');
  t.equal(count(FULL, `${full}\n${full.replace('egress', 'ingress')}\n`), 2);
  t.equal(
    readLines(FULL, octets(`${full}\n`), 4096, true).lines[0],
    readLines(FULL, octets(`${full}\n`), 4096, false).lines[0],
  );
  for (const other of [
    V2.replace(' 6 ', '  6 '),
    V2.replace('192.0.2.1', '2001:db8::1'),
    V2.replace('192.0.2.1', '-'),
    V2.replace('eni-a', 'eni-ä'),
    V2.replace('eni-a', '-'),
    V2.replace('4249', '9007199254740991'),
    V2.replace('OK', 'NODATA'),
    `${V2} `,
    `${V2}\r`,
  ]) {
    t.equal(count(DEFAULT_FORMAT, `${other}\n`), 0, other);
    t.equal(differenceOfLines(DEFAULT_FORMAT, octets(`${V2}\n${other}\n${V2}\n`), 4096), '', other);
  }
});

t.test('formats that have none', async (t) => {
  const has = (text: string) => readLines(parseFormat(text), octets(''), 1, true).hasPlain;
  t.ok(has('${srcaddr} ${start} ${end}'));
  t.notOk(has('${srcaddr} ${start}'), 'no end');
  t.notOk(has('${srcaddr} ${end}'), 'no start');
  t.notOk(
    has(['${start}', '${end}', ...Array.from({ length: 119 }, (_, i) => `\${x-${i}}`)].join(' ')),
    'too many',
  );
});

t.test('every faulty line among plain ones is found out', async (t) => {
  const before = V2.split(' ');
  for (const [i, field] of before.entries()) {
    for (const wrong of [
      '',
      '-',
      `${field}x`,
      `x${field}`,
      `${field}\t`,
      `${field}\u0000`,
      '99999999999999999999',
      '0',
      '00',
      `0${field}`,
      '256',
      '65536',
      '4294967296',
      'é',
      `${field}.1`,
      '1.2.3',
      '01.2.3.4',
      '0000006',
      '9007199254740993',
      '00000000000000001',
      `\u00ff${'a'.repeat(30)}`,
      `${'a'.repeat(17)}\u00ff`,
      '1001.2.3.4',
      '1.2.3.1004',
      '1.2.3.256',
      '1..2.3',
      '-1',
      '--',
      '- 1',
      field.toLowerCase(),
    ]) {
      const text = `${V2}\n${before.with(i, wrong).join(' ')}\n${V2}\n`;
      t.equal(differenceOfLines(DEFAULT_FORMAT, octets(text), 1000), '', `${i}: ${JSON.stringify(wrong)}`);
    }
  }
  for (const text of ['\n', ' \n', `${V2}`, `${V2} x\n`, `${before.slice(1).join(' ')}\n`, '\r\n', '\n\n\n'])
    t.equal(
      differenceOfLines(DEFAULT_FORMAT, octets(`${V2}\n${text}${V2}\n`), 1000),
      '',
      JSON.stringify(text),
    );
});

t.test('directions, and which of two interfaces it is', async (t) => {
  const fields = '${srcaddr} ${start} ${end} ${flow-direction}';
  for (const format of [
    '${interface-id} ${tgw-attachment-id}',
    '${tgw-attachment-id} ${interface-id}',
    '${tgw-attachment-id}',
  ])
    for (const direction of ['ingress', 'egress', 'ingresx', 'egresx', 'ingres', 'egress-', 'Egress', '-'])
      for (const names of ['a b', '- b', 'a -']) {
        const text = octets(`10.0.0.1 1 2 ${direction} ${names.slice(0, format.length < 25 ? 1 : 3)}\n`);
        t.equal(
          differenceOfLines(parseFormat(`${fields} ${format}`), text, 1000),
          '',
          `${direction} ${names} ${format}`,
        );
      }
});

t.test('any log, cut anywhere', async (t) => {
  let plain = 0;
  let lines = 0;
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 2, max: 11 }),
      fc.boolean(),
      fc.constantFrom(0, 0, 2, 30),
      fc.boolean(),
      fc.constantFrom(1, 17, 200, 5000, 40_000, 100_000),
      fc.integer({ min: 1, max: 600 }),
      (seed, version, shuffled, faultyPercent, ipv4Only, chunkOctets, most) => {
        const log = generateLog({ seed, version, shuffled, faultyPercent, ipv4Only, lines: most });
        const text = new Uint8Array(asText(log, { header: false }));
        const format = { fields: log.fields };
        const difference = differenceOfLines(format, text, chunkOctets);
        if (difference !== '') throw new Error(difference);
        const reading = readLines(format, text, chunkOctets, true);
        plain += reading.plain;
        lines += reading.lines.length;
      },
    ),
    { numRuns: 150, seed: 40 },
  );
  t.ok(plain > lines / 10, `${plain} of ${lines} lines went the short way`);
});

t.test('lines of any length, and of the length of what is read at once', async (t) => {
  for (const length of [110, 127, 128, 8000, 8192, 20_000, 32_767, 32_768, 40_000, 65_536, 70_000]) {
    const line = V2.replace('123456789010', '1'.repeat(length - V2.length + 12));
    const text = octets(`${`${V2}\n`.repeat(300)}${line}\n${line}\n${`${V2}\n`.repeat(500)}`);
    for (const chunk of [1000, 65_536, text.length])
      t.equal(differenceOfLines(DEFAULT_FORMAT, text, chunk), '', `${length} in chunks of ${chunk}`);
  }
});

t.test('another place in the same text, and another text', async (t) => {
  const text = octets(`${V2}\n`.repeat(100));
  const { lines } = readLines(DEFAULT_FORMAT, text, 1, true);
  t.same(lines, readLines(DEFAULT_FORMAT, text, 100_000, true).lines);
});
