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
} from './copies.ts';
import type { RecordCopy } from './record-copy.ts';

interface Exports {
  encode(base: number, steps: number, length: number, list: number, most: number): number;
}

/** Built by scripts/build-assembly.mjs; the path is that from the compiled file, build/src/export/. */
const MODULE = new URL('../../wasm/encode.wasm', import.meta.url);

let compiled: WebAssembly.Module | undefined;
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
  readonly #plan: Int32Array;
  readonly #data: Uint8Array;
  #copy: RecordCopy | undefined;

  constructor(shared: SharedMemory) {
    compiled ??= new WebAssembly.Module(readFileSync(MODULE));
    const { memory } = shared;
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    this.#functions = exports as unknown as Exports;
    this.#base = shared.allocate(ENCODER_OCTETS);
    this.#sums = new Float64Array(memory.buffer, this.#base, PLAN / 8);
    this.#plan = new Int32Array(memory.buffer, this.#base + PLAN, (DATA - PLAN) / 4);
    this.#data = new Uint8Array(memory.buffer, this.#base + DATA, ENCODER_OCTETS - DATA);
  }

  /** Of the records encoded last: what they carry, and their earliest start and latest end, Unix milliseconds. */
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
    const { plan, length } = copy;
    if (plan === undefined) return 0;
    if (copy !== this.#copy) {
      this.#plan.set(plan);
      this.#copy = copy;
    }
    const count = Math.min(most, Math.floor(this.#data.length / length));
    const list = batch.list.byteOffset + from * 4;
    return this.#functions.encode(this.#base, plan.length / STEP_WORDS, length, list, count);
  }

  /** The first octets of what was encoded last. */
  encoded(octets: number): Uint8Array {
    return this.#data.subarray(0, octets);
  }
}
