/** Records that leave together, and one by one: the same Messages, octet by octet. */

import fc from 'fast-check';
import t from 'tap';
import { COPY_COUNTER32 } from '../../src/export/copies.ts';
import { encoderIn } from '../../src/export/encoder.ts';
import type { ExporterOptions } from '../../src/export/exporter.ts';
import { MOST_TRAIN_MESSAGES, MOST_TRAIN_OCTETS } from '../../src/export/message.ts';
import { RecordCopy } from '../../src/export/record-copy.ts';
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
const TAKES_TRAINS = ['no', 'whole', 'parted'] as const;
const CLOCK = 1_700_000_000_123;
const times = { flowStartMilliseconds: CLOCK - 1000, flowEndMilliseconds: CLOCK - 10 };
const PLAIN = { ...times, packetDeltaCount: 1, octetDeltaCount: 40 };

/** Everything that a rig has seen, and says. */
function said(rig: ExportRig): unknown {
  const { accepted, handed, sent, notSent, wideInterfaceRecords, queued } = rig.exporter;
  const { messagesSent, messageOctetsSent, templatesSent } = rig.exporter;
  const counts = { accepted, handed, sent, notSent: [...notSent], wideInterfaceRecords, queued };
  return [rig.datagrams.map(hex), rig.notices, counts, messagesSent, messageOctetsSent, templatesSent];
}

function both(
  options: Partial<ExporterOptions>,
  routes: boolean,
  records: readonly FlowRecord[],
  most = 1024,
) {
  const rig = new ExportRig(options, routes);
  for (const record of records) rig.exporter.record(record);
  rig.exporter.flush();
  const single = said(rig);
  let trains = 0;
  const together = TAKES_TRAINS.map((takesTrains) => {
    const rig = new ExportRig(options, routes, takesTrains);
    for (const batch of batchesOf(records, most)) rig.exporter.records(batch);
    rig.exporter.flush();
    trains += rig.trains.length;
    return said(rig);
  });
  return { single: TAKES_TRAINS.map(() => single), together, rig, trains };
}

