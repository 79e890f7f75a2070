/** The metrics of a run: its reloads, and how the run before it ended. */
import type { Definition } from './definition.ts';
import type { MetricSources } from './sources.ts';

export function runMetrics({ run }: MetricSources): Definition[] {
  const { reloads, unclean } = run;
  const definitions: Definition[] = [
    {
      kind: 'counter',
      name: 'weir_reloads_total',
      help: 'Times that the configuration was read again: applied, or refused because of mistakes.',
      labels: ['outcome'],
      read: (sample) => {
        sample(reloads.applied, { outcome: 'applied' });
        sample(reloads.refused, { outcome: 'refused' });
      },
    },
  ];
  if (unclean === undefined) return definitions;
  const gauge = (name: string, help: string, value: number): Definition => ({
    kind: 'gauge',
    name,
    help,
    read: (sample) => sample(value),
  });
  const held = 'in the flow table when the last run was last alive, if it did not end cleanly; else 0.';
  return [
    ...definitions,
    gauge(
      'weir_last_run_unclean',
      'Whether (1) the last run was killed or lost its power, by its state file.',
      Number(unclean !== null),
    ),
    gauge('weir_last_run_flows', `Flows ${held}`, unclean?.last?.flows ?? 0),
    gauge('weir_last_run_packets', `Packets ${held}`, unclean?.last?.packets ?? 0),
    gauge('weir_last_run_bytes', `IP octets ${held}`, unclean?.last?.octets ?? 0),
  ];
}
