/** node-netflowv9, the npm package: its v5 and v9 decoders read what the oracle says. */

import { createRequire } from 'node:module';
import t from 'tap';
import { addressesOf, expectationOf, type OracleRecord } from '../oracle/oracle.ts';
import { ipv6Text } from '../oracle/packet.ts';
import { differences } from './compare.ts';
import { DatagramKeeper } from './datagrams.ts';
import { sampleCapture } from './sample.ts';
import { weir } from './weir.ts';

/** By its own names; what a version does not have, or it does not know, is undefined. */
interface PeerFlow {
  readonly ipv4_src_addr?: string;
  readonly ipv4_dst_addr?: string;
  /** Thirty-two hexadecimal digits. */
  readonly ipv6_src_addr?: string;
  readonly ipv6_dst_addr?: string;
  /** v5. */
  readonly ipv4_src_port?: number;
  readonly ipv4_dst_port?: number;
  /** v9. */
  readonly l4_src_port?: number;
  readonly l4_dst_port?: number;
  readonly ip_protocol_version?: number;
  readonly src_vlan?: number;
  readonly input_snmp: number;
  /** Undefined in options data. */
  readonly in_pkts?: number;
  readonly in_bytes: number;
  readonly first_switched: number;
  readonly last_switched: number;
  readonly tcp_flags: number;
  readonly protocol: number;
  readonly src_tos: number;
}

interface Decoded {
  readonly header: { readonly uptime: number; readonly seconds: number; readonly nseconds?: number };
  readonly flows?: readonly PeerFlow[];
}

interface Decoder {
  nfPktDecode(datagram: Buffer, rinfo: { address: string; port: number; size: number }): Decoded | undefined;
  readonly server: { close(): void };
}

// CommonJS without types.
const NetFlowV9 = createRequire(import.meta.url)('node-netflowv9') as new (options: object) => Decoder;

/** What a version carries, by names of the test's own. */
interface Shown {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
  readonly protocol: number;
  readonly ipClassOfService: number;
  readonly tcpControlBits: number;
  readonly input: number;
  readonly packets: number | undefined;
  readonly octets: number;
  readonly startMilliseconds: number;
  readonly endMilliseconds: number;
  /** v9. */
  readonly vlan?: number | undefined;
  readonly ipVersion?: number | undefined;
}

function shown({ uptime, seconds, nseconds = 0 }: Decoded['header'], flow: PeerFlow): Shown {
  // It leaves the times as they are: uptime, of the router that the header tells the time of.
  const boot = seconds * 1000 + Math.round(nseconds / 1_000_000) - uptime;
  return {
    source: flow.ipv4_src_addr ?? ipv6Text(Buffer.from(flow.ipv6_src_addr ?? '', 'hex')),
    destination: flow.ipv4_dst_addr ?? ipv6Text(Buffer.from(flow.ipv6_dst_addr ?? '', 'hex')),
    sourcePort: flow.ipv4_src_port ?? flow.l4_src_port,
    destinationPort: flow.ipv4_dst_port ?? flow.l4_dst_port,
    protocol: flow.protocol,
    ipClassOfService: flow.src_tos,
    tcpControlBits: flow.tcp_flags,
    input: flow.input_snmp,
    packets: flow.in_pkts,
    octets: flow.in_bytes,
    startMilliseconds: boot + flow.first_switched,
    endMilliseconds: boot + flow.last_switched,
    ...('ip_protocol_version' in flow ? { vlan: flow.src_vlan, ipVersion: flow.ip_protocol_version } : {}),
  };
}

function expected(record: OracleRecord): Shown {
  return {
    ...addressesOf(record),
    sourcePort: record.sourceTransportPort,
    destinationPort: record.destinationTransportPort,
    protocol: record.protocolIdentifier,
    ipClassOfService: record.ipClassOfService,
    tcpControlBits: record.tcpControlBits,
    input: record.ingressInterface,
    packets: record.packetDeltaCount,
    octets: record.octetDeltaCount,
    startMilliseconds: record.flowStartMilliseconds,
    endMilliseconds: record.flowEndMilliseconds,
  };
}

const EXPECTATIONS = {
  netflow5: (records: readonly OracleRecord[]) =>
    records
      .filter(({ ipVersion }) => ipVersion === 4)
      .map((record) => ({ ...expected(record), tcpControlBits: record.tcpControlBits & 0xff })),
  netflow9: (records: readonly OracleRecord[]) =>
    records.map((record) => ({ ...expected(record), vlan: record.vlanId, ipVersion: record.ipVersion })),
};

for (const [scheme, expectation] of Object.entries(EXPECTATIONS)) {
  t.test(scheme, async (t) => {
    const file = sampleCapture(t);
    const keeper = await DatagramKeeper.start(t);
    const { code, log } = await weir('read', file, '-c', `${scheme}://127.0.0.1:${keeper.port}`);
    t.equal(code, 0, 'weir read ends well', { log });
    await keeper.received(log.find(({ msg }) => msg === 'exported')?.messages ?? 0);

    const decoder = new NetFlowV9({ cb: () => undefined });
    t.teardown(() => decoder.server.close());
    const flows = keeper.datagrams.flatMap((datagram) => {
      const sender = { address: '127.0.0.1', port: 40_000, size: datagram.length };
      const { header, flows = [] } = decoder.nfPktDecode(datagram, sender)!;
      return flows.filter(({ in_pkts }) => in_pkts !== undefined).map((flow) => shown(header, flow));
    });
    t.same(differences(flows, expectation(expectationOf([file]).records)), []);
  });
}
