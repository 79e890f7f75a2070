/**
 * The short way of plain packets (assembly/plain-packets.ts): its memory, its functions, and what they and the meter tell
 * each other. Half of a packet's time is spent within it, which it makes a third of: see docs/performance.md.
 *
 * Memory, each part on a cache line of its own:
 *
 *   state │ frames of files │ rings │ rows of packets, a candidate each │ for each table: index, records │ what encodes them
 *
 * It is as large as the tables may become, and used only as they grow.
 */

import { readFileSync } from 'node:fs';
import { PACKET_WORDS } from '../packet/packet-layout.ts';
import {
  BEGUN_IPV4,
  BEGUN_IPV6,
  COUNTED_OCTETS,
  COUNTED_PACKETS,
  ENDED_OCTETS,
  ENDED_PACKETS,
  ENDED_RECORDS,
  FRAMES,
  GREATEST,
  PENDING,
  STATE_OCTETS,
  STOPPED,
  TICK,
  TICK_MILLISECONDS,
} from './assembly/plain-state.ts';
import { FlowEndReason } from './flow-record.ts';
import type { FlowTable, TableMemory } from './flow-table.ts';
import type { HashSeed } from './hash.ts';
import { ENCODER_OCTETS } from './shared-memory.ts';

interface Exports {
  setRows(at: number, most: number, candidates: number): void;
  setMetering(seed0: number, seed1: number, soonest: number, byPacketTime: boolean, flows: number): void;
  setTable(ipVersion: number, state: number, records: number, recordOctets: number, keyOctets: number): void;
  setIndex(ipVersion: number, entries: number, mask: number): void;
  takePcap(from: number, end: number, ingressInterface: number, fractions: number): number;
  takeRing(
    from: number,
    end: number,
    left: number,
    ingressInterface: number,
    outgoing: boolean,
    vnetHeader: boolean,
  ): number;
  rehash(old: number, oldEntries: number, entries: number, mask: number, hashes: number): void;
  lookUp(): void;
  count(from: number): number;
  endSome(
    ipVersion: number,
    from: number,
    most: number,
    tick: number,
    active: number,
    idle: number,
    reason: number,
    list: number,
  ): number;
  release(ipVersion: number, list: number, count: number): void;
}

/** Built by scripts/build-assembly.mjs; the path is that from the compiled file, build/src/flow/. */
const MODULE = new URL('../../wasm/plain-packets.wasm', import.meta.url);
const PAGE_OCTETS = 65_536;
const MOST_PAGES = 65_536;
/** A cache line. */
const ALIGNMENT = 64;
/** Of a file's chunk. */
export const FRAME_OCTETS = 1024 * 1024;
/** Where the rings begin, each with a page: behind the state and the frames of files. */
const RINGS = FRAME_OCTETS + PAGE_OCTETS;
/** The assembly takes the places of frames for signed 32-bit integers. */
const RINGS_END_BEFORE = 2 ** 31;

export class PlainPackets implements TableMemory {
  readonly memory: WebAssembly.Memory;
  readonly functions: Exports;
  readonly integers: Int32Array;
  readonly floats: Float64Array;
  /** Where frames of files are read into, to be taken from there. */
  readonly frames: Uint8Array;
  /** Where the next ring may be mapped. */
  #nextRing = RINGS;
  readonly #ringsEnd: number;
  #next: number;
  readonly #indexes: (Int32Array | undefined)[] = [undefined, undefined];

  /**
   * @param rows packets that are looked up together, and behind them those that wait for another reason
   * @param tableOctets of all tables, indexes included
   * @param ringOctets of all rings; of those that there is no room for, frames come one by one
   * @throws Error where it is not to be had: not built, a processor that V8 knows no vectors of, no room for so large a memory
   */
  static create(rows: number, tableOctets: number, ringOctets = 0): PlainPackets {
    const octets = rows * (PACKET_WORDS + 1) * 4 + tableOctets + ENCODER_OCTETS + 16 * ALIGNMENT;
    const room = Math.min(MOST_PAGES * PAGE_OCTETS - octets, RINGS_END_BEFORE) - RINGS;
    const ringPages = Math.floor(Math.max(0, Math.min(ringOctets, room)) / PAGE_OCTETS);
    const rings = ringPages * PAGE_OCTETS;
    const pages = Math.ceil((RINGS + rings + octets) / PAGE_OCTETS);
    if (pages > MOST_PAGES)
      throw new Error(`tables of so many flows take ${Math.ceil(octets / 2 ** 30)} GiB, and 4 is the most`);
    const module = new WebAssembly.Module(readFileSync(MODULE));
    // No other thread has it. But V8 adds an unshared one to the heap, and begins to collect garbage because of its size, reserved
    // or not: 14 ms of the 100 that a command takes for its start and end. Nor does it then for the sake of one that was dropped:
    // whoever makes many of them, one after the other, has to wait for another reason.
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return new PlainPackets(memory, exports as unknown as Exports, RINGS + rings);
  }

