/** Link headers, VLAN tags, MPLS labels: everything in front of the IP header. https://www.tcpdump.org/linktypes.html */

import { type Frame, LinkType } from '../capture/packet-source.ts';
import { CONTROL, MAC_OFFSET, PROTOCOL } from './packet-layout.ts';
import { ignored, type PacketView } from './packet-view.ts';

const NOT_IP = -ignored('not_ip');
const TRUNCATED_LINK_HEADER = -ignored('truncated_link_header');
const UNKNOWN_LINK_TYPE = -ignored('unknown_link_type');
const TRUNCATED_IP_HEADER = -ignored('truncated_ip_header');
const BAD_IP_VERSION = -ignored('bad_ip_version');

const ETHERNET = LinkType.ETHERNET;
/** EtherType. */
const IPV4 = 0x0800;
/** A type field up to here is the length of an LLC frame (IEEE 802.3 §3.2.6). */
const LARGEST_LENGTH = 1500;
/** The protocol field of a cooked header before an LLC frame. */
const LINUX_802_2 = 4;

/**
 * Finds the IP header. Writes into the view what the link says: `ipVersion` (4 or 6, as promised and not yet
 * checked), VLAN identifiers, label stack entries, MAC addresses.
 *
 * @returns the offset of the IP header in `frame.view`, or minus what `decode` returns for the reason
 */
export function linkHeader(frame: Frame, view: PacketView): number {
  const start = frame.offset;
  const { words, base } = view;
  // The tag that the kernel stripped was the outermost.
  words[base + PROTOCOL] = frame.strippedVlanTci >= 0 ? (frame.strippedVlanTci & 0x0fff) << 16 : 0;

  if (frame.linkType !== ETHERNET) {
    words[base + MAC_OFFSET] = -1;
    return otherLinkHeader(frame, view);
  }
  if (frame.capturedLength < 14) return TRUNCATED_LINK_HEADER;
  words[base + MAC_OFFSET] = start;
  const type = frame.view.getUint16(start + 12);
  // What nearly every frame carries; asking here saves a call, 2 ns of 23.
  if (type !== IPV4) return etherType(frame, view, type, start + 14);
  words[base + CONTROL] = 4 << 24;
  return start + 14;
}

function otherLinkHeader(frame: Frame, view: PacketView): number {
  const data = frame.view;
  const start = frame.offset;
  const captured = frame.capturedLength;
  switch (frame.linkType) {
    case LinkType.LINUX_SLL:
      if (captured < 16) return TRUNCATED_LINK_HEADER;
      return cookedProtocol(frame, view, data.getUint16(start + 14), start + 16);
    case LinkType.LINUX_SLL2:
      if (captured < 20) return TRUNCATED_LINK_HEADER;
      return cookedProtocol(frame, view, data.getUint16(start), start + 20);
    case LinkType.RAW:
    case LinkType.RAW_BSD:
    case LinkType.RAW_OPENBSD:
      if (captured < 1) return TRUNCATED_IP_HEADER;
      return versionNibble(frame, view, start) ? start : BAD_IP_VERSION;
    case LinkType.IPV4:
      view.ipVersion = 4;
      return start;
    case LinkType.IPV6:
      view.ipVersion = 6;
      return start;
    case LinkType.NULL:
    case LinkType.LOOP:
      return captured < 4 ? TRUNCATED_LINK_HEADER : addressFamily(frame, view);
    default:
      return UNKNOWN_LINK_TYPE;
  }
}

