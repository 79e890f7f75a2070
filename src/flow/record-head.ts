/**
 * The head of a Flow Record (flow-record.ts). Nothing but numbers in this file, as in packet-layout.ts, and because
 * assembly/plain-packets.ts reads it, too.
 */

/** Offsets in 32-bit words from the start of a record. The two-word fields are float64 and must stay even. */
export const OCTET_DELTA_COUNT = 0; // float64, exact below 2^53
export const PACKET_DELTA_COUNT = 2; // float64
export const FLOW_START_MILLISECONDS = 4; // float64, Unix time
export const FLOW_END_MILLISECONDS = 6; // float64
/** tcpControlBits (uint16) | ipClassOfService (uint8) « 16 | state and, in a record on its way out, flowEndReason (uint8) « 24 */
export const FLAGS = 8;
/** Ticks: milliseconds on the metering clock, modulo 2^32, of the record's first packet and the entry's last. */
export const START_TICK = 9;
export const LAST_TICK = 10;
/** Where the Flow Key begins. */
export const KEY = 11;

/** log2 of the span of a timer wheel's list, in milliseconds. */
export const GRANULE_SHIFT = 5;
/** Entries of an index that are looked at for one hash. */
export const LONGEST_PROBE = 128;