  private constructor(memory: WebAssembly.Memory, functions: Exports, ringsEnd: number) {
    const { buffer } = memory;
    this.memory = memory;
    this.functions = functions;
    this.integers = new Int32Array(buffer, 0, STATE_OCTETS / 4);
    this.floats = new Float64Array(buffer, 0, STATE_OCTETS / 8);
    this.frames = new Uint8Array(buffer, STATE_OCTETS, FRAME_OCTETS);
    this.#ringsEnd = ringsEnd;
    this.#next = ringsEnd;
  }

  /** See {@link PlainFrames.ringMemory}. */
  ringMemory(octets: number): Uint8Array | undefined {
    const at = this.#nextRing;
    const next = at + Math.ceil(octets / PAGE_OCTETS) * PAGE_OCTETS;
    if (next > this.#ringsEnd) return undefined;
    this.#nextRing = next;
    return new Uint8Array(this.memory.buffer, at, octets);
  }

  /** Octets on a cache line of their own, all 0. They are never given back. */
  allocate(octets: number): number {
    const at = Math.ceil(this.#next / ALIGNMENT) * ALIGNMENT;
    this.#next = at + octets;
    if (this.#next > this.memory.buffer.byteLength)
      throw new Error('the memory of plain packets was made too small');
    return at;
  }

  /** See {@link TableMemory}. */
  rehash(old: Int32Array, entries: Int32Array, hashes: Int32Array): void {
    this.functions.rehash(
      old.byteOffset,
      old.length,
      entries.byteOffset,
      entries.length - 1,
      hashes.byteOffset,
    );
  }

  /** See {@link TableMemory}. */
  endSome(
    { layout, activeTimeout, idleTimeout }: FlowTable,
    { from, most }: { readonly from: number; readonly most: number },
    tick: number,
    list: Uint32Array,
  ): number {
    return this.functions.endSome(
      layout.ipVersion,
      from,
      most,
      tick,
      activeTimeout,
      idleTimeout,
      FlowEndReason.FORCED_END,
      list.byteOffset,
    );
  }

  /** See {@link TableMemory}. */
  release({ layout }: FlowTable, list: Uint32Array, count: number): void {
    this.functions.release(layout.ipVersion, list.byteOffset, count);
  }

  get endedRecords(): number {
    return this.integers[ENDED_RECORDS / 4]!;
  }
  get endedPackets(): number {
    return this.floats[ENDED_PACKETS / 8]!;
  }
  get endedOctets(): number {
    return this.floats[ENDED_OCTETS / 8]!;
  }

  /** Where the packets wait. @param batch those that are looked up together */
  setRows(words: Int32Array, batch: number): void {
    this.functions.setRows(words.byteOffset, batch, this.allocate(batch * 4));
  }

  /** @param maxFlows of both tables */
  setMetering(seed: HashSeed, soonestTicks: number, byPacketTime: boolean, maxFlows: number): void {
    this.functions.setMetering(seed[0], seed[1], soonestTicks, byPacketTime, maxFlows);
  }

  setTable({ layout, words, state }: FlowTable): void {
    this.functions.setTable(
      layout.ipVersion,
      state.byteOffset,
      words.byteOffset,
      layout.words * 4,
      layout.keyWords * 4,
    );
  }

  /** To be called where an index may have grown. */
  follow(tables: readonly FlowTable[]): void {
    for (let i = 0; i < tables.length; i++) {
      const { index, layout } = tables[i]!;
      if (this.#indexes[i] === index.entries) continue;
      this.#indexes[i] = index.entries;
      this.functions.setIndex(layout.ipVersion, index.entries.byteOffset, index.mask);
    }
  }

  get tick(): number {
    return this.integers[TICK / 4]!;
  }
  set tick(value: number) {
    this.integers[TICK / 4] = value;
  }
  get tickMilliseconds(): number {
    return this.floats[TICK_MILLISECONDS / 8]!;
  }
  set tickMilliseconds(value: number) {
    this.floats[TICK_MILLISECONDS / 8] = value;
  }
  get greatestMilliseconds(): number {
    return this.floats[GREATEST / 8]!;
  }
  set greatestMilliseconds(value: number) {
    this.floats[GREATEST / 8] = value;
  }
  get pending(): number {
    return this.integers[PENDING / 4]!;
  }
  set pending(value: number) {
    this.integers[PENDING / 4] = value;
  }
  /** Of a whole batch that is pending: the first row that was not counted. */
  get stopped(): number {
    return this.integers[STOPPED / 4]!;
  }
  /** Frames that it took, modulo 2^32. */
  get taken(): number {
    return this.integers[FRAMES / 4]!;
  }

  /** Flows begun since the last time it was asked. */
  takeBegun(ipVersion: 4 | 6): number {
    const at = (ipVersion === 4 ? BEGUN_IPV4 : BEGUN_IPV6) / 4;
    const begun = this.integers[at]!;
    this.integers[at] = 0;
    return begun;
  }

  /** Of the rows counted since the last time it was asked. */
  takePackets(): number {
    const packets = this.floats[COUNTED_PACKETS / 8]!;
    this.floats[COUNTED_PACKETS / 8] = 0;
    return packets;
  }
  takeOctets(): number {
    const octets = this.floats[COUNTED_OCTETS / 8]!;
    this.floats[COUNTED_OCTETS / 8] = 0;
    return octets;
  }
}
