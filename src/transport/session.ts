/**
 * What a transport needs of its neighbours: the shapes of export/message.ts, declared again, because a stage
 * imports only those to its left and transport/ imports none (docs/architecture.md, the rules of the house).
 */

/** What a transport sends: anything that carries the octets for the wire. The same object is handed back when settled. */
export interface Sendable {
  readonly bytes: Uint8Array;
  /** 1, or those of a train: of one size, one behind the other. */
  readonly messages: number;
}

/** Why a Message did not leave: the part of export/message.ts's NOT_SENT_REASONS that a transport can find. */
export const TRANSPORT_NOT_SENT_REASONS = [
  'queue_full',
  'refused',
  'unreachable',
  'too_large',
  'unresolved',
  'disconnected',
  'disk_full',
  'shutdown',
  'other',
] as const;
export type TransportNotSentReason = (typeof TRANSPORT_NOT_SENT_REASONS)[number];

/** The owner of a Transport Session, as export/message.ts describes it. */
export interface Session<M> {
  /** A Transport Session has begun; the returned Messages leave before any other, and are settled like any other. */
  sessionStarted(): readonly M[];
  /** Called once a Message, right before it is handed to the kernel for the first time. */
  stamp(message: M): void;
  /** From now on, Messages of so many octets at most, where that is less than they were made for. */
  limitMessages(octets: number): void;
  /** The Message was handed to the kernel (no reason), or never will be. Exactly once a Message. */
  settled(message: M, notSent?: TransportNotSentReason): void;
  /** The Messages of a train, which does not leave as one; they are settled in its place. */
  parted(train: M): readonly M[];
}

/** For /readyz. `resolving`: nothing was tried to its end yet; `failing`: the last that happened was an error. */
export type TransportState = 'resolving' | 'sending' | 'failing';

/** A Transport Session's two ends, so that its own datagrams and segments can be told from what is measured. */
export interface SessionEndpoints {
  /** 6 TCP, 17 UDP. */
  readonly protocolIdentifier: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** Something to tell the operator. The caller limits the rate at which it logs them. */
export interface TransportEvent {
  readonly kind:
    | 'resolved' //        the name resolved for the first time, or again after it had not
    | 'unresolved' //      the name does not resolve
    | 'address_changed' // the collector is at another address now: a new Transport Session
    | 'connected' //       a connection or socket was opened: a new Transport Session
    | 'disconnected' //    a connection was lost
    | 'path_mtu' //        the path takes smaller datagrams than were configured
    | 'error' //           the kernel or the peer refused something; told when its kind changes, counted always
    | 'recovered'; //      no error for some time
  /** One sentence that names the collector. */
  readonly text: string;
}

/** Plain numbers that only grow; the metrics read them at scrape. */
export interface TransportCounters {
  /** Messages handed to the kernel, templates and options data included, each of a train's … */
  messagesSent: number;
  /** … and their octets, without the headers of UDP, TCP and IP. */
  octetsSent: number;
  /** Messages that were not sent. */
  readonly messagesNotSent: Record<TransportNotSentReason, number>;
  /** Errors that the kernel or the peer answered with, those included that a retry mended. */
  sendErrors: number;
  /** Times that the collector's name was looked up, and how often that failed. */
  resolutions: number;
  resolutionErrors: number;
  /** Transport Sessions begun: sockets opened (UDP), connections made (TCP) or files begun. */
  sessions: number;
  /** Octets that the collector sent; they are read and thrown away. */
  octetsReceived: number;
}

/** Counters at zero. */
export function transportCounters(): TransportCounters {
  return {
    messagesSent: 0,
    octetsSent: 0,
    messagesNotSent: {
      queue_full: 0,
      refused: 0,
      unreachable: 0,
      too_large: 0,
      unresolved: 0,
      disconnected: 0,
      disk_full: 0,
      shutdown: 0,
      other: 0,
    },
    sendErrors: 0,
    resolutions: 0,
    resolutionErrors: 0,
    sessions: 0,
    octetsReceived: 0,
  };
}
