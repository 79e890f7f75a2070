/** A Template, compiled once into a list of readers. NetFlow v9 and IPFIX share it. */

import type { MalformedReason } from './problems.ts';
import { type DecodedRecord, type RecordField, RecordShape, type Value } from './record.ts';
import type { FieldReader, UptimeBase } from './values.ts';

/** Length of a field whose every value says its own (RFC 7011 §7). IPFIX only. */
export const VARIABLE_LENGTH = 65535;

/** Octets that only align what follows (IANA 210, paddingOctets): no value. */
export const PADDING_OCTETS = 210;

/** A field as a Template Record specifies it. */
export interface FieldSpecifier {
  readonly id: number;
  /** 0: IANA's. */
  readonly enterprise: number;
  /** Octets; {@link VARIABLE_LENGTH}, in IPFIX: variable. */
  readonly length: number;
  readonly scope: boolean;
}

/** What a version makes of a field specifier; undefined: a field to step over. */
export interface ResolvedField {
  readonly field: RecordField;
  readonly read: FieldReader;
}

/** One field on the wire. */
interface WireField {
  /** Octets from the record's start, where no field before it is variable. */
  readonly offset: number;
  /** Octets; -1: variable. */
  readonly length: number;
  /** undefined: stepped over. */
  readonly read: FieldReader | undefined;
}

export class Template {
  /** 256 to 65535. */
  readonly id: number;
  readonly specifiers: readonly FieldSpecifier[];
  readonly shape: RecordShape;
  /** The same for the same definition, and only then. */
  readonly signature: string;
  /** Octets of the smallest record; at least 1. */
  readonly minimumLength: number;
  /** What it takes to keep, in fields; the Template itself counts as four. */
  readonly cost: number;
  readonly #wire: readonly WireField[];
  readonly #variable: boolean;

  constructor(
    id: number,
    specifiers: readonly FieldSpecifier[],
    wire: readonly WireField[],
    shape: RecordShape,
  ) {
    this.id = id;
    this.specifiers = specifiers;
    this.shape = shape;
    this.signature = signatureOf(specifiers, shape.options);
    this.cost = specifiers.length + 4;
    this.#variable = wire.some((field) => field.length < 0);
    this.minimumLength = wire.reduce((sum, { length }) => sum + (length < 0 ? 1 : length), 0);
    // Where offsets are fixed, what is stepped over need not be looked at again.
    this.#wire = this.#variable ? wire : wire.filter((field) => field.read !== undefined);
  }

  /**
   * Reads the records of a Data Set from `from` up to `to`, and appends them.
   * @returns where the padding begins; -1: a variable-length field ends beyond `to`
   */
  readRecords(view: DataView, from: number, to: number, base: UptimeBase, records: DecodedRecord[]): number {
    let at = from;
    while (to - at >= this.minimumLength) {
      const values: Value[] = [];
      at = this.#variable
        ? this.#readVariable(view, at, to, base, values)
        : this.#readFixed(view, at, base, values);
      if (at < 0) return -1;
      records.push({ shape: this.shape, values });
    }
    return at;
  }

  #readFixed(view: DataView, at: number, base: UptimeBase, values: Value[]): number {
    for (const field of this.#wire) values.push(field.read!(view, at + field.offset, field.length, base));
    return at + this.minimumLength;
  }

  #readVariable(view: DataView, from: number, to: number, base: UptimeBase, values: Value[]): number {
    let at = from;
    for (const field of this.#wire) {
      let length = field.length;
      if (length < 0) {
        // One octet up to 254, else 255 and two octets (RFC 7011 §7).
        if (at + 1 > to) return -1;
        length = view.getUint8(at++);
        if (length === 255) {
          if (at + 2 > to) return -1;
          length = view.getUint16(at);
          at += 2;
        }
      }
      if (at + length > to) return -1;
      if (field.read !== undefined) values.push(field.read(view, at, length, base));
      at += length;
    }
    return at;
  }
}

/**
 * Compiles a definition.
 * @param resolve what the version makes of each field that has octets: a string says why it cannot be
 */
export function compileTemplate(
  id: number,
  specifiers: readonly FieldSpecifier[],
  options: boolean,
  resolve: (specifier: FieldSpecifier) => ResolvedField | undefined | MalformedReason,
): Template | MalformedReason {
  const wire: WireField[] = [];
  const fields: RecordField[] = [];
  let offset = 0;
  for (const specifier of specifiers) {
    // A field of no octets says nothing. Left out, a record has no more values than octets: the bound on memory.
    if (specifier.length === 0) continue;
    const resolved = resolve(specifier);
    if (typeof resolved === 'string') return resolved;
    const variable = specifier.length === VARIABLE_LENGTH;
    wire.push({ offset, length: variable ? -1 : specifier.length, read: resolved?.read });
    if (resolved !== undefined) fields.push(resolved.field);
    offset += variable ? 1 : specifier.length;
  }
  if (offset === 0) return 'zero_length_record';
  return new Template(id, specifiers, wire, new RecordShape(fields, options));
}

/** A definition in one string, to tell a refresh from a redefinition. */
function signatureOf(specifiers: readonly FieldSpecifier[], options: boolean): string {
  const fields = specifiers.map(
    ({ id, enterprise, length, scope }) => `${scope ? 's' : ''}${enterprise}.${id}:${length}`,
  );
  return `${options ? 'options' : 'data'} ${fields.join(' ')}`;
}
