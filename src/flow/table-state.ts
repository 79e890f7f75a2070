/**
 * What a flow table shares with the short way (assembly/plain-packets.ts): words of its state. Nothing but numbers in this
 * file, as in packet-layout.ts, and because both read it.
 */

/** Slots below it were taken once. */
export const USED = 0;
/** Of those, freed ones, which stand in the stack FREE. */
export const FREE_COUNT = 1;
/** Slots in the index. */
export const INDEXED = 2;
/** The timer wheel's: the granule (tick >> GRANULE_SHIFT) whose list, and those before it, are not yet due. */
export const GRANULE = 3;
/** 1: the short way may begin flows. */
export const MAY_BEGIN = 4;
/** Where other memory of the table begins, in octets, where the short way knows it: stack of freed slots, hashes by slot, … */
export const FREE = 5;
export const HASHES = 6;
/** … the timer wheel's links, and its slots. */
export const NEXT = 7;
export const PREVIOUS = 8;
export const CAPACITY = 9;
export const TABLE_STATE_WORDS = 16;

/** Lists of a timer wheel; a power of two. */
export const LISTS = 2048;
