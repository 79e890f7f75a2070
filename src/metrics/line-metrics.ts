/** The metrics of capture and metering. */
import { TUNNELS } from '../packet/decapsulator.ts';
import { IGNORED_REASONS } from '../packet/packet-view.ts';
import { NOT_OPENED_REASONS } from '../packet/tunnel-header.ts';
import type { Definition, Sample } from './definition.ts';
import type { FragmentMetrics, MetricSources, TunnelMetrics } from './sources.ts';

const plain = (kind: Definition['kind'], name: string, help: string, value: () => number): Definition => ({
  kind,
  name,
  help,
  read: (sample) => sample(value()),
});

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
    ...fragmentMetrics(meter.fragments),
    ...(meter.tunnels === undefined ? [] : tunnelMetrics(meter.tunnels)),
  ];
}

/** What became of the packets of the tunnels that are opened. */
function tunnelMetrics(tunnels: TunnelMetrics): Definition[] {
  const each =
    (names: readonly string[], label: string, counts: () => ArrayLike<number>) => (sample: Sample) => {
      const now = counts();
      for (const [i, name] of names.entries()) sample(now[i] ?? 0, { [label]: name });
    };
  return [
    {
      kind: 'counter',
      name: 'weir_tunnel_packets_opened_total',
      help: 'Packets metered that came within a tunnel, by tunnel; a nested one counts for each.',
      labels: ['tunnel'],
      read: each(TUNNELS, 'tunnel', () => tunnels.openedPackets),
    },
    {
      kind: 'counter',
      name: 'weir_tunnel_packets_not_opened_total',
      help: 'Packets of the tunnels asked for that were metered as they are, unopened, by reason.',
      labels: ['reason'],
      read: each(NOT_OPENED_REASONS, 'reason', () => tunnels.notOpenedPackets),
    },
  ];
}

/** How fragments found the ports of their datagrams. */
function fragmentMetrics(fragments: FragmentMetrics): Definition[] {
  return [
    plain(
      'counter',
      'weir_fragments_total',
      'Fragments of IP datagrams, first ones included.',
      () => fragments.counters.fragments,
    ),
    plain(
      'counter',
      'weir_fragments_matched_total',
      'Later fragments that found the ports of their datagram at once.',
      () => fragments.counters.hits,
    ),
    plain(
      'counter',
      'weir_fragments_waited_total',
      'Later fragments that came before the first, and waited for it.',
      () => fragments.counters.waited,
    ),
    {
      kind: 'counter',
      name: 'weir_fragments_unmatched_total',
      help: 'Later fragments counted without ports: the first did not come in time (timeout), or too many waited (displaced).',
      labels: ['reason'],
      read: (sample) => {
        sample(fragments.counters.expired, { reason: 'timeout' });
        sample(fragments.counters.displaced, { reason: 'displaced' });
      },
    },
    plain(
      'counter',
      'weir_fragments_overlapping_total',
      'Fragments of which octets had come before in another fragment of the same datagram.',
      () => fragments.counters.overlapping,
    ),
    plain(
      'counter',
      'weir_fragments_tiny_total',
      'First fragments too short for ports or TCP flags, and TCP fragments at offset 8 octets (RFC 1858, RFC 3128).',
      () => fragments.counters.tiny,
    ),
    plain(
      'gauge',
      'weir_fragments_waiting_packets',
      'Fragments that wait for the first of their datagram, not yet counted as captured.',
      () => fragments.waitingPackets,
    ),
    plain(
      'gauge',
      'weir_fragments_waiting_bytes',
      'IP octets of the fragments that wait for the first of their datagram.',
      () => fragments.waitingOctets,
    ),
    plain(
      'gauge',
      'weir_fragment_datagrams',
      'Fragmented datagrams that are remembered.',
      () => fragments.datagrams,
    ),
    plain(
      'counter',
      'weir_fragment_datagrams_evicted_total',
      'Fragmented datagrams forgotten before their time, because others needed the room.',
      () => fragments.counters.evictions,
    ),
  ];
}
