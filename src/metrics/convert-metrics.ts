/** The metrics of a conversion of flow logs. What became of every line: Σ over the kinds is what was read. */
import type { Definition, Sample } from './definition.ts';
import type { ConvertMetrics } from './sources.ts';

export function convertMetrics(convert: ConvertMetrics): Definition[] {
  const { counts, source, interfaceExporters } = convert;
  const counter = (name: string, help: string, value: () => number): Definition => ({
    kind: 'counter',
    name,
    help,
    read: (sample) => sample(value()),
  });
  return [
    {
      kind: 'counter',
      name: 'weir_convert_lines_total',
      help: 'Lines of flow logs read, headers left out, by what they are: record, nodata, skipdata or fault.',
      labels: ['kind'],
      read: (sample) => {
        sample(counts.records, { kind: 'record' });
        sample(counts.nodata, { kind: 'nodata' });
        sample(counts.skipdata, { kind: 'skipdata' });
        sample(
          [...counts.faults.values()].reduce((sum, lines) => sum + lines, 0),
          { kind: 'fault' },
        );
      },
    },
    {
      kind: 'counter',
      name: 'weir_convert_faults_total',
      help: 'Faulty lines, by the kind of fault.',
      labels: ['kind'],
      read: (sample) => {
        for (const [kind, lines] of counts.faults) sample(lines, { kind });
      },
    },
    counter(
      'weir_convert_records_total',
      'Records converted; each goes to every collector, or to one of each balance group.',
      () => counts.converted,
    ),
    {
      kind: 'counter',
      name: 'weir_convert_records_dropped_total',
      help: 'Records passed over, by the option that asks for it: rejects or vantage.',
      labels: ['reason'],
      read: (sample) => {
        sample(counts.droppedRejects, { reason: 'rejects' });
        sample(counts.droppedVantage, { reason: 'vantage' });
      },
    },
    counter('weir_convert_packets_total', 'Packets in the records converted.', () => counts.packets),
    counter('weir_convert_bytes_total', 'Octets in the records converted.', () => counts.octets),
    counter(
      'weir_convert_directionless_records_total',
      'Records converted although they tell no flow-direction, while a vantage is chosen.',
      () => counts.directionless,
    ),
    counter(
      'weir_convert_unnumbered_interface_records_total',
      'Records whose interface found no number any more and is 0.',
      () => counts.unnumberedInterfaces,
    ),
    counter(
      'weir_convert_shortened_records_total',
      'Records that left without their longest strings, which a datagram had no room for; for each collector.',
      () => counts.shortened,
    ),
    {
      kind: 'counter',
      name: 'weir_convert_objects_total',
      help: 'Files, S3 objects and batches of events, by outcome: converted, failed (not read to the end, or not sent as a whole) or vanished.',
      labels: ['outcome'],
      read: (sample) => {
        sample(counts.objects, { outcome: 'converted' });
        sample(counts.failedObjects, { outcome: 'failed' });
        sample(source.vanished, { outcome: 'vanished' });
      },
    },
    {
      kind: 'gauge',
      name: 'weir_convert_objects_found',
      help: 'Objects known so far; the more are found than converted, the further behind Weir is.',
      read: (sample) => sample(source.foundObjects),
    },
    counter(
      'weir_convert_text_bytes_total',
      'Octets of flow logs read, decompressed.',
      () => counts.textOctets,
    ),
    counter('weir_convert_aws_retries_total', 'Requests to AWS that were made again.', () => source.retries),
    ...(interfaceExporters === undefined
      ? []
      : [
          {
            kind: 'gauge' as const,
            name: 'weir_convert_interface_exporters',
            help: 'Interfaces that are devices of their own to the collectors.',
            read: (sample: Sample) => sample(interfaceExporters.opened),
          },
        ]),
  ];
}
