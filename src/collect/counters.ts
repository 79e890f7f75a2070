/** What a decoder counts. */

import { MALFORMED_REASONS, type MalformedReason, ODDITIES, type Oddity } from './problems.ts';

/** Plain numbers. They only grow, but for the losses: what comes late is no longer lost. */
export interface DecoderCounters {
  /** Well-formed messages. */
  messages: number;
  /** Flow Records. */
  records: number;
  /** Records of options data. */
  options: number;
  /** Template Records, refreshes and withdrawals included. */
  templates: number;
  /** Data Sets that came before their Template and were dropped: how many records, nobody knows. */
  missingTemplate: number;
  /** Messages that were discarded. */
  malformed: Record<MalformedReason, number>;
  oddities: Record<Oddity, number>;
  /** By sequence number: IPFIX Data Records, v9 Export Packets and v5 flows that did not come. */
  lostRecords: number;
  lostPackets: number;
  lostFlows: number;
  /** Sequences that began anew. */
  restarts: number;
  /** Messages that came after a later one, or twice. */
  lateMessages: number;
}

/** All zero. */
export function decoderCounters(): DecoderCounters {
  return {
    messages: 0,
    records: 0,
    options: 0,
    templates: 0,
    missingTemplate: 0,
    malformed: zeroes(MALFORMED_REASONS),
    oddities: zeroes(ODDITIES),
    lostRecords: 0,
    lostPackets: 0,
    lostFlows: 0,
    restarts: 0,
    lateMessages: 0,
  };
}

function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
