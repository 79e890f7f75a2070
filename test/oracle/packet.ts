/**
 * The oracle reads a packet: IPv4 or IPv6, and the first octets of the transport header. Addresses are text,
 * and the packet is cut where the capture or the IP length ends, so that nothing behind that can be read.
 */

import type { CapturedFrame } from './capture.ts';
import { type Macs, type Reason, readLink } from './link.ts';

export interface Packet {
  readonly ipVersion: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly classOfService: number;
  readonly ttl: number;
  readonly octets: number;
  /** What stands behind the last header that was read, as far as it was captured; and its octets on the wire. */
  readonly payload: Buffer;
  readonly payloadOctets: number;
  /** Where tunnels are opened. */
  readonly tunnel?: TunnelId | undefined;
  /** The 12 bits below the data offset (RFC 9293 §3.1). */
  readonly tcpFlags: number;
  /** Undefined where there is no whole header up to the window, or no length that could be right. */
  readonly tcp: TcpSegment | undefined;
  readonly flowLabel: number;
  readonly isFragment: boolean;
  /** Where the packet is a fragment. */
  readonly fragment?: FragmentOf | undefined;
  readonly isLaterFragment: boolean;
  readonly fragmentIdentification: number;
  /** Of the VLAN tags, the outermost first. */
  readonly vlans: readonly number[];
  /** Label stack entries without their TTL, six hexadecimal digits each, the top one first. */
  readonly labels: readonly string[];
  /** Absent where the link has none. */
  readonly macs: Macs | undefined;
}

/** What tells networks apart: of the innermost tunnel that has it. */
export interface TunnelId {
  /** `vxlan 7`; without an identifier the outermost tunnel's name. */
  readonly segment: string;
  readonly greKey: number;
  /** 16 hexadecimal digits. */
  readonly endpoint: string;
}

/** Of which datagram a fragment is, and which octets of it. */
export interface FragmentOf {
  /** RFC 791: the protocol identifies the datagram, too; RFC 8200: it does not. */
  readonly datagram: string;
  readonly offset: number;
  readonly octets: number;
  readonly hasMore: boolean;
  readonly isTiny: boolean;
}

export interface TcpSegment {
  readonly sequence: number;
  /** Octets behind the header, captured or not. */
  readonly payload: number;
  readonly window: number;
}

const ICMP = 1;
const TCP = 6;
const ICMPV6 = 58;
/** TCP, UDP, DCCP, SCTP, UDP-Lite: source and destination port are the first four octets. */
const PROTOCOLS_WITH_PORTS = [TCP, 17, 33, 132, 136];
const HOP_BY_HOP = 0;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
/** IPv6 extension headers that are walked through (IANA); ESP, 50, is not: what follows it is encrypted. */
const IPV6_EXTENSIONS = [HOP_BY_HOP, 43, FRAGMENT, AUTHENTICATION, 60, 135, 139, 140, 253, 254];
/** A frame that holds more than this is a giant that an offload made; no length field can say how long it is. */
const LARGEST_16_BITS = 65_535;

/** The packet, or why it cannot be metered. */
export function readPacket(frame: CapturedFrame): Packet | Reason {
  const link = readLink(frame);
  if (typeof link === 'string') return link;
  const captured = frame.captured.subarray(link.offset);
  const room = frame.wireLength - link.offset;
  if (captured.length === 0) return 'truncated_ip_header';
  const version = captured.readUInt8(0) >> 4;
  const promised = link.promised ?? version;
  if (promised !== 4 && promised !== 6) return 'bad_ip_version';
  if (captured.length < (promised === 4 ? 20 : 40)) return 'truncated_ip_header';
  if (version !== promised) return 'bad_ip_version';
  const isCut = frame.isCut === true;
  const ip = version === 4 ? readIpv4(captured, room, isCut) : readIpv6(captured, room, isCut);
  if (typeof ip === 'string') return ip;
  const { vlans, labels, macs } = link;
  return { ...ip, vlans, labels, macs };
}

type IpPacket = Omit<Packet, 'vlans' | 'labels' | 'macs'>;

