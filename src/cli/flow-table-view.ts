/**
 * Flow Records as a live table on a terminal: the flows of the last ten seconds, the fastest first.
 *
 * Memory is bounded: at most {@link FlowTableOptions.maxFlows} flows are kept; when another comes, the quarter
 * with the smallest rates goes (the totals in the header keep counting them). So is the work: a record costs a
 * map lookup, and sorting and drawing happen a few times a second, whatever comes.
 */
import { type Column, tableLines } from './columns.ts';
import {
  type FieldReader,
  FlowFields,
  type FlowLabel,
  flowDetail,
  flowKey,
  flowLabel,
  readFlow,
} from './flow-fields.ts';
import {
  bitRate,
  count,
  duration,
  flowEndReasonText,
  octets,
  packetRate,
  style,
  timeOfDay,
  truncate,
} from './format.ts';
import { RateWindow, WINDOW_SECONDS, windowSpanSeconds } from './rate-window.ts';

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
  /** An interface's name by its index, where it is known. */
  readonly interfaceName?: (index: number) => string | undefined;
}

interface Entry {
  readonly label: FlowLabel;
  readonly protocolIdentifier: number;
  readonly icmpTypeCode: number;
  readonly ingressInterface: number;
  readonly window: RateWindow;
  /** Since the flow was first seen here. */
  octets: number;
  tcpControlBits: number;
  flowEndReason: number;
}

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR_BELOW = '\x1b[J';
const CLEAR_SCREEN = '\x1b[H\x1b[2J';
const CLEAR_RIGHT = '\x1b[K';
/** Where the terminal does not say how large it is. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export class FlowTableView {
  /** Flow Records taken, and records that are none (options data). */
  records = 0;
  otherRecords = 0;
  readonly #output: Terminal;
  readonly #clock: ViewClock;
  readonly #maxFlows: number;
  readonly #redrawMilliseconds: number;
  readonly #style: ReturnType<typeof style>;
  readonly #columns: readonly Column<Entry>[];
  readonly #widths: number[] = [];
  readonly #flow = new FlowFields();
  readonly #entries = new Map<string, Entry>();
  #total = new RateWindow(0);
  /** A flow was dropped for room within the window: there are more than are kept. */
  #droppedSecond = Number.NEGATIVE_INFINITY;
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
    this.#maxFlows = options.maxFlows ?? 4096;
    this.#redrawMilliseconds = options.redrawMilliseconds ?? 250;
    this.#style = style(options.color);
    const name = options.interfaceName ?? (() => undefined);
    const interfaceText = (index: number) => (index === 0 ? '' : (name(index) ?? String(index)));
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
    const now = this.#clock.monotonicMilliseconds();
    this.#startMilliseconds = now;
    this.#sinceUnixMilliseconds = this.#clock.unixMilliseconds();
    this.#total = new RateWindow(Math.floor(now / 1000));
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
    const flow = this.#flow;
    if (!readFlow(read, flow)) {
      this.otherRecords++;
      return;
    }
    const second = Math.floor(this.#clock.monotonicMilliseconds() / 1000);
    this.records++;
    this.#total.add(second, flow.octetDeltaCount, flow.packetDeltaCount);
    const key = flowKey(flow);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      if (this.#entries.size >= this.#maxFlows) this.#dropSmallest(second);
      entry = {
        label: flowLabel(flow),
        protocolIdentifier: flow.protocolIdentifier,
        icmpTypeCode: flow.icmpTypeCode,
        ingressInterface: flow.ingressInterface,
        window: new RateWindow(second),
        octets: 0,
        tcpControlBits: 0,
        flowEndReason: 0,
      };
      this.#entries.set(key, entry);
    }
    entry.window.add(second, flow.octetDeltaCount, flow.packetDeltaCount);
    entry.octets += flow.octetDeltaCount;
    entry.tcpControlBits |= flow.tcpControlBits;
    entry.flowEndReason = flow.flowEndReason;
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
    const second = Math.floor(now / 1000);
    this.#spanSeconds = windowSpanSeconds(now, this.#startMilliseconds);
    this.#total.slide(second);
    const flows = this.#sorted(second);
    const paint = this.#style;

    const header = truncate(
      [
        `${second - this.#droppedSecond < WINDOW_SECONDS ? 'over ' : ''}${counted(flows.length, 'flow')}`,
        counted(this.records, 'record'),
        `${packetRate(this.#total.packets / this.#spanSeconds)} packets/s`,
        bitRate((this.#total.octets * 8) / this.#spanSeconds),
        `since ${timeOfDay(this.#sinceUnixMilliseconds)} (${duration(1000 * Math.round((now - this.#startMilliseconds) / 1000))})`,
      ].join('  '),
      columns,
    );
    const lines: [string, number][] = [[paint.bold(header), header.length]];
    // The cursor's own line stays free below the table; the titles take one.
    let room = rows - 1 - lines.length - 1;
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

  /** What has moved within the window, the fastest first; the rest is forgotten. */
  #sorted(second: number): Entry[] {
    const flows: Entry[] = [];
    for (const [key, entry] of this.#entries) {
      entry.window.slide(second);
      if (entry.window.packets > 0 || entry.window.octets > 0) flows.push(entry);
      else this.#entries.delete(key);
    }
    return flows.sort((a, b) => b.window.octets - a.window.octets);
  }

  #dropSmallest(second: number): void {
    const kept = Math.floor(this.#maxFlows * 0.75);
    for (const entry of this.#entries.values()) entry.window.slide(second);
    const byRate = [...this.#entries].sort((a, b) => b[1].window.octets - a[1].window.octets);
    for (const [key, entry] of byRate.slice(kept)) {
      if (entry.window.packets > 0) this.#droppedSecond = second;
      this.#entries.delete(key);
    }
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
): Column<Entry> {
  return {
    title,
    align: 'left',
    width,
    from,
    below,
    cell: (row) => flowDetail(row.protocolIdentifier, row.tcpControlBits, row.icmpTypeCode, width),
  };
}
