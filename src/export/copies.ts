/**
 * How a value gets from a Flow Record to a Message. Nothing but numbers in this file, because assembly/encode.ts reads it, too.
 */

export const COPY_WORDS = 0; //       network order already, a multiple of 4 octets
export const COPY_OCTETS = 1; //      network order already, any number of octets
export const COPY_UINT8 = 2; //       also the low octet of a larger field (reduced-size encoding, RFC 7011 §6.2)
export const COPY_UINT16 = 3;
export const COPY_UINT24 = 4; //      the low three octets of a 32-bit field (MPLS label stack sections)
export const COPY_UINT32 = 5;
export const COPY_COUNTER = 6; //     float64 to 64 bits
export const COPY_COUNTER32 = 7; //   float64 to 32 bits
export const COPY_CONSTANT8 = 8;
export const COPY_ZEROS = 9;
export const COPY_ICMP = 10; //       type and code, which lie in the destination port's place; 0 for other protocols
export const COPY_TIME = 11; //       float64 milliseconds modulo 2^32: the Message's boot instant is taken off when it is known
export const COPY_SEGMENT = 12; //    a network identifier (uint24) and its kind, to layer2SegmentId's 64 bits
export const COPY_INTERFACE16 = 13; // a 32-bit interface in 16 bits; 0 where it does not fit

/** Words of a step of a plan, each an int32. */
export const STEP_COPY = 0;
/** Octets from the start of the Flow Record; the value of a constant. */
export const STEP_FROM = 1;
/** Octets from the start of the Data Record. */
export const STEP_TO = 2;
/** Octets. */
export const STEP_SIZE = 3;
/** ICMP: where the Flow Record has its protocol, … */
export const STEP_PROTOCOL_FROM = 4;
/** … and which it has to be; a network identifier: the kind of which IANA has a number. */
export const STEP_VALUE = 5;
export const STEP_WORDS = 6;

/** Where an encoder has what, in octets from its memory's beginning: sums of what it encoded last (float64), … */
export const ENCODED_PACKETS = 0;
export const ENCODED_OCTETS = 8;
export const EARLIEST_MILLISECONDS = 16;
export const LATEST_MILLISECONDS = 24;
/** … the plan, … */
export const PLAN = 64;
export const MOST_STEPS = 160;
/** … packets and octets of each Message of a train (float64), and the Data Records, or the train. */
export const TRAIN_SUMS = 4096;
export const DATA = 8192;
