/**
 * The short way of plain packets, in WebAssembly: AssemblyScript, compiled by scripts/build-assembly.mjs.
 *
 * Plain is what nearly every packet is: an Ethernet frame, with one VLAN tag or none, with IPv4 or IPv6, without options,
 * extension headers or fragments, and TCP, UDP or ICMP; whose flow has a record open that goes on, or begins. Whatever else comes is left where it stands for the code around (packet/,
 * flow-table.ts), which this file repeats in no decision: it only knows when there is none to take.
 *
 *   takePcap, takeRing   again and again:
 *     fillFrom…            frames → rows (packet-layout.ts), until one that is not plain, or enough of them
 *     lookUp               hashes the rows' keys, and touches what they will meet, side by side
 *     count                rows → records of the flow table, until one that does more
 *
 * The memory, and what stands where in it, is plain-packets.ts's. Addresses are octets, so words are times 4.
 */

import {
  ADDRESSES,
  CONTROL,
  INGRESS_INTERFACE,
  IP_OCTETS,
  MILLISECONDS,
  PACKET_HASH,
  PACKET_WORDS,
  PACKETS,
  PORTS,
  PROTOCOL,
} from '../../packet/packet-layout.ts';
import { ENDED, FIN, LIVE, OPEN, RST, VALUES } from '../entry-state.ts';
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
import {
  BEGUN_IPV4,
  BEGUN_IPV6,
  COUNTED_OCTETS,
  COUNTED_PACKETS,
  FRAMES,
  GREATEST,
  PENDING,
  STOPPED,
  TICK,
  TICK_MILLISECONDS,
  TOUCHED,
} from './plain-state.ts';

/** Octets of a row. */
const ROW: i32 = PACKET_WORDS * 4;
/** Octets of a tpacket3_hdr and the sockaddr_ll behind it. */
const RING_HEADER: i32 = 68;
const PACKET_OUTGOING: u8 = 4;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
/** EtherTypes, as they lie in memory. */
const ETHERTYPE_IPV4: u16 = 0x0008;
const ETHERTYPE_IPV6: u16 = 0xdd86;
const ETHERTYPE_VLAN: u16 = 0x0081;
/** capture-format.ts: a record that claims more is corrupt. */
const MAX_CAPTURED_OCTETS: u32 = 262_144;
/** Octets of IPv4's Flow Key. */
const KEY_IPV4: i32 = 20;

let rows: i32 = 0;
/** Rows that are looked up together. */
let batch: i32 = 0;
/** A slot a row that may be its flow's, or -1: int32s. */
let candidates: i32 = 0;
let seed0: u32 = 0;
let seed1: u32 = 0;
/** No deadline of a record can have passed within so many ticks of its start. */
let soonest: i32 = 0;
/** The clock is the packets'. */
let byPacketTime: bool = false;

/** Most flows of both tables. */
let mostFlows: i32 = 0;

/** The two tables: where their state (table-state.ts) begins, and where records, and entries of the index, begin; octets of a record and of a key; the index's mask. */
let state4: i32 = 0;
let state6: i32 = 0;
let records4: i32 = 0;
let records6: i32 = 0;
let stride4: i32 = 0;
let stride6: i32 = 0;
let keyOctets4: i32 = 0;
let keyOctets6: i32 = 0;
let entries4: i32 = 0;
let entries6: i32 = 0;
let mask4: i32 = 0;
let mask6: i32 = 0;

export function setRows(at: i32, most: i32, slots: i32): void {
  rows = at;
  batch = most;
  candidates = slots;
}

export function setMetering(
  firstSeed: i32,
  secondSeed: i32,
  ticks: i32,
  isPacketTime: bool,
  flows: i32,
): void {
  mostFlows = flows;
  seed0 = firstSeed;
  seed1 = secondSeed;
  soonest = ticks;
  byPacketTime = isPacketTime;
}

export function setTable(ipVersion: i32, state: i32, records: i32, recordOctets: i32, keyOctets: i32): void {
  if (ipVersion === 4) {
    state4 = state;
    records4 = records;
    stride4 = recordOctets;
    keyOctets4 = keyOctets;
  } else {
    state6 = state;
    records6 = records;
    stride6 = recordOctets;
    keyOctets6 = keyOctets;
  }
}

