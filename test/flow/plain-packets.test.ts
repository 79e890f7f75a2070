/** The short way of plain packets cannot be told from the ordinary one, whatever a capture file holds. */

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { PcapFileSource } from '../../src/capture/pcap-file.ts';
import { Decapsulator } from '../../src/packet/decapsulator.ts';
import { CORPUS, corpusMissing } from '../support/corpus.ts';
import { ethernetFrame } from '../support/frames.ts';
import { CaptureFolder } from '../support/read-capture.ts';
import { arbitraryFrame, mostly, START_MILLISECONDS, type TimedFrame, timed } from './plain-frames.ts';
import { difference, equal, meterOptions, readBy, type TwinOptions, twins } from './twin-meters.ts';

interface FileOptions {
  readonly nanoseconds: boolean;
  readonly littleEndian: boolean;
  readonly modified: boolean;
  /** One frame in so many has its fraction of a second a whole second too large; 0: none. */
  readonly everyFractionOut: number;
  readonly linkType: number;
}

const PLAIN_FILE: FileOptions = {
  nanoseconds: false,
  littleEndian: true,
  modified: false,
  everyFractionOut: 0,
  linkType: 1,
};

function pcap(frames: readonly TimedFrame[], options: Partial<FileOptions> = {}): Uint8Array {
  const { nanoseconds, littleEndian, modified, everyFractionOut, linkType } = { ...PLAIN_FILE, ...options };
  const header = modified ? 24 : 16;
  const octets = new Uint8Array(24 + frames.reduce((sum, frame) => sum + header + frame.octets.length, 0));
  const view = new DataView(octets.buffer);
  view.setUint32(0, modified ? 0xa1b2cd34 : nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, littleEndian);
  view.setUint16(4, 2, littleEndian);
  view.setUint16(6, 4, littleEndian);
  view.setUint32(16, 65_535, littleEndian);
  view.setUint32(20, linkType, littleEndian);
  let at = 24;
  const inSecond = nanoseconds && !modified ? 1_000_000_000 : 1_000_000;
  for (const [i, frame] of frames.entries()) {
    const isOut = everyFractionOut > 0 && i % everyFractionOut === 0;
    const fraction = Math.floor((frame.nanoseconds * inSecond) / 1_000_000_000) + (isOut ? inSecond : 0);
    view.setUint32(at, frame.seconds, littleEndian);
    view.setUint32(at + 4, fraction, littleEndian);
    view.setUint32(at + 8, frame.octets.length, littleEndian);
    view.setUint32(at + 12, frame.wire, littleEndian);
    octets.set(frame.octets, at + header);
    at += header + frame.octets.length;
  }
  return octets;
}

const fileOptions: fc.Arbitrary<FileOptions> = fc.record({
  nanoseconds: fc.boolean(),
  littleEndian: mostly(fc.constant(true), fc.constant(false)),
  modified: mostly(fc.constant(false), fc.constant(true)),
  everyFractionOut: fc.constantFrom(0, 0, 0, 17),
  linkType: mostly(fc.constant(1), fc.constantFrom(101, 113, 999)),
});

/** What both say of a file, and how many frames went the short way. */
async function both(path: string, options: TwinOptions, chunkOctets?: number) {
  const said: Awaited<ReturnType<typeof readBy>>[] = [];
  const [plain, ordinary] = twins(options);
  for (const { meter } of [plain, ordinary]) {
    said.push(await readBy(new PcapFileSource({ path, chunkOctets }), meter));
  }
  const before = [plain, ordinary].map((twin) => twin.state);
  plain.meter.endAll();
  ordinary.meter.endAll();
  const taken = plain.meter.plain?.taken ?? 0;
  return {
    short: { ...said[0]!, before: before[0], ...plain.state },
    long: { ...said[1]!, before: before[1], ...ordinary.state },
    taken,
    plain,
    ordinary,
  };
}

t.test('any file, any options', async (t) => {
  const folder = new CaptureFolder(t);
  const path = join(folder.path, 'any.pcap');
  let frames = 0;
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(arbitraryFrame, { maxLength: 160, size: 'max' }),
      fileOptions,
      meterOptions,
      fc.constantFrom(400, 1000, 5000, undefined),
      mostly(fc.constant(START_MILLISECONDS), fc.constantFrom(0, 1)),
      async (all, file, options, chunkOctets, start) => {
        writeFileSync(path, pcap(timed(all, start), file));
        const seen = await both(path, options, chunkOctets);
        equal(seen);
        if (!seen.plain.countsPlain || seen.ordinary.countsPlain) throw new Error('it is not compared');
        frames += all.length;
        taken += seen.taken;
      },
    ),
    { numRuns: 250, seed: 20 },
  );
  t.ok(taken > frames / 3, `${taken} of ${frames} frames went the short way`);
});

