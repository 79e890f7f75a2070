/**
 * A second decoder, slow and from the RFCs alone: lists, slices and exceptions, nothing shared with src/packet
 * but the names. The tests compare the two.
 */

import { GsoType, LinkType } from '../../src/capture/packet-source.ts';
import type { IgnoredReason } from '../../src/packet/packet-view.ts';
import { type About, addressText, type Fields, NOTHING } from './support.ts';

/** Thrown where a packet is to be ignored. */
class Ignored extends Error {
  readonly reason: IgnoredReason;
  constructor(reason: IgnoredReason) {
    super(reason);
    this.reason = reason;
  }
}

/** Octets, and how many of them (and of those cut off behind them) were on the wire. */
interface Piece {
  captured: number[];
  onWire: number;
}

/** The reason to ignore the packet, or its fields. */
export function naiveDecode(captured: Uint8Array, about: About): IgnoredReason | Fields {
  const fields = { ...NOTHING };
  try {
    const frame: Piece = { captured: [...captured], onWire: about.wireLength ?? captured.length };
    const { version, packet } = link(frame, about, fields);
    fields.ipVersion = version;
    if (version === 4) ipv4(packet, about, fields);
    else ipv6(packet, about, fields);
    return fields;
  } catch (error) {
    if (error instanceof Ignored) return error.reason;
    throw error;
  }
}

function number(list: readonly number[]): number {
  return list.reduce((sum, octet) => sum * 256 + octet, 0);
}

/** The first `count` octets, and what is behind them. */
function split(piece: Piece, count: number, ifCut: IgnoredReason): [number[], Piece] {
  if (piece.captured.length < count) throw new Ignored(ifCut);
  const rest = { captured: piece.captured.slice(count), onWire: piece.onWire - count };
  return [piece.captured.slice(0, count), rest];
}

type Found = { version: 4 | 6; packet: Piece };

function link(frame: Piece, about: About, fields: Fields): Found {
  const tags: number[] = [];
  if (about.strippedVlanTci !== undefined && about.strippedVlanTci >= 0) tags.push(about.strippedVlanTci);
  fields.vlanId = (tags[0] ?? 0) % 4096;
  const behind = (type: number, rest: Piece): Found => {
    const found = networkLayer(type, rest, tags, fields);
    fields.vlanId = (tags[0] ?? 0) % 4096;
    fields.customerVlanId = (tags[1] ?? 0) % 4096;
    return found;
  };
  const cooked = (length: number, protocolAt: number): Found => {
    const [header, rest] = split(frame, length, 'truncated_link_header');
    const protocol = number(header.slice(protocolAt, protocolAt + 2));
    if (protocol <= 1500 && protocol !== 4) throw new Ignored('not_ip');
    return behind(protocol, rest);
  };
  switch (about.linkType ?? LinkType.ETHERNET) {
    case LinkType.ETHERNET: {
      const [header, rest] = split(frame, 14, 'truncated_link_header');
      fields.macAddressesOffset = 0;
      return behind(number(header.slice(12)), rest);
    }
    case LinkType.LINUX_SLL:
      return cooked(16, 14);
    case LinkType.LINUX_SLL2:
      return cooked(20, 0);
    case LinkType.RAW:
    case LinkType.RAW_BSD:
    case LinkType.RAW_OPENBSD:
      return byNibble(frame, 'truncated_ip_header', 'bad_ip_version');
    case LinkType.IPV4:
      return { version: 4, packet: frame };
    case LinkType.IPV6:
      return { version: 6, packet: frame };
    case LinkType.NULL:
    case LinkType.LOOP: {
      const [header, packet] = split(frame, 4, 'truncated_link_header');
      const families = [number(header)];
      if (about.linkType === LinkType.NULL) families.push(number(header.reverse()));
      if (families.includes(2)) return { version: 4, packet };
      if ([10, 24, 28, 30].some((family) => families.includes(family))) return { version: 6, packet };
      throw new Ignored('not_ip');
    }
    default:
      throw new Ignored('unknown_link_type');
  }
}

function byNibble(packet: Piece, ifNothing: IgnoredReason, ifOther: IgnoredReason): Found {
  const [first] = split(packet, 1, ifNothing);
  const version = Math.floor(first[0]! / 16);
  if (version !== 4 && version !== 6) throw new Ignored(ifOther);
  return { version, packet };
}

