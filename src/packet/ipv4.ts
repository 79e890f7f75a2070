/** IPv4 (RFC 791): header, options, fragments, and AH behind it (RFC 4302). */

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
const BAD_IP_HEADER_LENGTH = ignored('bad_ip_header_length');
const BAD_IP_LENGTH = ignored('bad_ip_length');

const TCP = 6;
const AH = 51;

/**
 * Reads an IPv4 packet whose header begins at `ip`. Options and everything behind them may be cut by the capture:
 * then ports are 0.
 *
 * @returns what `decode` returns
 */
export function ipv4(frame: Frame, view: PacketView, ip: number): number {
  const data = frame.view;
  const end = frame.offset + frame.capturedLength;
  if (end - ip < 20) return TRUNCATED_IP_HEADER;

  const first = data.getInt32(ip); // version 4 bits | IHL 4 | type of service 8 | total length 16
  if (first >>> 28 !== 4) return BAD_IP_VERSION;
  const headerOctets = (first >>> 22) & 0x3c;
  const onWire = frame.wireLength - (ip - frame.offset);
  let total = first & 0xffff;
  if (total === 0) {
    // A giant beyond 64 KiB (Linux's BIG TCP) and some drivers' TSO leave 0: the frame says how long it is.
    // Without an offload 0 is no length: it counts the header itself (RFC 791 §3.1), so 20 is the least.
    if (onWire <= 0xffff && !isOffloaded(frame)) return BAD_IP_LENGTH;
    total = onWire;
  }
  if (headerOctets < 20 || headerOctets > total) return BAD_IP_HEADER_LENGTH;
  if (total > onWire && !frame.isCut) return BAD_IP_LENGTH;

  const second = data.getInt32(ip + 4); // identification 16 | reserved, DF, MF 3 | fragment offset 13
  const third = data.getInt32(ip + 8); // TTL 8 | protocol 8 | checksum 16
  let protocol = (third >>> 16) & 0xff;
  const { words, base } = view;
  words[base + ADDRESSES] = data.getInt32(ip + 12, true);
  words[base + ADDRESSES + 1] = data.getInt32(ip + 16, true);
  words[base + PROTOCOL] = words[base + PROTOCOL]! | protocol | ((first & 0xfc0000) >> 8);
  words[base + IP_OCTETS] = total;
  words[base + PACKETS] = 1;
  words[base + CONTROL] = (first & 0xff0000) | (4 << 24);
  words[base + TTL] = (third >>> 24) | (third & 0xff0000);
  words[base + FRAGMENT_ID] = second >>> 16;

  const isFragment = (second & 0x3fff) !== 0;
  if (isFragment) {
    const more = (second & 0x2000) !== 0 ? FRAGMENT_MORE : 0;
    const offset = second & 0x1fff;
    words[base + FRAGMENT_RANGE] = (offset << 16) | ((total - headerOctets) & 0xffff);
    if (offset !== 0) {
      view.fragment = more | FRAGMENT_NOT_FIRST | (offset === 1 && protocol === TCP ? FRAGMENT_TINY : 0);
      words[base + PORTS] = 0;
      return METERED;
    }
    view.fragment = more;
  }

  let at = ip + headerOctets;
  // What lies behind the packet's own length is padding, though it was captured.
  const limit = Math.min(end, ip + total);
  if (protocol === AH) {
    while (protocol === AH && limit - at >= 2) {
      protocol = data.getUint8(at);
      at += (data.getUint8(at + 1) + 2) * 4;
    }
    view.protocolIdentifier = protocol;
  }
  if (isFragment && isTinyFirstFragment(protocol, ip + total - at)) view.fragment |= FRAGMENT_TINY;
  const transportOctets = transportHeader(data, view, protocol, at, limit);
  if (view.withTcp && protocol === 6) tcpSegment(data, view, at, limit, ip + total - at);
  if (isOffloaded(frame)) undoOffload(frame, view, at - ip, transportOctets, 0);
  return METERED;
}
