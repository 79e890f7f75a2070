/** The encoder: Flow Records of any octets, in v5, v9 and IPFIX, read back by the collector's decoder. */

import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { fieldValue } from '../../../src/collect/record.ts';
import type { FlowField, FlowLayout, FlowRecord } from '../../../src/flow/flow-record.ts';
import { ExportRig } from '../../export/export-rig.ts';
import { batchesOf } from '../../export/record-batches.ts';
import type { FuzzTarget } from '../target.ts';

/**
 * An input begins with the way out: what of {@link PROTOCOLS}, and bits, 1 octet each | octets of a Message less the
 * least, 2. Then record after record: 1 octet, whose lowest bit is the IP version, and the record's own octets, as many
 * as there are.
 */
const HEADER_OCTETS = 4;
const PROTOCOLS = ['netflow5', 'netflow9', 'ipfix'] as const;
const FULL = 1;
const ONE_OCTET_OF_FLAGS = 2;
const LEAST_MESSAGE = 464; // an MTU of 512, IPv6
const MOST_MESSAGE = 1472;
const MOST_RECORDS = 64;
/** One input in so many has so many records of one kind that they leave as a train. */
const LONG_BITS = 0xf0;
const LONG_RECORDS = 1200;

export const flowRecord: FuzzTarget = {
  name: 'flow-record',

  seeds(random) {
    return Array.from({ length: 200 }, () =>
      Uint8Array.from([...random.octets(HEADER_OCTETS), ...random.octets(random.below(1500))]),
    );
  },

  run(input) {
    if (input.length < HEADER_OCTETS) return;
    const header = new DataView(input.buffer, input.byteOffset, input.length);
    const protocol = PROTOCOLS[header.getUint8(0) % PROTOCOLS.length]!;
    const bits = header.getUint8(1);
    const options = {
      protocol,
      fields: (bits & FULL) !== 0 ? 'full' : 'standard',
      tcpControlBitsOctets: (bits & ONE_OCTET_OF_FLAGS) !== 0 ? 1 : 2,
      messageOctets: LEAST_MESSAGE + (header.getUint16(2) % (MOST_MESSAGE - LEAST_MESSAGE + 1)),
    } as const;
    const rig = new ExportRig(options);
    const { exporter } = rig;

    const sent: FlowRecord[] = [];
    for (let at = HEADER_OCTETS; at < input.length && sent.length < MOST_RECORDS; ) {
      const layout = rig.layouts[input[at]! & 1]!;
      const octets = input.subarray(at + 1, at + 1 + layout.words * 4);
      const record = recordOf(layout, octets, rig.clock);
      exporter.record(record);
      sent.push(record);
      at += 1 + octets.length;
    }
    if ((bits & LONG_BITS) === LONG_BITS && sent.length > 0) {
      const alike = sent.filter(({ layout }) => layout === sent[0]!.layout);
      for (let i = 0; sent.length < LONG_RECORDS; i++) {
        exporter.record(alike[i % alike.length]!);
        sent.push(alike[i % alike.length]!);
      }
    }
    exporter.flush();

    const takesTrains = (['no', 'whole', 'parted'] as const)[bits % 3]!;
    const together = new ExportRig({ ...options, layouts: rig.layouts }, false, takesTrains);
    for (const batch of batchesOf(sent)) together.exporter.records(batch);
    together.exporter.flush();
    deepStrictEqual(together.datagrams, rig.datagrams, 'the same Messages where records leave together');
    strictEqual(together.exporter.queued.records, 0, 'together: every record is sent or counted as not sent');

    strictEqual(exporter.queued.records, 0, 'every record is sent or counted as not sent');
    for (const datagram of rig.datagrams) ok(datagram.length <= MOST_MESSAGE, `${datagram.length} octets`);
    const decoded = (name: string) =>
      rig.records.reduce((total, record) => total + Number(fieldValue(record, name)), 0);
    strictEqual(decoded('packetDeltaCount'), exporter.sent.packets, 'packets');
    strictEqual(decoded('octetDeltaCount'), exporter.sent.octets, 'octets');
    const lost = exporter.notSent.get('not_representable')!;
    const told = exporter.sent.records + lost.records;
    // v5 makes several records of one that exceeds its 32 bits: of those the sums have to do.
    if (protocol === 'netflow5') {
      ok(told >= sent.length, 'records that are sent, or cannot be');
      return;
    }
    strictEqual(told, sent.length, 'records that are sent, or cannot be');
    strictEqual(lost.records, 0, 'v9 and IPFIX carry every record');
    strictEqual(rig.records.length, sent.length, 'records');
    sent.forEach((record, i) => {
      for (const { name } of rig.records[i]!.shape.fields) {
        const expected = numberIn(record, name);
        if (expected === undefined) continue;
        const actual = fieldValue(rig.records[i]!, name);
        if (typeof actual !== 'number') continue; // an address: test/export compares the octets
        const isOneOctet = name === 'tcpControlBits' && (bits & ONE_OCTET_OF_FLAGS) !== 0;
        strictEqual(actual, isOneOctet ? expected & 0xff : expected, name);
      }
    });
  },
};

/** Any octets are a record's, but for counters and times: those are whole numbers that a meter can have come to. */
function recordOf(layout: FlowLayout, octets: Uint8Array, clock: number): FlowRecord {
  const view = new DataView(new ArrayBuffer(layout.words * 4));
  new Uint8Array(view.buffer).set(octets);
  const any = (name: string) => view.getUint32(layout.fields.get(name)!.offset, true);
  const set = (name: string, value: number) => view.setFloat64(layout.fields.get(name)!.offset, value, true);
  const packets = 1 + (any('packetDeltaCount') >>> (any('packetDeltaCount') & 31));
  const start = clock - (any('flowStartMilliseconds') & 0xf_ffff);
  const end = Math.min(clock, start + (any('flowEndMilliseconds') & 0xffff));
  set('octetDeltaCount', packets * 20 + any('octetDeltaCount'));
  set('packetDeltaCount', packets);
  set('flowStartMilliseconds', start);
  set('flowEndMilliseconds', end);
  return { layout, view, offset: 0 };
}

/** What the record says under that name, as a number that a decoder has to come to; undefined: nothing comparable. */
function numberIn({ layout, view }: FlowRecord, name: string): number | undefined {
  const field: FlowField | undefined = layout.fields.get(name);
  switch (field?.kind) {
    case 'float64':
      return name.endsWith('Count') ? view.getFloat64(field.offset, true) : undefined;
    case 'uint32':
      return view.getUint32(field.offset, true);
    case 'uint16':
      return view.getUint16(field.offset, true);
    case 'uint8':
      return view.getUint8(field.offset);
    default:
      return undefined;
  }
}