function networkLayer(type: number, piece: Piece, tags: number[], fields: Fields): Found {
  if (type === 0x0800) return { version: 4, packet: piece };
  if (type === 0x86dd) return { version: 6, packet: piece };
  if ([0x8100, 0x88a8, 0x9100, 0x9200, 0x9300].includes(type)) {
    const [tag, rest] = split(piece, 4, 'truncated_link_header');
    tags.push(number(tag.slice(0, 2)));
    return networkLayer(number(tag.slice(2)), rest, tags, fields);
  }
  if (type === 0x8847 || type === 0x8848) return mpls(piece, [], fields);
  if (type === 0x8864) {
    const [header, packet] = split(piece, 8, 'truncated_link_header');
    const protocol = number(header.slice(6));
    if (header[0] !== 0x11 || header[1] !== 0 || ![0x21, 0x57].includes(protocol))
      throw new Ignored('not_ip');
    return { version: protocol === 0x21 ? 4 : 6, packet };
  }
  if (type > 1500) throw new Ignored('not_ip');
  const [saps] = split(piece, 2, 'truncated_link_header');
  if (number(saps) !== 0xaaaa) throw new Ignored('not_ip');
  const [snap, rest] = split(piece, 8, 'truncated_link_header');
  const inner = number(snap.slice(6));
  if (number(snap.slice(2, 6)) !== 0x03000000 || inner <= 1500) throw new Ignored('not_ip');
  return networkLayer(inner, rest, tags, fields);
}

function mpls(piece: Piece, above: readonly number[], fields: Fields): Found {
  const [entry, rest] = split(piece, 4, 'truncated_link_header');
  const stack = [...above, number(entry.slice(0, 3))];
  if (entry[2]! % 2 === 0) return mpls(rest, stack, fields);
  fields.mplsTopLabelStackSection = stack[0] ?? 0;
  fields.mplsLabelStackSection2 = stack[1] ?? 0;
  return byNibble(rest, 'truncated_link_header', 'not_ip');
}

function offloaded(about: About): boolean {
  return (about.gsoType ?? 0) !== GsoType.NONE && (about.gsoSize ?? 0) > 0;
}

function ipv4(packet: Piece, about: About, fields: Fields): void {
  const [header] = split(packet, 20, 'truncated_ip_header');
  if (Math.floor(header[0]! / 16) !== 4) throw new Ignored('bad_ip_version');
  const headerOctets = (header[0]! % 16) * 4;
  let total = number(header.slice(2, 4));
  if (total === 0) {
    if (packet.onWire < 65536 && !offloaded(about)) throw new Ignored('bad_ip_length');
    total = packet.onWire;
  }
  if (headerOctets < 20 || total < headerOctets) throw new Ignored('bad_ip_header_length');
  if (total > packet.onWire) throw new Ignored('bad_ip_length');

  const flagsAndOffset = number(header.slice(6, 8));
  const moreFragments = Math.floor(flagsAndOffset / 8192) % 2;
  const notFirst = flagsAndOffset % 8192 > 0 ? 2 : 0;
  fields.ipClassOfService = header[1]!;
  fields.fragmentIdentification = number(header.slice(4, 6));
  const secondOfTcp = flagsAndOffset % 8192 === 1 && header[9] === 6 ? 4 : 0;
  fields.fragment = moreFragments + notFirst + secondOfTcp;
  fields.ipTTL = header[8]!;
  fields.protocolIdentifier = header[9]!;
  fields.addresses = addressText(4, Uint8Array.from(header.slice(12, 20)));
  fields.ipOctets = total;
  if (notFirst) return;

  const payload = packet.captured.slice(0, total).slice(headerOctets);
  upperLayers(payload, headerOctets, 0, new Set([51]), about, fields, total - headerOctets);
}

function ipv6(packet: Piece, about: About, fields: Fields): void {
  const [header] = split(packet, 40, 'truncated_ip_header');
  if (Math.floor(header[0]! / 16) !== 6) throw new Ignored('bad_ip_version');
  const payloadLength = number(header.slice(4, 6));
  const nextHeader = header[6]!;
  let total = 40 + payloadLength;
  let onlyJumbo = false;
  if (payloadLength === 0) {
    const jumbo = nextHeader === 0 ? jumboLength(packet.captured.slice(40)) : undefined;
    onlyJumbo = nextHeader === 0 && packet.captured[41] === 0;
    if (jumbo !== undefined && jumbo >= 65536) total = 40 + jumbo;
    else if (packet.onWire >= 40 + 65536 || offloaded(about)) total = packet.onWire;
    else if (nextHeader === 0) throw new Ignored('bad_ip_length');
  }
  if (total > packet.onWire || total < 40) throw new Ignored('bad_ip_length');

  const firstWord = number(header.slice(0, 4));
  fields.ipClassOfService = Math.floor(firstWord / 2 ** 20) % 256;
  fields.flowLabelIPv6 = firstWord % 2 ** 20;
  fields.protocolIdentifier = nextHeader;
  fields.ipTTL = header[7]!;
  fields.addresses = addressText(6, Uint8Array.from(header.slice(8)));
  fields.ipOctets = total;

  const extensions = new Set([0, 43, 44, 51, 60, 135, 139, 140, 253, 254]);
  const payload = packet.captured.slice(0, total).slice(40);
  upperLayers(payload, 40, onlyJumbo ? 8 : 0, extensions, about, fields, total - 40);
}

