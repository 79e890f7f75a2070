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

import {
  FLAGS,
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  KEY,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
} from '../../flow/record-head.ts';
import {
  DIRECTION_EGRESS,
  DIRECTION_INGRESS,
  DIRECTION_UNKNOWN,
  DROPPED_BY_ACL,
  EGRESS_INTERFACE,
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
  ACCEPTED_COUNT,
  ACCEPTED_LIST,
  INTERFACE_LAST,
  INTERFACE_LENGTH,
  INTERFACE_NUMBER,
  INTERFACE_OCTETS,
  INTERFACE_PLACES_BITS,
  INTERFACE_SECOND,
  INTERFACES,
  LATEST_MILLISECONDS,
  MARK_END,
  MARK_INTERFACE,
  MARK_INTERFACE_FROM,
  MARK_INTERFACE_TO,
  MARK_OCTETS,
  MARK_TOLD,
  MARKS,
  MOST_ID,
  OCTETS,
  PACKETS,
  PLAN,
  PLAN_ENTRY_OCTETS,
  REFUSED,
  REFUSED_COUNT,
  REFUSED_LIST,
  ROWS,
  UNKNOWN_INTERFACES,
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
const INGRESS_INTERFACE: i32 = (KEY + 2) * 4;
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

/**
 * Lines from an address on into rows, until one that is not plain, or enough of them.
 * @param apart refused flows have a list of their own
 * @returns how many
 */
export function take(from: i32, most: i32, apart: bool): i32 {
  let at = from;
  let row = ROWS;
  let mark = MARKS;
  let rows = 0;
  let accepted = ACCEPTED_LIST;
  let refused = REFUSED_LIST;
  let rejects = 0;
  let packets: f64 = 0;
  let octets: f64 = 0;
  let latest: f64 = 0;
  store<i32>(0, 0, UNKNOWN_INTERFACES);
  while (rows < most) {
    at = line(at, row, mark);
    if (at === 0) break;
    store<i32>(mark, at, MARK_END * 4);
    const isRefused = load<u8>(mark, MARK_TOLD * 4) === ACTION_REJECT;
    if (isRefused) rejects++;
    if (isRefused && apart) {
      store<i32>(refused, row);
      refused += 4;
    } else {
      store<i32>(accepted, row);
      accepted += 4;
    }
    packets += load<f64>(row, PACKET_DELTA_COUNT * 4);
    octets += load<f64>(row, OCTET_DELTA_COUNT * 4);
    latest = max(latest, load<f64>(row, FLOW_END_MILLISECONDS * 4));
    row += rowOctets;
    mark += MARK_OCTETS;
    rows++;
  }
  store<f64>(0, packets, PACKETS);
  store<f64>(0, octets, OCTETS);
  store<f64>(0, latest, LATEST_MILLISECONDS);
  store<i32>(0, (accepted - ACCEPTED_LIST) >> 2, ACCEPTED_COUNT);
  store<i32>(0, (refused - REFUSED_LIST) >> 2, REFUSED_COUNT);
  store<i32>(0, rejects, REFUSED);
  return rows;
}

/** Learns the number of an interface, by its ID. */
export function learn(from: i32, to: i32, number: i32): void {
  const length = to - from;
  if (length > MOST_ID) return;
  const place = placeOf(to);
  store<u64>(place, load<u64>(from));
  store<u64>(place, length > 16 ? load<u64>(from, 8) : 0, INTERFACE_SECOND);
  store<u64>(place, load<u64>(to - 8), INTERFACE_LAST);
  store<i32>(place, length, INTERFACE_LENGTH);
  store<i32>(place, number, INTERFACE_NUMBER);
}

/** Where an ID may be known. Another one may stand there: then it is not. */
function placeOf(to: i32): i32 {
  // The last octets of an ID are random, and enough.
  const hash = load<u64>(to - 8) * 0x9e3779b97f4a7c15;
  return INTERFACES + <i32>(hash >> (64 - INTERFACE_PLACES_BITS)) * INTERFACE_OCTETS;
}

/** @returns the number of an interface; 0: not known */
function numberOf(from: i32, to: i32): i32 {
  const length = to - from;
  const place = placeOf(to);
  // Together these are all octets of an ID that was learned.
  return load<u64>(place) === load<u64>(from) &&
    load<u64>(place, INTERFACE_LAST) === load<u64>(to - 8) &&
    load<i32>(place, INTERFACE_LENGTH) === length &&
    (length <= 16 || load<u64>(place, INTERFACE_SECOND) === load<u64>(from, 8))
    ? load<i32>(place, INTERFACE_NUMBER)
    : 0;
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
  let number = 0;
  if (interfaceTo > interfaceFrom) {
    number = numberOf(interfaceFrom, interfaceTo);
    if (number === 0) store<i32>(0, load<i32>(UNKNOWN_INTERFACES) + 1, UNKNOWN_INTERFACES);
  }
  const isEgress = direction === DIRECTION_EGRESS;
  store<i32>(row, isEgress ? 0 : number, INGRESS_INTERFACE);
  store<i32>(row, isEgress ? number : 0, EGRESS_INTERFACE * 4);
  store<i32>(mark, number, MARK_INTERFACE * 4);
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
