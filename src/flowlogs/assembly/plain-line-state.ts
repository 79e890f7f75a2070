/**
 * Where ../plain-lines.ts and plain-lines.ts find what they tell each other. Nothing but numbers in this file:
 * both read it. Octets; everything is int32.
 */

/** A field of the format: what is done with it, and its slot (line-ops.ts). */
export const PLAN = 64;
export const PLAN_ENTRY_OCTETS = 8;
/** Of a format that goes the short way. AWS has some 60. */
export const MOST_PLAN_FIELDS = 120;

/** Of each row: where the line ends, behind its line feed … */
export const MARKS = 1024;
export const MARK_OCTETS = 16;
/** … and of it, in words: where its interface's ID begins and ends, 0 and 0 where it has none; action | direction « 8. */
export const MARK_END = 0;
export const MARK_INTERFACE_FROM = 1;
export const MARK_INTERFACE_TO = 2;
export const MARK_TOLD = 3;

/** Lines that are taken at once. */
export const MOST_ROWS = 64;

/** Whole lines stand from here on, and behind them an octet that belongs to none. */
export const TEXT = 2048;
export const TEXT_OCTETS = 32_768;

/** Records, one behind the other. */
export const ROWS = TEXT + TEXT_OCTETS + 64;
