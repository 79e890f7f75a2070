/**
 * What is known of one direction of a TCP connection (tcp-insight.ts): words from the start of its block. Nothing but
 * numbers in this file, as in packet-layout.ts, and for the same reason.
 */

export const TCP_NEXT = 0; //            the sequence number behind the highest octet seen
export const TCP_HIGHEST_AT = 1; //      microseconds, modulo 2^32, at which that octet came
export const TCP_INITIAL_SEQUENCE = 2; // of the SYN
export const TCP_SYN_AT = 3; //          microseconds, modulo 2^32
export const TCP_ROUND_TRIP = 4; //      microseconds; 0: not measured
export const TCP_RETRANSMITTED = 5; //   packets of this record
export const TCP_OUT_OF_ORDER = 6; //    packets of this record
export const TCP_LEAST_WINDOW = 7; //    of this record (uint16) | state bits « 16
export const TCP_FLAGS = 8; //           flags of the flow's first packet (uint16) | those of all later ones « 16
export const TCP_ZERO_WINDOWS = 9; //    packets of this record
export const TCP_WORDS = 10;

/** State bits, where they lie in TCP_LEAST_WINDOW. */
export const TCP_HAS_NEXT = 0x010000;
export const TCP_HAS_SYN = 0x020000; //  a handshake has begun …
export const TCP_SYN_AGAIN = 0x040000; // … whose SYN came twice, so that no one knows which was answered …
export const TCP_MEASURED = 0x080000; // … or that was measured
export const TCP_SEEN = 0x100000; //     the flow's first packet came
