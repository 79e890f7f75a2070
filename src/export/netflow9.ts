/**
 * NetFlow v9 (RFC 3954). Header, 20 octets: version 9, count of records of all kinds, SysUptime (ms),
 * UNIX seconds, sequence number (export packets), source ID.
 *
 * The header has whole seconds only, and a collector takes boot = seconds − SysUptime. The seconds are
 * therefore rounded up and SysUptime is that of the rounded instant: so boot is exact to the millisecond,
 * and no flow ends after the header's time.
 */

import { type Dialect, writeFieldSpecifiers } from './dialect.ts';
import type { MessageWriter } from './message-writer.ts';
import type { OptionsTable } from './options.ts';
import type { UptimeClock, UptimeFields } from './uptime.ts';

const HEADER = { version: 0, count: 2, sysUptime: 4, seconds: 8, sequence: 12, sourceId: 16, octets: 20 };

export function netflow9Dialect(sourceId: number, clock: UptimeClock): Dialect {
  return {
    protocol: 'netflow9',
    headerLength: HEADER.octets,
    sequenceOffset: HEADER.sequence,
    templateSetId: 0,
    optionsTemplateSetId: 1,
    setAlignment: 4,
    sequenceStep: () => 1,
    writeHeader(
      writer: MessageWriter,
      records: number,
      clockMilliseconds: number,
      uptime: UptimeFields,
    ): void {
      const { view } = writer;
      const now = Math.ceil(uptime.headerMilliseconds(clockMilliseconds) / 1000) * 1000;
      const boot = clock.bootFor(now, Math.min(uptime.earliestMilliseconds, now));
      view.setUint16(HEADER.version, 9);
      view.setUint16(HEADER.count, records);
      view.setUint32(HEADER.sysUptime, now - boot);
      view.setUint32(HEADER.seconds, now / 1000);
      view.setUint32(HEADER.sourceId, sourceId);
      uptime.patch(view, boot);
    },
    writeOptionsTemplate(writer: MessageWriter, table: OptionsTable): void {
      const [scope, ...options] = table.fields;
      writer.uint16(table.id);
      writer.uint16(4); // octets of the scope's field specifiers
      writer.uint16(options.length * 4);
      writer.uint16(table.netflow9ScopeType);
      writer.uint16(scope!.size);
      writeFieldSpecifiers(writer, options);
    },
  };
}
