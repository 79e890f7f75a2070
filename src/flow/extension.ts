/** The extension of a Flow Record for `--fields full`: what is worth a second cache line only when asked for. */

import { FRAGMENT_MORE, FRAGMENT_NOT_FIRST, type PacketView } from '../packet/packet-view.ts';
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
 */
export function beginExtension(words: Int32Array, at: number, view: PacketView): void {
  for (let i = 0; i < EXT_WORDS; i++) words[at + i] = 0;
  for (let i = 0; i < 3; i++) words[at + EXT_SOURCE_MAC + i] = view.macAddresses[i]!;
  words[at + EXT_VLAN] = view.customerVlanId | (view.ipTTL << 16) | (view.ipTTL << 24);
  words[at + EXT_MPLS_TOP] = view.mplsTopLabelStackSection;
  words[at + EXT_MPLS_SECOND] = view.mplsLabelStackSection2;
  words[at + EXT_FLOW_LABEL] = view.flowLabelIPv6;
}

/** Every packet, the first included. */
export function updateExtension(words: Int32Array, at: number, view: PacketView): void {
  const ttls = words[at + EXT_VLAN]!;
  const ttl = view.ipTTL;
  if (ttl < ((ttls >>> 16) & 0xff)) words[at + EXT_VLAN] = (ttls & 0xff00ffff) | (ttl << 16);
  else if (ttl > ttls >>> 24) words[at + EXT_VLAN] = (ttls & 0x00ffffff) | (ttl << 24);
  if ((view.fragment & (FRAGMENT_MORE | FRAGMENT_NOT_FIRST)) !== 0) {
    words[at + EXT_FRAGMENT] = view.fragmentIdentification;
  }
  const control = view.tcpControlBits;
  if ((control & 0x07) !== 0) {
    words[at + EXT_SYN_FIN] = words[at + EXT_SYN_FIN]! + ((control >> 1) & 1);
    words[at + EXT_SYN_FIN + 1] = words[at + EXT_SYN_FIN + 1]! + (control & 1);
    words[at + EXT_SYN_FIN + 2] = words[at + EXT_SYN_FIN + 2]! + ((control >> 2) & 1);
  }
}
