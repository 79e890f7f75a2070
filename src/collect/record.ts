/** What a collector hands on: one decoded record. */

import type { Element } from '../export/elements.ts';

/**
 * A value: a number up to 2^53 − 1, a bigint above; text for addresses, MAC addresses and strings; lower-case
 * hexadecimal digits for octetArray.
 */
export type Value = number | bigint | string | boolean;

/** One field of every record of a Template. */
export interface RecordField {
  /**
   * The IANA name; `reverse…` for the other direction of a biflow (RFC 5103 §6); `elementN` or
   * `enterpriseE.elementN` for what is not known. A field that comes again in its Template has `#2`, `#3`, …
   */
  readonly name: string;
  /** It says what the other fields are about (RFC 7011 §3.4.2.1). Only in options data. */
  readonly scope: boolean;
  /** Its text is the exporter's own and may hold any character. */
  readonly freeText: boolean;
}

/** Builds a {@link RecordField}. */
export function recordField(name: string, scope: boolean, freeText: boolean): RecordField {
  return { name, scope, freeText };
}

/** What the records of one Template have in common. */
export class RecordShape {
  readonly fields: readonly RecordField[];
  /** Options data (about the exporter) instead of Flow Records. */
  readonly options: boolean;
  /** What stands before each value in JSON: `{"name":`, and from the second on `,"name":`. */
  readonly jsonPrefixes: readonly string[];
  readonly #indexes: ReadonlyMap<string, number>;

  constructor(fields: readonly RecordField[], options: boolean) {
    const unique = distinguish(fields);
    this.fields = unique;
    this.options = options;
    this.jsonPrefixes = unique.map(({ name }, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`);
    this.#indexes = new Map(unique.map((field, index) => [field.name, index]));
  }

  /** Where a field stands in {@link fields} and in the values of a record; -1: nowhere. */
  indexOf(name: string): number {
    return this.#indexes.get(name) ?? -1;
  }
}

/** A record in the order of its Template. Never reused: it may be kept. */
export interface DecodedRecord {
  readonly shape: RecordShape;
  /** One for each of the shape's fields. */
  readonly values: readonly Value[];
}

/** The value of a field, or undefined where the record has no such field. */
export function fieldValue(record: DecodedRecord, name: string): Value | undefined {
  return record.values[record.shape.indexOf(name)];
}

/** A Template may hold an Information Element several times, and the order matters (RFC 7011 §8). */
function distinguish(fields: readonly RecordField[]): RecordField[] {
  const seen = new Map<string, number>();
  return fields.map((field) => {
    const times = (seen.get(field.name) ?? 0) + 1;
    seen.set(field.name, times);
    return times === 1 ? field : recordField(`${field.name}#${times}`, field.scope, field.freeText);
  });
}

/** The field of an element that the registry knows; one object for all Templates. */
export function elementField(element: Element, scope: boolean): RecordField {
  const cache = scope ? scopeFields : plainFields;
  let field = cache.get(element.name);
  if (field === undefined) {
    field = recordField(element.name, scope, element.type === 'string');
    cache.set(element.name, field);
  }
  return field;
}
const plainFields = new Map<string, RecordField>();
const scopeFields = new Map<string, RecordField>();
