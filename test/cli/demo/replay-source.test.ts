import { test } from 'tap';
import type { Frame, FrameReceiver } from '../../../src/capture/packet-source.ts';
import { generatePackets } from '../../../src/cli/demo/generate-capture.ts';
import { ReplaySource } from '../../../src/cli/demo/replay-source.ts';

const START = 1_700_000_000_000;

test('packets are handed over when their time has come, round after round, and none twice', async (t) => {
  let now = 5000;
  const source = new ReplaySource({
    unixMilliseconds: () => START + now - 5000,
    monotonicMilliseconds: () => now,
  });
  const seen: string[] = [];
  let early = 0;
  const receiver: FrameReceiver = {
    beginBatch() {},
    frame(frame: Frame) {
      const microseconds = frame.seconds * 1e6 + frame.nanoseconds / 1000;
      if (microseconds / 1000 > START + now - 5000) early++;
      seen.push(`${microseconds} ${frame.capturedLength} ${frame.view.getUint16(frame.offset + 12)}`);
    },
    endBatch: () => undefined,
  };
  await source.start(receiver);
  t.teardown(() => source.stop());
  // Uneven steps, one of them across the end of a round.
  for (const milliseconds of [0, 1, 999, 4000, 6500, 8499]) {
    now += milliseconds;
    source.step();
  }
  const expected = [0, 1].flatMap((round) =>
    generatePackets({ seconds: 10, round, startMilliseconds: START + round * 10_000 }).map(
      ({ seconds, nanoseconds, bytes }) =>
        `${seconds * 1e6 + nanoseconds / 1000} ${bytes.length} ${(bytes[12]! << 8) | bytes[13]!}`,
    ),
  );
  t.equal(now, 24_999, 'two rounds are over but for a millisecond');
  t.same(seen, expected);
  t.equal(early, 0);
  t.equal(source.counters.frames, seen.length);
  await source.stop();
  await source.finished;
  t.equal(source.capturing, false);
});
