/**
 * Whether what an invocation exported has left. Settled means that the kernel has it: for a datagram that is all there is
 * to know. Over TCP the peer acknowledges, and an environment that was frozen may find that its connection died meanwhile,
 * with what it was handed: then the invocation fails, and AWS brings the event again.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { NotSentReason } from '../export/message.ts';
import type { SessionEndpoints, TransportState } from '../transport/session.ts';
import { type LookForSilence, lookIntoProc } from '../transport/tcp-silence.ts';

/** What is asked of a way out. */
export interface WayOut {
  readonly name: string;
  readonly transport: {
    readonly state: TransportState;
    readonly endpoints?: SessionEndpoints | undefined;
    readonly counters: { readonly sessions: number };
  };
}

/** What is asked of its exporter. */
export interface Sent {
  readonly sent: { readonly records: number };
  readonly notSent: ReadonlyMap<NotSentReason, { readonly records: number }>;
}

const TCP = 6;
const LOOK_MILLISECONDS = 10;
/** Not losses that another attempt could mend. */
const NO_LOSS: readonly NotSentReason[] = ['before_start', 'not_representable'];

interface Before {
  readonly sent: number;
  readonly notSent: number;
  /** Transport Sessions there may have been by the end: another one in between has taken something with it. */
  readonly mostSessions: number;
}

/** One attempt to export something. Made before the first record. */
export class Delivery {
  readonly #ways: readonly { readonly outlet: WayOut; readonly exporter: Sent }[];
  readonly #before: readonly Before[];
  readonly #look: LookForSilence;

  constructor(
    ways: readonly { readonly outlet: WayOut; readonly exporter: Sent }[],
    look: LookForSilence = lookIntoProc,
  ) {
    this.#ways = ways;
    this.#look = look;
    this.#before = ways.map(({ outlet: { transport }, exporter }) => ({
      sent: exporter.sent.records,
      notSent: recordsNotSent(exporter),
      mostSessions: transport.counters.sessions + (transport.state === 'sending' ? 0 : 1),
    }));
  }

  /**
   * Resolves when all is acknowledged that can be.
   * @throws Error that names what did not leave, and where to
   */
  async done(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#ways.map(({ outlet }) => this.#acknowledged(outlet, signal)));
    const faults = this.#ways.flatMap(({ outlet, exporter }, i) => this.#faults(outlet, exporter, i));
    if (faults.length > 0) throw new Error(faults.join('; '));
  }

  #faults({ name, transport }: WayOut, exporter: Sent, way: number): string[] {
    const { sent, notSent, mostSessions } = this.#before[way]!;
    const lost = recordsNotSent(exporter) - notSent;
    if (lost > 0) return [`${lost} records were not sent to ${name}`];
    if (exporter.sent.records === sent) return []; // a connection that had nothing to carry
    const isTcp = transport.endpoints === undefined || transport.endpoints.protocolIdentifier === TCP;
    const wasLost = transport.counters.sessions > mostSessions || transport.state === 'failing';
    return isTcp && wasLost ? [`the connection to ${name} was lost, and records may be with it`] : [];
  }

  async #acknowledged({ transport }: WayOut, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { endpoints } = transport;
      if (endpoints?.protocolIdentifier !== TCP) return;
      // Undefined: the kernel does not tell, or the connection has gone; then its state says so.
      const silence = await this.#look(endpoints);
      if (silence === undefined || silence.unacknowledgedOctets === 0) return;
      await delay(LOOK_MILLISECONDS);
    }
    throw new Error('the collector did not acknowledge everything in time');
  }
}

function recordsNotSent({ notSent }: Sent): number {
  let records = 0;
  for (const [reason, lost] of notSent) if (!NO_LOSS.includes(reason)) records += lost.records;
  return records;
}
