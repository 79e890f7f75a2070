import type { LineMetrics } from './line-metrics.ts';

/** A line that runs: in this thread, or in workers. */
export interface RunningLine {
  readonly metrics: LineMetrics;
  /** LINKTYPE_ numbers met that Weir does not read. */
  readonly unknownLinkTypes: ReadonlySet<number>;
  /** The configuration is to be read again. */
  readonly reloader: {
    readonly counters: { readonly applied: number; readonly refused: number };
    reload(): void;
  };
  /** The name of an interface that packets come from. */
  interfaceName(index: number): string | undefined;
  /** Begins to capture. */
  start(): Promise<void>;
  /** Resolves or rejects when the capture comes to an end that nobody asked for. */
  readonly finished: Promise<void>;
  /** Exports every flow and drains every queue. */
  stop(withinMilliseconds: number): Promise<void>;
}
