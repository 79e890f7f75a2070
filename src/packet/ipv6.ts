/** IPv6 (RFC 8200): header, extension headers, fragments; jumbograms (RFC 2675). */

import type { Frame } from '../capture/packet-source.ts';
import { isOffloaded, undoOffload } from './offload.ts';
import {
  ADDRESSES,
  CONTROL,
  FRAGMENT_ID,
  FRAGMENT_MORE,
  FRAGMENT_NOT_FIRST,
  FRAGMENT_RANGE,
  FRAGMENT_TINY,
  IP_OCTETS,
  METERED,
  PACKETS,
  PORTS,
  PROTOCOL,
  TTL,
} from './packet-layout.ts';
import { ignored, type PacketView } from './packet-view.ts';
import { isTinyFirstFragment, tcpSegment, transportHeader } from './transport.ts';

const TRUNCATED_IP_HEADER = ignored('truncated_ip_header');
const BAD_IP_VERSION = ignored('bad_ip_version');
const BAD_IP_LENGTH = ignored('bad_ip_length');

const HEADER = 40;
const TCP = 6;
const HOP_BY_HOP = 0;
const JUMBO_OPTION = 0xc2;

/**
 * Reads an IPv6 packet whose header begins at `ip`. Extension headers and everything behind them may be cut by the
 * capture: then `protocolIdentifier` is the last next header that was read, and ports are 0.
 *
 * @returns what `decode` returns
 */
export function ipv6(frame: Frame, view: PacketView, ip: number): number {
  const data = frame.view;
  const end = frame.offset + frame.capturedLength;
  if (end - ip < HEADER) return TRUNCATED_IP_HEADER;

  const first = data.getInt32(ip); // version 4 bits | traffic class 8 | flow label 20
  if (first >>> 28 !== 6) return BAD_IP_VERSION;
  const second = data.getInt32(ip + 4); // payload length 16 | next header 8 | hop limit 8
  const onWire = frame.wireLength - (ip - frame.offset);
  let total = HEADER + (second >>> 16);
  if (total === HEADER) total = lengthBeyondHeader(frame, ip, end, onWire);
  if ((total > onWire && !frame.isCut) || total < HEADER) return BAD_IP_LENGTH;

  const { words, base } = view;
  const classOfService = (first >>> 20) & 0xff;
  words[base + PORTS] = 0;
  words[base + PROTOCOL] = words[base + PROTOCOL]! | ((second >>> 8) & 0xff) | ((classOfService & 0xfc) << 8);
  words[base + IP_OCTETS] = total;
  words[base + PACKETS] = 1;
  words[base + CONTROL] = (classOfService << 16) | (6 << 24);
  words[base + TTL] = second & 0xff;
  words[base + FRAGMENT_ID] = 0;
  view.flowLabelIPv6 = first & 0xfffff;
  const addresses = base + ADDRESSES;
  for (let i = 0; i < 8; i++) words[addresses + i] = data.getInt32(ip + 8 + 4 * i, true);

  // What lies behind the packet's own length is padding, though it was captured.
  const limit = Math.min(end, ip + total);
  const at = extensionHeaders(data, view, ip + HEADER, limit, ip + total);
  if (view.fragment !== 0) {
    if ((view.fragment & FRAGMENT_NOT_FIRST) !== 0) return METERED;
    if (isTinyFirstFragment(view.protocolIdentifier, ip + total - at)) view.fragment |= FRAGMENT_TINY;
  }
  const transportOctets = transportHeader(data, view, view.protocolIdentifier, at, limit);
  if (view.withTcp && view.protocolIdentifier === 6) tcpSegment(data, view, at, limit, ip + total - at);
  if (isOffloaded(frame)) {
    // BIG TCP: Linux put a hop-by-hop header with nothing but the jumbo option in front of the merged segments
    // (ipv6_gro_complete); none of them had it on the wire.
    const jumbo = (second & 0xffffff00) === 0 && at - ip > HEADER && data.getUint8(ip + HEADER + 1) === 0;
    undoOffload(frame, view, at - ip, transportOctets, jumbo ? 8 : 0);
  }
  return METERED;
}

