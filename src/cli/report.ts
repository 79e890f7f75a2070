/** The totals that end a run, in the log: what was captured, and what became of it. */

import type { CollectorMetrics, MeterMetrics } from '../metrics/sources.ts';
import { TUNNELS } from '../packet/decapsulator.ts';
import { IGNORED_REASONS } from '../packet/packet-view.ts';
import { NOT_OPENED_REASONS } from '../packet/tunnel-header.ts';
import type { Logger } from './logger.ts';

/** What is told of a collector. */
type Sent = Pick<CollectorMetrics, 'url' | 'sent' | 'notSent' | 'messagesSent'>;

/** What the totals are told of. */
export interface Totals {
  readonly meter: MeterMetrics;
  readonly collectors: readonly Sent[];
  /** LINKTYPE_ numbers met that Weir does not read. */
  readonly unknownLinkTypes: ReadonlySet<number>;
}

/** Says the totals. @returns records that a collector should have got and did not */
export function reportTotals({ meter, collectors, unknownLinkTypes }: Totals, log: Logger): number {
  const ignored = Object.fromEntries(
    IGNORED_REASONS.map((reason, i) => [reason, meter.ignoredPackets[i]!]).filter(
      ([, packets]) => packets !== 0,
    ),
  );
  log.info('metered', {
    capturedPackets: meter.capturedPackets,
    meteredPackets: meter.meteredPackets,
    meteredOctets: meter.meteredOctets,
    ignoredPackets: ignored,
    ...fragmentTotals(meter),
    ...tunnelTotals(meter),
    flows: meter.flowsCreated,
    records: meter.recordsExported,
  });
  if (unknownLinkTypes.size > 0) {
    const types = [...unknownLinkTypes].join(', ');
    log.warn(
      `frames of link type ${types} were ignored: Weir reads Ethernet (1), raw IP (101, 228, 229, 12, 14), Linux cooked ` +
        '(113, 276) and BSD loopback (0, 108)',
    );
  }
  return collectors.reduce((lost, each) => lost + reportExport(each, log), 0);
}

/** Says what a collector has got. @returns records that it should have got and did not */
export function reportExport(collector: Sent, log: Logger): number {
  const counts = new Map(collector.notSent);
  // A worker that dies loses packets that had become no record yet.
  const notSent = [...counts].filter(
    ([reason, { records, packets }]) => (records > 0 || packets > 0) && reason !== 'before_start',
  );
  const before = counts.get('before_start')?.records ?? 0;
  const totals = {
    collector: collector.url,
    records: collector.sent.records,
    messages: collector.messagesSent,
    ...(before === 0 ? {} : { recordsBeforeStart: before }),
  };
  if (notSent.length === 0) {
    log.info('exported', totals);
    return 0;
  }
  log.warn('exported, but not everything was sent', {
    ...totals,
    notSentRecords: Object.fromEntries(notSent.map(([reason, { records }]) => [reason, records])),
    notSentOctets: notSent.reduce((sum, [, { octets }]) => sum + octets, 0),
  });
  // What a format cannot carry was said once, and is no failure of this run.
  return notSent.reduce(
    (sum, [reason, { records }]) => sum + (reason === 'not_representable' ? 0 : records),
    0,
  );
}

/** Where there were fragments: how many, and how many were counted without the ports of their datagram. */
function fragmentTotals({ fragments: { counters } }: MeterMetrics): Record<string, number> {
  if (counters.fragments === 0) return {};
  return { fragments: counters.fragments, fragmentsWithoutPorts: counters.expired + counters.displaced };
}

/** Where tunnels are opened: from which packets came, and why others were not opened. */
function tunnelTotals({ tunnels }: MeterMetrics): Record<string, Record<string, number>> {
  if (tunnels === undefined) return {};
  const counted = (names: readonly string[], counts: ArrayLike<number>) =>
    Object.fromEntries(names.map((name, i) => [name, counts[i]!] as const).filter(([, n]) => n !== 0));
  return {
    openedPackets: counted(TUNNELS, tunnels.openedPackets),
    notOpenedPackets: counted(NOT_OPENED_REASONS, tunnels.notOpenedPackets),
  };
}
