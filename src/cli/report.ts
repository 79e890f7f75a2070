/** The totals that end a run, in the log: what was captured, and what became of it. */

import { TUNNELS } from '../packet/decapsulator.ts';
import { IGNORED_REASONS } from '../packet/packet-view.ts';
import { NOT_OPENED_REASONS } from '../packet/tunnel-header.ts';
import type { Export, Probe } from '../probe.ts';
import type { Logger } from './logger.ts';

/** Says the totals. @returns records that a collector should have got and did not */
export function reportTotals(probe: Probe, log: Logger): number {
  const { meter } = probe;
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
    flows: meter.tables[0].created + meter.tables[1].created,
    records: meter.records.reduce((sum, n) => sum + n, 0),
  });
  if (meter.unknownLinkTypes.size > 0) {
    const types = [...meter.unknownLinkTypes].join(', ');
    log.warn(
      `frames of link type ${types} were ignored: Weir reads Ethernet (1), raw IP (101, 228, 229, 12, 14), Linux cooked ` +
        '(113, 276) and BSD loopback (0, 108)',
    );
  }
  return probe.exports.reduce((lost, each) => lost + reportExport(each, log), 0);
}

/** Says what a collector has got. @returns records that it should have got and did not */
export function reportExport({ outlet, exporter }: Export, log: Logger): number {
  if (outlet.name === 'local') return 0;
  const notSent = [...exporter.notSent].filter(
    ([reason, counts]) => counts.records > 0 && reason !== 'before_start',
  );
  const before = exporter.notSent.get('before_start')!.records;
  const totals = {
    collector: outlet.name,
    records: exporter.sent.records,
    messages: exporter.messagesSent,
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
function fragmentTotals({ fragments: { counters } }: Probe['meter']): Record<string, number> {
  if (counters.fragments === 0) return {};
  return { fragments: counters.fragments, fragmentsWithoutPorts: counters.expired + counters.displaced };
}

/** Where tunnels are opened: from which packets came, and why others were not opened. */
function tunnelTotals({ decapsulator }: Probe['meter']): Record<string, Record<string, number>> {
  if (decapsulator === undefined) return {};
  const counted = (names: readonly string[], counts: ArrayLike<number>) =>
    Object.fromEntries(names.map((name, i) => [name, counts[i]!] as const).filter(([, n]) => n !== 0));
  return {
    openedPackets: counted(TUNNELS, decapsulator.openedPackets),
    notOpenedPackets: counted(NOT_OPENED_REASONS, decapsulator.notOpenedPackets),
  };
}
