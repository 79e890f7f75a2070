/**
 * The Flow Record: one fixed binary record, declared once.
 *
 * A slot of the flow table is such a record, and a Template is compiled into copies out of it.
 * The head is the same for every record; the Flow Key follows it (IPv4 5 words, IPv6 11; 4 more where tunnels are
 * opened), then, with `--fields full`, the extension, and, where the routes are known, what they say. A plain IPv4
 * record is 16 words: one cache line.
 *
 * Integers are in the host's byte order, which must be little-endian (x86-64, arm64; checked at start);
 * fields of kind `network` lie as they were on the wire and are copied without change.
 */

import type { Tunnel } from '../packet/decapsulator.ts';
import { ENDPOINT, GRE_KEY, SEGMENT, TUNNEL_WORDS } from '../packet/tunnel-key.ts';
import {
  FLAGS,
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  KEY,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
} from './record-head.ts';
import type { SharedMemory } from './shared-memory.ts';
import {
  TCP_FLAGS,
  TCP_LEAST_WINDOW,
  TCP_OUT_OF_ORDER,
  TCP_RETRANSMITTED,
  TCP_ROUND_TRIP,
  TCP_WORDS,
  TCP_ZERO_WINDOWS,
} from './tcp-state.ts';

export { SEGMENT_VXLAN } from '../packet/tunnel-key.ts';
export {
  FLAGS,
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  KEY,
  LAST_TICK,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
  START_TICK,
} from './record-head.ts';

/** Words of a Flow Key: ports, protocol · DSCP · VLAN, ingressInterface, then the addresses; as in packet-layout.ts. */
export const KEY_WORDS_IPV4 = 5;
export const KEY_WORDS_IPV6 = 11;

/** flowEndReason (IANA 136). */
export const FlowEndReason = {
  IDLE_TIMEOUT: 1,
  ACTIVE_TIMEOUT: 2,
  END_OF_FLOW: 3,
  FORCED_END: 4,
  LACK_OF_RESOURCES: 5,
} as const;

/**
 * How a field lies in a record. `network`: octets as on the wire; `segment`: as SEGMENT of tunnel-key.ts; `string`: where
 * its octets, encoded, begin among the layout's strings; the others little-endian.
 */
export type FieldKind = 'network' | 'segment' | 'string' | 'uint8' | 'uint16' | 'uint32' | 'float64';

export interface FlowField {
  /** Octets from the start of the record. */
  readonly offset: number;
  readonly kind: FieldKind;
  /** Octets. */
  readonly size: number;
}

/** The layout of one kind of record, chosen at start. */
export interface FlowLayout {
  readonly ipVersion: 4 | 6;
  readonly keyWords: number;
  /** First word of the extension for `--fields full`; 0: there is none. */
  readonly extension: number;
  /** First word of what the routes say; 0: nothing. */
  readonly route: number;
  /** First word of what a record of one direction says of ports, interface, VLAN and addresses: the Flow Key, or beside it. */
  readonly identity: number;
  /** Biflows: words from the record of the forward direction to that of the reverse one; 0: there is none. */
  readonly reverse: number;
  /** Biflows: the layout of either direction's record alone. */
  readonly uniflow: FlowLayout | undefined;
  /** Words of a whole record; even. */
  readonly words: number;
  /** By the name of its Information Element (elements.ts). */
  readonly fields: ReadonlyMap<string, FlowField>;
  /** What fields of kind `string` point into: octets of length (RFC 7011 §7), then the string's. At 0 is the empty string. */
  readonly strings?: Uint8Array | undefined;
}

/** One Flow Record on its way out. Reused: valid only during {@link RecordReceiver.record}. */
export interface FlowRecord {
  readonly layout: FlowLayout;
  /** The memory that holds the record … */
  readonly view: DataView;
  /** … which begins at this octet. */
  readonly offset: number;
}

/** Flow Records that leave together, of one layout and in memory that WebAssembly shares. Reused, as {@link FlowRecord}. */
export interface RecordBatch {
  /** Of records of one direction. */
  readonly layout: FlowLayout;
  readonly shared: SharedMemory;
  /** All of the memory … */
  readonly view: DataView;
  /** … and in it, where each record begins, in octets. */
  readonly list: Uint32Array;
  count: number;
}

