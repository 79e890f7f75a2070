/** The collector's decoder, on mutated sequences of messages, in v5, v9 and IPFIX. */

import { ok, strictEqual } from 'node:assert/strict';
import { MessageDecoder } from '../../../src/collect/decode.ts';
import { recordToJson } from '../../../src/collect/json.ts';
import type { DecodedRecord } from '../../../src/collect/record.ts';
import { octets } from '../../support/octets.ts';
import type { FuzzTarget } from '../target.ts';

/** The first octet of an input: over TCP instead of UDP, … */
const OVER_TCP = 1;
/** … and with the length in each IPFIX header put right, without which most mutations would end there. */
const REPAIR_LENGTHS = 2;

const LIMITS = { sources: 4, templatesPerSource: 4, fieldsPerTemplate: 64, fields: 256 };
/** Octets that a record may take as JSON for each octet of its message: names are the longest. */
const MAX_JSON_OCTETS_PER_OCTET = 100;

const V5 = octets(`
  00 05 00 02 00 0f 42 40 65 53 f1 00 00 00 00 00 00 00 00 00 01 02 40 0a # header, 2 records
  c0 00 02 01 c6 33 64 02 00 00 00 00 00 01 00 02 00 00 00 01 00 00 00 1c 00 0e 00 00 00 0f 00 00
  00 35 12 35 00 00 11 b8 00 00 00 00 18 18 00 00
  c0 00 02 01 c6 33 64 02 00 00 00 00 00 01 00 02 00 00 00 01 00 00 00 1c 00 0e 00 00 00 0f 00 00
  00 50 12 35 00 12 06 00 00 00 00 00 18 18 00 00`);

const V9_TEMPLATES = octets(`
  00 09 00 02 00 0f 42 40 65 53 f1 00 00 00 00 00 00 00 00 07
  00 00 00 18 01 00 00 04 00 08 00 04 00 16 00 04 00 52 00 04 00 01 00 08 # template 256
  00 01 00 14 01 01 00 04 00 04 00 01 00 04 00 22 00 02 00 00             # options template 257`);

const V9_DATA = octets(`
  00 09 00 02 00 0f 42 41 65 53 f1 00 00 00 00 01 00 00 00 07
  01 00 00 18 c0 00 02 01 00 00 00 ff 65 74 68 30 00 00 00 00 00 00 00 07
  01 01 00 0c 00 00 00 01 00 64 00 00`);

const IPFIX_TEMPLATES = octets(`
  00 0a 00 3e 65 53 f1 00 00 00 00 00 00 00 00 07
  00 02 00 1c 01 00 00 04 00 08 00 04 00 52 ff ff 81 2c ff ff 00 00 00 09 00 9a 00 08 # template 256
  00 03 00 12 01 01 00 02 00 01 00 0a 00 04 00 52 ff ff                               # options template 257`);

const IPFIX_DATA = octets(`
  00 0a 00 38 65 53 f1 01 00 00 00 00 00 00 00 07
  01 00 00 1c c0 00 02 01 02 65 30 ff 00 01 aa e8 fe 6f 80 80 00 00 00 00 00 00 00 00
  01 01 00 0c 00 00 00 02 02 77 30 00`);

const IPFIX_WITHDRAWAL = octets(`
  00 0a 00 18 65 53 f1 02 00 00 00 02 00 00 00 07
  00 02 00 08 01 00 00 00`);

const SEQUENCES = [
  [V5],
  [V9_TEMPLATES, V9_DATA, V9_DATA],
  [IPFIX_TEMPLATES, IPFIX_DATA, IPFIX_WITHDRAWAL, IPFIX_DATA],
  [IPFIX_TEMPLATES, V9_TEMPLATES, V5, V9_DATA, IPFIX_DATA],
];

export const message: FuzzTarget = {
  name: 'message',

  seeds() {
    return SEQUENCES.flatMap((messages) =>
      [0, OVER_TCP, REPAIR_LENGTHS, OVER_TCP | REPAIR_LENGTHS].map((how) =>
        Uint8Array.from([how, ...messages.flatMap((m) => [m.length >> 8, m.length & 0xff, ...m])]),
      ),
    );
  },

  run(input) {
    const how = input[0] ?? 0;
    const source = {
      address: '192.0.2.1',
      port: 40000,
      transport: (how & OVER_TCP) !== 0 ? ('tcp' as const) : ('udp' as const),
    };
    const decoder = new MessageDecoder({ limits: LIMITS, onProblem: () => {} });
    const { counters, store } = decoder;
    let messages = 0;
    for (const bytes of split(input.subarray(1))) {
      if ((how & REPAIR_LENGTHS) !== 0 && bytes[0] === 0 && bytes[1] === 10 && bytes.length >= 4) {
        new DataView(bytes.buffer, bytes.byteOffset).setUint16(2, bytes.length);
      }
      let printed = 0;
      const take = (record: DecodedRecord) => {
        strictEqual(record.values.length, record.shape.fields.length, 'a value for each field');
        const json = recordToJson(record);
        JSON.parse(json);
        printed += json.length;
      };
      decoder.decode(bytes, source, { record: take, options: take });
      messages++;
      const malformed = Object.values(counters.malformed).reduce((sum, count) => sum + count, 0);
      strictEqual(
        counters.messages + malformed,
        messages,
        'every message is taken or discarded for one reason',
      );
      ok(
        printed <= bytes.length * MAX_JSON_OCTETS_PER_OCTET,
        `${bytes.length} octets are ${printed} of JSON`,
      );
      ok(store.size <= LIMITS.sources && store.fields <= LIMITS.fields, 'the store is bounded');
    }
  },
};

/** Messages, each behind its length in two octets; the last may be cut. */
function split(octets: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let at = 0;
  while (at + 2 <= octets.length) {
    const length = octets[at]! * 256 + octets[at + 1]!;
    messages.push(octets.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return messages;
}
