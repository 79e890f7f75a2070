/** Records that leave together, and one by one: the same Messages, octet by octet. */

import fc from 'fast-check';
import t from 'tap';
import type { ExporterOptions } from '../../src/export/exporter.ts';
import { type FlowRecord, flowLayout } from '../../src/flow/flow-record.ts';
import { handOn } from '../../src/flow/record-batch.ts';
import { TUNNELS } from '../../src/packet/decapsulator.ts';
import { SEGMENT_GENEVE, SEGMENT_VXLAN } from '../../src/packet/tunnel-key.ts';
import { ExportRig, type Fields, flowRecord, hex } from './export-rig.ts';
import { batchesOf } from './record-batches.ts';

const PROTOCOLS = ['netflow5', 'netflow9', 'ipfix'] as const;
/** v5 would take 2 million records for this one. */
const MOST_COUNT = 2 ** 53 - 1;
const TEMPLATES = ['netflow9', 'ipfix'] as const;
const CLOCK = 1_700_000_000_123;
const times = { flowStartMilliseconds: CLOCK - 1000, flowEndMilliseconds: CLOCK - 10 };
const PLAIN = { ...times, packetDeltaCount: 1, octetDeltaCount: 40 };

/** Everything that a rig has seen, and says. */
function said(rig: ExportRig): unknown {
  const { accepted, handed, sent, notSent, wideInterfaceRecords, queued } = rig.exporter;
  const counts = { accepted, handed, sent, notSent: [...notSent], wideInterfaceRecords, queued };
  return [rig.datagrams.map(hex), rig.notices, counts];
}

function both(
  options: Partial<ExporterOptions>,
  routes: boolean,
  records: readonly FlowRecord[],
  most = 1024,
) {
  const single = new ExportRig(options, routes);
  const together = new ExportRig(options, routes);
  for (const record of records) single.exporter.record(record);
  for (const batch of batchesOf(records, most)) together.exporter.records(batch);
  for (const { exporter } of [single, together]) exporter.flush();
  return { single: said(single), together: said(together), rig: together };
}

t.test('every field of every kind of record', async (t) => {
  for (const protocol of PROTOCOLS)
    for (const fields of ['standard', 'full'] as const)
      for (const routes of [false, true])
        for (const octets of [1, 2] as const)
          for (const tunnels of [[], TUNNELS]) {
            const layouts = ([4, 6] as const).map((version) => flowLayout(version, fields, routes, tunnels));
            const records = layouts.flatMap((layout) =>
              Array.from({ length: 100 }, (_, i) => {
                const record = flowRecord(layout, PLAIN);
                // All octets differ, but for those of the counters and times, which are numbers.
                for (const { offset, kind, size } of layout.fields.values())
                  if (kind !== 'float64')
                    for (let k = 0; k < size; k++)
                      record.view.setUint8(offset + k, (i * 37 + offset + k) & 0xff);
                record.view.setUint8(layout.fields.get('protocolIdentifier')!.offset, [6, 1, 58, 17][i % 4]!);
                for (const name of ['ingressInterface', 'egressInterface']) {
                  const field = layout.fields.get(name);
                  if (field !== undefined) record.view.setUint32(field.offset, i, true);
                }
                return record;
              }),
            );
            const { single, together } = both(
              { protocol, fields, layouts, tcpControlBitsOctets: octets },
              routes,
              records,
            );
            const name = `${protocol} ${fields} ${routes ? 'routes ' : ''}${octets} ${tunnels.length > 0 ? 'tunnels' : ''}`;
            t.same(together, single, name);
          }
});

t.test('records that take more than copies', async (t) => {
  const layout = flowLayout(4, 'standard', true, ['vxlan', 'geneve']);
  const make = (values: Fields) => flowRecord(layout, { ...PLAIN, ...values });
  const plain = make({});
  for (const [name, values] of Object.entries<Fields>({
    'packets beyond 32 bits': { packetDeltaCount: 2 ** 32, octetDeltaCount: 2 ** 40 },
    'octets beyond 32 bits': { octetDeltaCount: 2 ** 32 },
    'the most of 32 bits': { packetDeltaCount: 2 ** 32 - 1, octetDeltaCount: 2 ** 32 - 1 },
    'more than an empty v5 Message tells': { packetDeltaCount: 2 ** 36, octetDeltaCount: 2 ** 38 },
    'a wide ingress interface': { ingressInterface: 65_536 },
    'a wide egress interface': { egressInterface: 0xffffffff },
    'the widest interface of 16 bits': { ingressInterface: 65_535, egressInterface: 65_535 },
    '50 days before': {
      flowStartMilliseconds: CLOCK - 50 * 86_400_000,
      flowEndMilliseconds: CLOCK - 50 * 86_400_000,
    },
    '50 days behind': {
      flowStartMilliseconds: CLOCK + 50 * 86_400_000,
      flowEndMilliseconds: CLOCK + 50 * 86_400_000,
    },
    'counters of 53 bits': { packetDeltaCount: MOST_COUNT, octetDeltaCount: MOST_COUNT },
    VXLAN: { layer2SegmentId: ((SEGMENT_VXLAN << 24) | 0xabcdef) >>> 0 },
    GENEVE: { layer2SegmentId: ((SEGMENT_GENEVE << 24) | 0xabcdef) >>> 0 },
  }))
    for (const protocol of values['packetDeltaCount'] === MOST_COUNT ? TEMPLATES : PROTOCOLS)
      for (const before of [0, 1, 29, 40])
        for (const most of [1, 7, 1024]) {
          const records = [
            ...Array<FlowRecord>(before).fill(plain),
            make(values),
            plain,
            make(values),
            plain,
          ];
          const { single, together, rig } = both({ protocol, layouts: [layout] }, true, records, most);
          t.same(together, single, `${name}, ${protocol}, behind ${before}, by ${most}`);
          t.equal(rig.exporter.queued.records, 0);
        }
});

