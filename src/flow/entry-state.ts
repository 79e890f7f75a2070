/**
 * Bits of an entry's FLAGS word. Nothing but numbers in this file, as in packet-layout.ts, and for the same reason.
 */

/** The entry's state, in the top octet. */
export const LIVE = 0x01000000; //  the slot holds an entry
export const OPEN = 0x02000000; //  … which has a record with packets in it
export const ENDED = 0x04000000; // … whose flow sent FIN or RST
export const RESET = 0x08000000; // … namely RST
export const LONG = 0x10000000; //  … which has outlived an active timeout: an older flow, dear to eviction
export const VALUES = 0x00ffffff; // tcpControlBits and ipClassOfService

/** The second word of a key that is nobody's: where ECN would stand it has zeros (packet-layout.ts). */
export const NO_KEY = 0x0300;

/** TCP control bits. */
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const ACK = 0x10;
