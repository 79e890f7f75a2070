/** The table under attack: floods of one-packet flows, and keys that are chosen to collide. */
import t from 'tap';
import { type HashSeed, hashKey } from '../../src/flow/hash.ts';
import type { Meter } from '../../src/flow/meter.ts';
import { LONGEST_PROBE } from '../../src/flow/record-head.ts';
import { MeterRig, type SeenRecord } from './meter-rig.ts';

const T = 1_700_000_000_000;
const SEED: HashSeed = [0x12345678, 0x9abcdef0 | 0];

/** Everything that was metered is in a record or in the table, to the packet and the octet. */
function conserved(meter: Meter): boolean {
  const open = meter.tables.map((table) => table.sumOpen());
  const inTable = (unit: 'packets' | 'octets') => open[0]![unit] + open[1]![unit];
  return (
    meter.meteredPackets === meter.recordedPackets + inTable('packets') &&
    meter.meteredOctets === meter.recordedOctets + inTable('octets') &&
    meter.capturedPackets === meter.meteredPackets + meter.ignoredPackets.reduce((sum, n) => sum + n, 0)
  );
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, n) => all + n, 0);

for (const biflow of [false, true]) {
  const what = biflow ? 'biflows' : 'flows';
  t.test(`a flood of ${what} of one packet: the bound holds, large ones stay, nothing is lost`, async (t) => {
    const MOST = 4096;
    const rig = new MeterRig({ maxFlows: MOST, activeTimeoutMilliseconds: 1000, biflow });
    const elephants = Array.from({ length: 100 }, (_, i) => `10.0.0.${i + 1}`);
    // Each has a few packets before the flood begins …
    for (let round = 0; round < 5; round++) for (const source of elephants) rig.packet(T, { source });
    // … and one in ten of the packets after that: 200 000 packets in 4 s, four active timeouts.
    let flood = 0;
    let fullest = 0;
    for (let i = 0; i < 200_000; i++) {
      const now = T + Math.floor(i / 50);
      if (i % 10 === 0) rig.packet(now, { source: elephants[(i / 10) % elephants.length]! });
      else {
        flood++;
        rig.packet(now, {
          source: `20.${flood >> 16}.${(flood >> 8) & 255}.${flood & 255}`,
          sourcePort: i & 0xffff,
        });
      }
      fullest = Math.max(fullest, rig.meter.flows);
      if (i % 5000 === 0) t.ok(conserved(rig.meter), `after ${i} packets`);
    }
    t.equal(fullest, MOST, 'the table was full, and never fuller');
    t.ok(conserved(rig.meter), 'at the end');
    const isElephant = (record: SeenRecord) => record.source.startsWith('10.0.0.');
    t.equal(
      rig.records.filter((record) => isElephant(record) && record.reason === 5).length,
      0,
      'no large flow was evicted',
    );
    t.ok(rig.records.filter((record) => !isElephant(record) && record.reason === 5).length > 100_000);
    rig.meter.endAll();
    const packets = (of: (record: SeenRecord) => boolean) =>
      rig.records.filter(of).reduce((sum, record) => sum + record.packets, 0);
    t.equal(packets(isElephant), 500 + 20_000);
    t.equal(
      packets((record) => !isElephant(record)),
      flood,
    );
  });
}

t.test(
  'a table whose flows have left for those of the other IP version finds what is left of them',
  async (t) => {
    // 300: with steps of one length through it, eviction would come back to the same few places.
    const rig = new MeterRig({ maxFlows: 300 });
    for (let i = 0; i < 300; i++) rig.packet(T, { source: `10.1.${i >> 8}.${i & 255}` });
    for (let i = 0; i < 3000; i++) {
      rig.packet(T + 1, { source: `fd00::${i.toString(16)}`, destination: 'fd00::ffff:1' });
      if (rig.meter.flows !== 300) t.fail(`${rig.meter.flows} flows`);
    }
    const [ipv4, ipv6] = rig.meter.tables;
    t.ok(Math.abs(ipv4.flows - ipv6.flows) <= 2, `${ipv4.flows} of IPv4, ${ipv6.flows} of IPv6`);
    t.equal(rig.records.filter(({ reason }) => reason === 5).length, 3000);
    t.ok(conserved(rig.meter));
  },
);

