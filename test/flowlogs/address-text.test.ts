/** Addresses from octets, beside node:net's own idea of what is one. */

import { isIPv4, isIPv6 } from 'node:net';
import t from 'tap';
import { NO_ADDRESS, parseIPv4, parseIPv6 } from '../../src/flowlogs/address-text.ts';
import { Random } from '../fuzz/random.ts';

const encoder = new TextEncoder();

/** The octets of an address in hexadecimal digits; undefined: it is none. */
function parsed(parse: typeof parseIPv4, text: string, octets: number): string | undefined {
  const target = new Uint8Array(18).fill(0xee);
  const end = parse(encoder.encode(`x${text} `), 1, target, 1);
  const isOutside = (_: number, i: number): boolean => i === 0 || i > octets;
  if (target.filter(isOutside).some((octet) => octet !== 0xee))
    throw new Error(`${text}: octets outside its place`);
  if (end === NO_ADDRESS || end !== encoder.encode(text).length + 1) return undefined;
  return Buffer.from(target.subarray(1, 1 + octets)).toString('hex');
}

t.test('addresses', async (t) => {
  const ADDRESSES: readonly [string, string][] = [
    ['0.0.0.0', '00000000'],
    ['192.0.2.1', 'c0000201'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['1::', `0001${'0'.repeat(28)}`],
    ['2001:db8::1', `20010db8${'0'.repeat(23)}1`],
    ['2001:DB8:0:0:8:800:200C:417A', '20010db80000000000080800200c417a'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::2:3:4:5:6:7:8', '00000002000300040005000600070008'],
    ['::ffff:192.0.2.128', '00000000000000000000ffffc0000280'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
    ['1:2:3:4:5:6:192.0.2.1', '000100020003000400050006c0000201'],
  ];
  for (const [text, hex] of ADDRESSES) {
    const isShort = hex.length === 8;
    t.equal(parsed(isShort ? parseIPv4 : parseIPv6, text, isShort ? 4 : 16), hex, text);
  }
});

t.test('what is an address, and what is none', async (t) => {
  const random = new Random(4);
  const pieces = [
    '0',
    '1',
    '9',
    '12',
    '255',
    '256',
    '01',
    'a',
    'fF',
    '1234',
    '12345',
    'g',
    '.',
    '.',
    ':',
    ':',
    '::',
  ];
  const TRICKY = [
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1.2.3',
    '1.2.3.4.5',
    '1:',
    ':1',
  ];
  const made = Array.from({ length: 20_000 }, () =>
    Array.from({ length: 1 + random.below(17) }, () => random.pick(pieces)).join(''),
  );
  let addresses = 0;
  for (const text of [...TRICKY, ...made]) {
    const four = parsed(parseIPv4, text, 4) !== undefined;
    const six = parsed(parseIPv6, text, 16) !== undefined;
    if (four !== isIPv4(text)) t.fail(`${text}: IPv4 ${four}`);
    if (six !== isIPv6(text)) t.fail(`${text}: IPv6 ${six}`);
    if (four || six) addresses++;
  }
  t.ok(addresses > 20, `${addresses} were addresses`);
});
