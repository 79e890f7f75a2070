/**
 * What is done with a field of a line (line-parser.ts), and what the `slot` beside it means. Nothing but numbers in this
 * file, because assembly/plain-lines.ts reads it, too.
 */

export const OP_SKIP = 0;
/** slot: the candidate, one of SOURCE, DESTINATION and PACKET plus one of these. */
export const OP_ADDRESS = 1;
/** uint16; slot: how far to shift it in the first word of the key. The ops from here to OP_UINT8 read a number. */
export const OP_PORT = 2;
export const OP_PROTOCOL = 3;
/** float64 at word `slot`. */
export const OP_COUNTER = 4;
/** Seconds; slot: 0 start, 1 end. */
export const OP_TIME = 5;
export const OP_TCP_FLAGS = 6;
/** At word `slot`. */
export const OP_UINT8 = 7;
/** slot: the candidate. */
export const OP_INTERFACE = 8;
export const OP_ACTION = 9;
export const OP_STATUS = 10;
export const OP_DIRECTION = 11;
/** A reference at word `slot`. */
export const OP_STRING = 12;
/** As OP_ADDRESS, and a reference to its text. */
export const OP_TOLD_ADDRESS = 13;

/** Candidates for the two ends of a line, in order of preference from the last: the interface's, then the packet's own. */
export const SOURCE = 0;
export const DESTINATION = 1;
export const PACKET = 2;

/** What a line tells of its packets. */
export const ACTION_UNKNOWN = 0;
export const ACTION_ACCEPT = 1;
export const ACTION_REJECT = 2;
