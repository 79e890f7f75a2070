/** The oracle's rules of time, in examples reckoned by hand: what everything else is compared with must be right itself. */

import t from 'tap';
import { meter, type TimedPacket } from './flows.ts';
import type { Packet } from './packet.ts';

const ACK = 0x10;
const SYN = 0x02;
const FIN = 0x11;
const RST = 0x04;

const PACKET: Packet = {
  ipVersion: 4,
  source: '192.0.2.1',
  destination: '192.0.2.2',
  protocol: 6,
  sourcePort: 40_000,
  destinationPort: 443,
  classOfService: 0,
  ttl: 64,
  octets: 40,
  payload: Buffer.alloc(0),
  payloadOctets: 20,
  tcpFlags: 0,
  tcp: undefined,
  flowLabel: 0,
  isFragment: false,
  isLaterFragment: false,
  fragmentIdentification: 0,
  vlans: [],
  labels: [],
  macs: undefined,
};

interface Row {
  readonly what: string;
  /** Default 5000; the idle timeout is 15 000. */
  readonly activeMilliseconds?: number;
  /** Milliseconds and TCP flags. */
  readonly packets: readonly (readonly [number, number])[];
  /** Packets of another flow, which come after those and only move the clock. */
  readonly others?: readonly number[];
  /** First and last packet's milliseconds, packets, flowEndReason. */
  readonly records: readonly (readonly [number, number, number, number])[];
}

const ROWS: Row[] = [
  { what: 'the end of the file', packets: [[0, ACK]], records: [[0, 0, 1, 4]] },
  {
    what: 'the active timeout: from the first packet of each record',
    packets: [0, 4999, 5000, 7000, 9999, 10_000].map((at) => [at, ACK] as const),
    records: [
      [0, 4999, 2, 2],
      [5000, 9999, 3, 2],
      [10_000, 10_000, 1, 4],
    ],
  },
  {
    what: 'idle after the active timeout: no second record',
    packets: [[0, ACK]],
    others: [60_000],
    records: [[0, 0, 1, 2]],
  },
  {
    what: 'idle with a record open: from the last packet',
    activeMilliseconds: 60_000,
    packets: [
      [0, ACK],
      [14_000, ACK],
    ],
    others: [28_999, 29_000],
    records: [[0, 14_000, 2, 1]],
  },
  {
    what: 'FIN: stragglers keep the flow for 500 ms each, and belong to it',
    packets: [
      [0, FIN],
      [499, ACK],
      [998, ACK],
      [1498, ACK],
    ],
    records: [
      [0, 998, 3, 3],
      [1498, 1498, 1, 4],
    ],
  },
  {
    what: 'RST: stragglers do not keep it',
    packets: [
      [0, RST],
      [499, ACK],
      [500, ACK],
    ],
    records: [
      [0, 499, 2, 3],
      [500, 500, 1, 4],
    ],
  },
  {
    what: 'SYN after the end: a new flow at once',
    packets: [
      [0, FIN],
      [1, SYN],
    ],
    records: [
      [0, 0, 1, 3],
      [1, 1, 1, 4],
    ],
  },
  {
    what: 'SYN and ACK after the end: a straggler; the file ends before the wait does',
    packets: [
      [0, FIN],
      [1, SYN | ACK],
    ],
    records: [[0, 1, 2, 3]],
  },
  {
    what: 'the active timeout comes before the end of the wait',
    packets: [
      [0, ACK],
      [4800, FIN],
      [5200, ACK],
    ],
    others: [9000],
    records: [
      [0, 4800, 2, 2],
      [5200, 5200, 1, 3],
    ],
  },
  {
    what: 'and before the SYN that comes at the same time',
    packets: [
      [0, ACK],
      [4800, FIN],
      [5000, SYN],
    ],
    records: [
      [0, 4800, 2, 2],
      [5000, 5000, 1, 4],
    ],
  },
  {
    what: 'deadlines that passed before the last packet of the file',
    packets: [[0, ACK]],
    others: [5000],
    records: [[0, 0, 1, 2]],
  },
  {
    what: 'a packet from the past: in the record by its own time, by the clock alive until then',
    packets: [
      [10_000, ACK],
      [8000, ACK],
    ],
    others: [9000, 14_999],
    records: [[8000, 10_000, 2, 4]],
  },
];

t.test('the rules of time', async (t) => {
  for (const { what, activeMilliseconds = 5000, packets, others = [], records } of ROWS) {
    const timed: TimedPacket[] = [
      ...packets.map(([milliseconds, tcpFlags]) => ({
        milliseconds,
        microseconds: milliseconds * 1000,
        packet: { ...PACKET, tcpFlags },
        ingressInterface: 0,
      })),
      ...others.map((milliseconds) => ({
        milliseconds,
        microseconds: milliseconds * 1000,
        packet: { ...PACKET, protocol: 17 },
        ingressInterface: 0,
      })),
    ];
    const metered = meter(timed, { activeMilliseconds, idleMilliseconds: 15_000 });
    const own = metered.filter(({ packets }) => packets[0]?.packet.protocol === 6);
    const seen = own.map(({ packets, flowEndReason }) => {
      const times = packets.map(({ milliseconds }) => milliseconds);
      return [Math.min(...times), Math.max(...times), packets.length, flowEndReason];
    });
    t.same(seen, records, what);
  }
});
