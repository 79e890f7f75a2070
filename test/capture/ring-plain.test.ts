/** Blocks of a ring are the same to a meter that takes plain frames the short way, and to one that does not. */

import fc from 'fast-check';
import t from 'tap';
import { RingBlocks, type RingOrigin } from '../../src/capture/ring-blocks.ts';
import { arbitraryFrame, mostly, type TimedFrame, timed } from '../flow/plain-frames.ts';
import { difference, equal, meterOptions, type TwinOptions, twins } from '../flow/twin-meters.ts';
import { ethernetFrame } from '../support/frames.ts';

const BLOCK = 16_384;
const DESCRIPTOR = 48;
const HEADER = 68;

/** What the kernel says of a frame besides its octets (struct tpacket3_hdr, sockaddr_ll, virtio_net_hdr). */
interface About {
  readonly status: number;
  readonly vlanTci: number;
  readonly packetType: number;
  readonly gsoType: number;
  readonly gsoSize: number;
  /** Octets between the header and the virtio_net_hdr. */
  readonly gap: number;
  /** What stands behind the last header. */
  readonly last: number;
}

const USUAL: About = {
  status: 1,
  vlanTci: 0,
  packetType: 0,
  gsoType: 0,
  gsoSize: 0,
  gap: 14,
  last: 0,
};

const arbitraryAbout: fc.Arbitrary<About> = fc.record({
  status: mostly(fc.constant(1), fc.constant(1 | 16), fc.constant(1 | 16 | 64)),
  vlanTci: fc.constantFrom(0, 7, 0xa007, 0xffff),
  packetType: mostly(fc.constant(0), fc.constantFrom(1, 2, 3), fc.constant(4), fc.constant(4)),
  gsoType: mostly(fc.constantFrom(0, 0, 0x80), fc.constantFrom(1, 0x81, 3, 4, 5)),
  gsoSize: fc.constantFrom(0, 4, 10, 1448),
  gap: fc.constantFrom(14, 15, 16, 30),
  last: fc.constantFrom(0, 0, 8, 68, 144),
});

/** A word of the ring that is made wrong: which frame, which field, what it holds then. */
interface Fault {
  readonly frame: number;
  readonly field: keyof typeof FIELDS;
  readonly value: number;
}

const FIELDS = { next: 0, captured: 12, packets: -1, first: -1 };

const arbitraryFault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({
    frame: fc.nat(60),
    field: fc.constant('next' as const),
    value: fc.constantFrom(0, 4, 64, 67, 69, 70, 145, 4080, BLOCK, -4, -256, 2 ** 31 - 4, -(2 ** 31)),
  }),
  fc.record({
    frame: fc.nat(60),
    field: fc.constant('captured' as const),
    value: fc.constantFrom(-1, 4000, BLOCK, 2 ** 31 - 1, -(2 ** 31)),
  }),
  fc.record({
    frame: fc.constant(0),
    field: fc.constant('packets' as const),
    value: fc.constantFrom(0, -1, 1, 200, 2 ** 31 - 1),
  }),
  fc.record({
    frame: fc.constant(0),
    field: fc.constant('first' as const),
    value: fc.constantFrom(BLOCK - 68, BLOCK - 64, BLOCK, 2 ** 31 - 4, -4, 50, -(2 ** 31)),
  }),
);

