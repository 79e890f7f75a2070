/**
 * The short way of plain lines of a flow log, in WebAssembly: AssemblyScript, compiled by scripts/build-assembly.mjs.
 *
 * Plain is what nearly every line is: of a flow between IPv4 addresses, every field of the record told, one space between two
 * fields, a line feed at the end, and no octet beyond ASCII. Whatever else comes (NODATA, IPv6, another space, a fault) is left
 * where it stands for line-parser.ts, which does the same and knows what is wrong: what is here takes no decision, it only
 * knows when there is none to take.
 *
 * The memory, and what stands where in it, is plain-line-state.ts's.
 */

import { FLAGS, FLOW_END_MILLISECONDS, FLOW_START_MILLISECONDS, KEY } from '../../flow/record-head.ts';
import {
  DIRECTION_EGRESS,
  DIRECTION_INGRESS,
  DIRECTION_UNKNOWN,
  DROPPED_BY_ACL,
  FLOW_DENIED,
  FORWARDED,
  VERDICT,
} from '../flow-log-words.ts';
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
  OP_TCP_FLAGS,
  OP_TIME,
  OP_UINT8,
  PACKET,
  SOURCE,
} from '../line-ops.ts';
import {
  MARK_END,
  MARK_INTERFACE_FROM,
  MARK_INTERFACE_TO,
  MARK_OCTETS,
  MARK_TOLD,
  MARKS,
  PLAN,
  PLAN_ENTRY_OCTETS,
  ROWS,
} from './plain-line-state.ts';

/** Whatever number they are, it is below 2^53. */
const MOST_DIGITS: i32 = 15;
/** As line-parser.ts has it for what is at most 65 535. */
const MOST_SMALL_DIGITS: i32 = 6;
const MOST_SECONDS: u64 = 0xffffffff;

const LF: u32 = 0x0a;
const SPACE: u32 = 0x20;
const HYPHEN: u32 = 0x2d;
const DOT: u32 = 0x2e;
const ZERO: u32 = 0x30;

const PORTS: i32 = KEY * 4;
const PROTOCOL: i32 = (KEY + 1) * 4;
const ADDRESSES: i32 = (KEY + 3) * 4;

// What fields may say, as it lies in memory.
const ACCE: u32 = 0x45434341;
const REJE: u32 = 0x454a4552;
const PT: u16 = 0x5450;
const CT: u16 = 0x5443;
const OK: u16 = 0x4b4f;
const INGR: u32 = 0x72676e69;
const EGRE: u32 = 0x65726765;
const ESS: u32 = 0x737365;
const SS: u16 = 0x7373;

/** Fields of the format, and octets of a record. */
let planEnd: i32 = PLAN;
let rowOctets: i32 = 0;
/** The candidates that the record gets. */
let source: i32 = SOURCE;
let destination: i32 = DESTINATION;

/** The plan is there. @param withPacketSource packetSource is among the fields, and with it what counts as the source */
export function setFormat(
  fields: i32,
  recordOctets: i32,
  withPacketSource: bool,
  withPacketDestination: bool,
): void {
  planEnd = PLAN + fields * PLAN_ENTRY_OCTETS;
  rowOctets = recordOctets;
  source = withPacketSource ? PACKET + SOURCE : SOURCE;
  destination = withPacketDestination ? PACKET + DESTINATION : DESTINATION;
}

/** Lines from an address on into rows, until one that is not plain, or enough of them. @returns how many */
export function take(from: i32, most: i32): i32 {
  let at = from;
  let row = ROWS;
  let mark = MARKS;
  let rows = 0;
  while (rows < most) {
    at = line(at, row, mark);
    if (at === 0) break;
    store<i32>(mark, at, MARK_END * 4);
    row += rowOctets;
    mark += MARK_OCTETS;
    rows++;
  }
  return rows;
}

