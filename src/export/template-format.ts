/**
 * What NetFlow v9 (RFC 3954) and IPFIX (RFC 7011) have in common: a Message of Sets (FlowSets), Templates
 * that describe Data Records, options data. A dialect says in what they differ.
 */

import {
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  type FlowLayout,
  type FlowRecord,
  type RecordBatch,
} from '../flow/flow-record.ts';
import { type Dialect, fieldSpecifierOctets, writeFieldSpecifiers } from './dialect.ts';
import type { RecordEncoder } from './encoder.ts';
import { ALONE, Appended, type ControlData, type Format } from './format.ts';
import { type Message, MOST_TRAIN_OCTETS } from './message.ts';
import type { MessageWriter } from './message-writer.ts';
import type { OptionsTable } from './options.ts';
import { SetBuilder } from './set-builder.ts';
import type { FlowTemplate } from './template.ts';

/** A train is worth more than one call of the kernel: fewer Messages of a turn leave together without it, whoever made them. */
const LEAST_TRAIN_MESSAGES = 64;
const LEAST_TRAIN_OCTETS = 60_000;
/** No Data Record of a Flow is smaller: addresses, ports, counters and times alone have more. */
const LEAST_RECORD_OCTETS = 40;

export class TemplateFormat implements Format {
  readonly protocol: 'netflow9' | 'ipfix';
  readonly mostCount = Number.POSITIVE_INFINITY;
  readonly #dialect: Dialect;
  /** For each kind of record, IPv4's before IPv6's. */
  readonly #templates: FlowTemplate[];
  readonly #byLayout = new Map<FlowLayout, FlowTemplate>();
  #layout: FlowLayout | undefined;
  #template: FlowTemplate | undefined;
  readonly #options: readonly OptionsTable[];
  readonly #controlData: () => ControlData;
  /** The Message of Flow Records, and that of templates and options data: one may be begun while the other is open. */
  readonly #data: SetBuilder;
  readonly #control: SetBuilder;
  #sequence = 0;

  /** @param capacity octets of a Message */
  constructor(
    dialect: Dialect,
    templates: readonly (readonly [FlowLayout, FlowTemplate])[],
    options: readonly OptionsTable[],
    controlData: () => ControlData,
    capacity: number,
  ) {
    this.protocol = dialect.protocol;
    this.#dialect = dialect;
    this.#templates = [];
    this.addTemplates(templates);
    this.#options = options;
    this.#controlData = controlData;
    this.#data = new SetBuilder(dialect, capacity, Math.ceil(capacity / LEAST_RECORD_OCTETS));
    this.#control = new SetBuilder(dialect, capacity, 0);
  }

