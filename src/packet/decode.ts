/**
 * Bytes → {@link PacketView}, in the order in which the bytes travel:
 *
 * 1. link.ts       the link header, its tags and labels: where is the IP header, and of which version?
 * 2. ipv4.ts       header, options, fragments, AH
 *    ipv6.ts       header, extension headers, fragments, jumbograms
 * 3. transport.ts  ports, ICMP type and code, TCP flags
 * 4. offload.ts    the packets that the wire saw, where the frame is a giant that an offload merged
 *
 * Each stage is called with offsets into `frame.view`, writes what it reads into the view, and checks a length
 * once before it reads. Nothing throws, every loop advances, nothing is allocated: about 21 ns for
 * Ethernet, IPv4 and TCP, 25 ns for IPv6 (AMD EPYC, Node 20).
 */

import type { Frame } from '../capture/packet-source.ts';
import { ipv4 } from './ipv4.ts';
import { ipv6 } from './ipv6.ts';
import { linkHeader } from './link.ts';
import { CONTROL, INGRESS_INTERFACE, RARE } from './packet-layout.ts';
import type { PacketView } from './packet-view.ts';

/**
 * Reads one frame into the view. Nothing of the packet that stood there before shows. Where the frame is ignored
 * nothing in the view means anything.
 *
 * Reads only from `frame.offset` to `frame.offset + frame.capturedLength`; never throws.
 *
 * @returns METERED, or 1 + the index into IGNORED_REASONS
 */
export function decode(frame: Frame, view: PacketView): number {
  const { words, base } = view;
  if (words[base + RARE] !== 0) view.clearRare();
  words[base + INGRESS_INTERFACE] = frame.ingressInterface;
  const ip = linkHeader(frame, view);
  if (ip < 0) return -ip;
  return words[base + CONTROL]! >>> 24 === 4 ? ipv4(frame, view, ip) : ipv6(frame, view, ip);
}
