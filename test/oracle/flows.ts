/**
 * The oracle meters packets into Flow Records: after each packet every flow is looked at, so that what a deadline
 * means stands here once and in the order in which it happens. Time is the packets' own.
 */

import type { Packet } from './packet.ts';

export interface Timeouts {
  readonly activeMilliseconds: number;
  readonly idleMilliseconds: number;
}

export interface TimedPacket {
  readonly packet: Packet;
  /** Whole milliseconds since 1970. */
  readonly milliseconds: number;
  /** The same time in whole microseconds. */
  readonly microseconds: number;
  readonly ingressInterface: number;
  /** The clock when a packet is counted that had to wait until then. */
  readonly countedMilliseconds?: number;
}

/** IANA flowEndReason. */
const IDLE_TIMEOUT = 1;
const ACTIVE_TIMEOUT = 2;
const END_DETECTED = 3;
const FORCED_END = 4;
export type FlowEndReason = 1 | 2 | 3 | 4;

/** How long an ended flow stays to take in stragglers. */
const LINGER_MILLISECONDS = 500;

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;

/** One record: the packets in it and why it ended. What is exported of it is record.ts's. */
export interface MeteredRecord {
  readonly packets: readonly TimedPacket[];
  /** All packets of the flow so far, those of its earlier records too. */
  readonly flowPackets: readonly TimedPacket[];
  readonly flowEndReason: FlowEndReason;
}

interface Flow {
  readonly key: string;
  /** The open record's packets; empty: no record is open. */
  packets: TimedPacket[];
  readonly flowPackets: TimedPacket[];
  /** The clock when the open record's first packet came. */
  recordStart: number;
  /** The clock when the last packet came that keeps the flow alive. */
  last: number;
  hasEnded: boolean;
  hasReset: boolean;
}

/** The Flow Records of these packets, in no particular order. */
export function meter(packets: Iterable<TimedPacket>, timeouts: Timeouts): MeteredRecord[] {
  const records: MeteredRecord[] = [];
  const flows = new Map<string, Flow>();
  /** The greatest packet time so far. */
  let clock = Number.NEGATIVE_INFINITY;

  const close = (flow: Flow, flowEndReason: FlowEndReason) => {
    if (flow.packets.length > 0) {
      records.push({ packets: flow.packets, flowPackets: [...flow.flowPackets], flowEndReason });
    }
    flow.packets = [];
  };
  const remove = (flow: Flow, flowEndReason: FlowEndReason) => {
    close(flow, flowEndReason);
    flows.delete(flow.key);
  };
  const meetDeadlines = (flow: Flow) => {
    const activeEnd = flow.recordStart + timeouts.activeMilliseconds;
    const { idleMilliseconds } = timeouts;
    const end =
      flow.last + (flow.hasEnded ? Math.min(LINGER_MILLISECONDS, idleMilliseconds) : idleMilliseconds);
    // Of two deadlines that have passed the earlier one acts first, the active timeout of equals.
    if (flow.packets.length > 0 && clock >= activeEnd && activeEnd <= end) close(flow, ACTIVE_TIMEOUT);
    if (clock >= end) remove(flow, flow.hasEnded ? END_DETECTED : IDLE_TIMEOUT);
  };

  for (const timed of packets) {
    const { packet, milliseconds } = timed;
    clock = Math.max(clock, milliseconds, timed.countedMilliseconds ?? milliseconds);
    for (const flow of flows.values()) meetDeadlines(flow);

    const key = flowKey(timed);
    let flow = flows.get(key);
    const opens = (packet.tcpFlags & (SYN | ACK | RST)) === SYN;
    if (flow?.hasEnded && opens) {
      remove(flow, END_DETECTED);
      flow = undefined;
    }
    if (flow === undefined) {
      flow = {
        key,
        packets: [],
        flowPackets: [],
        recordStart: clock,
        last: clock,
        hasEnded: false,
        hasReset: false,
      };
      flows.set(key, flow);
    }
    if (flow.packets.length === 0) flow.recordStart = clock;
    flow.packets.push(timed);
    flow.flowPackets.push(timed);
    if (!flow.hasReset) flow.last = clock;
    if (packet.tcpFlags & (FIN | RST)) flow.hasEnded = true;
    if (packet.tcpFlags & RST) flow.hasReset = true;
  }
  for (const flow of flows.values()) remove(flow, flow.hasEnded ? END_DETECTED : FORCED_END);
  return records;
}

/** DSCP without ECN; of the VLAN tags the outermost. */
function flowKey({ packet, ingressInterface }: TimedPacket): string {
  return [
    packet.ipVersion,
    packet.source,
    packet.destination,
    packet.protocol,
    packet.sourcePort,
    packet.destinationPort,
    packet.classOfService >> 2,
    packet.vlans[0] ?? 0,
    ingressInterface,
    JSON.stringify(packet.tunnel),
  ].join(' ');
}
