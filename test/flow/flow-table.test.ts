import t from 'tap';
import { FlowIndex } from '../../src/flow/flow-index.ts';
import { flowLayout } from '../../src/flow/flow-record.ts';
import { hashKey } from '../../src/flow/hash.ts';
import { GRANULE_SHIFT } from '../../src/flow/record-head.ts';
import { TimerWheel } from '../../src/flow/timer-wheel.ts';
import { MeterRig } from './meter-rig.ts';

/** A small deterministic generator (xorshift32). */
function randomly(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

t.test('a plain IPv4 record is one cache line, and the fields of a record do not overlap', async (t) => {
  t.equal(flowLayout(4, 'standard').words, 16);
  for (const version of [4, 6] as const) {
    for (const [fields, routes] of [
      ['standard', false],
      ['full', false],
      ['standard', true],
      ['full', true],
    ] as const) {
      const layout = flowLayout(version, fields, routes);
      t.equal(layout.words % 2, 0, 'float64 fields of every record stay aligned');
      const taken = new Set<number>();
      for (const [name, field] of layout.fields) {
        for (let i = 0; i < field.size; i++) {
          t.notOk(taken.has(field.offset + i), `${name} overlaps no other field`);
          taken.add(field.offset + i);
        }
        t.ok(field.offset + field.size <= layout.words * 4, `${name} lies within the record`);
      }
    }
  }
});

t.test('the index finds what a Map finds, through growth and deletion', async (t) => {
  const random = randomly(42);
  const index = new FlowIndex(2000, 8);
  const model = new Map<number, number>(); // slot → hash
  for (let i = 0; i < 20_000; i++) {
    // Few distinct hashes on purpose: long runs, wrap-around at the end of the array, and every tag.
    const hash = Math.imul(random(300) - 150, 0x9e3779b1) | 0;
    const slot = random(2000);
    if (model.has(slot)) {
      index.remove(slot);
      model.delete(slot);
    } else {
      index.insert(hash, slot);
      model.set(slot, hash);
    }
    if (i % 500 === 0) {
      const found = [...index.entries].filter((entry) => entry !== 0).map((entry) => (entry & 0xffffff) - 1);
      t.same(found.sort(), [...model.keys()].sort(), 'every slot once, and no other');
      for (const [slot, hash] of model) {
        let position = hash & index.mask;
        while ((index.entries[position]! & 0xffffff) !== slot + 1) {
          if (index.entries[position] === 0) throw new Error(`slot ${slot} is not reachable from its hash`);
          position = (position + 1) & index.mask;
        }
        const first = index.first(hash);
        if (model.get(first)! >>> 24 !== hash >>> 24) throw new Error(`${hash} leads to another tag`);
      }
    }
  }
  t.equal(index.count, model.size);
});

t.test('the wheel visits each slot once its deadline has passed, and not a granule later', async (t) => {
  const random = randomly(7);
  const granule = 1 << GRANULE_SHIFT;
  for (const start of [0, 2 ** 31 - 5000, -5000]) {
    const wheel = new TimerWheel(500);
    wheel.begin(start | 0);
    const deadlines = new Map<number, number>(); // slot → milliseconds after start
    for (let now = 0; now < 400_000; now += random(5000)) {
      for (let i = 0; i < 20; i++) {
        const slot = random(500);
        if (deadlines.has(slot)) wheel.unlink(slot);
        deadlines.set(slot, now + random(100_000)); // beyond the wheel's turn of 65.5 s, too
        wheel.link(slot, (start + deadlines.get(slot)!) | 0);
      }
      wheel.advance((start + now) | 0, (slot) => {
        const deadline = deadlines.get(slot)!;
        if (deadline > now) wheel.link(slot, (start + deadline) | 0);
        else deadlines.delete(slot);
      });
      for (const [slot, deadline] of deadlines) {
        if (deadline < now - granule)
          throw new Error(`slot ${slot} was due at ${deadline} and is still linked at ${now}`);
      }
    }
  }
  t.pass('no slot was late');
});

t.test('the hash depends on every bit of the key and of the seed, and spreads evenly', async (t) => {
  const key = new Int32Array([1, 2, 3, 4, 5]);
  const plain = hashKey(key, 0, 5, [1, 2]);
  for (let bit = 0; bit < 160; bit++) {
    const other = key.slice();
    other[bit >> 5] = other[bit >> 5]! ^ (1 << (bit & 31));
    if (hashKey(other, 0, 5, [1, 2]) === plain) t.fail(`bit ${bit} of the key changes nothing`);
  }
  t.not(hashKey(key, 0, 5, [1, 3]), plain);
  t.not(hashKey(key, 0, 5, [2, 2]), plain);
  // Sequential addresses, the commonest pattern of a scan: into 1024 buckets, chi-squared.
  const buckets = new Int32Array(1024);
  const keys = 102_400;
  for (let i = 0; i < keys; i++) {
    key[1] = i << 8; // the last octets of the address lie in the word's top
    const bucket = hashKey(key, 0, 5, [77, 88]) & 1023;
    buckets[bucket] = buckets[bucket]! + 1;
  }
  const expected = keys / 1024;
  const chi = buckets.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  t.ok(chi > 800 && chi < 1250, `chi-squared ${chi.toFixed(0)} of 1023 degrees of freedom`);
});

t.test('a full table makes room: the smallest leave, with a record that says why', async (t) => {
  const rig = new MeterRig({ maxFlows: 64 });
  const T = 1_700_000_000_000;
  for (let i = 0; i < 20; i++) rig.packet(T + i, { source: '10.9.9.9', sourcePort: 9 });
  for (let i = 0; i < 20; i++)
    rig.packet(T + i, { source: 'fd00::9', destination: 'fd00::1', sourcePort: 9 });
  for (let i = 0; i < 5000; i++) {
    rig.packet(T + 20, { source: `10.1.${i >> 8}.${i & 255}` });
    t.ok(rig.meter.flows <= 64) || t.bailout('the bound is broken');
  }
  t.equal(rig.records.length, 5002 - 64);
  t.ok(
    rig.records.every((record) => record.reason === 5 && record.packets === 1),
    'the large flows stayed',
  );
  rig.meter.endAll();
  t.equal(
    rig.records.reduce((sum, r) => sum + r.packets, 0),
    5040,
    'no packet is lost by eviction',
  );
  const tiny = new MeterRig({ maxFlows: 1 });
  tiny.packet(T, { sourcePort: 1 });
  tiny.packet(T, { sourcePort: 2 });
  tiny.packet(T, { sourcePort: 2 });
  t.same(
    tiny.records.map((r) => r.packets),
    [1],
  );
});

t.test('metered is what records carry and what lies in the table, at every moment', async (t) => {
  const random = randomly(99);
  const rig = new MeterRig({ maxFlows: 100 });
  let at = 1_700_000_000_000;
  for (let i = 0; i < 5000; i++) {
    at += random(60) === 0 ? random(20_000) : random(20);
    const protocol = [6, 17, 1, 47][random(4)]!;
    const is6 = random(4) === 0;
    rig.packet(at, {
      source: is6 ? `fd00::${random(20)}` : `10.0.0.${random(20)}`,
      destination: is6 ? 'fd00::1' : '10.0.0.1',
      protocol,
      sourcePort: random(10),
      flags: random(32),
      payload: random(100),
      tos: random(256),
      vlan: random(3),
    });
    const { meter } = rig;
    const open = meter.tables.map((table) => table.sumOpen());
    const inTable = {
      packets: open[0]!.packets + open[1]!.packets,
      octets: open[0]!.octets + open[1]!.octets,
    };
    if (
      meter.meteredPackets !== meter.recordedPackets + inTable.packets ||
      meter.meteredOctets !== meter.recordedOctets + inTable.octets ||
      meter.capturedPackets !== meter.meteredPackets
    ) {
      throw new Error(
        `packet ${i}: ${JSON.stringify([meter.meteredPackets, meter.recordedPackets, inTable])}`,
      );
    }
  }
  rig.meter.endAll();
  t.equal(
    rig.records.reduce((sum, r) => sum + r.octets, 0),
    rig.meter.meteredOctets,
  );
  t.equal(rig.meter.flows, 0);
});
