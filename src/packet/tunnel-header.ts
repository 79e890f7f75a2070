/**
 * Tunnel headers: what stands between an outer packet and the one inside. Each reader checks lengths once, and returns
 * where the inner packet begins, or why there is none to be read.
 *
 * VXLAN: RFC 7348 §5. GENEVE: RFC 8926 §3.4, with the options of AWS's Gateway Load Balancer. GRE: RFC 2784, RFC 2890.
 */

import { LinkType } from '../capture/packet-source.ts';

/** Why a packet of a tunnel that is asked for was not opened, and counts as the packet that it is. */
export const NOT_OPENED_REASONS = [
  'not_addressed_here', // to another machine: a tunnel that passes through
  'source_not_allowed', // its source is not among those of --decapsulate-from
  'fragment', //           of a tunnel's packet: the inner packet is not whole
  'merged', //             several datagrams that an offload has merged (UDP GSO)
  'truncated_header', //   the capture, or the packet, ends within the tunnel's header
  'bad_header', //         a version, flag or length that the RFC does not allow
  'no_ip_inside', //       ARP, a control packet, MPLS, …; or an inner IP header that cannot be read
  'nested_too_deep', //    beyond MOST_TUNNELS
] as const;
export type NotOpenedReason = (typeof NOT_OPENED_REASONS)[number];

const notOpened = (reason: NotOpenedReason) => -1 - NOT_OPENED_REASONS.indexOf(reason);
const TRUNCATED_HEADER = notOpened('truncated_header');
const BAD_HEADER = notOpened('bad_header');
const NO_IP_INSIDE = notOpened('no_ip_inside');

const AWS_OPTION_CLASS = 0x0108;
const AWS_ENDPOINT_ID = 1; // 8 octets. Beside it: attachment ID (2), 8 octets; flow cookie (3), 4 octets

/** What a tunnel header says. Reused. */
export class TunnelHeader {
  /** LINKTYPE_ of what is inside. */
  linkType: number = LinkType.ETHERNET;
  /** VXLAN, GENEVE. */
  vni = 0;
  /** GRE; 0: none. */
  greKey = 0;
  /** GENEVE, of AWS: memory in network byte order; 0: none. */
  endpointHigh = 0;
  endpointLow = 0;

  /** @param end where the capture or the packet ends. @returns the offset of the inner packet, or −1 − a reason's index */
  vxlan(data: DataView, at: number, end: number): number {
    if (end - at < 8) return TRUNCATED_HEADER;
    // Flags 8 bits, of which I says that there is a VNI | reserved 24; VNI 24 | reserved 8.
    if ((data.getUint8(at) & 0x08) === 0) return BAD_HEADER;
    this.vni = data.getUint32(at + 4) >>> 8;
    this.linkType = LinkType.ETHERNET;
    return at + 8;
  }

  geneve(data: DataView, at: number, end: number): number {
    if (end - at < 8) return TRUNCATED_HEADER;
    // Version 2 bits | option length 6, in words | control 1 | critical 1 | reserved 6 | protocol type 16
    const first = data.getUint32(at);
    if (first >>> 30 !== 0) return BAD_HEADER;
    const inner = at + 8 + ((first >>> 24) & 0x3f) * 4;
    if (inner > end) return TRUNCATED_HEADER;
    if ((first & 0x0080_0000) !== 0 || !this.#payload(first & 0xffff)) return NO_IP_INSIDE;
    this.vni = data.getUint32(at + 4) >>> 8;
    this.endpointHigh = 0;
    this.endpointLow = 0;
    for (let option = at + 8; option < inner; ) {
      // Class 16 bits | type 8 | reserved 3 | length 5, in words without these 4 octets
      const octets = (data.getUint8(option + 3) & 0x1f) * 4;
      if (option + 4 + octets > inner) return BAD_HEADER;
      const isEndpoint =
        data.getUint16(option) === AWS_OPTION_CLASS && data.getUint8(option + 2) === AWS_ENDPOINT_ID;
      if (isEndpoint && octets === 8) {
        this.endpointHigh = data.getInt32(option + 4, true);
        this.endpointLow = data.getInt32(option + 8, true);
      }
      option += 4 + octets;
    }
    return inner;
  }

  gre(data: DataView, at: number, end: number): number {
    if (end - at < 4) return TRUNCATED_HEADER;
    // Checksum 1 bit | routing 1 | key 1 | sequence 1 | RFC 1701's 2 | reserved 7 | version 3 | protocol type 16
    const first = data.getUint32(at);
    const version = (first >>> 16) & 7;
    if (version === 1) return NO_IP_INSIDE; // PPTP (RFC 2637)
    if (version !== 0 || (first & 0x4c00_0000) !== 0) return BAD_HEADER;
    let inner = at + 4;
    if (first >>> 31 !== 0) inner += 4;
    const key = inner;
    const hasKey = (first & 0x2000_0000) !== 0;
    if (hasKey) inner += 4;
    if ((first & 0x1000_0000) !== 0) inner += 4;
    if (inner > end) return TRUNCATED_HEADER;
    if (!this.#payload(first & 0xffff)) return NO_IP_INSIDE;
    this.greKey = hasKey ? data.getInt32(key) : 0;
    return inner;
  }

  /** Whether a protocol type, an EtherType, is one that is read. */
  #payload(protocolType: number): boolean {
    switch (protocolType) {
      case 0x0800:
        this.linkType = LinkType.IPV4;
        return true;
      case 0x86dd:
        this.linkType = LinkType.IPV6;
        return true;
      case 0x6558: // Transparent Ethernet Bridging
        this.linkType = LinkType.ETHERNET;
        return true;
      default:
        return false;
    }
  }
}
