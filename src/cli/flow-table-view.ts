/**
 * Flow Records as a live table on a terminal: the flows of the last ten seconds, the fastest first.
 *
 * The work is bounded: a record costs a map lookup, and sorting and drawing happen a few times a second, whatever
 * comes. (10 000 records/s and four frames a second: 1.3 % of a core with 500 flows, 3.5 % where each is a new one.)
 */
import { type Column, tableLines } from './columns.ts';
import { type FieldReader, flowDetail } from './flow-fields.ts';
import {
  bitRate,
  count,
  duration,
  flowEndReasonText,
  octets,
  packetRate,
  printable,
  style,
  timeOfDay,
  truncate,
} from './format.ts';
import { type LiveFlow, LiveFlows } from './live-flows.ts';
import type { Repainted } from './log.ts';
import { WINDOW_SECONDS, windowSpanSeconds } from './rate-window.ts';

/** The terminal. A tty.WriteStream is one. */
export interface Terminal {
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** What was written has not been taken yet (a slow line). */
  readonly writableNeedDrain?: boolean;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

export interface ViewClock {
  unixMilliseconds(): number;
  monotonicMilliseconds(): number;
  /** Calls again and again; returns how to end it. */
  every(milliseconds: number, call: () => void): () => void;
}

/** The machine's clocks. */
export const systemClock: ViewClock = {
  unixMilliseconds: () => Date.now(),
  monotonicMilliseconds: () => performance.now(),
  every(milliseconds, call) {
    const timer = setInterval(call, milliseconds);
    return () => clearInterval(timer);
  },
};

export interface FlowTableOptions {
  readonly output: Terminal;
  readonly color: boolean;
  readonly clock?: ViewClock;
  /** Flows kept at once. Default 4096. */
  readonly maxFlows?: number;
  /** Between two redraws. Default 250. */
  readonly redrawMilliseconds?: number;
  /** Rows that are left to what stands above the table, where the terminal is tall enough. Default 0. */
  readonly rowsAbove?: number;
  /** An interface's name by its index, where it is known. */
  readonly interfaceName?: (index: number) => string | undefined;
}

const HIDE_CURSOR = '\x1b[?25l';
/** DECTCEM, for whoever has to tidy up after a view that was killed. */
export const SHOW_CURSOR = '\x1b[?25h';
const CLEAR_BELOW = '\x1b[J';
const CLEAR_SCREEN = '\x1b[H\x1b[2J';
const CLEAR_RIGHT = '\x1b[K';
const DEFAULT_MAX_FLOWS = 4096;
/** So many flows are worth more than what stands above them. */
const LEAST_FLOWS = 10;
/** Where the terminal does not say how large it is. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export class FlowTableView implements Repainted {
  readonly #output: Terminal;
  readonly #clock: ViewClock;
  readonly #redrawMilliseconds: number;
  readonly #rowsAbove: number;
  readonly #style: ReturnType<typeof style>;
  readonly #columns: readonly Column<LiveFlow>[];
  readonly #widths: number[] = [];
  readonly #flows: LiveFlows;
  #sinceUnixMilliseconds = 0;
  #startMilliseconds = 0;
  #spanSeconds = 1;
  #stopTimer: (() => void) | undefined;
  /** What stands on the screen above the cursor: the text, and its lines. */
  #frame = '';
  #lines = 0;
  readonly #onResize = () => this.#resize();

