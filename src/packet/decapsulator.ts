/**
 * Opens tunnels: the packet inside is the one that is metered, with its own octets, ports, VLAN and MAC addresses.
 *
 * Steps of a frame: decode it → is it a tunnel that is asked for, for this machine, from an allowed source? → read the
 * tunnel's header → decode what is inside as a frame of its own → and so on, {@link MOST_TUNNELS} deep. Addresses are
 * checked of the outermost tunnel only: what is within a tunnel for this machine is this machine's to read. What cannot
 * be opened down to an IP packet is metered as the packet that it is, and counted by reason.
 */

import { Frame, GsoType, LinkType } from '../capture/packet-source.ts';
import { ipv4 } from './ipv4.ts';
import { ipv6 } from './ipv6.ts';
import { linkHeader } from './link.ts';
import { isOffloaded } from './offload.ts';
import {
  ADDRESSES,
  CONTROL,
  FRAGMENT_BITS,
  INGRESS_INTERFACE,
  IP_OCTETS,
  METERED,
  PORTS,
  PROTOCOL,
  RARE,
  TTL,
  UPPER_LAYER,
} from './packet-layout.ts';
import type { PacketView } from './packet-view.ts';
import type { PrefixSet } from './prefix-set.ts';
import { NOT_OPENED_REASONS, type NotOpenedReason, TunnelHeader } from './tunnel-header.ts';
import {
  ENDPOINT,
  GRE_KEY,
  SEGMENT,
  SEGMENT_6IN4,
  SEGMENT_GENEVE,
  SEGMENT_GRE,
  SEGMENT_IPIP,
  SEGMENT_VXLAN,
} from './tunnel-key.ts';

/** What `--decapsulate` knows. The order is the index into counters; the names are metric labels. */
export const TUNNELS = ['vxlan', 'geneve', 'gre', 'ipip', '6in4'] as const;
export type Tunnel = (typeof TUNNELS)[number];
const VXLAN = 0;
const GENEVE = 1;
const GRE = 2;
const IPIP = 3;
const SIXIN4 = 4;
const SEGMENTS = [SEGMENT_VXLAN, SEGMENT_GENEVE, SEGMENT_GRE, SEGMENT_IPIP, SEGMENT_6IN4];

/** Tunnels within each other that are opened. */
export const MOST_TUNNELS = 4;

const VXLAN_PORT = 4789;
const GENEVE_PORT = 6081;
const UDP = 17;

const index = (reason: NotOpenedReason) => NOT_OPENED_REASONS.indexOf(reason);
const NOT_ADDRESSED_HERE = index('not_addressed_here');
const SOURCE_NOT_ALLOWED = index('source_not_allowed');
const FRAGMENT = index('fragment');
const MERGED = index('merged');
const NO_IP_INSIDE = index('no_ip_inside');
const NESTED_TOO_DEEP = index('nested_too_deep');

export interface DecapsulatorOptions {
  readonly tunnels: readonly Tunnel[];
  /** Who may send what is opened; undefined: anyone. */
  readonly sources?: PrefixSet | undefined;
  /** This machine's addresses; undefined: whatever the destination is, it is opened (capture files). */
  readonly destinations?: PrefixSet | undefined;
}

export class Decapsulator {
  /** Packets, by the index into TUNNELS: a nested one counts for each tunnel that it was in. */
  readonly openedPackets = new Float64Array(TUNNELS.length);
  /** Packets of tunnels that are asked for, by the index into NOT_OPENED_REASONS. */
  readonly notOpenedPackets = new Float64Array(NOT_OPENED_REASONS.length);
  /** Where a machine's addresses change, the set is replaced. */
  destinations: PrefixSet | undefined;

  readonly #sources: PrefixSet | undefined;
  /** By the index into TUNNELS. */
  readonly #isAsked: readonly boolean[];
  readonly #header = new TunnelHeader();
  /** What is inside, by the number of tunnels around it. */
  readonly #inner = Array.from({ length: MOST_TUNNELS }, () => new Frame());
  /** Where the IP packet that was decoded last begins. */
  #ip = 0;
  #segment = 0;
  #greKey = 0;
  #endpointHigh = 0;
  #endpointLow = 0;

  readonly tunnels: readonly Tunnel[];

  constructor(options: DecapsulatorOptions) {
    this.tunnels = options.tunnels;
    this.#isAsked = TUNNELS.map((tunnel) => options.tunnels.includes(tunnel));
    this.#sources = options.sources;
    this.destinations = options.destinations;
  }

  /** As `decode`; behind the addresses stand the words of tunnel-key.ts. */
  decode(frame: Frame, view: PacketView): number {
    const outcome = this.#decodeOne(frame, view);
    if (outcome !== METERED) return outcome;
    const { words, base } = view;
    this.#segment = 0;
    this.#greKey = 0;
    this.#endpointHigh = 0;
    this.#endpointLow = 0;
    if ((words[base + PROTOCOL]! & 0xff) !== 6) this.#open(frame, view);
    const key = base + ADDRESSES + (words[base + CONTROL]! >>> 24 === 4 ? 2 : 8);
    words[key + SEGMENT] = this.#segment;
    words[key + GRE_KEY] = this.#greKey;
    words[key + ENDPOINT] = this.#endpointHigh;
    words[key + ENDPOINT + 1] = this.#endpointLow;
    return METERED;
  }

