/**
 * The rows of a Parquet file as lines of text, which the same parser reads: so a row means what the line means.
 * Row groups are read one at a time, so that the memory is that of one.
 */

import { gunzipSync } from 'node:zlib';
import { formatOfColumns } from './log-format.ts';
import type { LogFormat, ParquetContent } from './log-object.ts';

/** Octets of text handed over at once. */
const CHUNK_OCTETS = 256 * 1024;
const SPACE = 0x20;
const LF = 0x0a;
const HYPHEN = 0x2d;
/** What cannot stand in a line is a control octet there, which the parser names. */
const NUL = '\0';

export interface ParquetRows {
  readonly format: LogFormat;
  /** Whole lines. A chunk is valid until the next is asked for. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** @throws Error where hyparquet is not installed, or the file is no whole Parquet file */
export async function openParquet(file: ParquetContent['file']): Promise<ParquetRows> {
  const { parquetMetadataAsync, parquetRead, compressors } = await library();
  const metadata = await parquetMetadataAsync(file);
  // The first element is the root; what has children is a group, which flow logs have none of.
  const columns = metadata.schema.slice(1).filter(({ num_children }) => num_children === undefined);
  const names = columns.map(({ name }) => name);
  const format = formatOfColumns(names);

  async function* chunks(): AsyncIterable<Uint8Array> {
    const text = new LineBuffer();
    let rowStart = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows);
      const rows = rowEnd - rowStart;
      const values = new Map<string, unknown[]>();
      if (rows > 0) {
        await parquetRead({
          file,
          metadata,
          rowStart,
          rowEnd,
          compressors,
          onChunk: ({ columnName, columnData, rowStart: at }) => {
            const column = values.get(columnName) ?? new Array<unknown>(rows);
            values.set(columnName, column);
            for (let i = 0; i < columnData.length; i++) {
              const row = at + i - rowStart;
              if (row >= 0 && row < rows) column[row] = columnData[i];
            }
          },
        });
      }
      const ordered = names.map((name) => values.get(name));
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < ordered.length; i++) text.field(ordered[i]?.[row], i === 0);
        text.endLine();
        if (text.length >= CHUNK_OCTETS) yield text.take();
      }
      rowStart = rowEnd;
    }
    if (text.length > 0) yield text.take();
  }
  return { format, chunks };
}

/** Builds lines. */
class LineBuffer {
  #bytes = Buffer.allocUnsafe(CHUNK_OCTETS * 2);
  length = 0;

  field(value: unknown, isFirst: boolean): void {
    const text = textOf(value);
    const room = text.length * 3 + 2;
    if (this.length + room > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(this.#bytes.length * 2 + room);
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    if (!isFirst) this.#bytes[this.length++] = SPACE;
    if (text === '') this.#bytes[this.length++] = HYPHEN;
    else this.length += this.#bytes.write(text, this.length, 'utf8');
  }

  endLine(): void {
    this.#bytes[this.length++] = LF;
  }

  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.length);
    this.length = 0;
    return taken;
  }
}

/** The field's text in a line; empty: not applicable. */
function textOf(value: unknown): string {
  if (typeof value === 'string') {
    // What a line cannot hold within a field is a fault, and must not become two fields or lines.
    return /[\0-\x20]/.test(value) ? NUL : value;
  }
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof Date) return String(Math.floor(value.getTime() / 1000));
  return value === undefined || value === null ? '' : NUL;
}

async function library() {
  try {
    const [hyparquet, { compressors }] = await Promise.all([
      import('hyparquet'),
      import('hyparquet-compressors'),
    ]);
    return {
      ...hyparquet,
      compressors: { ...compressors, GZIP: (octets: Uint8Array) => gunzipSync(octets) },
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error('reading Parquet needs hyparquet: npm install hyparquet hyparquet-compressors');
  }
}
