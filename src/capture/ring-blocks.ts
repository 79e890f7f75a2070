/**
 * Walks the blocks of a TPACKET_V3 ring: the kernel fills them in turn, we read them in turn and give them back.
 * https://docs.kernel.org/networking/packet_mmap.html, linux/if_packet.h.
 *
 * The ring is little-endian memory here, as every machine that Weir runs on.
 */
import { type Direction, PACKET_OUTGOING } from './filter.ts';
import {
  type CaptureCounters,
  Frame,
  type FrameReceiver,
  LinkType,
  type PlainFrames,
} from './packet-source.ts';

export interface RingLayout {
  readonly blockOctets: number;
  readonly blockCount: number;
  /** Whether a virtio_net_hdr stands in front of each frame. */
  readonly vnetHeader: boolean;
}

/** What the frames of a ring have in common. */
export interface RingOrigin {
  readonly linkType: number;
  readonly interfaceIndex: number;
  readonly direction: Direction;
  /** Frames begin at the network header, whatever the link layer is. */
  readonly startAtNetworkHeader: boolean;
}

// struct tpacket_block_desc, in 32-bit words.
const BLOCK_STATUS = 2; // whose the block is: bit 0 set: ours
const BLOCK_PACKETS = 3;
const BLOCK_FIRST_PACKET = 4; // octets from the block's start
const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;

// struct tpacket3_hdr and the sockaddr_ll behind it, in 32-bit words; u16 means the lower or upper half of a word.
const NEXT_OFFSET = 0; // octets from this header to the next one; 0 in the last
const SECONDS = 1;
const NANOSECONDS = 2;
const CAPTURED_LENGTH = 3;
const WIRE_LENGTH = 4;
const STATUS = 5;
const MAC_AND_NET = 6; // tp_mac u16, tp_net u16: octets from this header to the link and the network header
const VLAN_TCI = 8;
const PACKET_TYPE = 14; // sll_hatype u16, sll_pkttype u8, sll_halen u8
const HEADER_OCTETS = 68;
const TP_STATUS_VLAN_VALID = 1 << 4;

// struct virtio_net_hdr, 10 octets right in front of the frame: octets back from the frame's start.
const GSO_TYPE = -9;
const GSO_SIZE = -6;
const GSO_ECN = 0x80;

export class RingBlocks {
  private readonly layout: RingLayout;
  private readonly origin: RingOrigin;
  private readonly counters: CaptureCounters;
  private readonly words: Int32Array;
  private readonly octets: Uint8Array;
  private readonly frame = new Frame();
  /** The block to read next. */
  private next = 0;

  /** @param memory where the ring is mapped */
  constructor(memory: Uint8Array, layout: RingLayout, origin: RingOrigin, counters: CaptureCounters) {
    const { buffer, byteOffset, byteLength } = memory;
    this.layout = layout;
    this.origin = origin;
    this.counters = counters;
    this.words = new Int32Array(buffer, byteOffset, byteLength / 4);
    this.octets = memory;
    this.frame.view = new DataView(buffer, byteOffset, byteLength);
    this.frame.linkType = origin.linkType;
    this.frame.ingressInterface = origin.interfaceIndex;
  }

  /** Hands over the frames of up to `most` blocks that the kernel has filled; returns how many blocks it were. */
  drain(receiver: FrameReceiver, most: number): number {
    const { blockOctets, blockCount } = this.layout;
    for (let drained = 0; drained < most; drained++) {
      const status = ((this.next * blockOctets) >> 2) + BLOCK_STATUS;
      if ((Atomics.load(this.words, status) & TP_STATUS_USER) === 0) return drained;
      receiver.beginBatch();
      this.counters.frames += this.readBlock(this.next * blockOctets, receiver);
      // A live source does not wait for a way out that is congested.
      void receiver.endBatch();
      Atomics.store(this.words, status, TP_STATUS_KERNEL);
      this.next = this.next + 1 === blockCount ? 0 : this.next + 1;
    }
    return most;
  }

