/** Rows of cells in columns that fit a width. */
import { truncate, truncateMiddle } from './format.ts';

export interface Column<Row> {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** Columns on the terminal, or `flexible`: as wide as its cells, and cut in their middle where room is short. */
  readonly width: number | 'flexible';
  /** Left out where the terminal is narrower than this. */
  readonly from?: number;
  /** Left out where the terminal is at least this wide. */
  readonly below?: number;
  /** May use what fits into `width`; what is longer is cut. */
  cell(row: Row, width: number): string;
}

const GAP = 1;

/**
 * The lines of a table, titles first, none longer than `width` columns.
 *
 * @param widths of the flexible columns, kept from call to call: they only grow, so that a table that is
 *   redrawn does not jump.
 */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
  widths: number[] = [],
): string[] {
  const shown = columns.filter(
    ({ from = 0, below = Number.POSITIVE_INFINITY }) => width >= from && width < below,
  );
  const flexible = shown.filter((column) => column.width === 'flexible');
  flexible.forEach((column, i) => {
    let wanted = Math.max(widths[i] ?? 0, column.title.length);
    for (const row of rows) wanted = Math.max(wanted, column.cell(row, width).length);
    widths[i] = wanted;
  });
  let room = width - GAP * (shown.length - 1);
  for (const column of shown) if (column.width !== 'flexible') room -= column.width;
  const given = share(widths.slice(0, flexible.length), Math.max(room, 0));

  const line = (text: (column: Column<Row>, width: number) => string, cut: typeof truncate) => {
    let next = 0;
    const cells = shown.map((column) => {
      const columnWidth = column.width === 'flexible' ? given[next++]! : column.width;
      const full = text(column, columnWidth);
      const cell = column.width === 'flexible' ? cut(full, columnWidth) : truncate(full, columnWidth);
      return column.align === 'left' ? cell.padEnd(columnWidth) : cell.padStart(columnWidth);
    });
    return truncate(cells.join(' '.repeat(GAP)).trimEnd(), width);
  };
  return [
    line((column) => column.title, truncate),
    ...rows.map((row) => line((column, columnWidth) => column.cell(row, columnWidth), truncateMiddle)),
  ];
}

/** Gives each what it wants; where room is short, the modest first and the rest in equal parts. */
function share(wanted: readonly number[], room: number): number[] {
  const given = wanted.map(() => 0);
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  let left = room;
  order.forEach((index, done) => {
    const part = Math.floor(left / (order.length - done));
    given[index] = Math.min(wanted[index]!, part);
    left -= given[index]!;
  });
  return given;
}