const DESTINATION = '10.0.0.2';
const word = (octets: readonly number[]) => new Int32Array(Uint8Array.from(octets).buffer)[0]!;

/** IPv4 sources whose flows, or biflows (UDP, ports 0, to one destination), hash to the same low bits. */
function colliding(count: number, seed: HashSeed, biflow = false): string[] {
  const found: string[] = [];
  const key = new Int32Array([0, 17, 0, 0, 0]);
  const destination = word(DESTINATION.split('.').map(Number));
  for (let i = 0; found.length < count; i++) {
    const octets = [30 + (i >>> 24), (i >>> 16) & 255, (i >>> 8) & 255, i & 255];
    const source = word(octets);
    // A biflow's key has the lower end first, whoever sent the packet.
    const isSwapped = biflow && source > destination;
    key[3] = isSwapped ? destination : source;
    key[4] = isSwapped ? source : destination;
    if ((hashKey(key, 0, 5, seed) & 0x3ff) === 7) found.push(octets.join('.'));
  }
  return found;
}

t.test('keys chosen with another seed spread like any others', async (t) => {
  const rig = new MeterRig({ maxFlows: 2000, seed: SEED });
  for (const source of colliding(500, [SEED[0] ^ 1, SEED[1]])) rig.packet(T, { source });
  t.equal(rig.meter.flows, 500);
  t.equal(rig.meter.tables[0].crowdedOut, 0);
});

for (const biflow of [false, true]) {
  const what = biflow ? 'biflows' : 'flows';
  t.test(
    `keys of ${what} chosen with the seed: beyond the bound each costs an eviction, and nothing is lost`,
    async (t) => {
      // 1024 entries: room for 512 flows, whose ten low bits of the hash are the place in the index.
      const reverse: number[] = [];
      const rig = new MeterRig({ maxFlows: 2000, seed: SEED, biflow }, ({ layout, view, offset }) => {
        const field = layout.fields.get('reversePacketDeltaCount');
        if (field !== undefined) reverse.push(view.getFloat64(offset + field.offset, true));
      });
      const sources = colliding(LONGEST_PROBE + 72, SEED, biflow);
      for (const source of sources) rig.packet(T, { source, destination: DESTINATION });
      t.equal(rig.meter.flows, LONGEST_PROBE, 'as many as the bound allows');
      t.equal(rig.meter.tables[0].crowdedOut, 72);
      t.equal(rig.records.filter(({ reason }) => reason === 5).length, 72, 'the others left with a record');
      t.ok(conserved(rig.meter));
      // Those that stay are found: their second packet, of a biflow also the answer, makes no flow.
      const { created } = rig.meter.tables[0];
      const gone = new Set(rig.records.map(({ source }) => source));
      const left = sources.filter((source) => !gone.has(source));
      for (const source of left) {
        rig.packet(T + 1, { source, destination: DESTINATION });
        if (biflow) rig.packet(T + 2, { source: DESTINATION, destination: source });
      }
      t.equal(rig.meter.tables[0].created, created);
      t.ok(conserved(rig.meter));
      rig.meter.endAll();
      t.equal(rig.meter.flows, 0);
      const forward = rig.records.map(({ packets }) => packets);
      t.equal(sum(forward), sources.length + LONGEST_PROBE);
      t.equal(sum(reverse), biflow ? LONGEST_PROBE : 0);
      t.same(
        new Set(rig.records.map(({ source }) => source)),
        new Set(sources),
        'nobody is taken for another',
      );
    },
  );
}