t.test('every length of a plain frame, on the wire, in its header and captured', async (t) => {
  const folder = new CaptureFolder(t);
  const frames: TimedFrame[] = [];
  const at = { seconds: 1_700_000_000, nanoseconds: 0 };
  const other = ethernetFrame({ source: '10.0.0.3', destination: '10.0.0.4', protocol: 17 });
  const usual = Array.from({ length: 3 }, () => ({ ...at, octets: other, wire: other.length }));
  for (const protocol of [6, 17, 1, 47]) {
    const whole = ethernetFrame({
      source: '10.0.0.1',
      destination: '10.0.0.2',
      protocol,
      payload: 6,
      sourcePort: 1000,
      destinationPort: 53,
    });
    for (let length = 0; length <= whole.length; length++) {
      const shorter = whole.slice();
      shorter[17] = length;
      for (const odd of [
        { octets: whole.subarray(0, length), wire: whole.length },
        { octets: whole, wire: length },
        { octets: shorter, wire: whole.length },
      ]) {
        // Between frames that are plain: the short way is asked of each.
        frames.push(...usual, { ...at, ...odd });
      }
    }
  }
  const path = folder.write('lengths.pcap', pcap(frames));
  const seen = await both(path, {});
  t.equal(difference(seen), '', 'they agree');
  t.ok(seen.taken > frames.length / 2, `${seen.taken} of ${frames.length} frames went the short way`);
});

t.test('a record that claims more than any capture has is corrupt either way', async (t) => {
  const folder = new CaptureFolder(t);
  const octets = new Uint8Array(262_145);
  octets.set(ethernetFrame({ source: '10.0.0.1', destination: '10.0.0.2', protocol: 17 }));
  const at = { seconds: 1_700_000_000, nanoseconds: 0, wire: octets.length };
  const most = { ...at, octets: octets.slice(0, -1) };
  for (const [name, frame] of [
    ['262 144 octets', most],
    ['262 145 octets', { ...at, octets }],
  ] as const) {
    const seen = await both(folder.write('large.pcap', pcap([frame, frame])), {});
    t.equal(difference(seen), '', name);
    t.equal(seen.long.error === undefined, frame === most, name);
  }
});

t.test('indexes grow, and IPv4 and IPv6 stand side by side', async (t) => {
  const folder = new CaptureFolder(t);
  const frames: TimedFrame[] = [];
  for (let i = 0; i < 24_000; i++) {
    const flow = (i * 7919 + (i >> 3)) % 3000;
    const source = (i >> 4) % 5 < 2 ? `2001:db8::${flow.toString(16)}` : `10.1.${flow >> 8}.${flow & 255}`;
    const destination = source.includes('.') ? '10.0.0.2' : '2001:db8:1::1';
    const octets = ethernetFrame({ source, destination, protocol: 6, sourcePort: flow & 3, payload: i & 7 });
    frames.push({
      seconds: 1_700_000_000 + Math.floor(i / 2000),
      nanoseconds: (i % 2000) * 500_000,
      octets,
      wire: octets.length,
    });
  }
  const path = folder.write('many.pcap', pcap(frames));
  for (const maxFlows of [700, 5000]) {
    const seen = await both(path, { maxFlows, activeTimeoutMilliseconds: 3000 });
    t.equal(difference(seen), '', `at most ${maxFlows} flows`);
    t.ok(seen.taken > 4000, `${seen.taken} went the short way`);
  }
});

t.test('what the short way does not know goes the ordinary one', async (t) => {
  const folder = new CaptureFolder(t);
  const path = join(folder.path, 'any.pcap');
  const tunnels = ['vxlan', 'gre', 'ipip', '6in4'] as const;
  const cases: [what: string, options: () => TwinOptions, countsPlain: boolean][] = [
    ['sampling', () => ({ sampling: { interval: 3, mode: 'random' } }), true],
    ['own export', () => ({ isOwnExport: (view) => view.ipOctets % 5 === 0 }), true],
    ['tunnels', () => ({ decapsulator: new Decapsulator({ tunnels }) }), true],
    ['all fields', () => ({ fields: 'full' }), false],
    ['both directions', () => ({ biflow: true }), false],
  ];
  for (const [what, options, countsPlain] of cases) {
    await fc.assert(
      fc.asyncProperty(
        fc.array(arbitraryFrame, { maxLength: 120, size: 'max' }),
        meterOptions,
        async (all, others) => {
          writeFileSync(path, pcap(timed(all)));
          const seen = await both(path, { ...others, ...options() });
          equal(seen);
          if (seen.plain.meter.plain !== undefined) throw new Error('frames go the short way');
          if (seen.plain.countsPlain !== countsPlain) throw new Error(`it counts ${!countsPlain}`);
        },
      ),
      { numRuns: 25, seed: 21 },
    );
    t.pass(what);
  }
});

t.test('captures of the world', { skip: corpusMissing }, async (t) => {
  let taken = 0;
  for (const name of readdirSync(CORPUS)) {
    const seen = await both(join(CORPUS, name), {
      activeTimeoutMilliseconds: 200,
      idleTimeoutMilliseconds: 100,
      maxFlows: 50,
    });
    const found = difference(seen);
    if (found !== '') t.fail(`${name}: ${found}`);
    taken += seen.taken;
  }
  t.ok(taken > 100, `${taken} frames went the short way`);
});
