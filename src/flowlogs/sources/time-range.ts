/** `--since` and `--until`: an instant, or how long ago it was. */
import { SourceError } from './source-error.ts';

const UNIT_MILLISECONDS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};
/** ISO 8601 as people write it: a date, and a time of day with a zone; without a zone it is UTC, as flow logs are. */
const ISO = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/**
 * `2026-11-26`, `2026-11-26T08:30Z`, or relative to now: `90s`, `30m`, `2h`, `7d`, `1w`.
 * @param now Unix milliseconds
 * @returns Unix milliseconds
 * @throws SourceError
 */
export function parseInstant(text: string, now: number): number {
  const relative = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text);
  if (relative !== null) return now - Number(relative[1]) * UNIT_MILLISECONDS[relative[2]!]!;
  const iso = ISO.exec(text);
  if (iso !== null) {
    const time = Date.parse(text.length > 10 && iso[1] === undefined ? `${text.replace(' ', 'T')}Z` : text);
    if (!Number.isNaN(time)) return time;
  }
  throw new SourceError(
    `${text} is no instant: write 2026-11-26, 2026-11-26T08:30Z, or 2h or 7d for so long ago`,
  );
}

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
