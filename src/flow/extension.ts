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
  EXT_VLAN,
  EXT_WORDS,
} from './flow-record.ts';

/**
 * A new flow: what identifies its path is taken from its first packet, and the totals begin.
 * @param at word of the extension
 * @param packets memory of the packet, which begins at word `packet`
 */
export function beginExtension(words: Int32Array, at: number, packets: Int32Array, packet: number): void {
  for (let i = 0; i < EXT_WORDS; i++) words[at + i] = 0;
  for (let i = 0; i < 3; i++) words[at + EXT_SOURCE_MAC + i] = packets[packet + MAC_ADDRESSES + i]!;
  const ttl = packets[packet + TTL]! & 0xff;
  words[at + EXT_VLAN] = packets[packet + CUSTOMER_VLAN]! | (ttl << 16) | (ttl << 24);
  words[at + EXT_MPLS_TOP] = packets[packet + MPLS_TOP]!;
  words[at + EXT_MPLS_SECOND] = packets[packet + MPLS_SECOND]!;
  words[at + EXT_FLOW_LABEL] = packets[packet + FLOW_LABEL]!;
}

/** Every packet, the first included. */
export function updateExtension(words: Int32Array, at: number, packets: Int32Array, packet: number): void {
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
