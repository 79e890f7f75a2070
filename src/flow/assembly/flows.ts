/** Rows → records of the flow tables: what flow-table.ts, flow-index.ts and timer-wheel.ts do with packets that end nothing. */
import { CONTROL, IP_OCTETS, MILLISECONDS, PACKET_HASH, PACKETS } from '../../packet/packet-layout.ts';
import { ENDED, FIN, LIVE, NO_KEY, OPEN, RST, VALUES } from '../entry-state.ts';
import {
  FLAGS,
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  GRANULE_SHIFT,
  KEY,
  LAST_TICK,
  LONGEST_PROBE,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
  START_TICK,
} from '../record-head.ts';
import {
  CAPACITY,
  FREE,
  FREE_COUNT,
  GRANULE,
  HASHES,
  INDEXED,
  LISTS,
  MAY_BEGIN,
  NEXT,
  PREVIOUS,
  USED,
} from '../table-state.ts';
import { hashFour, hashOne } from './hash.ts';
import {
  BEGUN_IPV4,
  BEGUN_IPV6,
  COUNTED_OCTETS,
  COUNTED_PACKETS,
  ENDED_OCTETS,
  ENDED_PACKETS,
  ENDED_RECORDS,
  GREATEST,
  PENDING,
  TICK,
  TICK_MILLISECONDS,
  TOUCHED,
} from './plain-state.ts';
import {
  byPacketTime,
  candidates,
  entries4,
  entries6,
  keyOctets4,
  keyOctets6,
  mask4,
  mask6,
  mostFlows,
  ROW,
  records4,
  records6,
  rows,
  soonest,
  state4,
  state6,
  stride4,
  stride6,
} from './setting.ts';

/** Octets of IPv4's Flow Key. */
const KEY_IPV4: i32 = 20;

/** Once a batch, before `count`. */
export function lookUp(): void {
  const end = rows + load<i32>(PENDING) * ROW;
  const version = load<u8>(rows, CONTROL * 4 + 3);
  let isOfOne = true;
  let at = rows;
  for (; at + 4 * ROW <= end; at += 4 * ROW) {
    if (
      load<u8>(at, CONTROL * 4 + 3) === version &&
      load<u8>(at + ROW, CONTROL * 4 + 3) === version &&
      load<u8>(at + 2 * ROW, CONTROL * 4 + 3) === version &&
      load<u8>(at + 3 * ROW, CONTROL * 4 + 3) === version
    )
      hashFour(at, version === 4 ? keyOctets4 : keyOctets6);
    else {
      isOfOne = false;
      for (let row = at; row < at + 4 * ROW; row += ROW) hashOne(row);
    }
  }
  for (; at < end; at += ROW) {
    if (load<u8>(at, CONTROL * 4 + 3) !== version) isOfOne = false;
    hashOne(at);
  }
  // Nearly every batch is of one IP version, and then no packet has to be asked.
  if (!isOfOne) lookUpMixed(end);
  else if (version === 4) lookUpIn(end, entries4, mask4, records4, stride4);
  else lookUpIn(end, entries6, mask6, records6, stride6);
}

/** Loops so short that the processor runs many of their turns at once, and fetches side by side what no cache holds. */
function lookUpIn(end: i32, entries: i32, mask: i32, records: i32, stride: i32): void {
  let touched: i32 = 0;
  for (let row = rows; row < end; row += ROW)
    touched ^= load<i32>(entries + ((load<i32>(row, PACKET_HASH * 4) & mask) << 2));
  let candidate = candidates;
  for (let row = rows; row < end; row += ROW) {
    store<i32>(candidate, first(load<u32>(row, PACKET_HASH * 4), entries, mask));
    candidate += 4;
  }
  for (let at = candidates; at < candidate; at += 4) {
    const slot = load<i32>(at);
    if (slot >= 0) touched ^= load<i32>(records + slot * stride);
  }
  store<i32>(TOUCHED, touched);
}

function lookUpMixed(end: i32): void {
  let candidate = candidates;
  for (let row = rows; row < end; row += ROW) {
    const isIpv4 = load<u8>(row, CONTROL * 4 + 3) === 4;
    const hash = load<u32>(row, PACKET_HASH * 4);
    store<i32>(candidate, isIpv4 ? first(hash, entries4, mask4) : first(hash, entries6, mask6));
    candidate += 4;
  }
}

