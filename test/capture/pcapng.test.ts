import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { Frame } from '../../src/capture/packet-source.ts';
import { PcapngClock } from '../../src/capture/pcapng-clock.ts';
import { octets } from '../support/octets.ts';
import { CaptureFolder } from '../support/read-capture.ts';

const TWO_SECTIONS = `
  # Section Header, little-endian
  0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000
  # Interface Description: Ethernet, snap length 65 535, if_name "eth0", no if_tsresol: microseconds
  01000000 20000000 0100 0000 ffff0000  0200 0400 65746830  0000 0000  20000000
  # Interface Description: Linux cooked v1, no limit, if_tsresol 10^-9 s, if_tsoffset -1 s, no opt_endofopt
  01000000 28000000 7100 0000 00000000  0900 0100 09 000000  0e00 0800 ffffffffffffffff  28000000
  # Name Resolution Block: stepped over
  04000000 10000000 00000000 10000000
  # Enhanced Packet, interface 0, 1 700 000 000.999 999 s, 3 octets of 60, padding, epb_flags
  06000000 30000000 00000000 240a0600 3f822d18 03000000 3c000000 aabbcc 00  0200 0400 01000000  0000 0000  30000000
  # Enhanced Packet, interface 1, 1 700 000 000.123 456 789 s less the second of if_tsoffset, 1 octet of 1
  06000000 24000000 01000000 fe9c9717 15cd853d 01000000 01000000 ff 000000 24000000
  # a block type that nobody knows
  adde0080 0c000000 0c000000
  # Simple Packet: no time, interface 0
  03000000 14000000 02000000 0102 0000 14000000

  # Section Header, big-endian: interface numbers begin anew
  0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c
  # Interface Description: raw IP, snap length 4, if_tsresol 2^-10 s
  00000001 00000020 0065 0000 00000004  0009 0001 8a 000000  0000 0000  00000020
  # Packet (obsolete), interface 0, 7 drops, 1 700 000 000.5 s, 2 octets of 2
  00000002 00000024 0000 0007 00000195 4fc40200 00000002 00000002 0304 0000 00000024
  # Simple Packet: 9 octets on the wire, snapped to 4
  00000003 00000014 00000009 05060708 00000014`;

test('sections of either byte order, several interfaces, every kind of packet block', async (t) => {
  const { records, interfaces, error } = await new CaptureFolder(t).read(octets(TWO_SECTIONS));
  const eth0 = { linkType: 1, ingressInterface: 1 };
  const cooked = { linkType: 113, ingressInterface: 2 };
  const raw = { linkType: 101, ingressInterface: 3 };
  const before = { seconds: 1_699_999_999, nanoseconds: 123_456_789 };
  const half = { seconds: 1_700_000_000, nanoseconds: 500_000_000 };
  t.same(records, [
    { ...eth0, seconds: 1_700_000_000, nanoseconds: 999_999_000, wireLength: 60, captured: 'aabbcc' },
    { ...cooked, ...before, wireLength: 1, captured: 'ff' },
    { ...eth0, ...before, wireLength: 2, captured: '0102' }, // without a time of its own: the last known
    { ...raw, ...half, wireLength: 2, captured: '0304' },
    { ...raw, ...half, wireLength: 9, captured: '05060708' },
  ]);
  t.same(
    interfaces.map(({ index, name }) => [index, name]),
    [
      [1, 'eth0'],
      [2, 'interface 1'],
      [3, 'interface 2'],
    ],
  );
  t.equal(error, undefined);
});

/** A block in network byte order: the lengths are put around the body. */
function block(type: string, body: string): string {
  const total = (12 + octets(body).length).toString(16).padStart(8, '0');
  return `${type} ${total} ${body} ${total} `;
}

const SECTION = block('0a0d0d0a', '1a2b3c4d 0001 0000 ffffffffffffffff');
const INTERFACE = block('00000001', '0001 0000 00000010'); // Ethernet, snap length 16
const PACKET = block('00000006', '00000000 00000000 00000001 00000001 00000001 aa 000000');
const AFTER_PACKET = octets(SECTION + INTERFACE + PACKET).length; // 28 + 20 + 36 = 84

