/** The metrics of the ways to the collectors. */
import type { Definition, Sample } from './definition.ts';
import type { CollectorMetrics, MetricSources, RecordMetrics } from './sources.ts';

const COLLECTOR_STATES = ['resolving', 'sending', 'failing'] as const;

/** What is counted of the records on their way: the metric's ending, the words in its help, and the number. */
const RECORD_COUNTS: readonly (readonly [unit: string, words: string, count: keyof RecordMetrics])[] = [
  ['records', 'Flow records', 'records'],
  ['packets', 'Packets in the flow records', 'packets'],
  ['bytes', 'IP octets in the flow records', 'octets'],
];

export function collectorMetrics({ collectors }: Pick<MetricSources, 'collectors'>): Definition[] {
  const labels = ['collector'];
  const each = (value: (collector: CollectorMetrics) => number) => (sample: Sample) => {
    for (const collector of collectors) sample(value(collector), { collector: collector.url });
  };
  const counter = (
    name: string,
    help: string,
    value: (collector: CollectorMetrics) => number,
  ): Definition => ({ kind: 'counter', name, help, labels, read: each(value) });
  return [
    {
      kind: 'gauge',
      name: 'weir_collector_info',
      help: 'Always 1; the labels say which protocol the collector is sent.',
      labels: ['collector', 'protocol'],
      read: (sample) => {
        for (const { url, protocol } of collectors) sample(1, { collector: url, protocol });
      },
    },
    {
      kind: 'gauge',
      name: 'weir_collector_state',
      help: 'Whether (1) the way to the collector is in this state: resolving, sending or failing.',
      labels: ['collector', 'state'],
      read: (sample) => {
        for (const { url, state } of collectors) {
          for (const one of COLLECTOR_STATES) sample(Number(one === state), { collector: url, state: one });
        }
      },
    },
    ...RECORD_COUNTS.flatMap(([unit, words, count]): Definition[] => [
      counter(
        `weir_collector_sent_${unit}_total`,
        `${words} sent to the collector.`,
        ({ sent }) => sent[count],
      ),
      {
        kind: 'gauge',
        name: `weir_collector_queued_${unit}`,
        help: `${words} that wait to be sent to the collector.`,
        labels,
        read: each(({ queued }) => queued[count]),
      },
      counter(
        `weir_collector_balanced_away_${unit}_total`,
        `${words} that another collector of the same balance group got.`,
        ({ balancedAway }) => balancedAway[count],
      ),
      {
        kind: 'counter',
        name: `weir_collector_not_sent_${unit}_total`,
        help: `${words} not sent to the collector, by reason; before_start: before it was added, which is no loss.`,
        labels: ['collector', 'reason'],
        read: (sample) => {
          for (const { url, notSent } of collectors) {
            for (const [reason, lost] of notSent) sample(lost[count], { collector: url, reason });
          }
        },
      },
    ]),
    counter('weir_collector_messages_total', 'Messages sent, templates included.', (c) => c.messagesSent),
    counter(
      'weir_collector_message_bytes_total',
      'Octets of the messages sent, without the headers of UDP, TCP and IP.',
      (c) => c.messageOctetsSent,
    ),
    counter(
      'weir_collector_wide_interface_records_total',
      'Flow records of NetFlow v5 whose interface index does not fit 16 bits and was sent as 0.',
      (c) => c.wideInterfaceRecords,
    ),
    counter(
      'weir_collector_template_refreshes_total',
      'Times that templates and options data were sent.',
      (c) => c.templatesSent,
    ),
    counter(
      'weir_collector_send_errors_total',
      'Errors of the kernel or the collector, those included that a retry mended.',
      (c) => c.sendErrors,
    ),
    counter(
      'weir_collector_resolutions_total',
      "Times that the collector's name was looked up.",
      (c) => c.resolutions,
    ),
    counter(
      'weir_collector_sessions_total',
      'Transport sessions begun: connections made, sockets opened for UDP, or files begun.',
      (c) => c.sessions,
    ),
  ];
}