  constructor(options: FlowTableOptions) {
    this.#output = options.output;
    this.#clock = options.clock ?? systemClock;
    this.#flows = new LiveFlows(options.maxFlows ?? DEFAULT_MAX_FLOWS, this.#second());
    this.#redrawMilliseconds = options.redrawMilliseconds ?? 250;
    this.#rowsAbove = options.rowsAbove ?? 0;
    this.#style = style(options.color);
    const name = options.interfaceName ?? (() => undefined);
    const interfaceText = (index: number) => (index === 0 ? '' : printable(name(index) ?? String(index)));
    this.#columns = [
      { title: 'PROTO', align: 'left', width: 5, cell: (row) => row.label.protocol },
      { title: 'SOURCE', align: 'left', width: 'flexible', cell: (row) => row.label.source },
      { title: 'DESTINATION', align: 'left', width: 'flexible', cell: (row) => row.label.destination },
      detailColumn('FLAGS', 6, 72, 100),
      detailColumn('FLAGS', 16, 100),
      {
        title: 'IN',
        align: 'left',
        width: 10,
        from: 112,
        cell: (row) => interfaceText(row.ingressInterface),
      },
      {
        title: 'END',
        align: 'left',
        width: 9,
        from: 124,
        cell: (row) => flowEndReasonText(row.flowEndReason),
      },
      { title: 'OCTETS', align: 'right', width: 8, from: 90, cell: (row) => octets(row.octets) },
      {
        title: 'PACKETS/S',
        align: 'right',
        width: 9,
        from: 60,
        cell: (row) => packetRate(row.window.packets / this.#spanSeconds),
      },
      {
        title: 'RATE',
        align: 'right',
        width: 11,
        cell: (row) => bitRate((row.window.octets * 8) / this.#spanSeconds),
      },
    ];
  }

  /** Begins to draw, from the line of the cursor on. */
  start(): void {
    this.#startMilliseconds = this.#clock.monotonicMilliseconds();
    this.#sinceUnixMilliseconds = this.#clock.unixMilliseconds();
    this.#output.on('resize', this.#onResize);
    this.#output.write(HIDE_CURSOR);
    this.#stopTimer = this.#clock.every(this.#redrawMilliseconds, () => this.#tick());
    this.#draw();
  }

  /** Draws a last time and gives the cursor back, below the table, which stays. Idempotent. */
  stop(): void {
    if (this.#stopTimer === undefined) return;
    this.#stopTimer();
    this.#stopTimer = undefined;
    this.#output.off('resize', this.#onResize);
    this.#draw();
    this.#lines = 0;
    this.#output.write(SHOW_CURSOR);
  }

  /** Takes one record. */
  record(read: FieldReader): void {
    this.#flows.record(read, this.#second());
  }

  /** Records taken that are no Flow Records (options data): they are not shown. */
  get otherRecords(): number {
    return this.#flows.otherRecords;
  }

  /** Takes the table off the screen, so that something else may be written; then {@link redraw}. */
  clear(): void {
    if (this.#stopTimer === undefined) return;
    this.#output.write(this.#home() + CLEAR_BELOW);
    this.#lines = 0;
  }

  /** Puts the table back as it was drawn last. */
  redraw(): void {
    if (this.#stopTimer === undefined) return;
    this.#output.write(this.#frame);
    this.#lines = this.#frame.split('\n').length - 1;
  }

  /** Moves to the table's first line. */
  #home(): string {
    return this.#lines === 0 ? '' : `\x1b[${this.#lines}A\r`;
  }

  #tick(): void {
    // A terminal that does not keep up gets fewer frames, not a growing buffer.
    if (this.#output.writableNeedDrain !== true) this.#draw();
  }

  /** A terminal breaks or joins lines in its own way when its width changes: only the whole screen is sure. */
  #resize(): void {
    this.#lines = 0;
    this.#widths.length = 0;
    this.#output.write(CLEAR_SCREEN);
    this.#draw();
  }

  #draw(): void {
    const columns = this.#output.columns || DEFAULT_COLUMNS;
    const lines = this.#render(columns, this.#output.rows || DEFAULT_ROWS);
    // Erasing to the right of a full line would take its last character on some terminals.
    this.#frame = lines
      .map(([text, width]) => (width < columns ? `${text}${CLEAR_RIGHT}\n` : `${text}\n`))
      .join('');
    this.#output.write(this.#home() + this.#frame + CLEAR_BELOW);
    this.#lines = lines.length;
  }

  /** Lines with their widths. */
  #render(columns: number, rows: number): [string, number][] {
    const now = this.#clock.monotonicMilliseconds();
    const second = this.#second();
    this.#spanSeconds = windowSpanSeconds(now, this.#startMilliseconds);
    const flows = this.#flows.fastest(second);
    const { records, total } = this.#flows;
    const paint = this.#style;

    const header = truncate(
      [
        `${this.#flows.isOver(second) ? 'over ' : ''}${counted(flows.length, 'flow')}`,
        counted(records, 'record'),
        `${packetRate(total.packets / this.#spanSeconds)} packets/s`,
        bitRate((total.octets * 8) / this.#spanSeconds),
        `since ${timeOfDay(this.#sinceUnixMilliseconds)} (${duration(1000 * Math.round((now - this.#startMilliseconds) / 1000))})`,
      ].join('  '),
      columns,
    );
    const lines: [string, number][] = [[paint.bold(header), header.length]];
    // The cursor's own line stays free below the table; the titles take one.
    let room = rows - 1 - lines.length - 1;
    if (room - this.#rowsAbove >= LEAST_FLOWS) room -= this.#rowsAbove;
    if (room < 1) return rows > 1 ? lines : [];
    if (flows.length === 0) {
      const text = truncate(`no flow in the last ${WINDOW_SECONDS} s`, columns);
      lines.push([paint.dim(text), text.length]);
      return lines;
    }
    const more = flows.length > room ? flows.length - --room : 0;
    const table = tableLines(this.#columns, flows.slice(0, room), columns, this.#widths);
    table.forEach((text, i) => {
      lines.push([i === 0 ? paint.inverse(text) : text, text.length]);
    });
    if (more > 0) {
      const text = truncate(`… and ${count(more)} more`, columns);
      lines.push([paint.dim(text), text.length]);
    }
    return lines;
  }

  #second(): number {
    return Math.floor(this.#clock.monotonicMilliseconds() / 1000);
  }
}

function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** TCP flags and ICMP types; with room for words from a certain width on. */
function detailColumn(
  title: string,
  width: number,
  from: number,
  below = Number.POSITIVE_INFINITY,
): Column<LiveFlow> {
  return {
    title,
    align: 'left',
    width,
    from,
    below,
    cell: (row) => flowDetail(row.protocolIdentifier, row.tcpControlBits, row.icmpTypeCode, width),
  };
}
