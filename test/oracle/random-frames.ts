/** Random frames: what a router meets, and some of what it should never meet. Checksums are not verified, so they are random. */

import { LinkType } from '../../src/capture/packet-source.ts';
import type { Random } from '../fuzz/random.ts';

/** What the packets of one conversation have in common. */
export interface Conversation {
  readonly linkType: number;
  /** The VLAN identifiers of the tags, the outermost first; only where the link is Ethernet or cooked. */
  readonly vlans: readonly number[];
  readonly encapsulation: 'none' | 'mpls' | 'snap' | 'pppoe';
  readonly ipVersion: 4 | 6;
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly protocol: number;
  readonly sourcePort: number;
  /** For ICMP and ICMPv6: type · 256 + code. */
  readonly destinationPort: number;
  readonly dscp: number;
  /** One packet in so many is a fragment. */
  readonly oneFragmentIn?: number;
  /** Next header values of the IPv6 extension headers. */
  readonly extensions: readonly number[];
}

export const TCP = 6;
const LINK_TYPES_OF_BOTH = [
  LinkType.NULL,
  LinkType.ETHERNET,
  LinkType.RAW,
  LinkType.LOOP,
  LinkType.LINUX_SLL,
  LinkType.LINUX_SLL2,
];
/** Link types that {@link randomConversation} knows. */
export const LINK_TYPES = [...LINK_TYPES_OF_BOTH, LinkType.IPV4, LinkType.IPV6];

const u16 = (value: number) => [(value >> 8) & 0xff, value & 0xff];
const u32 = (value: number) => [...u16(value >>> 16), ...u16(value)];

/** Few addresses, ports and codepoints, so that conversations differ in one field of the key only, often. */
export function randomConversation(random: Random, linkType: number): Conversation {
  const ipVersion = linkType === LinkType.IPV4 ? 4 : linkType === LinkType.IPV6 || random.oneIn(3) ? 6 : 4;
  const isIcmp = random.oneIn(8);
  const protocol = isIcmp
    ? random.oneIn(8)
      ? random.pick([1, 58])
      : ipVersion === 4
        ? 1
        : 58
    : random.pick([TCP, TCP, TCP, TCP, TCP, 17, 17, 17, 132, 33, 136, 2, 47, 50, 89, 59, 255]);
  const mayHaveTags = [LinkType.ETHERNET, LinkType.LINUX_SLL, LinkType.LINUX_SLL2].includes(linkType as 1);
  const hasExtensions = ipVersion === 6 && random.oneIn(3);
  return {
    linkType,
    vlans:
      mayHaveTags && random.oneIn(4)
        ? random.pick([[7], [8], [0], [7, 8], [4095, 7], [0, 7], [1, 2, 3]])
        : [],
    encapsulation: mayHaveTags && random.oneIn(6) ? random.pick(['mpls', 'snap', 'pppoe']) : 'none',
    ipVersion,
    source: randomAddress(random, ipVersion),
    destination: randomAddress(random, ipVersion),
    protocol,
    sourcePort: random.pick([0, 53, 443, 40_000, 65_535]),
    destinationPort: random.pick([0, 0x0800, 443, 0x8100, 65_535]),
    dscp: random.pick([0, 0, 0, 46, 63]),
    extensions: hasExtensions
      ? Array.from({ length: 1 + random.below(3) }, () =>
          random.pick([0, 43, 60, 51, 135, 139, 140, 253, 254]),
        )
      : [],
  };
}

function randomAddress(random: Random, ipVersion: 4 | 6): readonly number[] {
  if (ipVersion === 4)
    return random.pick([
      [10, 0, 0, 1],
      [10, 0, 0, 2],
      [192, 168, 255, 255],
      [224, 0, 0, 251],
    ]);
  return random.pick([
    [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1],
    [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2],
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0xff, 0xfe, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ]);
}

export interface RandomFrame {
  readonly bytes: Uint8Array;
  readonly wireLength: number;
}

/** A packet of the conversation. `tcpFlags`: 12 bits. Its ECN, TTL, payload, fragmentation and damage are random. */
export function randomFrame(random: Random, conversation: Conversation, tcpFlags: number): RandomFrame {
  return damaged(random, wholeFrame(random, conversation, tcpFlags));
}

/** Without padding and damage. */
export function wholeFrame(random: Random, conversation: Conversation, tcpFlags: number): number[] {
  const payload = random.octets(random.pick([0, 0, 1, 6, 30, 600]));
  const transport = [...transportHeader(random, conversation, tcpFlags), ...payload];
  return frameAround(random, conversation, transport);
}

/** Link and IP header around what IP carries. */
export function frameAround(random: Random, conversation: Conversation, transport: number[]): number[] {
  const ip =
    conversation.ipVersion === 4
      ? ipv4(random, conversation, transport)
      : ipv6(random, conversation, transport);
  return [...linkHeader(random, conversation), ...ip];
}

/** As it comes: padded, and now and then cut or with an octet that is wrong. */
export function damaged(random: Random, octets: readonly number[]): RandomFrame {
  const frame = Uint8Array.from(octets);
  // Ethernet fills short frames up; what the length on the wire says of them counts for nothing.
  const padded = random.oneIn(3) ? Math.max(60, frame.length) : frame.length;
  const whole = new Uint8Array(padded);
  whole.set(frame);
  if (random.oneIn(40)) whole[random.below(Math.min(60, whole.length))] = random.below(256);
  const bytes = random.oneIn(16) ? whole.subarray(0, random.below(whole.length + 1)) : whole;
  return { bytes, wireLength: random.oneIn(60) ? Math.max(bytes.length, padded - random.below(40)) : padded };
}

