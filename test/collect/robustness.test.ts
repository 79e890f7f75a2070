/** Whatever comes in: nothing is thrown, nothing grows, and everything that comes is counted. */

import fc from 'fast-check';
import t from 'tap';
import { recordToJson } from '../../src/collect/json.ts';
import { ipfix, netflow9, octets, RecordingDecoder, TCP } from './octets.ts';

const V5 = octets(
  `00 05 00 01 00 0f 42 40 65 53 f1 00 00 00 00 00 00 00 00 00 00 00 00 00 ${'2a'.repeat(48)}`,
);
const V9 = netflow9(
  4,
  0,
  `00 00 00 18 01 00 00 04 00 08 00 04 00 16 00 04 00 52 00 04 00 01 00 08
   00 01 00 14 01 01 00 04 00 04 00 01 00 04 00 22 00 02 00 00
   01 00 00 18 c0 00 02 01 00 00 00 ff 65 74 68 30 00 00 00 00 00 00 00 07
   01 01 00 0c 00 00 00 01 00 64 00 00`,
);
const IPFIX = ipfix(
  0,
  `00 02 00 1c 01 00 00 04 00 08 00 04 00 52 ff ff 81 2c ff ff 00 00 00 09 00 9a 00 08
   00 03 00 12 01 01 00 02 00 01 00 0a 00 04 00 52 ff ff
   01 00 00 1c c0 00 02 01 02 65 30 ff 00 01 aa e8 fe 6f 80 80 00 00 00 00 00 00 00 00
   01 01 00 0c 00 00 00 02 02 77 30 00`,
);
const MESSAGES = { V5, V9, IPFIX };

/** Octets that a record may take as JSON for each octet of its message: names are the longest. */
const MAX_JSON_OCTETS_PER_OCTET = 100;

function decodeAndPrint(recording: RecordingDecoder, bytes: Uint8Array, transport: 'udp' | 'tcp' = 'udp') {
  recording.decode(bytes, { ...TCP, transport });
  let printed = 0;
  for (const record of [...recording.records, ...recording.options]) {
    const json = recordToJson(record);
    JSON.parse(json);
    printed += json.length;
  }
  recording.records.length = 0;
  recording.options.length = 0;
  recording.problems.length = 0;
  if (printed > bytes.length * MAX_JSON_OCTETS_PER_OCTET) {
    throw new Error(`${bytes.length} octets became ${printed} octets of JSON`);
  }
}

/** Each message is either discarded for one reason or taken. */
function decided({ counters }: RecordingDecoder): number {
  return counters.messages + Object.values(counters.malformed).reduce((sum, count) => sum + count, 0);
}

for (const [name, message] of Object.entries(MESSAGES)) {
  t.test(`${name}, whole and cut at every offset`, async (t) => {
    const whole = new RecordingDecoder();
    t.equal(whole.decode(message), undefined);
    t.same(whole.problems, []);
    t.equal(whole.records.length, 1);
    t.equal(whole.options.length, name === 'V5' ? 0 : 1);
    for (let length = 0; length < message.length; length++) {
      const recording = new RecordingDecoder();
      const reason = recording.decode(message.slice(0, length));
      // v9 has no length in its header: cut between two FlowSets it is only a shorter packet, with a wrong Count.
      const short = name === 'V9' && recording.problems.some((problem) => problem.reason === 'wrong_count');
      t.ok(reason !== undefined || short, `cut to ${length} octets: ${reason ?? 'shorter'}`);
      t.equal(decided(recording), 1);
    }
  });
}

t.test('mutations of sound messages', async (t) => {
  const recording = new RecordingDecoder({ limits: { sources: 8, templatesPerSource: 8, fields: 512 } });
  let messages = 0;
  const edit = fc.record({
    at: fc.nat(200),
    kind: fc.constantFrom('set', 'insert', 'remove'),
    value: fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 })),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(V5, V9, IPFIX),
      fc.array(edit, { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      fc.constantFrom<'udp' | 'tcp'>('udp', 'tcp'),
      (message, edits, repairLength, transport) => {
        const bytes = [...message];
        for (const { at, kind, value } of edits) {
          const where = at % (bytes.length + 1);
          if (kind === 'set') bytes[where] = value;
          else bytes.splice(where, kind === 'remove' ? 1 : 0, ...(kind === 'remove' ? [] : [value]));
        }
        // IPFIX says its length: without this, most mutations would end at the header.
        if (repairLength && bytes[1] === 10) bytes.splice(2, 2, bytes.length >> 8, bytes.length & 0xff);
        decodeAndPrint(recording, Uint8Array.from(bytes), transport);
        messages++;
        const { store } = recording.decoder;
        return decided(recording) === messages && store.size <= 8 && store.fields <= 512;
      },
    ),
    { numRuns: 20_000, seed: 2 },
  );
  const { malformed, oddities, messages: sound } = recording.counters;
  t.ok(sound > 1000, `${sound} of ${messages} messages stayed sound`);
  const reached = Object.values({ ...malformed, ...oddities }).filter((count) => count > 0).length;
  t.ok(reached >= 14, `the mutations reach ${reached} of the reasons`);
});

t.test('noise behind a sound header', async (t) => {
  const recording = new RecordingDecoder();
  fc.assert(
    fc.property(fc.constantFrom(9, 10), fc.uint8Array({ maxLength: 120 }), (version, noise) => {
      const bytes = version === 9 ? netflow9(1, 0, '') : ipfix(0, '');
      const message = new Uint8Array(bytes.length + 4 + noise.length);
      message.set(bytes);
      const view = new DataView(message.buffer);
      if (version === 10) view.setUint16(2, message.length);
      view.setUint16(bytes.length, (noise[0] ?? 0) % 5 === 4 ? 256 : (noise[0] ?? 0) % 5);
      view.setUint16(bytes.length + 2, 4 + noise.length);
      message.set(noise, bytes.length + 4);
      decodeAndPrint(recording, message);
    }),
    { numRuns: 20_000, seed: 3 },
  );
  t.equal(decided(recording), 20_000);
});
