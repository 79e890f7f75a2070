/**
 * A line of a flow log into a Flow Record, octet by octet: no string, no object, no array a line.
 *
 *   the format, compiled once into a list of what its fields become
 *   ─▶ next(): field after field, straight into the record's words; a field ends at the first octet that is not above a space
 *   ─▶ the end of the line: which addresses, which interface, and what kind of line it is
 *
 * The octets handed over end with a line feed, so that every loop ends without looking at a length.
 *
 * Most lines are plain, and go a shorter way to the same record, many at once: plain-lines.ts.
 */

import { isUtf8 } from 'node:buffer';
import {
  FLAGS,
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  type FlowLayout,
  KEY,
} from '../flow/flow-record.ts';
import { NO_ADDRESS, parseIPv4, parseIPv6 } from './address-text.ts';
import { FAULT_KINDS, type FaultKind } from './convert-counts.ts';
import type { FieldRole } from './fields.ts';
import { type FlowLogLayout, flowLogLayout } from './flow-log-layout.ts';
import {
  DIRECTION_EGRESS,
  DIRECTION_INGRESS,
  DIRECTION_UNKNOWN,
  DROPPED_BY_ACL,
  EGRESS_INTERFACE,
  FLOW_DENIED,
  FORWARDED,
  VERDICT,
} from './flow-log-words.ts';
import type { InterfaceMap } from './interface-map.ts';
import {
  ACTION_ACCEPT,
  ACTION_REJECT,
  ACTION_UNKNOWN,
  DESTINATION,
  OP_ACTION,
  OP_ADDRESS,
  OP_COUNTER,
  OP_DIRECTION,
  OP_INTERFACE,
  OP_PORT,
  OP_PROTOCOL,
  OP_SKIP,
  OP_STATUS,
  OP_STRING,
  OP_TCP_FLAGS,
  OP_TIME,
  OP_TOLD_ADDRESS,
  OP_UINT8,
  PACKET,
  SOURCE,
} from './line-ops.ts';
import { linePlan } from './line-plan.ts';
import type { LogFormat } from './log-object.ts';
import { PlainLines } from './plain-lines.ts';
import { MOST_LINE_OCTETS, type StringArena } from './string-arena.ts';

/** What a line is. Beyond: a fault, {@link FIRST_FAULT} plus its place among FAULT_KINDS. */
export const Line = { RECORD: 0, NODATA: 1, SKIPDATA: 2 } as const;
export const FIRST_FAULT = 3;

const fault = (kind: FaultKind): number => FIRST_FAULT + FAULT_KINDS.indexOf(kind);
const EMPTY = fault('empty');
const TOO_LONG = fault('too_long');
const CONTROL_OCTET = fault('control_octet');
const NOT_UTF8 = fault('not_utf8');
const FIELD_COUNT = fault('field_count');
const NUMBER = fault('number');
const ADDRESS = fault('address');
const ADDRESS_FAMILY = fault('address_family');
const TIME = fault('time');
const ACTION = fault('action');
const DIRECTION = fault('direction');
const STATUS = fault('status');

/** What is wrong with a field of which more follows than its kind has. */
const FAULT_OF_OP = new Int32Array(14).fill(NUMBER);
FAULT_OF_OP[OP_ADDRESS] = ADDRESS;
FAULT_OF_OP[OP_TOLD_ADDRESS] = ADDRESS;
FAULT_OF_OP[OP_ACTION] = ACTION;
FAULT_OF_OP[OP_STATUS] = STATUS;
FAULT_OF_OP[OP_DIRECTION] = DIRECTION;
for (const op of [OP_SKIP, OP_INTERFACE, OP_STRING]) FAULT_OF_OP[op] = CONTROL_OCTET;

/** Words that a candidate has. */
const ADDRESS_WORDS = 4;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const HYPHEN = 0x2d;
const ZERO = 0x30;

const LEAST_UNSAFE = 2 ** 53;
const MOST_SECONDS = 0xffffffff;

