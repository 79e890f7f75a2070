/** An Exporter with its Messages at hand, and Flow Records made by hand. */

import { MessageDecoder } from '../../src/collect/decode.ts';
import { type DecodedRecord, fieldValue } from '../../src/collect/record.ts';
import { Exporter, type ExporterOptions } from '../../src/export/exporter.ts';
import type { Message } from '../../src/export/message.ts';
import { type FlowLayout, type FlowRecord, flowLayout } from '../../src/flow/flow-record.ts';
import { addressOctets } from '../support/frames.ts';

export type Fields = Record<string, number | string>;

/** A Flow Record with those values; the others are 0. */
export function flowRecord(layout: FlowLayout, values: Fields): FlowRecord {
  const view = new DataView(new ArrayBuffer(layout.words * 4));
  for (const [name, value] of Object.entries(values)) {
    const field = layout.fields.get(name);
    if (field === undefined) throw new Error(`no field ${name}`);
    if (typeof value === 'string') {
      addressOctets(value).forEach((octet, i) => {
        view.setUint8(field.offset + i, octet);
      });
    } else if (field.kind === 'float64') view.setFloat64(field.offset, value, true);
    else if (field.kind === 'uint32' || field.kind === 'segment') view.setUint32(field.offset, value, true);
    else if (field.kind === 'uint16') view.setUint16(field.offset, value, true);
    else view.setUint8(field.offset, value);
  }
  return { layout, view, offset: 0 };
}

/** What the Metering Process tells of itself. */
export const METERING = {
  packetTotalCount: 11,
  octetTotalCount: 12,
  ignoredPacketTotalCount: 13,
  ignoredOctetTotalCount: 14,
  droppedPacketTotalCount: 15,
  observedFlowTotalCount: 2 ** 40,
};

/** What becomes of a train: it leaves as it is, or Message by Message. */
export type TakesTrains = 'no' | 'whole' | 'parted';

export class ExportRig {
  readonly layouts: readonly FlowLayout[];
  readonly exporter: Exporter;
  /** What has left, a copy each. */
  readonly datagrams: Uint8Array[] = [];
  /** Flow Records and options data, as an independent reading of the RFCs decodes them. */
  readonly records: DecodedRecord[] = [];
  readonly options: DecodedRecord[] = [];
  readonly notices: string[] = [];
  readonly decoder = new MessageDecoder();
  /** Unix milliseconds. */
  clock = 1_700_000_000_123;
  monotonic = 0;
  /** Messages wait instead of leaving at once. */
  held: Message[] | undefined;

  /** Messages of each train that was sent. */
  readonly trains: number[] = [];
  readonly #takesTrains: TakesTrains;

  /** @param routes records have what the routes say */
  constructor(options: Partial<ExporterOptions> = {}, routes = false, takesTrains: TakesTrains = 'no') {
    this.#takesTrains = takesTrains;
    const fields = options.fields ?? 'standard';
    this.layouts = options.layouts ?? [flowLayout(4, fields, routes), flowLayout(6, fields, routes)];
    const transport = {
      queued: 0,
      takesTrains: takesTrains !== 'no',
      send: (message: Message) => this.#send(message),
    };
    this.exporter = new Exporter(
      {
        protocol: 'ipfix',
        observationDomain: 7,
        messageOctets: 1472,
        templateRefreshMilliseconds: 60_000,
        templateRefreshMessages: 0,
        fields,
        tcpControlBitsOctets: 2,
        layouts: this.layouts,
        bootMilliseconds: this.clock - 1_000_000,
        clockMilliseconds: () => this.clock,
        refreshClockMilliseconds: () => this.monotonic,
        observed: () => ({
          interfaces: [{ index: 3, name: 'eth0' }],
          metering: METERING,
        }),
        onNotice: (text) => this.notices.push(text),
        ...options,
      },
      transport,
    );
    this.newSession();
  }

  newSession(): void {
    for (const message of this.exporter.sessionStarted()) this.#send(message);
  }

  record(version: 4 | 6, values: Fields): void {
    const times = { flowStartMilliseconds: this.clock - 1000, flowEndMilliseconds: this.clock - 10 };
    this.exporter.record(flowRecord(this.layouts[version === 4 ? 0 : 1]!, { ...times, ...values }));
  }

  leave(message: Message): void {
    const { messages } = message;
    this.exporter.stamp(message);
    if (messages > 1) {
      if (this.#takesTrains === 'no') throw new Error('a train, although the transport takes none');
      this.trains.push(messages);
    }
    if (messages > 1 && this.#takesTrains === 'parted') {
      for (const part of this.exporter.parted(message)) {
        this.#arrived(part.bytes.slice());
        this.exporter.settled(part);
      }
      return;
    }
    const octets = message.bytes.length / messages;
    for (let i = 0; i < messages; i++) this.#arrived(message.bytes.slice(i * octets, (i + 1) * octets));
    this.exporter.settled(message);
  }

  #arrived(bytes: Uint8Array): void {
    this.datagrams.push(bytes);
    const fault = this.decoder.decode(
      bytes,
      { address: '127.0.0.1', port: 9 },
      {
        record: (record) => this.records.push(record),
        options: (record) => this.options.push(record),
      },
    );
    if (fault !== undefined) throw new Error(`malformed: ${fault}`);
  }

  #send(message: Message): void {
    if (this.held === undefined) this.leave(message);
    else this.held.push(message);
  }
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const value = (record: DecodedRecord | undefined, name: string) =>
  record === undefined ? undefined : fieldValue(record, name);
