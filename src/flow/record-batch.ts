/** Flow Records that leave together. */

import type { FlowRecord, RecordBatch, RecordReceiver } from './flow-record.ts';

/** Records of a batch: as many as fill a train of Messages (export/message.ts). */
export const MOST_RECORDS = 4096;

/** Hands a batch on: as one, or, to whom takes no batches, one by one. */
export function handOn(batch: RecordBatch, receiver: RecordReceiver): void {
  if (receiver.records !== undefined) receiver.records(batch);
  else for (let i = 0; i < batch.count; i++) receiver.record(recordOf(batch, i));
}

/** One of them. */
export const recordOf = ({ layout, view, list }: RecordBatch, i: number): FlowRecord => ({
  layout,
  view,
  offset: list[i]!,
});
