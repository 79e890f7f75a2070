/** Any version's message → records. */

import { type DecoderCounters, decoderCounters } from './counters.ts';
import { learnElement } from './element-types.ts';
import { decodeIpfix, IPFIX_VERSION, recompileTemplates } from './ipfix.ts';
import { IncomingMessage, type MessageHeader } from './message.ts';
import { decodeNetflow5 } from './netflow5.ts';
import { decodeNetflow9 } from './netflow9.ts';
import type { MalformedReason, ProblemReason } from './problems.ts';
import type { DecodedRecord } from './record.ts';
import { DEFAULT_LIMITS, type Source, type StoreLimits, TemplateStore } from './template-store.ts';

/** Who takes the records. Called synchronously, in the message's order. */
export interface DecodedRecordReceiver {
  /** A Flow Record. */
  record(record: DecodedRecord, message: MessageHeader): void;
  /** Options data: about the exporter, its interfaces, its sampling. */
  options(record: DecodedRecord, message: MessageHeader): void;
}

/** Something to tell the operator. At most as often as messages come: who logs it limits its rate. */
export interface Problem {
  readonly reason: ProblemReason;
  /** The message was discarded. */
  readonly malformed: boolean;
  readonly source: Source;
  /** The header's; 0: the message has none. */
  readonly version: number;
  /** Octets of the message. */
  readonly length: number;
  /** Octets from the message's start. */
  readonly offset: number;
}

export interface MessageDecoderOptions {
  readonly limits?: Partial<StoreLimits>;
  readonly onProblem?: (problem: Problem) => void;
}

/**
 * Decodes NetFlow v5, v9 and IPFIX, told apart by the header's version, and keeps what is needed to go on: Templates
 * and sequence numbers, by source address, source port and Observation Domain.
 */
export class MessageDecoder {
  readonly counters: DecoderCounters = decoderCounters();
  /** What is kept of the exporters, with its own counters. */
  readonly store: TemplateStore;
  readonly #message: IncomingMessage;
  readonly #onProblem: ((problem: Problem) => void) | undefined;

  constructor(options: MessageDecoderOptions = {}) {
    this.store = new TemplateStore({ ...DEFAULT_LIMITS, ...options.limits });
    this.#onProblem = options.onProblem;
    this.#message = new IncomingMessage(this.store, this.counters, (reason) => this.#report(reason, false));
  }

  /**
   * Decodes one message: all of it, or, where it is malformed, nothing. Never throws for what the octets are.
   * @param bytes exactly one message; not kept
   * @returns why the message was discarded
   */
  decode(bytes: Uint8Array, source: Source, receiver: DecodedRecordReceiver): MalformedReason | undefined {
    const message = this.#message;
    message.begin(bytes, source);
    const fault = this.#decodeVersion(message);
    // Template Records before the fault are kept and count: what they say is sound.
    this.counters.templates += message.templateRecords;
    if (fault !== undefined) {
      this.counters.malformed[fault]++;
      this.#report(fault, true);
      return fault;
    }
    this.counters.messages++;
    this.#deliver(message.records, receiver);
    return undefined;
  }

  /** A Transport Session has ended: its Templates mean nothing to the next (RFC 7011 §8). */
  forget(source: Source): void {
    this.store.forget(source);
  }

  #decodeVersion(message: IncomingMessage): MalformedReason | undefined {
    if (message.length < 2) return 'truncated_header';
    message.version = message.view.getUint16(0);
    if (message.version !== IPFIX_VERSION && message.source.transport === 'tcp') return 'not_ipfix';
    switch (message.version) {
      case 5:
        return decodeNetflow5(message);
      case 9:
        return decodeNetflow9(message);
      case IPFIX_VERSION:
        return decodeIpfix(message);
      default:
        return 'unknown_version';
    }
  }

  #deliver(records: readonly DecodedRecord[], receiver: DecodedRecordReceiver): void {
    const header: MessageHeader = this.#message;
    const { session, version } = this.#message;
    let hasLearned = false;
    for (const record of records) {
      if (record.shape.options) {
        this.counters.options++;
        if (version === IPFIX_VERSION && learnElement(record, session.elements)) hasLearned = true;
        receiver.options(record, header);
      } else {
        this.counters.records++;
        receiver.record(record, header);
      }
    }
    if (hasLearned) recompileTemplates(session);
  }

  #report(reason: ProblemReason, malformed: boolean): void {
    if (this.#onProblem === undefined) return;
    const { source, version, length, at } = this.#message;
    this.#onProblem({ reason, malformed, source, version, length, offset: at });
  }
}
