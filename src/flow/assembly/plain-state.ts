/**
 * What the code around and assembly/plain-packets.ts tell each other, at the start of their memory. Nothing but numbers in
 * this file: both read it. Octets; what is counted or told in milliseconds is float64, the others are int32.
 */

/** The greatest packet time, Unix milliseconds; 0: there was none. */
export const GREATEST = 0;
/** Packet time at which the metering clock was TICK last. */
export const TICK_MILLISECONDS = 8;
/** Packets and IP octets of the rows counted. */
export const COUNTED_PACKETS = 16;
export const COUNTED_OCTETS = 24;
/** Now, on the metering clock. */
export const TICK = 32;
/** Rows that are filled. */
export const PENDING = 36;
/** Frames that became rows. */
export const FRAMES = 40;
/** Where `touched` words end, so that reading them is not optimised away. */
export const TOUCHED = 44;
/** Flows begun. */
export const BEGUN_IPV4 = 48;
export const BEGUN_IPV6 = 52;
/** Where PENDING is a whole batch: the first of its rows that was not counted. */
export const STOPPED = 56;
/** Records that `endSome` listed, and what they carry (float64). */
export const ENDED_RECORDS = 60;
export const ENDED_PACKETS = 64;
export const ENDED_OCTETS = 72;
export const STATE_OCTETS = 128;
