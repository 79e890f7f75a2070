/**
 * What NetFlow v9 (RFC 3954) and IPFIX (RFC 7011) have in common: a Message of Sets (FlowSets), Templates
 * that describe Data Records, options data. A dialect says in what they differ.
 */

import type { FlowRecord } from '../flow/flow-record.ts';
import { Appended, type ControlData, type Format } from './format.ts';
import type { Message } from './message.ts';
import type { MessageWriter } from './message-writer.ts';
import type { OptionsTable } from './options.ts';
import type { FlowTemplate, TemplateField } from './template.ts';
import { UptimeFields } from './uptime.ts';

export interface Dialect {
  readonly protocol: 'netflow9' | 'ipfix';
  readonly headerLength: number;
  readonly sequenceOffset: number;
  readonly templateSetId: number;
  readonly optionsTemplateSetId: number;
  /** Sets are padded with zeros to a multiple of this. */
  readonly setAlignment: number;
  /** What a Message adds to the sequence. */
  sequenceStep(message: Message): number;
  /** Writes the header, but for the sequence number. @param records of all kinds in the Message */
  writeHeader(writer: MessageWriter, records: number, clockMilliseconds: number, uptime: UptimeFields): void;
  /** Writes an Options Template Record. */
  writeOptionsTemplate(writer: MessageWriter, table: OptionsTable): void;
}

const SET_HEADER = 4;

export class TemplateFormat implements Format {
  readonly protocol: 'netflow9' | 'ipfix';
  readonly #dialect: Dialect;
  readonly #templates: readonly [ipv4: FlowTemplate, ipv6: FlowTemplate];
  readonly #options: readonly OptionsTable[];
  readonly #controlData: () => ControlData;
  readonly #uptime: UptimeFields;
  #sequence = 0;
  /** Where the open Set begins, and its ID; 0: none is open. */
  #setStart = 0;
  #setId = 0;
  #records = 0;

  /** @param capacity octets of a Message */
  constructor(
    dialect: Dialect,
    templates: readonly [FlowTemplate, FlowTemplate],
    options: readonly OptionsTable[],
    controlData: () => ControlData,
    capacity: number,
  ) {
    this.protocol = dialect.protocol;
    this.#dialect = dialect;
    this.#templates = templates;
    this.#options = options;
    this.#controlData = controlData;
    this.#uptime = new UptimeFields(Math.ceil(capacity / templates[0].recordLength));
  }

  begin(writer: MessageWriter): void {
    writer.reserve(this.#dialect.headerLength);
    this.#records = 0;
    this.#setId = 0;
    this.#uptime.clear();
  }

  append(writer: MessageWriter, record: FlowRecord, message: Message): number {
    const template = record.layout.ipVersion === 4 ? this.#templates[0] : this.#templates[1];
    const length = template.recordLength;
    if (!this.#openSet(writer, template.id, length)) return Appended.NO_ROOM;
    if (template.startUptimeOffset >= 0) {
      const { view, offset } = record;
      const { fields } = record.layout;
      const start = view.getFloat64(offset + fields.get('flowStartMilliseconds')!.offset, true);
      const end = view.getFloat64(offset + fields.get('flowEndMilliseconds')!.offset, true);
      if (!this.#uptime.fits(start, end)) return Appended.NO_ROOM;
      const at = writer.position;
      this.#uptime.add(start, end, at + template.startUptimeOffset, at + template.endUptimeOffset);
    }
    template.encode(record, writer.view, writer.reserve(length));
    this.#records++;
    message.sequenced++;
    return Appended.YES;
  }

  finish(writer: MessageWriter, clockMilliseconds: number): void {
    this.#closeSet(writer);
    this.#dialect.writeHeader(writer, this.#records, clockMilliseconds, this.#uptime);
  }

  stamp(message: Message): void {
    const { bytes } = message;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(this.#dialect.sequenceOffset, this.#sequence);
    this.#sequence = (this.#sequence + this.#dialect.sequenceStep(message)) >>> 0;
  }

  resetSequence(): void {
    this.#sequence = 0;
  }

  control(writer: MessageWriter, clockMilliseconds: number, send: (sequenced: number) => void): void {
    let sequenced = 0;
    const ensure = (setId: number, octets: number): void => {
      if (this.#openSet(writer, setId, octets)) return;
      this.finish(writer, clockMilliseconds);
      send(sequenced);
      sequenced = 0;
      writer.position = 0;
      this.begin(writer);
      if (!this.#openSet(writer, setId, octets))
        throw new Error(`a Message of this size cannot hold ${octets} octets`);
    };
    writer.position = 0;
    this.begin(writer);
    for (const template of this.#templates) {
      ensure(this.#dialect.templateSetId, 4 + template.fields.length * 4);
      writer.uint16(template.id);
      writer.uint16(template.fields.length);
      writeFieldSpecifiers(writer, template.fields);
      this.#records++;
    }
    for (const table of this.#options) {
      ensure(this.#dialect.optionsTemplateSetId, 6 + table.fields.length * 4);
      this.#dialect.writeOptionsTemplate(writer, table);
      this.#records++;
    }
    const data = this.#controlData();
    for (const table of this.#options) {
      for (const row of table.rows(data)) {
        ensure(table.id, row.length);
        writer.copy(row);
        this.#records++;
        sequenced++;
      }
    }
    this.finish(writer, clockMilliseconds);
    send(sequenced);
  }

  /** Makes `setId` the open Set, if `octets` more fit the Message. @returns false if they do not */
  #openSet(writer: MessageWriter, setId: number, octets: number): boolean {
    const align = this.#dialect.setAlignment - 1;
    if (this.#setId === setId) return writer.room >= octets + align;
    if (writer.room < align + SET_HEADER + octets + align) return false;
    this.#closeSet(writer);
    this.#setId = setId;
    this.#setStart = writer.position;
    writer.uint16(setId);
    writer.uint16(0);
    return true;
  }

  #closeSet(writer: MessageWriter): void {
    if (this.#setId === 0) return;
    writer.pad(this.#dialect.setAlignment);
    writer.view.setUint16(this.#setStart + 2, writer.position - this.#setStart);
    this.#setId = 0;
  }
}

/** Field specifiers without enterprise numbers (RFC 7011 §3.2, RFC 3954 §5.2). */
export function writeFieldSpecifiers(writer: MessageWriter, fields: readonly TemplateField[]): void {
  for (const { element, size } of fields) {
    writer.uint16(element.id);
    writer.uint16(size);
  }
}
