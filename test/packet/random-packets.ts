/** Packets at random, but well enough formed that every branch of a decoder is reached often. */

import { GsoType, LinkType } from '../../src/capture/packet-source.ts';
import type { Random } from '../fuzz/random.ts';
import type { About } from './support.ts';

export interface RandomPacket {
  captured: Uint8Array;
  about: About & { wireLength: number };
}

const LINK_TYPES = [...Object.values(LinkType), 147];
const EXTENSIONS = [0, 43, 44, 51, 60, 135, 139, 140, 253, 254];
const UPPER_LAYERS = [6, 6, 17, 17, 136, 132, 33, 1, 58, 2, 4, 41, 47, 50, 59];

/** A frame of a random link type, with faults in about half of them. */
export function randomPacket(random: Random): RandomPacket {
  const about: About = { linkType: random.oneIn(2) ? LinkType.ETHERNET : random.pick(LINK_TYPES) };
  if (random.oneIn(4)) about.strippedVlanTci = random.below(65536);
  if (random.oneIn(4)) {
    about.gsoType = random.pick(Object.values(GsoType));
    about.gsoSize = random.below(1500);
  }
  const version = random.pick([4, 6] as const);
  const packet = version === 4 ? ipv4(random) : ipv6(random);
  const frame = [...link(random, about.linkType ?? 0, version), ...packet];
  if (random.oneIn(3)) frame.push(...random.octets(random.below(30)));

  if (random.oneIn(4)) {
    for (let i = random.below(3); i >= 0; i--) frame[random.below(frame.length)] = random.below(256);
  }
  let wireLength = frame.length;
  if (random.oneIn(8)) wireLength = random.below(2 * frame.length);
  if (random.oneIn(20)) wireLength = 65000 + random.below(10000);
  const captured = random.oneIn(4) ? frame.slice(0, random.below(frame.length + 1)) : frame;
  return { captured: Uint8Array.from(captured), about: { ...about, wireLength } };
}

function uint16(value: number): number[] {
  return [(value >>> 8) & 255, value & 255];
}

function link(random: Random, linkType: number, version: 4 | 6): number[] {
  const family = version === 4 ? 2 : random.pick([10, 24, 28, 30, 7]);
  switch (linkType) {
    case LinkType.ETHERNET:
      return [...random.octets(12), ...typeAndTags(random, version)];
    case LinkType.LINUX_SLL:
      return [...random.octets(14), ...typeAndTags(random, version)];
    case LinkType.LINUX_SLL2: {
      const [high, low, ...rest] = typeAndTags(random, version);
      return [high!, low!, ...random.octets(18), ...rest];
    }
    case LinkType.NULL:
    case LinkType.LOOP:
      return random.oneIn(2) ? [0, 0, 0, family] : [family, 0, 0, 0];
    default:
      return [];
  }
}

function typeAndTags(random: Random, version: 4 | 6, depth = 0): number[] {
  const etherType = version === 4 ? [0x08, 0x00] : [0x86, 0xdd];
  switch (random.below(depth < 5 ? 9 : 4)) {
    case 4: {
      const tag = random.pick([0x8100, 0x88a8, 0x9100, 0x9200, 0x9300]);
      return [...uint16(tag), ...random.octets(2), ...typeAndTags(random, version, depth + 1)];
    }
    case 5: {
      const labels: number[] = [];
      for (let above = random.below(4); above > 0; above--) {
        const [a, b, c, ttl] = random.octets(4);
        labels.push(a!, b!, c! & 0xfe, ttl!);
      }
      const [a, b, c, ttl] = random.octets(4);
      return [0x88, random.pick([0x47, 0x48]), ...labels, a!, b!, c! | 1, ttl!];
    }
    case 6: {
      const protocol = random.pick([version === 4 ? 0x21 : 0x57, version === 4 ? 0x21 : 0x57, 0xc021]);
      return [0x88, 0x64, 0x11, random.oneIn(8) ? 9 : 0, ...random.octets(4), ...uint16(protocol)];
    }
    case 7:
      return [
        ...uint16(random.below(1501)),
        0xaa,
        0xaa,
        3,
        0,
        0,
        0,
        ...typeAndTags(random, version, depth + 1),
      ];
    case 8:
      return random.oneIn(3) ? random.octets(2) : [0x00, 0x04, 0xaa, 0xaa, 3, 0, 0, 0, ...etherType];
    default:
      return etherType;
  }
}

function ipv4(random: Random): number[] {
  const options = random.oneIn(3) ? random.octets(4 * random.below(11)) : [];
  const protocol = random.oneIn(5) ? 51 : random.pick(UPPER_LAYERS);
  const payload = protocol === 51 ? extensionHeader(random, 51, UPPER_LAYERS) : [];
  payload.push(...random.octets(random.below(70)));
  let total = 20 + options.length + payload.length;
  if (random.oneIn(12)) total = random.pick([0, 0, 19, 20, 20 + options.length, total + 1, total - 1]);
  const flags = random.pick([0x4000, 0x4000, 0x0000, 0x2000, 0x2001, 0x00b9, random.below(65536)]);
  const ihl = random.oneIn(30) ? random.below(16) : 5 + options.length / 4;
  return [
    ...[0x40 + ihl, random.below(256), ...uint16(total)],
    ...[...random.octets(2), ...uint16(flags)],
    ...[random.below(256), protocol, ...random.octets(2)],
    ...random.octets(8),
    ...options,
    ...payload,
  ];
}

function ipv6(random: Random): number[] {
  const chain: number[] = [];
  while (random.oneIn(2) && chain.length < 8) chain.push(random.pick(EXTENSIONS));
  const jumbo = random.oneIn(10);
  if (jumbo) chain.unshift(0);
  const protocols = [...chain, random.pick(UPPER_LAYERS)];
  const payload = chain.flatMap((header, i) => {
    if (jumbo && i === 0) return jumboHeader(random, protocols[1]!);
    return extensionHeader(random, header, [protocols[i + 1]!]);
  });
  payload.push(...random.octets(random.below(70)));
  let length = payload.length;
  if (jumbo || random.oneIn(20)) length = 0;
  else if (random.oneIn(12)) length += random.pick([-1, 1, -length, 8]);
  return [
    ...[0x60 + random.below(16), ...random.octets(3)],
    ...[...uint16(length), protocols[0]!, random.below(256)],
    ...random.octets(32),
    ...payload,
  ];
}

function extensionHeader(random: Random, header: number, next: readonly number[]): number[] {
  const nextHeader = random.pick(next);
  if (header === 44) {
    const offsetAndMore = random.pick([0, 1, 1, random.below(65536)]);
    return [nextHeader, 0, ...uint16(offsetAndMore), ...random.octets(4)];
  }
  const length = random.oneIn(8) ? random.below(256) : random.below(4);
  const octets = header === 51 ? (length + 2) * 4 : (length + 1) * 8;
  return [nextHeader, length, ...random.octets(octets - 2)];
}

function jumboHeader(random: Random, next: number): number[] {
  const length = [0, random.pick([0, 0, 1]), ...random.octets(2)];
  const option = [0xc2, random.oneIn(8) ? 3 : 4, ...length];
  return random.pick([
    [next, 0, ...option],
    [next, 1, 0, 0, 1, 0, ...option, 0, 0, 0, 0],
    [next, 1, 5, 2, 0, 0, 1, 4, 0, 0, 0, 0, ...option.slice(0, 4)],
    [next, 0, 1, 4, 0, 0, 0, 0],
  ]);
}
