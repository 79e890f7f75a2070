/** Fragments join the flow of their datagram: in order or not, twice, overlapping, too many, too late, and never the wrong one. */

import t, { type Test } from 'tap';
import { MOST_DATAGRAMS, MOST_WAITING, WAIT_MILLISECONDS } from '../../src/flow/fragments.ts';
import { IGNORED_REASONS } from '../../src/packet/packet-view.ts';
import { Random } from '../fuzz/random.ts';
import { fragmentFrames } from '../support/fragments.ts';
import type { Packet } from '../support/frames.ts';
import { MeterRig, type SeenRecord } from './meter-rig.ts';

const T = 1_700_000_000_000;
const IPV4: Packet = {
  source: '192.0.2.1',
  destination: '192.0.2.2',
  protocol: 17,
  sourcePort: 4000,
  payload: 4000,
};
const IPV6: Packet = { ...IPV4, source: '2001:db8::1', destination: '2001:db8::2' };
/** What an Ethernet of 1500 octets makes of a datagram of 4008. */
const SIZES = { 4: [1480, 1480], 6: [1448, 1448] };
const OCTETS = { 4: 4008 + 3 * 20, 6: 4008 + 3 * 48 };

const brief = (records: readonly SeenRecord[]) =>
  records.map(({ sourcePort, packets, octets }) => [sourcePort, packets, octets]).sort();

function identityHolds(t: Test, { meter, records }: MeterRig): void {
  const open = meter.tables.map((table) => table.sumOpen());
  const recorded = records.reduce((sum, { octets }) => sum + octets, 0);
  if (meter.capturedPackets !== meter.meteredPackets) t.fail('captured = metered + ignored');
  if (meter.meteredOctets !== recorded + open[0]!.octets + open[1]!.octets)
    t.fail('metered = records + table');
}

for (const [version, packet] of [
  [4, IPV4],
  [6, IPV6],
] as const) {
  t.test(`IPv${version}: every order of three fragments is one flow with ports`, async (t) => {
    const frames = fragmentFrames(packet, 7, SIZES[version]);
    for (const order of ['012', '021', '102', '120', '201', '210']) {
      for (const clock of ['packet', 'monotonic'] as const) {
        const rig = new MeterRig({ clock });
        for (const [i, n] of [...order].entries()) {
          rig.octets(T + i, frames[Number(n)]!);
          identityHolds(t, rig);
          const arrived = i + 1;
          t.equal(
            rig.meter.capturedPackets + rig.meter.fragments.waitingPackets,
            arrived,
            'captured or waiting',
          );
        }
        t.equal(rig.meter.fragments.waitingPackets, 0);
        rig.meter.endAll();
        t.same(brief(rig.records), [[4000, 3, OCTETS[version]]], `${order}, ${clock}`);
        t.equal(rig.meter.fragments.counters.overlapping, 0);
      }
    }
  });
}

t.test('what waits in vain is counted without ports: after 100 ms, whatever moves the clock', async (t) => {
  const [, second] = fragmentFrames(IPV4, 7, SIZES[4]);
  const rig = new MeterRig();
  rig.octets(T, second!);
  rig.packet(T + WAIT_MILLISECONDS - 1);
  t.same([rig.meter.capturedPackets, rig.meter.fragments.waitingPackets], [1, 1]);
  t.equal(rig.meter.fragments.waitingOctets, 1500);
  rig.packet(T + WAIT_MILLISECONDS);
  t.same([rig.meter.capturedPackets, rig.meter.fragments.waitingPackets], [3, 0]);
  t.match(rig.meter.fragments.counters, { waited: 1, expired: 1, hits: 0 });
  rig.meter.endAll();
  const record = rig.records.find(({ octets }) => octets === 1500);
  t.match(record, { sourcePort: 0, packets: 1, startMilliseconds: T }, 'its own time');

  const live = new MeterRig({ clock: 'monotonic' });
  live.octets(T, second!);
  live.monotonicMilliseconds = WAIT_MILLISECONDS - 1;
  live.meter.expire();
  t.equal(live.meter.capturedPackets, 0);
  live.monotonicMilliseconds = WAIT_MILLISECONDS;
  live.meter.expire();
  t.equal(live.meter.capturedPackets, 1, 'live, no packet is needed');

  const end = new MeterRig();
  end.octets(T, second!);
  end.meter.endAll();
  t.same(brief(end.records), [[0, 1, 1500]], 'the end of the capture ends the waiting');
});

