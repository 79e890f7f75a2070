/** Builds one Message of Sets (v9: FlowSets): opens and closes them, pads them, counts what they hold. */

import type { Dialect } from './dialect.ts';
import { MessageWriter } from './message-writer.ts';
import { UptimeFields } from './uptime.ts';

const SET_HEADER = 4;
const NO_SET = -1;

export class SetBuilder {
  readonly writer: MessageWriter;
  /** Times of the records, where they are sent relative to a boot instant. */
  readonly uptime: UptimeFields;
  /** Records of all kinds in the Message. */
  records = 0;
  readonly #dialect: Dialect;
  #setStart = 0;
  #setId = NO_SET;

  /** @param capacity octets of a Message @param mostRecords flow records that may fit it */
  constructor(dialect: Dialect, capacity: number, mostRecords: number) {
    this.#dialect = dialect;
    this.writer = new MessageWriter(capacity);
    this.uptime = new UptimeFields(mostRecords);
    this.begin();
  }

  /** Begins a Message: its header is reserved. */
  begin(): void {
    this.writer.position = this.#dialect.headerLength;
    this.records = 0;
    this.#setId = NO_SET;
    this.uptime.clear();
  }

  /** Makes `setId` the open Set, if `octets` more fit the Message. @returns false if they do not */
  openSet(setId: number, octets: number): boolean {
    const { writer } = this;
    const padding = this.#dialect.setAlignment - 1;
    if (this.#setId === setId) return writer.room >= octets + padding;
    if (writer.room < padding + SET_HEADER + octets + padding) return false;
    this.endSet();
    this.#setId = setId;
    this.#setStart = writer.position;
    writer.uint16(setId);
    writer.uint16(0);
    return true;
  }

  /** How many records of so many octets the Message has room for, in the Set of that ID. */
  roomFor(setId: number, octets: number): number {
    const padding = this.#dialect.setAlignment - 1;
    const room = this.writer.room - padding - (this.#setId === setId ? 0 : SET_HEADER + padding);
    return Math.max(0, Math.floor(room / octets));
  }

  /** Octets that a record may have to fit a Message alone. */
  get mostRecordOctets(): number {
    const padding = this.#dialect.setAlignment - 1;
    return this.writer.limit - this.#dialect.headerLength - SET_HEADER - 2 * padding;
  }

  /** Completes the Message, but for its sequence number. */
  finish(clockMilliseconds: number): void {
    this.endSet();
    this.#dialect.writeHeader(this.writer, this.records, clockMilliseconds, this.uptime);
  }

  /** Ends the open Set: the next record begins another, even one of the same ID. */
  endSet(): void {
    if (this.#setId === NO_SET) return;
    this.writer.pad(this.#dialect.setAlignment);
    this.writer.view.setUint16(this.#setStart + 2, this.writer.position - this.#setStart);
    this.#setId = NO_SET;
  }
}
