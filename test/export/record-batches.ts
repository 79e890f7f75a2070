/** Batches of Flow Records, made of single ones. */

import { type FlowRecord, flowLayout, type RecordBatch } from '../../src/flow/flow-record.ts';
import { MOST_RECORDS } from '../../src/flow/record-batch.ts';
import { ENCODER_OCTETS, type SharedMemory } from '../../src/flow/shared-memory.ts';

const LIST_AT = 1024;
const RECORDS_AT = LIST_AT + MOST_RECORDS * 4;
const PAGE_OCTETS = 65_536;

/** One memory for all: V8 sets 10 GB of addresses aside for each. */
class Memory implements SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly list: Uint32Array;
  readonly octets: Uint8Array;
  #next = RECORDS_AT + MOST_RECORDS * flowLayout(6, 'full', true).words * 4;

  constructor() {
    const pages = Math.ceil((this.#next + 2 * ENCODER_OCTETS) / PAGE_OCTETS);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.octets = new Uint8Array(this.memory.buffer);
    this.list = new Uint32Array(this.memory.buffer, LIST_AT, MOST_RECORDS);
  }

  allocate(octets: number): number {
    const at = Math.ceil(this.#next / 64) * 64;
    this.#next = at + octets;
    return at;
  }
}

const shared = new Memory();

/** Runs of records of one layout, {@link most} at most, each as a batch that is valid until the next. */
export function* batchesOf(records: readonly FlowRecord[], most = MOST_RECORDS): Generator<RecordBatch> {
  for (let from = 0; from < records.length; ) {
    const { layout } = records[from]!;
    let count = 0;
    let at = RECORDS_AT;
    while (count < most && records[from + count]?.layout === layout) {
      const { view, offset } = records[from + count]!;
      const { buffer, byteOffset } = view;
      shared.octets.set(new Uint8Array(buffer, byteOffset + offset, layout.words * 4), at);
      shared.list[count++] = at;
      at += layout.words * 4;
    }
    yield { layout, shared, view: new DataView(shared.memory.buffer), list: shared.list, count };
    from += count;
  }
}
