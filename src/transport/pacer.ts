/**
 * A token bucket: so many datagrams a second, and so many at once after a pause.
 *
 * Timers tick in milliseconds and come late on a busy loop, so the bucket always holds at least
 * SLICE_MILLISECONDS' worth: with less, the rate that was asked for would not be reached.
 */
const SLICE_MILLISECONDS = 5;

export class Pacer {
  readonly #perMillisecond: number;
  readonly #burst: number;
  #tokens: number;
  #thenMilliseconds = Number.NEGATIVE_INFINITY;

  /**
   * @param datagramsPerSecond above 0
   * @param burst datagrams that may leave at once; at least 5 ms' worth is allowed in any case
   */
  constructor(datagramsPerSecond: number, burst: number) {
    this.#perMillisecond = datagramsPerSecond / 1000;
    this.#burst = Math.max(1, burst, Math.ceil(this.#perMillisecond * SLICE_MILLISECONDS));
    this.#tokens = this.#burst;
  }

  /** Lets one datagram pass: returns 0. Or else returns the milliseconds to wait before asking again. */
  take(nowMilliseconds: number): number {
    const earned = (nowMilliseconds - this.#thenMilliseconds) * this.#perMillisecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#thenMilliseconds = nowMilliseconds;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 0;
    }
    return Math.max(1, (1 - this.#tokens) / this.#perMillisecond);
  }
}
