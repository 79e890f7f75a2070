import { Worker } from 'node:worker_threads';
import { test } from 'tap';
import type { Exporter } from '../../src/export/exporter.ts';
import { NOT_SENT_REASONS } from '../../src/export/message.ts';
import type { Meter } from '../../src/flow/meter.ts';
import { IGNORED_REASONS } from '../../src/packet/packet-view.ts';
import { transportCounters } from '../../src/transport/session.ts';
import {
  afterDeath,
  type CountedLine,
  CountersLayout,
  completeBeforeStart,
  FRAGMENT_COUNTS,
  SharedCounters,
} from '../../src/workers/counters.ts';

/** A line whose numbers all differ. */
function line() {
  let n = 100;
  const next = () => n++;
  const table = () => ({ created: next(), crowdedOut: next(), ended: new Float64Array(6).map(next) });
  const meter = {
    capturedPackets: next(),
    capturedOctets: next(),
    meteredPackets: 1000,
    meteredOctets: 90_000,
    recordedPackets: 600,
    recordedOctets: 50_000,
    flows: 7,
    maxFlows: 50,
    records: new Float64Array(6).map(next),
    tables: [table(), table()],
    fragments: {
      counters: Object.fromEntries(FRAGMENT_COUNTS.map((count) => [count, next()])),
      datagrams: next(),
      waitingPackets: next(),
      waitingOctets: next(),
    },
    ignoredPackets: IGNORED_REASONS.map(next),
    ignoredOctets: IGNORED_REASONS.map(next),
  };
  const counts = (records: number, packets: number, octets: number) => ({ records, packets, octets });
  const exporter = {
    accepted: counts(60, 600, 50_000),
    balancedAway: counts(0, 0, 0),
    handed: 50,
    sent: counts(40, 450, 40_000),
    notSent: new Map(
      NOT_SENT_REASONS.map((reason) => [
        reason,
        reason === 'refused' ? counts(5, 50, 3000) : counts(0, 0, 0),
      ]),
    ),
    messagesSent: next(),
    messageOctetsSent: next(),
    wideInterfaceRecords: next(),
    templatesSent: next(),
  };
  const counted = {
    meter: meter as unknown as Meter,
    sources: [
      { capturing: true, counters: { frames: next(), kernelDroppedPackets: next(), ringFreezes: next() } },
    ],
    collectors: [
      {
        exporter: exporter as unknown as Exporter,
        transport: { state: 'sending', counters: { ...transportCounters(), sendErrors: next() } },
      },
    ],
    eventLoopLagSeconds: () => 0.25,
  } as unknown as CountedLine;
  return { counted, meter, exporter };
}

test('what a worker publishes is what the main thread reads', async (t) => {
  const { counted, meter, exporter } = line();
  const layout = new CountersLayout(1, 1);
  const shared = new SharedCounters(layout.length);
  const other = new SharedCounters(layout.length, shared.memory);
  const publish = shared.publisher(counted);
  const numbers = new Float64Array(layout.length);
  const read = (name: string): number => {
    other.read(numbers);
    return numbers[layout.index(name)]!;
  };
  t.equal(read('meteredPackets'), 0, 'nothing was published yet');
  publish();
  t.equal(read('meteredPackets'), 1000);
  t.equal(read('inTablePackets'), 400);
  t.equal(read('inTableOctets'), 40_000);
  t.equal(read('ignoredOctets.own_export'), meter.ignoredOctets[IGNORED_REASONS.indexOf('own_export')]);
  t.equal(read('ended.idle_timeout'), meter.tables[0]!.ended[1]! + meter.tables[1]!.ended[1]!);
  t.equal(read('records.lack_of_resources'), meter.records[5]);
  const { tiny } = meter.fragments.counters;
  t.equal(read('fragments.tiny'), tiny);
  t.equal(read('capture.0.capturing'), 1);
  t.equal(read('capture.0.frames'), counted.sources[0]!.counters.frames);
  t.equal(read('collector.0.state.sending'), 1);
  t.equal(read('collector.0.state.failing'), 0);
  t.equal(read('collector.0.notSent.refused.octets'), 3000);
  t.equal(read('collector.0.templatesSent'), exporter.templatesSent);
  meter.meteredPackets++;
  t.equal(read('meteredPackets'), 1000, 'what is not published is not seen');
  publish();
  publish();
  t.equal(read('meteredPackets'), 1001);
  t.throws(() => layout.index('nonsense'));
  t.throws(() => new SharedCounters(layout.length - 100).publisher(counted)());
});