/** At least 20 octets (RFC 791 §3.1). Options may be cut by the capture: then there is no transport header to read. */
function readIpv4(captured: Buffer, room: number, isCut: boolean): IpPacket | Reason {
  const headerLength = (captured.readUInt8(0) & 0x0f) * 4;
  const totalLength = captured.readUInt16BE(2);
  if (headerLength < 20) return 'bad_ip_header_length';
  if (totalLength === 0 && room <= LARGEST_16_BITS) return 'bad_ip_length';
  const octets = totalLength === 0 ? room : totalLength;
  if (headerLength > octets) return 'bad_ip_header_length';
  if (octets > room && !isCut) return 'bad_ip_length';

  const packet = captured.subarray(0, octets);
  const isLaterFragment = (captured.readUInt16BE(6) & 0x1fff) !== 0;
  let protocol = captured.readUInt8(9);
  let at = headerLength;
  while (protocol === AUTHENTICATION && !isLaterFragment && packet.length >= at + 2) {
    protocol = packet.readUInt8(at);
    at += (packet.readUInt8(at + 1) + 2) * 4;
  }
  return {
    ipVersion: 4,
    source: [...captured.subarray(12, 16)].join('.'),
    destination: [...captured.subarray(16, 20)].join('.'),
    protocol,
    ...readTransport(protocol, isLaterFragment ? NOTHING : packet.subarray(at), octets - at),
    isLaterFragment,
    classOfService: captured.readUInt8(1),
    ttl: captured.readUInt8(8),
    octets,
    payload: packet.subarray(at),
    payloadOctets: octets - at,
    flowLabel: 0,
    isFragment: (captured.readUInt16BE(6) & 0x3fff) !== 0, // offset or MF
    fragment: fragmentOf(
      `${captured.readUInt8(9)} ${captured.readUInt16BE(4)}`,
      (captured.readUInt16BE(6) & 0x1fff) * 8,
      (captured.readUInt16BE(6) & 0x2000) !== 0,
      octets - headerLength,
      protocol,
      octets - at,
    ),
    fragmentIdentification: captured.readUInt16BE(4),
  };
}

const NOTHING = Buffer.alloc(0);

/** @param transportOctets of the packet behind its last header, captured or not */
function fragmentOf(
  datagram: string,
  offset: number,
  hasMore: boolean,
  octets: number,
  protocol: number,
  transportOctets: number,
): FragmentOf | undefined {
  if (offset === 0 && !hasMore) return undefined;
  let isTiny = offset === 8 && protocol === TCP; // RFC 1858 §3.2.2
  if (offset === 0 && protocol === TCP) isTiny = transportOctets < 16; // RFC 1858 §3.2.1
  if (offset === 0 && [ICMP, ICMPV6, 17, 33, 132, 136].includes(protocol)) isTiny = transportOctets < 8;
  return { datagram, offset, octets, hasMore, isTiny };
}

/** At least 40 octets (RFC 8200 §3, §4). */
function readIpv6(captured: Buffer, room: number, isCut: boolean): IpPacket | Reason {
  const payloadLength = captured.readUInt16BE(4);
  const octets = 40 + (payloadLength === 0 ? longPayload(captured, room) : payloadLength);
  if (Number.isNaN(octets) || (octets > room && !isCut)) return 'bad_ip_length';

  const packet = captured.subarray(0, octets);
  let protocol = captured.readUInt8(6);
  let at = 40;
  let fragmentIdentification = 0;
  let isFragment = false;
  let isLaterFragment = false;
  let header: { at: number; offset: number; hasMore: boolean } | undefined;
  // A header that the capture cuts still names the next one, if that and the length are there.
  while (IPV6_EXTENSIONS.includes(protocol) && !isLaterFragment && packet.length >= at + 2) {
    let length = (packet.readUInt8(at + 1) + 1) * 8;
    if (protocol === AUTHENTICATION) length = (packet.readUInt8(at + 1) + 2) * 4; // RFC 4302 §2.2
    if (protocol === FRAGMENT) {
      if (packet.length < at + 8) break;
      length = 8;
      isFragment = (packet.readUInt16BE(at + 2) & 0xfff9) !== 0; // offset or M; else atomic (RFC 6946)
      isLaterFragment = packet.readUInt16BE(at + 2) >> 3 !== 0;
      fragmentIdentification = packet.readUInt32BE(at + 4);
      header = {
        at,
        offset: packet.readUInt16BE(at + 2) & 0xfff8,
        hasMore: packet.readUInt8(at + 3) % 2 === 1,
      };
    }
    protocol = packet.readUInt8(at);
    at += length;
  }
  return {
    ipVersion: 6,
    source: ipv6Text(captured.subarray(8, 24)),
    destination: ipv6Text(captured.subarray(24, 40)),
    protocol,
    ...readTransport(protocol, isLaterFragment ? NOTHING : packet.subarray(at), octets - at),
    isLaterFragment,
    classOfService: (captured.readUInt16BE(0) >> 4) & 0xff,
    ttl: captured.readUInt8(7),
    octets,
    payload: packet.subarray(at),
    payloadOctets: octets - at,
    flowLabel: captured.readUInt32BE(0) & 0xfffff,
    isFragment,
    fragment:
      header &&
      fragmentOf(
        `${fragmentIdentification}`,
        header.offset,
        header.hasMore,
        octets - header.at - 8,
        protocol,
        octets - at,
      ),
    fragmentIdentification,
  };
}

