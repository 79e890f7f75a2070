/** TCP insight beside tshark's tcp.analysis: the same connections, counted by both, and where they differ by definition. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { PcapWriter } from '../../src/capture/pcap-writer.ts';
import { CORPUS, corpusMissing } from '../support/corpus.ts';
import { ACK, ethernetFrame, FIN, type Packet, PSH, SYN } from '../support/frames.ts';
import { missing } from './peers.ts';
import { jsonLines, weir } from './weir.ts';

const run = promisify(execFile);

/** Of one direction of a connection. */
interface Insight {
  retransmitted: number;
  outOfOrder: number;
  zeroWindows: number;
  /** Microseconds; 0: not measured. */
  roundTrip: number;
}
const none = (): Insight => ({ retransmitted: 0, outOfOrder: 0, zeroWindows: 0, roundTrip: 0 });

async function bySource(path: string): Promise<Map<string, Insight>> {
  const { stdout } = await run(
    'tshark',
    [
      ...['-r', path, '-Y', 'tcp && !icmp && !icmpv6', '-T', 'fields', '-E', 'occurrence=f'],
      ...['ip.src', 'ipv6.src', 'tcp.srcport', 'ip.dst', 'ipv6.dst', 'tcp.dstport'].flatMap((f) => ['-e', f]),
      ...['retransmission', 'out_of_order', 'zero_window', 'initial_rtt'].flatMap((f) => [
        '-e',
        `tcp.analysis.${f}`,
      ]),
      ...['-e', 'tcp.flags'],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const all = new Map<string, Insight>();
  for (const line of stdout.split('\n').filter((each) => each !== '')) {
    const [ip4, ip6, port, to4, to6, toPort, again, early, zero, roundTrip, flags] = line.split('\t');
    const key = `${ip4 || ip6} ${port} ${to4 || to6} ${toPort}`;
    const insight = all.get(key) ?? none();
    all.set(key, insight);
    if (again) insight.retransmitted++;
    if (early) insight.outOfOrder++;
    if (zero) insight.zeroWindows++;
    // It shows a connection's initial_rtt with every packet from the first ACK on: the client's is who sent the SYN.
    if ((Number(flags) & (SYN | ACK)) === SYN) insight.roundTrip = -1;
    if (roundTrip && insight.roundTrip === -1) insight.roundTrip = Math.round(Number(roundTrip) * 1e6);
  }
  for (const insight of all.values()) if (insight.roundTrip === -1) insight.roundTrip = 0;
  return all;
}

interface Line {
  readonly protocolIdentifier: number;
  readonly sourceIPv4Address?: string;
  readonly sourceIPv6Address?: string;
  readonly destinationIPv4Address?: string;
  readonly destinationIPv6Address?: string;
  readonly sourceTransportPort: number;
  readonly destinationTransportPort: number;
  readonly RETRANSMITTED_IN_PKTS: number;
  readonly OOORDER_OUT_PKTS: number;
  readonly TCP_WIN_MIN_IN: number;
  readonly tcpZeroWindowDeltaCount: number;
  readonly TCP_HANDSHAKE_RTT_USEC: number;
}

async function byWeir(path: string): Promise<Map<string, Insight>> {
  const { stdout } = await weir('read', path, '--json', '--fields', 'full', '--idle-timeout', '3600');
  const all = new Map<string, Insight>();
  for (const line of jsonLines<Line>(stdout)) {
    if (line.protocolIdentifier !== 6) continue;
    const key = [
      line.sourceIPv4Address ?? line.sourceIPv6Address,
      line.sourceTransportPort,
      line.destinationIPv4Address ?? line.destinationIPv6Address,
      line.destinationTransportPort,
    ].join(' ');
    const insight = all.get(key) ?? none();
    all.set(key, insight);
    insight.retransmitted += line.RETRANSMITTED_IN_PKTS;
    insight.outOfOrder += line.OOORDER_OUT_PKTS;
    insight.zeroWindows += line.tcpZeroWindowDeltaCount;
    if ((line.TCP_WIN_MIN_IN === 0) !== line.tcpZeroWindowDeltaCount > 0)
      throw new Error(JSON.stringify(line));
    insight.roundTrip = Math.max(insight.roundTrip, line.TCP_HANDSHAKE_RTT_USEC);
  }
  return all;
}

type Step = readonly [microseconds: number, from: 'client' | 'server', packet: Partial<Packet>];

/** The client's initial sequence number is 1000 below the wrap. */
const C = 2 ** 32 - 1000;
const S = 5000;
const CONNECTION: readonly Step[] = [
  [0, 'client', { flags: SYN, sequence: C }],
  [700, 'server', { flags: SYN | ACK, sequence: S }],
  [1500, 'client', { flags: ACK, sequence: C + 1 }],
  [2000, 'client', { flags: PSH | ACK, sequence: C + 1, payload: 500 }],
  [2100, 'client', { sequence: C + 1001, payload: 500 }], // beyond the wrap, before its predecessor
  [2200, 'client', { sequence: C + 501, payload: 500 }], // out of order: within the round-trip time of 1500 µs
  [300_000, 'client', { sequence: C + 1001, payload: 500 }], // retransmitted
  [301_000, 'server', { sequence: S + 1, payload: 100, window: 0 }], // the server's window closes
  [301_500, 'server', { sequence: S + 101, payload: 0, window: 0 }], // … and stays closed
  [500_000, 'client', { sequence: C + 1500, payload: 0 }], // keep-alive
  [600_000, 'client', { sequence: C + 1500, payload: 1 }], // keep-alive, with an octet
  [601_000, 'server', { sequence: S + 101, payload: 0 }], // an ACK, and an open window again
  [700_000, 'server', { sequence: S + 1, payload: 100 }], // retransmitted
  [800_000, 'client', { flags: FIN | ACK, sequence: C + 1501 }],
  [1_100_000, 'client', { flags: FIN | ACK, sequence: C + 1501 }], // retransmitted
  [1_101_000, 'server', { flags: FIN | ACK, sequence: S + 101 }],
  [1_102_000, 'client', { flags: ACK, sequence: C + 1502 }],
];

t.test(
  'a connection with everything in it',
  { skip: missing({ tshark: 'tshark' }), timeout: 60_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-insight-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'connection.pcap');
    /** What each has sent, as the other acknowledges it. */
    const sent = { client: C, server: S };
    const writer = new PcapWriter({ linkType: 1, resolution: 'microseconds' });
    for (const [microseconds, from, packet] of CONNECTION) {
      const client = { source: '192.0.2.1', sourcePort: 40_000 };
      const server = { source: '192.0.2.2', sourcePort: 80 };
      const [one, other] = from === 'client' ? [client, server] : [server, client];
      const { sequence = 0, payload = 0, flags = ACK } = packet;
      const bytes = ethernetFrame({
        ...one,
        destination: other.source,
        destinationPort: other.sourcePort,
        protocol: 6,
        ...packet,
        sequence: sequence % 2 ** 32,
        acknowledgment: sent[from === 'client' ? 'server' : 'client'] % 2 ** 32,
      });
      sent[from] = Math.max(sent[from], sequence + payload + (flags & (SYN | FIN) ? 1 : 0));
      writer.write({
        seconds: 1_700_000_000 + Math.floor(microseconds / 1e6),
        nanoseconds: (microseconds % 1e6) * 1000,
        bytes,
      });
    }
    writeFileSync(path, writer.take());
    const client = { retransmitted: 2, outOfOrder: 1, zeroWindows: 0, roundTrip: 1500 };
    const server = { retransmitted: 1, outOfOrder: 0, zeroWindows: 2, roundTrip: 0 };
    const expected = new Map([
      ['192.0.2.1 40000 192.0.2.2 80', client],
      ['192.0.2.2 80 192.0.2.1 40000', server],
    ]);
    t.same(await byWeir(path), expected, 'Weir');
    t.same(await bySource(path), expected, 'tshark');
  },
);

/** Corpus captures in which every direction of every connection has the same numbers. */
const SAME = [
  'ssh.pcap',
  'mptcp-v0.pcap',
  'mptcp-v1.pcap',
  'zmtp1.pcap',
  'of10_s4810.pcap',
  'pptp.pcap',
  'resp_2_inline.pcap',
  'resp_3_malicious.pcap',
  'bgp-4byte-asn.pcap',
  'bgp-bgpsec.pcap',
  'bgp-lu-multiple-labels.pcap',
];

for (const name of SAME) {
  const path = join(CORPUS, name);
  const skip = corpusMissing || missing({ tshark: 'tshark' });
  t.test(`the corpus: ${name}`, { skip, timeout: 60_000 }, async (t) => {
    t.same(await byWeir(path), await bySource(path));
  });
}
