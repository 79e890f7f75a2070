/** `weir read --json` prints what the oracle reckons: record by record, every field. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DEFAULTS, expectationOf, type OracleOptions } from '../oracle/oracle.ts';
import { type RandomCaptureOptions, randomCapture } from '../oracle/random-capture.ts';
import { LINK_TYPES } from '../oracle/random-frames.ts';
import { CaptureFolder } from '../support/read-capture.ts';
import { differences } from './compare.ts';
import { asFlags, readHere, weir } from './weir.ts';

interface Case extends Partial<OracleOptions> {
  readonly what: string;
  readonly captures: readonly Pick<
    RandomCaptureOptions,
    'seed' | 'format' | 'linkType' | 'startMilliseconds'
  >[];
}

const CASES: Case[] = [
  { what: 'as it comes', captures: [{ seed: 1, format: 'pcap' }] },
  { what: 'every link type', fields: 'full', captures: [{ seed: 2, format: 'pcapng' }] },
  {
    what: 'fractions of seconds, idle shorter than the wait for stragglers',
    activeMilliseconds: 1500,
    idleMilliseconds: 250,
    captures: [{ seed: 3, format: 'pcapng' }],
  },
  {
    what: 'tunnels',
    tunnels: ['vxlan', 'geneve', 'gre', 'ipip', '6in4'],
    captures: [{ seed: 6, format: 'pcapng' }],
  },
  {
    what: 'two files on one clock, the second from before the end of the first',
    activeMilliseconds: 2000,
    idleMilliseconds: 4000,
    fields: 'full',
    captures: [
      { seed: 4, format: 'pcap' },
      { seed: 5, format: 'pcap', startMilliseconds: 1_700_000_010_000 },
    ],
  },
];

for (const { what, captures, ...options } of CASES) {
  t.test(`weir read --json: ${what}`, async (t) => {
    const folder = new CaptureFolder(t);
    const timeouts = { ...DEFAULTS, ...options };
    const files = captures.map((capture) =>
      folder.write(`${capture.seed}.pcap`, randomCapture({ ...timeouts, ...capture })),
    );
    const { records, packets, ignored } = expectationOf(files, options);
    const { code, records: printed, log } = await weir('read', ...files, '--json', ...asFlags(options));
    t.equal(code, 0, 'weir read ends well', { log });
    t.same(differences(printed, records), []);
    const totals = log.find(({ msg }) => msg === 'metered');
    t.same(totals?.ignoredPackets, Object.fromEntries(ignored), 'what was not metered, and why');
    t.equal(totals?.meteredPackets, packets.length);
  });
}

const ALL_TUNNELS = ['vxlan', 'geneve', 'gre', 'ipip', '6in4'] as const;

t.test('tunnels, nested and damaged, in this process', async (t) => {
  const folder = new CaptureFolder(t);
  const opened = new Map<string, number>();
  for (let seed = 200; seed < 212; seed++) {
    const tunnels = seed % 3 === 0 ? ALL_TUNNELS.filter((_, i) => (seed >> i) % 2 === 0) : ALL_TUNNELS;
    const options = { tunnels, fields: seed % 4 === 0 ? 'full' : 'standard' } as const;
    const format = seed % 2 === 0 ? 'pcapng' : 'pcap';
    const linkType = LINK_TYPES[seed % LINK_TYPES.length]!;
    const capture = { ...DEFAULTS, seed, format, linkType, tunnels: ALL_TUNNELS } as const;
    const path = join(folder.path, `${seed}.pcap`);
    writeFileSync(path, randomCapture(capture));
    const expected = expectationOf([path], options);
    const read = await readHere([path], options);
    t.same(differences(read.records, expected.records), [], JSON.stringify({ ...capture, ...options }));
    t.same(read.ignored, expected.ignored);
    t.same(read.opened, expected.opened, 'tunnels opened');
    for (const [name, count] of expected.opened) opened.set(name, (opened.get(name) ?? 0) + count);
  }
  for (const tunnel of ALL_TUNNELS) t.ok(opened.get(tunnel)! > 1000, `${tunnel}: ${opened.get(tunnel)}`);
});

/** Milliseconds: longer and shorter than each other and than the wait for stragglers, equal to it, and tiny. */
const TIMEOUTS = [
  [5000, 15_000],
  [60_000, 2000],
  [500, 500],
  [300, 1500],
  [1500, 499],
  [100, 60_000],
  [1, 1],
] as const;

t.test('in this process, from other seeds', async (t) => {
  const folder = new CaptureFolder(t);
  let records = 0;
  const fragments = new Map<string, number>();
  for (let seed = 100; seed < 128; seed++) {
    const [activeMilliseconds, idleMilliseconds] = TIMEOUTS[seed % TIMEOUTS.length]!;
    const options = {
      activeMilliseconds,
      idleMilliseconds,
      fields: seed % 3 === 0 ? 'standard' : 'full',
    } as const;
    const format = seed % 2 === 0 ? 'pcapng' : 'pcap';
    const capture = { ...options, seed, format, linkType: LINK_TYPES[seed % LINK_TYPES.length]! } as const;
    const path = join(folder.path, `${seed}.pcap`);
    writeFileSync(path, randomCapture(capture));
    const expected = expectationOf([path], options);
    const read = await readHere([path], options);
    t.same(differences(read.records, expected.records), [], JSON.stringify(capture));
    t.same(read.ignored, expected.ignored);
    t.match(read.fragments, expected.fragments, 'what became of fragments');
    for (const [name, count] of Object.entries(expected.fragments)) {
      fragments.set(name, (fragments.get(name) ?? 0) + count);
    }
    records += expected.records.length;
  }
  t.ok(records > 10_000, `${records} records`);
  for (const [name, count] of fragments) t.ok(count > 50, `${count} ${name}`);
});