/**
 * Counts rows from one on.
 * @returns the first that it leaves, which begins or ends something; as many as there are: none
 */
export function count(from: i32): i32 {
  const pending = load<i32>(PENDING);
  let tick = load<i32>(TICK);
  let tickMilliseconds = load<f64>(TICK_MILLISECONDS);
  let greatest = load<f64>(GREATEST);
  let packets: u32 = 0;
  let octets: u64 = 0;
  let i = from;
  for (; i < pending; i++) {
    const row = rows + i * ROW;
    const milliseconds = load<f64>(row, MILLISECONDS * 4);
    if (milliseconds > greatest) {
      if (byPacketTime) {
        const step = milliseconds - tickMilliseconds;
        if (greatest === 0 || step > 1000) break;
        const next = tick + <i32>step;
        if (next >> GRANULE_SHIFT !== tick >> GRANULE_SHIFT) break;
        tick = next;
        tickMilliseconds = milliseconds;
      }
      greatest = milliseconds;
    }
    const control = load<u32>(row, CONTROL * 4);
    const isIpv4 = control >> 24 === 4;
    let slot = load<i32>(candidates + (i << 2));
    if (slot < 0 || !holds(slot, row, isIpv4)) {
      slot = find(row, isIpv4);
      if (slot < 0) {
        if ((control & (FIN | RST)) !== 0 || !begin(row, isIpv4, tick)) break;
        packets += load<u32>(row, PACKETS * 4);
        octets += load<u32>(row, IP_OCTETS * 4);
        continue;
      }
    }
    const record = isIpv4 ? records4 + slot * stride4 : records6 + slot * stride6;
    const flags = load<u32>(record, FLAGS * 4);
    if (
      (flags & (OPEN | ENDED)) !== OPEN ||
      tick - load<i32>(record, START_TICK * 4) >= soonest ||
      (control & (FIN | RST)) !== 0
    )
      break;
    const rowOctets = load<u32>(row, IP_OCTETS * 4);
    const rowPackets = load<u32>(row, PACKETS * 4);
    store<f64>(record, load<f64>(record, OCTET_DELTA_COUNT * 4) + <f64>rowOctets, OCTET_DELTA_COUNT * 4);
    store<f64>(record, load<f64>(record, PACKET_DELTA_COUNT * 4) + <f64>rowPackets, PACKET_DELTA_COUNT * 4);
    if (milliseconds > load<f64>(record, FLOW_END_MILLISECONDS * 4))
      store<f64>(record, milliseconds, FLOW_END_MILLISECONDS * 4);
    else if (milliseconds < load<f64>(record, FLOW_START_MILLISECONDS * 4))
      store<f64>(record, milliseconds, FLOW_START_MILLISECONDS * 4);
    store<u32>(record, flags | (control & 0xffff), FLAGS * 4);
    store<i32>(record, tick, LAST_TICK * 4);
    packets += rowPackets;
    octets += rowOctets;
  }
  store<i32>(TICK, tick);
  store<f64>(TICK_MILLISECONDS, tickMilliseconds);
  store<f64>(GREATEST, greatest);
  store<f64>(COUNTED_PACKETS, load<f64>(COUNTED_PACKETS) + <f64>packets);
  store<f64>(COUNTED_OCTETS, load<f64>(COUNTED_OCTETS) + <f64>octets);
  return i;
}

/**
 * A flow begins: FlowTable's #add and #open, of a flow that neither FIN nor RST ends at once.
 * @returns false where that takes more: the table or its index is full, or the code around has a say
 */
