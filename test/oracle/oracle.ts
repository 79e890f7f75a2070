/**
 * What Weir should make of capture files, reckoned by other means: no code of src/ is used, everything is kept, and
 * nothing is fast.
 *
 *    capture.ts: octets → frames      packet.ts: frame → packet      flows.ts: packets → records
 */

import { readFileSync } from 'node:fs';
import { readFrames } from './capture.ts';
import { type MeteredRecord, meter, type TimedPacket, type Timeouts } from './flows.ts';
import { type Reason, readPacket } from './packet.ts';

/** Fields by their IANA names, as `--json` prints them. */
export type OracleRecord = Readonly<Record<string, number | string>>;

export interface Expectation {
  readonly records: readonly OracleRecord[];
  readonly packets: readonly TimedPacket[];
  /** Packets that cannot be metered, by reason. */
  readonly ignored: ReadonlyMap<Reason, number>;
}

export interface OracleOptions extends Timeouts {
  readonly fields: 'standard' | 'full';
}

/** What `weir read` does unless told otherwise. */
export const DEFAULTS: OracleOptions = {
  activeMilliseconds: 5000,
  idleMilliseconds: 15_000,
  fields: 'standard',
};

/** Reads the files one after the other, on one clock. */
export function expectationOf(paths: readonly string[], options: Partial<OracleOptions> = {}): Expectation {
  const { fields, ...timeouts } = { ...DEFAULTS, ...options };
  const packets: TimedPacket[] = [];
  const ignored = new Map<Reason, number>();
  for (const frame of paths.flatMap((path) => readFrames(readFileSync(path)))) {
    const packet = readPacket(frame);
    if (typeof packet === 'string') {
      ignored.set(packet, (ignored.get(packet) ?? 0) + 1);
      continue;
    }
    const milliseconds = Number(frame.nanoseconds / 1_000_000n);
    packets.push({ packet, milliseconds, ingressInterface: frame.ingressInterface });
  }
  const records = meter(packets, timeouts).map((record) =>
    fields === 'full' ? { ...standardFields(record), ...fullFields(record) } : standardFields(record),
  );
  return { records, packets, ignored };
}

function standardFields({ packets, flowEndReason }: MeteredRecord): OracleRecord {
  const [first] = packets as [TimedPacket];
  const { packet } = first;
  const isIcmp = packet.protocol === (packet.ipVersion === 4 ? 1 : 58);
  const times = packets.map(({ milliseconds }) => milliseconds);
  const vlan = packet.vlans[0] ?? 0;
  return {
    [`sourceIPv${packet.ipVersion}Address`]: packet.source,
    [`destinationIPv${packet.ipVersion}Address`]: packet.destination,
    sourceTransportPort: packet.sourcePort,
    destinationTransportPort: packet.destinationPort,
    protocolIdentifier: packet.protocol,
    ipClassOfService: packet.classOfService,
    tcpControlBits: packets.reduce((bits, { packet }) => bits | packet.tcpFlags, 0),
    [`icmpTypeCodeIPv${packet.ipVersion}`]: isIcmp ? packet.destinationPort : 0,
    ipVersion: packet.ipVersion,
    flowEndReason,
    ingressInterface: first.ingressInterface,
    vlanId: vlan,
    dot1qVlanId: vlan,
    packetDeltaCount: packets.length,
    octetDeltaCount: packets.reduce((sum, { packet }) => sum + packet.octets, 0),
    flowStartMilliseconds: Math.min(...times),
    flowEndMilliseconds: Math.max(...times),
  };
}

/** What `--fields full` adds. It is about the flow since it began: what the first packet had, extremes, totals. */
function fullFields({ flowPackets }: MeteredRecord): OracleRecord {
  const [{ packet }] = flowPackets as [TimedPacket];
  const ttls = flowPackets.map(({ packet }) => packet.ttl);
  const lastFragment = flowPackets.findLast(({ packet }) => packet.isFragment)?.packet;
  const withFlag = (flag: number) =>
    flowPackets.filter(({ packet }) => (packet.tcpFlags & flag) !== 0).length;
  return {
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
  };
}
