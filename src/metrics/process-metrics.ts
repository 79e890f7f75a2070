/** The metrics of the program itself. */
import type { Definition } from './definition.ts';
import type { MetricSources } from './sources.ts';

/** With the names that Prometheus's own client libraries use, so that common dashboards show them. */
export function processMetrics({
  program,
  loopLag,
}: Pick<MetricSources, 'program' | 'loopLag'>): Definition[] {
  let lag = { mean: 0, p50: 0, p99: 0, max: 0 };
  const gauge = (name: string, help: string, value: () => number): Definition => ({
    kind: 'gauge',
    name,
    help,
    read: (sample) => sample(value()),
  });
  return [
    {
      kind: 'gauge',
      name: 'weir_build_info',
      help: 'Always 1; the labels say which version runs.',
      labels: ['version', 'node_version'],
      read: (sample) => sample(1, { version: program.version, node_version: program.nodeVersion }),
    },
    gauge(
      'process_start_time_seconds',
      'Start of the process, Unix time in seconds.',
      () => program.startTimeSeconds,
    ),
    {
      kind: 'counter',
      name: 'process_cpu_seconds_total',
      help: 'CPU time of the process, user and system, in seconds.',
      read: (sample) => {
        const { user, system } = program.cpuUsage();
        sample((user + system) / 1e6);
      },
    },
    gauge('process_resident_memory_bytes', 'Resident memory in octets.', () => program.memoryUsage().rss),
    gauge(
      'nodejs_heap_size_used_bytes',
      "JavaScript's heap in use, in octets.",
      () => program.memoryUsage().heapUsed,
    ),
    gauge(
      'nodejs_heap_size_total_bytes',
      "JavaScript's heap, in octets.",
      () => program.memoryUsage().heapTotal,
    ),
    gauge(
      'nodejs_external_memory_bytes',
      'Memory of buffers and arrays outside the heap, in octets.',
      () => program.memoryUsage().external,
    ),
    gauge(
      'nodejs_eventloop_lag_mean_seconds',
      'How late the event loop was since the last scrape: mean.',
      () => {
        lag = loopLag.take(); // once a scrape: the three below follow in the same turn
        return lag.mean;
      },
    ),
    gauge(
      'nodejs_eventloop_lag_p50_seconds',
      'How late the event loop was since the last scrape: median.',
      () => lag.p50,
    ),
    gauge(
      'nodejs_eventloop_lag_p99_seconds',
      'How late the event loop was since the last scrape: 99th percentile.',
      () => lag.p99,
    ),
    gauge(
      'nodejs_eventloop_lag_max_seconds',
      'How late the event loop was since the last scrape: maximum.',
      () => lag.max,
    ),
  ];
}