/**
 * Walks the chain to the upper layer's header and returns where that begins. `protocolIdentifier` becomes the last
 * next header that was read; ESP (50), No Next Header (59) and every upper-layer protocol end the chain.
 * A header needs 2 octets (its next header and length) to be passed, a Fragment header all 8.
 * Every turn takes at least 8 octets, so a frame bounds the loop.
 * @param limit where the packet or its capture ends
 * @param packetEnd where the packet ends, captured or not
 */
function extensionHeaders(
  data: DataView,
  view: PacketView,
  at: number,
  limit: number,
  packetEnd: number,
): number {
  while (limit - at >= 2) {
    let octets = 8;
    switch (view.protocolIdentifier) {
      case HOP_BY_HOP:
      case 43: // Routing
      case 60: // Destination Options
      case 135: // Mobility Header (RFC 6275 §6.1.1)
      case 139: // Host Identity Protocol (RFC 7401 §5.1)
      case 140: // Shim6 (RFC 5533 §5.1)
      case 253: // experimental (RFC 4727 §3.2), in the uniform format of RFC 6564 §4
      case 254:
        octets = (data.getUint8(at + 1) + 1) * 8;
        break;
      case 51: // Authentication Header: 32-bit words less 2 (RFC 4302 §2.2)
        octets = (data.getUint8(at + 1) + 2) * 4;
        break;
      case 44: {
        if (limit - at < 8) return at;
        const offsetAndMore = data.getUint16(at + 2); // offset 13 bits | reserved 2 | more 1
        view.fragment = (offsetAndMore & 1) !== 0 ? FRAGMENT_MORE : 0;
        view.words[view.base + FRAGMENT_ID] = data.getInt32(at + 4);
        view.words[view.base + FRAGMENT_RANGE] =
          ((offsetAndMore >> 3) << 16) | Math.min(packetEnd - at - 8, 0xffff);
        if (offsetAndMore > 7) {
          // Behind it lies the middle of the datagram, no header.
          view.fragment |= FRAGMENT_NOT_FIRST;
          if (offsetAndMore >> 3 === 1 && data.getUint8(at) === TCP) view.fragment |= FRAGMENT_TINY;
          view.protocolIdentifier = data.getUint8(at);
          return at;
        }
        break;
      }
      default:
        return at;
    }
    view.protocolIdentifier = data.getUint8(at);
    at += octets;
  }
  return at;
}

/**
 * The length of a packet whose payload length is 0: a jumbogram's is in its hop-by-hop option, a giant's (BIG TCP)
 * there or nowhere but in the frame; any other is the bare header.
 *
 * @returns IP octets; 0 where hop-by-hop options must have named a length and do not (RFC 2675 §3)
 */
function lengthBeyondHeader(frame: Frame, ip: number, end: number, onWire: number): number {
  const data = frame.view;
  const hopByHop = data.getUint8(ip + 6) === HOP_BY_HOP;
  if (hopByHop) {
    const jumbo = jumboPayloadLength(data, ip + HEADER, end);
    if (jumbo > 0xffff) return HEADER + jumbo;
  }
  if (onWire > HEADER + 0xffff || isOffloaded(frame)) return onWire;
  return hopByHop ? 0 : HEADER;
}

/** The Jumbo Payload option's length (RFC 2675 §2) in the hop-by-hop options at `at`; 0: none, or cut. */
function jumboPayloadLength(data: DataView, at: number, end: number): number {
  if (end - at < 8) return 0;
  const limit = Math.min(end, at + (data.getUint8(at + 1) + 1) * 8);
  let option = at + 2;
  while (limit - option >= 2) {
    const type = data.getUint8(option);
    if (type === 0) {
      option++; // Pad1 has no length
      continue;
    }
    const octets = data.getUint8(option + 1);
    if (type === JUMBO_OPTION && octets === 4 && limit - option >= 6) return data.getUint32(option + 2);
    option += 2 + octets;
  }
  return 0;
}
