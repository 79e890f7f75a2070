/**
 * What the decoder has read from one frame: a fixed binary record, declared once, like a Flow Record.
 *
 * Packets wait for their look-up side by side in one typed array, and the decoder writes each where it waits; its
 * first words are the Flow Key as the flow table keeps it. Objects with a property a field, copied into keys, took
 * more than twice as long (decode 57 ns a packet instead of 27, key and look-up 140 instead of 60; Xeon, Node 20).
 */

/** Offsets in 32-bit words from the start of a packet. The Flow Key comes first, as in flow-record.ts. */
export const PORTS = 0; //              destinationTransportPort (uint16) | sourceTransportPort « 16
export const PROTOCOL = 1; //           protocolIdentifier (uint8) | DSCP « 10 | vlanId « 16: ECN is no part of a key
export const INGRESS_INTERFACE = 2;
export const ADDRESSES = 3; //          source, then destination; IPv4 2 words, IPv6 8; memory in network byte order
export const PACKET_HASH = 11; //       of the key, written by the meter
export const IP_OCTETS = 12;
export const PACKETS = 13;
export const CONTROL = 14; //           tcpControlBits (uint16) | ipClassOfService « 16 | ipVersion « 24
export const TTL = 15; //               ipTTL (uint8) | fragment « 8
export const FRAGMENT_ID = 16;
export const CUSTOMER_VLAN = 17;
export const MPLS_TOP = 18;
export const MPLS_SECOND = 19;
export const FLOW_LABEL = 20;
export const MAC_OFFSET = 21; //        octets from the start of the frame's DataView; -1: none
export const MAC_ADDRESSES = 22; //     source, then destination: three words, kept by the meter where records have them
/** Words of a packet: two cache lines. */
export const PACKET_WORDS = 32;

/** What {@link decode} returns: METERED, or 1 + the index into {@link IGNORED_REASONS}. */
export const METERED = 0;

/** `fragment` bits of {@link PacketView}. */
export const FRAGMENT_MORE = 1;
export const FRAGMENT_NOT_FIRST = 2;

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
] as const;
export type IgnoredReason = (typeof IGNORED_REASONS)[number];

/** What {@link decode} returns for a packet that is ignored for this reason. */
export function ignored(reason: IgnoredReason): number {
  return 1 + IGNORED_REASONS.indexOf(reason);
}

/** A cursor over packets: names for the words of the one that begins at {@link base}. */
export class PacketView {
  readonly words: Int32Array;
  /** First word of the packet. */
  base = 0;

  /** @param capacity packets that the view's memory holds */
  constructor(capacity = 1) {
    this.words = new Int32Array(capacity * PACKET_WORDS);
    this.clear();
  }

  /** What the decoder may leave unwritten. What it always writes for a packet that it meters is not cleared. */
  clear(): void {
    const { words, base } = this;
    words[base + PORTS] = 0;
    words[base + PROTOCOL] = 0;
    words[base + IP_OCTETS] = 0;
    words[base + PACKETS] = 1;
    words[base + CONTROL] = 0;
    words[base + TTL] = 0;
    words[base + FRAGMENT_ID] = 0;
    words[base + CUSTOMER_VLAN] = 0;
    words[base + MPLS_TOP] = 0;
    words[base + MPLS_SECOND] = 0;
    words[base + FLOW_LABEL] = 0;
    words[base + MAC_OFFSET] = -1;
  }

  /** 4 or 6; 0: not yet known. */
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

  /** The whole ToS or Traffic Class octet, DSCP and ECN; the DSCP goes into the key, too. */
  get ipClassOfService(): number {
    return (this.words[this.base + CONTROL]! >>> 16) & 0xff;
  }
  set ipClassOfService(value: number) {
    const { words, base } = this;
    words[base + CONTROL] = (words[base + CONTROL]! & 0xff00ffff) | (value << 16);
    words[base + PROTOCOL] = (words[base + PROTOCOL]! & 0xffff00ff) | ((value & 0xfc) << 8);
  }

  /** TTL or hop limit. */
  get ipTTL(): number {
    return this.words[this.base + TTL]! & 0xff;
  }
  set ipTTL(value: number) {
    this.words[this.base + TTL] = (this.words[this.base + TTL]! & 0xffffff00) | value;
  }

  /** Host byte order; 0 for protocols without ports and for fragments that are not the first. */
  get sourceTransportPort(): number {
    return this.words[this.base + PORTS]! >>> 16;
  }
  set sourceTransportPort(value: number) {
    this.words[this.base + PORTS] = (this.words[this.base + PORTS]! & 0xffff) | (value << 16);
  }

  /** As above; for ICMP and ICMPv6: type · 256 + code (and source port 0). */
  get destinationTransportPort(): number {
    return this.words[this.base + PORTS]! & 0xffff;
  }
  set destinationTransportPort(value: number) {
    this.words[this.base + PORTS] = (this.words[this.base + PORTS]! & 0xffff0000) | value;
  }

  /** TCP: the 12 bits below the data offset, NS and the reserved ones included (RFC 7125); else 0. */
  get tcpControlBits(): number {
    return this.words[this.base + CONTROL]! & 0xffff;
  }
  set tcpControlBits(value: number) {
    this.words[this.base + CONTROL] = (this.words[this.base + CONTROL]! & 0xffff0000) | value;
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
    this.words[this.base + CUSTOMER_VLAN] = value;
  }

  /** The top two label stack entries' 24 bits (label 20, experimental 3, bottom of stack 1); 0: none. */
  get mplsTopLabelStackSection(): number {
    return this.words[this.base + MPLS_TOP]!;
  }
  set mplsTopLabelStackSection(value: number) {
    this.words[this.base + MPLS_TOP] = value;
  }

  get mplsLabelStackSection2(): number {
    return this.words[this.base + MPLS_SECOND]!;
  }
  set mplsLabelStackSection2(value: number) {
    this.words[this.base + MPLS_SECOND] = value;
  }

  /** IPv6 flow label; 0 for IPv4. */
  get flowLabelIPv6(): number {
    return this.words[this.base + FLOW_LABEL]!;
  }
  set flowLabelIPv6(value: number) {
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
  set fragmentIdentification(value: number) {
    this.words[this.base + FRAGMENT_ID] = value;
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
