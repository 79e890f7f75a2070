import t from 'tap';
import { ACK, FIN, RST, SYN } from '../support/frames.ts';
import { MeterRig, type SeenRecord } from './meter-rig.ts';

const T = 1_700_000_000_000;
const brief = (records: SeenRecord[]) =>
  records.map((r) => [r.packets, r.startMilliseconds - T, r.endMilliseconds - T, r.reason]);

t.test(
  'active timeout: the delta is exported, the entry stays, the next record starts at its first packet',
  async (t) => {
    const rig = new MeterRig();
    for (const at of [0, 1000, 4999, 5000, 7000, 13000]) rig.packet(T + at);
    t.same(brief(rig.records), [
      [3, 0, 4999, 2],
      [2, 5000, 7000, 2],
    ]);
    t.equal(rig.meter.flows, 1);
    rig.meter.endAll();
    t.same(brief(rig.records).at(-1), [1, 13000, 13000, 4]);
    t.equal(rig.meter.tables[0].created, 1, 'one flow all along');
  },
);

t.test(
  'idle timeout: the entry leaves with its record, and without one if it has counted nothing since',
  async (t) => {
    const rig = new MeterRig({ activeTimeoutMilliseconds: 60_000 });
    rig.packet(T, { sourcePort: 1 });
    rig.packet(T + 14_999, { sourcePort: 1 });
    rig.packet(T + 29_998, { sourcePort: 2 });
    t.equal(rig.records.length, 0, 'one millisecond before the timeout it is still there');
    rig.packet(T + 30_100, { sourcePort: 2 });
    t.same(brief(rig.records), [[2, 0, 14_999, 1]]);

    const quiet = new MeterRig();
    quiet.packet(T, { sourcePort: 1 });
    quiet.packet(T + 40_000, { sourcePort: 2 });
    t.same(
      brief(quiet.records),
      [[1, 0, 0, 2]],
      'exported at its active timeout, gone at its idle timeout in silence',
    );
    t.equal(quiet.meter.flows, 1);
    t.same([...quiet.meter.tables[0].ended], [0, 1, 0, 0, 0, 0]);
  },
);

t.test('a packet at its deadline never joins the record that the deadline ended', async (t) => {
  for (const [late, packets] of [
    [4999, 2],
    [5000, 1],
  ] as const) {
    const rig = new MeterRig();
    rig.packet(T);
    rig.packet(T + late);
    rig.meter.endAll();
    t.equal(rig.records[0]?.packets, packets, `${late} ms`);
  }
});

t.test('FIN and RST: the entry lingers 500 ms for stragglers, then leaves as ended', async (t) => {
  const tcp = { protocol: 6, sourcePort: 7 };
  const rig = new MeterRig();
  rig.packet(T, { ...tcp, flags: SYN });
  rig.packet(T + 10, { ...tcp, flags: FIN | ACK });
  rig.packet(T + 300, { ...tcp, flags: ACK });
  rig.packet(T + 790, { ...tcp, flags: ACK });
  rig.packet(T + 1290, { ...tcp, flags: ACK });
  t.same(brief(rig.records), [[4, 0, 790, 3]], 'after FIN the linger starts again with each straggler');
  t.equal(rig.records[0]?.flags, SYN | FIN | ACK);

  const reset = new MeterRig();
  reset.packet(T, { ...tcp, flags: RST });
  reset.packet(T + 400, { ...tcp, flags: ACK });
  reset.packet(T + 500, { ...tcp, flags: ACK });
  t.same(brief(reset.records), [[2, 0, 400, 3]], 'after RST it does not');
  t.equal(reset.meter.flows, 1, 'and what comes later is a new flow');
});

t.test('a SYN on an ended flow begins a new one at once', async (t) => {
  const tcp = { protocol: 6, sourcePort: 7 };
  const rig = new MeterRig();
  rig.packet(T, { ...tcp, flags: FIN | ACK });
  rig.packet(T + 1, { ...tcp, flags: SYN });
  t.same(brief(rig.records), [[1, 0, 0, 3]]);
  t.equal(rig.meter.tables[0].created, 2);
});

t.test('a deadline that has passed comes first, also for a SYN and at the end', async (t) => {
  const tcp = { protocol: 6, sourcePort: 7 };
  const rig = new MeterRig({ activeTimeoutMilliseconds: 100 });
  rig.packet(T, { ...tcp, flags: FIN | ACK });
  rig.packet(T + 101, { ...tcp, flags: SYN });
  t.same(
    brief(rig.records),
    [[1, 0, 0, 2]],
    'the active timeout, then silence: a SYN finds no record to end',
  );
  const end = new MeterRig({ activeTimeoutMilliseconds: 100 });
  end.packet(T, { sourcePort: 1 });
  end.packet(T + 101, { sourcePort: 2 });
  end.meter.endAll();
  t.same(brief(end.records), [
    [1, 0, 0, 2],
    [1, 101, 101, 4],
  ]);
});

t.test('live: the monotonic clock ends flows, whatever the packets say', async (t) => {
  const rig = new MeterRig({ clock: 'monotonic' });
  rig.packet(T);
  rig.monotonicMilliseconds = 4900;
  rig.packet(T - 3_600_000); // the wall clock was set back an hour
  rig.meter.expire();
  t.equal(rig.records.length, 0);
  rig.monotonicMilliseconds = 5100;
  rig.meter.expire();
  t.same(brief(rig.records), [[2, -3_600_000, 0, 2]], 'no packet had to come for it');
  rig.monotonicMilliseconds = 20_000;
  rig.meter.expire();
  t.equal(rig.meter.flows, 0);
  t.equal(rig.records.length, 1);
});

t.test('live: ticks wrap after 2^31 and 2^32 ms without stranding or flooding', async (t) => {
  for (const wrap of [2 ** 31, 2 ** 32, 2 ** 33]) {
    const rig = new MeterRig({ clock: 'monotonic' });
    rig.monotonicMilliseconds = wrap - 100;
    const meter = new MeterRig({
      clock: 'monotonic',
      monotonicMilliseconds: () => rig.monotonicMilliseconds,
    });
    meter.packet(T);
    rig.monotonicMilliseconds = wrap + 4800;
    meter.meter.expire();
    t.equal(meter.records.length, 0);
    rig.monotonicMilliseconds = wrap + 5000;
    meter.meter.expire();
    t.equal(meter.records.length, 1);
  }
});

t.test('a gap of years in a file ends what is open, and no more', async (t) => {
  const rig = new MeterRig();
  rig.packet(T);
  rig.packet(T + 2 ** 33 + 5);
  rig.packet(T + 2 ** 33 + 1005);
  rig.packet(T + 2 ** 33 + 6000);
  t.same(
    rig.records.map((r) => [r.packets, r.reason]),
    [
      [1, 2],
      [2, 2],
    ],
  );
});

t.test('packets out of order widen the record, and never move the clock back', async (t) => {
  const rig = new MeterRig();
  rig.packet(T + 1000);
  rig.packet(T);
  rig.packet(T + 2000);
  rig.meter.endAll();
  t.same(brief(rig.records), [[3, 0, 2000, 4]]);
});