  #decodeOne(frame: Frame, view: PacketView): number {
    const { words, base } = view;
    if (words[base + RARE] !== 0) view.clearRare();
    words[base + INGRESS_INTERFACE] = frame.ingressInterface;
    const ip = linkHeader(frame, view);
    if (ip < 0) return -ip;
    this.#ip = ip;
    return words[base + CONTROL]! >>> 24 === 4 ? ipv4(frame, view, ip) : ipv6(frame, view, ip);
  }

  /** Opens what is asked for, from the outermost on; the view holds the innermost packet that could be read. */
  #open(outermost: Frame, view: PacketView): void {
    let frame = outermost;
    for (let depth = 0; ; depth++) {
      const tunnel = this.#tunnelOf(view);
      if (tunnel < 0) return;
      const obstacle = this.#obstacle(tunnel, depth, frame, view);
      if (obstacle >= 0) {
        this.#count(this.notOpenedPackets, obstacle, view);
        return;
      }
      const at = this.#readHeader(tunnel, frame, view);
      if (at < 0) {
        this.#count(this.notOpenedPackets, -1 - at, view);
        return;
      }
      const inner = this.#inner[depth]!;
      this.#enclose(inner, frame, view, at, tunnel);
      if (this.#decodeOne(inner, view) !== METERED) {
        // The packet around it is metered: read it again.
        this.#decodeOne(frame, view);
        this.#count(this.notOpenedPackets, NO_IP_INSIDE, view);
        return;
      }
      this.#count(this.openedPackets, tunnel, view);
      this.#identify(tunnel);
      frame = inner;
    }
  }

  /** Index into TUNNELS; -1: no tunnel that is asked for. */
  #tunnelOf({ words, base }: PacketView): number {
    let tunnel = -1;
    switch (words[base + PROTOCOL]! & 0xff) {
      case 4:
        tunnel = IPIP;
        break;
      case 41:
        tunnel = SIXIN4;
        break;
      case 47:
        tunnel = GRE;
        break;
      case UDP: {
        const port = words[base + PORTS]! & 0xffff;
        if (port === VXLAN_PORT) tunnel = VXLAN;
        else if (port === GENEVE_PORT) tunnel = GENEVE;
      }
    }
    return tunnel >= 0 && this.#isAsked[tunnel] === true ? tunnel : -1;
  }

  /** Why the view's packet is not to be opened, by index; -1: nothing stands against it. */
  #obstacle(tunnel: number, depth: number, frame: Frame, view: PacketView): number {
    const { words, base } = view;
    if (depth === 0) {
      const ipVersion = words[base + CONTROL]! >>> 24;
      const source = base + ADDRESSES;
      const destination = source + (ipVersion === 4 ? 1 : 4);
      if (this.destinations?.has(ipVersion, words, destination) === false) return NOT_ADDRESSED_HERE;
      if (this.#sources?.has(ipVersion, words, source) === false) return SOURCE_NOT_ALLOWED;
    }
    if ((words[base + TTL]! & FRAGMENT_BITS) !== 0) return FRAGMENT;
    // One header for several datagrams: whether the outer ones or the inner ones were merged, nothing says.
    const isUdp = tunnel === VXLAN || tunnel === GENEVE;
    if (isUdp && isOffloaded(frame) && (frame.gsoType === GsoType.UDP || frame.gsoType === GsoType.UDP_L4)) {
      return MERGED;
    }
    return depth === MOST_TUNNELS ? NESTED_TOO_DEEP : -1;
  }

  /** @returns the offset of what is inside, or −1 − the index into NOT_OPENED_REASONS */
  #readHeader(tunnel: number, frame: Frame, view: PacketView): number {
    const at = view.words[view.base + UPPER_LAYER]!;
    const end = Math.min(frame.offset + frame.capturedLength, this.#end(frame, view));
    const header = this.#header;
    switch (tunnel) {
      case VXLAN:
        return header.vxlan(frame.view, at + 8, end);
      case GENEVE:
        return header.geneve(frame.view, at + 8, end);
      case GRE:
        return header.gre(frame.view, at, end);
      default:
        header.linkType = tunnel === IPIP ? LinkType.IPV4 : LinkType.IPV6;
        return at <= end ? at : -1 - NO_IP_INSIDE;
    }
  }

  /** Where the view's packet ends on the wire. A giant's octets are those of its segments: the frame is all its. */
  #end(frame: Frame, view: PacketView): number {
    if (isOffloaded(frame)) return frame.offset + frame.wireLength;
    return this.#ip + (view.words[view.base + IP_OCTETS]! >>> 0);
  }

  /** Makes a frame of what is inside. */
  #enclose(inner: Frame, frame: Frame, view: PacketView, at: number, tunnel: number): void {
    const end = this.#end(frame, view);
    inner.view = frame.view;
    inner.offset = at;
    inner.capturedLength = Math.min(frame.offset + frame.capturedLength, end) - at;
    inner.wireLength = end - at;
    inner.linkType = this.#header.linkType;
    inner.ingressInterface = frame.ingressInterface;
    inner.gsoType = frame.gsoType;
    inner.gsoSize = frame.gsoSize;
    // A Traffic Mirroring session may cut what it mirrors: the packet was longer than what arrives of it.
    inner.isCut = frame.isCut || tunnel === VXLAN;
  }

  /** The innermost tunnel that names itself counts; a GRE key and an endpoint stand beside a VNI. */
  #identify(tunnel: number): void {
    const header = this.#header;
    const hasVni = tunnel === VXLAN || tunnel === GENEVE;
    if (hasVni || this.#segment === 0) {
      this.#segment = (SEGMENTS[tunnel]! << 24) | (hasVni ? header.vni : 0);
    }
    if (tunnel === GRE && header.greKey !== 0) this.#greKey = header.greKey;
    if (tunnel === GENEVE && (header.endpointHigh | header.endpointLow) !== 0) {
      this.#endpointHigh = header.endpointHigh;
      this.#endpointLow = header.endpointLow;
    }
  }

  #count(counters: Float64Array, which: number, view: PacketView): void {
    counters[which] = counters[which]! + view.packets;
  }
}