test('a dead worker: all that it held is lost, under one reason', async (t) => {
  const { counted } = line();
  const layout = new CountersLayout(1, 1);
  const shared = new SharedCounters(layout.length);
  shared.publisher(counted)();
  const numbers = new Float64Array(layout.length);
  shared.read(numbers);
  const after = afterDeath(numbers, layout);
  const of = (name: string): number => after[layout.index(name)]!;
  // Taken 60 records of 600 packets, 45 of 500 settled; 400 packets were in the table.
  t.equal(of('collector.0.notSent.worker_died.records'), 15);
  t.equal(of('collector.0.notSent.worker_died.packets'), 100 + 400);
  t.equal(of('collector.0.notSent.worker_died.octets'), 7000 + 40_000);
  t.equal(of('flowsDied'), 7);
  for (const gone of [
    'flowsActive',
    'maxFlows',
    'inTablePackets',
    'inTableOctets',
    'fragmentsWaitingPackets',
    'eventLoopLagSeconds',
    'capture.0.capturing',
    'collector.0.state.sending',
  ]) {
    t.equal(of(gone), 0, gone);
  }
  for (const unit of ['Packets', 'Octets']) {
    const count = unit.toLowerCase();
    const settled = NOT_SENT_REASONS.reduce(
      (sum, reason) => sum + of(`collector.0.notSent.${reason}.${count}`),
      of(`collector.0.sent.${count}`),
    );
    t.equal(settled, of(`metered${unit}`), `metered ${count} = sent + not sent`);
    t.equal(of(`collector.0.accepted.${count}`), settled, 'nothing is queued');
  }
  t.same(afterDeath(after, layout), after, 'it dies once');
});

test('a collector that a worker does not know of yet', async (t) => {
  const { counted } = line();
  const layout = new CountersLayout(1, 2);
  const shared = new SharedCounters(layout.length);
  shared.publisher(counted)();
  const numbers = new Float64Array(layout.length);
  shared.read(numbers);
  const of = (name: string): number => numbers[layout.index(name)]!;
  t.equal(of('collector.0.accepted.packets'), 600);
  t.equal(of('collector.1.accepted.packets'), 0);
  completeBeforeStart(numbers, layout, 1);
  t.equal(of('collector.1.notSent.before_start.packets'), 600, 'what has left the table');
  t.equal(of('collector.1.notSent.before_start.octets'), 50_000);
  t.equal(of('collector.1.accepted.packets'), 600, 'and so nothing is queued');
  completeBeforeStart(numbers, layout, 1);
  t.equal(of('collector.1.notSent.before_start.packets'), 600, 'once');
  completeBeforeStart(numbers, layout, 0);
  t.equal(of('collector.0.notSent.before_start.packets'), 0, 'who has got all is not concerned');
});

test('a collector that is told two records of each biflow has got all the same', async (t) => {
  const { counted, meter, exporter } = line();
  meter.records.fill(0);
  t.match(exporter, { handed: 50, accepted: { records: 60 } });
  const layout = new CountersLayout(1, 1);
  const shared = new SharedCounters(layout.length);
  const numbers = new Float64Array(layout.length);
  const of = (name: string): number => numbers[layout.index(name)]!;
  for (const [records, missing] of [
    [50, 0],
    [55, 5],
  ] as const) {
    meter.records[1] = records;
    shared.publisher(counted)();
    shared.read(numbers);
    for (let i = 0; i < 2; i++) completeBeforeStart(numbers, layout, 0);
    t.equal(of('collector.0.notSent.before_start.records'), missing);
    t.equal(of('collector.0.accepted.records'), 60 + missing);
  }
});

test('what is read is one moment, however often it is written', async (t) => {
  const length = 64;
  const shared = new SharedCounters(length);
  // Writes the same number everywhere, as the publisher does: one half, then which.
  const code = `
    const { workerData: memory } = require('node:worker_threads');
    const written = new Int32Array(memory, 0, 1);
    for (let n = 1; ; n++) {
      new Float64Array(memory, 8 + (n & 1) * 8 * ${length}, ${length}).fill(n);
      Atomics.store(written, 0, n);
      Atomics.notify(written, 0);
      for (let pause = 0; pause < 1000; pause++) Atomics.load(written, 0);
    }`;
  const worker = new Worker(code, { eval: true, workerData: shared.memory });
  t.teardown(() => worker.terminate());
  const written = new Int32Array(shared.memory, 0, 1);
  Atomics.wait(written, 0, 0, 10_000);
  const numbers = new Float64Array(length);
  let torn = 0;
  const seen = new Set<number>();
  for (let i = 0; i < 20_000 || seen.size < 50; i++) {
    shared.read(numbers);
    seen.add(numbers[0]!);
    if (numbers.some((number) => number !== numbers[0])) torn++;
  }
  t.equal(torn, 0);
  t.comment(`${seen.size} moments`);
});
