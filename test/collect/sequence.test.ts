import t, { type Test } from 'tap';
import { ipfix, netflow9, octets, RecordingDecoder } from './octets.ts';

const TEMPLATE = '00 02 00 0c 01 00 00 01 00 07 00 02\n';
/** Three records of two octets. */
const THREE = '01 00 00 0a 00 01 00 02 00 03\n';

/** [sequence number, Sets, lostRecords, restarts, lateMessages] after each message. */
type Step = readonly [number, string, number, number, number];

function follow(t: Test, steps: readonly Step[]) {
  const recording = new RecordingDecoder();
  for (const [sequence, sets, lost, restarts, late] of steps) {
    recording.decode(ipfix(sequence, sets));
    const { lostRecords, restarts: seen, lateMessages } = recording.counters;
    t.same([lostRecords, seen, lateMessages], [lost, restarts, late], `after ${sequence}`);
  }
}

t.test('IPFIX counts Data Records, and no templates', async (t) => {
  follow(t, [
    [100, TEMPLATE, 0, 0, 0],
    [100, THREE, 0, 0, 0],
    [103, TEMPLATE + THREE, 0, 0, 0],
    [116, THREE, 10, 0, 0],
    [119, THREE, 10, 0, 0],
  ]);
});

t.test('a sequence that wraps', async (t) => {
  follow(t, [
    [2 ** 32 - 4, TEMPLATE + THREE, 0, 0, 0],
    [2 ** 32 - 1, THREE, 0, 0, 0],
    [2, THREE, 0, 0, 0],
    [6, THREE, 1, 0, 0],
  ]);
});

t.test('an exporter that begins anew', async (t) => {
  follow(t, [
    [3_000_000_000, TEMPLATE + THREE, 0, 0, 0],
    [0, TEMPLATE, 0, 1, 0],
    [0, THREE, 0, 1, 0],
    [3, THREE, 0, 1, 0],
  ]);
  follow(t, [
    [3_000_000_000, TEMPLATE + THREE, 0, 0, 0],
    [2_900_000_000, THREE, 0, 1, 0],
    [2_900_000_003, THREE, 0, 1, 0],
  ]);
});

t.test('messages that are overtaken, and duplicates', async (t) => {
  follow(t, [
    [100, TEMPLATE + THREE, 0, 0, 0],
    [109, THREE, 6, 0, 0],
    [106, THREE, 3, 0, 1],
    [103, THREE, 0, 0, 2],
    [109, THREE, 0, 0, 3],
    [112, THREE, 0, 0, 3],
    [118, THREE, 3, 0, 3],
    [112, THREE, 3, 0, 4],
    [121, THREE, 3, 0, 4],
  ]);
});

t.test('records that cannot be counted count neither way', async (t) => {
  follow(t, [
    [100, TEMPLATE + THREE, 0, 0, 0],
    [103, '01 01 00 06 00 01', 0, 0, 0],
    [104, THREE, 0, 0, 0],
    [109, THREE, 2, 0, 0],
  ]);
});

t.test('the records of a discarded message are lost', async (t) => {
  follow(t, [
    [100, TEMPLATE + THREE, 0, 0, 0],
    [103, `${THREE} 00 02 00 08 00 01 00 01`, 0, 0, 0],
    [106, THREE, 3, 0, 0],
  ]);
});

t.test('each Observation Domain has its own sequence', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(ipfix(10, TEMPLATE + THREE, 1));
  recording.decode(ipfix(500, TEMPLATE + THREE, 2));
  recording.decode(ipfix(13, THREE, 1));
  recording.decode(ipfix(503, THREE, 2));
  t.equal(recording.counters.lostRecords, 0);
  t.equal(recording.counters.restarts, 0);
});

t.test('v9 counts Export Packets, the discarded ones included', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(netflow9(0, 7, ''));
  recording.decode(netflow9(0, 8, '00 00 00 08 00 01 00 01'));
  recording.decode(netflow9(0, 12, ''));
  t.equal(recording.counters.lostPackets, 3);
  t.equal(recording.counters.lostRecords, 0);
});

t.test('v5 counts flows', async (t) => {
  const recording = new RecordingDecoder();
  const datagram = (sequence: number) => {
    const bytes = octets(`00 05 00 02 ${'00'.repeat(20)} ${'00'.repeat(96)}`);
    new DataView(bytes.buffer).setUint32(16, sequence);
    return bytes;
  };
  recording.decode(datagram(4));
  recording.decode(datagram(6));
  recording.decode(datagram(11));
  t.equal(recording.counters.lostFlows, 3);
});