/** Writes a block with as many of these frames as have room in it. */
function layBlock(
  memory: Uint8Array,
  block: number,
  frames: readonly (TimedFrame & About)[],
  fault?: Fault | undefined,
): void {
  const octets = memory.subarray(block * BLOCK, (block + 1) * BLOCK);
  const view = new DataView(octets.buffer, octets.byteOffset, BLOCK);
  octets.fill(0);
  let at = DESCRIPTOR;
  let previous = -1;
  const headers: number[] = [];
  for (const frame of frames) {
    const mac = HEADER + frame.gap + 10;
    const end = Math.ceil((at + mac + frame.octets.length) / 8) * 8;
    if (end > BLOCK) break;
    if (previous >= 0) view.setUint32(previous, at - previous, true);
    headers.push(at);
    previous = at;
    view.setUint32(at, frame.last, true);
    view.setUint32(at + 4, frame.seconds, true);
    view.setUint32(at + 8, frame.nanoseconds, true);
    view.setUint32(at + 12, frame.octets.length, true);
    view.setUint32(at + 16, frame.wire, true);
    view.setUint32(at + 20, frame.status, true);
    view.setUint16(at + 24, mac, true);
    view.setUint16(at + 26, mac + 14, true);
    view.setUint32(at + 32, frame.vlanTci, true);
    view.setUint8(at + 58, frame.packetType);
    view.setUint8(at + mac - 9, frame.gsoType);
    view.setUint16(at + mac - 6, frame.gsoSize, true);
    octets.set(frame.octets, at + mac);
    at = end;
  }
  view.setUint32(8, 1, true);
  view.setUint32(12, headers.length, true);
  view.setUint32(16, DESCRIPTOR, true);
  view.setUint32(20, at, true);
  if (fault === undefined) return;
  if (fault.field === 'packets') view.setInt32(12, fault.value, true);
  else if (fault.field === 'first') view.setInt32(16, fault.value, true);
  else if (fault.frame < headers.length)
    view.setInt32(headers[fault.frame]! + FIELDS[fault.field], fault.value, true);
}

interface Block {
  readonly frames: readonly (TimedFrame & About)[];
  readonly fault?: Fault | undefined;
}

interface Ring {
  readonly vnetHeader: boolean;
  readonly origin: Partial<RingOrigin>;
}

function both(blocks: readonly Block[], { vnetHeader, origin }: Ring, options: TwinOptions) {
  const [plain, ordinary] = twins({ ...options, ringOctets: 65_536 });
  const seen = [plain, ordinary].map((twin) => {
    // Two blocks in turn, so that an old one's frames lie where a new one ends.
    const memory = twin.meter.plain?.ringMemory(2 * BLOCK) ?? new Uint8Array(2 * BLOCK);
    const counters = { frames: 0, kernelDroppedPackets: 0, ringFreezes: 0 };
    const ring = new RingBlocks(
      memory,
      { blockOctets: BLOCK, blockCount: 2, vnetHeader },
      {
        linkType: 1,
        interfaceIndex: 0x8000_0003 | 0,
        direction: 'ingress',
        startAtNetworkHeader: false,
        ...origin,
      },
      counters,
    );
    let error: string | undefined;
    let said: Record<string, unknown> = {};
    try {
      for (const [i, { frames, fault }] of blocks.entries()) {
        layBlock(memory, i % 2, frames, fault);
        ring.drain(twin.meter, 1);
        if (i % 3 === 2) twin.meter.expire();
      }
      said = twin.state;
    } catch (thrown) {
      error = (thrown as Error).message;
    }
    twin.meter.endAll();
    return { ...counters, error, said, ...twin.state };
  });
  return { short: seen[0]!, long: seen[1]!, taken: plain.meter.plain!.taken };
}

const arbitraryBlock: fc.Arbitrary<Block> = fc
  .array(fc.tuple(arbitraryFrame, arbitraryAbout), { maxLength: 120, size: 'max' })
  .map((all) => {
    const times = timed(all.map(([frame]) => frame));
    return { frames: all.map(([, about], i) => ({ ...times[i]!, ...about })) };
  });

const arbitraryRing: fc.Arbitrary<Ring> = fc.record({
  vnetHeader: fc.boolean(),
  origin: mostly(
    fc.constantFrom<Partial<RingOrigin>>({}, {}, { direction: 'egress' }),
    fc.constantFrom<Partial<RingOrigin>>(
      { direction: 'both' },
      { startAtNetworkHeader: true, linkType: 101 },
      { linkType: 113 },
    ),
  ),
});

