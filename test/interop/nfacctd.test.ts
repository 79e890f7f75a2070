/** nfacctd (Debian's pmacct): the sums that it keeps of v5, v9 and IPFIX equal the oracle's, key by key. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { addressesOf, expectationOf, type OracleRecord } from '../oracle/oracle.ts';
import { differences } from './compare.ts';
import { missing, startCollector, type Test, type UdpPeer } from './peers.ts';
import { sampleCapture } from './sample.ts';
import { jsonLines, weir } from './weir.ts';

/** It purges its table every second, and so prints a key as often as its records come in several seconds. */
const CONFIGURATION = `
daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: PORT
nfacctd_pipe_size: 8000000
plugins: print
plugin_pipe_size: 10240000
print_output: json
print_refresh_time: 1
aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, vlan, in_iface
`;

/** Of one of nfacctd's lines, or of as many records. */
interface Sums {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  readonly ipClassOfService: number;
  readonly tcpControlBits: number;
  readonly vlan: number;
  readonly input: number;
  readonly packets: number;
  readonly octets: number;
}

/** What nfacctd prints. */
interface Line {
  readonly ip_src: string;
  readonly ip_dst: string;
  readonly port_src: number;
  readonly port_dst: number;
  readonly ip_proto: string;
  readonly tos: number;
  readonly tcp_flags: string;
  readonly vlan: number;
  readonly iface_in: number;
  readonly packets: number;
  readonly bytes: number;
}

/** The names that it prints for numbers; other protocols it prints as numbers. */
const PROTOCOLS = new Map([
  ['icmp', 1],
  ['igmp', 2],
  ['ip', 0],
  ['tcp', 6],
  ['udp', 17],
  ['gre', 47],
  ['ipv6-frag', 44],
  ['esp', 50],
  ['ah', 51],
  ['tlsp', 56],
  ['ipv6-icmp', 58],
  ['ipv6-nonxt', 59],
  ['ospf', 89],
  ['sctp', 132],
]);

function startNfacctd(t: Test): Promise<UdpPeer> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-nfacctd-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'nfacctd.conf');
  const args = (port: number) => {
    writeFileSync(path, CONFIGURATION.replace('PORT', `${port}`));
    return ['-f', path];
  };
  return startCollector(t, 'nfacctd', args, /waiting for NetFlow\/IPFIX data/);
}

function printed(peer: UdpPeer): Sums[] {
  const complete = peer.stdout.slice(0, peer.stdout.lastIndexOf('\n') + 1);
  return jsonLines<Line>(complete).map((line) => ({
    source: line.ip_src,
    destination: line.ip_dst,
    sourcePort: line.port_src,
    destinationPort: line.port_dst,
    protocol: PROTOCOLS.get(line.ip_proto) ?? Number(line.ip_proto),
    ipClassOfService: line.tos,
    tcpControlBits: Number(line.tcp_flags),
    vlan: line.vlan,
    input: line.iface_in,
    packets: line.packets,
    octets: line.bytes,
  }));
}

function expected(record: OracleRecord): Sums {
  return {
    ...addressesOf(record),
    sourcePort: record.sourceTransportPort,
    destinationPort: record.destinationTransportPort,
    protocol: record.protocolIdentifier,
    ipClassOfService: record.ipClassOfService,
    tcpControlBits: record.tcpControlBits & 0xff,
    vlan: record.vlanId,
    input: record.ingressInterface,
    packets: record.packetDeltaCount,
    octets: record.octetDeltaCount,
  };
}

/** v5 has no VLAN, and of it nfacctd reads the ports of TCP, UDP and ICMP only. */
function expectedOfV5(record: OracleRecord): Sums {
  const withoutVlan = { ...expected(record), vlan: 0 };
  if ([1, 6, 17].includes(record.protocolIdentifier)) return withoutVlan;
  return { ...withoutVlan, sourcePort: 0, destinationPort: 0 };
}

/** One for each key: packets and octets added up, TCP flags joined. */
function addUp(all: readonly Sums[]): Sums[] {
  const byKey = new Map<string, Sums>();
  for (const sums of all) {
    const { packets, octets, tcpControlBits, ...key } = sums;
    const before = byKey.get(JSON.stringify(key));
    byKey.set(JSON.stringify(key), {
      ...key,
      packets: packets + (before?.packets ?? 0),
      octets: octets + (before?.octets ?? 0),
      tcpControlBits: tcpControlBits | (before?.tcpControlBits ?? 0),
    });
  }
  return [...byKey.values()];
}

const packetsOf = (all: readonly Sums[]) => all.reduce((sum, { packets }) => sum + packets, 0);

t.test(
  'nfacctd receives v5, v9 and IPFIX',
  {
    skip: missing({ nfacctd: 'pmacct' }),
    timeout: 60_000,
  },
  async (t) => {
    const file = sampleCapture(t);
    const all = expectationOf([file]).records;
    const ipv4 = all.filter(({ ipVersion }) => ipVersion === 4).map(expectedOfV5);
    const cases = [
      { name: 'v5', scheme: 'netflow5', query: '', records: ipv4 },
      { name: 'v9', scheme: 'netflow9', query: '?tcp-control-bits=8', records: all.map(expected) },
      { name: 'IPFIX', scheme: 'ipfix', query: '?tcp-control-bits=8', records: all.map(expected) },
    ];
    const peers = await Promise.all(cases.map(() => startNfacctd(t)));
    const collectors = cases.flatMap(({ scheme, query }, i) => [
      '-c',
      `${scheme}://127.0.0.1:${peers[i]!.port}${query}`,
    ]);
    const { code, log } = await weir('read', file, ...collectors);
    t.equal(code, 0, 'weir read ends well', { log });

    for (const [i, { name, records }] of cases.entries()) {
      const peer = peers[i]!;
      await peer.drained();
      await peer.until('it printed every packet', () => packetsOf(printed(peer)) >= packetsOf(records));
      await peer.end('SIGINT');
      t.same(differences(addUp(printed(peer)), addUp(records)), [], name);
      t.notMatch(peer.stderr, /malformed|unable to read|discard/i, `${name}: it understood everything`);
    }
  },
);
