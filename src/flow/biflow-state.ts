/**
 * Where a biflow differs from a flow of one direction. Nothing but numbers in this file, as in packet-layout.ts, and for
 * the same reason.
 */

/** Bits of a direction's FLAGS word, beside those of entry-state.ts. */
export const BEGUN = 0x20000000; //    a packet of this direction came
export const FINISHED = 0x40000000; // … and one with FIN
/** Of the forward direction's alone: it goes from the larger end of the key to the smaller. */
export const SWAPPED = 0x80000000 | 0;