t.test('a ring has pages of its own, as long as there are some', async (t) => {
  const [{ meter }] = twins({ clock: 'monotonic', ringOctets: 5 * 65_536 });
  const places = Array.from({ length: 4 }, () => meter.plain!.ringMemory(2 * 65_536 - 4096));
  t.same(
    places.map((place) => place?.length),
    [126_976, 126_976, undefined, undefined],
  );
  const [first, second] = places.map((place) => place?.byteOffset ?? 0);
  t.equal(first! % 65_536, 0);
  t.equal(second! - first!, 131_072);
  // What stands there is nobody else's: the tables, the rows and the frames of files lie elsewhere.
  for (const place of places.slice(0, 2)) place!.fill(0xff);
  t.equal(meter.flows, 0);
  t.ok(meter.plain!.memory.every((octet) => octet === 0));
  meter.endAll();
  const [{ meter: large }] = twins({ clock: 'monotonic', ringOctets: 2 ** 33 });
  let rings = 0;
  while (large.plain!.ringMemory(32 * 2 ** 20) !== undefined) rings++;
  t.ok(rings > 50 && rings <= 63, `${rings} rings of 32 MiB below 2 GiB`);
});

t.test('any blocks', async (t) => {
  let frames = 0;
  let taken = 0;
  fc.assert(
    fc.property(
      fc.array(arbitraryBlock, { minLength: 1, maxLength: 4 }),
      arbitraryRing,
      meterOptions,
      fc.constantFrom('monotonic' as const, 'monotonic' as const, 'packet' as const),
      (blocks, ring, options, clock) => {
        const seen = both(blocks, ring, { ...options, clock });
        equal(seen);
        frames += seen.long.frames;
        taken += seen.taken;
      },
    ),
    { numRuns: 150, seed: 30 },
  );
  t.ok(taken > frames / 3, `${taken} of ${frames} frames went the short way`);
});

t.test('any block that contradicts itself', async (t) => {
  let errors = 0;
  fc.assert(
    fc.property(
      arbitraryBlock,
      arbitraryBlock,
      arbitraryFault,
      arbitraryRing,
      meterOptions,
      (before, block, fault, ring, options) => {
        const seen = both([before, before, { ...block, fault }], ring, { ...options, clock: 'monotonic' });
        equal(seen);
        if (seen.long.error !== undefined) errors++;
      },
    ),
    { numRuns: 250, seed: 31 },
  );
  t.ok(errors > 40, `${errors} were found out`);
});

t.test('each contradiction among plain frames is found out', async (t) => {
  const octets = ethernetFrame({ source: '10.0.0.1', destination: '10.0.0.2', protocol: 6 });
  const frame = { ...USUAL, seconds: 1_700_000_000, nanoseconds: 0, octets, wire: octets.length };
  const frames = Array.from({ length: 70 }, () => frame);
  const faults: Fault[] = [];
  for (const value of [0, 64, 69, 70, BLOCK, -4, 2 ** 31 - 4, -(2 ** 31)])
    for (const at of [0, 31, 32, 40, 68]) faults.push({ frame: at, field: 'next', value });
  for (const value of [BLOCK, 2 ** 31 - 1])
    for (const at of [0, 31, 32, 69]) faults.push({ frame: at, field: 'captured', value });
  for (const value of [BLOCK - 64, BLOCK, 2 ** 31 - 4, 2 ** 31 - 256, 50, -4, -(2 ** 31)])
    faults.push({ frame: 0, field: 'first', value });
  faults.push({ frame: 0, field: 'packets', value: 2 ** 31 - 1 });
  for (const fault of faults) {
    const what = JSON.stringify(fault);
    const seen = both(
      [{ frames }, { frames }, { frames, fault }],
      { vnetHeader: true, origin: {} },
      { clock: 'monotonic' },
    );
    t.equal(difference(seen), '', what);
    t.match(seen.long.error, /the packet ring is inconsistent/, what);
  }
});
