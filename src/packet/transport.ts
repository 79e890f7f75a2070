/** The first octets of the transport header: ports, ICMP type and code, TCP flags. */

import {
  CONTROL,
  PORTS,
  TCP_KNOWN,
  TCP_PAYLOAD,
  TCP_SEQUENCE,
  TCP_WINDOW,
  UPPER_LAYER,
} from './packet-layout.ts';
import type { PacketView } from './packet-view.ts';

/**
 * Reads the transport header at `at` as far as `limit` allows; what was cut stays 0.
 *
 * @returns octets of the transport header, which every segment of an offloaded giant repeats: the least that the
 *   protocol has where the capture ends before its length; 0 for other protocols
 */
export function transportHeader(
  data: DataView,
  view: PacketView,
  protocol: number,
  at: number,
  limit: number,
): number {
  const captured = limit - at;
  switch (protocol) {
    case 6: {
      ports(data, view, at, captured);
      if (captured < 14) return 20;
      const offsetAndFlags = data.getUint16(at + 12); // data offset 4 bits | control bits 12 (RFC 9293 §3.1)
      const control = view.base + CONTROL;
      view.words[control] = view.words[control]! | (offsetAndFlags & 0x0fff);
      return Math.max(20, (offsetAndFlags >>> 12) * 4);
    }
    case 17: // UDP
    case 136: // UDP-Lite (RFC 3828)
      view.words[view.base + UPPER_LAYER] = at;
      ports(data, view, at, captured);
      return 8;
    case 33: // DCCP (RFC 4340)
    case 132: // SCTP (RFC 9260)
      ports(data, view, at, captured);
      return 0;
    case 1: // ICMP
    case 58: // ICMPv6
      view.words[view.base + PORTS] = captured >= 2 ? data.getUint16(at) : 0; // type, then code
      return 0;
    default:
      view.words[view.base + UPPER_LAYER] = at;
      view.words[view.base + PORTS] = 0;
      return 0;
  }
}

function ports(data: DataView, view: PacketView, at: number, captured: number): void {
  view.words[view.base + PORTS] = captured >= 4 ? data.getInt32(at) : 0; // source, then destination
}

/**
 * Whether a first fragment is too short for what filters look at: TCP's flags, 16 octets (RFC 1858 §3.2.1); others'
 * ports or type, 8.
 * @param octets of the transport header and what follows it, captured or not
 */
export function isTinyFirstFragment(protocol: number, octets: number): boolean {
  switch (protocol) {
    case 6:
      return octets < 16;
    case 1:
    case 17:
    case 33:
    case 58:
    case 132:
    case 136:
      return octets < 8;
    default:
      return false;
  }
}

/**
 * Reads what only TCP's analysis needs, of the segment whose header begins at `at`.
 * @param octets of header and payload, as the IP length says; of a giant those of all its segments, less the repeated headers
 */
export function tcpSegment(
  data: DataView,
  view: PacketView,
  at: number,
  limit: number,
  octets: number,
): void {
  const { words, base } = view;
  words[base + TCP_WINDOW] = 0;
  words[base + TCP_PAYLOAD] = 0;
  if (limit - at < 16) return;
  const payload = octets - (data.getUint8(at + 12) >>> 4) * 4;
  if (payload < 0 || payload > octets - 20 || payload > 0x3fffff) return;
  words[base + TCP_SEQUENCE] = data.getInt32(at + 4);
  words[base + TCP_PAYLOAD] = payload;
  words[base + TCP_WINDOW] = data.getUint16(at + 14) | TCP_KNOWN;
}
