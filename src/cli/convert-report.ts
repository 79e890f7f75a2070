/** The totals that end a conversion, in the log: what every line was, and what became of the records. */

import type { CollectorMetrics, ConvertMetrics } from '../metrics/sources.ts';
import type { Logger } from './logger.ts';
import { reportExport } from './report.ts';

export interface ConvertTotals extends ConvertMetrics {
  readonly counts: ConvertMetrics['counts'] & { readonly lines: number; readonly rejects: number };
  readonly collectors: readonly Pick<CollectorMetrics, 'url' | 'sent' | 'notSent' | 'messagesSent'>[];
}

/** Says the totals. @returns records that a Collector should have got and did not */
export function reportConversion({ counts, source, collectors }: ConvertTotals, log: Logger): number {
  const faults = Object.fromEntries([...counts.faults].filter(([, lines]) => lines > 0));
  const faulty = Object.values(faults).reduce((sum, lines) => sum + lines, 0);
  const totals = {
    lines: counts.lines,
    records: counts.records,
    nodata: counts.nodata,
    skipdata: counts.skipdata,
    faults: faulty,
    ...(faulty === 0 ? {} : { faultKinds: faults }),
    rejects: counts.rejects,
    ...positive({
      droppedRejects: counts.droppedRejects,
      droppedVantage: counts.droppedVantage,
      recordsWithoutDirection: counts.directionless,
      recordsWithoutInterfaceNumber: counts.unnumberedInterfaces,
      recordsWithoutLongStrings: counts.shortened,
    }),
    packets: counts.packets,
    octets: counts.octets,
    objects: counts.objects,
    ...positive({
      failedObjects: counts.failedObjects,
      vanishedObjects: source.vanished,
      retries: source.retries,
    }),
  };
  if (faulty > 0) log.warn('converted, but for lines that are faulty', totals);
  else log.info('converted', totals);
  return collectors.reduce((lost, each) => lost + reportExport(each, log), 0);
}

/** Those that are not 0. */
function positive(numbers: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(numbers).filter(([, number]) => number !== 0));
}