t.test('every field of every kind of record', async (t) => {
  for (const protocol of PROTOCOLS) {
    // Enough for trains of small Messages, where there are any.
    const [count, messageOctets] = protocol === 'ipfix' ? [450, 464] : [100, 1472];
    for (const fields of ['standard', 'full'] as const)
      for (const routes of [false, true])
        for (const octets of [1, 2] as const)
          for (const tunnels of [[], TUNNELS]) {
            const layouts = ([4, 6] as const).map((version) => flowLayout(version, fields, routes, tunnels));
            const records = layouts.flatMap((layout) =>
              Array.from({ length: count }, (_, i) => {
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
            const { single, together, trains } = both(
              { protocol, fields, layouts, tcpControlBitsOctets: octets, messageOctets },
              routes,
              records,
            );
            const name = `${protocol} ${fields} ${routes ? 'routes ' : ''}${octets} ${tunnels.length > 0 ? 'tunnels' : ''}`;
            t.same(together, single, name);
            t.equal(trains > 0, protocol === 'ipfix', `${name}: trains`);
          }
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

t.test('trains: as long as records and their limits allow', async (t) => {
  const layout = flowLayout(4, 'standard');
  const records = Array.from({ length: 3000 }, (_, i) =>
    flowRecord(layout, {
      ...PLAIN,
      packetDeltaCount: 1 + i,
      octetDeltaCount: 40 + i,
      sourceTransportPort: i,
    }),
  );
  for (const [name, most, options, expected] of [
    ['an Ethernet', 4096, {}, [125]], // 24 records a Message
    ['what a batch leaves begins the next', 1024, {}, [42, 42]], // and no train of 39
    ['256 at most', 4096, { messageOctets: 400 }, [256, 244]],
    ['large ones', 4096, { messageOctets: 8972 }, [20]],
    ['two of a third of the batch', 4096, { messageOctets: 65_535 }, [2]],
    ['templates again', 4096, { templateRefreshMessages: 70 }, [70, 55]],
    ['templates again so often', 4096, { templateRefreshMessages: 40 }, []],
    ['not in v9', 4096, { protocol: 'netflow9' }, []],
    ['not in v5', 4096, { protocol: 'netflow5' }, []],
  ] as const) {
    const rig = new ExportRig({ layouts: [layout], ...options }, false, 'whole');
    for (const batch of batchesOf(records, most)) rig.exporter.records(batch);
    rig.exporter.flush();
    t.same(rig.trains, expected, name);
    const { single, together } = both({ layouts: [layout], ...options }, false, records, most);
    t.same(together, single, name);
  }
});

t.test('trains of IPv6: the octets are the limit', async (t) => {
  const layout = flowLayout(6, 'full');
  const records = Array.from({ length: 4096 }, (_, i) =>
    flowRecord(layout, { ...PLAIN, sourceTransportPort: i }),
  );
  const options = { layouts: [layout], fields: 'full' } as const;
  const rig = new ExportRig(options, false, 'whole');
  for (const batch of batchesOf(records)) rig.exporter.records(batch);
  const octets = rig.datagrams.at(-2)!.length;
  t.equal(rig.trains[0], Math.floor(MOST_TRAIN_OCTETS / octets));
  t.ok(rig.trains[0]! < MOST_TRAIN_MESSAGES && rig.trains.length > 1);
  const { single, together } = both(options, false, records, 4096);
  t.same(together, single);
});

t.test('trains: what one call of the kernel takes is none', async (t) => {
  const layout = flowLayout(4, 'standard');
  const records = Array.from({ length: 1100 }, () => flowRecord(layout, PLAIN));
  for (const [messageOctets, count, trains] of [
    [1472, 42 * 24 - 1, []],
    [1472, 42 * 24, [42]], // 60 480 octets of records
    [400, 64 * 6 - 1, []],
    [400, 64 * 6, [64]],
  ] as const) {
    const rig = new ExportRig({ layouts: [layout], messageOctets }, false, 'whole');
    for (const batch of batchesOf(records.slice(0, count))) rig.exporter.records(batch);
    t.same(rig.trains, trains, `${count} records`);
  }
});

t.test('a train that is lost is counted, and its memory used again', async (t) => {
  const layout = flowLayout(4, 'standard');
  const records = Array.from({ length: 1200 }, (_, i) =>
    flowRecord(layout, { ...PLAIN, packetDeltaCount: i }),
  );
  const rig = new ExportRig({ layouts: [layout] }, false, 'whole');
  rig.held = [];
  for (const batch of batchesOf(records)) rig.exporter.records(batch);
  const { queued, accepted } = rig.exporter;
  t.same(queued, { records: 1200, packets: (1200 * 1199) / 2, octets: 1200 * 40 });
  t.same(queued, accepted);
  t.equal(rig.held.length, 1);
  t.match(rig.held[0], { messages: 50, flowRecords: 1200, sequenced: 1200, packets: (1200 * 1199) / 2 });
  rig.exporter.settled(rig.held[0]!, 'queue_full');
  t.same(rig.exporter.notSent.get('queue_full'), queued);
  t.equal(rig.exporter.messagesSent, 1, 'the templates');
  for (const batch of batchesOf(records)) rig.exporter.records(batch);
  t.equal(rig.held[1], rig.held[0], 'the same memory');
  const second = rig.held[1]!;
  rig.held = undefined;
  rig.leave(second);
  t.same(rig.exporter.sent, queued);
  t.equal(rig.exporter.queued.records, 0);
  t.equal(rig.records.length, 1200);
  rig.held = [];
  for (const batch of batchesOf(records)) rig.exporter.records(batch);
  t.equal(rig.held[0], second);
  rig.exporter.stamp(second);
  for (const part of rig.exporter.parted(second)) rig.exporter.settled(part);
  for (const batch of batchesOf(records)) rig.exporter.records(batch);
  t.equal(rig.held[1], second, 'also where it was parted');
});

t.test('a train ends before a value that its field does not hold', async (t) => {
  const layout = flowLayout(4, 'standard');
  const step = (name: string, to: number) => ({
    copy: COPY_COUNTER32,
    from: layout.fields.get(name)!.offset,
    to,
    size: 4,
  });
  const copy = new RecordCopy([step('packetDeltaCount', 0), step('octetDeltaCount', 4)], 8, layout);
  const records = Array.from({ length: 9 }, (_, i) =>
    flowRecord(layout, { packetDeltaCount: i, octetDeltaCount: i === 7 ? 2 ** 32 : 100 + i }),
  );
  for (const batch of batchesOf(records)) {
    const encoder = encoderIn(batch.shared);
    t.equal(encoder.encodeTrain(copy, batch, 1, 4, 2, Uint8Array.of(0xaa, 0xbb)), 3);
    t.same([...encoder.trainSums.subarray(0, 6)], [3, 203, 7, 207, 11, 211]);
    t.same([encoder.packets, encoder.octets], [21, 621]);
    t.equal(
      hex(encoder.encoded(3 * 18)),
      [1, 3, 5]
        .map(
          (i) => `aabb${[i, 100 + i, i + 1, 101 + i].map((n) => n.toString(16).padStart(8, '0')).join('')}`,
        )
        .join(''),
    );
  }
});
