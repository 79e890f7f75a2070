/**
 * Offloads undone. GRO, TSO and their like hand over one giant for many packets; the flow's counters are those of
 * the wire (what the sender sent, what the receiver will get).
 */

import { type Frame, GsoType } from '../capture/packet-source.ts';
import type { PacketView } from './packet-view.ts';

/** Octets of the IPv6 Fragment header. */
const FRAGMENT_HEADER = 8;

/** Whether the frame stands for several packets of `frame.gsoSize` octets of payload. */
export function isOffloaded(frame: Frame): boolean {
  return frame.gsoSize > 0 && frame.gsoType !== GsoType.NONE;
}

/**
 * Corrects `packets` and `ipOctets` of a giant, whose own length is in `ipOctets`.
 *
 * Of a giant within a tunnel (VXLAN, GRE) the decoder knows the outer headers only; its inner ones count as payload,
 * once, so such a giant's octets come out short by the inner headers of all segments but one.
 *
 * @param networkOctets IP header, options and extension headers
 * @param transportOctets TCP or UDP header
 * @param addedOctets of the network's, those that the offload put in and no segment had on the wire
 */
export function undoOffload(
  frame: Frame,
  view: PacketView,
  networkOctets: number,
  transportOctets: number,
  addedOctets: number,
): void {
  let payload = view.ipOctets - networkOctets - transportOctets;
  let headers = networkOctets - addedOctets + transportOctets;
  if (frame.gsoType === GsoType.UDP) {
    // UDP fragmentation offload: the wire sees IP fragments. The UDP header travels in the first, as its payload.
    headers = networkOctets - addedOctets + (view.ipVersion === 6 ? FRAGMENT_HEADER : 0);
    payload += transportOctets;
  }
  const segments = Math.ceil(payload / frame.gsoSize);
  if (segments < 2) return;
  view.packets = segments;
  view.ipOctets = payload + segments * headers;
}
