import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import { octets } from '../support/octets.ts';
import { CaptureFolder } from '../support/read-capture.ts';

/** What a file is made of, in order: what it is, and its octets. */
type Parts = readonly [what: 'file header' | 'record' | 'block' | 'packet block', bytes: string][];

const PCAP: Parts = [
  ['file header', 'd4c3b2a1 0200 0400 00000000 00000000 00000400 01000000'],
  ['record', '00f15365 01000000 03000000 3c000000 aabbcc'],
  ['record', '00f15365 02000000 00000000 3c000000'],
  ['record', '00f15365 03000000 05000000 05000000 0102030405'],
];

const PCAPNG: Parts = [
  ['block', '0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000'],
  ['block', '01000000 20000000 0100 0000 ffff0000  0200 0400 65746830  0000 0000  20000000'],
  ['packet block', '06000000 24000000 00000000 240a0600 3f822d18 03000000 3c000000 aabbcc 00 24000000'],
  ['block', '04000000 10000000 00000000 10000000'],
  ['block', '0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c'],
  ['block', '00000001 00000020 0065 0000 00000004  0009 0001 8a 000000  0000 0000  00000020'],
  ['packet block', '00000002 00000024 0000 0007 00000195 4fc40200 00000002 00000002 0304 0000 00000024'],
  ['packet block', '00000003 00000014 00000009 05060708 00000014'],
];

const whole = (parts: Parts) => octets(parts.map(([, bytes]) => bytes).join(' '));

/** How many packets stand wholly before the cut, and what the error must say of what the cut falls into. */
function expected(parts: Parts, cut: number): { packets: number; message: string | undefined } {
  let packets = 0;
  let begin = 0;
  for (const [what, bytes] of parts) {
    const length = octets(bytes).length;
    const there = cut - begin;
    if (there < length) {
      if (cut === 0)
        return { packets, message: 'at octet 0: the file is empty: not even a capture header is there' };
      if (cut < 4) return { packets, message: 'at octet 0: no capture file begins with' };
      const header = what === 'record' ? 16 : 12;
      const unit =
        what === 'file header'
          ? 'a file header of 24'
          : there < header
            ? `a ${what === 'record' ? what : 'block'} header of ${header}`
            : `a ${what === 'record' ? what : 'block'} of ${length}`;
      const message = `truncated at octet ${begin}: ${unit} octets begins, ${there} are there`;
      return { packets, message: there === 0 ? undefined : message };
    }
    if (what === 'record' || what === 'packet block') packets++;
    begin += length;
  }
  return { packets, message: undefined };
}

for (const [name, parts] of [
  ['pcap', PCAP],
  ['pcapng', PCAPNG],
] as const) {
  test(`${name} cut at every octet: every whole packet before the cut, then the error`, async (t) => {
    const folder = new CaptureFolder(t);
    const bytes = whole(parts);
    for (const chunkOctets of [1, 19, undefined]) {
      for (let cut = 0; cut <= bytes.length; cut++) {
        const { packets, message } = expected(parts, cut);
        const { records, error } = await folder.read(bytes.subarray(0, cut), chunkOctets);
        assert.equal(records.length, packets, `cut at ${cut}`);
        const prefix = `${folder.path}/x.pcap: ${message}`;
        if (message === undefined) assert.equal(error, undefined, `cut at ${cut}`);
        else assert.equal(error?.message.slice(0, prefix.length), prefix, `cut at ${cut}`);
      }
    }
    t.equal(expected(parts, bytes.length).packets, 3);
  });
}

test('a record whose length cannot be right ends the file, with the offset named', async (t) => {
  const folder = new CaptureFolder(t);
  const bad = '00f15365 01000000 01000400 01000400';
  const { records, error } = await folder.read(octets(`${PCAP.map(([, bytes]) => bytes).join(' ')} ${bad}`));
  t.equal(records.length, 3);
  t.match(error, {
    message: `${folder.path}/x.pcap: at octet 80: corrupt: a record claims 262145 captured octets, more than 262144`,
    path: `${folder.path}/x.pcap`,
    offset: 80,
  });
  const long = `00f15365 01000000 00000400 00000400 ${'5a'.repeat(262_144)}`;
  const read = await folder.read(octets(`${PCAP[0]?.[1]} ${long}`));
  t.same([read.records[0]?.captured.length, read.error], [2 * 262_144, undefined], 'the longest is read');
});

/** Octets to overwrite at random places: those that lengths, types and numbers are made of. */
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    fc
      .constantFrom('00000000', 'ffffffff', '7fffffff', '0a0d0d0a', '06000000', '00000006', '0c000000', '04')
      .map(octets),
  ),
  how: fc.constantFrom('overwrite', 'insert', 'cut'),
});

function mutate(
  bytes: Uint8Array,
  mutations: readonly { at: number; bytes: Uint8Array; how: string }[],
): Uint8Array {
  let file = Buffer.from(bytes);
  for (const { at, bytes, how } of mutations) {
    const position = Math.floor(at * file.length);
    const after = how === 'insert' ? position : position + bytes.length;
    file = Buffer.concat(
      [file.subarray(0, position), how === 'cut' ? '' : bytes, file.subarray(after)].map(Buffer.from),
    );
  }
  return file;
}

test('random damage never crashes or hangs the reader, whatever the chunks', {
  timeout: 60_000,
}, async (t) => {
  const folder = new CaptureFolder(t);
  let damaged = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(whole(PCAP), whole(PCAPNG)),
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      async (original, mutations) => {
        const bytes = mutate(original, mutations);
        const atOnce = await folder.read(bytes); // the Keeper checks each frame's bounds and time
        const { error } = atOnce;
        if (error !== undefined) {
          damaged++;
          assert.ok(error.offset >= 0 && error.offset <= bytes.length, error.message);
        }
        const inPieces = await folder.read(bytes, 13);
        assert.deepEqual(inPieces.records, atOnce.records);
        assert.equal(inPieces.error?.message, error?.message);
      },
    ),
    { seed: 20261121, numRuns: 600 },
  );
  t.ok(damaged > 200 && damaged < 600, `${damaged} of 600 files ended in an error`);
});