const PORTS = KEY;
const PROTOCOL = KEY + 1;
const INGRESS_INTERFACE = KEY + 2;
const ADDRESSES = KEY + 3;

const word = (text: string): Uint8Array => new TextEncoder().encode(text);
const ACCEPT = word('ACCEPT');
const REJECT = word('REJECT');
const OK = word('OK');
const NODATA = word('NODATA');
const SKIPDATA = word('SKIPDATA');
const INGRESS = word('ingress');
const EGRESS = word('egress');

export interface ParserOptions {
  readonly format: LogFormat;
  /** Somebody takes the fields that IANA has no element for. */
  readonly withEnterprise: boolean;
  /** Strings are read only where somebody takes them: IPFIX. */
  readonly strings: StringArena;
  readonly withStrings: boolean;
  readonly interfaceMap: InterfaceMap;
  /** Nobody asks for {@link LineParser.end} or {@link LineParser.interfaceAddress}: plain lines may go the short way. */
  readonly withPlain?: boolean;
  /** For a format that has neither start nor end: the time that its records get, Unix ms. */
  readonly clockMilliseconds: () => number;
}

export class LineParser {
  readonly format: LogFormat;
  readonly layout: FlowLogLayout;
  /** The record of the last line that was one. */
  readonly record: { layout: FlowLayout; readonly view: DataView; offset: number };
  /** The short way of plain lines; undefined: there is none. */
  readonly plain: PlainLines | undefined;
  /** Of the lines that went it last: those whose interface has no number, since there is none left. */
  unnumbered = 0;
  /** Why plain lines go the way of all others: it costs about twice the processor. */
  readonly plainProblem: Error | undefined;
  /** Of that record. */
  action: number = ACTION_UNKNOWN;
  direction: number = DIRECTION_UNKNOWN;
  /** It names an interface; its number, 0: there is none left. */
  hasInterface = false;
  interfaceNumber = 0;
  /** Where the line after the last begins. */
  position = 0;

  readonly #ops: Int32Array;
  readonly #slots: Int32Array;
  /** Where the record has the field's reference; 0: nowhere. */
  readonly #stringWords: Int32Array;
  readonly #strings: StringArena;
  /** What {@link next} was given last, and words of it. */
  #bytes: Uint8Array | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));
  readonly #interfaceMap: InterfaceMap;
  readonly #clock: () => number;
  readonly #hasStart: boolean;
  readonly #hasEnd: boolean;
  readonly #hasSource: boolean;
  readonly #hasDestination: boolean;
  readonly #hasStatus: boolean;
  /** Octets into the record's view: where that of lines that are not plain begins. */
  readonly #ownOffset: number;
  readonly #words: Int32Array;
  /** Start and end, seconds; -1: not told, or not in the format. */
  readonly #times = new Float64Array(2).fill(-1);
  readonly #floats: Float64Array;
  readonly #candidates = new Int32Array(ADDRESS_WORDS * 4);
  readonly #candidateOctets = new Uint8Array(this.#candidates.buffer);
  /** 0: not there, 4, 6. */
  readonly #families = new Int32Array(4);
  readonly #interfaceFrom = new Int32Array(2);
  readonly #interfaceTo = new Int32Array(2);