/** What follows an EtherType or an LLC length; `at` is right behind it. Every turn takes at least 4 octets. */
function etherType(frame: Frame, view: PacketView, type: number, at: number): number {
  const data = frame.view;
  const end = frame.offset + frame.capturedLength;
  let tags = frame.strippedVlanTci >= 0 ? 1 : 0;
  for (;;) {
    switch (type) {
      case IPV4:
        view.ipVersion = 4;
        return at;
      case 0x86dd:
        view.ipVersion = 6;
        return at;
      case 0x8100: // IEEE 802.1Q C-TAG
      case 0x88a8: // IEEE 802.1ad S-TAG
      case 0x9100: // stacked tags before 802.1ad, by various vendors
      case 0x9200:
      case 0x9300:
        if (end - at < 4) return TRUNCATED_LINK_HEADER;
        if (tags === 0) view.vlanId = data.getUint16(at) & 0x0fff;
        else if (tags === 1) view.customerVlanId = data.getUint16(at) & 0x0fff;
        tags++;
        type = data.getUint16(at + 2);
        at += 4;
        break;
      case 0x8847: // MPLS (RFC 3032 §5), downstream-assigned labels
      case 0x8848: // MPLS, upstream-assigned labels (RFC 5332)
        return labelStack(frame, view, at);
      case 0x8864:
        return pppoeSession(frame, view, at);
      default:
        if (type > LARGEST_LENGTH) return NOT_IP;
        // LLC. Only SNAP with OUI 00-00-00 carries an EtherType (RFC 1042): AA AA 03 00 00 00, then the EtherType.
        if (end - at < 2) return TRUNCATED_LINK_HEADER;
        if (data.getUint16(at) !== 0xaaaa) return NOT_IP;
        if (end - at < 8) return TRUNCATED_LINK_HEADER;
        type = data.getUint16(at + 6);
        if (data.getInt32(at + 2) !== 0x03000000 || type <= LARGEST_LENGTH) return NOT_IP;
        at += 8;
    }
  }
}

/** A cooked header's protocol is an EtherType, or one of Linux's own small numbers. */
function cookedProtocol(frame: Frame, view: PacketView, protocol: number, at: number): number {
  if (protocol <= LARGEST_LENGTH && protocol !== LINUX_802_2) return NOT_IP;
  return etherType(frame, view, protocol, at);
}

/**
 * Label stack entries (RFC 3032 §2.1): label 20 bits, traffic class 3, bottom of stack 1, TTL 8. Nothing says what
 * lies below the bottom: a nibble of 4 or 6 is taken for IP; pseudowires begin with 0 or 1 (RFC 4385 §3) or are
 * not to be told.
 */
function labelStack(frame: Frame, view: PacketView, at: number): number {
  const data = frame.view;
  const end = frame.offset + frame.capturedLength;
  let depth = 0;
  let entry = 0;
  do {
    if (end - at < 4) return TRUNCATED_LINK_HEADER;
    entry = data.getInt32(at) >>> 8;
    if (depth === 0) view.mplsTopLabelStackSection = entry;
    else if (depth === 1) view.mplsLabelStackSection2 = entry;
    depth++;
    at += 4;
  } while ((entry & 1) === 0);
  if (end - at < 1) return TRUNCATED_LINK_HEADER;
  return versionNibble(frame, view, at) ? at : NOT_IP;
}

/** PPPoE session stage (RFC 2516 §4): version and type 0x11, code 0, session, length, then the PPP protocol. */
function pppoeSession(frame: Frame, view: PacketView, at: number): number {
  const data = frame.view;
  if (frame.offset + frame.capturedLength - at < 8) return TRUNCATED_LINK_HEADER;
  if (data.getUint16(at) !== 0x1100) return NOT_IP;
  const protocol = data.getUint16(at + 6);
  if (protocol === 0x0021) view.ipVersion = 4;
  else if (protocol === 0x0057) view.ipVersion = 6;
  else return NOT_IP;
  return at + 8;
}

/** BSD loopback: a 32-bit address family, in the byte order of the machine that wrote it (NULL) or of the network. */
function addressFamily(frame: Frame, view: PacketView): number {
  const start = frame.offset;
  let family = frame.view.getUint32(start);
  // Families are small numbers: where the upper half is not empty the writer was little-endian.
  if (frame.linkType === LinkType.NULL && family > 0xffff) family = frame.view.getUint32(start, true);
  switch (family) {
    case 2: // AF_INET, everywhere
      view.ipVersion = 4;
      return start + 4;
    case 10: // AF_INET6: Linux
    case 24: // NetBSD, OpenBSD
    case 28: // FreeBSD
    case 30: // macOS
      view.ipVersion = 6;
      return start + 4;
    default:
      return NOT_IP;
  }
}

/** Takes the IP version from the packet's own first four bits. */
function versionNibble(frame: Frame, view: PacketView, at: number): boolean {
  const version = frame.view.getUint8(at) >>> 4;
  if (version !== 4 && version !== 6) return false;
  view.ipVersion = version;
  return true;
}
