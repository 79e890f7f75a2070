/** A Message on its way to a Collector, and what a Transport Session asks of the exporter that owns it. */

/**
 * One finished Message (IPFIX), Export Packet (v9) or datagram (v5), or a train of them: several of one size, one behind the
 * other, which cost next to nothing each. Its octets belong to the transport until settled.
 */
export interface Message {
  /** What goes on the wire. A view of exactly the Message's length. */
  bytes: Uint8Array;
  /** Messages that it is: more than 1 where it is a train. */
  messages: number;
  /** Flow Records in it: what is lost when it is not sent. 0 for templates and options data. */
  flowRecords: number;
  /** Σ packetDeltaCount and octetDeltaCount of those records, for the identities of conservation. */
  packets: number;
  octets: number;
  /** Records that advance the sequence (IPFIX: Data Records, options data included; v5: flows). */
  sequenced: number;
}

/** Why Flow Records did not leave. The order is the index into counters; the names are metric labels. */
export const NOT_SENT_REASONS = [
  'queue_full', //        the bounded queue towards the collector had no room
  'refused', //           the kernel or the peer refused it (ECONNREFUSED, EPERM, …)
  'unreachable', //       no route, network or host down
  'too_large', //         EMSGSIZE: the datagram is larger than the path's MTU
  'unresolved', //        the collector's name did not resolve while the queue could hold the records
  'disconnected', //      a connection broke with the Message in flight
  'disk_full', //         a file could not grow, and the queue could not hold the records until it could
  'shutdown', //          still queued when the time to drain at shutdown was over
  'not_representable', // the format cannot carry the record (IPv6 in NetFlow v5)
  'worker_died', //       they, or packets in the flow table, were a worker's that died
  'other', //             any other error of the kernel; the log names it
  'before_start', //      ended before the collector was added; no loss, but a term of the identity
] as const;
export type NotSentReason = (typeof NOT_SENT_REASONS)[number];

/**
 * What a transport calls. The exporter fulfils it; a transport declares the same shape for itself, because
 * a stage knows only those to its left, and hands back the very Message objects that it was given.
 */
export interface Session<M> {
  /**
   * A Transport Session has begun (first datagram to an address, new connection): sequence numbers and template
   * state begin anew. Returns the Messages (templates, options data) to send before any other.
   */
  sessionStarted(): readonly M[];
  /** Called once, right before a Message leaves: writes the sequence number into its header, into each of a train's. */
  stamp(message: M): void;
  /** The path takes Messages of so many octets at most: those that are begun from now on keep to it. */
  limitMessages(octets: number): void;
  /** The Message has left (no reason), or never will. Called exactly once for every Message handed to `send`. */
  settled(message: M, notSent?: NotSentReason): void;
  /**
   * A train that does not leave as one: its Messages one by one, stamped if it was. They are settled in its place.
   */
  parted(train: M): readonly M[];
}

/** Messages of a train, and their octets. A quarter of it had V8 compile what is done a train, at 880 000 flows. */
export const MOST_TRAIN_MESSAGES = 256;
export const MOST_TRAIN_OCTETS = 262_144;

/** What the exporter asks of its transport. */
export interface MessageTransport<M> {
  /** Takes a Message; never blocks, never throws. */
  send(message: M): void;
  /** Messages waiting to leave. */
  readonly queued: number;
  /** Trains are welcome, at the moment: up to {@link MOST_TRAIN_MESSAGES} in {@link MOST_TRAIN_OCTETS}. Absent: never. */
  readonly takesTrains?: boolean;
}
