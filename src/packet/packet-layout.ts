/**
 * A decoded packet is a fixed binary record, declared here, like a Flow Record. Packets wait for their look-up side by
 * side in one typed array, and the decoder writes each where it waits; its first words are the Flow Key as the flow
 * table keeps it. Objects with a property a field, copied into keys, took more than twice as long.
 */

/** Offsets in 32-bit words from the start of a packet. The Flow Key comes first, as in flow-record.ts. */
export const PORTS = 0; //              destinationTransportPort (uint16) | sourceTransportPort « 16
export const PROTOCOL = 1; //           protocolIdentifier (uint8) | DSCP « 10 | vlanId « 16: ECN is no part of a key
export const INGRESS_INTERFACE = 2;
export const ADDRESSES = 3; //          source, then destination; IPv4 2 words, IPv6 8; memory in network byte order
/** Behind the addresses (IPv4 word 5, IPv6 word 11), where tunnels are opened, the words of tunnel-key.ts. */
export const PACKET_HASH = 15; //       of the key, written by the meter
export const IP_OCTETS = 16;
export const PACKETS = 17;
export const CONTROL = 18; //           tcpControlBits (uint16) | ipClassOfService « 16 | ipVersion « 24
export const TTL = 19; //               ipTTL (uint8) | fragment « 8 | the IPv4 header's protocol « 16 (IPv6: 0)
export const FRAGMENT_ID = 20;
export const FRAGMENT_RANGE = 21; //    of a fragment: octets of data (uint16) | offset in units of 8 octets « 16
export const MAC_OFFSET = 22; //        octets from the start of the frame's DataView; -1: none
export const MAC_ADDRESSES = 23; //     source, then destination: three words, kept by the meter where records have them
/** What few packets have: 1 where any of the words behind it is not 0, so that only then they need clearing. */
export const RARE = 26;
export const CUSTOMER_VLAN = 27;
export const MPLS_TOP = 28;
export const MPLS_SECOND = 29;
export const FLOW_LABEL = 30;
export const UPPER_LAYER = 31; //       where the header behind IP's begins, as MAC_OFFSET; not written for TCP and ICMP
export const MILLISECONDS = 32; //      float64: the packet's own time, Unix, written by the meter
/** Of TCP, written only where the view asks for it ({@link PacketView.withTcp}). */
export const TCP_SEQUENCE = 34;
export const TCP_PAYLOAD = 35; //       octets behind the TCP header, of all segments of a giant | microseconds in the millisecond « 22
export const TCP_WINDOW = 36; //        window (uint16) | TCP_KNOWN: the header was there, and these three say something
/** Of biflows, written only where both directions are one record: what the key of both does not say. */
export const SEEN_INTERFACE = 31; //    ingressInterface, in the place of UPPER_LAYER: whoever opens tunnels is done with it
export const SEEN = 37; //              ICMP's type and code as they came (uint16) | vlanId « 16 | the sign: SEEN_SWAPPED
/** Words of a packet; even. */
export const PACKET_WORDS = 38;

/** Bit of SEEN, its sign: the packet goes from the larger end of the key to the smaller. */
export const SEEN_SWAPPED = 0x80000000 | 0;

/** Bit of TCP_WINDOW. */
export const TCP_KNOWN = 0x10000;

/** What {@link decode} returns: METERED, or 1 + the index into {@link IGNORED_REASONS}. */
export const METERED = 0;

/** `fragment` bits of {@link PacketView}. */
export const FRAGMENT_MORE = 1;
export const FRAGMENT_NOT_FIRST = 2;
/** A first fragment too short for what filters look at (RFC 1858 §3), or TCP data at offset 8, where flags stand. */
export const FRAGMENT_TINY = 4;
/** The bits of {@link TTL} that are not 0 in any fragment. */
export const FRAGMENT_BITS = 0x300;
