/** NetFlow v9 (RFC 3954). */

import { elementById } from '../export/elements.ts';
import { hexText } from './address-text.ts';
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
import {
  compileTemplate,
  type FieldSpecifier,
  PADDING_OCTETS,
  type ResolvedField,
  VARIABLE_LENGTH,
} from './template.ts';
import { readerFor, readUptime } from './values.ts';

const HEADER_OCTETS = 20;
const FIELD_OCTETS = 4;
const TEMPLATE_HEADER_OCTETS = 4;
const OPTIONS_TEMPLATE_HEADER_OCTETS = 6;

const SPECIAL_SETS: ReadonlyMap<number, SetDecoder> = new Map([
  [0, templateFlowSet],
  [1, optionsTemplateFlowSet],
]);

/** Decodes one Export Packet. */
export function decodeNetflow9(message: IncomingMessage): MalformedReason | undefined {
  const { view, base, counters } = message;
  if (message.length < HEADER_OCTETS) return 'truncated_header';
  const fault = checkSets(message, HEADER_OCTETS);
  if (fault !== undefined) return fault;

  const count = view.getUint16(2);
  base.sysUptimeMilliseconds = view.getUint32(4);
  base.unixMilliseconds = view.getUint32(8) * 1000;
  message.exportTimeMilliseconds = base.unixMilliseconds;
  message.sequenceNumber = view.getUint32(12);
  message.observationDomainId = view.getUint32(16);
  message.openSession();
  counters.lostPackets += message.checkSequence();
  counters.lostPackets -= message.session.sequence.advance(1);

  const inside = decodeSets(message, HEADER_OCTETS, SPECIAL_SETS);
  if (inside !== undefined) return inside;
  // Records of all kinds (RFC 3954 §5.1). Those whose Template is not known cannot be told from each other.
  if (message.missingTemplates === 0 && count !== message.records.length + message.templateRecords) {
    message.odd('wrong_count');
  }
  return undefined;
}

/** RFC 3954 §5.2. */
function templateFlowSet(message: IncomingMessage, from: number, to: number): MalformedReason | undefined {
  const { view } = message;
  let at = from;
  while (to - at >= TEMPLATE_HEADER_OCTETS) {
    message.at = at;
    const id = view.getUint16(at);
    const count = view.getUint16(at + 2);
    const end = at + TEMPLATE_HEADER_OCTETS + count * FIELD_OCTETS;
    if (id < FIRST_TEMPLATE_ID) return 'bad_template_id';
    if (count === 0) return 'empty_template';
    if (end > to) return 'truncated_template';
    const fault = define(message, id, readSpecifiers(view, at + TEMPLATE_HEADER_OCTETS, end, false), false);
    if (fault !== undefined) return fault;
    at = end;
  }
  checkPadding(message, at, to);
  return undefined;
}

/** RFC 3954 §6.1: the lengths of the scope's and the options' specifiers are in octets. */
function optionsTemplateFlowSet(
  message: IncomingMessage,
  from: number,
  to: number,
): MalformedReason | undefined {
  const { view } = message;
  let at = from;
  while (to - at >= OPTIONS_TEMPLATE_HEADER_OCTETS) {
    message.at = at;
    const id = view.getUint16(at);
    const scopeOctets = view.getUint16(at + 2);
    const optionOctets = view.getUint16(at + 4);
    const scopes = at + OPTIONS_TEMPLATE_HEADER_OCTETS;
    const options = scopes + scopeOctets;
    const end = options + optionOctets;
    if (id < FIRST_TEMPLATE_ID) return 'bad_template_id';
    if (scopeOctets % FIELD_OCTETS !== 0 || optionOctets % FIELD_OCTETS !== 0) return 'bad_scope';
    if (end === scopes) return 'empty_template';
    if (end > to) return 'truncated_template';
    const specifiers = [
      ...readSpecifiers(view, scopes, options, true),
      ...readSpecifiers(view, options, end, false),
    ];
    const fault = define(message, id, specifiers, true);
    if (fault !== undefined) return fault;
    at = end;
  }
  checkPadding(message, at, to);
  return undefined;
}

function readSpecifiers(view: DataView, from: number, to: number, scope: boolean): FieldSpecifier[] {
  const specifiers: FieldSpecifier[] = [];
  for (let at = from; at < to; at += FIELD_OCTETS) {
    specifiers.push({ id: view.getUint16(at), enterprise: 0, length: view.getUint16(at + 2), scope });
  }
  return specifiers;
}

function define(
  message: IncomingMessage,
  id: number,
  specifiers: readonly FieldSpecifier[],
  options: boolean,
): MalformedReason | undefined {
  if (specifiers.length > message.store.limits.fieldsPerTemplate) return 'too_many_fields';
  const present = new Set(specifiers.filter(({ scope }) => !scope).map((specifier) => specifier.id));
  const template = compileTemplate(id, specifiers, options, (specifier) => resolve(specifier, present));
  if (typeof template === 'string') return template;
  message.templateRecords++;
  keepTemplate(message, template);
  return undefined;
}

/** Absolute times say the same as times in SysUptime, and need no header: by field, the one and the other. */
const ABSOLUTE_TIMES: ReadonlyMap<number, number> = new Map([
  [21, 153], // LAST_SWITCHED, flowEndMilliseconds
  [22, 152], // FIRST_SWITCHED, flowStartMilliseconds
]);

/** ICMP_TYPE (RFC 3954 §8) says nothing of the IP version; IANA has a name for each: that of the record's addresses. */
const ICMP_TYPE = 32;
const ICMP_TYPE_CODE_IPV6 = 139;
const SOURCE_IPV6_ADDRESS = 27;

/** v9 has no types of its own: a field whose length does not suit its element is given as its octets. */
function resolve(
  specifier: FieldSpecifier,
  present: ReadonlySet<number>,
): ResolvedField | MalformedReason | undefined {
  const { id, length, scope } = specifier;
  // v9 knows no variable length, and no datagram holds that much.
  if (length === VARIABLE_LENGTH) return 'bad_field_length';
  if (scope) return resolveScope(id, length);
  if (id === PADDING_OCTETS) return undefined;
  const absolute = ABSOLUTE_TIMES.get(id);
  if (absolute !== undefined && length === 4) {
    if (present.has(absolute)) return undefined;
    return { field: elementField(elementById(absolute)!, false), read: readUptime };
  }
  const isIcmpv6 = id === ICMP_TYPE && present.has(SOURCE_IPV6_ADDRESS) && !present.has(ICMP_TYPE_CODE_IPV6);
  const element = elementById(isIcmpv6 ? ICMP_TYPE_CODE_IPV6 : id);
  if (element === undefined) return { field: recordField(`element${id}`, false, false), read: hexText };
  return { field: elementField(element, false), read: readerFor(element.type, length) ?? hexText };
}

/** RFC 3954 §6.1: scope types are numbers of their own. They have IANA's names where IANA has their meaning. */
const SCOPES: ReadonlyMap<number, string> = new Map([
  [1, 'scopeSystem'],
  [2, 'ingressInterface'],
  [3, 'lineCardId'],
  [4, 'scopeCache'],
  [5, 'templateId'],
]);

function resolveScope(type: number, length: number): ResolvedField {
  const name = SCOPES.get(type);
  const read = name === undefined ? undefined : readerFor('unsigned64', length);
  return { field: recordField(name ?? `scope${type}`, true, false), read: read ?? hexText };
}
