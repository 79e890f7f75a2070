/** Time as an argument, so that tests own it. */
export interface Clock {
  /** Milliseconds on a clock that only goes forward. */
  nowMilliseconds(): number;
  /** Calls back once, after the delay. Returns what cancels it. */
  after(delayMilliseconds: number, callback: () => void): () => void;
}

/** The machine's monotonic clock. */
export const systemClock: Clock = {
  nowMilliseconds: () => performance.now(),
  after(delayMilliseconds, callback) {
    const timer = setTimeout(callback, delayMilliseconds);
    return () => clearTimeout(timer);
  },
};
