/**
 * Writes the benchmark's captures: small packets of many flows, the same octets for the same seed.
 *
 * - Frames of 60 octets (64 on the wire, with the checksum that no capture shows) around IPv4 packets of 46; for
 *   IPv6, 76 octets around 62, which a TCP header needs.
 * - 70 % of the flows are TCP, 28 % UDP, 2 % ICMP echo requests. TCP flows begin with SYN and then send ACK; none ends.
 * - Every flow has at least one packet; the other packets belong to flows drawn uniformly at random, and the whole
 *   lies in random order: no locality, so a flow table meets its worst case.
 * - Packets are evenly spaced in time. At a million a second four million take 4 s, less than the active timeout of 5 s:
 *   one record a flow.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

export interface CaptureShape {
  readonly ipVersion: 4 | 6;
  readonly packets: number;
  /** Distinct flows, at most `packets`. */
  readonly flows: number;
  readonly packetsPerSecond: number;
  readonly seed: number;
}

/** What a capture holds, exactly: what every contestant has to find in it. */
export interface Capture extends CaptureShape {
  readonly path: string;
  /** Octets of the file. */
  readonly fileOctets: number;
  /** IP octets of all packets. */
  readonly octets: number;
}

const FRAME_HEADER = 16;
/** 2026-01-01T00:00:00Z. */
const START_SECONDS = 1_767_225_600;
const CHUNK_PACKETS = 65_536;

/** Writes `path` and returns what it holds. */
export function generateCapture(path: string, shape: CaptureShape): Capture {
  const { ipVersion, packets, flows, packetsPerSecond, seed } = shape;
  const ipOctets = ipVersion === 4 ? 46 : 62;
  const recordOctets = FRAME_HEADER + 14 + ipOctets;
  const recordWords = recordOctets / 4;
  const random = randomWords(seed);
  const patterns = flowPatterns(ipVersion, flows, ipOctets, recordOctets, random);
  const order = packetOrder(packets, flows, random);

  const patternWords = new Uint32Array(patterns.buffer);
  const seen = new Uint8Array(flows);
  const chunk = new Uint8Array(CHUNK_PACKETS * recordOctets);
  const words = new Uint32Array(chunk.buffer);
  const protocolOffset = FRAME_HEADER + 14 + (ipVersion === 4 ? 9 : 6);
  const flagsOffset = FRAME_HEADER + 14 + (ipVersion === 4 ? 20 : 40) + 13;
  const file = openSync(path, 'w');
  try {
    writeAll(file, captureHeader());
    for (let first = 0; first < packets; first += CHUNK_PACKETS) {
      const count = Math.min(CHUNK_PACKETS, packets - first);
      for (let n = 0; n < count; n++) {
        const flow = order[first + n]!;
        const to = n * recordWords;
        const from = flow * recordWords;
        // A word at a time: twice as fast as set(subarray()), which allocates a view a packet.
        for (let i = 2; i < recordWords; i++) words[to + i] = patternWords[from + i]!;
        const microseconds = Math.floor(((first + n) * 1e6) / packetsPerSecond);
        words[to] = START_SECONDS + Math.floor(microseconds / 1e6);
        words[to + 1] = microseconds % 1e6;
        if (chunk[n * recordOctets + protocolOffset] === TCP) {
          chunk[n * recordOctets + flagsOffset] = seen[flow] === 0 ? SYN : ACK;
        }
        seen[flow] = 1;
      }
      writeAll(file, chunk.subarray(0, count * recordOctets));
    }
  } finally {
    closeSync(file);
  }
  return { ...shape, path, fileOctets: 24 + packets * recordOctets, octets: packets * ipOctets };
}

const TCP = 6;
const UDP = 17;
const SYN = 0x02;
const ACK = 0x10;

/** pcap's file header: little-endian, microseconds, Ethernet. */
function captureHeader(): Uint8Array {
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xa1b2c3d4, true);
  header.setUint16(4, 2, true);
  header.setUint16(6, 4, true);
  header.setUint32(16, 262_144, true);
  header.setUint32(20, 1, true);
  return new Uint8Array(header.buffer);
}

