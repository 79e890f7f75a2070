/**
 * The short way of plain lines (assembly/plain-lines.ts): its memory, and what it and a parser tell each other.
 *
 * Lines are copied into the memory 32 KiB at a time and read up to 64 at once, each into a record of its own, from which they are
 * exported together.
 */

import { readFileSync } from 'node:fs';
import type { FlowLayout, RecordBatch } from '../flow/flow-record.ts';
import { ENCODER_OCTETS, type SharedMemory } from '../flow/shared-memory.ts';
import {
  ACCEPTED_COUNT,
  ACCEPTED_LIST,
  LATEST_MILLISECONDS,
  MARK_END,
  MARK_INTERFACE,
  MARK_INTERFACE_FROM,
  MARK_INTERFACE_TO,
  MARK_OCTETS,
  MARK_TOLD,
  MARKS,
  MOST_PLAN_FIELDS,
  MOST_ROWS,
  OCTETS,
  PACKETS,
  PLAN,
  REFUSED,
  REFUSED_COUNT,
  REFUSED_LIST,
  ROWS,
  TEXT,
  TEXT_OCTETS,
  UNKNOWN_INTERFACES,
} from './assembly/plain-line-state.ts';
import { DESTINATION, OP_ADDRESS, OP_STRING, OP_TIME, OP_TOLD_ADDRESS, PACKET, SOURCE } from './line-ops.ts';
import type { LinePlan } from './line-plan.ts';

interface Exports {
  setFormat(
    fields: number,
    recordOctets: number,
    withPacketSource: boolean,
    withPacketDestination: boolean,
  ): void;
  take(from: number, most: number, apart: boolean): number;
  learn(from: number, to: number, number: number): void;
}

/** Built by scripts/build-assembly.mjs; the path is that from the compiled file, build/src/flowlogs/. */
const MODULE = new URL('../../wasm/plain-lines.wasm', import.meta.url);
const PAGE_OCTETS = 65_536;
/** A cache line. */
const ALIGNMENT = 64;
const LF = 0x0a;
/** Lines that are not asked for after several that were not plain, one after the other. */
const LONGEST_PAUSE = 63;

let compiled: WebAssembly.Module | undefined;

export class PlainLines implements SharedMemory {
  readonly memory: WebAssembly.Memory;
  /** All of it, and as words. */
  readonly view: DataView;
  readonly words: Int32Array;
  /** Where the line behind those taken begins. */
  end = 0;
  /** Of those: the records of accepted flows, or all of them, and of refused ones; refused flows; unknown interfaces. */
  readonly accepted: RecordBatch;
  readonly refused: RecordBatch;
  rejects = 0;
  unknownInterfaces = 0;

  readonly #octets: Uint8Array;
  readonly #floats: Float64Array;
  readonly #functions: Exports;
  readonly #recordOctets: number;
  #allocated: number;
  /** What is in the memory: whole lines of these octets, from one place to before another. */
  #bytes: Uint8Array | undefined;
  #from = 0;
  #to = 0;
  /** Lines until it is worth asking again. */
  #wait = 0;
  #pause = 0;

  /**
   * @param layout of the records
   * @returns undefined: lines of this format tell what has no place here (strings), or do not tell when they began
   * @throws Error where WebAssembly is not to be had, or not built
   */
  static create(plan: LinePlan, layout: FlowLayout): PlainLines | undefined {
    const { ops, slots, stringWords } = plan;
    const strings = [OP_STRING, OP_TOLD_ADDRESS] as number[];
    const times = [0, 1].map((slot) => ops.some((op, i) => op === OP_TIME && slots[i] === slot));
    if (ops.length > MOST_PLAN_FIELDS || stringWords.some((word) => word !== 0)) return undefined;
    if (ops.some((op) => strings.includes(op)) || !times.every((isTold) => isTold)) return undefined;
    return new PlainLines(plan, layout);
  }

