/** The metrics of the kernel's routes, which give records their egress interface, next hop and prefix lengths. */
import type { Definition } from './definition.ts';
import type { MetricSources } from './sources.ts';

/** None where the routes are not asked for. */
export function routeMetrics({ routes }: MetricSources): Definition[] {
  if (routes === undefined) return [];
  const plain = (kind: Definition['kind'], name: string, help: string, value: () => number): Definition => ({
    kind,
    name,
    help,
    read: (sample) => sample(value()),
  });
  return [
    {
      kind: 'gauge',
      name: 'weir_routes',
      help: 'Routes of the kernel that are known, in all of its tables.',
      labels: ['ip_version'],
      read: (sample) => {
        sample(routes.ipv4Routes, { ip_version: '4' });
        sample(routes.ipv6Routes, { ip_version: '6' });
      },
    },
    plain(
      'gauge',
      'weir_routes_unfollowed',
      'Policy rules and routes that are passed over, because they look at more than the destination.',
      () => routes.unfollowed,
    ),
    plain('counter', 'weir_route_reads_total', 'Readings of the routes that succeeded.', () => routes.reads),
    plain(
      'counter',
      'weir_route_read_failures_total',
      'Readings of the routes that failed.',
      () => routes.failures,
    ),
    plain(
      'gauge',
      'weir_route_read_seconds',
      'How long the last reading of the routes took.',
      () => routes.readSeconds,
    ),
    plain(
      'gauge',
      'weir_routes_age_seconds',
      'Time since the routes were read; +Inf where they never were.',
      () => routes.ageSeconds,
    ),
    plain(
      'counter',
      'weir_route_monitor_starts_total',
      'Times that `ip monitor` was started: more than once where it has died.',
      () => routes.monitors,
    ),
  ];
}
