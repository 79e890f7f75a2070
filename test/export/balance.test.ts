/** Which member of a group a flow goes to. */
import fc from 'fast-check';
import t from 'tap';
import { BalanceGroup, symmetricHash } from '../../src/export/balance.ts';
import { type FlowRecord, flowLayout } from '../../src/flow/flow-record.ts';
import { Random } from '../fuzz/random.ts';

interface Key {
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  readonly ingressInterface?: number;
  readonly dscp?: number;
}

const LAYOUTS = { 4: flowLayout(4, 'standard'), 16: flowLayout(6, 'full') } as const;

/** A record in memory with something before it, as in the flow table. */
function recordOf(key: Key): FlowRecord {
  const layout = LAYOUTS[key.source.length as 4 | 16];
  const offset = layout.words * 4;
  const view = new DataView(new ArrayBuffer(2 * offset));
  const at = (name: string) => offset + layout.fields.get(name)!.offset;
  const version = layout.ipVersion;
  for (let i = 0; i < key.source.length; i++) {
    view.setUint8(at(`sourceIPv${version}Address`) + i, key.source[i]!);
    view.setUint8(at(`destinationIPv${version}Address`) + i, key.destination[i]!);
  }
  view.setUint16(at('sourceTransportPort'), key.sourcePort, true);
  view.setUint16(at('destinationTransportPort'), key.destinationPort, true);
  view.setUint8(at('protocolIdentifier'), key.protocol);
  view.setUint32(at('ingressInterface'), key.ingressInterface ?? 0, true);
  view.setUint8(at('ipClassOfService'), key.dscp ?? 0);
  view.setFloat64(at('packetDeltaCount'), key.sourcePort, true); // what is no key
  return { layout, view, offset };
}

const reversed = (key: Key): Key => ({
  ...key,
  source: key.destination,
  destination: key.source,
  sourcePort: key.destinationPort,
  destinationPort: key.sourcePort,
});

/** A group whose members note what they got. */
function groupOf(names: readonly string[]) {
  const members = names.map((name) => ({
    name,
    got: [] as FlowRecord[],
    others: [] as FlowRecord[],
    record(record: FlowRecord) {
      this.got.push(record);
    },
    recordElsewhere(record: FlowRecord) {
      this.others.push(record);
    },
  }));
  const group = new BalanceGroup(members.map((member) => ({ name: member.name, member })));
  /** The name of who gets it. */
  const chosenFor = (record: FlowRecord): string => {
    const before = members.map(({ got, others }) => [got.length, others.length]);
    group.record(record);
    const chosen = members.filter(({ got }, i) => got.length === before[i]![0]! + 1);
    const others = members.filter((member, i) => member.others.length === before[i]![1]! + 1);
    if (chosen.length !== 1 || others.length !== names.length - 1) throw new Error('not exactly one got it');
    return chosen[0]!.name;
  };
  return { members, chosenFor };
}

const octet = fc.integer({ min: 0, max: 255 });
const keys = fc.constantFrom(4, 16).chain((octets) =>
  fc.record({
    source: fc.array(octet, { minLength: octets, maxLength: octets }),
    destination: fc.array(octet, { minLength: octets, maxLength: octets }),
    sourcePort: fc.integer({ min: 0, max: 65_535 }),
    destinationPort: fc.integer({ min: 0, max: 65_535 }),
    protocol: fc.constantFrom(1, 6, 17, 47, 58, 132),
    ingressInterface: fc.integer({ min: 0, max: 100 }),
    dscp: octet,
  }),
);

t.test('both directions, whatever their interface and DSCP, have one hash', async (t) => {
  fc.assert(
    fc.property(keys, fc.integer({ min: 0, max: 100 }), octet, (key, ingressInterface, dscp) => {
      const there = symmetricHash(recordOf(key));
      const back = symmetricHash(recordOf({ ...reversed(key), ingressInterface, dscp }));
      return there === back;
    }),
    { numRuns: 2_000 },
  );
  const [source, destination] = [
    [10, 0, 0, 1],
    [10, 0, 0, 2],
  ];
  const ping = { source, destination, sourcePort: 0, destinationPort: 8 * 256, protocol: 1 };
  t.equal(
    symmetricHash(recordOf(ping)),
    symmetricHash(recordOf({ ...reversed(ping), sourcePort: 0, destinationPort: 0 })),
    'an echo request and its reply',
  );
});

t.test('every part of what identifies both directions is in it', async (t) => {
  const key = {
    source: [10, 0, 0, 1],
    destination: [10, 0, 0, 2],
    sourcePort: 80,
    destinationPort: 99,
    protocol: 6,
  };
  const variants: Key[] = [
    key,
    { ...key, source: [10, 0, 0, 3] },
    { ...key, destination: [11, 0, 0, 2] },
    { ...key, sourcePort: 81 },
    { ...key, destinationPort: 98 },
    { ...key, protocol: 17 },
    { ...key, sourcePort: 99, destinationPort: 80 }, // not the other direction: the addresses stay
  ];
  const hashes = new Set(variants.map((variant) => symmetricHash(recordOf(variant))));
  t.equal(hashes.size, variants.length);
});

const random = new Random(20_261_126);
/** Neighbouring clients of one server: what real keys look like. */
const RECORDS = Array.from({ length: 20_000 }, (_, i) =>
  recordOf({
    source: [10, 1, i >> 8, i & 255],
    destination: [192, 0, 2, 1],
    sourcePort: 32_768 + random.below(28_000),
    destinationPort: 443,
    protocol: 6,
  }),
);
const NAMES = ['ipfix://10.0.0.1', 'ipfix://10.0.0.2', 'ipfix://10.0.0.3', 'ipfix://10.0.0.4'];

t.test('each member gets its share', async (t) => {
  for (const count of [1, 2, 3, 4]) {
    const { members, chosenFor } = groupOf(NAMES.slice(0, count));
    for (const record of RECORDS) chosenFor(record);
    const share = RECORDS.length / count;
    for (const { name, got } of members) {
      t.ok(Math.abs(got.length - share) < 0.05 * share, `${name} of ${count}: ${got.length} of ${share}`);
    }
  }
});

t.test('the order of the collectors is of no matter, and one that joins takes from all alike', async (t) => {
  const three = groupOf(NAMES.slice(0, 3));
  const turned = groupOf([NAMES[2]!, NAMES[0]!, NAMES[1]!]);
  const four = groupOf(NAMES);
  const moved = new Map<string, number>();
  for (const record of RECORDS) {
    const before = three.chosenFor(record);
    if (turned.chosenFor(record) !== before) throw new Error('another order chooses another');
    const after = four.chosenFor(record);
    if (after === before) continue;
    if (after !== NAMES[3]) throw new Error('moved between two that were there before');
    moved.set(before, (moved.get(before) ?? 0) + 1);
  }
  t.same([...moved.keys()].sort(), NAMES.slice(0, 3));
  for (const [name, count] of moved) {
    t.ok(Math.abs(count - RECORDS.length / 12) < 0.1 * (RECORDS.length / 12), `${count} from ${name}`);
  }
});

t.test('the choice is the same in every release', async (t) => {
  const { chosenFor } = groupOf(NAMES);
  // Written down when it was made: a change moves the flows of everybody who has several routers.
  t.same(
    RECORDS.slice(0, 8).map((record) => chosenFor(record).at(-1)),
    ['1', '1', '3', '4', '1', '3', '1', '1'],
  );
});
