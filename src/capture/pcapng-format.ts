/**
 * pcapng (draft-ietf-opsawg-pcapng): a file of blocks, in sections that each have their own byte order and
 * interfaces. Blocks that carry no packets are stepped over.
 *
 *    any block:  type 4, total length 4, body, total length 4 again
 *    Section Header        body: byte-order magic 4, version 2 + 2, section length 8, options
 *    Enhanced Packet       body: interface 4,             time 4 + 4, captured 4, on the wire 4, octets, options
 *    Packet (obsolete)     body: interface 2, drops 2,    time 4 + 4, captured 4, on the wire 4, octets, options
 *    Simple Packet         body: on the wire 4, octets
 *    Interface Description      see pcapng-interface.ts
 *
 * Block lengths are taken as libpcap takes them: one that is no multiple of 4, or that the block's end does not
 * repeat, is corrupt; to guess on would be to make packets up.
 */

import { type CaptureFormat, MAX_CAPTURED_OCTETS, Magic } from './capture-format.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { CaptureCounters, CaptureInterface, Frame, FrameReceiver } from './packet-source.ts';
import { PcapngInterface } from './pcapng-interface.ts';

const BlockType = {
  INTERFACE_DESCRIPTION: 1,
  PACKET: 2,
  SIMPLE_PACKET: 3,
  ENHANCED_PACKET: 6,
  SECTION_HEADER: Magic.PCAPNG,
} as const;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Type, length and length again; for a section header the byte-order magic, which comes as early. */
const MIN_BLOCK_OCTETS = 12;
/** No block is longer, as in libpcap: it is held in memory whole. */
const MAX_BLOCK_OCTETS = 16 * 1024 * 1024;
/** More would be no capture, but a way to fill the memory. */
const MAX_INTERFACES = 65_535;
const TRAILER_OCTETS = 4;
const SECTION_HEADER_OCTETS = 28;
/** Where a packet's octets begin in its block. */
const PACKET_DATA = 28;
const SIMPLE_PACKET_DATA = 12;

export class PcapngFormat implements CaptureFormat {
  needed = MIN_BLOCK_OCTETS;
  unit = 'a block header';
  readonly #frame: Frame;
  readonly #counters: CaptureCounters;
  /** Of the whole file: {@link Frame.ingressInterface} counts over its sections. */
  readonly #interfaces: CaptureInterface[];
  /** Of the section being read: what its packets' interface numbers mean. */
  #sectionInterfaces: PcapngInterface[] = [];
  #littleEndian = false;

  /** Appends to `interfaces` as it meets their descriptions. */
  constructor(frame: Frame, counters: CaptureCounters, interfaces: CaptureInterface[]) {
    this.#frame = frame;
    this.#counters = counters;
    this.#interfaces = interfaces;
  }

  walk(chunk: ChunkReader, receiver: FrameReceiver): void {
    const { view, end } = chunk;
    this.#frame.view = view;
    this.needed = MIN_BLOCK_OCTETS;
    this.unit = 'a block header';
    let position = chunk.start;
    while (end - position >= MIN_BLOCK_OCTETS) {
      // The section header's type reads the same in both orders, by design.
      const type = view.getUint32(position, this.#littleEndian);
      if (type === BlockType.SECTION_HEADER) this.#readByteOrder(chunk, position);
      const littleEndian = this.#littleEndian;
      const total = view.getUint32(position + 4, littleEndian);
      if (total < MIN_BLOCK_OCTETS || total > MAX_BLOCK_OCTETS || (total & 3) !== 0) {
        throw badLength(chunk, position, total);
      }
      if (total > end - position) {
        this.needed = total;
        this.unit = 'a block';
        break;
      }
      const repeated = view.getUint32(position + total - TRAILER_OCTETS, littleEndian);
      if (repeated !== total) {
        throw chunk.error(position, `corrupt: a block of ${total} octets ends with the length ${repeated}`);
      }
      if (type === BlockType.ENHANCED_PACKET) {
        this.#packet(chunk, position, total, view.getUint32(position + 8, littleEndian), receiver);
      } else if (type === BlockType.PACKET) {
        this.#packet(chunk, position, total, view.getUint16(position + 8, littleEndian), receiver);
      } else if (type === BlockType.SIMPLE_PACKET) {
        this.#simplePacket(chunk, position, total, receiver);
      } else if (type === BlockType.INTERFACE_DESCRIPTION) {
        this.#interface(chunk, position, total);
      } else if (type === BlockType.SECTION_HEADER) {
        this.#section(chunk, position, total);
      }
      position += total;
    }
    chunk.start = position;
  }

  #readByteOrder(chunk: ChunkReader, position: number): void {
    this.#littleEndian = chunk.view.getUint32(position + 8, true) === BYTE_ORDER_MAGIC;
    if (!this.#littleEndian && chunk.view.getUint32(position + 8) !== BYTE_ORDER_MAGIC) {
      throw chunk.error(
        position + 8,
        'corrupt: a section header whose byte-order magic is not 1a2b3c4d in either order',
      );
    }
  }