t.test('Messages of every size, from the smallest to those of a stream', async (t) => {
  const [ipv4, ipv6] = [flowLayout(4, 'standard'), flowLayout(6, 'standard')];
  const records = Array.from({ length: 1500 }, (_, i) =>
    flowRecord(i % 700 < 350 && i % 5 > 0 ? ipv4 : ipv6, { ...PLAIN, sourceTransportPort: i }),
  );
  for (const protocol of PROTOCOLS)
    for (const messageOctets of [...Array.from({ length: 68 }, (_, i) => 464 + i), 1472, 8972, 65_535]) {
      const { single, together } = both({ protocol, messageOctets, layouts: [ipv4, ipv6] }, false, records);
      t.same(together, single, `${protocol} ${messageOctets}`);
    }
});

t.test('a Message limit that shrinks within a Message, and templates in between', async (t) => {
  const layout = flowLayout(4, 'standard');
  const records = Array.from({ length: 50 }, (_, i) =>
    flowRecord(layout, { ...PLAIN, sourceTransportPort: i }),
  );
  const rigs = [false, true].map((isBatch) => {
    const rig = new ExportRig({ protocol: 'ipfix', templateRefreshMessages: 2, layouts: [layout] });
    const hand = (some: FlowRecord[]) => {
      if (!isBatch) for (const record of some) rig.exporter.record(record);
      else for (const batch of batchesOf(some)) rig.exporter.records(batch);
    };
    hand(records.slice(0, 20));
    rig.exporter.limitMessages(508);
    hand(records.slice(20));
    rig.exporter.flush();
    return said(rig);
  });
  t.same(rigs[1], rigs[0]);
});

t.test('to whom takes no batches, each record is handed on', async (t) => {
  const layout = flowLayout(4, 'standard');
  const records = Array.from({ length: 3 }, (_, i) =>
    flowRecord(layout, { ...PLAIN, sourceTransportPort: i }),
  );
  const ports: number[] = [];
  const at = layout.fields.get('sourceTransportPort')!.offset;
  for (const batch of batchesOf(records))
    handOn(batch, { record: ({ view, offset }) => ports.push(view.getUint16(offset + at, true)) });
  t.same(ports, [0, 1, 2]);
});

t.test('any records, in batches of any size', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom('netflow5' as const, 'netflow9' as const, 'ipfix' as const),
      fc.integer({ min: 464, max: 1472 }),
      fc.integer({ min: 1, max: 100 }),
      fc.array(
        fc.record({
          version: fc.constantFrom<4 | 6>(4, 4, 4, 6),
          packetDeltaCount: fc.oneof(
            fc.integer({ min: 1, max: 1e6 }),
            fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 38),
          ),
          octetDeltaCount: fc.oneof(
            fc.integer({ min: 20, max: 1e9 }),
            fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 38),
          ),
          flowStartMilliseconds: fc.oneof(
            fc.integer({ min: CLOCK - 1e6, max: CLOCK - 1000 }),
            fc.constantFrom(CLOCK - 2 ** 32, CLOCK - 2 ** 32 + 2000, 0),
          ),
          ingressInterface: fc.constantFrom(1, 65_535, 65_536),
          sourceTransportPort: fc.nat(65_535),
        }),
        { maxLength: 120 },
      ),
      (protocol, messageOctets, most, values) => {
        const layouts = { 4: flowLayout(4, 'standard'), 6: flowLayout(6, 'standard') };
        const records = values.map(({ version, ...fields }) =>
          flowRecord(layouts[version], {
            flowEndMilliseconds: fields.flowStartMilliseconds + 900,
            ...fields,
          }),
        );
        const options = { protocol, messageOctets, layouts: [layouts[4], layouts[6]] };
        const { single, together } = both(options, false, records, most);
        if (JSON.stringify(single) !== JSON.stringify(together))
          throw new Error(`${JSON.stringify(single)} and ${JSON.stringify(together)}`);
      },
    ),
    { numRuns: 300, seed: 41 },
  );
});
