/** The message at hand, as the decoders of the three versions share it. */

import type { DecoderCounters } from './counters.ts';
import type { Oddity, ProblemReason } from './problems.ts';
import type { DecodedRecord } from './record.ts';
import type { Arrival } from './sequence.ts';
import type { ExporterSession, Source, TemplateStore } from './template-store.ts';
import type { UptimeBase } from './values.ts';

/** What a message's header says. Reused: valid only while its records are handed over. */
export interface MessageHeader {
  /** 5, 9 or 10. */
  readonly version: number;
  readonly source: Source;
  /** IPFIX; v9: Source ID; v5: engine type · 256 + engine ID. */
  readonly observationDomainId: number;
  /** Unix time. Whole seconds but in v5. */
  readonly exportTimeMilliseconds: number;
  readonly sequenceNumber: number;
}

/** One object, filled anew for every message. */
export class IncomingMessage implements MessageHeader {
  version = 0;
  source: Source = { address: '', port: 0 };
  observationDomainId = 0;
  exportTimeMilliseconds = 0;
  sequenceNumber = 0;

  view: DataView = new DataView(new ArrayBuffer(0));
  /** Octets. */
  length = 0;
  /** v5 and v9: what times relative to SysUptime are relative to. */
  readonly base: UptimeBase = { unixMilliseconds: 0, sysUptimeMilliseconds: 0 };
  /** Records in their order; handed over when the whole message has proved well-formed. */
  records: DecodedRecord[] = [];
  /** Where the decoder stands: octets from the message's start, for reports. */
  at = 0;
  /** Template Records met, withdrawals included. */
  templateRecords = 0;
  /** Data Sets whose Template is not known. */
  missingTemplates = 0;

  readonly store: TemplateStore;
  readonly counters: DecoderCounters;
  readonly #report: (reason: ProblemReason) => void;
  /** Set by {@link openSession}. */
  session!: ExporterSession;

  constructor(store: TemplateStore, counters: DecoderCounters, report: (reason: ProblemReason) => void) {
    this.store = store;
    this.counters = counters;
    this.#report = report;
  }

  begin(bytes: Uint8Array, source: Source): void {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.length = bytes.byteLength;
    this.source = source;
    this.version = 0;
    this.at = 0;
    this.records = [];
    this.templateRecords = 0;
    this.missingTemplates = 0;
  }

  /** To be called as soon as the header is read and the message's frame has proved sound. */
  openSession(): void {
    this.session = this.store.session(this.source, this.version, this.observationDomainId);
  }

  /** Counts and reports something that does no harm. */
  odd(oddity: Oddity): void {
    this.counters.oddities[oddity]++;
    this.#report(oddity);
  }

  /** A Data Set has come before its Template. */
  missTemplate(): void {
    this.missingTemplates++;
    this.counters.missingTemplate++;
    this.#report('missing_template');
  }

  /** Compares the sequence number with the expected one. @returns units that did not come */
  checkSequence(): number {
    const { sequence } = this.session;
    const arrival: Arrival = sequence.arrived(this.sequenceNumber);
    if (arrival === 'restart') this.counters.restarts++;
    if (arrival === 'late') this.counters.lateMessages++;
    return arrival === 'gap' ? sequence.missing : 0;
  }
}
