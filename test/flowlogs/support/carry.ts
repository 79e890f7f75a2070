/** The forms in which a log arrives. */

import { gzipSync } from 'node:zlib';
import type { CompressionCodec } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { type GeneratedLog, parquetTypeOf } from './generate.ts';

export interface TextForm {
  /** As in files and S3 objects; CloudWatch Logs has none. */
  readonly header?: boolean;
  readonly lineEnd?: '\n' | '\r\n';
  /** The last line has its end, too. */
  readonly finalEnd?: boolean;
}

/** As a file's or an S3 object's text. */
export function asText({ fields, lines }: GeneratedLog, form: TextForm = {}): Buffer {
  const { header = true, lineEnd = '\n', finalEnd = true } = form;
  const all = header ? [fields.join(' '), ...lines] : lines;
  return Buffer.from(all.join(lineEnd) + (finalEnd && all.length > 0 ? lineEnd : ''));
}

/** As gzip of so many members (RFC 1952 §2.2), cut without regard to lines. */
export function asGzip(text: Buffer, members = 1): Buffer {
  const size = Math.max(1, Math.ceil(text.length / members));
  const parts: Buffer[] = [];
  for (let at = 0; at < text.length || parts.length === 0; at += size) {
    parts.push(gzipSync(text.subarray(at, at + size)));
  }
  return Buffer.concat(parts);
}

/** As what a subscription hands to Lambda: `event.awslogs.data` is this in base64. */
export function asCloudWatchEnvelope({ lines }: GeneratedLog): Buffer {
  const envelope = {
    messageType: 'DATA_MESSAGE',
    owner: '123456789012',
    logGroup: 'flow-logs',
    logStream: 'eni-0123456789abcdef0-all',
    subscriptionFilters: ['weir'],
    logEvents: lines.map((message, i) => ({
      id: `${i}`.padStart(56, '0'),
      timestamp: 1_767_225_600_000,
      message,
    })),
  };
  return gzipSync(JSON.stringify(envelope));
}

export interface ParquetForm {
  /** AWS's column names have `_` where a header has `-`. */
  readonly separator?: '-' | '_';
  /** A string that is not applicable: null, or `-` as in text. Numbers are null. */
  readonly absent?: null | '-';
  readonly rowGroupRows?: number;
  readonly codec?: CompressionCodec;
}

/** As Parquet, typed as AWS does it. Every line has to have as many values as there are fields, numbers where typed. */
export function asParquet({ fields, lines }: GeneratedLog, form: ParquetForm = {}): Uint8Array {
  const { separator = '_', absent = null, rowGroupRows = 1000, codec = 'SNAPPY' } = form;
  const rows = lines.map((line) => line.split(' '));
  const columnData = fields.map((field, column) => {
    const type = parquetTypeOf(field);
    const data = rows.map((row) => parquetValue(row[column]!, type, absent));
    return { name: field.replaceAll('-', separator), type, data, nullable: true };
  });
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: rowGroupRows, codec }));
}

function parquetValue(text: string, type: string, absent: null | '-'): number | bigint | string | null {
  if (text === '-') return type === 'STRING' ? absent : null;
  if (type === 'INT32') return Number(text);
  return type === 'INT64' ? BigInt(text) : text;
}
