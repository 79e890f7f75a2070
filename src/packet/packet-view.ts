/** What the decoder has read from one frame, by name; and why a packet is not metered. */

import {
  ADDRESSES,
  CONTROL,
  CUSTOMER_VLAN,
  FLOW_LABEL,
  FRAGMENT_ID,
  IP_OCTETS,
  MAC_OFFSET,
  MPLS_SECOND,
  MPLS_TOP,
  PACKET_WORDS,
  PACKETS,
  PORTS,
  PROTOCOL,
  RARE,
  TTL,
} from './packet-layout.ts';

/** Why a captured packet was not metered. The order is the index into counters; the names are metric labels. */
export const IGNORED_REASONS = [
  'not_ip', //               ARP, LLDP, … : no IPv4 or IPv6 inside
  'truncated_link_header', // the capture ends within the link header, its tags or labels
  'unknown_link_type', //    a LINKTYPE_ that Weir does not read
  'truncated_ip_header', //  the capture ends within the fixed part of the IPv4 or IPv6 header
  'bad_ip_version', //       the version nibble is not what the link header or EtherType promised
  'bad_ip_header_length', // IPv4 IHL below 5, or beyond the total length
  'bad_ip_length', //        the IP length is beyond the frame's length on the wire
  'own_export', //           Weir's own datagrams (only where egress is captured)
  'not_sampled', //          could have been metered, but is none of the 1 in N (only with sampling)
] as const;
export type IgnoredReason = (typeof IGNORED_REASONS)[number];

/** What {@link decode} returns for a packet that is ignored for this reason. */
export function ignored(reason: IgnoredReason): number {
  return 1 + IGNORED_REASONS.indexOf(reason);
}

/** A cursor over packets: names for the words of the one that begins at {@link base}. */
export class PacketView {
  readonly words: Int32Array;
  /** The same memory, for {@link MILLISECONDS}: index = word / 2. */
  readonly floats: Float64Array;
  /** The decoder also reads what only TCP's analysis needs. */
  withTcp = false;
  /** First word of the packet. */
  base = 0;

  /**
   * @param capacity packets that the view's memory holds
   * @param buffer where it is to stand, from octet `at` on; by default in memory of its own
   */
  constructor(capacity = 1, buffer: ArrayBufferLike = new ArrayBuffer(capacity * PACKET_WORDS * 4), at = 0) {
    this.words = new Int32Array(buffer, at, capacity * PACKET_WORDS);
    this.floats = new Float64Array(buffer, at, (capacity * PACKET_WORDS) / 2);
  }

  /** Clears what few packets have: see {@link RARE}. */
  clearRare(): void {
    this.words.fill(0, this.base + RARE, this.base + FLOW_LABEL + 1);
  }

  /** 4 or 6. */
  get ipVersion(): number {
    return this.words[this.base + CONTROL]! >>> 24;
  }
  set ipVersion(value: number) {
    this.words[this.base + CONTROL] = (this.words[this.base + CONTROL]! & 0xffffff) | (value << 24);
  }

  /** IP octets of the packet: IPv4 total length, IPv6 40 + payload length; summed over the segments of a giant. */
  get ipOctets(): number {
    return this.words[this.base + IP_OCTETS]! >>> 0;
  }
  set ipOctets(value: number) {
    this.words[this.base + IP_OCTETS] = value;
  }

  /** Packets that were on the wire: 1, or the segments that an offload merged. */
  get packets(): number {
    return this.words[this.base + PACKETS]!;
  }
  set packets(value: number) {
    this.words[this.base + PACKETS] = value;
  }

  /** IPv4 protocol, or the IPv6 next header behind every extension header. */
  get protocolIdentifier(): number {
    return this.words[this.base + PROTOCOL]! & 0xff;
  }
  set protocolIdentifier(value: number) {
    this.words[this.base + PROTOCOL] = (this.words[this.base + PROTOCOL]! & 0xffffff00) | value;
  }

  /** The whole ToS or Traffic Class octet, DSCP and ECN. */
  get ipClassOfService(): number {
    return (this.words[this.base + CONTROL]! >>> 16) & 0xff;
  }

  /** TTL or hop limit. */
  get ipTTL(): number {
    return this.words[this.base + TTL]! & 0xff;
  }

  /** Host byte order; 0 for protocols without ports and for fragments that are not the first. */
  get sourceTransportPort(): number {
    return this.words[this.base + PORTS]! >>> 16;
  }

  /** As above; for ICMP and ICMPv6: type · 256 + code (and source port 0). */
  get destinationTransportPort(): number {
    return this.words[this.base + PORTS]! & 0xffff;
  }

  /** TCP: the 12 bits below the data offset, NS and the reserved ones included (RFC 7125); else 0. */
  get tcpControlBits(): number {
    return this.words[this.base + CONTROL]! & 0xffff;
  }

  /** VLAN identifier of the outermost tag (the one that the kernel stripped counts); 0: none. */
  get vlanId(): number {
    return this.words[this.base + PROTOCOL]! >>> 16;
  }
  set vlanId(value: number) {
    this.words[this.base + PROTOCOL] = (this.words[this.base + PROTOCOL]! & 0xffff) | (value << 16);
  }

  /** VLAN identifier of the second tag; 0: none. */
  get customerVlanId(): number {
    return this.words[this.base + CUSTOMER_VLAN]!;
  }
  set customerVlanId(value: number) {
    this.words[this.base + RARE] = 1;
    this.words[this.base + CUSTOMER_VLAN] = value;
  }

  /** The top two label stack entries' 24 bits (label 20, experimental 3, bottom of stack 1); 0: none. */
  get mplsTopLabelStackSection(): number {
    return this.words[this.base + MPLS_TOP]!;
  }
  set mplsTopLabelStackSection(value: number) {
    this.words[this.base + RARE] = 1;
    this.words[this.base + MPLS_TOP] = value;
  }

  get mplsLabelStackSection2(): number {
    return this.words[this.base + MPLS_SECOND]!;
  }
  set mplsLabelStackSection2(value: number) {
    this.words[this.base + RARE] = 1;
    this.words[this.base + MPLS_SECOND] = value;
  }

  /** IPv6 flow label; 0 for IPv4. */
  get flowLabelIPv6(): number {
    return this.words[this.base + FLOW_LABEL]!;
  }
  set flowLabelIPv6(value: number) {
    this.words[this.base + RARE] = 1;
    this.words[this.base + FLOW_LABEL] = value;
  }

  /** FRAGMENT_MORE | FRAGMENT_NOT_FIRST. */
  get fragment(): number {
    return (this.words[this.base + TTL]! >>> 8) & 0xff;
  }
  set fragment(value: number) {
    this.words[this.base + TTL] = (this.words[this.base + TTL]! & 0xffff00ff) | (value << 8);
  }

  /** IPv4 or IPv6 fragment identification, 0 where the packet is IPv6 and not a fragment. */
  get fragmentIdentification(): number {
    return this.words[this.base + FRAGMENT_ID]! >>> 0;
  }

  /** Where the MAC addresses stand in the frame's DataView (destination, then source): octets from its start; -1: none. */
  get macAddressesOffset(): number {
    return this.words[this.base + MAC_OFFSET]!;
  }
  set macAddressesOffset(value: number) {
    this.words[this.base + MAC_OFFSET] = value;
  }

  /** Source, then destination address: 2 words of an IPv4 packet, 8 of IPv6, memory in network byte order. */
  get addresses(): Int32Array {
    const at = this.base + ADDRESSES;
    return this.words.subarray(at, at + (this.ipVersion === 4 ? 2 : 8));
  }
}
