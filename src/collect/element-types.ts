/** What an exporter's options data tells of an enterprise's elements: their names and types (RFC 5610). */

import type { Element, ElementType } from '../export/elements.ts';
import { elementById, isElementName, sizeOfType } from '../export/elements.ts';
import { type DecodedRecord, fieldValue } from './record.ts';

/** The abstract data types by their number (RFC 5610 §3.1); those that Weir does not read are left out. */
const TYPES: ReadonlyMap<number, ElementType> = new Map([
  [0, 'octetArray'],
  [1, 'unsigned8'],
  [2, 'unsigned16'],
  [3, 'unsigned32'],
  [4, 'unsigned64'],
  [11, 'boolean'],
  [12, 'macAddress'],
  [13, 'string'],
  [14, 'dateTimeSeconds'],
  [15, 'dateTimeMilliseconds'],
  [16, 'dateTimeMicroseconds'],
  [17, 'dateTimeNanoseconds'],
  [18, 'ipv4Address'],
  [19, 'ipv6Address'],
]);
/** Of one exporter. */
const MOST_ELEMENTS = 256;
/** A name is a key of JSON and a word on a terminal: no room for anything else. */
const NAME = /^[A-Za-z][\w-]{0,127}$/;

/**
 * Takes what a record of options data tells of an element.
 * @param elements what was told so far, by `ENTERPRISE.ID`
 * @returns whether something is new
 */
export function learnElement(record: DecodedRecord, elements: Map<string, Element>): boolean {
  const enterprise = fieldValue(record, 'privateEnterpriseNumber');
  const id = fieldValue(record, 'informationElementId');
  const name = fieldValue(record, 'informationElementName');
  const type = TYPES.get(Number(fieldValue(record, 'informationElementDataType')));
  if (typeof enterprise !== 'number' || typeof id !== 'number' || typeof name !== 'string') return false;
  // Nobody but IANA says what its elements are, and none may pass for one of them.
  if (enterprise === 0 || type === undefined || !NAME.test(name) || isElementName(name)) return false;
  if (elementById(id & 0x7fff, enterprise) !== undefined) return false;
  const key = `${enterprise}.${id & 0x7fff}`;
  const known = elements.get(key);
  if (known?.name === name && known.type === type) return false;
  if (known === undefined && elements.size === MOST_ELEMENTS) return false;
  elements.set(key, { name, id: id & 0x7fff, type, size: sizeOfType(type), enterprise });
  return true;
}
