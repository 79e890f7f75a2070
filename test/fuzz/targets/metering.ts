/** Mutated capture files, metered on the short way of plain packets and on the ordinary one: what comes of them is equal. */

import { ok, strictEqual } from 'node:assert/strict';
import { PcapFileSource } from '../../../src/capture/pcap-file.ts';
import { PcapWriter } from '../../../src/capture/pcap-writer.ts';
import { difference, readBy, type Twin, twins } from '../../flow/twin-meters.ts';
import type { Random } from '../random.ts';
import type { FuzzTarget } from '../target.ts';
import { captureFile, fileOf } from './capture-file.ts';

/** Both go through so many files before they are made anew: V8 is slow to give up their memory. */
const FILES = 100;
const TIMEOUTS = { activeTimeoutMilliseconds: 50, idleTimeoutMilliseconds: 40, maxFlows: 5 };

let pair: [Twin, Twin] | undefined;
let pairs = 0;
let left = 0;

export const metering: FuzzTarget = {
  name: 'metering',

  seeds: (random) => [...captureFile.seeds(random), ...Array.from({ length: 200 }, () => plainPcap(random))],

  async run(input) {
    if (pair === undefined || left-- === 0) {
      // By the packets' clock a fragment that waits keeps all others from the short way until that clock moves on.
      pair = twins({ ...TIMEOUTS, clock: pairs++ % 4 === 0 ? 'packet' : 'monotonic' });
      left = FILES;
      ok(pair[0].meter.plain !== undefined, pair[0].meter.plainProblem?.message);
    }
    const path = fileOf(input);
    const [short, long] = await Promise.all(
      pair.map(async (twin) => {
        const reading = await readBy(new PcapFileSource({ path, chunkOctets: 1021 }), twin.meter);
        const seen = { ...reading, ...twin.state };
        twin.records.length = 0;
        return seen;
      }),
    );
    const found = difference({ short: short!, long: long! });
    if (found !== '') pair = undefined;
    strictEqual(found, '');
  },
};

/** A file that could go the short way as it is, and of which a mutation decides what can not. */
function plainPcap(random: Random): Uint8Array {
  const resolution = random.pick(['microseconds', 'nanoseconds'] as const);
  const writer = new PcapWriter({ linkType: 1, littleEndian: true, resolution });
  for (let records = 1 + random.below(4); records > 0; records--) {
    const bytes = random.oneIn(3) ? ipv6Frame(random) : ipv4Frame(random);
    const nanoseconds = random.below(1_000_000_000);
    writer.write({ seconds: 1_700_000_000 + random.below(2), nanoseconds, bytes, wireLength: bytes.length });
  }
  return writer.take();
}

const link = (random: Random, etherType: readonly number[]) => [
  ...[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1],
  ...(random.oneIn(4) ? [0x81, 0, random.below(256), random.below(4)] : []),
  ...etherType,
];

/** Few flows, so that packets meet. */
const transport = (random: Random) => [
  ...[0, random.below(3), 0, 53],
  ...[0, 0, 0, 1, 0, 0, 0, 1, 0x50, random.pick([0x10, 0x12, 0x18, 0x11, 0x04]), 1, 0, 0, 0, 0, 0],
];

function ipv4Frame(random: Random): Uint8Array {
  const options = random.oneIn(5) ? [1, 1, 1, 0] : [];
  const body = transport(random);
  const header = [
    ...[0x45 + options.length / 4, random.pick([0, 1, 0xb8]), 0, 20 + options.length + body.length],
    ...[
      0,
      7,
      random.pick([0x40, 0, 0, 0x20, 0x1f]),
      random.pick([0, 0, 1]),
      64,
      random.pick([6, 17, 1, 50]),
      0,
      0,
    ],
    ...[10, 0, 0, random.below(2), 10, 0, 1, 1],
    ...options,
  ];
  return Uint8Array.from([...link(random, [8, 0]), ...header, ...body]);
}

function ipv6Frame(random: Random): Uint8Array {
  const body = transport(random);
  const address = (last: number) => [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), last];
  const next = random.pick([6, 17, 58, 0, 44]);
  const header = [0x60, random.pick([0, 0x10, 0xb0]), 0, 0, 0, body.length, next, 64];
  return Uint8Array.from([
    ...link(random, [0x86, 0xdd]),
    ...[...header, ...address(random.below(2)), ...address(9), ...body],
  ]);
}
