/**
 * IPFIX (RFC 7011). Message header, 16 octets: version 10, length, export time (seconds), sequence number
 * (Data Records sent before, options data included), observation domain.
 */

import { type Dialect, writeFieldSpecifiers } from './dialect.ts';
import type { MessageWriter } from './message-writer.ts';
import type { OptionsTable } from './options.ts';

const HEADER = { version: 0, length: 2, exportTime: 4, sequence: 8, domain: 12, octets: 16 };

export function ipfixDialect(observationDomain: number): Dialect {
  return {
    protocol: 'ipfix',
    headerLength: HEADER.octets,
    sequenceOffset: HEADER.sequence,
    templateSetId: 2,
    optionsTemplateSetId: 3,
    setAlignment: 1,
    sequenceStep: ({ sequenced, messages }) => sequenced / messages,
    writeHeader(writer: MessageWriter, _records: number, clockMilliseconds: number): void {
      writer.view.setUint16(HEADER.version, 10);
      writer.view.setUint16(HEADER.length, writer.position);
      writer.view.setUint32(HEADER.exportTime, Math.floor(clockMilliseconds / 1000));
      writer.view.setUint32(HEADER.domain, observationDomain);
    },
    writeOptionsTemplate(writer: MessageWriter, table: OptionsTable): void {
      writer.uint16(table.id);
      writer.uint16(table.fields.length);
      writer.uint16(table.scopes); // they come first
      writeFieldSpecifiers(writer, table.fields);
    },
  };
}
