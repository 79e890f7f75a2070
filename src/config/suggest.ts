/** The nearest right name, for mistakes that are a slip of the finger. */

/** The same name however it is cased and joined: `active_timeout`, `activeTimeout` and `active-timeout` are one. */
function folded(name: string): string {
  return name.toLowerCase().replace(/[-_ .]/g, '');
}

/** Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours, 1 each. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, beforeLast[j - 2]! + 1);
      }
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** The candidate nearest to `name`, or undefined where none is near: at most a third of the letters differ. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = folded(name).slice(0, 64);
  let best: string | undefined;
  let bestDistance = Math.floor(wanted.length / 3) + 1;
  for (const candidate of candidates) {
    const between = distance(wanted, folded(candidate));
    if (between < bestDistance) {
      best = candidate;
      bestDistance = between;
    }
  }
  return best;
}

/** `; did you mean "mtu"?`, or nothing. `decorate` writes the name as the user would (`--mtu`). */
export function didYouMean(
  name: string,
  candidates: Iterable<string>,
  decorate: (name: string) => string = (candidate) => candidate,
): string {
  const candidate = nearest(name, candidates);
  return candidate === undefined ? '' : `; did you mean "${decorate(candidate)}"?`;
}