export function setIndex(ipVersion: i32, entries: i32, mask: i32): void {
  if (ipVersion === 4) {
    entries4 = entries;
    mask4 = mask;
  } else {
    entries6 = entries;
    mask6 = mask;
  }
}

// ---- frames → rows ----

/**
 * Classic pcap, little-endian, records of 16 octets of header.
 * @param fractions of a second, in a millisecond
 * @returns where the first record stands that was not taken
 */
export function takePcap(from: i32, end: i32, ingressInterface: i32, fractions: u32): i32 {
  let at = from;
  do at = fillFromPcap(at, end, ingressInterface, fractions);
  while (load<i32>(PENDING) === batch && countBatch());
  return at;
}

function fillFromPcap(from: i32, end: i32, ingressInterface: i32, fractions: u32): i32 {
  let at = from;
  let pending = load<i32>(PENDING);
  const before = pending;
  let row = rows + pending * ROW;
  const inSecond = fractions * 1000;
  while (pending < batch && end - at >= 16) {
    const captured = load<u32>(at, 8);
    const fraction = load<u32>(at, 4);
    if (captured > <u32>(end - at - 16) || captured > MAX_CAPTURED_OCTETS || fraction >= inSecond) break;
    if (!fill(at + 16, captured, load<u32>(at, 12), -1, ingressInterface, row)) break;
    store<f64>(row, <f64>load<u32>(at) * 1000 + <f64>(fraction / fractions), MILLISECONDS * 4);
    at += 16 + captured;
    row += ROW;
    pending++;
  }
  store<i32>(PENDING, pending);
  store<i32>(FRAMES, load<i32>(FRAMES) + pending - before);
  return at;
}

/**
 * Frames of a block of a TPACKET_V3 ring, little-endian (capture/ring-blocks.ts says what stands where).
 * @param left frames from there on
 * @param outgoing whether frames that this host sends are wanted, and no others
 * @param vnetHeader whether a virtio_net_hdr stands in front of each
 * @returns where the header of the first frame stands that was not taken
 */
export function takeRing(
  from: i32,
  end: i32,
  left: i32,
  ingressInterface: i32,
  outgoing: bool,
  vnetHeader: bool,
): i32 {
  let at = from;
  const last = load<i32>(FRAMES) + left;
  do at = fillFromRing(at, end, last - load<i32>(FRAMES), ingressInterface, outgoing, vnetHeader);
  while (load<i32>(PENDING) === batch && countBatch());
  return at;
}

function fillFromRing(
  from: i32,
  end: i32,
  left: i32,
  ingressInterface: i32,
  outgoing: bool,
  vnetHeader: bool,
): i32 {
  let at = from;
  let pending = load<i32>(PENDING);
  const most = min(batch, pending + left);
  const before = pending;
  let row = rows + pending * ROW;
  while (pending < most && end - at >= RING_HEADER) {
    const captured = load<u32>(at, 12);
    const frame = at + <i32>load<u16>(at, 24);
    const next = load<i32>(at);
    if (frame > end || captured > <u32>(end - frame) || (load<u8>(at, 58) === PACKET_OUTGOING) !== outgoing)
      break;
    // The last of the block leads nowhere.
    if (pending - before + 1 < left && (next < RING_HEADER || next > end - at || (next & 3) !== 0)) break;
    if (vnetHeader && (load<u8>(frame - 9) & 0x7f) !== 0) break;
    const vlan = (load<u32>(at, 20) & TP_STATUS_VLAN_VALID) !== 0 ? load<i32>(at, 32) & 0xfff : -1;
    if (!fill(frame, captured, load<u32>(at, 16), vlan, ingressInterface, row)) break;
    store<f64>(row, <f64>load<u32>(at, 4) * 1000 + <f64>(load<u32>(at, 8) / 1_000_000), MILLISECONDS * 4);
    at += next;
    row += ROW;
    pending++;
  }
  store<i32>(PENDING, pending);
  store<i32>(FRAMES, load<i32>(FRAMES) + pending - before);
  return at;
}

/**
 * Writes a row, if the frame is a plain packet's: what records of `--fields standard` want of it, and no more.
 * @param stripped VLAN identifier of the tag that the kernel has taken off; -1: none
 */
