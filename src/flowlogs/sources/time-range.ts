/** `--since` and `--until`. */

/** Objects from `since` on and before `until`. Unix milliseconds; undefined: without end on that side. */
export interface TimeRange {
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

export function isWithin(time: number, range: TimeRange): boolean {
  return (
    time >= (range.since ?? Number.NEGATIVE_INFINITY) && time < (range.until ?? Number.POSITIVE_INFINITY)
  );
}
