/**
 * What Weir should make of capture files, reckoned by other means: no code of src/ is used, everything is kept, and
 * nothing is fast.
 *
 *    capture.ts: octets → frames      link.ts, packet.ts: frame → packet
 *    fragments.ts: packets with their ports      flows.ts: packets → records
 */

import { readFileSync } from 'node:fs';
import { readFrames } from './capture.ts';
import { type MeteredRecord, meter, type TimedPacket, type Timeouts } from './flows.ts';
import { type FragmentCounts, joinFragments } from './fragments.ts';
import type { Reason } from './link.ts';
import { type TcpFields, tcpFields } from './tcp.ts';
import { NO_TUNNEL, readInnermost, type TunnelName } from './tunnels.ts';

/** A Flow Record by IANA names, as `--json` prints it. */
export interface OracleRecord {
  readonly sourceIPv4Address?: string;
  readonly destinationIPv4Address?: string;
  readonly sourceIPv6Address?: string;
  readonly destinationIPv6Address?: string;
  readonly sourceTransportPort: number;
  readonly destinationTransportPort: number;
  readonly protocolIdentifier: number;
  readonly ipClassOfService: number;
  readonly tcpControlBits: number;
  readonly icmpTypeCodeIPv4?: number;
  readonly icmpTypeCodeIPv6?: number;
  readonly ipVersion: 4 | 6;
  readonly flowEndReason: number;
  readonly ingressInterface: number;
  readonly vlanId: number;
  readonly dot1qVlanId: number;
  readonly packetDeltaCount: number;
  readonly octetDeltaCount: number;
  readonly flowStartMilliseconds: number;
  readonly flowEndMilliseconds: number;
  readonly layer2SegmentId?: number | string;
  readonly greKey?: number;
  readonly observationPointId?: number | string;
}

/** What `--fields full` adds. */
export interface FullOracleRecord extends OracleRecord, TcpFields {
  readonly sourceMacAddress: string;
  readonly destinationMacAddress: string;
  readonly dot1qCustomerVlanId: number;
  readonly minimumTTL: number;
  readonly maximumTTL: number;
  readonly mplsTopLabelStackSection: string;
  readonly mplsLabelStackSection2: string;
  readonly fragmentIdentification: number;
  readonly tcpSynTotalCount: number;
  readonly tcpFinTotalCount: number;
  readonly tcpRstTotalCount: number;
  readonly flowLabelIPv6?: number;
}

export interface Expectation {
  readonly records: readonly OracleRecord[];
  readonly packets: readonly TimedPacket[];
  /** Packets that cannot be metered, by reason. */
  readonly ignored: ReadonlyMap<Reason, number>;
  readonly fragments: FragmentCounts;
  /** Tunnels opened, by name. */
  readonly opened: ReadonlyMap<string, number>;
}

export interface OracleOptions extends Timeouts {
  readonly fields: 'standard' | 'full';
  /** Those that are opened. */
  readonly tunnels: readonly TunnelName[];
}

/** What `weir read` does unless told otherwise. */
export const DEFAULTS: OracleOptions = {
  activeMilliseconds: 5000,
  idleMilliseconds: 15_000,
  fields: 'standard',
  tunnels: [],
};

/** Reads the files one after the other, on one clock. */
export function expectationOf(paths: readonly string[], options: Partial<OracleOptions> = {}): Expectation {
  const { fields, tunnels, ...timeouts } = { ...DEFAULTS, ...options };
  const packets: TimedPacket[] = [];
  const ignored = new Map<Reason, number>();
  const opened = new Map<string, number>();
  for (const frame of paths.flatMap((path) => readFrames(readFileSync(path)))) {
    const packet = readInnermost(frame, tunnels, opened);
    if (typeof packet === 'string') {
      ignored.set(packet, (ignored.get(packet) ?? 0) + 1);
      continue;
    }
    const milliseconds = Number(frame.nanoseconds / 1_000_000n);
    const microseconds = Number(frame.nanoseconds / 1000n);
    packets.push({ packet, milliseconds, microseconds, ingressInterface: frame.ingressInterface });
  }
  const joined = joinFragments(packets);
  const records = meter(joined.packets, timeouts).map((record) => ({
    ...(fields === 'full' ? fullFields(record) : standardFields(record)),
    ...tunnelFields(record.packets[0]!, tunnels),
  }));
  return { records, packets, ignored, fragments: joined.counts, opened };
}

