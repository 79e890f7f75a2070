/** Random tunnels around random packets, nested now and then deeper than anyone opens, with headers that are wrong now and then. */

import { LinkType } from '../../src/capture/packet-source.ts';
import type { Random } from '../fuzz/random.ts';
import { type Conversation, frameAround, randomConversation, wholeFrame } from './random-frames.ts';
import type { TunnelName } from './tunnels.ts';

const TUNNELS: readonly TunnelName[] = ['vxlan', 'geneve', 'gre', 'ipip', '6in4'];

/** One packet's way: the tunnels around it, the innermost first. */
export interface Path {
  readonly inner: Conversation;
  readonly around: readonly {
    readonly tunnel: TunnelName;
    readonly outer: Conversation;
    readonly id: number;
  }[];
}

const u16 = (value: number) => [(value >> 8) & 0xff, value & 0xff];

/** @param linkType of the outermost frame */
export function randomPath(random: Random, linkType: number): Path {
  const depth = random.pick([0, 1, 1, 1, 2, 3, 4, 5, 6]);
  const around: Path['around'][number][] = [];
  const tunnels = Array.from({ length: depth }, () => random.pick(TUNNELS));
  /** The link that a frame within this tunnel has. */
  const within = (tunnel: TunnelName | undefined) => {
    if (tunnel === undefined) return linkType;
    if (tunnel === 'vxlan') return LinkType.ETHERNET;
    if (tunnel === 'ipip') return LinkType.IPV4;
    if (tunnel === '6in4') return LinkType.IPV6;
    return random.pick([LinkType.ETHERNET, LinkType.IPV4, LinkType.IPV6]);
  };
  const links = [...tunnels.map(within), linkType];
  for (const [i, tunnel] of tunnels.entries()) {
    const outer = randomConversation(random, links[i + 1]!);
    const [protocol, destinationPort] = {
      vxlan: [17, 4789],
      geneve: [17, 6081],
      gre: [47, 0],
      ipip: [4, 0],
      '6in4': [41, 0],
    }[tunnel] as [number, number];
    const id = random.pick([0, 1, 7, 0xffffff]);
    around.push({ tunnel, outer: { ...outer, protocol, destinationPort, oneFragmentIn: 20 }, id });
  }
  return { inner: randomConversation(random, links[0]!), around };
}

export function tunnelledFrame(random: Random, { inner, around }: Path, tcpFlags: number): number[] {
  let frame = wholeFrame(random, inner, tcpFlags);
  let linkType = inner.linkType;
  for (const { tunnel, outer, id } of around) {
    if (tunnel === 'vxlan' && random.oneIn(8)) frame = frame.slice(0, 14 + random.below(60));
    frame = frameAround(random, outer, [...header(random, tunnel, linkType, id, outer), ...frame]);
    linkType = outer.linkType;
  }
  return frame;
}

function header(
  random: Random,
  tunnel: TunnelName,
  linkType: number,
  id: number,
  { sourcePort, destinationPort }: Conversation,
): number[] {
  const vni = [id >> 16, ...u16(id & 0xffff), random.below(256)];
  const udp = [...u16(sourcePort), ...u16(destinationPort), ...random.octets(4)];
  const protocolType = u16(
    random.oneIn(30)
      ? 0x8847
      : linkType === LinkType.IPV4
        ? 0x0800
        : linkType === LinkType.IPV6
          ? 0x86dd
          : 0x6558,
  );
  switch (tunnel) {
    case 'vxlan':
      return [...udp, random.oneIn(30) ? 0 : 0x08, ...random.octets(3), ...vni];
    case 'geneve': {
      const options = random.pick([[], awsOptions(id), awsOptions(id), awsOptions(0), [0, 0, 0, 0]]);
      if (random.oneIn(30)) options[3] = 31;
      const version = random.oneIn(30) ? 0x40 : 0;
      const flags = random.oneIn(30) ? 0x80 : random.pick([0, 0x40]);
      return [...udp, version | (options.length / 4), flags, ...protocolType, ...vni, ...options];
    }
    case 'gre': {
      const flags = random.pick([0, 0, 0x20, 0x20, 0x30, 0xa0, 0x80, 0xb0, 0x40, 0x08, 0x04]);
      const bits = ((flags >> 7) & 1) + ((flags >> 5) & 1) + ((flags >> 4) & 1);
      const words = Array.from({ length: bits }, () => [0, 0, ...u16(id & 0xffff)]).flat();
      return [flags | random.below(4), random.oneIn(20) ? random.below(8) : 0, ...protocolType, ...words];
    }
    default:
      return [];
  }
}

/** Endpoint, attachment and flow cookie, as AWS's Gateway Load Balancer sends them. */
function awsOptions(id: number): number[] {
  const eight = [0xab, 0, 0, 0, 0, ...u16(id & 0xffff), id & 0xff];
  return [
    ...[0x01, 0x08, 1, 2, ...(id === 0 ? new Array<number>(8).fill(0) : eight)],
    ...[0x01, 0x08, 2, 2, ...eight],
    ...[0x01, 0x08, 3, 1, 1, 2, 3, 4],
  ];
}