function fill(frame: i32, captured: u32, wire: u32, stripped: i32, ingressInterface: i32, row: i32): bool {
  if (captured < 18 || wire < 18) return false;
  let link: u32 = 14;
  let type = load<u16>(frame, 12);
  let vlan: u32 = max(stripped, 0);
  if (type === ETHERTYPE_VLAN && stripped < 0) {
    vlan = bswap<u16>(load<u16>(frame, 14)) & 0x0fff;
    type = load<u16>(frame, 16);
    link = 18;
  }
  const ip = frame + link;
  if (type === ETHERTYPE_IPV4) {
    if (!fillIpv4(ip, captured - link, wire - link, vlan << 16, row)) return false;
  } else if (type === ETHERTYPE_IPV6) {
    if (!fillIpv6(ip, captured - link, wire - link, vlan << 16, row)) return false;
  } else return false;
  store<u32>(row, ingressInterface, INGRESS_INTERFACE * 4);
  store<u32>(row, 1, PACKETS * 4);
  return true;
}

/** @param captured octets from `ip` on @param wire those that the wire had */
function fillIpv4(ip: i32, captured: u32, wire: u32, vlan: u32, row: i32): bool {
  if (captured < 20 || wire < 20) return false;
  const first = load<u32>(ip);
  // Version 4, five words of header.
  if ((first & 0xff) !== 0x45) return false;
  const total: u32 = bswap<u16>(<u16>(first >> 16));
  if (total < 20 || total > wire) return false;
  const second = load<u32>(ip, 4);
  // A fragment, or the first of several.
  if ((second & 0xff3f0000) !== 0) return false;
  const third = load<u32>(ip, 8);
  const protocol = (third >> 8) & 0xff;
  // Padding is none of the packet, though it was captured.
  const octets = min(captured, total) - 20;
  const control = transport(protocol, 1, ip + 20, octets, row);
  if (control < 0) return false;
  store<u32>(row, protocol | (first & 0xfc00) | vlan, PROTOCOL * 4);
  store<u64>(row, load<u64>(ip, 12), ADDRESSES * 4);
  store<u32>(row, total, IP_OCTETS * 4);
  store<u32>(row, control | ((first << 8) & 0xff0000) | (4 << 24), CONTROL * 4);
  return true;
}

/** As {@link fillIpv4}; without extension headers. */
function fillIpv6(ip: i32, captured: u32, wire: u32, vlan: u32, row: i32): bool {
  if (captured < 40) return false;
  const first = bswap(load<u32>(ip));
  if (first >> 28 !== 6) return false;
  const payload: u32 = bswap<u16>(load<u16>(ip, 4));
  if (payload === 0 || payload + 40 > wire) return false;
  const protocol: u32 = load<u8>(ip, 6);
  const octets = min(captured - 40, payload);
  const control = transport(protocol, 58, ip + 40, octets, row);
  if (control < 0) return false;
  const classOfService = (first >> 20) & 0xff;
  store<u32>(row, protocol | ((classOfService & 0xfc) << 8) | vlan, PROTOCOL * 4);
  v128.store(row, v128.load(ip, 8), ADDRESSES * 4);
  v128.store(row, v128.load(ip, 24), ADDRESSES * 4 + 16);
  store<u32>(row, payload + 40, IP_OCTETS * 4);
  store<u32>(row, control | (classOfService << 16) | (6 << 24), CONTROL * 4);
  return true;
}

/**
 * Writes a row's ports, or ICMP's type and code.
 * @param icmp the protocol of ICMP
 * @param octets captured of header and payload
 * @returns tcpControlBits; -1: not plain
 */
function transport(protocol: u32, icmp: u32, at: i32, octets: u32, row: i32): i32 {
  let ports: u32;
  let control: i32 = 0;
  if (protocol === 6) {
    if (octets < 14) return -1;
    ports = bswap(load<u32>(at));
    control = bswap<u16>(load<u16>(at, 12)) & 0x0fff;
  } else if (protocol === 17) {
    if (octets < 4) return -1;
    ports = bswap(load<u32>(at));
  } else if (protocol === icmp) {
    if (octets < 2) return -1;
    ports = bswap<u16>(load<u16>(at));
  } else return -1;
  store<u32>(row, ports, PORTS * 4);
  return control;
}

// ---- rows → records ----

