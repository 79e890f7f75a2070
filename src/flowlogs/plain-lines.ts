/**
 * The short way of plain lines (assembly/plain-lines.ts): its memory, and what it and a parser tell each other.
 *
 * Lines are copied into the memory 32 KiB at a time and read up to 64 at once, each into a record of its own. A record is handed
 * over by being pointed at: nothing is copied again.
 */

import { readFileSync } from 'node:fs';
import {
  MARK_END,
  MARK_INTERFACE_FROM,
  MARK_INTERFACE_TO,
  MARK_OCTETS,
  MARK_TOLD,
  MARKS,
  MOST_PLAN_FIELDS,
  MOST_ROWS,
  PLAN,
  ROWS,
  TEXT,
  TEXT_OCTETS,
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
  take(from: number): number;
}

/** Built by scripts/build-assembly.mjs; the path is that from the compiled file, build/src/flowlogs/. */
const MODULE = new URL('../../wasm/plain-lines.wasm', import.meta.url);
const PAGE_OCTETS = 65_536;
const LF = 0x0a;
/** Lines that are not asked for after several that were not plain, one after the other. */
const LONGEST_PAUSE = 63;

let compiled: WebAssembly.Module | undefined;

export class PlainLines {
  /** All of its memory, and the text as words. */
  readonly view: DataView;
  readonly words: Int32Array;
  /** Octets: where the record of the present line stands. */
  record = 0;
  /** Octets: where the ID of its interface stands, and ends; both 0 where it has none. */
  interfaceFrom = 0;
  interfaceTo = 0;
  /** Its action | direction « 8. */
  told = 0;
  /** Where the line behind it begins. */
  end = -1;

  readonly #octets: Uint8Array;
  readonly #functions: Exports;
  readonly #recordOctets: number;
  /** The rows that were not handed over. */
  #row = 0;
  #rows = 0;
  /** What is in the memory: whole lines of these octets, from one place to before another. */
  #bytes: Uint8Array | undefined;
  #from = 0;
  #to = 0;
  /** Lines until it is worth asking again. */
  #wait = 0;
  #pause = 0;

  /**
   * @param recordWords of a record
   * @returns undefined: lines of this format tell what has no place here (strings), or do not tell when they began
   * @throws Error where WebAssembly is not to be had, or not built
   */
  static create(plan: LinePlan, recordWords: number): PlainLines | undefined {
    const { ops, slots, stringWords } = plan;
    const strings = [OP_STRING, OP_TOLD_ADDRESS] as number[];
    const times = [0, 1].map((slot) => ops.some((op, i) => op === OP_TIME && slots[i] === slot));
    if (ops.length > MOST_PLAN_FIELDS || stringWords.some((word) => word !== 0)) return undefined;
    if (ops.some((op) => strings.includes(op)) || !times.every((isTold) => isTold)) return undefined;
    return new PlainLines(plan, recordWords);
  }

  private constructor({ ops, slots }: LinePlan, recordWords: number) {
    compiled ??= new WebAssembly.Module(readFileSync(MODULE));
    const recordOctets = recordWords * 4;
    const pages = Math.ceil((ROWS + (MOST_ROWS + 1) * recordOctets) / PAGE_OCTETS);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    this.#functions = exports as unknown as Exports;
    this.#recordOctets = recordOctets;
    this.#octets = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.words = new Int32Array(memory.buffer);
    for (let i = 0; i < ops.length; i++) this.words.set([ops[i]!, slots[i]!], PLAN / 4 + 2 * i);
    const tells = (candidate: number): boolean =>
      ops.some((op, i) => op === OP_ADDRESS && slots[i] === candidate);
    this.#functions.setFormat(ops.length, recordOctets, tells(PACKET + SOURCE), tells(PACKET + DESTINATION));
  }

  /** Octets: where there is room for one record more, which is nobody's. */
  get spare(): number {
    return ROWS + MOST_ROWS * this.#recordOctets;
  }

  /**
   * Points at the record of a line, if the line is plain.
   * @param bytes in which it stands; they do not change as long as they are the same array
   * @param position where it begins
   */
  next(bytes: Uint8Array, position: number): boolean {
    if (this.#row === this.#rows || position !== this.end || bytes !== this.#bytes) {
      if (!this.#take(bytes, position)) return false;
    }
    const { words } = this;
    const mark = MARKS / 4 + (this.#row * MARK_OCTETS) / 4;
    this.record = ROWS + this.#row * this.#recordOctets;
    this.end = words[mark + MARK_END]! - TEXT + this.#from;
    this.interfaceFrom = words[mark + MARK_INTERFACE_FROM]!;
    this.interfaceTo = words[mark + MARK_INTERFACE_TO]!;
    this.told = words[mark + MARK_TOLD]!;
    this.#row++;
    return true;
  }

  #take(bytes: Uint8Array, position: number): boolean {
    this.#row = 0;
    this.#rows = 0;
    if (this.#wait > 0) {
      this.#wait--;
      return false;
    }
    if (bytes !== this.#bytes || position < this.#from || position >= this.#to) this.#load(bytes, position);
    if (position < this.#to) this.#rows = this.#functions.take(TEXT + position - this.#from);
    this.#pause = this.#rows > 0 ? 0 : Math.min(2 * this.#pause + 1, LONGEST_PAUSE);
    this.#wait = this.#pause;
    return this.#rows > 0;
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
