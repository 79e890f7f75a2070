/** The metrics of the workers themselves; all others are the sum over them. */
import type { Definition } from './definition.ts';
import type { MetricSources, WorkersMetrics } from './sources.ts';

/** None where the main thread does the work. */
export function workerMetrics({ workers }: MetricSources): Definition[] {
  if (workers === undefined) return [];
  const each = (
    kind: Definition['kind'],
    name: string,
    help: string,
    value: (worker: WorkersMetrics['each'][number]) => number,
  ): Definition => ({
    kind,
    name,
    help,
    labels: ['worker'],
    read: (sample) => {
      for (const [index, worker] of workers.each.entries()) sample(value(worker), { worker: String(index) });
    },
  });
  return [
    {
      kind: 'gauge',
      name: 'weir_workers',
      help: 'Worker threads that are to run.',
      read: (sample) => sample(workers.each.length),
    },
    {
      kind: 'gauge',
      name: 'weir_workers_running',
      help: 'Worker threads that capture.',
      read: (sample) => sample(workers.running),
    },
    {
      kind: 'counter',
      name: 'weir_worker_restarts_total',
      help: 'Worker threads started in the place of one that died.',
      read: (sample) => sample(workers.restarts),
    },
    each(
      'counter',
      'weir_worker_captured_packets_total',
      'Packets captured by the worker: metered or ignored.',
      ({ capturedPackets }) => capturedPackets,
    ),
    each(
      'counter',
      'weir_worker_kernel_dropped_packets_total',
      "Packets that the kernel dropped because the worker's capture buffers were full.",
      ({ kernelDroppedPackets }) => kernelDroppedPackets,
    ),
    each(
      'gauge',
      'weir_worker_eventloop_lag_max_seconds',
      "How late the worker's event loop was in the last second: maximum.",
      ({ eventLoopLagSeconds }) => eventLoopLagSeconds,
    ),
  ];
}
