/** The extension of a Flow Record for `--fields full`: what is worth a second cache line only when asked for. */

import {
  CONTROL,
  CUSTOMER_VLAN,
  FLOW_LABEL,
  FRAGMENT_ID,
  FRAGMENT_MORE,
  FRAGMENT_NOT_FIRST,
  MAC_ADDRESSES,
  MPLS_SECOND,
  MPLS_TOP,
  TTL,
} from '../packet/packet-layout.ts';
import {
  EXT_FLOW_LABEL,
  EXT_FRAGMENT,
  EXT_MPLS_SECOND,
  EXT_MPLS_TOP,
  EXT_SOURCE_MAC,
  EXT_SYN_FIN,
  EXT_TCP,
  EXT_VLAN,
} from './flow-record.ts';
import { beginTcp, openTcp, updateTcp } from './tcp-insight.ts';

/**
 * A new flow: what identifies its path is taken from its first packet, and the totals begin.
 * @param at word of the extension
 * @param packets memory of the packet, which begins at word `packet`
 */
export function beginExtension(words: Int32Array, at: number, packets: Int32Array, packet: number): void {
  for (let i = 0; i < EXT_TCP; i++) words[at + i] = 0;
  beginTcp(words, at + EXT_TCP);
  for (let i = 0; i < 3; i++) words[at + EXT_SOURCE_MAC + i] = packets[packet + MAC_ADDRESSES + i]!;
  const ttl = packets[packet + TTL]! & 0xff;
  words[at + EXT_VLAN] = packets[packet + CUSTOMER_VLAN]! | (ttl << 16) | (ttl << 24);
  words[at + EXT_MPLS_TOP] = packets[packet + MPLS_TOP]!;
  words[at + EXT_MPLS_SECOND] = packets[packet + MPLS_SECOND]!;
  words[at + EXT_FLOW_LABEL] = packets[packet + FLOW_LABEL]!;
}

/** A record begins: what is counted for it does. */
export function openExtension(words: Int32Array, at: number): void {
  openTcp(words, at + EXT_TCP);
}

/**
 * Every packet, the first included.
 * @param times the memory of `packets` as float64
 */
export function updateExtension(
  words: Int32Array,
  at: number,
  packets: Int32Array,
  times: Float64Array,
  packet: number,
): void {
  updateTcp(words, at + EXT_TCP, packets, times, packet);
  const ttls = words[at + EXT_VLAN]!;
  const ttlAndFragment = packets[packet + TTL]!;
  const ttl = ttlAndFragment & 0xff;
  if (ttl < ((ttls >>> 16) & 0xff)) words[at + EXT_VLAN] = (ttls & 0xff00ffff) | (ttl << 16);
  else if (ttl > ttls >>> 24) words[at + EXT_VLAN] = (ttls & 0x00ffffff) | (ttl << 24);
  if ((ttlAndFragment & ((FRAGMENT_MORE | FRAGMENT_NOT_FIRST) << 8)) !== 0) {
    words[at + EXT_FRAGMENT] = packets[packet + FRAGMENT_ID]!;
  }
  const control = packets[packet + CONTROL]!;
  if ((control & 0x07) !== 0) {
    words[at + EXT_SYN_FIN] = words[at + EXT_SYN_FIN]! + ((control >> 1) & 1);
    words[at + EXT_SYN_FIN + 1] = words[at + EXT_SYN_FIN + 1]! + (control & 1);
    words[at + EXT_SYN_FIN + 2] = words[at + EXT_SYN_FIN + 2]! + ((control >> 2) & 1);
  }
}