/** @returns false where a row was left, {@link STOPPED}: it, and those behind it, are for the code around */
function countBatch(): bool {
  lookUp();
  const stopped = count(0);
  store<i32>(STOPPED, stopped);
  if (stopped < batch) return false;
  store<i32>(PENDING, 0);
  return true;
}

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

/** hash.ts: HalfSipHash-1-3, of a row's key. */
function hashOne(row: i32): void {
  const octets = load<u8>(row, CONTROL * 4 + 3) === 4 ? keyOctets4 : keyOctets6;
  let v0 = seed0;
  let v1 = seed1;
  let v2 = 0x6c796765 ^ v0;
  let v3 = 0x74656462 ^ v1;
  for (let i = 0; i < octets + 12; i += 4) {
    const word: u32 = i < octets ? load<u32>(row + i) : 0;
    if (i === octets) v2 ^= 0xff;
    v3 ^= word;
    v0 += v1;
    v1 = rotl(v1, 5) ^ v0;
    v0 = rotl(v0, 16);
    v2 += v3;
    v3 = rotl(v3, 8) ^ v2;
    v0 += v3;
    v3 = rotl(v3, 7) ^ v0;
    v2 += v1;
    v1 = rotl(v1, 13) ^ v2;
    v2 = rotl(v2, 16);
    v0 ^= word;
  }
  store<u32>(row, v1 ^ v3, PACKET_HASH * 4);
}

/** The same, of four rows at once, whose keys are of one length. */
function hashFour(row: i32, octets: i32): void {
  let v0 = i32x4.splat(seed0);
  let v1 = i32x4.splat(seed1);
  let v2 = v128.xor(v0, i32x4.splat(0x6c796765));
  let v3 = v128.xor(v1, i32x4.splat(0x74656462));
  let word: v128;
  for (let i = 0; i < octets; i += 4) {
    word = v128.load32_zero(row + i);
    word = v128.load_lane<u32>(row + ROW + i, word, 1);
    word = v128.load_lane<u32>(row + 2 * ROW + i, word, 2);
    word = v128.load_lane<u32>(row + 3 * ROW + i, word, 3);
    v3 = v128.xor(v3, word);
    v0 = i32x4.add(v0, v1);
    v1 = v128.xor(v128.or(i32x4.shl(v1, 5), i32x4.shr_u(v1, 27)), v0);
    v0 = i8x16.shuffle(v0, v0, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v2 = i32x4.add(v2, v3);
    v3 = v128.xor(i8x16.shuffle(v3, v3, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14), v2);
    v0 = i32x4.add(v0, v3);
    v3 = v128.xor(v128.or(i32x4.shl(v3, 7), i32x4.shr_u(v3, 25)), v0);
    v2 = i32x4.add(v2, v1);
    v1 = v128.xor(v128.or(i32x4.shl(v1, 13), i32x4.shr_u(v1, 19)), v2);
    v2 = i8x16.shuffle(v2, v2, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v0 = v128.xor(v0, word);
  }
  v2 = v128.xor(v2, i32x4.splat(0xff));
  for (let i = 0; i < 3; i++) {
    v0 = i32x4.add(v0, v1);
    v1 = v128.xor(v128.or(i32x4.shl(v1, 5), i32x4.shr_u(v1, 27)), v0);
    v0 = i8x16.shuffle(v0, v0, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v2 = i32x4.add(v2, v3);
    v3 = v128.xor(i8x16.shuffle(v3, v3, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14), v2);
    v0 = i32x4.add(v0, v3);
    v3 = v128.xor(v128.or(i32x4.shl(v3, 7), i32x4.shr_u(v3, 25)), v0);
    v2 = i32x4.add(v2, v1);
    v1 = v128.xor(v128.or(i32x4.shl(v1, 13), i32x4.shr_u(v1, 19)), v2);
    v2 = i8x16.shuffle(v2, v2, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  }
  v1 = v128.xor(v1, v3);
  store<i32>(row, i32x4.extract_lane(v1, 0), PACKET_HASH * 4);
  store<i32>(row + ROW, i32x4.extract_lane(v1, 1), PACKET_HASH * 4);
  store<i32>(row + 2 * ROW, i32x4.extract_lane(v1, 2), PACKET_HASH * 4);
  store<i32>(row + 3 * ROW, i32x4.extract_lane(v1, 3), PACKET_HASH * 4);
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
