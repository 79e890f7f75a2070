/**
 * The oracle opens tunnels: a buffer out of a buffer. VXLAN: RFC 7348; GENEVE: RFC 8926; GRE: RFC 2784, RFC 2890;
 * IP in IP: RFC 2003, RFC 2473, RFC 4213.
 */

import type { CapturedFrame } from './capture.ts';
import type { Reason } from './link.ts';
import { type Packet, readPacket, type TunnelId } from './packet.ts';

export type TunnelName = 'vxlan' | 'geneve' | 'gre' | 'ipip' | '6in4';

const MOST_TUNNELS = 4;
export const NO_TUNNEL: TunnelId = { segment: '', greKey: 0, endpoint: '0000000000000000' };

/** EtherType → LINKTYPE_. */
const LINK_TYPES = new Map([
  [0x0800, 228],
  [0x86dd, 229],
  [0x6558, 1],
]);

interface Opened {
  readonly name: TunnelName;
  readonly linkType: number;
  /** Octets of the tunnel's header. */
  readonly header: number;
  readonly vni?: number;
  readonly greKey?: number;
  readonly endpoint?: string;
}

/** The packet that is metered, or why none is. @param counts tunnels opened, by name */
export function readInnermost(
  frame: CapturedFrame,
  tunnels: readonly TunnelName[],
  counts: Map<string, number>,
): Packet | Reason {
  let current = frame;
  let packet = readPacket(frame);
  if (typeof packet === 'string' || tunnels.length === 0) return packet;
  let id = NO_TUNNEL;
  for (let depth = 0; depth < MOST_TUNNELS; depth++) {
    const opened: Opened | undefined = packet.fragment === undefined ? open(packet) : undefined;
    if (opened === undefined || !tunnels.includes(opened.name)) break;
    const inside: CapturedFrame = {
      nanoseconds: current.nanoseconds,
      ingressInterface: current.ingressInterface,
      linkType: opened.linkType,
      captured: packet.payload.subarray(opened.header),
      wireLength: packet.payloadOctets - opened.header,
      isCut: current.isCut === true || opened.name === 'vxlan',
    };
    const inner = readPacket(inside);
    if (typeof inner === 'string') break;
    counts.set(opened.name, (counts.get(opened.name) ?? 0) + 1);
    id = {
      segment:
        opened.vni !== undefined
          ? `${opened.name} ${opened.vni}`
          : id.segment === ''
            ? opened.name
            : id.segment,
      greKey: opened.greKey || id.greKey,
      endpoint: opened.endpoint ?? id.endpoint,
    };
    current = inside;
    packet = inner;
  }
  return { ...packet, tunnel: id };
}

function open({ protocol, destinationPort, payload }: Packet): Opened | undefined {
  if (protocol === 4) return { name: 'ipip', linkType: 228, header: 0 };
  if (protocol === 41) return { name: '6in4', linkType: 229, header: 0 };
  if (protocol === 47) return openGre(payload);
  if (protocol === 17 && destinationPort === 4789) return openVxlan(payload);
  if (protocol === 17 && destinationPort === 6081) return openGeneve(payload);
  return undefined;
}

function openVxlan(udp: Buffer): Opened | undefined {
  if (udp.length < 16 || (udp.readUInt8(8) & 0x08) === 0) return undefined;
  return { name: 'vxlan', linkType: 1, header: 16, vni: udp.readUIntBE(12, 3) };
}

function openGeneve(udp: Buffer): Opened | undefined {
  if (udp.length < 16 || udp.readUInt8(8) >> 6 !== 0) return undefined;
  const header = 16 + (udp.readUInt8(8) & 0x3f) * 4;
  const linkType = LINK_TYPES.get(udp.readUInt16BE(10));
  const isControl = udp.readUInt8(9) >= 0x80;
  if (header > udp.length || isControl || linkType === undefined) return undefined;
  let endpoint: string | undefined;
  let options = udp.subarray(16, header);
  while (options.length > 0) {
    const octets = 4 + (options.readUInt8(3) & 0x1f) * 4;
    if (octets > options.length) return undefined;
    if (options.subarray(0, 3).toString('hex') === '010801' && octets === 12) {
      endpoint = options.subarray(4, 12).toString('hex');
    }
    options = options.subarray(octets);
  }
  const isNone = endpoint === undefined || endpoint === NO_TUNNEL.endpoint;
  const vni = udp.readUIntBE(12, 3);
  return { name: 'geneve', linkType, header, vni, ...(isNone ? {} : { endpoint: endpoint! }) };
}

function openGre(gre: Buffer): Opened | undefined {
  if (gre.length < 4) return undefined;
  const [checksum, routing, key, sequence, strict, recursion] = [15, 14, 13, 12, 11, 10].map(
    (bit) => (gre.readUInt16BE(0) >> bit) % 2,
  ) as [number, number, number, number, number, number];
  const linkType = LINK_TYPES.get(gre.readUInt16BE(2));
  if (gre.readUInt16BE(0) % 8 !== 0 || routing + strict + recursion > 0 || linkType === undefined)
    return undefined;
  const header = 4 + 4 * (checksum + key + sequence);
  if (gre.length < header) return undefined;
  return { name: 'gre', linkType, header, greKey: key === 1 ? gre.readUInt32BE(4 + 4 * checksum) : 0 };
}
