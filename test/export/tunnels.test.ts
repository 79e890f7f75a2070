/** What records of opened tunnels say: network identifier, GRE key and endpoint, in v9, in IPFIX and as JSON. */

import t from 'tap';
import { recordToJson } from '../../src/collect/json.ts';
import { flowLayout } from '../../src/flow/flow-record.ts';
import { TUNNELS } from '../../src/packet/decapsulator.ts';
import { SEGMENT_GENEVE, SEGMENT_GRE, SEGMENT_VXLAN } from '../../src/packet/tunnel-key.ts';
import { ExportRig, hex, value } from './export-rig.ts';

const plain = { packetDeltaCount: 1, octetDeltaCount: 40 };
const segment = (kind: number, vni: number) => ((kind << 24) | vni) >>> 0;

for (const protocol of ['ipfix', 'netflow9'] as const) {
  t.test(`${protocol}: layer2SegmentId, greKey, observationPointId`, async (t) => {
    const layouts = [
      flowLayout(4, 'standard', false, TUNNELS),
      flowLayout(6, 'standard', false, TUNNELS),
    ] as const;
    const rig = new ExportRig({ protocol, layouts });
    const endpoint = [0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0, 0x11].join('.');
    for (const version of [4, 6] as const) {
      rig.record(version, {
        ...plain,
        layer2SegmentId: segment(SEGMENT_VXLAN, 0xfedcba),
        greKey: 0xdeadbeef,
      });
      const geneve = segment(SEGMENT_GENEVE, 1000);
      rig.record(version, { ...plain, layer2SegmentId: geneve, observationPointId: endpoint });
      rig.record(version, { ...plain, layer2SegmentId: segment(SEGMENT_GRE, 0) });
      rig.record(version, plain);
    }
    rig.exporter.flush();
    const seen = rig.records.map((record) =>
      ['layer2SegmentId', 'greKey', 'observationPointId'].map((name) => value(record, name)),
    );
    const expected = [
      // IANA: the first octet is the kind, 1 for VXLAN; there is none for GENEVE.
      [(1n << 56n) + 0xfedcban, 0xdeadbeef, 0],
      [1000, 0, 0xaabbccddeeff0011n],
      [0, 0, 0],
      [0, 0, 0],
    ];
    t.same(seen, [...expected, ...expected]);
    t.match(recordToJson(rig.records[0]!), '"layer2SegmentId":"72057594054630586","greKey":3735928559,');
    const octets = rig.datagrams.map(hex).join('');
    t.match(octets, `0100000000fedcbadeadbeef${'00'.repeat(8)}`, 'the octets of the first');
    t.match(octets, `00000000000003e800000000aabbccddeeff0011`, 'and of the second');
  });
}

t.test('only the fields of the tunnels that are opened; a plain record is as it was', async (t) => {
  const names = ['layer2SegmentId', 'greKey', 'observationPointId'];
  for (const [tunnels, fields] of [
    [[], []],
    [['ipip'], []],
    [['6in4', 'gre'], ['greKey']],
    [['vxlan'], ['layer2SegmentId']],
    [['geneve'], ['layer2SegmentId', 'observationPointId']],
  ] as const) {
    const layout = flowLayout(4, 'standard', false, tunnels);
    t.same(
      names.filter((name) => layout.fields.has(name)),
      fields,
      tunnels.join(),
    );
    t.equal(layout.words, tunnels.length === 0 ? 16 : 20);
    t.equal(layout.keyWords, tunnels.length === 0 ? 5 : 9);
  }
});
