/** Compares records as multisets: the order in which records come is nobody's promise. */

type Fields = object;

/** What is in one and not in the other: empty where they are equal, each record on a line, the first few of many. */
export function differences(actual: readonly Fields[], expected: readonly Fields[]): string[] {
  const missing = count(expected);
  const surplus: string[] = [];
  for (const line of actual.map(canonical)) {
    const left = missing.get(line) ?? 0;
    if (left === 0) surplus.push(line);
    else missing.set(line, left - 1);
  }
  const lines = [...missing].flatMap(([line, times]) => new Array<string>(times).fill(`missing ${line}`));
  return [...lines, ...surplus.map((line) => `surplus ${line}`)].sort(byRecord).slice(0, 6);
}

function count(records: readonly Fields[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of records.map(canonical)) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

/** The same text for the same fields, whatever their order. */
function canonical(record: Fields): string {
  return JSON.stringify(Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** What is missing beside what came in its place. */
function byRecord(a: string, b: string): number {
  return a.slice(8) < b.slice(8) ? -1 : 1;
}