/** The payload's octets where the length field says 0; NaN where nothing says them. */
function longPayload(captured: Buffer, room: number): number {
  const jumbo = jumboPayloadLength(captured);
  if (jumbo !== undefined) return jumbo > LARGEST_16_BITS ? jumbo : Number.NaN;
  if (room - 40 > LARGEST_16_BITS) return room - 40;
  return captured.readUInt8(6) === HOP_BY_HOP ? Number.NaN : 0;
}

/** RFC 2675 §2: option type 0xc2 with four octets, in a Hop-by-Hop Options header. */
function jumboPayloadLength(captured: Buffer): number | undefined {
  if (captured.readUInt8(6) !== HOP_BY_HOP || captured.length < 42) return undefined;
  const end = Math.min(captured.length, 40 + (captured.readUInt8(41) + 1) * 8);
  for (let at = 42; at + 1 < end; ) {
    const type = captured.readUInt8(at);
    const length = captured.readUInt8(at + 1);
    if (type === 0xc2 && length === 4 && at + 6 <= end) return captured.readUInt32BE(at + 2);
    at += type === 0 ? 1 : 2 + length; // Pad1 has no length
  }
  return undefined;
}

/** What is taken of the transport header, as far as `transport` has it. @param octets of it and of what follows */
function readTransport(protocol: number, transport: Buffer, octets: number) {
  let sourcePort = 0;
  let destinationPort = 0;
  if (PROTOCOLS_WITH_PORTS.includes(protocol) && transport.length >= 4) {
    sourcePort = transport.readUInt16BE(0);
    destinationPort = transport.readUInt16BE(2);
  }
  if ((protocol === ICMP || protocol === ICMPV6) && transport.length >= 2) {
    destinationPort = transport.readUInt8(0) * 256 + transport.readUInt8(1);
  }
  const tcpFlags = protocol === TCP && transport.length >= 14 ? transport.readUInt16BE(12) & 0x0fff : 0;
  return {
    sourcePort,
    destinationPort,
    tcpFlags,
    tcp: protocol === TCP ? readTcp(transport, octets) : undefined,
  };
}

/** RFC 9293 §3.1. */
function readTcp(header: Buffer, octets: number): TcpSegment | undefined {
  if (header.length < 16) return undefined;
  const headerLength = (header.readUInt8(12) >> 4) * 4;
  if (headerLength < 20 || headerLength > octets) return undefined;
  return {
    sequence: header.readUInt32BE(4),
    payload: octets - headerLength,
    window: header.readUInt16BE(14),
  };
}

/** RFC 5952 §4: no leading zeros; the longest run of two or more zero words is `::`, the first of equals. */
export function ipv6Text(octets: Buffer): string {
  const words = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(2 * i).toString(16));
  for (let length = 8; length >= 2; length--) {
    for (let start = 0; start + length <= 8; start++) {
      if (words.slice(start, start + length).every((word) => word === '0')) {
        return `${words.slice(0, start).join(':')}::${words.slice(start + length).join(':')}`;
      }
    }
  }
  return words.join(':');
}
