/** Writes capture files: for the demo's generated capture, the benchmark and the tests. */

import { writeSync } from 'node:fs';
import { Magic } from './capture-format.ts';
import { LinkType } from './packet-source.ts';

export interface CaptureRecord {
  /** When, since 1970: whole seconds below 2^32 … */
  readonly seconds: number;
  /** … and nanoseconds within that second. */
  readonly nanoseconds: number;
  /** What was captured; copied. */
  readonly bytes: Uint8Array;
  /** Octets that the frame had on the wire, where more than were captured. */
  readonly wireLength?: number;
}

const INITIAL_OCTETS = 64 * 1024;
/** With a descriptor, what has gathered is written when it is this much. */
const FLUSH_OCTETS = 1024 * 1024;

/** Octets that gather in memory, and go to a descriptor where one is given. */
class OctetSink {
  readonly #fd: number | undefined;
  #bytes = new Uint8Array(INITIAL_OCTETS);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  constructor(fd: number | undefined) {
    this.#fd = fd;
  }

  /** Makes room for `octets` more, all zero, and returns where they begin in the view. */
  reserve(octets: number): number {
    if (this.#fd !== undefined && this.#length >= FLUSH_OCTETS) this.flush();
    if (this.#length + octets > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.#length + octets));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    const at = this.#length;
    this.#length += octets;
    this.#bytes.fill(0, at, this.#length);
    return at;
  }

  get view(): DataView {
    return this.#view;
  }

  set(bytes: Uint8Array, at: number): void {
    this.#bytes.set(bytes, at);
  }

  /** What has gathered and not been flushed: a copy. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Writes what has gathered to the descriptor. Throws the system's error. */
  flush(): void {
    if (this.#fd === undefined) throw new Error('flush: this writer was made without a descriptor');
    let written = 0;
    while (written < this.#length)
      written += writeSync(this.#fd, this.#bytes, written, this.#length - written);
    this.#length = 0;
  }
}

export interface PcapWriterOptions {
  /** A LINKTYPE_ number; default Ethernet. */
  readonly linkType?: number;
  /** Default microseconds, as most files. */
  readonly resolution?: 'microseconds' | 'nanoseconds';
  /** Default true. */
  readonly littleEndian?: boolean;
  /** Octets; default 262 144. Said in the header; records are not cut to it. */
  readonly snapLength?: number;
  /** Where the file goes; without it, it gathers in memory for {@link PcapWriter.take}. */
  readonly fd?: number;
}

/** Classic pcap, version 2.4. Layout: pcap-format.ts. */
export class PcapWriter {
  readonly #sink: OctetSink;
  readonly #littleEndian: boolean;
  readonly #nanosecondsPerFraction: number;

  constructor(options: PcapWriterOptions = {}) {
    const { linkType = LinkType.ETHERNET, littleEndian = true, snapLength = 262_144, fd } = options;
    const nanoseconds = options.resolution === 'nanoseconds';
    this.#sink = new OctetSink(fd);
    this.#littleEndian = littleEndian;
    this.#nanosecondsPerFraction = nanoseconds ? 1 : 1000;
    const at = this.#sink.reserve(24);
    const { view } = this.#sink;
    view.setUint32(at, nanoseconds ? Magic.PCAP_NANOSECONDS : Magic.PCAP_MICROSECONDS, littleEndian);
    view.setUint16(at + 4, 2, littleEndian);
    view.setUint16(at + 6, 4, littleEndian);
    view.setUint32(at + 16, snapLength, littleEndian);
    view.setUint32(at + 20, linkType, littleEndian);
  }

  write(record: CaptureRecord): void {
    const { bytes } = record;
    const at = this.#sink.reserve(16 + bytes.length);
    const { view } = this.#sink;
    const littleEndian = this.#littleEndian;
    view.setUint32(at, record.seconds, littleEndian);
    view.setUint32(at + 4, Math.floor(record.nanoseconds / this.#nanosecondsPerFraction), littleEndian);
    view.setUint32(at + 8, bytes.length, littleEndian);
    view.setUint32(at + 12, record.wireLength ?? bytes.length, littleEndian);
    this.#sink.set(bytes, at + 16);
  }

  /** The file so far, as far as it has not been flushed. */
  take(): Uint8Array {
    return this.#sink.take();
  }

  /** Writes everything to the descriptor; call it before closing that. */
  flush(): void {
    this.#sink.flush();
  }
}

export interface PcapngWriterOptions {
  /** Default true. */
  readonly littleEndian?: boolean;
  /** As in {@link PcapWriterOptions}. */
  readonly fd?: number;
}

export interface PcapngInterfaceOptions {
  /** A LINKTYPE_ number; default Ethernet. */
  readonly linkType?: number;
  /** Octets; default 0, no limit. */
  readonly snapLength?: number;
  readonly name?: string;
}

/** pcapng with nanoseconds: one section, its interfaces, Enhanced Packet Blocks. Layout: pcapng-format.ts. */
export class PcapngWriter {
  readonly #sink: OctetSink;
  readonly #littleEndian: boolean;
  #interfaces = 0;

  constructor(options: PcapngWriterOptions = {}) {
    this.#sink = new OctetSink(options.fd);
    this.#littleEndian = options.littleEndian ?? true;
    const at = this.#block(Magic.PCAPNG, 16);
    const { view } = this.#sink;
    view.setUint32(at, 0x1a2b3c4d, this.#littleEndian);
    view.setUint16(at + 4, 1, this.#littleEndian);
    view.setBigInt64(at + 8, -1n, this.#littleEndian); // section length: not said
  }

  /** Describes one more interface; returns its number, for {@link write}. */
  addInterface(options: PcapngInterfaceOptions = {}): number {
    const name = new TextEncoder().encode(options.name ?? '');
    const nameOctets = name.length === 0 ? 0 : 4 + padded(name.length);
    const at = this.#block(1, 8 + nameOctets + 8 + 4);
    const { view } = this.#sink;
    const littleEndian = this.#littleEndian;
    view.setUint16(at, options.linkType ?? LinkType.ETHERNET, littleEndian);
    view.setUint32(at + 4, options.snapLength ?? 0, littleEndian);
    if (nameOctets > 0) {
      view.setUint16(at + 8, 2, littleEndian); // if_name
      view.setUint16(at + 10, name.length, littleEndian);
      this.#sink.set(name, at + 12);
    }
    const resolution = at + 8 + nameOctets;
    view.setUint16(resolution, 9, littleEndian); // if_tsresol: 10^-9 s
    view.setUint16(resolution + 2, 1, littleEndian);
    view.setUint8(resolution + 4, 9);
    return this.#interfaces++; // opt_endofopt is the four zeros that follow
  }

  write(interfaceNumber: number, record: CaptureRecord): void {
    const { bytes } = record;
    const at = this.#block(6, 20 + padded(bytes.length));
    const { view } = this.#sink;
    const littleEndian = this.#littleEndian;
    const time = BigInt(record.seconds) * 1_000_000_000n + BigInt(record.nanoseconds);
    view.setUint32(at, interfaceNumber, littleEndian);
    view.setUint32(at + 4, Number(time >> 32n), littleEndian);
    view.setUint32(at + 8, Number(time & 0xffff_ffffn), littleEndian);
    view.setUint32(at + 12, bytes.length, littleEndian);
    view.setUint32(at + 16, record.wireLength ?? bytes.length, littleEndian);
    this.#sink.set(bytes, at + 20);
  }

  /** As {@link PcapWriter.take}. */
  take(): Uint8Array {
    return this.#sink.take();
  }

  /** As {@link PcapWriter.flush}. */
  flush(): void {
    this.#sink.flush();
  }

  /** Type and both lengths of a block; returns where its body of `octets`, a multiple of 4, begins. */
  #block(type: number, octets: number): number {
    const total = 12 + octets;
    const at = this.#sink.reserve(total);
    const { view } = this.#sink;
    view.setUint32(at, type, this.#littleEndian);
    view.setUint32(at + 4, total, this.#littleEndian);
    view.setUint32(at + total - 4, total, this.#littleEndian);
    return at + 8;
  }
}

function padded(octets: number): number {
  return (octets + 3) & ~3;
}