function jumboLength(hopByHop: readonly number[]): number | undefined {
  if (hopByHop.length < 8) return undefined;
  let options = hopByHop.slice(2, (hopByHop[1]! + 1) * 8);
  while (options.length >= 2) {
    const [type, length] = options as [number, number];
    if (type === 0) {
      options = options.slice(1);
    } else if (type === 0xc2 && length === 4 && options.length >= 6) {
      return number(options.slice(2, 6));
    } else {
      options = options.slice(2 + length);
    }
  }
  return undefined;
}

/**
 * Passes the extension headers, then reads the transport header.
 * `passed`: octets of the IP packet in front of `payload`; `added`: those that no segment had on the wire;
 * `onWire`: octets of the payload, captured or not.
 */
function upperLayers(
  payload: readonly number[],
  passed: number,
  added: number,
  extensions: ReadonlySet<number>,
  about: About,
  fields: Fields,
  onWire: number,
): void {
  const protocol = fields.protocolIdentifier;
  if (extensions.has(protocol)) {
    if (payload.length >= (protocol === 44 ? 8 : 2)) {
      const length = payload[1]!;
      const octets = protocol === 44 ? 8 : protocol === 51 ? (length + 2) * 4 : (length + 1) * 8;
      fields.protocolIdentifier = payload[0]!;
      if (protocol === 44) {
        const notFirst = number(payload.slice(2, 4)) >= 8 ? 2 : 0;
        const secondOfTcp = Math.floor(number(payload.slice(2, 4)) / 8) === 1 && payload[0] === 6 ? 4 : 0;
        fields.fragment = (payload[3]! % 2) + notFirst + secondOfTcp;
        fields.fragmentIdentification = number(payload.slice(4, 8));
        if (notFirst) return;
      }
      const left = onWire - octets;
      upperLayers(payload.slice(octets), passed + octets, added, extensions, about, fields, left);
      return;
    }
    unmerge(passed, 0, passed > 40 ? added : 0, about, fields);
    return;
  }

  const least = protocol === 6 ? 16 : [17, 33, 132, 136, 1, 58].includes(protocol) ? 8 : 0;
  if (fields.fragment > 0 && least > 0 && onWire < least) fields.fragment += 4;
  let headerOctets = 0;
  if ([6, 17, 136, 132, 33].includes(protocol) && payload.length >= 4) {
    fields.sourceTransportPort = number(payload.slice(0, 2));
    fields.destinationTransportPort = number(payload.slice(2, 4));
  }
  if ([1, 58].includes(protocol) && payload.length >= 2) {
    fields.destinationTransportPort = number(payload.slice(0, 2));
  }
  if (protocol === 17 || protocol === 136) headerOctets = 8;
  if (protocol === 6) {
    headerOctets = 20;
    if (payload.length >= 14) {
      fields.tcpControlBits = number(payload.slice(12, 14)) % 4096;
      headerOctets = Math.max(20, Math.floor(payload[12]! / 16) * 4);
    }
  }
  unmerge(passed, headerOctets, passed > 40 ? added : 0, about, fields);
}

/** Cuts a giant up again, segment by segment, and counts. */
function unmerge(network: number, transport: number, added: number, about: About, fields: Fields): void {
  if (!offloaded(about)) return;
  const fragments = about.gsoType === GsoType.UDP;
  const headers = fragments
    ? network - added + (fields.ipVersion === 6 ? 8 : 0)
    : network - added + transport;
  let left = fields.ipOctets - network - (fragments ? 0 : transport);
  if (left <= (about.gsoSize ?? 0)) return;
  fields.packets = 0;
  fields.ipOctets = 0;
  while (left > 0) {
    const segment = Math.min(left, about.gsoSize ?? 0);
    fields.packets += 1;
    fields.ipOctets += headers + segment;
    left -= segment;
  }
}