/** Who takes Flow Records: the Exporting Processes. Called synchronously. */
export interface RecordReceiver {
  record(record: FlowRecord): void;
  /** Takes several at once; where there is none, `record` takes each. */
  records?(batch: RecordBatch): void;
}

/** Fields of tunnels, where records have them. */
export const TUNNEL_FIELDS = ['layer2SegmentId', 'greKey', 'observationPointId'] as const;

/** Words of the extension, from its start. */
export const EXT_SOURCE_MAC = 0; // 6 octets, destination follows at octet 6: three words together
export const EXT_VLAN = 3; // dot1qCustomerVlanId (uint16) | minimumTTL (uint8) « 16 | maximumTTL (uint8) « 24
export const EXT_MPLS_TOP = 4;
export const EXT_MPLS_SECOND = 5;
export const EXT_FLOW_LABEL = 6;
export const EXT_FRAGMENT = 7; // fragmentIdentification of the record's last fragment
export const EXT_SYN_FIN = 8; // tcpSynTotalCount, tcpFinTotalCount, tcpRstTotalCount: uint32 each, since the flow began
export const EXT_TCP = 11; // what is known of TCP: tcp-state.ts
export const EXT_WORDS = EXT_TCP + TCP_WORDS;

/** Words of what the routes say, from its start. */
export const ROUTE_EGRESS = 0; // egressInterface
/** Prefix lengths of source (uint8) and destination (uint8) « 8 | generation of the routes (uint16) « 16 */
export const ROUTE_PREFIX_LENGTHS = 1;
export const ROUTE_NEXT_HOP = 2; // as many words as an address

/**
 * Builds the layout for one IP version.
 * @param routes with egress interface, next hop and prefix lengths
 * @param tunnels those that are opened
 * @param isBiflow a record of each direction, side by side; the fields of the reverse one are named as RFC 5103 §6.1 has it
 */