  #section(chunk: ChunkReader, position: number, total: number): void {
    if (total < SECTION_HEADER_OCTETS) {
      throw chunk.error(
        position,
        `corrupt: a section header of ${total} octets, below ${SECTION_HEADER_OCTETS}`,
      );
    }
    const major = chunk.view.getUint16(position + 12, this.#littleEndian);
    if (major !== 1) {
      const minor = chunk.view.getUint16(position + 14, this.#littleEndian);
      throw chunk.error(position + 12, `pcapng version ${major}.${minor}, where Weir reads 1.x`);
    }
    this.#sectionInterfaces = [];
  }

  #interface(chunk: ChunkReader, position: number, total: number): void {
    const index = this.#interfaces.length + 1;
    if (index > MAX_INTERFACES) throw chunk.error(position, `more than ${MAX_INTERFACES} interfaces`);
    const description = new PcapngInterface(chunk, position, total, this.#littleEndian, index);
    this.#sectionInterfaces.push(description);
    this.#interfaces.push(description);
  }

  /** An Enhanced Packet Block, or an obsolete Packet Block: they differ in the interface number's width alone. */
  #packet(
    chunk: ChunkReader,
    position: number,
    total: number,
    number: number,
    receiver: FrameReceiver,
  ): void {
    const { view } = chunk;
    const littleEndian = this.#littleEndian;
    if (total < PACKET_DATA + TRAILER_OCTETS) throw tooShort(chunk, position, total);
    const description = this.#sectionInterfaces[number];
    if (description === undefined) throw noInterface(chunk, position, number);
    const capturedLength = view.getUint32(position + 20, littleEndian);
    const room = total - PACKET_DATA - TRAILER_OCTETS;
    if (capturedLength > room || capturedLength > MAX_CAPTURED_OCTETS) {
      throw tooLong(chunk, position, capturedLength, room);
    }
    const frame = this.#frame;
    description.clock.stamp(frame, view, position + 12, littleEndian);
    frame.offset = position + PACKET_DATA;
    frame.capturedLength = capturedLength;
    frame.wireLength = view.getUint32(position + 24, littleEndian);
    frame.linkType = description.linkType;
    frame.ingressInterface = description.index;
    this.#counters.frames++;
    receiver.frame(frame);
  }

  /** Of the section's first interface. It has no time: the frame keeps that of the packet before it, or 1970. */
  #simplePacket(chunk: ChunkReader, position: number, total: number, receiver: FrameReceiver): void {
    if (total < SIMPLE_PACKET_DATA + TRAILER_OCTETS) throw tooShort(chunk, position, total);
    const description = this.#sectionInterfaces[0];
    if (description === undefined) throw noInterface(chunk, position, 0);
    const wireLength = chunk.view.getUint32(position + 8, this.#littleEndian);
    const capturedLength = Math.min(wireLength, description.snapLength);
    const room = total - SIMPLE_PACKET_DATA - TRAILER_OCTETS;
    if (capturedLength > room || capturedLength > MAX_CAPTURED_OCTETS) {
      throw tooLong(chunk, position, capturedLength, room);
    }
    const frame = this.#frame;
    frame.offset = position + SIMPLE_PACKET_DATA;
    frame.capturedLength = capturedLength;
    frame.wireLength = wireLength;
    frame.linkType = description.linkType;
    frame.ingressInterface = description.index;
    this.#counters.frames++;
    receiver.frame(frame);
  }
}

function badLength(chunk: ChunkReader, position: number, total: number): Error {
  const rule =
    total < MIN_BLOCK_OCTETS
      ? `below ${MIN_BLOCK_OCTETS}`
      : total > MAX_BLOCK_OCTETS
        ? `more than ${MAX_BLOCK_OCTETS}`
        : 'not a multiple of 4';
  return chunk.error(position, `corrupt: a block claims ${total} octets, ${rule}`);
}

function noInterface(chunk: ChunkReader, position: number, number: number): Error {
  return chunk.error(
    position,
    `corrupt: a packet of interface ${number}, which its section does not describe`,
  );
}

function tooShort(chunk: ChunkReader, position: number, total: number): Error {
  return chunk.error(position, `corrupt: a block of ${total} octets is too short for a packet`);
}

function tooLong(chunk: ChunkReader, position: number, capturedLength: number, room: number): Error {
  const limit = Math.min(room, MAX_CAPTURED_OCTETS);
  return chunk.error(
    position,
    `corrupt: a packet claims ${capturedLength} captured octets, more than ${limit}`,
  );
}
