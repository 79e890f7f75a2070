/**
 * A decoded packet is a fixed binary record, declared here, like a Flow Record. Packets wait for their look-up side by
 * side in one typed array, and the decoder writes each where it waits; its first words are the Flow Key as the flow
 * table keeps it. Objects with a property a field, copied into keys, took more than twice as long.
 *
 * The file holds nothing but numbers, so that the bundler (scripts/build.mjs) writes them where they are used: to V8
 * an imported constant is a cell that is read, and checked, at each use (a packet takes a quarter longer).
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
export const MAC_OFFSET = 17; //        octets from the start of the frame's DataView; -1: none
export const MAC_ADDRESSES = 18; //     source, then destination: three words, kept by the meter where records have them
export const MILLISECONDS = 26; //      float64: the packet's own time, Unix, written by the meter
/** What few packets have: 1 where any of the words behind it is not 0, so that only then they need clearing. */
export const RARE = 21;
export const CUSTOMER_VLAN = 22;
export const MPLS_TOP = 23;
export const MPLS_SECOND = 24;
export const FLOW_LABEL = 25;
/** Words of a packet: two cache lines. */
export const PACKET_WORDS = 32;

/** What {@link decode} returns: METERED, or 1 + the index into {@link IGNORED_REASONS}. */
export const METERED = 0;

/** `fragment` bits of {@link PacketView}. */
export const FRAGMENT_MORE = 1;
export const FRAGMENT_NOT_FIRST = 2;
