/** Every frame of the tcpdump project's captures, many of them malformed on purpose, against the naive decoder. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import type { Frame, FrameReceiver } from '../../src/capture/packet-source.ts';
import { PcapFileSource } from '../../src/capture/pcap-file.ts';
import { decode } from '../../src/packet/decode.ts';
import { PacketView } from '../../src/packet/packet-view.ts';
import { CORPUS, corpusMissing } from '../support/corpus.ts';
import { naiveDecode } from './naive-decoder.ts';
import { fieldsOf, outcomeOf } from './support.ts';

class Comparison implements FrameReceiver {
  frames = 0;
  metered = 0;
  readonly differences: string[] = [];
  readonly #view = new PacketView();

  beginBatch(): void {}

  frame(frame: Frame): void {
    this.frames++;
    const captured = new Uint8Array(
      frame.view.buffer,
      frame.view.byteOffset + frame.offset,
      frame.capturedLength,
    );
    const outcome = outcomeOf(decode(frame, this.#view));
    const actual = outcome === 'metered' ? fieldsOf(this.#view, frame) : outcome;
    if (outcome === 'metered') this.metered++;
    const expected = naiveDecode(captured, frame);
    if (isDeepStrictEqual(actual, expected)) return;
    this.differences.push(
      `frame ${this.frames}: ${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`,
    );
  }

  endBatch(): undefined {}
}

t.test('every frame reads as a naive decoder reads it', { skip: corpusMissing }, async (t) => {
  let frames = 0;
  let metered = 0;
  for (const name of readdirSync(CORPUS)) {
    const comparison = new Comparison();
    const source = new PcapFileSource({ path: join(CORPUS, name) });
    // A capture that is cut or corrupt is the file reader's to tell of; the frames before that count here.
    await source.start(comparison).then(
      () => source.finished.catch(() => {}),
      () => {},
    );
    if (comparison.differences.length > 0) t.fail(`${name}: ${comparison.differences.join('\n')}`);
    frames += comparison.frames;
    metered += comparison.metered;
  }
  t.ok(metered > 5000, `${metered} of ${frames} frames are metered`);
});