/** One frame a flow, with pcap's header in front: what its packets have in common. */
function flowPatterns(
  ipVersion: 4 | 6,
  flows: number,
  ipOctets: number,
  recordOctets: number,
  random: () => number,
): Uint8Array {
  const octets = new Uint8Array(flows * recordOctets);
  const view = new DataView(octets.buffer);
  for (let flow = 0; flow < flows; flow++) {
    const record = flow * recordOctets;
    view.setUint32(record + 8, 14 + ipOctets, true);
    view.setUint32(record + 12, 14 + ipOctets, true);
    const frame = record + FRAME_HEADER;
    view.setUint32(frame, 0x02000000);
    view.setUint16(frame + 4, 1);
    view.setUint32(frame + 6, 0x02000000);
    view.setUint16(frame + 10, 2);
    view.setUint16(frame + 12, ipVersion === 4 ? 0x0800 : 0x86dd);
    writePacket(view, frame + 14, ipVersion, ipOctets, flow, random);
  }
  return octets;
}

/** The IP packet of a flow. Its number is mixed, not drawn, into address and port: no two flows have the same key. */
function writePacket(
  view: DataView,
  ip: number,
  ipVersion: 4 | 6,
  ipOctets: number,
  flow: number,
  random: () => number,
): void {
  const mixed = Math.imul(flow, 0x9e3779b1) >>> 0; // odd, hence one to one
  const kind = random() % 100;
  const protocol = kind < 70 ? TCP : kind < 98 ? UDP : ipVersion === 4 ? 1 : 58;
  const isIcmp = protocol !== TCP && protocol !== UDP;
  const classOfService = random() % 10 === 0 ? 46 << 2 : 0;
  const host = mixed & 0xffff;
  // ICMP has no ports: the other half of the number goes into the destination.
  const peer = isIcmp ? mixed >>> 16 : random() & 0xffff;

  let transport: number;
  if (ipVersion === 4) {
    transport = ip + 20;
    view.setUint16(ip, 0x4500 | classOfService);
    view.setUint16(ip + 2, ipOctets);
    view.setUint16(ip + 6, 0x4000);
    view.setUint8(ip + 8, 64);
    view.setUint8(ip + 9, protocol);
    view.setUint32(ip + 12, 0x0a000000 + host); // 10.0.0.0/16
    view.setUint32(ip + 16, 0xc6120000 + peer); // 198.18.0.0/16, for benchmarks (RFC 2544)
    let sum = 0;
    for (let i = 0; i < 20; i += 2) sum += view.getUint16(ip + i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    view.setUint16(ip + 10, ~sum & 0xffff);
  } else {
    transport = ip + 40;
    view.setUint32(ip, 0x60000000 | (classOfService << 20));
    view.setUint16(ip + 4, ipOctets - 40);
    view.setUint8(ip + 6, protocol);
    view.setUint8(ip + 7, 64);
    view.setUint32(ip + 8, 0xfd000000);
    view.setUint32(ip + 20, host);
    view.setUint32(ip + 24, 0x20010002); // 2001:2::/48, for benchmarks (RFC 5180)
    view.setUint32(ip + 36, peer);
  }
  if (isIcmp) {
    view.setUint8(transport, ipVersion === 4 ? 8 : 128);
    return;
  }
  view.setUint16(transport, mixed >>> 16);
  view.setUint16(transport + 2, SERVICES[random() % SERVICES.length]!);
  if (protocol === TCP) {
    view.setUint16(transport + 12, (5 << 12) | ACK);
    view.setUint16(transport + 14, 65_535);
  } else {
    view.setUint16(transport + 4, ipOctets - (transport - ip));
  }
}

const SERVICES = [443, 443, 443, 80, 53, 22, 123, 8080];

/** The flow of each packet. */
function packetOrder(packets: number, flows: number, random: () => number): Uint32Array {
  if (flows > packets) throw new Error(`${flows} flows need as many packets, but there are ${packets}`);
  const order = new Uint32Array(packets);
  for (let n = 0; n < packets; n++) order[n] = n < flows ? n : random() % flows;
  for (let n = packets - 1; n > 0; n--) {
    const other = random() % (n + 1);
    const flow = order[n]!;
    order[n] = order[other]!;
    order[other] = flow;
  }
  return order;
}

/** Marsaglia's xorshift, 32 bits, seeded. */
function randomWords(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

function writeAll(file: number, octets: Uint8Array): void {
  for (let at = 0; at < octets.length; ) at += writeSync(file, octets, at);
}