t.test(
  'a datagram is forgotten two seconds after its first fragment, and after a leap of the clock',
  async (t) => {
    for (const [later, ports] of [
      [1999, 4000],
      [2000, 0],
      [2 ** 32, 0],
      [2 ** 32 + 5, 0],
    ] as const) {
      for (const between of [false, true]) {
        const [first, second] = fragmentFrames(IPV4, 7, SIZES[4]);
        const rig = new MeterRig({ activeTimeoutMilliseconds: 1 });
        rig.octets(T, first!);
        if (between) rig.packet(T + later, { source: '10.9.9.9' });
        rig.octets(T + later, second!);
        rig.meter.endAll();
        const own = rig.records.filter((r) => r.octets === 1500 && r.startMilliseconds > T);
        t.match(own, [{ sourcePort: ports }], `${later} ms`);
      }
    }
    const [first, second] = fragmentFrames(IPV4, 7, SIZES[4]);
    const [other] = fragmentFrames(IPV4, 8, SIZES[4]);
    for (const [later, hits] of [
      [1999, 1],
      [2000, 0],
    ] as const) {
      const live = new MeterRig({ clock: 'monotonic' });
      live.octets(T, first!);
      live.monotonicMilliseconds = 1000;
      live.octets(T, other!);
      live.monotonicMilliseconds = later;
      live.octets(T, second!);
      t.equal(live.meter.fragments.counters.hits, hits, `live, after ${later} ms`);
    }
    const rig = new MeterRig();
    rig.octets(T, second!);
    rig.packet(T + 2 ** 32);
    t.equal(rig.meter.fragments.waitingPackets, 0, 'nor does anything wait over a leap');
  },
);

t.test('only its own datagram’s ports', async (t) => {
  const [first] = fragmentFrames(IPV4, 7, SIZES[4]);
  const others: [string, Packet, number, object?][] = [
    ['another identification', IPV4, 8],
    ['another source', { ...IPV4, source: '192.0.2.3' }, 7],
    ['another destination', { ...IPV4, destination: '192.0.2.3' }, 7],
    ['another protocol', { ...IPV4, protocol: 6 }, 7],
    ['another interface', IPV4, 7, { ingressInterface: 9 }],
    ['another VLAN', IPV4, 7, { strippedVlanTci: 9 }],
  ];
  for (const [what, packet, identification, about] of others) {
    const rig = new MeterRig();
    rig.octets(T, first!);
    rig.octets(T, fragmentFrames(packet, identification, SIZES[4])[1]!, { strippedVlanTci: -1, ...about });
    t.equal(rig.meter.fragments.waitingPackets, 1, what);
  }
});

t.test('the protocol comes from the first fragment, too: a header may stand between', async (t) => {
  // IPv6: Destination Options behind the Fragment header. IPv4: AH.
  const [first, second] = fragmentFrames({ ...IPV6, protocol: 60 }, 7, [1448, 1448]);
  first!.set([17, 0, 1, 4, 0, 0, 0, 0, 0x0f, 0xa0, 0, 53], 14 + 48);
  const rig = new MeterRig();
  rig.octets(T, second!);
  rig.octets(T, first!);
  rig.meter.endAll();
  t.match(rig.records, [{ sourcePort: 4000, packets: 2 }]);

  const [ah, later] = fragmentFrames({ ...IPV4, protocol: 51 }, 7, [1480, 1480]);
  ah!.set([17, 4, ...new Array(22).fill(0), 0x0f, 0xa0, 0, 53], 14 + 20);
  const rig4 = new MeterRig();
  rig4.octets(T, ah!);
  rig4.octets(T, later!);
  rig4.meter.endAll();
  t.match(rig4.records, [{ sourcePort: 4000, packets: 2 }]);
});