/** No IPv4 and no IPv6: ARP, LLDP, spanning tree, a loop test, … */
export function randomOtherFrame(random: Random): RandomFrame {
  const type = random.pick([0x0806, 0x88cc, 0x0026, 0x9000, 0x0600, 0x05dd, 0x8863, 0x0000]);
  const bytes = Uint8Array.from([...random.octets(12), ...u16(type), ...random.octets(46)]);
  return { bytes, wireLength: bytes.length };
}

function transportHeader(random: Random, conversation: Conversation, tcpFlags: number): number[] {
  const { protocol, sourcePort, destinationPort } = conversation;
  const ports = [...u16(sourcePort), ...u16(destinationPort)];
  if (protocol === TCP) {
    const [first = 0, second = 0, third = 0, fourth = 0, ...acknowledgment] = random.octets(8);
    const [high = 0, low = 0, ...rest] = random.octets(6);
    // Around the wrap, and so near each other that segments repeat, overlap and overtake.
    const near = 0xfffffe00 + [0, 1, 2, 6, 7, 30, 31, 512, 600, 601, 1200][first % 11]!;
    const sequence = second % 8 === 0 ? [first, second, third, fourth] : u32(near >>> 0);
    const offset = third % 20 === 0 ? (fourth & 15) << 12 : 0x5000;
    const window = high % 4 === 0 ? [0, 0] : [high, low];
    return [...ports, ...sequence, ...acknowledgment, ...u16(offset | tcpFlags), ...window, ...rest];
  }
  if (protocol === 1 || protocol === 58) return [...u16(destinationPort), ...random.octets(6)];
  return [...ports, ...random.octets(8)];
}

function ipv4(random: Random, conversation: Conversation, transport: number[]): number[] {
  const { source, destination, protocol, dscp } = conversation;
  const options = random.oneIn(10) ? random.octets(4 * random.below(11)) : [];
  const isFragment = random.oneIn(conversation.oneFragmentIn ?? 3);
  const fragment = isFragment
    ? random.pick([0x2000, 0x2000, 0x2000, 0x2001, 0x0001, 0x2004, 0x0005, 0x004b, 0x1fff])
    : random.pick([0, 0x4000, 0x8000]);
  const isBehindAh = random.oneIn(30) && fragment < 0x1000;
  const payload = isBehindAh ? [protocol, 4, ...random.octets(22), ...transport] : transport;
  return [
    0x45 + options.length / 4,
    (dscp << 2) | random.below(4),
    ...u16(20 + options.length + payload.length),
    ...u16(isFragment ? random.below(2) : random.below(0x10000)),
    ...u16(fragment),
    random.pick([1, 63, 64, 255]),
    isBehindAh ? 51 : protocol,
    ...random.octets(2),
    ...source,
    ...destination,
    ...options,
    ...payload,
  ];
}

function ipv6(random: Random, conversation: Conversation, transport: number[]): number[] {
  const { source, destination, dscp, extensions } = conversation;
  let payload = transport;
  let next = conversation.protocol;
  if (random.oneIn(conversation.oneFragmentIn ?? 3)) {
    const offset = random.pick([0, 0, 1, 4, 5, 75, 185, 8191]);
    payload = [
      next,
      random.below(256),
      ...u16((offset << 3) | random.below(8)),
      ...u32(random.below(2)),
      ...payload,
    ];
    next = 44;
  }
  for (const extension of extensions) {
    const length = random.below(3);
    const octets = extension === 51 ? (length + 2) * 4 : (length + 1) * 8;
    payload = [next, length, ...new Array<number>(octets - 2).fill(0), ...payload];
    next = extension;
  }
  const trafficClass = (dscp << 2) | random.below(4);
  return [
    ...u32(((6 << 28) | (trafficClass << 20) | random.below(0x10_0000)) >>> 0),
    ...u16(payload.length),
    next,
    random.pick([1, 63, 64, 255]),
    ...source,
    ...destination,
    ...payload,
  ];
}

function linkHeader(random: Random, conversation: Conversation): number[] {
  const { linkType, ipVersion, vlans, encapsulation } = conversation;
  const tags: number[] = [];
  let type = ipVersion === 4 ? 0x0800 : 0x86dd;
  if (encapsulation === 'mpls') {
    const labels = random.octets(4 * (1 + random.below(3)));
    for (let at = 2; at < labels.length; at += 4)
      labels[at] = (labels[at]! & 0xfe) | (at + 4 > labels.length ? 1 : 0);
    tags.push(...labels);
    type = random.pick([0x8847, 0x8848]);
  } else if (encapsulation === 'pppoe') {
    tags.push(0x11, 0, ...random.octets(4), ...u16(ipVersion === 4 ? 0x21 : 0x57));
    type = 0x8864;
  } else if (encapsulation === 'snap') {
    tags.push(0xaa, 0xaa, 3, 0, 0, 0, ...u16(type));
    type = linkType === LinkType.ETHERNET ? 0x05dc : 4;
  }
  for (const vlan of vlans.toReversed()) {
    tags.unshift(...u16((random.below(16) << 12) | vlan), ...u16(type));
    type = random.pick([0x8100, 0x88a8, 0x9100]);
  }
  switch (linkType) {
    case LinkType.ETHERNET:
      return [2, 0, 0, 0, 0, random.below(2), 2, 0, 0, 0, 1, random.below(2), ...u16(type), ...tags];
    case LinkType.LINUX_SLL:
      return [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, ...u16(type), ...tags];
    case LinkType.LINUX_SLL2:
      return [...u16(type), 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, ...tags];
    case LinkType.NULL: {
      const family = u32(ipVersion === 4 ? 2 : random.pick([24, 28, 30]));
      return random.oneIn(2) ? family : family.reverse();
    }
    case LinkType.LOOP:
      return u32(ipVersion === 4 ? 2 : 24);
    default:
      return [];
  }
}
