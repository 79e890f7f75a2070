/** A biflow record by the names that `--json` prints. */

import type { BiflowRecord, Direction } from './biflows.ts';
import { tcpFields } from './tcp.ts';

export type Fields = Readonly<Record<string, number | string>>;

/** @param isFull with what `--fields full` adds */
export function biflowFields(record: BiflowRecord, isFull: boolean): Fields {
  const { forward, reverse, flowEndReason } = record;
  const [{ packet: any }] = [...forward.packets, ...reverse.packets] as [Direction['packets'][number]];
  const v = any.ipVersion;
  const icmp = (direction: Direction) =>
    any.protocol === (v === 4 ? 1 : 58) ? direction.destinationPort : 0;
  const counted = { forward: ofRecord(forward, reverse), reverse: ofRecord(reverse, forward) };
  return {
    [`sourceIPv${v}Address`]: forward.source,
    [`destinationIPv${v}Address`]: forward.destination,
    sourceTransportPort: forward.sourcePort,
    destinationTransportPort: forward.destinationPort,
    protocolIdentifier: any.protocol,
    [`icmpTypeCodeIPv${v}`]: icmp(forward),
    [`reverseIcmpTypeCodeIPv${v}`]: icmp(reverse),
    ipVersion: v,
    flowEndReason,
    biflowDirection: 1,
    dot1qVlanId: counted.forward.vlanId,
    ...counted.forward,
    ...reversed(counted.reverse),
    ...(isFull ? ofFlow(forward, v) : {}),
    ...(isFull ? reversedFull(ofFlow(reverse, v)) : {}),
  };
}

function ofRecord({ packets, flowPackets }: Direction, other: Direction) {
  const first = flowPackets[0];
  const times = (packets.length > 0 ? packets : other.packets).map(({ milliseconds }) => milliseconds);
  return {
    ipClassOfService: packets[0]?.packet.classOfService ?? 0,
    tcpControlBits: packets.reduce((bits, { packet }) => bits | packet.tcpFlags, 0),
    ingressInterface: first?.ingressInterface ?? 0,
    vlanId: first?.packet.vlans[0] ?? 0,
    packetDeltaCount: packets.length,
    octetDeltaCount: packets.reduce((sum, { packet }) => sum + packet.octets, 0),
    flowStartMilliseconds: Math.min(...times),
    flowEndMilliseconds: Math.max(...times),
  };
}

function ofFlow({ packets, flowPackets }: Direction, ipVersion: 4 | 6) {
  const first = flowPackets[0]?.packet;
  const ttls = flowPackets.map(({ packet }) => packet.ttl);
  const withFlag = (flag: number) => flowPackets.filter(({ packet }) => packet.tcpFlags & flag).length;
  return {
    sourceMacAddress: first?.macs?.source ?? '00:00:00:00:00:00',
    destinationMacAddress: first?.macs?.destination ?? '00:00:00:00:00:00',
    dot1qCustomerVlanId: first?.vlans[1] ?? 0,
    minimumTTL: first === undefined ? 0 : Math.min(...ttls),
    maximumTTL: Math.max(0, ...ttls),
    mplsTopLabelStackSection: first?.labels[0] ?? '000000',
    mplsLabelStackSection2: first?.labels[1] ?? '000000',
    fragmentIdentification:
      flowPackets.findLast(({ packet }) => packet.isFragment)?.packet.fragmentIdentification ?? 0,
    tcpSynTotalCount: withFlag(0x02),
    tcpFinTotalCount: withFlag(0x01),
    tcpRstTotalCount: withFlag(0x04),
    ...(ipVersion === 6 ? { flowLabelIPv6: first?.flowLabel ?? 0 } : {}),
    ...tcpFields(flowPackets, packets),
  };
}

function reversed(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      `reverse${name[0]!.toUpperCase()}${name.slice(1)}`,
      value,
    ]),
  );
}

/** Of what is said of a flow, the reverse direction says some; ntop has names of its own for it. */
function reversedFull(fields: ReturnType<typeof ofFlow>): Fields {
  const {
    minimumTTL,
    maximumTTL,
    tcpSynTotalCount,
    tcpFinTotalCount,
    tcpRstTotalCount,
    initialTCPFlags,
    unionTCPFlags,
  } = fields;
  const same = { minimumTTL, maximumTTL, tcpSynTotalCount, tcpFinTotalCount, tcpRstTotalCount };
  return {
    ...reversed({ ...same, initialTCPFlags, unionTCPFlags }),
    RETRANSMITTED_OUT_PKTS: fields.RETRANSMITTED_IN_PKTS,
    OOORDER_IN_PKTS: fields.OOORDER_OUT_PKTS,
    TCP_WIN_MIN_OUT: fields.TCP_WIN_MIN_IN,
    reverseTcpZeroWindowDeltaCount: fields.tcpZeroWindowDeltaCount,
  };
}
