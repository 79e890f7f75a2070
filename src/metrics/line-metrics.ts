/** The metrics of capture and metering. */
import { IGNORED_REASONS } from '../packet/packet-view.ts';
import type { Definition, Sample } from './definition.ts';
import type { MetricSources } from './sources.ts';

/** The interfaces that packets come from. */
export function captureMetrics({ captures }: MetricSources): Definition[] {
  const each = (value: (capture: MetricSources['captures'][number]) => number) => (sample: Sample) => {
    for (const capture of captures) sample(value(capture), { interface: capture.interface });
  };
  const labels = ['interface'];
  return [
    {
      kind: 'gauge',
      name: 'weir_capture_up',
      help: 'Whether packets are captured on the interface (1) or it is down or gone (0).',
      labels,
      read: (sample) => {
        // The first of the metrics to be read: it brings the kernel's numbers up to date for those after it.
        for (const capture of captures) capture.refreshCounters();
        each(({ capturing }) => Number(capturing))(sample);
      },
    },
    {
      kind: 'counter',
      name: 'weir_capture_frames_total',
      help: 'Frames that the kernel handed over; one that an offload has merged counts once.',
      labels,
      read: each(({ counters }) => counters.frames),
    },
    {
      kind: 'counter',
      name: 'weir_capture_kernel_dropped_packets_total',
      help: 'Packets that the kernel dropped because the capture buffer was full.',
      labels,
      read: each(({ counters }) => counters.kernelDroppedPackets),
    },
    {
      kind: 'counter',
      name: 'weir_capture_ring_freezes_total',
      help: 'Times that the capture ring froze because every block of it was full.',
      labels,
      read: each(({ counters }) => counters.ringFreezes),
    },
  ];
}

/** The Metering Process. */
export function meterMetrics({ meter }: MetricSources): Definition[] {
  const plain = (kind: Definition['kind'], name: string, help: string, value: () => number): Definition => ({
    kind,
    name,
    help,
    read: (sample) => sample(value()),
  });
  const ignored = (name: string, help: string, counts: () => ArrayLike<number>): Definition => ({
    kind: 'counter',
    name,
    help,
    labels: ['reason'],
    read: (sample) => {
      for (const [i, reason] of IGNORED_REASONS.entries()) sample(counts()[i] ?? 0, { reason });
    },
  });
  return [
    plain(
      'counter',
      'weir_captured_packets_total',
      'Packets captured, as they were on the wire: metered or ignored.',
      () => meter.capturedPackets,
    ),
    plain(
      'counter',
      'weir_captured_bytes_total',
      'IP octets of the captured packets, as far as their IP header could be read.',
      () => meter.capturedOctets,
    ),
    plain('counter', 'weir_metered_packets_total', 'Packets counted in a flow.', () => meter.meteredPackets),
    plain('counter', 'weir_metered_bytes_total', 'IP octets counted in a flow.', () => meter.meteredOctets),
    ignored(
      'weir_ignored_packets_total',
      'Packets captured but not counted in a flow, by reason.',
      () => meter.ignoredPackets,
    ),
    ignored(
      'weir_ignored_bytes_total',
      'IP octets captured but not counted in a flow, by reason, as far as the IP header could be read.',
      () => meter.ignoredOctets,
    ),
    plain('gauge', 'weir_flows', 'Flows in the table.', () => meter.flowsActive),
    plain('gauge', 'weir_flows_limit', 'Flows that the table holds at most.', () => meter.maxFlows),
    plain('counter', 'weir_flows_created_total', 'Flows that entered the table.', () => meter.flowsCreated),
    plain(
      'counter',
      'weir_flows_crowded_out_total',
      'Flows evicted because their hashes met in one place: keys chosen by who knows the seed. Among those ended by lack_of_resources.',
      () => meter.flowsCrowdedOut,
    ),
    {
      kind: 'counter',
      name: 'weir_flows_ended_total',
      help: 'Flow records ended, by flowEndReason; lack_of_resources: evicted to make room.',
      labels: ['reason'],
      read: (sample) => {
        for (const [reason, count] of Object.entries(meter.flowsEnded)) sample(count, { reason });
      },
    },
    plain(
      'counter',
      'weir_flow_records_total',
      'Flow records that left the table; each goes to every collector, or to one of each balance group.',
      () => meter.recordsExported,
    ),
    plain(
      'gauge',
      'weir_flow_table_packets',
      'Packets metered that are in no flow record yet.',
      () => meter.inTablePackets,
    ),
    plain(
      'gauge',
      'weir_flow_table_bytes',
      'IP octets metered that are in no flow record yet.',
      () => meter.inTableOctets,
    ),
  ];
}