  private constructor({ ops, slots }: LinePlan, layout: FlowLayout) {
    compiled ??= new WebAssembly.Module(readFileSync(MODULE));
    const recordOctets = layout.words * 4;
    this.#allocated = Math.ceil((ROWS + (MOST_ROWS + 1) * recordOctets) / ALIGNMENT) * ALIGNMENT;
    const pages = Math.ceil((this.#allocated + ENCODER_OCTETS) / PAGE_OCTETS);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.memory = memory;
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    this.#functions = exports as unknown as Exports;
    this.#recordOctets = recordOctets;
    this.#octets = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.#floats = new Float64Array(memory.buffer, 0, PLAN / 8);
    this.words = new Int32Array(memory.buffer);
    const batch = (at: number): RecordBatch => {
      const list = new Uint32Array(memory.buffer, at, MOST_ROWS);
      return { layout, shared: this, view: this.view, list, count: 0 };
    };
    this.accepted = batch(ACCEPTED_LIST);
    this.refused = batch(REFUSED_LIST);
    for (let i = 0; i < ops.length; i++) this.words.set([ops[i]!, slots[i]!], PLAN / 4 + 2 * i);
    const tells = (candidate: number): boolean =>
      ops.some((op, i) => op === OP_ADDRESS && slots[i] === candidate);
    this.#functions.setFormat(ops.length, recordOctets, tells(PACKET + SOURCE), tells(PACKET + DESTINATION));
  }

  /** Octets: where there is room for one record more, which is nobody's. */
  get spare(): number {
    return ROWS + MOST_ROWS * this.#recordOctets;
  }

  /** See {@link SharedMemory}: for one encoder. */
  allocate(octets: number): number {
    const at = this.#allocated;
    this.#allocated += Math.ceil(octets / ALIGNMENT) * ALIGNMENT;
    if (this.#allocated > this.memory.buffer.byteLength)
      throw new Error('the memory of plain lines was made too small');
    return at;
  }

  /**
   * Reads lines, as many as are plain, each into a row.
   * @param bytes in which they stand; they do not change as long as they are the same array
   * @param position where the first begins
   * @param apart refused flows have a list of their own
   * @returns rows
   */
  take(bytes: Uint8Array, position: number, most: number, apart: boolean): number {
    if (this.#wait > 0) {
      this.#wait--;
      return 0;
    }
    if (bytes !== this.#bytes || position < this.#from || position >= this.#to) this.#load(bytes, position);
    const from = TEXT + position - this.#from;
    const rows = position < this.#to ? this.#functions.take(from, Math.min(most, MOST_ROWS), apart) : 0;
    if (rows === 0) {
      this.#wait = this.#pause = Math.min(2 * this.#pause + 1, LONGEST_PAUSE);
      return 0;
    }
    this.#pause = 0;
    this.end = this.#mark(rows - 1, MARK_END) - TEXT + this.#from;
    const { words, accepted, refused } = this;
    accepted.count = words[ACCEPTED_COUNT / 4]!;
    refused.count = words[REFUSED_COUNT / 4]!;
    this.rejects = words[REFUSED / 4]!;
    this.unknownInterfaces = words[UNKNOWN_INTERFACES / 4]!;
    return rows;
  }

  /** What the lines taken last count, and the greatest end among them, Unix milliseconds. */
  get packets(): number {
    return this.#floats[PACKETS / 8]!;
  }
  get octets(): number {
    return this.#floats[OCTETS / 8]!;
  }
  get latestMilliseconds(): number {
    return this.#floats[LATEST_MILLISECONDS / 8]!;
  }

  /** Octets: where the record of a row stands. */
  recordOf(row: number): number {
    return ROWS + row * this.#recordOctets;
  }

  /** Octets: where the ID of its interface stands, and ends; both 0 where it has none. */
  interfaceFrom(row: number): number {
    return this.#mark(row, MARK_INTERFACE_FROM);
  }
  interfaceTo(row: number): number {
    return this.#mark(row, MARK_INTERFACE_TO);
  }

  /** Its interface's number, which its record has already; 0: it has none, or one that is not known here. */
  interfaceNumber(row: number): number {
    return this.#mark(row, MARK_INTERFACE);
  }

  /** From now on the number of the row's interface is known here. */
  learnInterface(row: number, number: number): void {
    this.#functions.learn(this.interfaceFrom(row), this.interfaceTo(row), number);
    this.words[(MARKS + row * MARK_OCTETS) / 4 + MARK_INTERFACE] = number;
  }

  /** Its action | direction « 8. */
  told(row: number): number {
    return this.#mark(row, MARK_TOLD);
  }

  #mark(row: number, word: number): number {
    return this.words[(MARKS + row * MARK_OCTETS) / 4 + word]!;
  }

  /** Copies whole lines, as many as there is room for, and an octet behind them that ends whatever is read. */
  #load(bytes: Uint8Array, position: number): void {
    const most = Math.min(bytes.length, position + TEXT_OCTETS);
    this.#bytes = bytes;
    this.#from = position;
    this.#to = most === bytes.length ? most : bytes.lastIndexOf(LF, most - 1) + 1;
    if (this.#to <= position) return;
    this.#octets.set(bytes.subarray(position, this.#to), TEXT);
    this.#octets[TEXT + this.#to - position] = 0;
  }
}
