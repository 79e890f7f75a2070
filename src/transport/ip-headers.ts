/**
 * IPv4, IPv6 and UDP headers, for datagrams whose source is not the kernel's to choose.
 *
 * IPv4: RFC 791 §3.1; IPv6: RFC 8200 §3; UDP: RFC 768, over IPv6 with the pseudo-header of RFC 8200 §8.1; the checksum:
 * RFC 1071. Fields are in network byte order.
 */

/** Octets of the IP header without options, and of the UDP header behind it. */
export const IPV4_HEADER_OCTETS = 20;
export const IPV6_HEADER_OCTETS = 40;
export const UDP_HEADER_OCTETS = 8;

const UDP = 17;
/** As the kernel's own: net.ipv4.ip_default_ttl, and the default of IPv6's hop limit. */
const HOP_LIMIT = 64;

/** Where a datagram comes from and goes to. Addresses are 4 octets or 16, both of one kind. */
export interface DatagramEnds {
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
}

/** Octets of the headers in front of the payload. */
export function headerOctets(ipVersion: 4 | 6): number {
  return (ipVersion === 4 ? IPV4_HEADER_OCTETS : IPV6_HEADER_OCTETS) + UDP_HEADER_OCTETS;
}

/**
 * The whole datagram, in memory of its own.
 * @param identification of IPv4, 16 bits: distinguishes the datagrams between two hosts while they may be fragments (RFC 6864)
 */
export function udpDatagram(ends: DatagramEnds, payload: Uint8Array, identification: number): Uint8Array {
  const { source, destination } = ends;
  const ipVersion = source.length === 4 ? 4 : 6;
  const udp = headerOctets(ipVersion) - UDP_HEADER_OCTETS;
  const bytes = new Uint8Array(udp + UDP_HEADER_OCTETS + payload.length);
  const view = new DataView(bytes.buffer);
  const udpOctets = UDP_HEADER_OCTETS + payload.length;
  bytes.set(payload, udp + UDP_HEADER_OCTETS);

  view.setUint16(udp, ends.sourcePort);
  view.setUint16(udp + 2, ends.destinationPort);
  view.setUint16(udp + 4, udpOctets);
  const pseudoHeader = sumOf(source) + sumOf(destination) + UDP + udpOctets;
  // 0 stands for "no checksum"; a sum of 0 is sent as its other form (RFC 768).
  view.setUint16(udp + 6, checksum(pseudoHeader + sumOf(bytes.subarray(udp))) || 0xffff);

  if (ipVersion === 6) {
    view.setUint8(0, 0x60);
    view.setUint16(4, udpOctets);
    view.setUint8(6, UDP);
    view.setUint8(7, HOP_LIMIT);
    bytes.set(source, 8);
    bytes.set(destination, 24);
    return bytes;
  }
  view.setUint8(0, 0x45);
  view.setUint16(2, bytes.length);
  view.setUint16(4, identification);
  // Fragments are allowed: what ICMP says of a datagram that is too large goes to its source, which is not this host.
  view.setUint8(8, HOP_LIMIT);
  view.setUint8(9, UDP);
  bytes.set(source, 12);
  bytes.set(destination, 16);
  view.setUint16(10, checksum(sumOf(bytes.subarray(0, IPV4_HEADER_OCTETS))));
  return bytes;
}

/** The one's complement of the sum's one's complement sum (RFC 1071 §1). @param sum of 16-bit words */
export function checksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

/** The sum of 16-bit words, an odd octet padded with zero. Exact: an IP packet has at most 2^15 of them. */
export function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  const even = bytes.length & ~1;
  for (let i = 0; i < even; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  return even === bytes.length ? sum : sum + (bytes[even]! << 8);
}
