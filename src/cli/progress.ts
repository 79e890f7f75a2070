/** How far `read` and `convert` are: a bar on a terminal; on anything else nothing at all. */
import cliProgress from 'cli-progress';
import { count, duration, octets, packetRate, style, truncate } from './format.ts';
import type { Repainted } from './log.ts';

/** Where the bar goes: standard error. */
export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface ProgressOptions {
  readonly output: ProgressOutput;
  readonly color: boolean;
  readonly monotonicMilliseconds?: (() => number) | undefined;
}

export interface ReadProgressOptions extends ProgressOptions {
  /** Octets of all files; undefined: unknown (standard input). */
  readonly totalOctets: number | undefined;
  /** Asked at every drawing: octets of the files, packets and flows so far. */
  readonly state: () => { readonly octets: number; readonly packets: number; readonly flows: number };
}

export interface ConvertProgressOptions extends ProgressOptions {
  /** Asked at every drawing. */
  readonly state: () => {
    /** Done, those that failed included. */
    readonly objects: number;
    readonly records: number;
    /** Octets of the objects done, as they are stored. */
    readonly octets: number;
    /** What is known to be there; undefined: more may come, or nobody knows. */
    readonly total: { readonly objects: number; readonly octets: number } | undefined;
  };
}

const REDRAWS_PER_SECOND = 5;
const BAR_COLUMNS = 24;

/** A bar with figures behind it, redrawn in place. */
abstract class Progress implements Repainted {
  readonly #output: ProgressOutput;
  readonly #color: boolean;
  readonly #now: () => number;
  readonly #bar: cliProgress.SingleBar;
  #startMilliseconds = 0;

  constructor({ output, color, monotonicMilliseconds }: ProgressOptions) {
    this.#output = output;
    this.#color = color;
    this.#now = monotonicMilliseconds ?? (() => performance.now());
    this.#bar = new cliProgress.SingleBar({
      stream: withoutCursorMemory(output) as unknown as NodeJS.WritableStream,
      // Erasing to the right of a full line would take its last character on some terminals.
      format: (_, { maxWidth }) => this.#line(maxWidth - 1),
      fps: REDRAWS_PER_SECOND,
      barsize: BAR_COLUMNS,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: true,
      clearOnComplete: true,
      forceRedraw: true,
    });
  }

  /**
   * What is told. `part`: of the whole, from 0 to 1; undefined: not known, and there is no bar.
   * @param seconds since the start, above 0
   */
  protected abstract figures(seconds: number): { readonly part: number | undefined; readonly text: string };

  /** Draws the bar, and from now on again and again by itself. */
  start(): void {
    this.#startMilliseconds = this.#now();
    this.#bar.start(1, 0);
  }

  /** Takes the bar away and gives the cursor back. Idempotent. */
  stop(): void {
    this.#bar.stop();
  }

  clear(): void {
    if (this.#bar.isActive) this.#output.write('\r\x1b[K');
  }

  redraw(): void {
    if (this.#bar.isActive) this.#bar.render();
  }

  #line(width: number): string {
    const seconds = Math.max((this.#now() - this.#startMilliseconds) / 1000, 0.001);
    const { part, text: figures } = this.figures(seconds);
    if (part === undefined) return truncate(figures, width);
    const percent = `${Math.floor(100 * part)}%`.padStart(4);
    // The first moments say nothing about the rest.
    const left = part > 0 && seconds >= 0.5 ? `  ${duration(((1 - part) / part) * seconds * 1000)} left` : '';
    const text = `${percent}  ${figures}${left}`;
    // On a narrow terminal the figures say more than the bar.
    if (text.length + BAR_COLUMNS + 1 > width) return truncate(text.trimStart(), width);
    const bar = cliProgress.Format.BarFormat(part, BAR_OPTIONS);
    return `${style(this.#color).cyan(bar)} ${text}`;
  }
}

/** Of `read`: octets, packets a second, flows. */
export class ReadProgress extends Progress {
  readonly #options: ReadProgressOptions;

  constructor(options: ReadProgressOptions) {
    super(options);
    this.#options = options;
  }

  protected override figures(seconds: number) {
    const { totalOctets: total } = this.#options;
    const { octets: read, packets, flows } = this.#options.state();
    const rate = `${packetRate(packets / seconds)} packets/s  ${count(flows)} ${flows === 1 ? 'flow' : 'flows'}`;
    if (total === undefined) return { part: undefined, text: `${octets(read)} read  ${rate}` };
    const part = total === 0 ? 1 : Math.min(read / total, 1);
    return { part, text: `${octets(read)} of ${octets(total)}  ${rate}` };
  }
}

/** Of `convert`: objects and records a second. */
export class ConvertProgress extends Progress {
  readonly #state: ConvertProgressOptions['state'];

  constructor(options: ConvertProgressOptions) {
    super(options);
    this.#state = options.state;
  }

  protected override figures(seconds: number) {
    const { objects, records, octets: done, total } = this.#state();
    const rate = `${packetRate(records / seconds)} records/s`;
    if (total === undefined) return { part: undefined, text: `${objectCount(objects)}  ${rate}` };
    const part = total.octets === 0 ? 0 : Math.min(done / total.octets, 1);
    return { part, text: `${count(objects)} of ${objectCount(total.objects)}  ${rate}` };
  }
}

function objectCount(objects: number): string {
  return `${count(objects)} ${objects === 1 ? 'object' : 'objects'}`;
}

const BAR_OPTIONS = {
  barsize: BAR_COLUMNS,
  barCompleteString: '█'.repeat(BAR_COLUMNS),
  barIncompleteString: '░'.repeat(BAR_COLUMNS),
  barGlue: '',
};

/**
 * cli-progress remembers the cursor's position at the start and goes back there at the end (DECSC, DECRC). Where the
 * log has scrolled the screen meanwhile, that is another line by then, which it would wipe.
 */
function withoutCursorMemory(output: ProgressOutput): ProgressOutput {
  return {
    get isTTY() {
      return output.isTTY;
    },
    get columns() {
      return output.columns;
    },
    write: (text) => (text === '\x1b7' || text === '\x1b8' ? true : output.write(text)),
  };
}