/** One line into one row. @returns where the next begins; 0: it is not plain, and the row is as good as empty */
function line(from: i32, row: i32, mark: i32): i32 {
  let at = from;
  let ports: u32 = 0;
  let flags: u32 = 0;
  let start: u64 = 0;
  let end: u64 = 0;
  let action: u32 = ACTION_UNKNOWN;
  let direction: u32 = DIRECTION_UNKNOWN;
  let interfaceFrom = 0;
  let interfaceTo = 0;
  let isFirstInterface = false;
  for (let plan = PLAN; plan < planEnd; plan += PLAN_ENTRY_OCTETS) {
    const op = load<i32>(plan);
    const slot = load<i32>(plan, 4);
    if (op >= OP_PORT && op <= OP_UINT8) {
      // Up to eight digits at once: whether one more follows is what no processor guesses.
      const text = load<u64>(at);
      let digits = digitsOf(text);
      let value: u64 = 0;
      if (digits > 0) {
        value = decimal(text << (64 - 8 * digits));
        at += digits;
        if (digits === 8) {
          let digit = <u32>load<u8>(at) - ZERO;
          while (digit <= 9) {
            value = value * 10 + digit;
            digits++;
            digit = <u32>load<u8>(++at) - ZERO;
          }
        }
      } else {
        // A hyphen says that there is nothing to count: as traffic-path has in each line of what came in.
        if ((<u32>text & 0xff) !== HYPHEN || op === OP_TIME) return 0;
        at++;
      }
      if (op === OP_COUNTER) {
        if (digits > MOST_DIGITS) return 0;
        store<f64>(row + slot * 4, <f64>value);
      } else if (op === OP_TIME) {
        if (digits > MOST_DIGITS || value > MOST_SECONDS) return 0;
        if (slot === 0) start = value;
        else end = value;
      } else {
        if (digits > MOST_SMALL_DIGITS) return 0;
        if (op === OP_PORT) {
          if (value > 0xffff) return 0;
          ports |= (<u32>value) << slot;
        } else if (op === OP_PROTOCOL) {
          if (value > 0xff) return 0;
          store<u32>(row, <u32>value, PROTOCOL);
        } else if (op === OP_TCP_FLAGS) {
          if (value > 0xffff) return 0;
          flags = <u32>value;
        } else {
          if (value > 0xff) return 0;
          store<u32>(row + slot * 4, <u32>value);
        }
      }
    } else if (op === OP_SKIP || op === OP_INTERFACE) {
      const first = at;
      at = fieldEnd(at);
      if (at === first) return 0;
      if (op === OP_INTERFACE) {
        if (load<u8>(first) === HYPHEN) return 0;
        if (slot === 0 || !isFirstInterface) {
          interfaceFrom = first;
          interfaceTo = at;
        }
        if (slot === 0) isFirstInterface = true;
      }
    } else if (op === OP_ADDRESS) {
      let address: u32 = 0;
      for (let part = 0; part < 32; part += 8) {
        if (part > 0 && <u32>load<u8>(at++) !== DOT) return 0;
        const text = load<u32>(at);
        const digits = digitsOf(text);
        // None, or four, or a leading zero.
        if (digits === 0 || digits > 3 || ((text & 0x0f) === 0 && digits > 1)) return 0;
        const three = text << (32 - 8 * digits);
        const value = ((three >> 8) & 0x0f) * 100 + ((three >> 16) & 0x0f) * 10 + ((three >> 24) & 0x0f);
        if (value > 255) return 0;
        address |= value << part;
        at += digits;
      }
      if (slot === source) store<u32>(row, address, ADDRESSES);
      else if (slot === destination) store<u32>(row, address, ADDRESSES + 4);
    } else if (op === OP_ACTION) {
      const head = load<u32>(at);
      const tail = load<u16>(at, 4);
      if (head === ACCE && tail === PT) action = ACTION_ACCEPT;
      else if (head === REJE && tail === CT) action = ACTION_REJECT;
      else return 0;
      at += 6;
    } else if (op === OP_STATUS) {
      if (load<u16>(at) !== OK) return 0;
      at += 2;
    } else if (op === OP_DIRECTION) {
      const head = load<u32>(at);
      if (head === INGR && (load<u32>(at, 4) & 0xffffff) === ESS) {
        direction = DIRECTION_INGRESS;
        at += 7;
      } else if (head === EGRE && load<u16>(at, 4) === SS) {
        direction = DIRECTION_EGRESS;
        at += 6;
      } else return 0;
    } else return 0;
    // A line feed behind the last field, a space behind each other, and nothing else.
    if (<u32>load<u8>(at++) !== (plan + PLAN_ENTRY_OCTETS === planEnd ? LF : SPACE)) return 0;
  }
  if (end < start) return 0;
  store<f64>(row, <f64>start * 1000, FLOW_START_MILLISECONDS * 4);
  store<f64>(row, <f64>end * 1000, FLOW_END_MILLISECONDS * 4);
  store<u32>(row, flags, FLAGS * 4);
  store<u32>(row, ports, PORTS);
  store<i32>(mark, interfaceFrom, MARK_INTERFACE_FROM * 4);
  store<i32>(mark, interfaceTo, MARK_INTERFACE_TO * 4);
  store<u32>(mark, action | (direction << 8), MARK_TOLD * 4);
  const verdict: u32 =
    action === ACTION_ACCEPT ? FORWARDED : action === ACTION_REJECT ? DROPPED_BY_ACL | (FLOW_DENIED << 8) : 0;
  store<u32>(row, verdict | (direction << 16), VERDICT * 4);
  return at;
}

/** Where the first octet stands that is not above a space; the place itself where one before is beyond ASCII. */
function fieldEnd(from: i32): i32 {
  let at = from;
  let octets = v128.load(at);
  let ends = i8x16.bitmask(i8x16.le_u(octets, i8x16.splat(<i8>SPACE)));
  while (ends === 0) {
    if (i8x16.bitmask(octets) !== 0) return from;
    at += 16;
    octets = v128.load(at);
    ends = i8x16.bitmask(i8x16.le_u(octets, i8x16.splat(<i8>SPACE)));
  }
  const length = ctz(ends);
  return (i8x16.bitmask(octets) & ((1 << length) - 1)) !== 0 ? from : at + length;
}

/** How many digits a text begins with, 8 at most. */
function digitsOf(text: u64): i32 {
  const octets = text ^ 0x3030303030303030;
  // The highest bit of an octet that is no digit; what it carries into those behind it is nobody's business.
  return <i32>(ctz((octets | (octets + 0x7676767676767676)) & 0x8080808080808080) >> 3);
}

/** The number that eight octets are, each a digit or 0. */
function decimal(text: u64): u64 {
  const pairs = ((text & 0x0f0f0f0f0f0f0f0f) * 2561) >> 8;
  const fours = ((pairs & 0x00ff00ff00ff00ff) * 6553601) >> 16;
  return ((fours & 0x0000ffff0000ffff) * 42949672960001) >> 32;
}
