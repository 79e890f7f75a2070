/** Octets and packets of the last seconds, in buckets of one second: a mean rate that slides. */

export const WINDOW_SECONDS = 10;
/** The whole seconds of the window, and the one that is running. */
const BUCKETS = WINDOW_SECONDS + 1;

export class RateWindow {
  /** Sums over the window, as of the last `add` or `slide`. */
  octets = 0;
  packets = 0;
  /** Octets, then packets, of each bucket. Plain arrays: a Float64Array of this size lives off the heap. */
  readonly #buckets: number[] = new Array(2 * BUCKETS).fill(0);
  #second: number;

  /** `second`: the running second, on any clock that does not go backwards. */
  constructor(second: number) {
    this.#second = second;
  }

  add(second: number, octets: number, packets: number): void {
    this.slide(second);
    const at = this.#second % BUCKETS;
    this.#buckets[at] = this.#buckets[at]! + octets;
    this.#buckets[at + BUCKETS] = this.#buckets[at + BUCKETS]! + packets;
    this.octets += octets;
    this.packets += packets;
  }

  /** Lets go of what has become older than the window. */
  slide(second: number): void {
    const steps = Math.min(second - this.#second, BUCKETS);
    if (steps <= 0) return;
    for (let i = 1; i <= steps; i++) {
      const at = (this.#second + i) % BUCKETS;
      this.octets -= this.#buckets[at]!;
      this.packets -= this.#buckets[at + BUCKETS]!;
      this.#buckets[at] = 0;
      this.#buckets[at + BUCKETS] = 0;
    }
    this.#second = second;
  }
}

/** Seconds that a window's sums stand for; before the window is full, the time since the start, at least 1 s. */
export function windowSpanSeconds(nowMilliseconds: number, startMilliseconds: number): number {
  const elapsed = (nowMilliseconds - startMilliseconds) / 1000;
  const full = WINDOW_SECONDS + ((nowMilliseconds / 1000) % 1);
  return Math.max(1, Math.min(elapsed, full));
}
