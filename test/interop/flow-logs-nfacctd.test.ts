/** nfacctd (Debian's pmacct): its sums of converted flow logs equal the naive converter's, key by key. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { generateLog } from '../flowlogs/support/generate.ts';
import { convertNaively, hexOfAddress } from '../flowlogs/support/naive-converter.ts';
import { differences } from './compare.ts';
import { convertLog, folderOf, type Told, told } from './flow-logs.ts';
import { missing, startCollector, type Test, type UdpPeer } from './peers.ts';
import { jsonLines } from './weir.ts';

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
aggregate: src_host, dst_host, src_port, dst_port, proto, tcpflags, in_iface, out_iface
`;

/** What nfacctd prints. */
interface Line {
  readonly ip_src: string;
  readonly ip_dst: string;
  readonly port_src: number;
  readonly port_dst: number;
  readonly ip_proto: string;
  readonly tcp_flags: string;
  readonly iface_in: number;
  readonly iface_out: number;
  readonly packets: number;
  readonly bytes: number;
}

type Sums = Omit<Told, 'startMilliseconds' | 'endMilliseconds'>;

/** The names that it prints for numbers; other protocols it prints as numbers. */
const PROTOCOLS = new Map([
  ['ip', 0],
  ['icmp', 1],
  ['tcp', 6],
  ['udp', 17],
  ['gre', 47],
  ['esp', 50],
  ['ipv6-icmp', 58],
  ['sctp', 132],
]);

function startNfacctd(t: Test): Promise<UdpPeer> {
  const path = join(folderOf(t), 'nfacctd.conf');
  const args = (port: number) => {
    writeFileSync(path, CONFIGURATION.replace('PORT', `${port}`));
    return ['-f', path];
  };
  return startCollector(t, 'nfacctd', args, /waiting for NetFlow\/IPFIX data/);
}

function printed(peer: UdpPeer): Sums[] {
  const complete = peer.stdout.slice(0, peer.stdout.lastIndexOf('\n') + 1);
  return jsonLines<Line>(complete).map((line) => ({
    source: hexOfAddress(line.ip_src) ?? '',
    destination: hexOfAddress(line.ip_dst) ?? '',
    sourcePort: line.port_src,
    destinationPort: line.port_dst,
    protocol: PROTOCOLS.get(line.ip_proto) ?? Number(line.ip_proto),
    tcpFlags: Number(line.tcp_flags),
    packets: `${line.packets}`,
    octets: `${line.bytes}`,
    input: line.iface_in,
    output: line.iface_out,
  }));
}

function withoutTimes({ startMilliseconds: _start, endMilliseconds: _end, ...sums }: Told): Sums {
  return sums;
}

/** Of v5 nfacctd reads the ports of TCP, UDP and ICMP only. */
function expectedOfV5(sums: Sums): Sums {
  return [1, 6, 17].includes(sums.protocol) ? sums : { ...sums, sourcePort: 0, destinationPort: 0 };
}

/** One for each key: packets and octets added up, TCP flags joined. */
function addUp(all: readonly Sums[]): Sums[] {
  const byKey = new Map<string, Sums>();
  for (const { packets, octets, tcpFlags, ...key } of all) {
    const before = byKey.get(JSON.stringify(key));
    byKey.set(JSON.stringify(key), {
      ...key,
      packets: `${BigInt(packets) + BigInt(before?.packets ?? 0)}`,
      octets: `${BigInt(octets) + BigInt(before?.octets ?? 0)}`,
      tcpFlags: tcpFlags | (before?.tcpFlags ?? 0),
    });
  }
  return [...byKey.values()];
}

const packetsOf = (all: readonly Sums[]) => all.reduce((sum, { packets }) => sum + BigInt(packets), 0n);

t.test(
  'nfacctd receives v5, v9 and IPFIX',
  { skip: missing({ nfacctd: 'pmacct' }), timeout: 60_000 },
  async (t) => {
    const log = generateLog({ seed: 30, lines: 1500, version: 11, shuffled: true, faultyPercent: 3 });
    const { records } = convertNaively(log.fields, log.lines);
    const cases = [
      { name: 'v5', scheme: 'netflow5', query: '', of: records.filter(({ ipVersion }) => ipVersion === 4) },
      { name: 'v9', scheme: 'netflow9', query: '?tcp-control-bits=8', of: records },
      { name: 'IPFIX', scheme: 'ipfix', query: '?tcp-control-bits=8', of: records },
    ];
    const peers = await Promise.all(cases.map(() => startNfacctd(t)));
    const collectors = cases.flatMap(({ scheme, query }, i) => [
      '-c',
      `${scheme}://127.0.0.1:${peers[i]!.port}${query}`,
    ]);
    const { code, stderr, numbers } = await convertLog(t, log, ...collectors);
    t.equal(code, 0, 'weir convert ends well', { stderr });

    for (const [i, { name, of }] of cases.entries()) {
      const peer = peers[i]!;
      const all = of.map((record) => withoutTimes(told(record, numbers)));
      const expected = name === 'v5' ? all.map(expectedOfV5) : all;
      await peer.drained();
      await peer.until('it printed every packet', () => packetsOf(printed(peer)) >= packetsOf(expected));
      await peer.end('SIGINT');
      t.same(differences(addUp(printed(peer)), addUp(expected)), [], name);
      t.notMatch(peer.stderr, /malformed|unable to read|discard/i, `${name}: it understood everything`);
    }
  },
);
