/** What the exporter asks of an export format: NetFlow v5, v9 or IPFIX. */

import type { FlowRecord, RecordBatch } from '../flow/flow-record.ts';
import type { RecordEncoder } from './encoder.ts';
import type { Message } from './message.ts';
import type { MessageWriter } from './message-writer.ts';

/** What became of a record handed to {@link Format.append}. */
export const Appended = { YES: 0, NO_ROOM: 1, NOT_REPRESENTABLE: 2 } as const;

/** What {@link Format.appendSome} leaves. */
export const ALONE = -1;

export interface Format {
  readonly protocol: 'netflow5' | 'netflow9' | 'ipfix';
  /** Holds the Message of Flow Records that is being built. */
  readonly writer: MessageWriter;
  /** The largest packetDeltaCount or octetDeltaCount that a Message can tell of one record, as several if need be. */
  readonly mostCount: number;
  /** Messages that are begun from now on have so many octets at most, and never more than they were made for. */
  limit(octets: number): void;
  /** Begins a Message of Flow Records. */
  begin(): void;
  /**
   * Adds a Flow Record to the Message, whole or not at all, and counts what that adds to the sequence.
   * @returns one of {@link Appended}
   */
  append(record: FlowRecord, message: Message): number;
  /**
   * Adds records of a batch from one on, as many as there is room for and as take nothing that asks for more than copies.
   * @returns how many, which `encoder` has encoded last; 0: there is no room; {@link ALONE}: the first is for {@link append}
   */
  appendSome(batch: RecordBatch, from: number, encoder: RecordEncoder, message: Message): number;
  /**
   * Adds records of a batch, from one on, as a train of Messages, where the one that is being built is empty. Absent: not in this format.
   * @param most Messages
   * @param take gives a Message of MOST_TRAIN_OCTETS, where there is going to be a train
   * @returns the train, complete but for sequence numbers, of `sequenced` records, which `encoder` has encoded last; undefined: they are
   * not enough, or ask for more than copies
   */
  train?(
    batch: RecordBatch,
    from: number,
    most: number,
    clockMilliseconds: number,
    encoder: RecordEncoder,
    take: () => Message,
  ): Message | undefined;
  /** Completes the Message: lengths, counts, times; all but the sequence number. */
  finish(clockMilliseconds: number): void;
  /** Writes the next sequence number into the header, or into each of a train's, and counts the Message in it. */
  stamp(message: Message): void;
  /** A Transport Session begins: the sequence does too. */
  resetSequence(): void;
  /**
   * Options data, and before it, with `templates`, all Templates and Options Templates, in as many Messages as
   * they need. `send` takes each: the writer holds its octets, finished but for the sequence number;
   * `sequenced` of its records are Data Records.
   */
  control(
    templates: boolean,
    clockMilliseconds: number,
    send: (writer: MessageWriter, sequenced: number) => void,
  ): void;
}

/** What options data tells, read when it is sent. Totals since the start. */
export interface ControlData {
  readonly interfaces: readonly { readonly index: number; readonly name: string }[];
  readonly metering: {
    readonly packetTotalCount: number;
    readonly octetTotalCount: number;
    readonly ignoredPacketTotalCount: number;
    readonly ignoredOctetTotalCount: number;
    readonly droppedPacketTotalCount: number;
    readonly observedFlowTotalCount: number;
  };
  readonly exporting: {
    readonly exportedMessageTotalCount: number;
    readonly exportedFlowRecordTotalCount: number;
    readonly exportedOctetTotalCount: number;
    readonly notSentFlowTotalCount: number;
    readonly notSentPacketTotalCount: number;
    readonly notSentOctetTotalCount: number;
  };
}
