import { spawnSync } from 'node:child_process';
import t from 'tap';
import { LoopLag } from '../../src/metrics/loop-lag.ts';
import { buildConvertRegistry, buildRegistry } from '../../src/metrics/registry.ts';
import type { ConvertMetricSources, MetricSources } from '../../src/metrics/sources.ts';
import { IGNORED_REASONS } from '../../src/packet/packet-view.ts';
import { testSources } from './sources.ts';

/** The samples of a scrape: `name{label="value"}` → number. */
function samples(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

/** Σ of the samples whose names begin so. */
function sum(all: Map<string, number>, prefix: string): number {
  return [...all].filter(([name]) => name.startsWith(prefix)).reduce((total, [, value]) => total + value, 0);
}

t.test('a scrape reads every number of the sources, and reads it anew', async (t) => {
  const sources = testSources();
  const registry = buildRegistry(sources);
  const first = samples(await registry.metrics());
  const expected: Record<string, number> = {
    'weir_capture_up{interface="eth0"}': 1,
    'weir_capture_up{interface="eth1"}': 0,
    'weir_capture_frames_total{interface="eth0"}': 900,
    'weir_capture_kernel_dropped_packets_total{interface="eth0"}': 7, // refreshed before it is read
    'weir_capture_ring_freezes_total{interface="eth1"}': 2,
    weir_captured_packets_total: 1000,
    weir_captured_bytes_total: 100_000,
    weir_metered_packets_total: 990,
    weir_metered_bytes_total: 99_900,
    'weir_ignored_packets_total{reason="not_ip"}': 6,
    'weir_ignored_packets_total{reason="bad_ip_length"}': 4,
    'weir_ignored_bytes_total{reason="bad_ip_length"}': 100,
    weir_flows: 12,
    weir_flows_limit: 1_048_576,
    weir_flows_created_total: 52,
    weir_flows_crowded_out_total: 3,
    'weir_flows_ended_total{reason="idle_timeout"}': 30,
    'weir_flows_ended_total{reason="lack_of_resources"}': 10,
    weir_flow_records_total: 70,
    weir_flow_table_packets: 90,
    weir_flow_table_bytes: 9_900,
    'weir_routes{ip_version="4"}': 900_000,
    'weir_routes{ip_version="6"}': 200_000,
    weir_routes_unfollowed: 5,
    weir_route_reads_total: 17,
    weir_route_read_failures_total: 3,
    weir_route_read_seconds: 2.5,
    weir_routes_age_seconds: 61.5,
    weir_route_monitor_starts_total: 2,
    weir_fragments_total: 20,
    weir_fragments_matched_total: 9,
    weir_fragments_waited_total: 5,
    'weir_fragments_unmatched_total{reason="timeout"}': 2,
    'weir_fragments_unmatched_total{reason="displaced"}': 1,
    weir_fragments_overlapping_total: 4,
    weir_fragments_tiny_total: 6,
    weir_fragments_waiting_packets: 7,
    weir_fragments_waiting_bytes: 10_360,
    weir_fragment_datagrams: 8,
    weir_fragment_datagrams_evicted_total: 3,
    'weir_collector_info{collector="ipfix://c.example:4739",protocol="ipfix"}': 1,
    'weir_collector_state{collector="ipfix://c.example:4739",state="sending"}': 0,
    'weir_collector_state{collector="ipfix://c.example:4739",state="failing"}': 1,
    'weir_collector_sent_records_total{collector="ipfix://c.example:4739"}': 40,
    'weir_collector_sent_packets_total{collector="ipfix://c.example:4739"}': 500,
    'weir_collector_sent_bytes_total{collector="ipfix://c.example:4739"}': 50_000,
    'weir_collector_queued_records{collector="ipfix://c.example:4739"}': 16,
    'weir_collector_queued_packets{collector="ipfix://c.example:4739"}': 260,
    'weir_collector_queued_bytes{collector="ipfix://c.example:4739"}': 26_000,
    'weir_collector_balanced_away_records_total{collector="ipfix://c.example:4739"}': 4,
    'weir_collector_balanced_away_packets_total{collector="ipfix://c.example:4739"}': 40,
    'weir_collector_balanced_away_bytes_total{collector="ipfix://c.example:4739"}': 4_000,
    'weir_collector_not_sent_records_total{collector="ipfix://c.example:4739",reason="queue_full"}': 8,
    'weir_collector_not_sent_packets_total{collector="ipfix://c.example:4739",reason="refused"}': 20,
    'weir_collector_not_sent_bytes_total{collector="ipfix://c.example:4739",reason="refused"}': 2_000,
    'weir_collector_messages_total{collector="ipfix://c.example:4739"}': 5,
    'weir_collector_message_bytes_total{collector="ipfix://c.example:4739"}': 6_000,
    'weir_collector_wide_interface_records_total{collector="ipfix://c.example:4739"}': 2,
    'weir_collector_template_refreshes_total{collector="ipfix://c.example:4739"}': 3,
    'weir_collector_send_errors_total{collector="ipfix://c.example:4739"}': 4,
    'weir_collector_resolutions_total{collector="ipfix://c.example:4739"}': 9,
    'weir_collector_sessions_total{collector="ipfix://c.example:4739"}': 2,
    'weir_reloads_total{outcome="applied"}': 2,
    'weir_reloads_total{outcome="refused"}': 1,
    weir_last_run_unclean: 1,
    weir_last_run_flows: 3,
    weir_last_run_packets: 30,
    weir_last_run_bytes: 3000,
    'weir_build_info{version="1.2.3",node_version="v20.20.2"}': 1,
    process_start_time_seconds: 1_790_000_000,
    process_cpu_seconds_total: 1.75,
    process_resident_memory_bytes: 60_000_000,
    nodejs_heap_size_used_bytes: 8_000_000,
    nodejs_heap_size_total_bytes: 10_000_000,
    nodejs_external_memory_bytes: 2_000_000,
    nodejs_eventloop_lag_mean_seconds: 0.001,
    nodejs_eventloop_lag_p50_seconds: 0.002,
    nodejs_eventloop_lag_p99_seconds: 0.003,
    nodejs_eventloop_lag_max_seconds: 0.004,
  };
  for (const [name, value] of Object.entries(expected)) t.equal(first.get(name), value, name);
  t.equal(sum(first, 'weir_ignored_packets_total'), 10);
  const reasons = [...first.keys()].filter((name) => name.startsWith('weir_ignored_packets_total')).length;
  t.equal(reasons, IGNORED_REASONS.length, 'every reason is there from the start');
  const families = new Set([...first.keys()].map((name) => name.replace(/\{.*/, '')));
  const named = new Set(Object.keys(expected).map((name) => name.replace(/\{.*/, '')));
  t.same([...families].sort(), [...named].sort(), 'and this test knows every metric');

  sources.meter.capturedPackets++;
  sources.meter.flowsActive--;
  const second = samples(await registry.metrics());
  t.equal(second.get('weir_captured_packets_total'), 1001);
  t.equal(second.get('weir_flows'), 11);
  t.equal(second.get('weir_metered_packets_total'), 990, 'what has not moved is not added up');
});

t.test('a collector that is no more leaves no sample, and one that is new has its own', async (t) => {
  const sources = testSources();
  const registry = buildRegistry(sources);
  await registry.metrics();
  const [before] = sources.collectors;
  sources.collectors.splice(0, 1, { ...before!, url: 'ipfix://d.example:4739' });
  const text = await registry.metrics();
  t.notMatch(text, 'c.example');
  t.equal(samples(text).get('weir_collector_queued_records{collector="ipfix://d.example:4739"}'), 16);
});

t.test('how the last run ended is told where a state file says so', async (t) => {
  const metricsOf = async (unclean: MetricSources['run']['unclean']) =>
    samples(await buildRegistry({ ...testSources(), run: { ...testSources().run, unclean } }).metrics());
  t.notOk((await metricsOf(undefined)).has('weir_last_run_unclean'));
  t.equal((await metricsOf(null)).get('weir_last_run_unclean'), 0);
  const unknown = await metricsOf({ last: undefined });
  t.equal(unknown.get('weir_last_run_unclean'), 1);
  t.equal(unknown.get('weir_last_run_packets'), 0);
});

t.test('workers are told apart where they differ, and only where there are some', async (t) => {
  t.notMatch(await buildRegistry(testSources()).metrics(), /weir_worker/);
  const each = [
    { capturedPackets: 600, kernelDroppedPackets: 1, eventLoopLagSeconds: 0.01 },
    { capturedPackets: 400, kernelDroppedPackets: 2, eventLoopLagSeconds: 0.02 },
  ];
  const workers = { running: 1, restarts: 3, each };
  const all = samples(await buildRegistry({ ...testSources(), workers }).metrics());
  t.match(Object.fromEntries(all), {
    weir_workers: 2,
    weir_workers_running: 1,
    weir_worker_restarts_total: 3,
    'weir_worker_captured_packets_total{worker="0"}': 600,
    'weir_worker_captured_packets_total{worker="1"}': 400,
    'weir_worker_kernel_dropped_packets_total{worker="1"}': 2,
    'weir_worker_eventloop_lag_max_seconds{worker="1"}': 0.02,
  });
});

t.test('both identities of conservation hold within a scrape while everything moves', async (t) => {
  const sources = testSources();
  const registry = buildRegistry(sources);
  const scrape = registry.metrics();
  // The stages go on while the text is put together.
  sources.meter.capturedPackets += 5;
  sources.collectors[0]!.sent = { records: 41, packets: 503, octets: 50_300 };
  const all = samples(await scrape);
  for (const unit of ['packets', 'bytes']) {
    t.equal(
      all.get(`weir_captured_${unit}_total`),
      all.get(`weir_metered_${unit}_total`)! + sum(all, `weir_ignored_${unit}_total`),
      `captured ${unit}`,
    );
    t.equal(
      all.get(`weir_metered_${unit}_total`),
      sum(all, `weir_collector_sent_${unit}_total`) +
        sum(all, `weir_collector_queued_${unit}`) +
        sum(all, `weir_collector_balanced_away_${unit}_total`) +
        sum(all, `weir_collector_not_sent_${unit}_total`) +
        all.get(`weir_flow_table_${unit}`)!,
      `metered ${unit}`,
    );
  }
});

/** A conversion in which every number is another. */
function convertSources(): ConvertMetricSources {
  const { collectors, program, loopLag } = testSources();
  const counts = {
    records: 100,
    converted: 70,
    nodata: 5,
    skipdata: 3,
    faults: new Map([
      ['address', 2],
      ['number', 1],
    ]),
    droppedRejects: 20,
    droppedVantage: 10,
    directionless: 4,
    unnumberedInterfaces: 6,
    shortened: 15,
    packets: 700,
    octets: 70_000,
    objects: 8,
    failedObjects: 9,
    textOctets: 12_345,
  };
  const source = { foundObjects: 17, vanished: 11, retries: 13 };
  return { collectors, program, loopLag, convert: { counts, source, interfaceExporters: { opened: 14 } } };
}

t.test('a conversion: what became of every line', async (t) => {
  const sources = convertSources();
  const text = await buildConvertRegistry(sources).metrics();
  const all = samples(text);
  t.match(Object.fromEntries(all), {
    'weir_convert_lines_total{kind="record"}': 100,
    'weir_convert_lines_total{kind="nodata"}': 5,
    'weir_convert_lines_total{kind="skipdata"}': 3,
    'weir_convert_lines_total{kind="fault"}': 3,
    'weir_convert_faults_total{kind="address"}': 2,
    'weir_convert_faults_total{kind="number"}': 1,
    weir_convert_records_total: 70,
    'weir_convert_records_dropped_total{reason="rejects"}': 20,
    'weir_convert_records_dropped_total{reason="vantage"}': 10,
    weir_convert_packets_total: 700,
    weir_convert_bytes_total: 70_000,
    weir_convert_directionless_records_total: 4,
    weir_convert_unnumbered_interface_records_total: 6,
    weir_convert_shortened_records_total: 15,
    'weir_convert_objects_total{outcome="converted"}': 8,
    'weir_convert_objects_total{outcome="failed"}': 9,
    'weir_convert_objects_total{outcome="vanished"}': 11,
    weir_convert_objects_found: 17,
    weir_convert_text_bytes_total: 12_345,
    weir_convert_aws_retries_total: 13,
    weir_convert_interface_exporters: 14,
    'weir_collector_sent_records_total{collector="ipfix://c.example:4739"}': 40,
    process_start_time_seconds: 1_790_000_000,
  });
  t.notMatch(text, /weir_capture|weir_flows|weir_reloads/, 'nothing of a capture');
  const { interfaceExporters: _, ...convert } = sources.convert;
  t.notMatch(await buildConvertRegistry({ ...sources, convert }).metrics(), /interface_exporters/);
});

const noPromtool =
  spawnSync('promtool', ['--version']).error !== undefined &&
  'promtool is not installed (Debian: prometheus)';

t.test('promtool finds nothing to complain of', { skip: noPromtool }, async (t) => {
  const input = await buildRegistry(testSources()).metrics();
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
  t.equal(`${stdout}${stderr}`, '');
  t.equal(status, 0);
  const converted = await buildConvertRegistry(convertSources()).metrics();
  const second = spawnSync('promtool', ['check', 'metrics'], { input: converted, encoding: 'utf8' });
  t.equal(`${second.stdout}${second.stderr}`, '');
  t.equal(second.status, 0);
});

const NO_LAG = { mean: 0, p50: 0, p99: 0, max: 0 };

t.test('the event loop’s lag is what exceeds the interval of the timer that measures it', async (t) => {
  const calls: string[] = [];
  const lag = new LoopLag(() => ({
    enable: () => calls.push('enable') > 0,
    disable: () => calls.push('disable') > 0,
    reset: () => calls.push('reset'),
    count: 4,
    mean: 51e6, // nanoseconds; the interval is 50 ms
    percentile: (of) => (of === 50 ? 49.9e6 : 150e6),
    max: 1_050e6,
  }));
  t.same(lag.take(), NO_LAG, 'not started');
  lag.start();
  const { mean, p50, p99, max } = lag.take();
  t.same(
    [mean, p50, p99, max].map((seconds) => Number(seconds.toFixed(6))),
    [0.001, 0, 0.1, 1],
  );
  lag.stop();
  t.same(lag.take(), NO_LAG);
  t.same(calls, ['enable', 'reset', 'disable']);
});

t.test('a busy turn of the event loop shows', async (t) => {
  const lag = new LoopLag();
  lag.start();
  t.teardown(() => lag.stop());
  const ticks = () => new Promise((resolve) => setTimeout(resolve, 250)); // of its timer, several
  await ticks();
  const end = performance.now() + 150;
  while (performance.now() < end);
  await ticks();
  const { max } = lag.take();
  t.ok(max > 0.1 && max < 30, `150 ms show as ${max} s`);
});
