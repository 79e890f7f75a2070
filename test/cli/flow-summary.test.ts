import { test } from 'tap';
import { FlowSummary } from '../../src/cli/flow-summary.ts';
import { record, record6 } from './records.ts';

const START = new Date(2026, 10, 21, 14, 5, 9, 500).getTime();
const times = (start: number, end: number) => ({
  flowStartMilliseconds: START + start,
  flowEndMilliseconds: START + end,
});

test('totals, protocols and the largest flows', async (t) => {
  const summary = new FlowSummary();
  summary.record(record({ octetDeltaCount: 1000, tcpControlBits: 2, ...times(0, 1000) }));
  summary.record(
    record({
      octetDeltaCount: 2_000_000,
      packetDeltaCount: 1500,
      tcpControlBits: 0x11,
      ...times(1500, 65_000),
    }),
  );
  summary.record(
    record6({ protocolIdentifier: 17, octetDeltaCount: 90, packetDeltaCount: 1, ...times(5, 5) }),
  );
  summary.record(
    record({
      protocolIdentifier: 1,
      icmpTypeCodeIPv4: 0x800,
      octetDeltaCount: 168n,
      packetDeltaCount: 2,
      ...times(0, 1),
    }),
  );
  summary.record((name) => (name === 'interfaceName' ? 'eth0' : undefined));
  const metering = {
    flows: 3,
    ignoredPackets: new Map([
      ['not_ip', 1],
      ['bad_ip_length', 0],
      ['own_export', 1200],
    ]),
  };
  t.same(summary.lines(80, false, metering), [
    'Packets     1 513',
    'Octets      2 001 258 (2.00 MB)',
    'Records     4',
    'Flows       3',
    'Time        2026-11-21 14:05:09.500 to 2026-11-21 14:06:14.500 (1 min 05 s)',
    'Ignored     1 packet: not_ip',
    '            1 200 packets: own_export',
    '',
    'PROTO      RECORDS         PACKETS    OCTETS  SHARE',
    'tcp              2           1 510   2.00 MB 100.0%',
    'icmp             1               2     168 B   0.0%',
    'udp              1               1      90 B   0.0%',
    '',
    'The 3 largest flows',
    'PROTO SOURCE              DESTINATION       FLAGS     PACKETS    OCTETS',
    'tcp   10.0.0.1:40000      10.0.0.2:443      .A..SF      1 510   2.00 MB',
    'icmp  10.0.0.1            10.0.0.2          8/0             2     168 B',
    'udp   [2001:db8::1]:40000 [2001:db8::2]:443                 1      90 B',
  ]);
  const wide = summary.lines(120, false);
  t.match(
    wide.find((line) => line.includes('40000')),
    /^tcp .* \.A\.\.SF +1 min 05 s +1 510 +2\.00 MB$/,
    'how long a flow lasted',
  );
});

test('a file without a flow gives totals alone', async (t) => {
  t.same(new FlowSummary().lines(80, false, { flows: 0 }), [
    'Packets     0',
    'Octets      0 (0 B)',
    'Records     0',
    'Flows       0',
  ]);
});

/** Sizes of 300 flows with a heavy head, their records mixed by a fixed generator. */
function* mixedRecords(): Generator<[port: number, octets: number]> {
  const left = new Map<number, number>();
  for (let port = 1; port <= 300; port++) left.set(port, Math.ceil(600 / port));
  let state = 1;
  while (left.size > 0) {
    state = (state * 48_271) % 0x7fff_ffff;
    const ports = [...left.keys()];
    const port = ports[state % ports.length]!;
    yield [port, 100 + (state % 50)];
    if (left.get(port) === 1) left.delete(port);
    else left.set(port, left.get(port)! - 1);
  }
}

test('with more flows than are kept, the stated bounds hold', async (t) => {
  const kept = 20;
  const summary = new FlowSummary({ kept, shown: 40 });
  const truth = new Map<string, number>();
  for (const [port, octets] of mixedRecords()) {
    summary.record(record({ sourceTransportPort: port, octetDeltaCount: octets }));
    truth.set(`10.0.0.1:${port}`, (truth.get(`10.0.0.1:${port}`) ?? 0) + octets);
  }
  t.equal(
    summary.octets,
    [...truth.values()].reduce((sum, octets) => sum + octets),
  );
  const bound = summary.octets / kept;
  const largest = summary.largest();
  t.ok(
    largest.some((flow) => flow.missed > 0),
    'the case is not exact',
  );
  for (const flow of largest) {
    const octets = truth.get(flow.label.source)!;
    t.ok(flow.octets <= octets && octets <= flow.octets + flow.missed, `${flow.label.source}: ${octets}`);
    t.ok(flow.missed <= bound);
  }
  const shown = new Set(largest.map((flow) => flow.label.source));
  for (const [source, octets] of truth)
    if (octets > bound) t.ok(shown.has(source), `${source} is not absent`);
  t.match(summary.lines(80, false).at(-1), /^~ at most [\d.]+ kB more: /);
  t.match(summary.lines(80, false).at(-2), / ~[\d.]+ k?B$/);
});

test('with up to twice as many flows as are kept every figure is exact', async (t) => {
  const summary = new FlowSummary({ kept: 150, shown: 300 });
  const truth = new Map<string, number>();
  for (const [port, octets] of mixedRecords()) {
    summary.record(record({ sourceTransportPort: port, octetDeltaCount: octets }));
    truth.set(`10.0.0.1:${port}`, (truth.get(`10.0.0.1:${port}`) ?? 0) + octets);
  }
  t.same(new Map(summary.largest().map((flow) => [flow.label.source, flow.octets])), truth);
});
