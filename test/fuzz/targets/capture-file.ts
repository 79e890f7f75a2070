/** The reader of capture files, on mutated files, in large chunks and in tiny ones; and the decoder behind it. */

import { ok, strictEqual } from 'node:assert/strict';
import {
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Frame, FrameReceiver } from '../../../src/capture/packet-source.ts';
import { CaptureFileError, PcapFileSource } from '../../../src/capture/pcap-file.ts';
import { PcapngWriter, PcapWriter } from '../../../src/capture/pcap-writer.ts';
import { decode } from '../../../src/packet/decode.ts';
import { PacketView } from '../../../src/packet/packet-view.ts';
import { randomPacket } from '../../packet/random-packets.ts';
import { outcomeOf } from '../../packet/support.ts';
import { CORPUS, corpusMissing } from '../../support/corpus.ts';
import type { Random } from '../random.ts';
import type { FuzzTarget } from '../target.ts';

/** Octets that the smallest record of any format takes: a packet block of pcapng without options. */
const SMALLEST_RECORD = 16;
const LARGEST_SEED_OCTETS = 2048;

export const captureFile: FuzzTarget = {
  name: 'capture-file',

  seeds(random) {
    const made = Array.from({ length: 60 }, () => (random.oneIn(2) ? pcap(random) : pcapng(random)));
    return [...made, ...smallCaptures()];
  },

  async run(input) {
    const large = await read(input, 64 * 1024);
    const tiny = await read(input, 61);
    // Where chunks end is nobody's business: not the frames' and not the error's.
    strictEqual(tiny.frames, large.frames, 'frames');
    strictEqual(tiny.digest, large.digest, 'what the frames say');
    strictEqual(tiny.error, large.error, 'error');
    ok(large.frames <= input.length / SMALLEST_RECORD, `${large.frames} frames in ${input.length} octets`);
  },
};

/** Captures that others made, many of them malformed on purpose; none where the corpus is missing. */
function smallCaptures(): Uint8Array[] {
  if (corpusMissing !== false) return [];
  return readdirSync(CORPUS)
    .map((name) => join(CORPUS, name))
    .filter((path) => statSync(path).size <= LARGEST_SEED_OCTETS)
    .map((path) => Uint8Array.from(readFileSync(path)));
}

function pcap(random: Random): Uint8Array {
  const first = randomPacket(random);
  const writer = new PcapWriter({
    linkType: first.about.linkType ?? 1,
    littleEndian: random.oneIn(2),
    resolution: random.pick(['microseconds', 'nanoseconds']),
  });
  for (let records = random.below(6); records > 0; records--) writer.write(record(random));
  return writer.take();
}

function pcapng(random: Random): Uint8Array {
  const writer = new PcapngWriter({ littleEndian: random.oneIn(2) });
  const interfaces = Array.from({ length: 1 + random.below(3) }, (_, i) =>
    writer.addInterface({ linkType: random.pick([1, 101, 113, 276]), name: `eth${i}` }),
  );
  for (let records = random.below(6); records > 0; records--) {
    writer.write(random.pick(interfaces), record(random));
  }
  return writer.take();
}

function record(random: Random) {
  const { captured, about } = randomPacket(random);
  const nanoseconds = random.below(1_000_000_000);
  return { seconds: random.uint32(), nanoseconds, bytes: captured, wireLength: about.wireLength };
}

/** Holds the source to what it promises of its frames, and sums them up. */
class Watch implements FrameReceiver {
  frames = 0;
  digest = 0;
  inBatch = false;
  readonly #view = new PacketView();

  beginBatch(): void {
    ok(!this.inBatch, 'a batch begins within a batch');
    this.inBatch = true;
  }

  frame(frame: Frame): void {
    ok(this.inBatch, 'a frame outside any batch');
    const { view, offset, capturedLength, wireLength, seconds, nanoseconds } = frame;
    ok(
      offset >= 0 && capturedLength >= 0 && offset + capturedLength <= view.byteLength,
      'the frame lies outside',
    );
    ok(Number.isSafeInteger(wireLength) && wireLength >= 0, `wireLength ${wireLength}`);
    ok(Number.isSafeInteger(seconds) && seconds >= 0, `seconds ${seconds}`);
    ok(Number.isInteger(nanoseconds) && nanoseconds >= 0 && nanoseconds < 1e9, `nanoseconds ${nanoseconds}`);
    this.frames++;
    this.#add(outcomeOf(decode(frame, this.#view)).length, frame.linkType, frame.ingressInterface);
    this.#add(capturedLength, wireLength, seconds, nanoseconds);
    for (let i = 0; i < capturedLength; i++) this.#add(view.getUint8(offset + i));
  }

  endBatch(): undefined {
    ok(this.inBatch, 'a batch ends that did not begin');
    this.inBatch = false;
  }

  /** FNV-1a, roughly. */
  #add(...values: number[]): void {
    for (const value of values) this.digest = Math.imul(this.digest ^ value, 0x01000193);
  }
}

interface Reading {
  frames: number;
  digest: number;
  error: string;
}

async function read(input: Uint8Array, chunkOctets: number): Promise<Reading> {
  const watch = new Watch();
  const source = new PcapFileSource({ path: fileOf(input), chunkOctets });
  let error = '';
  try {
    await source.start(watch);
    await source.finished;
  } catch (thrown) {
    if (!(thrown instanceof CaptureFileError)) throw thrown;
    error = thrown.message;
  }
  ok(!watch.inBatch, 'the last batch does not end');
  strictEqual(source.counters.frames, watch.frames, 'the counter of frames');
  return { frames: watch.frames, digest: watch.digest, error };
}

let scratch: number | undefined;

/** A file of these octets: always the same one, whose name is gone already, so that nothing is ever left behind. */
export function fileOf(input: Uint8Array): string {
  if (scratch === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'weir-fuzz-'));
    scratch = openSync(join(folder, 'capture'), 'w');
    rmSync(folder, { recursive: true });
  }
  ftruncateSync(scratch);
  writeSync(scratch, input, 0, input.length, 0);
  return `/proc/self/fd/${scratch}`; // Linux; opened anew, it is read from its beginning
}
