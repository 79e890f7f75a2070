/** Helpers for annotated octets. */

import { MessageDecoder, type MessageDecoderOptions, type Problem } from '../../src/collect/decode.ts';
import { recordToJson } from '../../src/collect/json.ts';
import type { DecodedRecord } from '../../src/collect/record.ts';
import type { Source } from '../../src/collect/template-store.ts';

/** Hexadecimal digits → octets. Spaces and line breaks are free; `#` begins a comment up to the line's end. */
export function octets(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`not whole octets: ${digits}`);
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** An IPFIX Message around Sets: the header with the right length (RFC 7011 §3.1). */
export function ipfix(sequence: number, sets: string, domain = 7): Uint8Array {
  const body = octets(sets);
  const message = new Uint8Array(16 + body.length);
  const view = new DataView(message.buffer);
  view.setUint16(0, 10);
  view.setUint16(2, message.length);
  view.setUint32(4, 1_700_000_000);
  view.setUint32(8, sequence);
  view.setUint32(12, domain);
  message.set(body, 16);
  return message;
}

/** A v9 Export Packet around FlowSets (RFC 3954 §5.1): SysUptime 1 000 000 ms. */
export function netflow9(count: number, sequence: number, flowSets: string, sourceId = 7): Uint8Array {
  const body = octets(flowSets);
  const message = new Uint8Array(20 + body.length);
  const view = new DataView(message.buffer);
  view.setUint16(0, 9);
  view.setUint16(2, count);
  view.setUint32(4, 1_000_000);
  view.setUint32(8, 1_700_000_000);
  view.setUint32(12, sequence);
  view.setUint32(16, sourceId);
  message.set(body, 20);
  return message;
}

export const UDP: Source = { address: '192.0.2.1', port: 40000 };
export const TCP: Source = { address: '192.0.2.1', port: 40000, transport: 'tcp' };

/** A decoder that remembers everything it says. */
export class RecordingDecoder {
  readonly decoder: MessageDecoder;
  readonly records: DecodedRecord[] = [];
  readonly options: DecodedRecord[] = [];
  readonly problems: Problem[] = [];

  constructor(options: MessageDecoderOptions = {}) {
    this.decoder = new MessageDecoder({ ...options, onProblem: (problem) => this.problems.push(problem) });
  }

  decode(bytes: Uint8Array, source: Source = UDP): string | undefined {
    return this.decoder.decode(bytes, source, {
      record: (record) => this.records.push(record),
      options: (record) => this.options.push(record),
    });
  }

  get counters() {
    return this.decoder.counters;
  }

  /** The Flow Records as they are printed, parsed again. */
  get lines(): unknown[] {
    return this.records.map((record) => JSON.parse(recordToJson(record)));
  }

  get optionLines(): unknown[] {
    return this.options.map((record) => JSON.parse(recordToJson(record)));
  }
}
