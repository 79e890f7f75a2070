/**
 * `eni-…` → a number of 16 bits that stays the same, as an ifIndex should (RFC 2863 §3.1.5), also over restarts where there is
 * a file. Numbers are given in the order in which interfaces are met, from 1, and never again.
 *
 * The file has a line an interface, `7 eni-0123456789abcdef0`. A line is appended, in one write, before the number is used:
 * so a process that is killed has told no number that the next one could give to another interface. A last line without its
 * line feed was never used, and goes.
 */

import { closeSync, fdatasync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';

/** Numbers interfaces; remembers them in a file, where it has one. */
export interface InterfaceMap {
  /**
   * The number of an interface, given now if it has none yet; 0: all 65 535 are given, or the ID is no ID.
   * @param octets memory in which its ID lies, from octet `from` to before `to`
   * @throws InterfaceMapError where the file does not take it
   */
  number(octets: DataView, from: number, to: number): number;
  /** The ID of a number, undefined: it is nobody's. */
  name(number: number): string | undefined;
  /** Every interface that was met in this run, the latest first, so many at most. */
  interfaces(most: number): readonly { readonly index: number; readonly name: string }[];
  /** Interfaces that have a number. */
  readonly size: number;
  /** Brings what is new to the disk, where there is a file. @throws InterfaceMapError */
  save(): Promise<void>;
  /** Closes the file. */
  close(): void;
}

/** The file of an interface map cannot be read, understood or written; the message says where and why. */
export class InterfaceMapError extends Error {}

/** The greatest number: what NetFlow v5 has room for. */
export const MOST_INTERFACES = 65_535;
/** AWS's IDs have some 30 octets. */
const MOST_ID_OCTETS = 255;
/** Places of the index: twice the interfaces. */
const PLACES = 1 << 17;
/** FNV-1a's, over words. */
const HASH_BASIS = 0x811c9dc5;
const HASH_FACTOR = 0x01000193;

const sync = promisify(fdatasync);

/** @param path undefined: the numbers last as long as the process @throws InterfaceMapError */
export function openInterfaceMap(path: string | undefined): InterfaceMap {
  const map = new NumberedInterfaces(path);
  map.load();
  return map;
}

class NumberedInterfaces implements InterfaceMap {
  size = 0;
  readonly #path: string | undefined;
  #file: number | undefined;
  #isNew = false;
  /** Numbers by hash; open addressing. */
  readonly #places = new Int32Array(PLACES);
  /** All IDs, one behind the other; where each begins and ends, by number. */
  #octets = new DataView(new ArrayBuffer(4096));
  #used = 0;
  readonly #starts = new Int32Array(MOST_INTERFACES + 1);
  readonly #ends = new Int32Array(MOST_INTERFACES + 1);
  /** 1: met in this run. */
  readonly #met = new Uint8Array(MOST_INTERFACES + 1);
  readonly #order: number[] = [];
  /** A file from which lines were taken has gaps, which stay: those numbers were somebody's. */
  #greatest = 0;

  constructor(path: string | undefined) {
    this.#path = path;
  }

  load(): void {
    const path = this.#path;
    if (path === undefined) return;
    try {
      const text = readFileSync(path, 'utf8');
      const lines = text.split('\n');
      const tail = lines.pop()!;
      for (const [i, line] of lines.entries()) this.#learn(line, `${path}:${i + 1}`);
      if (tail !== '') {
        writeFileSync(`${path}.new`, text.slice(0, text.length - tail.length), { flush: true });
        renameSync(`${path}.new`, path);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw asMapError(path, error);
    }
    try {
      this.#file = openSync(path, 'a', 0o644);
    } catch (error) {
      throw asMapError(path, error);
    }
  }

  number(octets: DataView, from: number, to: number): number {
    const place = this.#placeOf(octets, from, to);
    const known = this.#places[place]!;
    if (known !== 0) {
      if (this.#met[known] === 0) this.#meet(known);
      return known;
    }
    if (this.#greatest === MOST_INTERFACES || to - from > MOST_ID_OCTETS) return 0;
    const number = this.#greatest + 1;
    this.#append(number, textOf(octets, from, to));
    this.#put(number, octets, from, to, place);
    this.#meet(number);
    return number;
  }

  name(number: number): string | undefined {
    if (!(number > 0 && number <= MOST_INTERFACES) || this.#ends[number] === 0) return undefined;
    return textOf(this.#octets, this.#starts[number]!, this.#ends[number]!);
  }

  interfaces(most: number): { index: number; name: string }[] {
    return this.#order
      .slice(-most)
      .reverse()
      .map((index) => ({ index, name: this.name(index)! }));
  }

  async save(): Promise<void> {
    if (this.#file === undefined || !this.#isNew) return;
    this.#isNew = false;
    try {
      await sync(this.#file);
    } catch (error) {
      throw asMapError(this.#path!, error);
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** Where the index has the interface's number, or is free for it. */
  #placeOf(octets: DataView, from: number, to: number): number {
    const places = this.#places;
    let hash = HASH_BASIS;
    if (to - from >= 8) {
      // The last octets of an ID are random, and enough.
      hash = Math.imul(hash ^ octets.getInt32(to - 8, true), HASH_FACTOR);
      hash = Math.imul(hash ^ (hash >>> 15) ^ octets.getInt32(to - 4, true), HASH_FACTOR);
    } else for (let i = from; i < to; i++) hash = Math.imul(hash ^ octets.getUint8(i), HASH_FACTOR);
    // The low bits know little of what the high ones do.
    let place = (hash ^ (hash >>> 15)) & (PLACES - 1);
    while (places[place] !== 0 && !this.#is(places[place]!, octets, from, to)) {
      place = (place + 1) & (PLACES - 1);
    }
    return place;
  }

  #is(number: number, octets: DataView, from: number, to: number): boolean {
    const start = this.#starts[number]!;
    if (this.#ends[number]! - start !== to - from) return false;
    const own = this.#octets;
    let i = from;
    let k = start;
    // By words, and the hash as well: a line takes 260 ns instead of 290.
    for (; i <= to - 4; i += 4, k += 4) if (own.getInt32(k) !== octets.getInt32(i)) return false;
    for (; i < to; i++, k++) if (own.getUint8(k) !== octets.getUint8(i)) return false;
    return true;
  }

  #meet(number: number): void {
    this.#met[number] = 1;
    this.#order.push(number);
  }

  #append(number: number, name: string): void {
    if (this.#file === undefined) return;
    try {
      writeSync(this.#file, `${number} ${name}\n`);
      this.#isNew = true;
    } catch (error) {
      throw asMapError(this.#path!, error);
    }
  }

  #put(number: number, octets: DataView, from: number, to: number, place: number): void {
    const length = to - from;
    let own = octetsOf(this.#octets, 0, this.#octets.byteLength);
    if (this.#used + length > own.length) {
      const larger = new Uint8Array(own.length * 2 + length);
      larger.set(own);
      own = larger;
      this.#octets = new DataView(larger.buffer);
    }
    own.set(octetsOf(octets, from, to), this.#used);
    this.#starts[number] = this.#used;
    this.#used += length;
    this.#ends[number] = this.#used;
    this.#places[place] = number;
    this.#greatest = Math.max(this.#greatest, number);
    this.size++;
  }

  /** A line of the file. */
  #learn(line: string, where: string): void {
    const match = /^([1-9][0-9]{0,4}) (\S{1,255})$/.exec(line);
    const number = Number(match?.[1]);
    if (match === null || number > MOST_INTERFACES) {
      throw new InterfaceMapError(
        `${where}: ${JSON.stringify(line.slice(0, 80))} is not a number from 1 to ${MOST_INTERFACES} and an interface's ID`,
      );
    }
    if (this.#ends[number] !== 0) throw new InterfaceMapError(`${where}: number ${number} is there twice`);
    const octets = new TextEncoder().encode(match[2]!);
    const id = new DataView(octets.buffer);
    const place = this.#placeOf(id, 0, octets.length);
    if (this.#places[place] !== 0) throw new InterfaceMapError(`${where}: ${match[2]} is there twice`);
    this.#put(number, id, 0, octets.length, place);
  }
}

function octetsOf(memory: DataView, from: number, to: number): Uint8Array {
  return new Uint8Array(memory.buffer, memory.byteOffset + from, to - from);
}

function textOf(memory: DataView, from: number, to: number): string {
  return Buffer.from(octetsOf(memory, from, to)).toString('utf8');
}

function asMapError(path: string, error: unknown): InterfaceMapError {
  if (error instanceof InterfaceMapError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new InterfaceMapError(`the interface map ${path}: ${code ?? message}`);
}
