/**
 * Runs inside a namespace, started by the tests: captures on interfaces, decodes naively, and says what it saw.
 *
 * Argument: JSON {@link WatchRequest}. Standard output: one JSON {@link WatchEvent} a line. SIGTERM ends it.
 */
import { compileFilter, type Direction } from '../../src/capture/filter.ts';
import { findInterface, linkTypeOf } from '../../src/capture/interfaces.ts';
import { LibpcapSource } from '../../src/capture/libpcap.ts';
import {
  type CaptureCounters,
  type Frame,
  LinkType,
  type PacketSource,
} from '../../src/capture/packet-source.ts';
import { RingSource } from '../../src/capture/ring.ts';

export interface WatchRequest {
  readonly by: 'ring' | 'libpcap';
  readonly interfaces: readonly string[];
  readonly direction?: Direction;
  readonly filter?: string;
  readonly blockTimeoutMilliseconds?: number;
  /** Tell each frame as it arrives. */
  readonly tellFrames?: boolean;
}

/** Packets that agree in everything named here. */
export interface Seen {
  readonly interfaceName: string;
  readonly protocol: string;
  readonly from: string;
  readonly to: string;
  readonly vlan: number;
  /** EtherType behind the stripped tag. */
  readonly etherType: number;
  frames: number;
  /** Packets on the wire: what an offload merged is counted apart. */
  packets: number;
  /** Octets of TCP or UDP payload. */
  payload: number;
  /** Frames that an offload had merged, and their largest gsoSize. */
  giants: number;
  gsoSize: number;
}

export type WatchEvent =
  | { readonly event: 'ready'; readonly segmentSizesKnown: boolean }
  | { readonly event: 'log'; readonly message: string; readonly capturing: boolean }
  | { readonly event: 'frame'; readonly delayMilliseconds: number }
  | { readonly event: 'failed'; readonly message: string }
  | { readonly event: 'seen'; readonly seen: readonly Seen[]; readonly counters: readonly CaptureCounters[] };

const request = JSON.parse(process.argv[2] ?? '{}') as WatchRequest;
const say = (event: WatchEvent) => process.stdout.write(`${JSON.stringify(event)}\n`);
const sources: PacketSource[] = [];
const seen = new Map<string, Seen>();

const receiver = {
  beginBatch() {},
  frame(frame: Frame) {
    const packet = decode(frame);
    const { frames: _, packets, payload, giants, gsoSize, ...key } = packet;
    const name = JSON.stringify(key);
    const entry = seen.get(name);
    if (entry === undefined) {
      seen.set(name, packet);
    } else {
      entry.frames++;
      entry.packets += packets;
      entry.payload += payload;
      entry.giants += giants;
      entry.gsoSize = Math.max(entry.gsoSize, gsoSize);
    }
    if (request.tellFrames === true) {
      say({
        event: 'frame',
        delayMilliseconds: Date.now() - (frame.seconds * 1000 + frame.nanoseconds / 1e6),
      });
    }
  },
  endBatch: () => undefined,
};

function decode(frame: Frame): Seen {
  const { view } = frame;
  const interfaceName =
    sources.flatMap((source) => source.interfaces).find(({ index }) => index === frame.ingressInterface)
      ?.name ?? '?';
  let ip = frame.offset;
  let etherType = 0x800;
  if (frame.linkType === LinkType.ETHERNET) {
    etherType = view.getUint16(frame.offset + 12);
    ip += 14;
  } else if (view.getUint8(ip) >> 4 === 6) {
    etherType = 0x86dd;
  }
  const vlan = frame.strippedVlanTci === -1 ? 0 : frame.strippedVlanTci & 0xfff;
  const one = { interfaceName, vlan, etherType, frames: 1, packets: 1, payload: 0, giants: 0, gsoSize: 0 };
  if (etherType !== 0x800 && etherType !== 0x86dd) return { ...one, protocol: 'other', from: '', to: '' };

  const v4 = etherType === 0x800;
  const number = view.getUint8(ip + (v4 ? 9 : 6));
  const transport = ip + (v4 ? (view.getUint8(ip) & 15) * 4 : 40);
  const octets = v4 ? view.getUint16(ip + 2) : 40 + view.getUint16(ip + 4);
  const name = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6' }[number] ?? String(number);
  const ports = name === 'tcp' || name === 'udp';
  const address = (at: number) => {
    if (v4) return [0, 1, 2, 3].map((i) => view.getUint8(at + i)).join('.');
    return [0, 2, 4, 6, 8, 10, 12, 14].map((i) => view.getUint16(at + i).toString(16)).join(':');
  };
  const packet = {
    ...one,
    protocol: ports ? `${name}${v4 ? 4 : 6}` : `${name} ${view.getUint8(transport)}`,
    from: address(ip + (v4 ? 12 : 8)) + (ports ? ` ${view.getUint16(transport)}` : ''),
    to: address(ip + (v4 ? 16 : 24)) + (ports ? ` ${view.getUint16(transport + 2)}` : ''),
  };
  if (!ports) return packet;
  const header = name === 'tcp' ? (view.getUint8(transport + 12) >> 4) * 4 : 8;
  packet.payload = octets - (transport - ip) - header;
  if (frame.gsoType !== 0) {
    packet.giants = 1;
    packet.gsoSize = frame.gsoSize;
    packet.packets = Math.ceil(packet.payload / frame.gsoSize);
  }
  return packet;
}

async function open(interfaceName: string): Promise<PacketSource> {
  const { direction = 'ingress', filter, blockTimeoutMilliseconds } = request;
  if (request.by === 'libpcap') return new LibpcapSource({ interfaceName, direction, filter });
  const found = findInterface(interfaceName);
  const program =
    filter === undefined || found === undefined
      ? []
      : await compileFilter(filter, { interfaceName, linkType: linkTypeOf(found) });
  const ring: RingSource = new RingSource({
    interfaceName,
    direction,
    filter: program,
    ...(blockTimeoutMilliseconds === undefined ? {} : { blockTimeoutMilliseconds }),
    log: (message) => say({ event: 'log', message, capturing: ring.capturing }),
  });
  return ring;
}

try {
  for (const name of request.interfaces) {
    const source = await open(name);
    sources.push(source);
    await source.start(receiver);
  }
  process.once('SIGTERM', async () => {
    await Promise.all(sources.map((source) => source.stop()));
    await Promise.all(sources.map((source) => source.finished));
    say({ event: 'seen', seen: [...seen.values()], counters: sources.map(({ counters }) => counters) });
  });
  say({
    event: 'ready',
    segmentSizesKnown: sources.every((source) => source instanceof RingSource && source.segmentSizesKnown),
  });
} catch (error) {
  say({ event: 'failed', message: (error as Error).message });
}