function begin(row: i32, isIpv4: bool, tick: i32): bool {
  const state = isIpv4 ? state4 : state6;
  const entries = isIpv4 ? entries4 : entries6;
  const mask = isIpv4 ? mask4 : mask6;
  const indexed = load<i32>(state, INDEXED * 4);
  if (
    load<i32>(state, MAY_BEGIN * 4) === 0 ||
    (indexed + 1) * 2 > mask + 1 ||
    flows(state4) + flows(state6) >= mostFlows
  )
    return false;
  const hash = load<u32>(row, PACKET_HASH * 4);
  let position = hash & mask;
  let left = LONGEST_PROBE;
  while (load<i32>(entries + (position << 2)) !== 0) {
    if (--left === 0) return false;
    position = (position + 1) & mask;
  }

  let slot: i32;
  const free = load<i32>(state, FREE_COUNT * 4) - 1;
  if (free >= 0) {
    store<i32>(state, free, FREE_COUNT * 4);
    slot = load<i32>(load<i32>(state, FREE * 4) + (free << 2));
  } else {
    slot = load<i32>(state, USED * 4);
    store<i32>(state, slot + 1, USED * 4);
  }
  store<u32>(entries + (position << 2), (hash & 0xff000000) | (slot + 1));
  store<i32>(state, indexed + 1, INDEXED * 4);
  store<u32>(load<i32>(state, HASHES * 4) + (slot << 2), hash);

  const record = isIpv4 ? records4 + slot * stride4 : records6 + slot * stride6;
  memory.copy(record + KEY * 4, row, isIpv4 ? keyOctets4 : keyOctets6);
  const milliseconds = load<f64>(row, MILLISECONDS * 4);
  store<f64>(record, <f64>load<u32>(row, IP_OCTETS * 4), OCTET_DELTA_COUNT * 4);
  store<f64>(record, <f64>load<u32>(row, PACKETS * 4), PACKET_DELTA_COUNT * 4);
  store<f64>(record, milliseconds, FLOW_START_MILLISECONDS * 4);
  store<f64>(record, milliseconds, FLOW_END_MILLISECONDS * 4);
  store<u32>(record, LIVE | OPEN | (load<u32>(row, CONTROL * 4) & VALUES), FLAGS * 4);
  store<i32>(record, tick, START_TICK * 4);
  store<i32>(record, tick, LAST_TICK * 4);
  link(state, slot, tick + soonest);
  const begun = isIpv4 ? BEGUN_IPV4 : BEGUN_IPV6;
  store<i32>(begun, load<i32>(begun) + 1);
  return true;
}

function flows(state: i32): i32 {
  return load<i32>(state, USED * 4) - load<i32>(state, FREE_COUNT * 4);
}

/** TimerWheel.link. */
function link(state: i32, slot: i32, deadline: i32): void {
  const granule = load<i32>(state, GRANULE * 4);
  const ahead = (((deadline >> GRANULE_SHIFT) - granule) << GRANULE_SHIFT) >> GRANULE_SHIFT;
  const next = load<i32>(state, NEXT * 4);
  const previous = load<i32>(state, PREVIOUS * 4);
  const list = (granule + min(max(ahead, 0), LISTS - 2)) & (LISTS - 1);
  const head = load<i32>(state, CAPACITY * 4) + list;
  const last = load<i32>(previous + (head << 2));
  store<i32>(next + (slot << 2), head);
  store<i32>(previous + (slot << 2), last);
  store<i32>(next + (last << 2), slot);
  store<i32>(previous + (head << 2), slot);
}

/**
 * FlowTable's #endTogether: marks records of entries, from a slot on, as on their way out, and lists where they begin.
 * @param active timeouts, in ticks @param idle
 * @param reason flowEndReason
 * @returns the slot that it came to: behind the last of the table, or that of an entry about which there is something to decide
 */
export function endSome(
  ipVersion: i32,
  from: i32,
  most: i32,
  tick: i32,
  active: i32,
  idle: i32,
  reason: u32,
  list: i32,
): i32 {
  const state = ipVersion === 4 ? state4 : state6;
  const stride = ipVersion === 4 ? stride4 : stride6;
  const used = load<i32>(state, USED * 4);
  const next = load<i32>(state, NEXT * 4);
  const previous = load<i32>(state, PREVIOUS * 4);
  const listEnd = list + most * 4;
  let record = (ipVersion === 4 ? records4 : records6) + from * stride;
  let listed = list;
  let packets: f64 = 0;
  let octets: f64 = 0;
  let slot = from;
  for (; slot < used && listed !== listEnd; slot++, record += stride) {
    const flags = load<u32>(record, FLAGS * 4);
    if ((flags & LIVE) === 0) continue;
    if (
      (flags & (OPEN | ENDED)) !== OPEN ||
      tick - load<i32>(record, START_TICK * 4) >= active ||
      tick - load<i32>(record, LAST_TICK * 4) >= idle
    )
      break;
    const after = load<i32>(next + (slot << 2));
    const before = load<i32>(previous + (slot << 2));
    store<i32>(next + (before << 2), after);
    store<i32>(previous + (after << 2), before);
    store<u32>(record, (flags & VALUES) | (reason << 24), FLAGS * 4);
    packets += load<f64>(record, PACKET_DELTA_COUNT * 4);
    octets += load<f64>(record, OCTET_DELTA_COUNT * 4);
    store<i32>(listed, record);
    listed += 4;
  }
  store<i32>(ENDED_RECORDS, (listed - list) >> 2);
  store<f64>(ENDED_PACKETS, packets);
  store<f64>(ENDED_OCTETS, octets);
  return slot;
}

