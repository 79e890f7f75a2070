/**
 * The format of flow logs: which fields lines have, in which order. It is told by a header line, by a text such as
 * `${version} ${srcaddr}` (EC2's LogFormat), or by Parquet's schema, and never guessed by counting fields.
 */

import { fieldOf } from './fields.ts';
import type { LogFormat } from './log-object.ts';

/** A text that is no format; the message says what is wrong, and where. */
export class FormatError extends Error {}

/** More fields than AWS has by far: a header line is no place for a flood. */
const MOST_FIELDS = 256;
const MOST_NAME_OCTETS = 64;
const NAME = /^[a-z][a-z0-9-]*$/;

/**
 * A format from EC2's LogFormat, `${version} ${srcaddr} …`, or from a header line, `version srcaddr …`.
 * @throws FormatError
 */
export function parseFormat(text: string): LogFormat {
  const fields: string[] = [];
  for (const match of text.matchAll(/\S+/g)) {
    const [word] = match;
    const place = `at character ${match.index + 1}`;
    const name = /^\$\{([^}]*)\}$/.exec(word)?.[1] ?? word;
    // `${a}${b}`, `${a},${b}`: AWS separates by spaces alone.
    if (/[${}]/.test(name)) {
      throw new FormatError(`${quote(word)} ${place} is not \${name}: fields stand between spaces`);
    }
    add(fields, name, place);
  }
  return finish(fields);
}

/** A format from the columns of a Parquet file, whose names have underscores or hyphens. @throws FormatError */
export function formatOfColumns(columns: readonly string[]): LogFormat {
  const fields: string[] = [];
  for (const [i, column] of columns.entries()) {
    add(fields, column.toLowerCase().replaceAll('_', '-'), `in column ${i + 1}`);
  }
  return finish(fields);
}

/** True if a line is a header line: names and nothing else, half of them known at least. */
export function isHeader(line: string): boolean {
  const names = line.split(/\s+/).filter((name) => name !== '');
  const known = names.filter((name) => fieldOf(name) !== undefined).length;
  return known > 0 && known * 2 >= names.length && names.every((name) => NAME.test(name));
}

function add(fields: string[], name: string, place: string): void {
  if (!NAME.test(name) || name.length > MOST_NAME_OCTETS) {
    throw new FormatError(
      `${quote(name)} ${place} is no field name: those have lower-case letters, digits and hyphens`,
    );
  }
  if (fields.includes(name)) throw new FormatError(`${quote(name)} ${place} is there twice`);
  if (fields.length === MOST_FIELDS) throw new FormatError(`more than ${MOST_FIELDS} fields`);
  fields.push(name);
}

function finish(fields: readonly string[]): LogFormat {
  if (fields.length === 0) throw new FormatError('a format names at least one field');
  return { fields };
}

const quote = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

/** What EC2 writes where nothing else is asked for: version 2. */
export const DEFAULT_FORMAT: LogFormat = parseFormat(
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status',
);