t.test('overlaps and tiny fragments are counted, and metered', async (t) => {
  const tcp: Packet = { ...IPV4, protocol: 6, payload: 100 };
  const rows: [string, Uint8Array[], { overlapping: number; tiny: number }][] = [
    ['a datagram', fragmentFrames(IPV4, 7, SIZES[4]), { overlapping: 0, tiny: 0 }],
    [
      'its second fragment twice',
      [0, 1, 1, 2].map((n) => fragmentFrames(IPV4, 7, SIZES[4])[n]!),
      { overlapping: 1, tiny: 0 },
    ],
    [
      'eight octets of the first again (RFC 5722)',
      [fragmentFrames(IPV4, 7, [1480, 1480])[0]!, fragmentFrames(IPV4, 7, [1472, 1480])[1]!],
      { overlapping: 1, tiny: 0 },
    ],
    [
      'the whole datagram twice: the identification is used again',
      [...fragmentFrames(IPV4, 7, SIZES[4]), ...fragmentFrames(IPV4, 7, SIZES[4])],
      { overlapping: 0, tiny: 0 },
    ],
    [
      'TCP flags in the second fragment (RFC 1858 §3)',
      fragmentFrames(tcp, 7, [8]),
      { overlapping: 0, tiny: 2 },
    ],
    ['ports and flags in the first', fragmentFrames(tcp, 7, [16]), { overlapping: 0, tiny: 0 }],
    [
      'flags written again from offset 8 (RFC 3128)',
      [fragmentFrames(tcp, 7, [24])[0]!, fragmentFrames(tcp, 7, [8])[1]!],
      { overlapping: 1, tiny: 1 },
    ],
    ['over IPv6', fragmentFrames({ ...IPV6, protocol: 6 }, 7, [8]), { overlapping: 0, tiny: 2 }],
  ];
  for (const [what, frames, counts] of rows) {
    const rig = new MeterRig();
    for (const frame of frames) rig.octets(T, frame);
    rig.meter.endAll();
    t.match(rig.meter.fragments.counters, { fragments: frames.length, ...counts }, what);
    t.equal(rig.meter.meteredPackets, frames.length);
    t.equal(rig.records.length, 1, 'one flow');
  }
});

t.test('what is kept is bounded, and what is pushed out is counted', async (t) => {
  const rig = new MeterRig();
  const [first, second] = fragmentFrames(IPV4, 0, SIZES[4]);
  const number = (frame: Uint8Array, n: number) => {
    frame.set([n >> 8, n & 0xff], 14 + 4);
    frame.set([n >> 16], 14 + 19);
  };
  for (let n = 0; n < MOST_DATAGRAMS + 3; n++) {
    number(first!, n);
    rig.octets(T, first!);
  }
  t.match(rig.meter.fragments.counters, { evictions: 3 });
  t.equal(rig.meter.fragments.datagrams, MOST_DATAGRAMS);
  number(second!, 2);
  rig.octets(T, second!);
  t.match(rig.meter.fragments.counters, { hits: 0, waited: 1, evictions: 4 }, 'the oldest are gone');
  number(second!, MOST_DATAGRAMS);
  rig.octets(T, second!);
  t.match(rig.meter.fragments.counters, { hits: 1 }, 'the others are not');

  const full = new MeterRig();
  for (let n = 0; n < MOST_WAITING + 5; n++) {
    number(second!, n);
    full.octets(T, second!);
    identityHolds(t, full);
  }
  t.match(full.meter.fragments.counters, { waited: MOST_WAITING + 5, displaced: 5, expired: 0 });
  t.equal(full.meter.fragments.waitingPackets, MOST_WAITING);
  t.equal(full.meter.capturedPackets, 5);
  full.meter.endAll();
  t.equal(full.meter.capturedPackets, MOST_WAITING + 5);
  t.equal(full.meter.fragments.waitingOctets, 0);
});