/** Frees the slots of records that were listed: FlowTable's #leave, of flows that the index has forgotten. */
export function release(ipVersion: i32, list: i32, count: i32): void {
  const state = ipVersion === 4 ? state4 : state6;
  const stride = ipVersion === 4 ? stride4 : stride6;
  const records = ipVersion === 4 ? records4 : records6;
  let free = load<i32>(state, FREE * 4) + (load<i32>(state, FREE_COUNT * 4) << 2);
  for (let at = list; at !== list + (count << 2); at += 4) {
    const record = load<i32>(at);
    store<u32>(record, 0, FLAGS * 4);
    store<u32>(record, NO_KEY, (KEY + 1) * 4);
    store<i32>(free, (record - records) / stride);
    free += 4;
  }
  store<i32>(state, load<i32>(state, FREE_COUNT * 4) + count, FREE_COUNT * 4);
}

/**
 * Puts the entries of an index into a larger one: FlowIndex's #grow, whose bound does not hold here, either.
 * @param hashes of the slots
 */
export function rehash(old: i32, oldEntries: i32, entries: i32, mask: i32, hashes: i32): void {
  for (let at = old; at < old + (oldEntries << 2); at += 4) {
    const entry = load<u32>(at);
    if (entry === 0) continue;
    let position = load<u32>(hashes + (((entry & 0xffffff) - 1) << 2)) & mask;
    while (load<u32>(entries + (position << 2)) !== 0) position = (position + 1) & mask;
    store<u32>(entries + (position << 2), entry);
  }
}

/** FlowIndex.first. */
function first(hash: u32, entries: i32, mask: i32): i32 {
  let position = hash & mask;
  for (let left = LONGEST_PROBE; left > 0; left--) {
    const entry = load<u32>(entries + (position << 2));
    if (entry === 0) return -1;
    if ((entry ^ hash) < 0x1000000) return (entry & 0xffffff) - 1;
    position = (position + 1) & mask;
  }
  return -1;
}

/** FlowTable's #find. */
function find(row: i32, isIpv4: bool): i32 {
  const entries = isIpv4 ? entries4 : entries6;
  const mask = isIpv4 ? mask4 : mask6;
  const hash = load<u32>(row, PACKET_HASH * 4);
  let position = hash & mask;
  for (let left = LONGEST_PROBE; left > 0; left--) {
    const entry = load<u32>(entries + (position << 2));
    if (entry === 0) return -1;
    if ((entry ^ hash) < 0x1000000 && holds((entry & 0xffffff) - 1, row, isIpv4))
      return (entry & 0xffffff) - 1;
    position = (position + 1) & mask;
  }
  return -1;
}

/** FlowTable's #holds. */
function holds(slot: i32, row: i32, isIpv4: bool): bool {
  const key = KEY * 4 + (isIpv4 ? records4 + slot * stride4 : records6 + slot * stride6);
  if (
    load<u32>(key) !== load<u32>(row) ||
    load<u64>(key, 4) !== load<u64>(row, 4) ||
    load<u64>(key, 12) !== load<u64>(row, 12)
  )
    return false;
  const octets = isIpv4 ? keyOctets4 : keyOctets6;
  for (let i = KEY_IPV4; i < octets; i += 4) if (load<u32>(key + i) !== load<u32>(row + i)) return false;
  return true;
}
