import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { test } from 'tap';
import { parseAddress, parsePrefix } from '../../src/host/prefix.ts';

const octetsOf = (words: Uint32Array): number[] =>
  [...words].flatMap((word) => [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff]);

test('addresses, as another reads them', async (t) => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      const words = new Uint32Array(1);
      t.ok(parseAddress(text, 4, words));
      t.same(octetsOf(words), ipaddr.parse(text).toByteArray(), text);
    }),
  );
  fc.assert(
    // The other takes ::1.2.3.4 for ::ffff:1.2.3.4: the form with an IPv4 address is among the examples below.
    fc.property(
      fc.ipV6().filter((text) => !text.includes('.')),
      (text) => {
        const words = new Uint32Array(4).fill(0x55555555);
        t.ok(parseAddress(text, 6, words), text);
        t.same(octetsOf(words), ipaddr.parse(text).toByteArray(), text);
      },
    ),
  );
});

test('prefixes as ip writes them', async (t) => {
  for (const [text, ipVersion, length, words] of [
    ['default', 4, 0, [0]],
    ['default', 6, 0, [0, 0, 0, 0]],
    ['0.0.0.0/0', 4, 0, [0]],
    ['10.1.2.0/23', 4, 23, [0x0a010200]],
    ['255.255.255.255', 4, 32, [0xffffffff]],
    ['fd00::/8', 6, 8, [0xfd000000, 0, 0, 0]],
    ['::1', 6, 128, [0, 0, 0, 1]],
    ['2001:db8::1:2:3:4/127', 6, 127, [0x20010db8, 0, 0x00010002, 0x00030004]],
    ['::ffff:10.0.0.1', 6, 128, [0, 0, 0xffff, 0x0a000001]],
    ['::10.0.0.0/104', 6, 104, [0, 0, 0, 0x0a000000]],
  ] as const) {
    const read = new Uint32Array(words.length).fill(7);
    t.equal(parsePrefix(text, ipVersion, read), length, text);
    t.same([...read], [...words], text);
  }
});

test('what is no prefix', async (t) => {
  const words = new Uint32Array(4);
  for (const text of [
    '',
    '10',
    '10.0.0',
    '10.0.0.0.0',
    '10.0.0.256',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.x',
    '::1',
    '10.0.0.0/-1',
    '10..0.0',
  ])
    t.equal(parsePrefix(text, 4, words), -1, text);
  for (const text of [
    '',
    ':',
    '1::2::3',
    '1:2:3',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::/129',
    '10.0.0.1',
    '::g',
    '1:2:3:4:5:6:7:8::',
  ])
    t.equal(parsePrefix(text, 6, words), -1, text);
});