  /** The short way, where it knows these frames and reaches them. */
  private plainFrames({ plain }: FrameReceiver): PlainFrames | undefined {
    const { linkType, direction, startAtNetworkHeader } = this.origin;
    if (linkType !== LinkType.ETHERNET || startAtNetworkHeader || direction === 'both') return undefined;
    return plain?.memory.buffer === this.octets.buffer ? plain : undefined;
  }

  /** Returns how many frames it handed over. Each turn of its loop uses up one packet of the block's count. */
  private readBlock(start: number, receiver: FrameReceiver): number {
    const { words, octets, frame, origin } = this;
    const { direction, startAtNetworkHeader } = origin;
    const isEgress = direction === 'egress';
    const { vnetHeader } = this.layout;
    const end = start + this.layout.blockOctets;
    const first = words[(start >> 2) + BLOCK_FIRST_PACKET]!;
    let at = start + first;
    if (first < 0 || (first & 3) !== 0) throw inconsistent(start, at);
    let frames = 0;
    const plain = this.plainFrames(receiver);
    const base = octets.byteOffset;
    // Where frames are not plain, one after the other, asking costs more than it gains.
    let untilNext = 0;
    let pause = 0;
    for (let left = words[(start >> 2) + BLOCK_PACKETS]!; left > 0; left--) {
      if (plain !== undefined && untilNext-- === 0 && at < end) {
        const { taken } = plain;
        at = plain.takeRing(base + at, base + end, left, origin.interfaceIndex, isEgress, vnetHeader) - base;
        const count = (plain.taken - taken) >>> 0;
        frames += count;
        left -= count;
        if (left === 0) break;
        pause = count > pause ? 0 : Math.min(2 * pause + 1, LONGEST_PAUSE);
        untilNext = pause;
      }
      const header = at >> 2;
      if (at + HEADER_OCTETS > end) throw inconsistent(start, at);
      const mac = words[header + MAC_AND_NET]! & 0xffff;
      const link = startAtNetworkHeader ? words[header + MAC_AND_NET]! >>> 16 : mac;
      const capturedLength = words[header + CAPTURED_LENGTH]! - (link - mac);
      if (at + link + capturedLength > end) throw inconsistent(start, at);

      // The socket filter decides the direction; a group of sockets (fan-out) is known to have got round that.
      const outgoing = ((words[header + PACKET_TYPE]! >>> 16) & 0xff) === PACKET_OUTGOING;
      if (direction === 'both' || outgoing === (direction === 'egress')) {
        frame.offset = at + link;
        frame.capturedLength = Math.max(capturedLength, 0);
        frame.wireLength = words[header + WIRE_LENGTH]! - (link - mac);
        frame.seconds = words[header + SECONDS]! >>> 0;
        frame.nanoseconds = words[header + NANOSECONDS]!;
        frame.strippedVlanTci =
          (words[header + STATUS]! & TP_STATUS_VLAN_VALID) !== 0 ? words[header + VLAN_TCI]! & 0xffff : -1;
        if (vnetHeader) {
          const size = at + mac + GSO_SIZE;
          frame.gsoType = octets[at + mac + GSO_TYPE]! & ~GSO_ECN;
          frame.gsoSize = frame.gsoType === 0 ? 0 : octets[size]! | (octets[size + 1]! << 8);
        }
        receiver.frame(frame);
        frames++;
      }

      const next = words[header + NEXT_OFFSET]!;
      if (left > 1 && (next < HEADER_OCTETS || (next & 3) !== 0)) throw inconsistent(start, at);
      at += next;
    }
    return frames;
  }
}

/** Frames that are handed over one by one after several that were not plain. */
const LONGEST_PAUSE = 63;

/** Only a fault of the kernel's, or of ours, gets here: reading on would count what never was. */
function inconsistent(block: number, at: number): Error {
  return new Error(`the packet ring is inconsistent: block at octet ${block}, packet header at octet ${at}`);
}
