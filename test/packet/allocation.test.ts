/** The hot path allocates nothing: the heap around a million decodes. */

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import type { Frame } from '../../src/capture/packet-source.ts';
import { decode } from '../../src/packet/decode.ts';
import { PacketView } from '../../src/packet/packet-view.ts';
import { Random } from '../fuzz/random.ts';
import { randomPacket } from './random-packets.ts';
import { framesOf } from './support.ts';

const BATCHES = 40;
const DECODES = 25_000;

t.test('a million decodes leave the heap as it was', (t) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const random = new Random(2675);
  const frames = Array.from({ length: 1000 }, (): Frame => {
    const { captured, about } = randomPacket(random);
    return framesOf(captured, about).atStart;
  });
  const view = new PacketView();

  decodeMany(frames, view, 400_000); // until the optimizing compiler is done
  // One object of 16 octets a packet would show as 400 000 octets in every batch. A batch in which a collection
  // happens to run shows less, one in which the compiler works shows more: the median is neither.
  const growth: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    collectGarbage();
    const before = getHeapStatistics().used_heap_size;
    decodeMany(frames, view, DECODES);
    growth.push(getHeapStatistics().used_heap_size - before);
  }
  growth.sort((a, b) => a - b);
  const median = growth[BATCHES / 2]!;
  t.ok(median >= 0 && median < DECODES, `${median} octets in ${DECODES} decodes: less than one a packet`);
  t.end();
});

function decodeMany(frames: readonly Frame[], view: PacketView, count: number): void {
  for (let i = 0; i < count; i++) decode(frames[i % frames.length]!, view);
}
