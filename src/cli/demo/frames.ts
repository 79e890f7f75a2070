/** Builds Ethernet frames with IP packets in them, every length and checksum right. For generated captures. */
import { isIPv4 } from 'node:net';

/** One end of a conversation. */
export interface Host {
  readonly mac: Uint8Array;
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface IpOptions {
  readonly from: Host;
  readonly to: Host;
  readonly ipVersion: 4 | 6;
  /** VLAN identifiers, the outer one first. */
  readonly vlans?: readonly number[];
  /** IPv4 identification. */
  readonly identification?: number;
  /** The whole ToS or Traffic Class octet. */
  readonly ipClassOfService?: number;
}

export const TCP = 6;
export const UDP = 17;
export const ICMP = 1;
export const ICMPV6 = 58;

export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_QINQ = 0x88a8;
const ETHERTYPE_IPV6 = 0x86dd;
const TTL = 64;
/** Octets of a frame without its check sequence; shorter ones are padded (IEEE 802.3 §3.2.8). */
const SHORTEST_FRAME = 60;

/** An Ethernet frame around `payload`; with several tags the outer ones are service tags (IEEE 802.1ad). */
function ethernet(
  from: Host,
  toMac: Uint8Array,
  etherType: number,
  payload: Uint8Array,
  vlans: readonly number[] = [],
): Uint8Array {
  const header = 14 + 4 * vlans.length;
  const frame = new Uint8Array(Math.max(header + payload.length, SHORTEST_FRAME));
  const view = new DataView(frame.buffer);
  frame.set(toMac, 0);
  frame.set(from.mac, 6);
  let at = 12;
  vlans.forEach((vlan, i) => {
    view.setUint16(at, i < vlans.length - 1 ? ETHERTYPE_QINQ : ETHERTYPE_VLAN);
    view.setUint16(at + 2, vlan);
    at += 4;
  });
  view.setUint16(at, etherType);
  frame.set(payload, header);
  return frame;
}

/** IPv4 (RFC 791 §3.1) or IPv6 (RFC 8200 §3) around a transport's octets, in an Ethernet frame. */
function ip(options: IpOptions, protocol: number, payload: Uint8Array): Uint8Array {
  const { from, to, ipVersion, ipClassOfService = 0 } = options;
  const header = ipVersion === 4 ? 20 : 40;
  const packet = new Uint8Array(header + payload.length);
  const view = new DataView(packet.buffer);
  if (ipVersion === 4) {
    view.setUint16(0, 0x4500 | ipClassOfService);
    view.setUint16(2, packet.length);
    view.setUint16(4, options.identification ?? 0);
    view.setUint16(6, 0x4000); // don't fragment
    view.setUint8(8, TTL);
    view.setUint8(9, protocol);
    packet.set(addressOctets(from.ipv4), 12);
    packet.set(addressOctets(to.ipv4), 16);
    view.setUint16(10, checksum([packet.subarray(0, header)]));
  } else {
    view.setUint32(0, 0x6000_0000 | (ipClassOfService << 20));
    view.setUint16(4, payload.length);
    view.setUint8(6, protocol);
    view.setUint8(7, TTL);
    packet.set(addressOctets(from.ipv6), 8);
    packet.set(addressOctets(to.ipv6), 24);
  }
  packet.set(payload, header);
  return ethernet(from, to.mac, ipVersion === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6, packet, options.vlans);
}

/** What TCP, UDP and ICMPv6 checksums begin with (RFC 9293 §3.1, RFC 8200 §8.1). */
function pseudoHeader(options: IpOptions, protocol: number, length: number): Uint8Array {
  const { from, to, ipVersion } = options;
  const source = addressOctets(ipVersion === 4 ? from.ipv4 : from.ipv6);
  const header = new Uint8Array(2 * source.length + 8);
  header.set(source, 0);
  header.set(addressOctets(ipVersion === 4 ? to.ipv4 : to.ipv6), source.length);
  // IPv4 has 16 bits of length and one zero octet less: the same sum.
  const view = new DataView(header.buffer, 2 * source.length);
  view.setUint32(0, length);
  view.setUint32(4, protocol);
  return header;
}

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Modulo 2^32. */
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly data?: Uint8Array;
}

/** RFC 9293 §3.1, without options. */
export function tcp(options: IpOptions, segment: TcpSegment): Uint8Array {
  const { data = new Uint8Array(0) } = segment;
  const octets = new Uint8Array(20 + data.length);
  const view = new DataView(octets.buffer);
  view.setUint16(0, segment.sourcePort);
  view.setUint16(2, segment.destinationPort);
  view.setUint32(4, segment.sequence);
  view.setUint32(8, segment.acknowledgment);
  view.setUint16(12, 0x5000 | segment.flags);
  view.setUint16(14, (segment.flags & TcpFlag.RST) === 0 ? 64_240 : 0);
  octets.set(data, 20);
  view.setUint16(16, checksum([pseudoHeader(options, TCP, octets.length), octets]));
  return ip(options, TCP, octets);
}

/** RFC 768. */
export function udp(
  options: IpOptions,
  sourcePort: number,
  destinationPort: number,
  data: Uint8Array,
): Uint8Array {
  const octets = new Uint8Array(8 + data.length);
  const view = new DataView(octets.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, octets.length);
  octets.set(data, 8);
  // 0 would mean: no checksum.
  view.setUint16(6, checksum([pseudoHeader(options, UDP, octets.length), octets]) || 0xffff);
  return ip(options, UDP, octets);
}

/** An echo message (RFC 792, RFC 4443 §4) of 56 octets of data, as ping sends it. */
export function echo(options: IpOptions, isReply: boolean, identifier: number, sequence: number): Uint8Array {
  const octets = new Uint8Array(64);
  const view = new DataView(octets.buffer);
  const isIpv4 = options.ipVersion === 4;
  view.setUint8(0, isIpv4 ? (isReply ? 0 : 8) : isReply ? 129 : 128);
  view.setUint16(4, identifier);
  view.setUint16(6, sequence);
  for (let i = 8; i < octets.length; i++) octets[i] = i;
  const protocol = isIpv4 ? ICMP : ICMPV6;
  view.setUint16(2, checksum(isIpv4 ? [octets] : [pseudoHeader(options, protocol, octets.length), octets]));
  return ip(options, protocol, octets);
}

/** Who has `to`? (RFC 826): a frame that carries no IP. */
export function arpRequest(from: Host, to: Host): Uint8Array {
  const octets = new Uint8Array(28);
  const view = new DataView(octets.buffer);
  view.setUint16(0, 1); // Ethernet
  view.setUint16(2, ETHERTYPE_IPV4);
  view.setUint16(4, 0x0604); // lengths of the addresses
  view.setUint16(6, 1); // request
  octets.set(from.mac, 8);
  octets.set(addressOctets(from.ipv4), 14);
  octets.set(addressOctets(to.ipv4), 24);
  return ethernet(from, new Uint8Array(6).fill(0xff), ETHERTYPE_ARP, octets);
}

/** The Internet checksum (RFC 1071) over parts, each but the last of an even length. */
function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += (part[i]! << 8) | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** `10.0.0.1` → 4 octets, `2001:db8::1` → 16. */
function addressOctets(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number);
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text === undefined || text === '' ? [] : text.split(':'));
  const before = groups(head);
  const after = groups(tail);
  const all = [...before, ...new Array<string>(8 - before.length - after.length).fill('0'), ...after];
  return Uint8Array.from(
    all.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}