export function flowLayout(
  ipVersion: 4 | 6,
  fieldSet: 'standard' | 'full',
  routes = false,
  tunnels: readonly Tunnel[] = [],
  isBiflow = false,
): FlowLayout {
  const plainKeyWords = ipVersion === 4 ? KEY_WORDS_IPV4 : KEY_WORDS_IPV6;
  const keyWords = plainKeyWords + (tunnels.length > 0 ? TUNNEL_WORDS : 0);
  const address = ipVersion === 4 ? 4 : 16;
  const identity = isBiflow ? KEY + keyWords : KEY;
  const key = identity * 4;
  const addresses = key + 12;
  const fields = new Map<string, FlowField>();
  const field = (name: string, offset: number, kind: FieldKind, size: number) =>
    fields.set(name, { offset, kind, size });

  field('octetDeltaCount', OCTET_DELTA_COUNT * 4, 'float64', 8);
  field('packetDeltaCount', PACKET_DELTA_COUNT * 4, 'float64', 8);
  field('flowStartMilliseconds', FLOW_START_MILLISECONDS * 4, 'float64', 8);
  field('flowEndMilliseconds', FLOW_END_MILLISECONDS * 4, 'float64', 8);
  field('tcpControlBits', FLAGS * 4, 'uint16', 2);
  field('ipClassOfService', FLAGS * 4 + 2, 'uint8', 1);
  field('flowEndReason', FLAGS * 4 + 3, 'uint8', 1);
  field('destinationTransportPort', key, 'uint16', 2);
  field('sourceTransportPort', key + 2, 'uint16', 2);
  field('protocolIdentifier', key + 4, 'uint8', 1);
  field('vlanId', key + 6, 'uint16', 2);
  field('ingressInterface', key + 8, 'uint32', 4);
  field(`sourceIPv${ipVersion}Address`, addresses, 'network', address);
  field(`destinationIPv${ipVersion}Address`, addresses + address, 'network', address);

  const tunnel = (identity + plainKeyWords) * 4;
  if (tunnels.includes('vxlan') || tunnels.includes('geneve')) {
    field('layer2SegmentId', tunnel + SEGMENT * 4, 'segment', 4);
  }
  if (tunnels.includes('gre')) field('greKey', tunnel + GRE_KEY * 4, 'uint32', 4);
  if (tunnels.includes('geneve')) field('observationPointId', tunnel + ENDPOINT * 4, 'network', 8);

  let words = identity + keyWords;
  let extension = 0;
  if (fieldSet === 'full') {
    extension = words;
    const at = extension * 4;
    field('sourceMacAddress', at, 'network', 6);
    field('destinationMacAddress', at + 6, 'network', 6);
    field('dot1qCustomerVlanId', at + EXT_VLAN * 4, 'uint16', 2);
    field('minimumTTL', at + EXT_VLAN * 4 + 2, 'uint8', 1);
    field('maximumTTL', at + EXT_VLAN * 4 + 3, 'uint8', 1);
    field('mplsTopLabelStackSection', at + EXT_MPLS_TOP * 4, 'uint32', 4);
    field('mplsLabelStackSection2', at + EXT_MPLS_SECOND * 4, 'uint32', 4);
    field('flowLabelIPv6', at + EXT_FLOW_LABEL * 4, 'uint32', 4);
    field('fragmentIdentification', at + EXT_FRAGMENT * 4, 'uint32', 4);
    field('tcpSynTotalCount', at + EXT_SYN_FIN * 4, 'uint32', 4);
    field('tcpFinTotalCount', at + (EXT_SYN_FIN + 1) * 4, 'uint32', 4);
    field('tcpRstTotalCount', at + (EXT_SYN_FIN + 2) * 4, 'uint32', 4);
    const tcp = at + EXT_TCP * 4;
    field('TCP_HANDSHAKE_RTT_USEC', tcp + TCP_ROUND_TRIP * 4, 'uint32', 4);
    field('RETRANSMITTED_IN_PKTS', tcp + TCP_RETRANSMITTED * 4, 'uint32', 4);
    field('OOORDER_OUT_PKTS', tcp + TCP_OUT_OF_ORDER * 4, 'uint32', 4);
    field('TCP_WIN_MIN_IN', tcp + TCP_LEAST_WINDOW * 4, 'uint16', 2);
    field('tcpZeroWindowDeltaCount', tcp + TCP_ZERO_WINDOWS * 4, 'uint32', 4);
    field('initialTCPFlags', tcp + TCP_FLAGS * 4, 'uint8', 1);
    field('unionTCPFlags', tcp + TCP_FLAGS * 4 + 2, 'uint8', 1);
    words += EXT_WORDS;
  }
  let route = 0;
  if (routes) {
    route = words;
    const at = route * 4;
    field('egressInterface', at + ROUTE_EGRESS * 4, 'uint32', 4);
    field(`sourceIPv${ipVersion}PrefixLength`, at + ROUTE_PREFIX_LENGTHS * 4, 'uint8', 1);
    field(`destinationIPv${ipVersion}PrefixLength`, at + ROUTE_PREFIX_LENGTHS * 4 + 1, 'uint8', 1);
    field(`ipNextHopIPv${ipVersion}Address`, at + ROUTE_NEXT_HOP * 4, 'network', address);
    words += ROUTE_NEXT_HOP + address / 4;
  }
  words += words % 2;
  const uniflow = {
    ipVersion,
    keyWords,
    extension,
    route,
    identity,
    reverse: 0,
    uniflow: undefined,
    words,
    fields,
  };
  if (!isBiflow) return uniflow;
  const both = new Map(fields);
  for (const [name, { offset, kind, size }] of fields) {
    both.set(REVERSE_NAMES.get(name) ?? reverseName(name), { offset: offset + words * 4, kind, size });
  }
  return { ...uniflow, reverse: words, uniflow, words: words * 2, fields: both };
}

/** ntop has names of its own for the other direction (elements.ts). */
const REVERSE_NAMES: ReadonlyMap<string, string> = new Map([
  ['RETRANSMITTED_IN_PKTS', 'RETRANSMITTED_OUT_PKTS'],
  ['OOORDER_OUT_PKTS', 'OOORDER_IN_PKTS'],
  ['TCP_WIN_MIN_IN', 'TCP_WIN_MIN_OUT'],
]);

/** `reverseOctetDeltaCount` of `octetDeltaCount`. */
function reverseName(name: string): string {
  return `reverse${name[0]!.toUpperCase()}${name.slice(1)}`;
}
