/** Frames → rows of packets (packet-layout.ts), until one that is not plain, or until there are enough of them. */
import {
  ADDRESSES,
  CONTROL,
  INGRESS_INTERFACE,
  IP_OCTETS,
  MILLISECONDS,
  PACKETS,
  PORTS,
  PROTOCOL,
} from '../../packet/packet-layout.ts';
import { FRAMES, PENDING } from './plain-state.ts';
import { batch, ROW, rows } from './setting.ts';

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

/**
 * Classic pcap, little-endian, records of 16 octets of header.
 * @param fractions of a second, in a millisecond
 * @returns where the first record stands that was not taken
 */
export function fillFromPcap(from: i32, end: i32, ingressInterface: i32, fractions: u32): i32 {
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
export function fillFromRing(
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
