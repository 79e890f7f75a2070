/** Arbitrary Ethernet frames: most of them plain packets of few flows, the others as near to that as can be. */

import fc from 'fast-check';

export interface ArbitraryFrame {
  /** Milliseconds since the frame before. */
  readonly gap: number;
  readonly nanoseconds: number;
  readonly octets: Uint8Array;
  /** The wire had so many more octets than `octets`. */
  readonly wireDelta: number;
  /** Octets that were captured; undefined: all. */
  readonly captured: number | undefined;
}

/** The first of these nearly always, so that what is special comes alone as well as with others. */
export function mostly<T>(usual: fc.Arbitrary<T>, ...special: fc.Arbitrary<T>[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 40 * special.length, arbitrary: usual },
    ...special.map((arbitrary) => ({ weight: 1, arbitrary })),
  );
}

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;

const gap = fc.oneof(
  { weight: 24, arbitrary: fc.constantFrom(0, 0, 0, 1) },
  { weight: 12, arbitrary: fc.nat(40) },
  { weight: 3, arbitrary: fc.integer({ min: -60, max: -1 }) },
  { weight: 3, arbitrary: fc.integer({ min: 100, max: 1100 }) },
  { weight: 1, arbitrary: fc.constantFrom(999, 1000, 1001, 5000, 15_000, 30_000) },
  { weight: 1, arbitrary: fc.constantFrom(3_600_000, -3_600_000, 2 ** 29, 2 ** 31 + 5) },
);

/** One VLAN tag, two, a label with IP below it. */
const TAGS: readonly (readonly number[])[] = [
  [0x81, 0, 0xa0, 7],
  [0x88, 0xa8, 0, 9, 0x81, 0, 0, 8],
  [0x88, 0x47, 0, 1, 0x21, 64],
];

const about = fc.record({
  flow: fc.nat(5),
  protocol: mostly(fc.constantFrom(6, 6, 17, 1), fc.constantFrom(0, 2, 33, 41, 47, 50, 51, 58, 132, 136)),
  flags: mostly(
    fc.constantFrom(ACK, ACK, ACK | 8, 0x110, 0xf10),
    fc.constantFrom(SYN, FIN | ACK, RST, SYN | ACK, SYN | FIN),
    fc.nat(0xfff),
  ),
  tos: mostly(fc.constantFrom(0, 0, 1, 2, 3), fc.nat(255)),
  ttl: fc.nat(255),
  id: fc.nat(3),
  fragment: mostly(
    fc.constantFrom(0x4000, 0),
    fc.constant(0x8000), // reserved
    fc.constant(0x2000), // the first
    fc.constantFrom(0x2001, 0x0001, 0x0002, 0x0100, 0x1000, 0x1fff), // later ones
  ),
  ihl: mostly(fc.constant(5), fc.constantFrom(0, 4, 6, 7, 15)),
  version: mostly(fc.constant(4), fc.constantFrom(0, 5, 6)),
  /** Of the IPv4 total length. */
  totalDelta: mostly(fc.constant(0), fc.integer({ min: -30, max: 30 }), fc.constantFrom(-100_000, 60_000)),
  payload: fc.nat(24),
  padding: mostly(fc.constant(0), fc.nat(20)),
  tag: mostly(fc.constant<readonly number[]>([]), fc.constantFrom(...TAGS)),
  etherType: mostly(
    fc.constant(undefined),
    fc.constantFrom(0x0806, 0x86dd, 0x0008, 0x0801, 0x0900, 0x05dc, 0x0064),
  ),
  isIpv6: mostly(fc.constant(false), fc.constant(true), fc.constant(true), fc.constant(true)),
});

type About = typeof about extends fc.Arbitrary<infer T> ? T : never;

const u16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];

function build(a: About): Uint8Array {
  const { flow, protocol, flags, payload } = a;
  const ports = [...u16(1000 + (flow & 1)), ...u16(flow === 5 ? 4789 : 53)];
  const transport =
    protocol === 6
      ? [...ports, 0, 0, 0, 1, 0, 0, 0, 1, 0x50 | (flags >> 8), flags & 0xff, 1, 0, 0, 0, 0, 0]
      : protocol === 1
        ? [8 * (flow & 1), flow >> 2, 0, 0, 0, 1, 0, 1]
        : [...ports, ...u16(8 + payload), 0, 0];
  const rest = [...transport, ...new Array<number>(payload).fill(0x77)];
  const ends = [flow, flow ^ 1];
  const ip = a.isIpv6
    ? [
        ...[0x60 | (a.tos >> 4), (a.tos & 15) << 4, 0, 0, ...u16(rest.length + a.totalDelta)],
        ...[protocol === 1 ? 58 : protocol, a.ttl],
        ...ends.flatMap((end) => [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end]),
      ]
    : [
        ...[(a.version << 4) | a.ihl, a.tos, ...u16(totalOf(a, 20 + optionsOf(a) + rest.length))],
        ...[...u16(a.id), ...u16(a.fragment), a.ttl, protocol, 0, 0],
        ...ends.flatMap((end) => [10, 0, 0, end]),
        ...new Array<number>(optionsOf(a)).fill(1),
      ];
  return Uint8Array.from([
    ...[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...a.tag.slice(0, 2)],
    ...(a.tag.length === 0 ? [] : a.tag.slice(2)),
    ...(a.tag[1] === 0x47 ? [] : u16(a.etherType ?? (a.isIpv6 ? 0x86dd : 0x0800))),
    ...ip,
    ...rest,
    ...new Array<number>(a.padding).fill(0xff),
  ]);
}

const optionsOf = ({ ihl }: About): number => Math.max(0, ihl - 5) * 4;

/** −100 000 stands for a length of 0. */
const totalOf = ({ totalDelta }: About, octets: number): number =>
  totalDelta === -100_000 ? 0 : (octets + totalDelta) & 0xffff;

export const arbitraryFrame: fc.Arbitrary<ArbitraryFrame> = fc.record({
  gap,
  nanoseconds: mostly(fc.nat(999_999), fc.constantFrom(0, 999_999)),
  octets: about.map(build),
  wireDelta: mostly(fc.constant(0), fc.integer({ min: -70, max: 1500 })),
  captured: mostly(fc.constant<number | undefined>(undefined), fc.nat(70)),
});

export const START_MILLISECONDS = 1_700_000_000_000;

export interface TimedFrame {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly octets: Uint8Array;
  /** Octets on the wire. */
  readonly wire: number;
}

/** Each at its own time, and cut as it was captured. */
export function timed(frames: readonly ArbitraryFrame[], start = START_MILLISECONDS): TimedFrame[] {
  let now = start;
  return frames.map(({ gap, nanoseconds, octets, wireDelta, captured }) => {
    now = Math.min(Math.max(now + gap, 0), 4_294_967_295_999);
    return {
      seconds: Math.floor(now / 1000),
      nanoseconds: (now % 1000) * 1_000_000 + nanoseconds,
      octets: octets.subarray(0, captured ?? octets.length),
      wire: Math.max(0, octets.length + wireDelta),
    };
  });
}
