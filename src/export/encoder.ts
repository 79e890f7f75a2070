/**
 * Encodes many Flow Records at once, where they lie in memory that WebAssembly shares (assembly/encode.ts): a place for a plan and
 * for what comes of it, in that memory. One for all exporters; each brings its plan.
 */

import { readFileSync } from 'node:fs';
import type { RecordBatch } from '../flow/flow-record.ts';
import { ENCODER_OCTETS, type SharedMemory } from '../flow/shared-memory.ts';
import {
  DATA,
  EARLIEST_MILLISECONDS,
  ENCODED_OCTETS,
  ENCODED_PACKETS,
  LATEST_MILLISECONDS,
  PLAN,
  STEP_WORDS,
  TRAIN_SUMS,
} from './copies.ts';
import { MOST_TRAIN_MESSAGES } from './message.ts';
import type { RecordCopy } from './record-copy.ts';

interface Exports {
  encode(base: number, steps: number, length: number, list: number, most: number): number;
  encodeTrain(
    base: number,
    steps: number,
    length: number,
    list: number,
    most: number,
    records: number,
    headOctets: number,
  ): number;
}

/** Built by scripts/build-assembly.mjs, for either kind of memory; the paths are those from the compiled file, build/src/export/. */
const MODULE = new URL('../../wasm/encode.wasm', import.meta.url);
const MODULE_OF_SHARED = new URL('../../wasm/encode-shared.wasm', import.meta.url);

const compiled = new Map<URL, WebAssembly.Module>();
const encoders = new WeakMap<SharedMemory, RecordEncoder>();

/** That of a memory. */
export function encoderIn(memory: SharedMemory): RecordEncoder {
  let encoder = encoders.get(memory);
  if (encoder === undefined) {
    encoder = new RecordEncoder(memory);
    encoders.set(memory, encoder);
  }
  return encoder;
}

export class RecordEncoder {
  readonly #functions: Exports;
  readonly #base: number;
  readonly #sums: Float64Array;
  readonly #trainSums: Float64Array;
  readonly #plan: Int32Array;
  readonly #data: Uint8Array;
  #copy: RecordCopy | undefined;

  constructor(shared: SharedMemory) {
    const { memory } = shared;
    const url = memory.buffer instanceof SharedArrayBuffer ? MODULE_OF_SHARED : MODULE;
    const module = compiled.get(url) ?? new WebAssembly.Module(readFileSync(url));
    compiled.set(url, module);
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    this.#functions = exports as unknown as Exports;
    this.#base = shared.allocate(ENCODER_OCTETS);
    this.#sums = new Float64Array(memory.buffer, this.#base, PLAN / 8);
    this.#trainSums = new Float64Array(memory.buffer, this.#base + TRAIN_SUMS, 2 * MOST_TRAIN_MESSAGES);
    this.#plan = new Int32Array(memory.buffer, this.#base + PLAN, (TRAIN_SUMS - PLAN) / 4);
    this.#data = new Uint8Array(memory.buffer, this.#base + DATA, ENCODER_OCTETS - DATA);
  }

  /** Of the records encoded last: what they carry, and (of no train) their earliest start and latest end, Unix milliseconds. */
  get packets(): number {
    return this.#sums[ENCODED_PACKETS / 8]!;
  }
  get octets(): number {
    return this.#sums[ENCODED_OCTETS / 8]!;
  }
  get earliestMilliseconds(): number {
    return this.#sums[EARLIEST_MILLISECONDS / 8]!;
  }
  get latestMilliseconds(): number {
    return this.#sums[LATEST_MILLISECONDS / 8]!;
  }

  /**
   * Encodes records of a batch, from one on.
   * @param most of them
   * @returns how many: fewer, where there is no room for more, or the next has a value that its field does not hold
   */
  encode(copy: RecordCopy, batch: RecordBatch, from: number, most: number): number {
    const { length } = copy;
    const steps = this.#stepsOf(copy);
    if (steps === 0) return 0;
    const count = Math.min(most, Math.floor(this.#data.length / length));
    return this.#functions.encode(this.#base, steps, length, listFrom(batch, from), count);
  }

  /**
   * Encodes records of a batch, from one on, as Messages that differ in nothing else.
   * @param most Messages, {@link MOST_TRAIN_MESSAGES} of `MOST_TRAIN_OCTETS` in all at most
   * @param records of each
   * @param head what each begins with
   * @returns how many Messages: fewer, where a record of the next has a value that its field does not hold
   */
  encodeTrain(
    copy: RecordCopy,
    batch: RecordBatch,
    from: number,
    most: number,
    records: number,
    head: Uint8Array,
  ): number {
    const steps = this.#stepsOf(copy);
    if (steps === 0) return 0;
    this.#data.set(head);
    const list = listFrom(batch, from);
    return this.#functions.encodeTrain(this.#base, steps, copy.length, list, most, records, head.length);
  }

  /** Packets and octets of each Message of the train encoded last: of the first, of the second … */
  get trainSums(): Float64Array {
    return this.#trainSums;
  }

  /** Steps of a plan, which is in place then; 0: it has too many. */
  #stepsOf(copy: RecordCopy): number {
    const { plan } = copy;
    if (plan === undefined) return 0;
    if (copy !== this.#copy) {
      this.#plan.set(plan);
      this.#copy = copy;
    }
    return plan.length / STEP_WORDS;
  }

  /** The first octets of what was encoded last. */
  encoded(octets: number): Uint8Array {
    return this.#data.subarray(0, octets);
  }
}

const listFrom = ({ list }: RecordBatch, from: number): number => list.byteOffset + from * 4;
