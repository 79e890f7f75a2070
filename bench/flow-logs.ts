/**
 * Writes the benchmark's flow logs: the default format, IPv4, the same octets for the same seed.
 *
 * A block of 50 000 lines of 500 interfaces, drawn at random, is written again and again: what is measured is reading
 * lines, which no block helps to remember.
 */
import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { Random } from '../test/fuzz/random.ts';

const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n';
const BLOCK_LINES = 50_000;
const INTERFACES = 500;
/** 2026-01-01T00:00:00Z. */
const START_SECONDS = 1_767_225_600;

/** What a log holds, exactly: what every contestant has to find in it. */
export interface FlowLog {
  readonly lines: number;
  readonly packets: number;
  readonly octets: number;
  /** Octets of the text. */
  readonly textOctets: number;
}

/** A block of lines, and what it holds. */
export class Block {
  readonly text: Buffer;
  readonly packets: number;
  readonly octets: number;
  readonly lines: number;

  constructor(seed: number, lines = BLOCK_LINES) {
    const random = new Random(seed);
    const interfaces = Array.from({ length: INTERFACES }, () => `eni-0${random.octets(8).map(hex).join('')}`);
    const address = () => `10.${random.below(256)}.${random.below(256)}.${random.below(256)}`;
    let text = '';
    let packets = 0;
    let octets = 0;
    for (let line = 0; line < lines; line++) {
      const ofLine = 1 + random.below(random.pick([10, 10, 10_000]));
      const octetsOfLine = ofLine * (40 + random.below(1400));
      const start = START_SECONDS + random.below(540);
      packets += ofLine;
      octets += octetsOfLine;
      text +=
        `2 123456789012 ${random.pick(interfaces)} ${address()} ${address()} ${1024 + random.below(64_512)} ` +
        `${random.pick([53, 80, 443, 8080])} ${random.pick([6, 6, 17])} ${ofLine} ${octetsOfLine} ${start} ` +
        `${start + random.below(60)} ACCEPT OK\n`;
    }
    this.text = Buffer.from(text);
    this.packets = packets;
    this.octets = octets;
    this.lines = lines;
  }

  /** What so many of it hold, behind one header. */
  times(blocks: number): FlowLog {
    return {
      lines: blocks * this.lines,
      packets: blocks * this.packets,
      octets: blocks * this.octets,
      textOctets: HEADER.length + blocks * this.text.length,
    };
  }
}

function hex(octet: number): string {
  return octet.toString(16).padStart(2, '0');
}

/** Writes `path` (text) and returns what it holds. */
export function writeFlowLog(path: string, block: Block, blocks: number): FlowLog {
  const file = openSync(path, 'w');
  try {
    writeSync(file, HEADER);
    for (let i = 0; i < blocks; i++) {
      for (let at = 0; at < block.text.length; ) at += writeSync(file, block.text, at);
    }
  } finally {
    closeSync(file);
  }
  return block.times(blocks);
}

/** An object as S3 holds it. */
export function gzippedFlowLog(block: Block): Buffer {
  return gzipSync(Buffer.concat([Buffer.from(HEADER), block.text]));
}

/** Writes so many blocks to a pipe, as fast as its reader takes them. */
export async function pipeFlowLog(pipe: NodeJS.WritableStream, block: Block, blocks: number): Promise<void> {
  pipe.write(HEADER);
  for (let i = 0; i < blocks; i++) {
    if (!pipe.write(block.text)) await once(pipe, 'drain');
  }
}
