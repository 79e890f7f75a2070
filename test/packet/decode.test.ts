/** The decoder as a whole: against the naive one, against its own history, against noise. */

import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { Frame } from '../../src/capture/packet-source.ts';
import { decode } from '../../src/packet/decode.ts';
import { METERED } from '../../src/packet/packet-layout.ts';
import { IGNORED_REASONS, PacketView } from '../../src/packet/packet-view.ts';
import { Random } from '../fuzz/random.ts';
import { naiveDecode } from './naive-decoder.ts';
import { randomPacket } from './random-packets.ts';
import { fieldsOf, framesOf, outcomeOf } from './support.ts';

t.test('random packets read as a naive decoder reads them, and every outcome occurs', (t) => {
  const random = new Random(791);
  const seen = new Map<string, number>();
  for (let i = 0; i < 30_000; i++) {
    const { captured, about } = randomPacket(random);
    const { atStart, within } = framesOf(captured, about);
    const naive = naiveDecode(captured, about);
    for (const frame of [atStart, within]) {
      const view = new PacketView();
      const outcome = outcomeOf(decode(frame, view));
      const actual = outcome === 'metered' ? fieldsOf(view, frame) : outcome;
      if (!isDeepStrictEqual(actual, naive)) {
        t.strictSame(actual, naive, `packet ${i}: ${Buffer.from(captured).toString('hex')}`, { about });
        t.end();
        return;
      }
    }
    const outcome = typeof naive === 'string' ? naive : 'metered';
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
  }
  const meters = ['own_export', 'not_sampled'];
  const decoders = IGNORED_REASONS.filter((reason) => !meters.includes(reason));
  for (const outcome of ['metered', ...decoders]) {
    t.ok((seen.get(outcome) ?? 0) > 100, `${outcome} occurred ${seen.get(outcome)} times`);
  }
  t.end();
});

t.test('nothing of the previous packet shows', (t) => {
  const random = new Random(8200);
  const packets = Array.from({ length: 2000 }, () => {
    const { captured, about } = randomPacket(random);
    return framesOf(captured, about).atStart;
  });
  const reused = new PacketView();
  for (let i = 0; i < 50_000; i++) {
    const frame = random.pick(packets);
    const fresh = new PacketView();
    const results = [decode(frame, reused), decode(frame, fresh)];
    if (results[0] === results[1] && results[0] !== METERED) continue;
    const [actual, expected] = [fieldsOf(reused, frame), fieldsOf(fresh, frame)];
    if (results[0] !== results[1] || !isDeepStrictEqual(actual, expected)) {
      t.strictSame([results[0], actual], [results[1], expected], `decode ${i}`);
      t.end();
      return;
    }
  }
  t.pass('50 000 packets in random order');
  t.end();
});

t.test('a million random byte strings: never a throw, never a stall', (t) => {
  const random = new Random(1);
  const noise = Uint8Array.from(random.octets(1 << 16));
  const linkTypes = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276];
  const frame = new Frame();
  const view = new PacketView();
  const known = IGNORED_REASONS.length;
  const from = performance.now();
  let metered = 0;
  for (let i = 0; i < 1_000_000; i++) {
    const length = random.below(200);
    frame.view = new DataView(noise.buffer, random.below(noise.length - 200), length);
    frame.linkType = linkTypes[i % linkTypes.length]!;
    frame.capturedLength = length;
    frame.wireLength = length + (random.oneIn(2) ? random.below(70_000) : 0);
    const result = decode(frame, view);
    if (result === METERED) metered++;
    if (!(result >= 0 && result <= known)) t.fail(`decode returned ${result}`);
  }
  const milliseconds = performance.now() - from;
  t.ok(metered > 5000, `${metered} of them look like IP`);
  t.ok(milliseconds < 20_000, `${milliseconds.toFixed(0)} ms`); // about 200 ms where nothing else runs
  t.end();
});

t.test('the longest chain of extension headers ends within a millisecond', (t) => {
  const octets = new Uint8Array(65_575); // all zero behind the first: hop-by-hop after hop-by-hop, 8 octets each
  octets.set([0x60, 0, 0, 0, 0xff, 0xff, 0, 64]);
  const frame = framesOf(octets, { linkType: 101 }).atStart;
  const view = new PacketView();
  const from = performance.now();
  for (let i = 0; i < 100; i++) decode(frame, view);
  const milliseconds = (performance.now() - from) / 100;
  t.equal(decode(frame, view), METERED);
  t.ok(milliseconds < 1, `${milliseconds.toFixed(3)} ms`);
  t.end();
});
