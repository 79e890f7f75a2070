/** The oracle reads a link header: Ethernet, cooked, loopback and raw, VLAN tags, MPLS labels, PPPoE and LLC/SNAP. */

import type { CapturedFrame } from './capture.ts';

/** The names of src/packet/packet-view.ts's IGNORED_REASONS; but those of the meter. */
export type Reason =
  | 'not_ip'
  | 'truncated_link_header'
  | 'unknown_link_type'
  | 'truncated_ip_header'
  | 'bad_ip_version'
  | 'bad_ip_header_length'
  | 'bad_ip_length';

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const VLAN_ETHERTYPES = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300];
const MPLS_ETHERTYPES = [0x8847, 0x8848];
const ETHERTYPE_PPPOE_SESSION = 0x8864;
/** An Ethernet type up to here is a length, and LLC follows (IEEE 802.3 §3.2.6). */
const LARGEST_LENGTH = 1500;
/** The SLL protocol type for LLC; smaller numbers than EtherTypes mean other things there. */
const SLL_LLC = 0x0004;

/** Where the IP header begins, and what stands before it. */
export interface Link {
  /** 4 or 6, as the link says; undefined: it does not say. */
  readonly promised: 4 | 6 | undefined;
  readonly offset: number;
  readonly vlans: readonly number[];
  readonly labels: readonly string[];
  readonly macs?: Macs | undefined;
}

export interface Macs {
  readonly source: string;
  readonly destination: string;
}

/** What stands before the IP header, or why there is none to be read. */
export function readLink(frame: CapturedFrame): Link | Reason {
  const { captured, linkType } = frame;
  const bare = { vlans: [], labels: [] };
  switch (linkType) {
    case 1: {
      if (captured.length < 14) return 'truncated_link_header';
      const macs = { destination: mac(captured.subarray(0, 6)), source: mac(captured.subarray(6, 12)) };
      const type = captured.readUInt16BE(12);
      const link = type <= LARGEST_LENGTH ? readLlc(captured, 14) : readTags(captured, type, 14);
      return typeof link === 'string' ? link : { ...link, macs };
    }
    case 113:
      return captured.length < 16
        ? 'truncated_link_header'
        : readSll(captured, captured.readUInt16BE(14), 16);
    case 276:
      return captured.length < 20 ? 'truncated_link_header' : readSll(captured, captured.readUInt16BE(0), 20);
    case 12:
    case 14:
    case 101:
      return { ...bare, promised: undefined, offset: 0 };
    case 228:
      return { ...bare, promised: 4, offset: 0 };
    case 229:
      return { ...bare, promised: 6, offset: 0 };
    case 0:
    case 108: {
      if (captured.length < 4) return 'truncated_link_header';
      // An address family of the capturing system, in its byte order (LOOP: always network byte order).
      const families = [captured.readUInt32BE(0)];
      if (linkType === 0) families.push(captured.readUInt32LE(0));
      if (families.includes(2)) return { ...bare, promised: 4, offset: 4 };
      const isIpv6 = [10, 24, 28, 30].some((family) => families.includes(family));
      return isIpv6 ? { ...bare, promised: 6, offset: 4 } : 'not_ip';
    }
    default:
      return 'unknown_link_type';
  }
}

function readSll(captured: Buffer, protocol: number, at: number): Link | Reason {
  return protocol === SLL_LLC ? readLlc(captured, at) : readTags(captured, protocol, at);
}

/** RFC 1042: the LLC header aa aa 03, the organisation 00 00 00, an EtherType. */
function readLlc(captured: Buffer, at: number): Link | Reason {
  const header = captured.subarray(at, at + 8);
  if (header.length < 3) return 'truncated_link_header';
  if (header.toString('hex', 0, 3) !== 'aaaa03') return 'not_ip';
  if (header.length < 8) return 'truncated_link_header';
  if (header.toString('hex', 3, 6) !== '000000') return 'not_ip';
  return readTags(captured, header.readUInt16BE(6), at + 8);
}

/** Any number of VLAN tags, then IP, MPLS labels or PPPoE. `type` is the EtherType of what begins at `from`. */
function readTags(captured: Buffer, firstType: number, from: number): Link | Reason {
  let type = firstType;
  let at = from;
  const vlans: number[] = [];
  while (VLAN_ETHERTYPES.includes(type)) {
    if (captured.length < at + 4) return 'truncated_link_header';
    vlans.push(captured.readUInt16BE(at) & 0x0fff);
    type = captured.readUInt16BE(at + 2);
    at += 4;
  }
  if (type === ETHERTYPE_IPV4) return { promised: 4, offset: at, vlans, labels: [] };
  if (type === ETHERTYPE_IPV6) return { promised: 6, offset: at, vlans, labels: [] };
  if (MPLS_ETHERTYPES.includes(type)) return readLabels(captured, at, vlans);
  if (type === ETHERTYPE_PPPOE_SESSION) return readPppoe(captured, at, vlans);
  if (vlans.length > 0 && type <= LARGEST_LENGTH) {
    const link = readLlc(captured, at);
    return typeof link === 'string' ? link : { ...link, vlans: [...vlans, ...link.vlans] };
  }
  return 'not_ip';
}

/** RFC 3032 §2.1. Labels do not say what they carry; the first nibble behind them does (RFC 4928 §3). */
function readLabels(captured: Buffer, from: number, vlans: readonly number[]): Link | Reason {
  const labels: string[] = [];
  for (let at = from; captured.length >= at + 4; at += 4) {
    labels.push(captured.toString('hex', at, at + 3));
    if ((captured.readUInt8(at + 2) & 1) === 0) continue;
    const offset = at + 4;
    if (captured.length === offset) break;
    const nibble = captured.readUInt8(offset) >> 4;
    return nibble === 4 || nibble === 6 ? { promised: nibble, offset, vlans, labels } : 'not_ip';
  }
  return 'truncated_link_header';
}

/** RFC 2516 §4: version and type 1, code 0, session, length; then PPP's protocol, 21 or 57 for IP. */
function readPppoe(captured: Buffer, at: number, vlans: readonly number[]): Link | Reason {
  if (captured.length < at + 8) return 'truncated_link_header';
  if (captured.readUInt16BE(at) !== 0x1100) return 'not_ip';
  const protocol = captured.readUInt16BE(at + 6);
  if (protocol === 0x0021) return { promised: 4, offset: at + 8, vlans, labels: [] };
  if (protocol === 0x0057) return { promised: 6, offset: at + 8, vlans, labels: [] };
  return 'not_ip';
}

function mac(octets: Buffer): string {
  return [...octets].map((octet) => octet.toString(16).padStart(2, '0')).join(':');
}