  /** More kinds of records. Their templates go out with the next `control`. */
  addTemplates(templates: readonly (readonly [FlowLayout, FlowTemplate])[]): void {
    for (const [layout, template] of templates) {
      this.#byLayout.set(layout, template);
      // Formats that differ in what is not told alone share a Template.
      if (!this.#templates.some(({ id }) => id === template.id)) this.#templates.push(template);
    }
  }

  get writer(): MessageWriter {
    return this.#data.writer;
  }

  limit(octets: number): void {
    for (const { writer } of [this.#data, this.#control])
      writer.limit = Math.min(octets, writer.bytes.length);
  }

  begin(): void {
    this.#data.begin();
  }

  append(record: FlowRecord, message: Message): number {
    const data = this.#data;
    if (record.layout !== this.#layout) this.#switch(record.layout);
    const template = this.#template!;
    const room = template.startUptimeOffset < 0 || data.uptime.fits(startOf(record), endOf(record));
    const length = template.hasStrings ? template.lengthOf(record) : template.recordLength;
    if (!room || !data.openSet(template.id, length)) return Appended.NO_ROOM;
    const at = data.writer.reserve(length);
    if (template.startUptimeOffset >= 0) {
      data.uptime.addTimes(startOf(record), endOf(record));
      data.uptime.addFields(at + template.startUptimeOffset, at + template.endUptimeOffset);
    }
    template.copy.encode(record, data.writer.view, at);
    if (template.hasStrings) template.encodeStrings(record, data.writer.bytes, at + template.recordLength);
    data.records++;
    message.sequenced++;
    return Appended.YES;
  }

  /**
   * As {@link append}, of a record that does not fit an empty Message: without the longest of its strings, as many as have to go.
   * @returns one of {@link Appended}
   */
  appendShortened(record: FlowRecord, message: Message): number {
    if (record.layout !== this.#layout) this.#switch(record.layout);
    const template = this.#template!;
    if (!template.hasStrings) return Appended.NO_ROOM;
    const fits = template.shorten(record, this.#data.mostRecordOctets);
    const appended = fits ? this.append(record, message) : Appended.NO_ROOM;
    template.restore(record);
    return appended;
  }

  appendSome(batch: RecordBatch, from: number, encoder: RecordEncoder, message: Message): number {
    const data = this.#data;
    if (batch.layout !== this.#layout) this.#switch(batch.layout);
    const { copy, id, hasStrings, recordLength, startUptimeOffset, endUptimeOffset } = this.#template!;
    if (hasStrings) return ALONE;
    const most = Math.min(batch.count - from, data.roomFor(id, recordLength));
    if (most === 0) return 0;
    const count = encoder.encode(copy, batch, from, most);
    if (count === 0) return ALONE;
    const withUptime = startUptimeOffset >= 0;
    const { earliestMilliseconds: earliest, latestMilliseconds: latest } = encoder;
    if (withUptime && !data.uptime.fits(earliest, latest, count)) return ALONE;
    data.openSet(id, recordLength);
    const at = data.writer.position;
    data.writer.copy(encoder.encoded(count * recordLength));
    if (withUptime) {
      data.uptime.addTimes(earliest, latest);
      for (let to = at; to < data.writer.position; to += recordLength)
        data.uptime.addFields(to + startUptimeOffset, to + endUptimeOffset);
    }
    data.records += count;
    message.sequenced += count;
    return count;
  }

  train(
    batch: RecordBatch,
    from: number,
    most: number,
    clockMilliseconds: number,
    encoder: RecordEncoder,
    take: () => Message,
  ): Message | undefined {
    // NetFlow v9 tells times relative to what each of its Messages has for a boot instant.
    if (this.protocol !== 'ipfix') return undefined;
    if (batch.layout !== this.#layout) this.#switch(batch.layout);
    const { copy, id, hasStrings, recordLength } = this.#template!;
    const data = this.#data;
    const { writer } = data;
    const records = data.roomFor(id, recordLength);
    if (hasStrings || records === 0) return undefined;
    const wanted = Math.min(most, Math.floor((batch.count - from) / records));
    if (wanted < LEAST_TRAIN_MESSAGES && wanted * records * recordLength < LEAST_TRAIN_OCTETS)
      return undefined;
    data.openSet(id, recordLength);
    const head = writer.bytes.subarray(0, writer.position);
    writer.reserve(records * recordLength);
    data.finish(clockMilliseconds);
    const octets = writer.position;
    data.begin();
    const longest = Math.min(wanted, Math.floor(MOST_TRAIN_OCTETS / octets));
    const messages = encoder.encodeTrain(copy, batch, from, longest, records, head);
    if (messages === 0) return undefined;
    const train = take();
    train.bytes = train.bytes.subarray(0, messages * octets);
    train.bytes.set(encoder.encoded(messages * octets));
    train.messages = messages;
    train.sequenced = messages * records;
    return train;
  }

  #switch(layout: FlowLayout): void {
    const template = this.#byLayout.get(layout);
    if (template === undefined) throw new Error('a record of a layout that the exporter does not know');
    this.#layout = layout;
    this.#template = template;
  }

  finish(clockMilliseconds: number): void {
    this.#data.finish(clockMilliseconds);
  }

  stamp(message: Message): void {
    const { bytes, messages } = message;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const octets = bytes.length / messages;
    const step = this.#dialect.sequenceStep(message);
    for (let at = this.#dialect.sequenceOffset; at < bytes.length; at += octets) {
      view.setUint32(at, this.#sequence);
      this.#sequence = (this.#sequence + step) >>> 0;
    }
  }

  resetSequence(): void {
    this.#sequence = 0;
  }

  control(
    templates: boolean,
    clockMilliseconds: number,
    send: (writer: MessageWriter, sequenced: number) => void,
  ): void {
    const control = this.#control;
    const { writer } = control;
    let sequenced = 0;
    const complete = (): void => {
      control.finish(clockMilliseconds);
      send(writer, sequenced);
      sequenced = 0;
      control.begin();
    };
    const makeRoom = (setId: number, octets: number): void => {
      if (control.openSet(setId, octets)) return;
      complete();
      if (!control.openSet(setId, octets))
        throw new Error(`a Message cannot hold a record of ${octets} octets`);
    };
    for (const template of templates ? this.#templates : []) {
      makeRoom(this.#dialect.templateSetId, 4 + fieldSpecifierOctets(template.fields));
      writer.uint16(template.id);
      writer.uint16(template.fields.length);
      writeFieldSpecifiers(writer, template.fields);
      control.records++;
    }
    for (const table of templates ? this.#options : []) {
      makeRoom(this.#dialect.optionsTemplateSetId, 10 + table.fields.length * 4);
      this.#dialect.writeOptionsTemplate(writer, table);
      control.records++;
      // nfacctd refuses a Set of several Options Templates, which RFC 7011 §3.4.2 allows.
      control.endSet();
    }
    const data = this.#controlData();
    for (const table of this.#options) {
      for (const row of table.rows(data)) {
        makeRoom(table.id, row.length);
        writer.copy(row);
        control.records++;
        sequenced++;
      }
    }
    complete();
  }
}

const startOf = ({ view, offset }: FlowRecord): number =>
  view.getFloat64(offset + FLOW_START_MILLISECONDS * 4, true);
const endOf = ({ view, offset }: FlowRecord): number =>
  view.getFloat64(offset + FLOW_END_MILLISECONDS * 4, true);
