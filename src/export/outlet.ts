/** A way out: what whoever wires a line asks of a transport, and what an exporter needs to know of it. */

import type { RecordReceiver } from '../flow/flow-record.ts';
import { BalanceGroup } from './balance.ts';
import type { Exporter, ExporterOptions } from './exporter.ts';
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
    | 'enterpriseNumber'
  > {
  /** Its name in logs and metrics: the URL. */
  readonly name: string;
  /** Outlets with the same group share the flows by their Flow Key; undefined: this one gets every record. */
  readonly balance?: string | undefined;
  readonly transport: Transport;
}

/** A way out and what exports to it. */
export interface Export {
  readonly outlet: Outlet;
  readonly exporter: Exporter;
}

/** Who takes each record: the exporters, and one for each group of those that share. */
export function receiversOf(exports: readonly Export[]): RecordReceiver[] {
  const receivers: RecordReceiver[] = [];
  const groups = new Map<string, { name: string; member: Exporter }[]>();
  for (const { outlet, exporter } of exports) {
    if (outlet.balance === undefined) {
      receivers.push(exporter);
      continue;
    }
    const members = groups.get(outlet.balance) ?? [];
    groups.set(outlet.balance, members);
    members.push({ name: outlet.name, member: exporter });
  }
  return [...receivers, ...[...groups.values()].map((members) => new BalanceGroup(members))];
}
