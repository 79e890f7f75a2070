/** How late the event loop runs its timers: what a long batch of packets does to everything else. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { LoopLagMetrics } from './sources.ts';

/** Its timer fires so often; a histogram's values contain this interval, and it is taken off again. */
const RESOLUTION_MILLISECONDS = 50;

/** The part of node:perf_hooks' histogram that is used. */
export type LagHistogram = Pick<
  IntervalHistogram,
  'enable' | 'disable' | 'reset' | 'count' | 'mean' | 'percentile' | 'max'
>;

export class LoopLag implements LoopLagMetrics {
  readonly #monitor: (options: { resolution: number }) => LagHistogram;
  #histogram: LagHistogram | undefined;

  constructor(monitor: (options: { resolution: number }) => LagHistogram = monitorEventLoopDelay) {
    this.#monitor = monitor;
  }

  start(): void {
    this.#histogram ??= this.#monitor({ resolution: RESOLUTION_MILLISECONDS });
    this.#histogram.enable();
  }

  stop(): void {
    this.#histogram?.disable();
    this.#histogram = undefined;
  }

  take(): { mean: number; p50: number; p99: number; max: number } {
    const histogram = this.#histogram;
    if (histogram === undefined || histogram.count === 0) return { mean: 0, p50: 0, p99: 0, max: 0 };
    const taken = {
      mean: lagSeconds(histogram.mean),
      p50: lagSeconds(histogram.percentile(50)),
      p99: lagSeconds(histogram.percentile(99)),
      max: lagSeconds(histogram.max),
    };
    histogram.reset(); // which costs the interval that is under way: it is not recorded
    return taken;
  }
}

function lagSeconds(intervalNanoseconds: number): number {
  return Math.max(0, intervalNanoseconds / 1e9 - RESOLUTION_MILLISECONDS / 1e3);
}
