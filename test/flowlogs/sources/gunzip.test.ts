/** gzip however it comes: cut anywhere, with several members, cut short, damaged, or none at all. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { decompressed, remembering } from '../../../src/flowlogs/sources/gunzip.ts';

async function read(octets: readonly Uint8Array[]): Promise<{ text: Buffer; error: Error | undefined }> {
  const parts: Uint8Array[] = [];
  let error: Error | undefined;
  try {
    for await (const part of decompressed(() => octets)) parts.push(part);
  } catch (thrown) {
    error = thrown as Error;
  }
  return { text: Buffer.concat(parts), error };
}

const cut = (octets: Buffer, size: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(octets.length / size) }, (_, i) =>
    octets.subarray(i * size, (i + 1) * size),
  );

/** Text that does not compress to nothing. */
const lines = (count: number): Buffer =>
  Buffer.from(
    Array.from({ length: count }, (_, i) => `2 123456789010 eni-${(i * 2654435761) >>> 0} ${i}\n`).join(''),
  );

t.test('members and chunks in any number and size', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 2000 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 700 }),
      async (members, size) => {
        const { text, error } = await read(
          cut(Buffer.concat(members.map((member) => gzipSync(member))), size),
        );
        return error === undefined && text.equals(Buffer.concat(members));
      },
    ),
    { numRuns: 200 },
  );
  t.pass();
});

t.test('large text, of several of zlib’s chunks', async (t) => {
  const text = lines(100_000);
  const { text: got, error } = await read(cut(gzipSync(text), 65_536));
  t.equal(error, undefined);
  t.ok(got.equals(text));
});

t.test('cut short at any octet: all that can be had of it, then the error', async (t) => {
  const text = lines(3000);
  const whole = gzipSync(text);
  for (const length of [1, 2, 9, 10, 11, 500, whole.length >> 1, whole.length - 9, whole.length - 1]) {
    const { text: got, error } = await read([whole.subarray(0, length)]);
    if (length === 1) {
      // One octet may be anything.
      t.ok(got.equals(whole.subarray(0, 1)));
      continue;
    }
    t.equal(error?.message, 'the gzip is cut short: its end is missing', `${length} octets`);
    t.ok(text.subarray(0, got.length).equals(got));
    if (length >= whole.length - 9)
      t.equal(got.length, text.length, 'the text was complete, its checksum not');
    if (length === whole.length >> 1) t.ok(got.length > text.length / 3, `${got.length} octets came before`);
  }
});

t.test('cut short in its second member: the first counts', async (t) => {
  const first = lines(1000);
  const second = gzipSync(lines(1000));
  const { text, error } = await read([Buffer.concat([gzipSync(first), second.subarray(0, 40)])]);
  t.ok(error);
  t.ok(text.subarray(0, first.length).equals(first));
});

t.test('damaged', async (t) => {
  const whole = gzipSync(lines(1000));
  whole.fill(0xff, whole.length >> 1, (whole.length >> 1) + 20);
  t.match((await read([whole])).error?.message, /^the gzip is damaged: /);
});

t.test('followed by garbage: all of the text, then the error', async (t) => {
  for (const count of [10, 30_000]) {
    const text = lines(count);
    const octets = Buffer.concat([gzipSync(text), Buffer.from('garbage '.repeat(30))]);
    for (const size of [octets.length, 65_536, 1000, 7]) {
      if (octets.length / size > 20_000) continue;
      const { text: got, error } = await read(cut(octets, size));
      t.match(error?.message, /^the gzip is damaged: /);
      t.ok(got.equals(text), `${count} lines in pieces of ${size}: ${got.length} of ${text.length}`);
    }
  }
});

t.test('damaged in the middle: what comes before it, to within a few octets', async (t) => {
  const text = lines(30_000);
  const good = gzipSync(text);
  for (const part of [0.1, 0.5, 0.9]) {
    const at = Math.floor(good.length * part);
    const damaged = Buffer.from(good);
    damaged.fill(0xff, at, at + 400);
    // What a gzip that ends there would have told.
    const before = (await read([good.subarray(0, at)])).text;
    const { text: got, error } = await read(cut(damaged, 65_536));
    t.match(error?.message, /^the gzip is damaged: /);
    t.ok(got.length > before.length - 64, `${got.length} of ${before.length}`);
    t.ok(text.subarray(0, before.length - 64).equals(got.subarray(0, before.length - 64)));
  }
});

t.test('a wrong checksum: all of the text, then the error', async (t) => {
  const text = lines(3000);
  const octets = gzipSync(text);
  octets[octets.length - 6]! ^= 1;
  const { text: got, error } = await read([octets]);
  t.match(error?.message, /incorrect data check/);
  t.ok(got.equals(text));
});

t.test('what is read once alone: as much is kept as is said', async (t) => {
  const text = lines(3000);
  const octets = Buffer.concat([gzipSync(text), Buffer.from('garbage')]);
  for (const [mostOctets, whole] of [
    [octets.length, true],
    [100, false],
  ] as const) {
    let readings = 0;
    const once = async function* () {
      readings++;
      yield* cut(octets, 1000);
    };
    const parts: Uint8Array[] = [];
    await t.rejects(async () => {
      for await (const part of decompressed(remembering(once(), mostOctets))) parts.push(part);
    }, /^the gzip is damaged/);
    t.equal(readings, 1);
    t.equal(Buffer.concat(parts).equals(text), whole, `${mostOctets} octets are kept`);
  }
});

t.test('no gzip: as it is', async (t) => {
  t.equal((await read([Buffer.from('ver'), Buffer.from('sion\n')])).text.toString(), 'version\n');
  t.equal((await read([Buffer.from([0x1f]), Buffer.from([0x20])])).text.length, 2);
  t.equal((await read([])).text.length, 0);
  t.equal((await read([Buffer.alloc(0)])).error, undefined);
});

t.test('a reader that stops ends it', async (t) => {
  for await (const part of decompressed(() => cut(gzipSync(lines(100_000)), 1000))) {
    t.ok(part.length > 0);
    break;
  }
});
