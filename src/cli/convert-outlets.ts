/** The ways out of a conversion: NetFlow v5 has two of them, since it cannot say that a flow was refused. */

import type { CollectorConfig } from '../config/collector-url.ts';
import type { EffectiveConfig } from '../config/load.ts';
import type { Export } from '../export/outlet.ts';
import type { ConvertOutlet } from '../flowlogs/convert-options.ts';
import type { CollectorMetrics, RecordMetrics } from '../metrics/sources.ts';
import { collectorMetrics } from './line-metrics.ts';
import type { Log } from './log.ts';
import { type CollectorOutlet, collectorOutlet, warnOfLonelyGroups } from './outlets.ts';

/** A conversion waits for a way out that is congested: 12 MB of Messages are enough for a Collector that is not there. */
const QUEUED_FLOWS = 65_536;

/** Refused flows of v5 have the engine ID behind that of the others. */
export const REJECTS_ENGINE = 1;

export interface ConvertCollector extends ConvertOutlet {
  readonly transport: CollectorOutlet['transport'];
  readonly rejects?: CollectorOutlet | undefined;
}

export function convertCollectors(config: EffectiveConfig, log: Log): ConvertCollector[] {
  warnOfLonelyGroups(config.collectors, log);
  return config.collectors.map((collector) => {
    const outlet = collectorOutlet(collector, QUEUED_FLOWS, log, false);
    return hasRejects(collector, config)
      ? { ...outlet, rejects: collectorOutlet(rejectsOf(collector), QUEUED_FLOWS, log, false) }
      : outlet;
  });
}

/** Whether refused flows leave under an engine ID of their own. */
export function hasRejects(
  { protocol }: Pick<CollectorConfig, 'protocol'>,
  { rejects }: Pick<EffectiveConfig, 'rejects'>,
): boolean {
  return protocol === 'netflow5' && rejects === 'keep';
}

/** The Collector, as refused flows are sent to it. */
export function rejectsOf(collector: CollectorConfig): CollectorConfig {
  return { ...collector, observationDomain: collector.observationDomain + REJECTS_ENGINE };
}

/** What the metrics and the totals are told of a Collector: both ways to it as one. */
export function convertCollectorMetrics(
  collector: ConvertCollector,
  converter: { readonly exports: readonly Export[] },
): CollectorMetrics {
  const { rejects } = collector;
  const parts = [collector, ...(rejects === undefined ? [] : [rejects])].map((outlet) =>
    collectorMetrics(outlet, converter),
  );
  return together(collector.name, collector.protocol, () => parts);
}

/** Ways to one Collector, as one. @param parts of now; without any, the Collector is not looked for yet */
export function together(
  url: string,
  protocol: string,
  parts: () => readonly CollectorMetrics[],
): CollectorMetrics {
  const sum = (value: (part: CollectorMetrics) => number): number =>
    parts().reduce((total, part) => total + value(part), 0);
  const records = (value: (part: CollectorMetrics) => RecordMetrics): RecordMetrics => ({
    records: sum((part) => value(part).records),
    packets: sum((part) => value(part).packets),
    octets: sum((part) => value(part).octets),
  });
  return {
    url,
    protocol,
    get state() {
      // The one that fares worst.
      const states = parts().map(({ state }) => state);
      return (
        (['failing', 'resolving', 'sending'] as const).find((state) => states.includes(state)) ?? 'resolving'
      );
    },
    get sent() {
      return records(({ sent }) => sent);
    },
    get queued() {
      return records(({ queued }) => queued);
    },
    get balancedAway() {
      return records(({ balancedAway }) => balancedAway);
    },
    get notSent() {
      const all = new Map<string, RecordMetrics>();
      for (const part of parts()) {
        for (const [reason, lost] of part.notSent) {
          const before = all.get(reason) ?? { records: 0, packets: 0, octets: 0 };
          all.set(reason, {
            records: before.records + lost.records,
            packets: before.packets + lost.packets,
            octets: before.octets + lost.octets,
          });
        }
      }
      return all;
    },
    get messagesSent() {
      return sum((part) => part.messagesSent);
    },
    get messageOctetsSent() {
      return sum((part) => part.messageOctetsSent);
    },
    get wideInterfaceRecords() {
      return sum((part) => part.wideInterfaceRecords);
    },
    get templatesSent() {
      return sum((part) => part.templatesSent);
    },
    get sendErrors() {
      return sum((part) => part.sendErrors);
    },
    get resolutions() {
      return sum((part) => part.resolutions);
    },
    get sessions() {
      return sum((part) => part.sessions);
    },
  };
}
