/**
 * Random capture files whose packets come around the deadlines: just before, at and just after each timeout, reckoned
 * from any earlier packet of the same conversation; and out of order, too.
 */

import { LinkType } from '../../src/capture/packet-source.ts';
import { PcapngWriter, PcapWriter } from '../../src/capture/pcap-writer.ts';
import { Random } from '../fuzz/random.ts';
import type { Timeouts } from './flows.ts';
import {
  type Conversation,
  damaged,
  LINK_TYPES,
  type RandomFrame,
  randomConversation,
  randomOtherFrame,
  TCP,
} from './random-frames.ts';
import { randomPath, tunnelledFrame } from './random-tunnels.ts';

export interface RandomCaptureOptions extends Timeouts {
  readonly seed: number;
  /** Classic pcap has one interface, Ethernet unless told otherwise; pcapng one for each link type. */
  readonly format: 'pcap' | 'pcapng';
  readonly linkType?: number;
  readonly conversations?: number;
  /** Most packets come in tunnels. */
  readonly tunnels?: readonly string[] | undefined;
  /** Packets of a conversation come from both ends. */
  readonly bothWays?: boolean;
  /** Unix milliseconds of the first packets. */
  readonly startMilliseconds?: number;
}

interface Timed extends RandomFrame {
  /** Since 1970. */
  nanoseconds: bigint;
  readonly interfaceNumber: number;
}

const SYN = 0x02;
/** SYN comes after an end more often than by chance, and an end often. */
const TCP_FLAGS = [
  ...[0x10, 0x10, 0x18, 0x18, 0x110, 0xf10, 0x000],
  ...[SYN, SYN, SYN, 0x12, 0xc2],
  ...[0x11, 0x11, 0x04, 0x14],
  ...[0x03, 0x06, 0x07, 0x3f],
];
/** Stragglers are waited for this long (flows.ts), so packets come around it. */
const LINGER_MILLISECONDS = 500;

/** The file's octets; the same for the same options. */
export function randomCapture(options: RandomCaptureOptions): Uint8Array {
  const random = new Random(options.seed);
  const linkTypes = options.format === 'pcapng' ? LINK_TYPES : [options.linkType ?? LinkType.ETHERNET];
  const start = options.startMilliseconds ?? 1_700_000_000_000;
  const timed: Timed[] = [];
  for (let i = 0; i < (options.conversations ?? 150); i++) {
    const interfaceNumber = random.below(linkTypes.length);
    const linkType = linkTypes[interfaceNumber]!;
    const hasTunnels = (options.tunnels ?? []).length > 0;
    const path = hasTunnels
      ? randomPath(random, linkType)
      : { inner: randomConversation(random, linkType), around: [] };
    for (const milliseconds of randomTimes(random, options)) {
      const tcpFlags = path.inner.protocol === TCP ? random.pick(TCP_FLAGS) : 0;
      const isAnswer = options.bothWays === true && random.oneIn(2);
      const inner = isAnswer ? answering(random, path.inner) : path.inner;
      const frame = damaged(random, tunnelledFrame(random, { ...path, inner }, tcpFlags));
      timed.push({ ...frame, nanoseconds: nanoseconds(random, start + milliseconds), interfaceNumber });
    }
  }
  timed.sort((a, b) => (a.nanoseconds < b.nanoseconds ? -1 : 1));
  leap(random, timed);
  disorder(random, timed);
  const ethernet = linkTypes.indexOf(LinkType.ETHERNET);
  if (ethernet >= 0) addOthers(random, timed, ethernet);
  return options.format === 'pcapng' ? asPcapng(linkTypes, timed) : asPcap(random, linkTypes[0]!, timed);
}

/** The other direction, by another way: with its own codepoint and VLAN. */
function answering(random: Random, conversation: Conversation): Conversation {
  const { source, destination, sourcePort, destinationPort, protocol, vlans } = conversation;
  const isIcmp = protocol === 1 || protocol === 58;
  const answer = isIcmp ? random.pick([0, 0x0800, 0x8000, 0x8100, destinationPort]) : sourcePort;
  return {
    ...conversation,
    source: destination,
    destination: source,
    sourcePort: isIcmp ? sourcePort : destinationPort,
    destinationPort: answer,
    dscp: random.pick([0, 46]),
    vlans: vlans.length === 0 ? vlans : [random.below(4096)],
  };
}

/** When the packets of one conversation come, in milliseconds: in bursts, and where a deadline is. */
function randomTimes(random: Random, { activeMilliseconds, idleMilliseconds }: Timeouts): number[] {
  const deadlines = [activeMilliseconds, idleMilliseconds, Math.min(LINGER_MILLISECONDS, idleMilliseconds)];
  const times = [random.below(4 * (activeMilliseconds + idleMilliseconds))];
  const packets = 1 + random.below(24);
  while (times.length < packets) {
    const last = times.at(-1)!;
    const atDeadline = random.pick(times) + random.pick(deadlines) + random.below(3) - 1;
    const soon = last + random.below(random.pick([1, 4, 200, Math.ceil(activeMilliseconds / 2)]));
    times.push(random.oneIn(2) && atDeadline >= last ? atDeadline : soon);
  }
  return times;
}

function nanoseconds(random: Random, milliseconds: number): bigint {
  return BigInt(milliseconds) * 1_000_000n + BigInt(random.below(1_000_000));
}

/** In some captures nothing happens for weeks, or for just as long as it takes a 32-bit clock to wrap. */
function leap(random: Random, timed: Timed[]): void {
  if (!random.oneIn(3)) return;
  const milliseconds = random.pick([2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 3000, 5 * 2 ** 32]);
  const from = random.below(timed.length);
  for (const record of timed.slice(from)) record.nanoseconds += BigInt(milliseconds) * 1_000_000n;
}

/** Some packets come later in the file than their time says. */
function disorder(random: Random, timed: Timed[]): void {
  for (let i = 0; i < timed.length; i++) {
    if (random.oneIn(25))
      timed.splice(Math.min(timed.length, i + random.below(30)), 0, timed.splice(i, 1)[0]!);
  }
}

/** Frames that are no IP move no clock, even where they say that a year has passed. */
function addOthers(random: Random, timed: Timed[], interfaceNumber: number): void {
  const YEAR = 31_536_000_000_000_000n;
  for (let i = 0; i < 20; i++) {
    const at = random.below(timed.length);
    const time = timed[at]!.nanoseconds + (random.oneIn(4) ? YEAR : 0n);
    timed.splice(at, 0, { ...randomOtherFrame(random), nanoseconds: time, interfaceNumber });
  }
}

function asPcap(random: Random, linkType: number, timed: readonly Timed[]): Uint8Array {
  const writer = new PcapWriter({
    linkType,
    resolution: random.pick(['microseconds', 'nanoseconds']),
    littleEndian: random.oneIn(2),
  });
  for (const record of timed) writer.write(asRecord(record));
  return writer.take();
}

function asPcapng(linkTypes: readonly number[], timed: readonly Timed[]): Uint8Array {
  const writer = new PcapngWriter();
  for (const linkType of linkTypes) writer.addInterface({ linkType });
  for (const record of timed) writer.write(record.interfaceNumber, asRecord(record));
  return writer.take();
}

function asRecord({ nanoseconds, bytes, wireLength }: Timed) {
  return {
    seconds: Number(nanoseconds / 1_000_000_000n),
    nanoseconds: Number(nanoseconds % 1_000_000_000n),
    bytes,
    wireLength,
  };
}
