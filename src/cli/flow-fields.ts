/** What the views take from a decoded Flow Record, whoever sent it. */
import { endpoint, hasPorts, ICMP, ICMPV6, icmpText, printable, protocolName, tcpFlags } from './format.ts';

/** A decoded record: the value of an Information Element by its IANA name; undefined where it has none. */
export type FieldReader = (name: string) => unknown;

/** One Flow Record's values, without what the record does not say. Reused by {@link readFlow}. */
export class FlowFields {
  sourceAddress = '';
  destinationAddress = '';
  sourceTransportPort = 0;
  destinationTransportPort = 0;
  protocolIdentifier = 0;
  ipVersion: 4 | 6 = 4;
  /** ICMP and ICMPv6: type · 256 + code. */
  icmpTypeCode = 0;
  /** 0: unknown. */
  ingressInterface = 0;
  octetDeltaCount = 0;
  packetDeltaCount = 0;
  tcpControlBits = 0;
  flowEndReason = 0;
  /** Unix milliseconds; NaN: the record carries no absolute time. */
  flowStartMilliseconds = Number.NaN;
  flowEndMilliseconds = Number.NaN;
}

/** Fills `into` from a record. False, and nothing filled, where it is no Flow Record (options data, say). */
export function readFlow(read: FieldReader, into: FlowFields): boolean {
  let source = read('sourceIPv4Address');
  into.ipVersion = 4;
  if (source === undefined) {
    source = read('sourceIPv6Address');
    if (source === undefined) return false;
    into.ipVersion = 6;
  }
  into.sourceAddress = String(source);
  into.destinationAddress = String(
    read(into.ipVersion === 4 ? 'destinationIPv4Address' : 'destinationIPv6Address') ?? '',
  );
  into.protocolIdentifier = number(read('protocolIdentifier'));
  into.sourceTransportPort = number(read('sourceTransportPort'));
  into.destinationTransportPort = number(read('destinationTransportPort'));
  into.icmpTypeCode = 0;
  if (into.protocolIdentifier === ICMP || into.protocolIdentifier === ICMPV6) {
    const typeCode = read(into.ipVersion === 4 ? 'icmpTypeCodeIPv4' : 'icmpTypeCodeIPv6');
    // NetFlow v5 has no field of its own for it (wire format: the destination port).
    into.icmpTypeCode = typeCode === undefined ? into.destinationTransportPort : number(typeCode);
    into.destinationTransportPort = 0;
  }
  into.ingressInterface = number(read('ingressInterface'));
  // Of a biflow both directions: what the line is about is the conversation.
  into.octetDeltaCount = number(read('octetDeltaCount')) + number(read('reverseOctetDeltaCount'));
  into.packetDeltaCount = number(read('packetDeltaCount')) + number(read('reversePacketDeltaCount'));
  into.tcpControlBits = number(read('tcpControlBits')) | number(read('reverseTcpControlBits'));
  into.flowEndReason = number(read('flowEndReason'));
  into.flowStartMilliseconds = time(read('flowStartMilliseconds'), read('flowStartSeconds'));
  into.flowEndMilliseconds = time(read('flowEndMilliseconds'), read('flowEndSeconds'));
  return true;
}

function number(value: unknown): number {
  if (typeof value === 'number') return value;
  return value === undefined ? 0 : Number(value);
}

/** A decoder may hand on times as Unix milliseconds or as text (ISO 8601). */
function time(milliseconds: unknown, seconds: unknown): number {
  if (milliseconds !== undefined) {
    if (typeof milliseconds !== 'string') return Number(milliseconds);
    return Date.parse(milliseconds);
  }
  if (seconds === undefined) return Number.NaN;
  return typeof seconds === 'string' ? Date.parse(seconds) : Number(seconds) * 1000;
}

/** What makes two records one flow for a person: addresses, ports, protocol, ICMP type and code, interface. */
export function flowKey(flow: FlowFields): string {
  return `${flow.sourceAddress} ${flow.sourceTransportPort} ${flow.destinationAddress} ${
    flow.destinationTransportPort
  } ${flow.protocolIdentifier} ${flow.icmpTypeCode} ${flow.ingressInterface}`;
}

/** A flow's identity as text, made once when a view first meets the flow. Nothing in it moves the cursor. */
export interface FlowLabel {
  readonly protocol: string;
  readonly source: string;
  readonly destination: string;
}

export function flowLabel(flow: FlowFields): FlowLabel {
  const ports = hasPorts(flow.protocolIdentifier);
  return {
    protocol: protocolName(flow.protocolIdentifier),
    source: printable(endpoint(flow.sourceAddress, ports ? flow.sourceTransportPort : undefined)),
    destination: printable(
      endpoint(flow.destinationAddress, ports ? flow.destinationTransportPort : undefined),
    ),
  };
}

/** TCP flags or the ICMP type, as far as `width` columns carry: `.AP.SF`, `echo request`, `8/0`; else empty. */
export function flowDetail(
  protocolIdentifier: number,
  tcpControlBits: number,
  icmpTypeCode: number,
  width: number,
): string {
  if (protocolIdentifier === 6) return tcpFlags(tcpControlBits);
  if (protocolIdentifier !== ICMP && protocolIdentifier !== ICMPV6) return '';
  const text = icmpText(icmpTypeCode, protocolIdentifier === ICMP ? 4 : 6);
  return text.length <= width ? text : `${icmpTypeCode >> 8}/${icmpTypeCode & 0xff}`;
}