  constructor(options: ParserOptions) {
    const { format, withEnterprise, strings, withStrings } = options;
    this.format = format;
    this.layout = flowLogLayout(format, withEnterprise, strings.octets);
    const { layouts, fields } = this.layout;
    this.#strings = strings;
    this.#interfaceMap = options.interfaceMap;
    this.#clock = options.clockMilliseconds;
    const roles = new Set<FieldRole>(fields.map(({ role }) => role));
    this.#hasStart = roles.has('start');
    this.#hasEnd = roles.has('end');
    this.#hasSource = roles.has('source') || roles.has('packetSource');
    this.#hasDestination = roles.has('destination') || roles.has('packetDestination');
    this.#hasStatus = roles.has('status');
    const plan = linePlan(this.layout, withStrings);
    this.#ops = plan.ops;
    this.#slots = plan.slots;
    this.#stringWords = plan.stringWords;
    const { words } = layouts[0];
    if (options.withPlain === true) {
      try {
        this.plain = PlainLines.create(plan, layouts[0]);
      } catch (error) {
        this.plainProblem = error as Error;
      }
    }
    const { plain } = this;
    const view = plain?.view ?? new DataView(new ArrayBuffer(words * 4));
    this.#ownOffset = plain?.spare ?? 0;
    this.#words = new Int32Array(view.buffer, this.#ownOffset, words);
    this.#floats = new Float64Array(view.buffer, this.#ownOffset, words / 2);
    this.record = { layout: layouts[0], view, offset: this.#ownOffset };
    this.#words[VERDICT] = DIRECTION_UNKNOWN << 16;
  }

  get isReject(): boolean {
    return this.action === ACTION_REJECT;
  }

  /** Of the record's interface: that end of the line which flow-direction says. */
  interfaceAddress(): Uint8Array | undefined {
    if (this.direction === DIRECTION_UNKNOWN) return undefined;
    const end = this.direction === DIRECTION_EGRESS ? SOURCE : DESTINATION;
    const family = this.#families[end]!;
    const at = end * ADDRESS_WORDS * 4;
    return family === 0 ? undefined : this.#candidateOctets.slice(at, at + (family === 4 ? 4 : 16));
  }

  /**
   * Reads the line at {@link position}, and moves to the one behind it.
   * @param bytes with a line feed at the end of the line; what stands in it stays as long as it is the same array
   * @returns one of {@link Line}, or {@link FIRST_FAULT} plus the place of the fault among FAULT_KINDS
   */
  next(bytes: Uint8Array): number {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    const begin = this.position;
    const kind = this.#parse(bytes);
    if (kind >= FIRST_FAULT) this.position = bytes.indexOf(LF, this.position) + 1;
    return this.position - begin > MOST_LINE_OCTETS + 1 ? TOO_LONG : kind;
  }

  /** What `srcaddr` or `dstaddr` of the last record tells, in network byte order; undefined: nothing. */
  end(which: 'source' | 'destination'): Uint8Array | undefined {
    const candidate = which === 'source' ? SOURCE : DESTINATION;
    const family = this.#families[candidate]!;
    const from = candidate * ADDRESS_WORDS * 4;
    return family === 0
      ? undefined
      : this.#candidateOctets.subarray(from, from + (family === 4 ? 4 : ADDRESS_WORDS * 4));
  }

  /**
   * Reads lines the short way, from {@link position} on, as many as are plain, and moves behind them.
   * @param bytes as {@link next} has them
   * @param apart refused flows are to have a list of their own
   * @returns how many: each is a record, and {@link plain} tells what they are together
   */
  takePlain(bytes: Uint8Array, most: number, apart: boolean): number {
    const { plain } = this;
    if (plain === undefined) return 0;
    const rows = plain.take(bytes, this.position, most, apart);
    if (rows > 0) this.position = plain.end;
    this.unnumbered = 0;
    if (plain.unknownInterfaces > 0) this.#numberInterfaces(plain, rows);
    return rows;
  }

  /** Numbers the interfaces of those lines which are met for the first time, or for the first time in long. */
  #numberInterfaces(plain: PlainLines, rows: number): void {
    for (let row = 0; row < rows; row++) {
      if (plain.interfaceNumber(row) !== 0 || plain.interfaceFrom(row) === plain.interfaceTo(row)) continue;
      this.point(row);
      this.#setInterface(
        plain.words,
        plain.recordOf(row) >> 2,
        plain.view,
        plain.interfaceFrom(row),
        plain.interfaceTo(row),
      );
      if (this.interfaceNumber === 0) this.unnumbered++;
      else plain.learnInterface(row, this.interfaceNumber);
    }
  }

  /** Points at the record of a line that has gone the short way. */
  point(row: number): void {
    const plain = this.plain!;
    const told = plain.told(row);
    this.record.offset = plain.recordOf(row);
    this.record.layout = this.layout.layouts[0];
    this.action = told & 0xff;
    this.direction = told >> 8;
    this.hasInterface = plain.interfaceFrom(row) < plain.interfaceTo(row);
    this.interfaceNumber = plain.interfaceNumber(row);
  }

  #parse(bytes: Uint8Array): number {
    const words = this.#words;
    const ops = this.#ops;
    const slots = this.#slots;
    const families = this.#families;
    const candidateOctets = this.#candidateOctets;
    const floats = this.#floats;
    const times = this.#times;
    const count = ops.length;
    let position = this.position;
    let flags = 0;
    let ports = 0;
    let action: number = ACTION_UNKNOWN;
    let direction = DIRECTION_UNKNOWN;
    let status = -1;
    this.#strings.clear();

    let octet = bytes[position]!;
    for (let i = 0; i < count; i++) {
      while (octet === SPACE) octet = bytes[++position]!;
      if (octet < SPACE) {
        this.position = position;
        if (octet === LF || (octet === CR && bytes[position + 1] === LF))
          return i === 0 ? EMPTY : FIELD_COUNT;
        return CONTROL_OCTET;
      }
      const op = ops[i]!;
      switch (op) {
        case OP_ADDRESS: {
          const candidate = slots[i]!;
          const at = candidate * (ADDRESS_WORDS * 4);
          let next = parseIPv4(bytes, position, candidateOctets, at);
          let family = 4;
          if (next === NO_ADDRESS) {
            if (octet === HYPHEN) {
              next = position + 1;
              family = 0;
            } else {
              next = parseIPv6(bytes, position, candidateOctets, at);
              family = 6;
            }
            if (next === NO_ADDRESS) {
              this.position = position;
              return ADDRESS;
            }
          }
          families[candidate] = family;
          position = next;
          break;
        }
        case OP_PORT:
        case OP_PROTOCOL:
        case OP_TCP_FLAGS:
        case OP_UINT8: {
          let value = octet - ZERO;
          if (value >>> 0 <= 9) {
            let digits = 1;
            let digit = bytes[++position]! - ZERO;
            while (digit >>> 0 <= 9 && digits < 6) {
              value = value * 10 + digit;
              digits++;
              digit = bytes[++position]! - ZERO;
            }
          } else {
            if (octet === HYPHEN) position++;
            value = 0;
          }
          if (value > (op === OP_PORT || op === OP_TCP_FLAGS ? 0xffff : 0xff)) {
            this.position = position;
            return NUMBER;
          }
          if (op === OP_PORT) {
            ports = slots[i] === 0 ? (ports & ~0xffff) | value : (ports & 0xffff) | (value << 16);
          } else if (op === OP_PROTOCOL) words[PROTOCOL] = value;
          else if (op === OP_TCP_FLAGS) flags = value;
          else words[slots[i]!] = value;
          break;
        }
        case OP_COUNTER:
        case OP_TIME: {
          let digit = octet - ZERO;
          let number = op === OP_TIME ? -1 : 0;
          if (digit >>> 0 <= 9) {
            // Nine digits are whole numbers to the processor, what follows is not.
            let head = digit;
            let digits = 1;
            digit = bytes[++position]! - ZERO;
            while (digit >>> 0 <= 9 && digits < 9) {
              head = head * 10 + digit;
              digits++;
              digit = bytes[++position]! - ZERO;
            }
            number = head;
            while (digit >>> 0 <= 9) {
              number = number * 10 + digit;
              digit = bytes[++position]! - ZERO;
            }
          } else if (octet === HYPHEN) position++;
          if (op === OP_COUNTER) {
            if (number >= LEAST_UNSAFE) {
              this.position = position;
              return NUMBER;
            }
            floats[slots[i]! >> 1] = number;
          } else {
            if (number > MOST_SECONDS) {
              this.position = position;
              return NUMBER;
            }
            times[slots[i]!] = number;
          }
          break;
        }
        case OP_INTERFACE:
        case OP_STRING: {
          const from = position;
          let all = 0;
          while (octet > SPACE) {
            all |= octet;
            octet = bytes[++position]!;
          }
          const to = bytes[from] === HYPHEN && position === from + 1 ? from : position;
          if (all > 0x7f && !isUtf8(bytes.subarray(from, to))) {
            this.position = position;
            return NOT_UTF8;
          }
          if (op === OP_INTERFACE) {
            this.#interfaceFrom[slots[i]!] = from;
            this.#interfaceTo[slots[i]!] = to;
          }
          const stringWord = this.#stringWords[i]!;
          if (stringWord !== 0) words[stringWord] = this.#strings.add(bytes, from, to);
          break;
        }
        case OP_TOLD_ADDRESS: {
          const next = this.#toldAddress(bytes, position, i);
          if (next === NO_ADDRESS) {
            this.position = position;
            return ADDRESS;
          }
          position = next;
          break;
        }
        case OP_ACTION:
          if (matches(bytes, position, ACCEPT)) action = ACTION_ACCEPT;
          else if (matches(bytes, position, REJECT)) action = ACTION_REJECT;
          else if (octet !== HYPHEN) {
            this.position = position;
            return ACTION;
          }
          position += action === ACTION_UNKNOWN ? 1 : ACCEPT.length;
          break;
        case OP_STATUS:
          if (matches(bytes, position, OK)) {
            status = Line.RECORD;
            position += OK.length;
          } else if (matches(bytes, position, NODATA)) {
            status = Line.NODATA;
            position += NODATA.length;
          } else if (matches(bytes, position, SKIPDATA)) {
            status = Line.SKIPDATA;
            position += SKIPDATA.length;
          } else {
            this.position = position;
            return STATUS;
          }
          break;
        case OP_DIRECTION:
          if (matches(bytes, position, INGRESS)) {
            direction = DIRECTION_INGRESS;
            position += INGRESS.length;
          } else if (matches(bytes, position, EGRESS)) {
            direction = DIRECTION_EGRESS;
            position += EGRESS.length;
          } else if (octet === HYPHEN) position++;
          break;
        default: {
          const from = position;
          let all = 0;
          while (octet > SPACE) {
            all |= octet;
            octet = bytes[++position]!;
          }
          if (all > 0x7f && !isUtf8(bytes.subarray(from, position))) {
            this.position = position;
            return NOT_UTF8;
          }
        }
      }
      octet = bytes[position]!;
      if (octet > SPACE) {
        this.position = position;
        return FAULT_OF_OP[op]!;
      }
      if (octet === SPACE) octet = bytes[++position]!;
    }

    while (octet === SPACE) octet = bytes[++position]!;
    if (octet === CR) octet = bytes[++position]!;
    this.position = position;
    if (octet !== LF) {
      return octet > SPACE ? FIELD_COUNT : CONTROL_OCTET;
    }
    if (status > Line.RECORD) {
      this.position = position + 1;
      return status;
    }

    // The packet's own ends, or, each by itself, the interface's.
    const source = families[PACKET + SOURCE] === 0 ? SOURCE : PACKET + SOURCE;
    const destination = families[PACKET + DESTINATION] === 0 ? DESTINATION : PACKET + DESTINATION;
    const sourceFamily = families[source]!;
    const destinationFamily = families[destination]!;
    // Without a log-status only this tells a line of no data.
    const hasAnEnd = this.#hasSource || this.#hasDestination;
    if (!this.#hasStatus && hasAnEnd && sourceFamily + destinationFamily === 0) {
      this.position = position + 1;
      return Line.NODATA;
    }
    // A format may leave an end out, a line of a flow may not.
    if ((sourceFamily === 0 && this.#hasSource) || (destinationFamily === 0 && this.#hasDestination)) {
      return ADDRESS;
    }
    if (sourceFamily !== destinationFamily && sourceFamily * destinationFamily !== 0) return ADDRESS_FAMILY;
    let start = times[0]!;
    let end = times[1]!;
    if ((start < 0 && this.#hasStart) || (end < 0 && this.#hasEnd)) return TIME;
    if (start < 0) start = end;
    if (start < 0) start = Math.floor(this.#clock() / 1000);
    if (end < 0) end = start;
    if (end < start) return TIME;

    floats[FLOW_START_MILLISECONDS >> 1] = start * 1000;
    floats[FLOW_END_MILLISECONDS >> 1] = end * 1000;
    words[FLAGS] = flags;
    words[PORTS] = ports;
    this.record.offset = this.#ownOffset;
    this.#setAddresses(source, destination, sourceFamily === 6 || destinationFamily === 6);
    this.#tell(words, action, direction);
    const from = this.#interfaceFrom;
    const to = this.#interfaceTo;
    const candidate = from[0]! < to[0]! ? 0 : 1;
    this.#setInterface(words, 0, this.#view, from[candidate]!, to[candidate]!);
    this.position = position + 1;
    return Line.RECORD;
  }

  #tell(words: Int32Array, action: number, direction: number): void {
    this.action = action;
    this.direction = direction;
    words[VERDICT] =
      (action === ACTION_ACCEPT
        ? FORWARDED
        : action === ACTION_REJECT
          ? DROPPED_BY_ACL | (FLOW_DENIED << 8)
          : 0) |
      (direction << 16);
  }

  /** An address whose text is told as well, beside the packet's own. @returns where it ends; NO_ADDRESS */
  #toldAddress(bytes: Uint8Array, from: number, field: number): number {
    const candidate = this.#slots[field]!;
    const octets = this.#candidateOctets;
    const at = candidate * (ADDRESS_WORDS * 4);
    let to = parseIPv4(bytes, from, octets, at);
    let family = 4;
    let end = to;
    if (to === NO_ADDRESS && bytes[from] === HYPHEN) {
      family = 0;
      to = from + 1;
      end = from;
    } else if (to === NO_ADDRESS) {
      family = 6;
      to = parseIPv6(bytes, from, octets, at);
      end = to;
    }
    if (to === NO_ADDRESS) return NO_ADDRESS;
    this.#families[candidate] = family;
    this.#words[this.#stringWords[field]!] = this.#strings.add(bytes, from, end);
    return to;
  }

  /** An end that the format leaves out is the unspecified address. */
  #setAddresses(source: number, destination: number, isIPv6: boolean): void {
    const words = this.#words;
    const candidates = this.#candidates;
    const families = this.#families;
    const from = source * ADDRESS_WORDS;
    const to = destination * ADDRESS_WORDS;
    if (!isIPv6) {
      words[ADDRESSES] = families[source] === 0 ? 0 : candidates[from]!;
      words[ADDRESSES + 1] = families[destination] === 0 ? 0 : candidates[to]!;
      this.record.layout = this.layout.layouts[0];
      return;
    }
    for (let i = 0; i < ADDRESS_WORDS; i++) {
      words[ADDRESSES + i] = families[source] === 0 ? 0 : candidates[from + i]!;
      words[ADDRESSES + ADDRESS_WORDS + i] = families[destination] === 0 ? 0 : candidates[to + i]!;
    }
    this.record.layout = this.layout.layouts[1];
  }

  /**
   * @param at where the record begins, in words
   * @param from where in `octets` the interface's ID begins @param to where it ends; as `from`: it has none
   */
  #setInterface(words: Int32Array, at: number, octets: DataView, from: number, to: number): void {
    this.hasInterface = from < to;
    const number = from < to ? this.#interfaceMap.number(octets, from, to) : 0;
    this.interfaceNumber = number;
    const isEgress = this.direction === DIRECTION_EGRESS;
    words[at + INGRESS_INTERFACE] = isEgress ? 0 : number;
    words[at + EGRESS_INTERFACE] = isEgress ? number : 0;
  }
}

/** True if the octets at `at` are those of `text`. */
function matches(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}
