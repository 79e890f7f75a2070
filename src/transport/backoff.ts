/**
 * Exponential backoff with jitter: a delay that doubles from attempt to attempt up to a bound, each shortened
 * at random by up to half, so that many exporters do not return to a collector in step.
 */
export class Backoff {
  readonly #firstMilliseconds: number;
  readonly #greatestMilliseconds: number;
  readonly #random: () => number;
  #nextMilliseconds: number;

  /** @param random uniform in [0, 1) */
  constructor(firstMilliseconds = 500, greatestMilliseconds = 30_000, random: () => number = Math.random) {
    this.#firstMilliseconds = firstMilliseconds;
    this.#greatestMilliseconds = greatestMilliseconds;
    this.#random = random;
    this.#nextMilliseconds = firstMilliseconds;
  }

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const delay = this.#nextMilliseconds;
    this.#nextMilliseconds = Math.min(delay * 2, this.#greatestMilliseconds);
    return delay * (1 - this.#random() / 2);
  }

  /** The next delay is the first one again. */
  reset(): void {
    this.#nextMilliseconds = this.#firstMilliseconds;
  }
}
