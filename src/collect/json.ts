/** A record as one line of JSON. */

import type { DecodedRecord } from './record.ts';

/**
 * One JSON object without a line feed, its keys in the record's order. Numbers up to 2^53 − 1 are JSON numbers, larger
 * ones decimal strings; times are whole numbers of what their name says (`flowStartMilliseconds`: milliseconds) since
 * 1970; octetArrays are hexadecimal digits.
 */
export function recordToJson(record: DecodedRecord): string {
  const { fields, jsonPrefixes } = record.shape;
  const { values } = record;
  if (values.length === 0) return '{}';
  let json = '';
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    json += jsonPrefixes[index]!;
    if (typeof value === 'string') json += fields[index]!.freeText ? quote(value) : `"${value}"`;
    else json += typeof value === 'bigint' ? `"${value}"` : value;
  }
  return `${json}}`;
}

/**
 * Text of the exporter's making. JSON escapes what is below U+0020; DEL and the C1 controls, which terminals obey too,
 * and the two line separators are escaped as well.
 */
function quote(text: string): string {
  return JSON.stringify(text).replace(/[\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