function standardFields({ packets, flowEndReason }: MeteredRecord): OracleRecord {
  const [{ packet, ingressInterface }] = packets as [TimedPacket];
  const { ipVersion, protocol, source, destination, destinationPort } = packet;
  const icmpTypeCode = protocol === (ipVersion === 4 ? 1 : 58) ? destinationPort : 0;
  const times = packets.map(({ milliseconds }) => milliseconds);
  const vlanId = packet.vlans[0] ?? 0;
  return {
    ...(ipVersion === 4
      ? { sourceIPv4Address: source, destinationIPv4Address: destination, icmpTypeCodeIPv4: icmpTypeCode }
      : { sourceIPv6Address: source, destinationIPv6Address: destination, icmpTypeCodeIPv6: icmpTypeCode }),
    sourceTransportPort: packet.sourcePort,
    destinationTransportPort: destinationPort,
    protocolIdentifier: protocol,
    ipClassOfService: packet.classOfService,
    tcpControlBits: packets.reduce((bits, { packet }) => bits | packet.tcpFlags, 0),
    ipVersion,
    flowEndReason,
    ingressInterface,
    vlanId,
    dot1qVlanId: vlanId,
    packetDeltaCount: packets.length,
    octetDeltaCount: packets.reduce((sum, { packet }) => sum + packet.octets, 0),
    flowStartMilliseconds: Math.min(...times),
    flowEndMilliseconds: Math.max(...times),
  };
}

/** As `--json` prints them: what does not fit 53 bits as text. */
export function tunnelFields({ packet }: TimedPacket, tunnels: readonly TunnelName[]): Partial<OracleRecord> {
  const { segment, greKey, endpoint } = packet.tunnel ?? NO_TUNNEL;
  const [name, vni = 0] = segment.split(' ');
  const segmentId = (name === 'vxlan' ? 1n << 56n : 0n) + BigInt(vni);
  const json = (value: bigint) => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : `${value}`);
  return {
    ...(tunnels.includes('vxlan') || tunnels.includes('geneve') ? { layer2SegmentId: json(segmentId) } : {}),
    ...(tunnels.includes('gre') ? { greKey } : {}),
    ...(tunnels.includes('geneve') ? { observationPointId: json(BigInt(`0x${endpoint}`)) } : {}),
  };
}

/** It is about the flow since it began: what its first packet had, extremes, totals. */
function fullFields(record: MeteredRecord): FullOracleRecord {
  const { flowPackets } = record;
  const [{ packet }] = flowPackets as [TimedPacket];
  const ttls = flowPackets.map(({ packet }) => packet.ttl);
  const lastFragment = flowPackets.findLast(({ packet }) => packet.isFragment)?.packet;
  const withFlag = (flag: number) =>
    flowPackets.filter(({ packet }) => (packet.tcpFlags & flag) !== 0).length;
  return {
    ...standardFields(record),
    sourceMacAddress: packet.macs?.source ?? '00:00:00:00:00:00',
    destinationMacAddress: packet.macs?.destination ?? '00:00:00:00:00:00',
    dot1qCustomerVlanId: packet.vlans[1] ?? 0,
    minimumTTL: Math.min(...ttls),
    maximumTTL: Math.max(...ttls),
    mplsTopLabelStackSection: packet.labels[0] ?? '000000',
    mplsLabelStackSection2: packet.labels[1] ?? '000000',
    fragmentIdentification: lastFragment?.fragmentIdentification ?? 0,
    tcpSynTotalCount: withFlag(0x02),
    tcpFinTotalCount: withFlag(0x01),
    tcpRstTotalCount: withFlag(0x04),
    ...(packet.ipVersion === 6 ? { flowLabelIPv6: packet.flowLabel } : {}),
    ...tcpFields(flowPackets, record.packets),
  };
}

/** Of either IP version. */
export function addressesOf(record: OracleRecord): { source: string; destination: string } {
  return {
    source: record.sourceIPv4Address ?? record.sourceIPv6Address ?? '',
    destination: record.destinationIPv4Address ?? record.destinationIPv6Address ?? '',
  };
}
