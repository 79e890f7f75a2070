/**
 * The oracle reads a capture file: all of it in memory, every time a BigInt of nanoseconds. Slow and obvious, and
 * written apart from src/capture/, so that a mistake there is not made here as well.
 *
 * pcap and pcapng: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
 */

export interface CapturedFrame {
  /** Since 1970. */
  readonly nanoseconds: bigint;
  /** A LINKTYPE_ number. */
  readonly linkType: number;
  /** 0 in classic pcap; the interface's number + 1 in pcapng, counted over all sections. */
  readonly ingressInterface: number;
  readonly captured: Buffer;
  /** Octets on the wire. */
  readonly wireLength: number;
  /** It was cut before it was on this wire: an IP packet in it may be longer. */
  readonly isCut?: boolean;
}

/** Every whole frame of the file; what follows a cut is not there. Throws where it is no capture at all. */
export function readFrames(file: Buffer): CapturedFrame[] {
  const magic = file.subarray(0, 4).toString('hex');
  switch (magic) {
    case 'a1b2c3d4':
      return readPcap(file, false, 1000n);
    case 'd4c3b2a1':
      return readPcap(file, true, 1000n);
    case 'a1b23c4d':
      return readPcap(file, false, 1n);
    case '4d3cb2a1':
      return readPcap(file, true, 1n);
    case '0a0d0d0a':
      return readPcapng(file);
    default:
      throw new Error(`not a capture: it begins with ${magic}`);
  }
}

function readPcap(file: Buffer, little: boolean, nanosecondsPerFraction: bigint): CapturedFrame[] {
  const u32 = (at: number) => (little ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const linkType = u32(20) & 0xffff;
  const frames: CapturedFrame[] = [];
  let at = 24;
  while (at + 16 <= file.length) {
    const capturedLength = u32(at + 8);
    if (at + 16 + capturedLength > file.length) break;
    frames.push({
      nanoseconds: BigInt(u32(at)) * 1_000_000_000n + BigInt(u32(at + 4)) * nanosecondsPerFraction,
      linkType,
      ingressInterface: 0,
      captured: file.subarray(at + 16, at + 16 + capturedLength),
      wireLength: u32(at + 12),
    });
    at += 16 + capturedLength;
  }
  return frames;
}

interface Interface {
  readonly number: number;
  readonly linkType: number;
  readonly snapLength: number;
  readonly unitsPerSecond: bigint;
  readonly offsetSeconds: bigint;
}

function readPcapng(file: Buffer): CapturedFrame[] {
  const frames: CapturedFrame[] = [];
  let interfaces: Interface[] = [];
  let interfacesOfAllSections = 0;
  let little = false;
  const u16 = (at: number) => (little ? file.readUInt16LE(at) : file.readUInt16BE(at));
  const u32 = (at: number) => (little ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const time = (from: Interface, at: number) => {
    const units = (BigInt(u32(at)) << 32n) | BigInt(u32(at + 4));
    return (units * 1_000_000_000n) / from.unitsPerSecond + from.offsetSeconds * 1_000_000_000n;
  };
  const push = (from: Interface, nanoseconds: bigint, at: number, length: number, wireLength: number) => {
    const captured = file.subarray(at, at + length);
    frames.push({
      nanoseconds,
      linkType: from.linkType,
      ingressInterface: from.number,
      captured,
      wireLength,
    });
  };

  for (let block = 0; block + 12 <= file.length; ) {
    if (file.readUInt32BE(block) === 0x0a0d0d0a) {
      little = file.readUInt32BE(block + 8) === 0x4d3c2b1a;
      interfaces = [];
    }
    const type = u32(block);
    const length = u32(block + 4);
    if (block + length > file.length) break;
    const body = block + 8;
    if (type === 1) {
      interfacesOfAllSections++;
      interfaces.push(readInterface(file, body, block + length - 4, little, interfacesOfAllSections));
    } else if (type === 6) {
      const from = interfaces[u32(body)]!;
      push(from, time(from, body + 4), body + 20, u32(body + 12), u32(body + 16));
    } else if (type === 2) {
      const from = interfaces[u16(body)]!;
      push(from, time(from, body + 4), body + 20, u32(body + 12), u32(body + 16));
    } else if (type === 3) {
      // A Simple Packet Block has no time: that of the packet before it.
      const from = interfaces[0]!;
      const wireLength = u32(body);
      const nanoseconds = frames.at(-1)?.nanoseconds ?? 0n;
      push(from, nanoseconds, body + 4, Math.min(wireLength, from.snapLength), wireLength);
    }
    block += length;
  }
  return frames;
}

function readInterface(file: Buffer, body: number, end: number, little: boolean, number: number): Interface {
  const u16 = (at: number) => (little ? file.readUInt16LE(at) : file.readUInt16BE(at));
  const u32 = (at: number) => (little ? file.readUInt32LE(at) : file.readUInt32BE(at));
  let unitsPerSecond = 1_000_000n;
  let offsetSeconds = 0n;
  for (let option = body + 8; option + 4 <= end; option += 4 + Math.ceil(u16(option + 2) / 4) * 4) {
    const code = u16(option);
    if (code === 0) break;
    if (code === 9) {
      const resolution = file.readUInt8(option + 4);
      unitsPerSecond = (resolution >= 128 ? 2n : 10n) ** BigInt(resolution % 128);
    } else if (code === 14) {
      offsetSeconds = little ? file.readBigInt64LE(option + 4) : file.readBigInt64BE(option + 4);
    }
  }
  const snapLength = u32(body + 4) === 0 ? Number.POSITIVE_INFINITY : u32(body + 4);
  return { number, linkType: u16(body), snapLength, unitsPerSecond, offsetSeconds };
}
