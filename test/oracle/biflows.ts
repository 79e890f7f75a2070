/**
 * The oracle's biflows (RFC 5103): both directions of a conversation in one record. Like flows.ts, every flow is looked
 * at after every packet; a conversation is found by the text of its two ends.
 */

import type { FlowEndReason, TimedPacket, Timeouts } from './flows.ts';

const IDLE_TIMEOUT = 1;
const ACTIVE_TIMEOUT = 2;
const END_DETECTED = 3;
const FORCED_END = 4;
/** After RST, or FIN of both: from then. After FIN of one: from the last packet. */
const CLOSED_MILLISECONDS = 500;
const HALF_CLOSED_MILLISECONDS = 1000;

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;

/** One direction of a record. */
export interface Direction {
  /** Its ends, as the other direction shows them where it has no packet itself. */
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** In the record, and in the flow so far. */
  readonly packets: readonly TimedPacket[];
  readonly flowPackets: readonly TimedPacket[];
}

export interface BiflowRecord {
  readonly forward: Direction;
  readonly reverse: Direction;
  readonly flowEndReason: FlowEndReason;
}

interface Side {
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
  packets: TimedPacket[];
  flowPackets: TimedPacket[];
  hasFinished: boolean;
}

interface Biflow {
  readonly key: string;
  readonly forward: Side;
  readonly reverse: Side;
  /** Which end sends forward; undefined: both ends are the same, and every packet goes where the first went. */
  readonly forwardEnd: string | undefined;
  readonly isFirstForward: boolean;
  recordStart: number;
  last: number;
  hasEnded: boolean;
  isClosed: boolean;
}

/** A question's type for an answer's: echo, timestamp, information, address mask; echo and node information of ICMPv6. */
const ANSWERS: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  1: { 0: 8, 14: 13, 16: 15, 18: 17 },
  58: { 129: 128, 140: 139 },
};

function endsOf({ packet }: TimedPacket): { from: string; to: string; about: string } {
  const { ipVersion, protocol, source, destination, sourcePort, destinationPort } = packet;
  if (protocol !== (ipVersion === 4 ? 1 : 58)) {
    return { from: `${source} ${sourcePort}`, to: `${destination} ${destinationPort}`, about: '' };
  }
  const type = destinationPort >> 8;
  return {
    from: source,
    to: destination,
    about: `${ANSWERS[protocol]?.[type] ?? type} ${destinationPort & 0xff}`,
  };
}

/** The direction of a packet that comes from that end. */
function sideOf(flow: Biflow, from: string): Side {
  const isForward = flow.forwardEnd === undefined ? flow.isFirstForward : flow.forwardEnd === from;
  return isForward ? flow.forward : flow.reverse;
}

/** The records of these packets, in no particular order. */
export function meterBiflows(packets: Iterable<TimedPacket>, timeouts: Timeouts): BiflowRecord[] {
  const records: BiflowRecord[] = [];
  const flows = new Map<string, Biflow>();
  let clock = Number.NEGATIVE_INFINITY;

  const isOpen = (flow: Biflow) => flow.forward.packets.length + flow.reverse.packets.length > 0;
  const close = (flow: Biflow, flowEndReason: FlowEndReason) => {
    const keep = (side: Side): Direction => ({ ...side, flowPackets: [...side.flowPackets] });
    if (isOpen(flow))
      records.push({ forward: keep(flow.forward), reverse: keep(flow.reverse), flowEndReason });
    flow.forward.packets = [];
    flow.reverse.packets = [];
  };
  const remove = (flow: Biflow, flowEndReason: FlowEndReason) => {
    close(flow, flowEndReason);
    flows.delete(flow.key);
  };
  const meetDeadlines = (flow: Biflow) => {
    const { activeMilliseconds, idleMilliseconds } = timeouts;
    const activeEnd = flow.recordStart + activeMilliseconds;
    const lingers = flow.isClosed ? CLOSED_MILLISECONDS : HALF_CLOSED_MILLISECONDS;
    const end = flow.last + (flow.hasEnded ? Math.min(lingers, idleMilliseconds) : idleMilliseconds);
    if (isOpen(flow) && clock >= activeEnd && activeEnd <= end) close(flow, ACTIVE_TIMEOUT);
    if (clock >= end) remove(flow, flow.hasEnded ? END_DETECTED : IDLE_TIMEOUT);
  };

  for (const timed of packets) {
    const { packet, milliseconds } = timed;
    const { tcpFlags, protocol, ipVersion } = packet;
    clock = Math.max(clock, milliseconds, timed.countedMilliseconds ?? milliseconds);
    for (const flow of flows.values()) meetDeadlines(flow);

    const { from, to, about } = endsOf(timed);
    const tunnel = JSON.stringify(packet.tunnel);
    const key = [ipVersion, protocol, about, ...[from, to].sort(), tunnel].join(' | ');
    let flow = flows.get(key);
    // Not where the SYN's direction was not seen yet: two interfaces are read one after the other.
    const isNewConnection = (tcpFlags & (SYN | ACK | RST)) === SYN;
    if (flow?.hasEnded && isNewConnection && sideOf(flow, from).flowPackets.length > 0) {
      remove(flow, END_DETECTED);
      flow = undefined;
    }
    if (flow === undefined) {
      const isAnswer = protocol === 6 && (tcpFlags & (SYN | ACK)) === (SYN | ACK);
      const isIcmp = about !== '';
      const here: Side = {
        source: packet.source,
        destination: packet.destination,
        sourcePort: packet.sourcePort,
        destinationPort: packet.destinationPort,
        packets: [],
        flowPackets: [],
        hasFinished: false,
      };
      const there: Side = {
        ...here,
        source: packet.destination,
        destination: packet.source,
        sourcePort: isIcmp ? 0 : packet.destinationPort,
        destinationPort: isIcmp ? 0 : packet.sourcePort,
        packets: [],
        flowPackets: [],
      };
      flow = {
        key,
        forward: isAnswer ? there : here,
        reverse: isAnswer ? here : there,
        forwardEnd: from === to ? undefined : isAnswer ? to : from,
        isFirstForward: !isAnswer,
        recordStart: clock,
        last: clock,
        hasEnded: false,
        isClosed: false,
      };
      flows.set(key, flow);
    }
    if (!isOpen(flow)) flow.recordStart = clock;
    const side = sideOf(flow, from);
    if (side.flowPackets.length === 0) side.destinationPort = packet.destinationPort;
    side.packets.push(timed);
    side.flowPackets.push(timed);
    if (!flow.isClosed) flow.last = clock;
    if (tcpFlags & FIN) side.hasFinished = true;
    if (tcpFlags & (FIN | RST)) flow.hasEnded = true;
    if (tcpFlags & RST || (flow.forward.hasFinished && flow.reverse.hasFinished)) flow.isClosed = true;
  }
  for (const flow of flows.values()) remove(flow, flow.hasEnded ? END_DETECTED : FORCED_END);
  return records;
}