t.test('random order, duplicates, gaps and datagrams between each other', async (t) => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Random(seed);
    const frames: Uint8Array[] = [];
    let octets = 0;
    const expected = new Map<number, number>();
    for (let id = 0; id < 30; id++) {
      const payload = 1 + random.below(4000);
      const sizes: number[] = [];
      for (let left = payload - 8; left > 8; left -= sizes.at(-1)!) {
        sizes.push(8 * (1 + random.below(Math.ceil(left / 8 / random.pick([1, 4])))));
        if (sizes.reduce((sum, n) => sum + n, 0) >= payload) {
          sizes.pop();
          break;
        }
      }
      const packet = { ...random.pick([IPV4, IPV6]), sourcePort: 1000 + id, payload };
      const own = sizes.length === 0 ? [] : fragmentFrames(packet, id, sizes);
      for (const frame of own) {
        for (let copies = 1 + (random.oneIn(5) ? 1 : 0); copies > 0; copies--) {
          frames.push(frame);
          octets += frame.length - 14;
          expected.set(1000 + id, (expected.get(1000 + id) ?? 0) + frame.length - 14);
        }
      }
    }
    const rig = new MeterRig({ clock: random.pick(['packet', 'monotonic']) });
    let at = 0;
    while (frames.length > 0) {
      const [frame] = frames.splice(random.below(frames.length), 1);
      rig.octets(T + Math.floor(at++ / 20), frame!);
      identityHolds(t, rig);
    }
    rig.meter.endAll();
    const seen = new Map(rig.records.map((record) => [record.sourcePort, record.octets]));
    t.same([...seen].sort(), [...expected].sort(), `seed ${seed}`);
    t.equal(rig.meter.meteredOctets, octets);
  }
});

for (const [version, packet] of [
  [4, IPV4],
  [6, IPV6],
] as const) {
  t.test(
    `IPv${version}: every fragment of Weir's own datagram is ignored as its own, in any order`,
    async (t) => {
      const OWN_EXPORT = IGNORED_REASONS.indexOf('own_export');
      const own = fragmentFrames(packet, 7, SIZES[version]);
      const others = fragmentFrames({ ...packet, sourcePort: 5000 }, 8, SIZES[version]);
      for (const order of ['012', '021', '102', '120', '201', '210']) {
        for (const clock of ['packet', 'monotonic'] as const) {
          const rig = new MeterRig({
            clock,
            isOwnExport: (view) => view.sourceTransportPort === packet.sourcePort,
          });
          for (const [i, n] of [...order].entries()) {
            rig.octets(T + i, own[Number(n)]!);
            rig.octets(T + i, others[Number(n)]!);
            const { meter } = rig;
            const { ignoredPackets: ignored, fragments } = meter;
            const open = meter.tables.map((table) => table.sumOpen().packets);
            t.equal(meter.capturedPackets + fragments.waitingPackets, 2 * (i + 1), 'captured or waiting');
            t.equal(meter.capturedPackets, meter.meteredPackets + ignored[OWN_EXPORT]!, 'metered or ignored');
            t.equal(open[0]! + open[1]!, meter.meteredPackets, 'metered is in the table');
          }
          t.equal(rig.meter.ignoredPackets[OWN_EXPORT], 3, `${order}, ${clock}`);
          t.equal(rig.meter.ignoredOctets[OWN_EXPORT], OCTETS[version]);
          rig.meter.endAll();
          t.same(brief(rig.records), [[5000, 3, OCTETS[version]]], 'and nothing of others');
        }
      }
    },
  );
}

t.test('an identification that Weir has used for its own export is used again by others', async (t) => {
  const own = fragmentFrames(IPV4, 7, SIZES[4]);
  const others = fragmentFrames({ ...IPV4, sourcePort: 5000 }, 7, SIZES[4]);
  const rig = new MeterRig({ isOwnExport: (view) => view.sourceTransportPort === IPV4.sourcePort });
  for (const frame of [...own, ...others]) rig.octets(T, frame);
  rig.meter.endAll();
  t.same(brief(rig.records), [[5000, 3, OCTETS[4]]]);
});
