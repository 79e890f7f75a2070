/** A way out: what whoever wires a line asks of a transport, and what an exporter needs to know of it. */

import type { ExporterOptions } from './exporter.ts';
import type { Message, MessageTransport, Session } from './message.ts';

/** What the line asks of a transport. */
export interface Transport extends MessageTransport<Message> {
  start(session: Session<Message>): void;
  /** Resolves when fewer Messages are queued, or nothing has left for a while; undefined: there is no need to wait. */
  whenBelow(messages: number): Promise<void> | undefined;
  /** Resolves when the queue is empty, or after that time; what is left then is settled as `shutdown`. */
  drain(deadlineMilliseconds: number): Promise<void>;
  /** Closes; what is queued is settled when this returns. A promise tells when all is closed. */
  stop(): void | Promise<void>;
}

/** A way out: one Collector. */
export interface Outlet
  extends Pick<
    ExporterOptions,
    | 'protocol'
    | 'observationDomain'
    | 'messageOctets'
    | 'templateRefreshMilliseconds'
    | 'templateRefreshMessages'
    | 'tcpControlBitsOctets'
  > {
  /** Its name in logs and metrics: the URL. */
  readonly name: string;
  /** Outlets with the same group share the flows by their Flow Key; undefined: this one gets every record. */
  readonly balance?: string | undefined;
  readonly transport: Transport;
}
