/** How far `read` is: a bar on a terminal; on anything else nothing at all. */
import cliProgress from 'cli-progress';
import { count, duration, octets, packetRate, style, truncate } from './format.ts';
import type { Repainted } from './log.ts';

/** Where the bar goes: standard error. */
export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface ReadProgressOptions {
  readonly output: ProgressOutput;
  readonly color: boolean;
  /** Octets of all files; undefined: unknown (standard input). */
  readonly totalOctets: number | undefined;
  /** Asked at every drawing: octets of the files, packets and flows so far. */
  readonly state: () => { readonly octets: number; readonly packets: number; readonly flows: number };
  readonly monotonicMilliseconds?: () => number;
}

const REDRAWS_PER_SECOND = 5;
const BAR_COLUMNS = 24;

export class ReadProgress implements Repainted {
  readonly #options: ReadProgressOptions;
  readonly #now: () => number;
  readonly #bar: cliProgress.SingleBar;
  #startMilliseconds = 0;

  constructor(options: ReadProgressOptions) {
    this.#options = options;
    this.#now = options.monotonicMilliseconds ?? (() => performance.now());
    this.#bar = new cliProgress.SingleBar({
      stream: withoutCursorMemory(options.output) as unknown as NodeJS.WritableStream,
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

  /** Draws the bar, and from now on again and again by itself. */
  start(): void {
    this.#startMilliseconds = this.#now();
    this.#bar.start(this.#options.totalOctets ?? 0, 0);
  }

  /** Takes the bar away and gives the cursor back. Idempotent. */
  stop(): void {
    this.#bar.stop();
  }

  clear(): void {
    if (this.#bar.isActive) this.#options.output.write('\r\x1b[K');
  }

  redraw(): void {
    if (this.#bar.isActive) this.#bar.render();
  }

  #line(width: number): string {
    const { totalOctets: total, color } = this.#options;
    const { octets: read, packets, flows } = this.#options.state();
    const seconds = Math.max((this.#now() - this.#startMilliseconds) / 1000, 0.001);
    const rate = `${packetRate(packets / seconds)} packets/s  ${count(flows)} ${flows === 1 ? 'flow' : 'flows'}`;
    if (total === undefined) return truncate(`${octets(read)} read  ${rate}`, width);

    const part = total === 0 ? 1 : Math.min(read / total, 1);
    const percent = `${Math.floor(100 * part)}%`.padStart(4);
    // The first moments say nothing about the rest.
    const left =
      read > 0 && seconds >= 0.5 ? `  ${duration(((total - read) / read) * seconds * 1000)} left` : '';
    const text = `${percent}  ${octets(read)} of ${octets(total)}  ${rate}${left}`;
    // On a narrow terminal the figures say more than the bar.
    if (text.length + BAR_COLUMNS + 1 > width) return truncate(text.trimStart(), width);
    const bar = cliProgress.Format.BarFormat(part, BAR_OPTIONS);
    return `${style(color).cyan(bar)} ${text}`;
  }
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