/** What follows a section, an interface and a packet, and the error at it. */
const CORRUPT: readonly [bytes: string, message: string][] = [
  ['00000006 0000000b 0000000b', 'at octet 84: corrupt: a block claims 11 octets, below 12'],
  ['00000006 00000000 00000000', 'at octet 84: corrupt: a block claims 0 octets, below 12'],
  [
    '00000004 0000000d 000000 0000000d',
    'at octet 84: corrupt: a block claims 13 octets, not a multiple of 4',
  ],
  [
    '00000004 7ffffffc 00000000',
    'at octet 84: corrupt: a block claims 2147483644 octets, more than 16777216',
  ],
  ['00000004 0000000c 00000010', 'at octet 84: corrupt: a block of 12 octets ends with the length 16'],
  [block('00000006', ''), 'at octet 84: corrupt: a block of 12 octets is too short for a packet'],
  [block('00000003', ''), 'at octet 84: corrupt: a block of 12 octets is too short for a packet'],
  [
    block('00000006', '00000001 00000000 00000000 00000000 00000000'),
    'at octet 84: corrupt: a packet of interface 1, which its section does not describe',
  ],
  [
    block('00000006', '00000000 00000000 00000000 00000005 00000005 01020304'),
    'at octet 84: corrupt: a packet claims 5 captured octets, more than 4',
  ],
  [
    block('00000006', `00000000 00000000 00000000 00040001 00040001 ${'00'.repeat(262_148)}`),
    'at octet 84: corrupt: a packet claims 262145 captured octets, more than 262144',
  ],
  [
    block('00000003', '00000009 01020304'),
    'at octet 84: corrupt: a packet claims 9 captured octets, more than 4',
  ],
  [
    SECTION + block('00000003', '00000000'),
    'at octet 112: corrupt: a packet of interface 0, which its section does not describe',
  ],
  [
    block('00000001', '0001 0000'),
    'at octet 84: corrupt: an Interface Description Block of 16 octets, below 20',
  ],
  [
    block('00000001', '0001 0000 00000000 0002 0005 65746830'),
    'at octet 100: corrupt: option 2 of 5 octets goes beyond its block',
  ],
  [
    block('00000001', '0001 0000 00000000 0009 0002 06 06 0000'),
    'at octet 100: corrupt: if_tsresol of 2 octets, where 1 is right',
  ],
  [
    block('00000001', '0001 0000 00000000 000e 0004 00000000'),
    'at octet 100: corrupt: if_tsoffset of 4 octets, where 8 are right',
  ],
  [
    block('00000001', '0001 0000 00000000 0009 0001 14 000000'),
    'at octet 84: if_tsresol 20: timestamps in units of 10^-20 s are finer than Weir reads',
  ],
  [
    block('0a0d0d0a', '00000000 0001 0000 ffffffffffffffff'),
    'at octet 92: corrupt: a section header whose byte-order magic is not 1a2b3c4d in either order',
  ],
  [block('0a0d0d0a', '1a2b3c4d'), 'at octet 84: corrupt: a section header of 16 octets, below 28'],
  [
    block('0a0d0d0a', '1a2b3c4d 0002 0001 ffffffffffffffff'),
    'at octet 96: pcapng version 2.1, where Weir reads 1.x',
  ],
];

test('a corrupt block: the packets before it, and an error that names the offset', async (t) => {
  t.equal(AFTER_PACKET, 84);
  const folder = new CaptureFolder(t);
  for (const [bytes, message] of CORRUPT) {
    const { records, error } = await folder.read(octets(SECTION + INTERFACE + PACKET + bytes + PACKET));
    t.equal(error?.message, `${folder.path}/x.pcap: ${message}`);
    t.equal(records.length, 1, message);
  }
});

test('names are cut at 255 octets, and a block larger than the chunk is read whole', async (t) => {
  const comment = `0001 ffff ${'2d'.repeat(65_535)} 00`;
  const described = block('00000001', `0001 0000 00000000 0002 0101 ${'61'.repeat(257)} 000000 ${comment}`);
  const bytes = octets(SECTION + described + PACKET);
  for (const chunkOctets of [1, 100, 100_000]) {
    const { records, interfaces, error } = await new CaptureFolder(t).read(bytes, chunkOctets);
    t.same([records.length, interfaces[0]?.name, error], [1, 'a'.repeat(255), undefined]);
  }
});

/** The time of a count by BigInt: slow, and plainly right. */
function naiveTime(resolution: number, count: bigint, offsetSeconds: number): [number, number] {
  const exponent = BigInt(resolution & 0x7f);
  const units = resolution & 0x80 ? 2n ** exponent : 10n ** exponent;
  const seconds = count / units + BigInt(offsetSeconds);
  const nanoseconds = ((count % units) * 1_000_000_000n) / units;
  if (seconds < 0n) return [0, 0];
  if (seconds > 9_007_199_254_740n) return [9_007_199_254_740, 0];
  return [Number(seconds), Number(nanoseconds)];
}

const count64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

test('every if_tsresol, exactly, at any 64-bit count', (t) => {
  const exact = [...Array(20).keys(), ...Array.from({ length: 33 }, (_, n) => 0x80 + n)];
  fc.assert(
    fc.property(
      fc.constantFrom(...exact),
      // Any count, one of our days, and one beside a whole second: there a quotient rounds up.
      fc.oneof(count64, fc.record({ seconds: fc.nat(4e9), units: fc.integer({ min: -2, max: 2 }) })),
      fc.integer({ min: -3_000_000_000, max: 3_000_000_000 }),
      (resolution, chosen, offsetSeconds) => {
        const exponent = BigInt(resolution & 0x7f);
        const units = resolution & 0x80 ? 2n ** exponent : 10n ** exponent;
        const count =
          typeof chosen === 'bigint'
            ? chosen
            : BigInt.asUintN(64, BigInt(chosen.seconds) * units + BigInt(chosen.units));
        assert.deepEqual(
          stamp(resolution, count, offsetSeconds),
          naiveTime(resolution, count, offsetSeconds),
        );
      },
    ),
    { seed: 20261121, numRuns: 5000 },
  );
  t.pass('5000 counts');
  t.end();
});

test('units below 2^-32 s are read to a nanosecond', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 33, max: 63 }), count64, (exponent, count) => {
      const [seconds, nanoseconds] = naiveTime(0x80 + exponent, count, 0);
      const [readSeconds, readNanoseconds] = stamp(0x80 + exponent, count, 0);
      assert.equal(readSeconds, seconds);
      assert.ok([0, 1].includes(nanoseconds - readNanoseconds), `${readNanoseconds} for ${nanoseconds}`);
    }),
    { seed: 20261121, numRuns: 1000 },
  );
  t.same([0x94, 0xc0, 0x13, 0xbf].map(PcapngClock.reads), [true, false, true, true]);
  t.end();
});

function stamp(resolution: number, count: bigint, offsetSeconds: number): [number, number] {
  const frame = new Frame();
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, count);
  new PcapngClock(resolution, offsetSeconds).stamp(frame, view, 0, false);
  return [frame.seconds, frame.nanoseconds];
}
