/**
 * Where ../plain-lines.ts and plain-lines.ts find what they tell each other. Nothing but numbers in this file:
 * both read it. Octets; what is said to be float64 is, everything else is int32.
 */

/** Of the lines taken last: sums of what they count, and the greatest end, Unix milliseconds (float64) … */
export const PACKETS = 0;
export const OCTETS = 8;
export const LATEST_MILLISECONDS = 16;
/** … records in each list, and interfaces whose number is not known here. */
export const ACCEPTED_COUNT = 24;
export const REFUSED_COUNT = 28;
export const REFUSED = 32;
export const UNKNOWN_INTERFACES = 36;

/** A field of the format: what is done with it, and its slot (line-ops.ts). */
export const PLAN = 64;
export const PLAN_ENTRY_OCTETS = 8;
/** Of a format that goes the short way. AWS has some 60. */
export const MOST_PLAN_FIELDS = 120;

/** Lines that are taken at once. */
export const MOST_ROWS = 64;

/** Where the records of accepted flows begin, and those of refused ones. */
export const ACCEPTED_LIST = 1024;
export const REFUSED_LIST = 1280;

/** Of each row: where the line ends, behind its line feed … */
export const MARKS = 2048;
export const MARK_OCTETS = 32;
/** … and of it, in words: where its interface's ID begins and ends, 0 and 0 where it has none; action | direction « 8 … */
export const MARK_END = 0;
export const MARK_INTERFACE_FROM = 1;
export const MARK_INTERFACE_TO = 2;
export const MARK_TOLD = 3;
/** … and the interface's number, 0: it has none, or one that is not known here. */
export const MARK_INTERFACE = 4;

/** Interfaces by their IDs' ends: the first 8 octets, the next 8 (0: there are not so many), the last 8; length; number. */
export const INTERFACES = 4096;
export const INTERFACE_OCTETS = 32;
export const INTERFACE_SECOND = 8;
export const INTERFACE_LAST = 16;
export const INTERFACE_LENGTH = 24;
export const INTERFACE_NUMBER = 28;
export const INTERFACE_PLACES_BITS = 11;
/** Octets of an ID that is kept there. `eni-0123456789abcdef0` has 21; of one that has fewer than 8 what is around it counts, too. */
export const MOST_ID = 24;

/** Whole lines stand from here on, and behind them an octet that belongs to none. */
export const TEXT = 69_632;
export const TEXT_OCTETS = 32_768;

/** Records, one behind the other. */
export const ROWS = 102_464;
