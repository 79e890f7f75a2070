/** Biflows: who is the initiator, what does not part the directions, and when a conversation is over. */

import t from 'tap';
import type { FlowRecord } from '../../src/flow/flow-record.ts';
import type { Meter } from '../../src/flow/meter.ts';
import type { RouteLookup } from '../../src/flow/route.ts';
import { fragmentFrames } from '../support/fragments.ts';
import { ACK, FIN, type Packet, RST, SYN } from '../support/frames.ts';
import { MeterRig } from './meter-rig.ts';

const T = 1_700_000_000_000;
const CLIENT = { source: '10.0.0.9', sourcePort: 40_000 };
const SERVER = { source: '10.0.0.1', sourcePort: 80 };
const from = (one: typeof CLIENT, other: typeof CLIENT, more: Partial<Packet>): Partial<Packet> => ({
  ...one,
  destination: other.source,
  destinationPort: other.sourcePort,
  protocol: 6,
  ...more,
});
const client = (more: Partial<Packet> = {}) => from(CLIENT, SERVER, more);
const server = (more: Partial<Packet> = {}) => from(SERVER, CLIENT, more);

interface Seen {
  readonly source: string;
  readonly sourcePort: number;
  readonly packets: number;
  readonly reversePackets: number;
  readonly vlan: number;
  readonly reverseVlan: number;
  readonly start: number;
  readonly reverseStart: number;
  readonly reason: number;
}

class BiflowRig extends MeterRig {
  readonly seen: Seen[];

  constructor() {
    const all: Seen[] = [];
    super({ biflow: true }, (record) => all.push(seen(record)));
    this.seen = all;
  }
}

function seen({ layout, view, offset }: FlowRecord): Seen {
  const at = (name: string) => offset + layout.fields.get(name)!.offset;
  const source = at('sourceIPv4Address');
  return {
    source: [0, 1, 2, 3].map((i) => view.getUint8(source + i)).join('.'),
    sourcePort: view.getUint16(at('sourceTransportPort'), true),
    packets: view.getFloat64(at('packetDeltaCount'), true),
    reversePackets: view.getFloat64(at('reversePacketDeltaCount'), true),
    vlan: view.getUint16(at('vlanId'), true),
    reverseVlan: view.getUint16(at('reverseVlanId'), true),
    start: view.getFloat64(at('flowStartMilliseconds'), true) - T,
    reverseStart: view.getFloat64(at('reverseFlowStartMilliseconds'), true) - T,
    reason: view.getUint8(at('flowEndReason')),
  };
}

const ended = (meter: Meter) => meter.tables[0].created;

t.test('forward is the direction of the first packet, and of a SYN-ACK the other one', async (t) => {
  const first = new BiflowRig();
  first.packet(T, server());
  first.packet(T + 1, client());
  first.packet(T + 2, client());
  first.meter.endAll();
  t.match(first.seen, [{ source: '10.0.0.1', sourcePort: 80, packets: 1, reversePackets: 2 }]);

  const synAck = new BiflowRig();
  synAck.packet(T, server({ flags: SYN | ACK, vlan: 7 }));
  synAck.packet(T + 1, client({ vlan: 8 }));
  synAck.meter.endAll();
  t.match(synAck.seen, [
    { source: '10.0.0.9', sourcePort: 40_000, packets: 1, reversePackets: 1, vlan: 8, reverseVlan: 7 },
  ]);

  const alone = new BiflowRig();
  alone.packet(T, server({ flags: SYN | ACK, vlan: 7 }));
  alone.meter.endAll();
  t.match(
    alone.seen,
    [{ source: '10.0.0.9', sourcePort: 40_000, packets: 0, reversePackets: 1, vlan: 0, start: 0 }],
    'the initiator was never seen: it has counted nothing, and the times are those of the other',
  );
});

t.test('interface, VLAN and DSCP do not part the directions; ports and protocol do', async (t) => {
  const rig = new BiflowRig();
  rig.packet(T, client({ vlan: 7, tos: 0xb8 }));
  rig.packet(T, server({ vlan: 9 }));
  rig.packet(T, client({ tos: 0 }));
  t.equal(rig.meter.flows, 1);
  rig.packet(T, client({ sourcePort: 40_001 }));
  rig.packet(T, client({ protocol: 17 }));
  t.equal(rig.meter.flows, 3);
});

t.test('an echo and its reply are one biflow, and so is no other ICMP', async (t) => {
  const rig = new BiflowRig();
  const icmp = (source: string, destination: string, type: number) =>
    rig.packet(T, { source, destination, protocol: 1, destinationPort: type << 8 });
  icmp('10.0.0.1', '10.0.0.2', 8);
  icmp('10.0.0.2', '10.0.0.1', 0);
  t.equal(rig.meter.flows, 1);
  icmp('10.0.0.2', '10.0.0.1', 3);
  t.equal(rig.meter.flows, 2);
});

