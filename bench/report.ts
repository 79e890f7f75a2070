/** What a part of the benchmark found, and how it is printed. */
import type { Spread } from './statistics.ts';

/** A ratio or a size, and what the project demands of it, if anything. */
export interface Verdict {
  readonly what: string;
  readonly value: Spread;
  readonly unit?: string;
  /** Undefined: shown for orientation. */
  readonly demand?: { readonly relation: '<=' | '>='; readonly value: number };
}

export interface Section {
  readonly title: string;
  /** How it was measured. */
  readonly notes: readonly string[];
  /** Left-aligned first column, the others right-aligned. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly verdicts: readonly Verdict[];
  /** Who or what took no part, and why. */
  readonly skipped: readonly string[];
  /** Results of Weir that are wrong; figures of a wrong result are worth nothing. */
  readonly faults: readonly string[];
}

export function isMet({ value, demand }: Verdict): boolean {
  if (demand === undefined) return true;
  return demand.relation === '<=' ? value.median <= demand.value : value.median >= demand.value;
}

/** Three significant digits, as a table shows them. */
export function figure(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

export function spreadText({ median, least, most }: Spread): string {
  return least === most ? figure(median) : `${figure(median)} (${figure(least)}–${figure(most)})`;
}

/** A section as plain text. */
export function sectionText(section: Section): string {
  const lines = ['', section.title, ''];
  for (const note of section.notes) lines.push(`  ${note}`);
  const table = [section.columns, ...section.rows];
  if (section.rows.length > 0) {
    const widths = section.columns.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
    lines.push('');
    for (const row of table) {
      const cells = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
      lines.push(`  ${cells.join('   ').trimEnd()}`);
    }
    lines.push('');
  }
  for (const verdict of section.verdicts) lines.push(`  ${verdictText(verdict)}`);
  for (const reason of section.skipped) lines.push(`  skipped: ${reason}`);
  for (const fault of section.faults) lines.push(`  WRONG: ${fault}`);
  return `${lines.join('\n')}\n`;
}

function verdictText(verdict: Verdict): string {
  const { what, value, unit, demand } = verdict;
  const measured = `${what}: ${spreadText(value)}${unit === undefined ? '' : ` ${unit}`}`;
  if (demand === undefined) return measured;
  const relation = demand.relation === '<=' ? 'at most' : 'at least';
  return `${measured}, demanded ${relation} ${demand.value}: ${isMet(verdict) ? 'met' : 'MISSED'}`;
}
