/** The benchmark's own measure: what the generator says, the floor and the receiver find. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { floor } from '../../bench/contestants.ts';
import { generateCapture } from '../../bench/generate.ts';
import { findCommand } from '../../bench/programs.ts';
import { difference } from '../../bench/read.ts';
import { ratios, spread } from '../../bench/statistics.ts';
import { runTrial } from '../../bench/trial.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-bench-test-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const SHAPE = { packets: 20_000, flows: 3000, packetsPerSecond: 1_000_000, seed: 7 };

t.test('the same seed gives the same capture', async (t) => {
  const octets = (name: string, seed: number) => {
    const { path, fileOctets } = generateCapture(join(folder, name), { ...SHAPE, ipVersion: 4, seed });
    const file = readFileSync(path);
    t.equal(file.length, fileOctets);
    return file;
  };
  const first = octets('first.pcap', 7);
  t.ok(first.equals(octets('again.pcap', 7)));
  t.notOk(first.equals(octets('other.pcap', 8)));
});

const noCompiler = findCommand('gcc') === undefined ? 'gcc is not here to compile the floor' : false;

for (const ipVersion of [4, 6] as const) {
  t.test(`the floor counts the generator's IPv${ipVersion} exactly`, { skip: noCompiler }, async (t) => {
    const short = generateCapture(join(folder, `short-${ipVersion}.pcap`), { ...SHAPE, ipVersion });
    const trial = await runTrial((port) => floor.command(short.path, port));
    t.equal(difference(trial, short), undefined);
    t.same(trial.received.flowEndReasons, { 4: SHAPE.flows }, 'one record a flow, forced at the end');
    t.match(
      difference(trial, { ...short, octets: short.octets + 1 }),
      /octets instead of/,
      'the check can fail',
    );
  });

  t.test(`the floor keeps its timeouts over 100 s of IPv${ipVersion}`, { skip: noCompiler }, async (t) => {
    const slow = { ...SHAPE, packetsPerSecond: SHAPE.packets / 100, ipVersion };
    const long = generateCapture(join(folder, `long-${ipVersion}.pcap`), slow);
    const { received } = await runTrial((port) => floor.command(long.path, port));
    t.equal(received.packets, long.packets);
    t.equal(received.octets, long.octets);
    const { 2: active = 0, 4: forced = 0, ...others } = received.flowEndReasons;
    t.ok(active > SHAPE.flows, `${active} records ended by the active timeout`);
    t.equal(active + forced, received.records);
    t.same(others, {}, 'an idle entry of 15 s had its record exported after 5 s');
  });
}

t.test('medians, and ratios round by round', async (t) => {
  t.same(spread([3, 1, 2]), { median: 2, least: 1, most: 3 });
  t.same(spread([4, 1, 2, 3]), { median: 2.5, least: 1, most: 4 });
  t.same(ratios([10, 30], [5, 10]), { median: 2.5, least: 2, most: 3 });
});