t.test('FIN of both ends it 500 ms later; FIN of one, after 1 s of silence; RST, after 500 ms', async (t) => {
  const probe = { source: '10.9.9.9', destination: '10.9.9.8', protocol: 17 };
  const both = new BiflowRig();
  both.packet(T, client({ flags: FIN | ACK }));
  both.packet(T + 900, server({ flags: FIN | ACK }));
  both.packet(T + 1300, client());
  both.packet(T + 1399, probe);
  t.equal(both.seen.length, 0, 'stragglers do not keep it, and it is not over yet');
  both.packet(T + 1440, probe);
  t.match(both.seen, [{ packets: 2, reversePackets: 1, reason: 3 }]);

  const one = new BiflowRig();
  one.packet(T, client({ flags: FIN | ACK }));
  for (const at of [900, 1800, 2700]) one.packet(T + at, server());
  one.packet(T + 3699, probe);
  t.equal(one.seen.length, 0, 'half closed, the other end may go on for ever');
  one.packet(T + 3740, probe);
  t.match(one.seen, [{ packets: 1, reversePackets: 3, reason: 3 }]);

  const reset = new BiflowRig();
  reset.packet(T, client());
  reset.packet(T + 1, server({ flags: RST }));
  reset.packet(T + 450, client());
  reset.packet(T + 540, probe);
  t.match(reset.seen, [{ packets: 2, reversePackets: 1, reason: 3 }]);

  const again = new BiflowRig();
  again.packet(T, client({ flags: FIN | ACK }));
  again.packet(T + 10, client({ flags: SYN }));
  t.equal(ended(again.meter), 2, 'a SYN on what has ended begins another');
});

t.test('one active timer for both; a direction that was silent has the times of the other', async (t) => {
  const rig = new BiflowRig();
  rig.packet(T, client());
  rig.packet(T + 4000, server());
  rig.packet(T + 5000, server());
  rig.packet(T + 10_000, client());
  rig.meter.endAll();
  t.match(rig.seen, [
    { packets: 1, reversePackets: 1, start: 0, reverseStart: 4000, reason: 2 },
    { packets: 0, reversePackets: 1, start: 5000, reverseStart: 5000, reason: 2 },
    { packets: 1, reversePackets: 0, start: 10_000, reverseStart: 10_000, reason: 4 },
  ]);
});

t.test('fragments find their ports before their biflow, in whatever order they come', async (t) => {
  const frames = (source: string, destination: string, sourcePort: number, destinationPort: number) =>
    fragmentFrames(
      { source, destination, protocol: 17, sourcePort, destinationPort, payload: 4000 },
      7,
      [1480, 1480],
    );
  const questions = frames('10.0.0.9', '10.0.0.1', 40_000, 53);
  const answers = frames('10.0.0.1', '10.0.0.9', 53, 40_000);
  for (const order of ['012', '021', '102', '120', '201', '210']) {
    const rig = new BiflowRig();
    for (const [i, n] of [...order].entries()) {
      rig.octets(T + i, questions[Number(n)]!);
      rig.octets(T + i, answers[Number(n)]!);
    }
    t.equal(rig.meter.flows, 1, order);
    rig.meter.endAll();
    t.match(rig.seen, [{ source: '10.0.0.9', sourcePort: 40_000, packets: 3, reversePackets: 3 }], order);
  }
});

t.test(
  'two interfaces are read one after the other: all of an answer may come before the question',
  async (t) => {
    const answer = () => [server({ flags: SYN | ACK }), server({ flags: ACK }), server({ flags: FIN | ACK })];
    const question = () => [client({ flags: SYN }), client({ flags: ACK }), client({ flags: FIN | ACK })];
    for (const [what, packets] of Object.entries({
      'the question first': [...question(), ...answer()],
      'the answer first': [...answer(), ...question()],
    })) {
      const rig = new BiflowRig();
      for (const packet of packets) rig.packet(T, packet);
      // What comes behind is another connection of the same ports.
      rig.packet(T + 100, client({ flags: SYN }));
      rig.meter.endAll();
      t.match(
        rig.seen,
        [
          { source: '10.0.0.9', packets: 3, reversePackets: 3 },
          { source: '10.0.0.9', packets: 1, reversePackets: 0 },
        ],
        what,
      );
      t.equal(rig.seen.length, 2, what);
    }
    const refused = new BiflowRig();
    refused.packet(T, server({ flags: RST | ACK }));
    refused.packet(T, client({ flags: SYN }));
    refused.meter.endAll();
    t.equal(refused.seen.length, 1, 'a connection that is refused');
  },
);

t.test('each direction has the route of its own addresses', async (t) => {
  const asked: string[] = [];
  /** Says of each destination its last octet. */
  const routes: RouteLookup & { generation: number } = {
    generation: 0,
    lookup: (words, at, ipVersion) => {
      const octets = new Uint8Array(words.slice(at, at + (ipVersion === 4 ? 2 : 8)).buffer);
      asked.push(octets.join('.'));
      return {
        egressInterface: octets.at(-1)! + 1000 * routes.generation,
        nextHop: new Int32Array(4).fill(octets.at(-1)!),
        sourcePrefixLength: 24,
        destinationPrefixLength: 32,
      };
    },
  };
  const seen: number[][] = [];
  const rig = new MeterRig({ biflow: true, routes }, ({ layout, view, offset }) => {
    const at = (name: string) => view.getUint32(offset + layout.fields.get(name)!.offset, true);
    const v = layout.ipVersion;
    seen.push([at('egressInterface'), at('reverseEgressInterface')]);
    seen.push([at(`ipNextHopIPv${v}Address`), at(`reverseIpNextHopIPv${v}Address`)]);
  });
  rig.packet(T, client());
  rig.packet(T + 1, server());
  t.same(asked, ['10.0.0.9.10.0.0.1', '10.0.0.1.10.0.0.9'], 'once a direction');
  routes.generation = 1;
  rig.packet(T + 5000, server());
  t.equal(asked.length, 4, 'and again when the routes have changed and a record opens');
  rig.packet(T + 5001, { source: '2001:db8::9', destination: '2001:db8::1', protocol: 17 });
  rig.meter.endAll();
  t.same(seen, [
    [1, 9],
    [1, 9],
    [1001, 1009],
    [1, 9],
    [1001, 1009],
    [1, 9],
  ]);
});
