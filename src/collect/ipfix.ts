/** IPFIX (RFC 7011). */

import { type Element, elementById, REVERSE_ENTERPRISE } from '../export/elements.ts';
import type { IncomingMessage } from './message.ts';
import type { MalformedReason } from './problems.ts';
import { elementField, recordField } from './record.ts';
import {
  checkPadding,
  checkSets,
  decodeSets,
  FIRST_TEMPLATE_ID,
  keepTemplate,
  type SetDecoder,
} from './sets.ts';
import { compileTemplate, type FieldSpecifier, PADDING_OCTETS, type ResolvedField } from './template.ts';
import type { ExporterSession } from './template-store.ts';
import { readerFor } from './values.ts';

export const IPFIX_VERSION = 10;
export const IPFIX_HEADER_OCTETS = 16;

const TEMPLATE_SET = 2;
const OPTIONS_TEMPLATE_SET = 3;
/** Template ID and Field Count; a withdrawal has no more (§8.1). */
const TEMPLATE_HEADER_OCTETS = 4;
const ENTERPRISE_BIT = 0x8000;

const SPECIAL_SETS: ReadonlyMap<number, SetDecoder> = new Map([
  [TEMPLATE_SET, (message, from, to) => templateSet(message, from, to, false)],
  [OPTIONS_TEMPLATE_SET, (message, from, to) => templateSet(message, from, to, true)],
]);

/** Decodes one Message. */
export function decodeIpfix(message: IncomingMessage): MalformedReason | undefined {
  const { view, counters } = message;
  if (message.length < IPFIX_HEADER_OCTETS) return 'truncated_header';
  if (view.getUint16(2) !== message.length) return 'bad_message_length';
  const fault = checkSets(message, IPFIX_HEADER_OCTETS);
  if (fault !== undefined) return fault;

  message.exportTimeMilliseconds = view.getUint32(4) * 1000;
  message.sequenceNumber = view.getUint32(8);
  message.observationDomainId = view.getUint32(12);
  message.openSession();
  counters.lostRecords += message.checkSequence();
  const inside = decodeSets(message, IPFIX_HEADER_OCTETS, SPECIAL_SETS);
  // The records of a discarded message are lost: the next message's number shows it.
  if (inside !== undefined) return inside;
  const records = message.missingTemplates === 0 ? message.records.length : -1;
  counters.lostRecords -= message.session.sequence.advance(records);
  return undefined;
}

/** Template Records (§3.4.1), Options Template Records (§3.4.2) and withdrawals of either (§8.1). */
function templateSet(
  message: IncomingMessage,
  from: number,
  to: number,
  options: boolean,
): MalformedReason | undefined {
  const { view } = message;
  let at = from;
  while (to - at >= TEMPLATE_HEADER_OCTETS) {
    message.at = at;
    const id = view.getUint16(at);
    const count = view.getUint16(at + 2);
    at += TEMPLATE_HEADER_OCTETS;
    if (count === 0) {
      withdraw(message, id, options);
      continue;
    }
    if (id < FIRST_TEMPLATE_ID) return 'bad_template_id';
    let scopes = 0;
    if (options) {
      if (to - at < 2) return 'truncated_template';
      scopes = view.getUint16(at);
      at += 2;
      if (scopes === 0 || scopes > count) return 'bad_scope';
    }
    if (count > message.store.limits.fieldsPerTemplate) return 'too_many_fields';
    const specifiers: FieldSpecifier[] = [];
    for (let index = 0; index < count; index++) {
      const enterprise = to - at >= 4 && (view.getUint16(at) & ENTERPRISE_BIT) !== 0;
      const end = at + (enterprise ? 8 : 4);
      if (end > to) return 'truncated_template';
      specifiers.push({
        id: view.getUint16(at) & ~ENTERPRISE_BIT,
        enterprise: enterprise ? view.getUint32(at + 4) : 0,
        length: view.getUint16(at + 2),
        scope: index < scopes,
      });
      at = end;
    }
    const template = compileTemplate(id, specifiers, options, (each) =>
      resolve(each, message.session.elements),
    );
    if (typeof template === 'string') return template;
    message.templateRecords++;
    keepTemplate(message, template);
  }
  checkPadding(message, at, to);
  return undefined;
}

/** ID 2 in a Template Set and 3 in an Options Template Set withdraw all of their kind. */
function withdraw(message: IncomingMessage, id: number, options: boolean): void {
  const { session, store } = message;
  message.templateRecords++;
  if (message.source.transport !== 'tcp') {
    message.odd('withdrawal_over_udp');
  } else if (id === (options ? OPTIONS_TEMPLATE_SET : TEMPLATE_SET)) {
    for (const template of session.templates.values()) {
      if (template.shape.options === options) store.withdraw(session, template.id);
    }
  } else if (!store.withdraw(session, id)) {
    message.odd('unknown_withdrawal');
  }
}

/** Compiles anew the Templates of a session that has told more of its elements. */
export function recompileTemplates(session: ExporterSession): void {
  for (const [id, { specifiers, shape }] of session.templates) {
    const template = compileTemplate(id, specifiers, shape.options, (each) =>
      resolve(each, session.elements),
    );
    // One that does not fit what was told of its elements stays as it was.
    if (typeof template !== 'string') session.templates.set(id, template);
  }
}

/** @param learned what the exporter has told of elements that the registry does not know */
function resolve(
  specifier: FieldSpecifier,
  learned: ReadonlyMap<string, Element>,
): ResolvedField | MalformedReason | undefined {
  const { id, enterprise, length, scope } = specifier;
  const reverse = enterprise === REVERSE_ENTERPRISE;
  if (id === PADDING_OCTETS && enterprise === 0) return undefined;
  const element = elementById(id, reverse ? 0 : enterprise);
  const told = element === undefined && learned.size > 0 ? learned.get(`${enterprise}.${id}`) : undefined;
  if (told !== undefined) {
    const read = readerFor(told.type, length);
    // A length that its type cannot have: the Template is believed, and the name is not.
    if (read !== undefined) return { field: recordField(told.name, scope, told.type === 'string'), read };
  }
  const read = readerFor(element?.type, length);
  if (read === undefined) return 'bad_field_length';
  if (element === undefined) {
    const name = enterprise === 0 ? `element${id}` : `enterprise${enterprise}.element${id}`;
    return { field: recordField(name, scope, false), read };
  }
  if (!reverse) return { field: elementField(element, scope), read };
  const name = `reverse${element.name[0]!.toUpperCase()}${element.name.slice(1)}`;
  return { field: recordField(name, scope, element.type === 'string'), read };
}
