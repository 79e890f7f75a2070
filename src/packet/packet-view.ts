/** What the decoder has read from one frame. One object, reused for every packet. */

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

/** What {@link decode} returns: METERED, or 1 + the index into {@link IGNORED_REASONS}. */
export const METERED = 0;

/** What {@link decode} returns for a packet that is ignored for this reason. */
export function ignored(reason: IgnoredReason): number {
  return 1 + IGNORED_REASONS.indexOf(reason);
}

/** `fragment` bits of {@link PacketView}. */
export const FRAGMENT_MORE = 1;
export const FRAGMENT_NOT_FIRST = 2;

export class PacketView {
  /** 4 or 6. */
  ipVersion = 0;
  /**
   * Source then destination address, as 32-bit words whose memory is in network byte order:
   * IPv4 words 0 and 1, IPv6 words 0–3 and 4–7.
   */
  readonly addresses = new Int32Array(8);
  /** IP octets of the packet: IPv4 total length, IPv6 40 + payload length; summed over the segments of a giant. */
  ipOctets = 0;
  /** Packets that were on the wire: 1, or the segments that an offload merged. */
  packets = 1;
  /** IPv4 protocol, or the IPv6 next header behind every extension header. */
  protocolIdentifier = 0;
  /** The whole ToS or Traffic Class octet, DSCP and ECN. */
  ipClassOfService = 0;
  /** TTL or hop limit. */
  ipTTL = 0;
  /** Host byte order; 0 for protocols without ports and for fragments that are not the first. */
  sourceTransportPort = 0;
  /** As above; for ICMP and ICMPv6: type · 256 + code (and source port 0). */
  destinationTransportPort = 0;
  /** TCP: the 12 bits below the data offset, NS and the reserved ones included (RFC 7125); else 0. */
  tcpControlBits = 0;
  /** VLAN identifier of the outermost tag (the one that the kernel stripped counts); 0: none. */
  vlanId = 0;
  /** VLAN identifier of the second tag; 0: none. */
  customerVlanId = 0;
  /** The top two label stack entries' 24 bits (label 20, experimental 3, bottom of stack 1); 0: none. */
  mplsTopLabelStackSection = 0;
  mplsLabelStackSection2 = 0;
  /** IPv6 flow label; 0 for IPv4. */
  flowLabelIPv6 = 0;
  /** FRAGMENT_MORE | FRAGMENT_NOT_FIRST. */
  fragment = 0;
  /** IPv4 or IPv6 fragment identification, 0 where the packet is IPv6 and not a fragment. */
  fragmentIdentification = 0;
  /** Where the MAC addresses stand in the frame's DataView (destination, then source): octets from its start; -1: none. */
  macAddressesOffset = -1;
  /** Source and destination MAC address, 6 octets each, kept by the meter where records have them. */
  readonly macAddresses = new Int32Array(3);
}
