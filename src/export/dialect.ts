/** In what NetFlow v9 and IPFIX differ. */

import type { Message } from './message.ts';
import type { MessageWriter } from './message-writer.ts';
import type { OptionsTable } from './options.ts';
import type { TemplateField } from './template.ts';
import type { UptimeFields } from './uptime.ts';

export interface Dialect {
  readonly protocol: 'netflow9' | 'ipfix';
  readonly headerLength: number;
  readonly sequenceOffset: number;
  readonly templateSetId: number;
  readonly optionsTemplateSetId: number;
  /** Sets are padded with zeros to a multiple of this. */
  readonly setAlignment: number;
  /** What a Message adds to the sequence, or each of a train. */
  sequenceStep(message: Message): number;
  /** Writes the header, but for the sequence number. @param records of all kinds in the Message */
  writeHeader(writer: MessageWriter, records: number, clockMilliseconds: number, uptime: UptimeFields): void;
  /** Writes an Options Template Record. */
  writeOptionsTemplate(writer: MessageWriter, table: OptionsTable): void;
}

const ENTERPRISE_BIT = 0x8000;

/** Octets that {@link writeFieldSpecifiers} writes. */
export function fieldSpecifierOctets(fields: readonly TemplateField[]): number {
  return fields.reduce((sum, { element }) => sum + (element.enterprise === 0 ? 4 : 8), 0);
}

/** Field specifiers (RFC 7011 §3.2, RFC 3954 §5.2); v9 has none with an enterprise number. */
export function writeFieldSpecifiers(writer: MessageWriter, fields: readonly TemplateField[]): void {
  for (const { element, size } of fields) {
    writer.uint16(element.enterprise === 0 ? element.id : element.id | ENTERPRISE_BIT);
    writer.uint16(size);
    if (element.enterprise !== 0) writer.uint32(element.enterprise);
  }
}
