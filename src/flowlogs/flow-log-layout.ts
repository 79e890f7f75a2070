/**
 * A Flow Record of a flow log: head and Flow Key are those of flow/flow-record.ts, then comes what only flow logs tell.
 * One record is all the memory there is, so that IPv4's may have a gap where IPv6's addresses are longer: what follows
 * lies at the same words in both, and a line is parsed without knowing which it will be.
 */

import { type Element, sizeOfType } from '../export/elements.ts';
import type { TemplateField } from '../export/template.ts';
import { type FlowField, type FlowLayout, flowLayout } from '../flow/flow-record.ts';
import { fieldOf, LOG_FIELDS, type LogField, unknownField } from './fields.ts';
import { EGRESS_INTERFACE, FIRST_ENTERPRISE, VERDICT, VRF_NAME } from './flow-log-words.ts';
import type { LogFormat } from './log-object.ts';

/** How the records of one format lie, and where the fields under the enterprise number are. */
export interface FlowLogLayout {
  readonly layouts: readonly [ipv4: FlowLayout, ipv6: FlowLayout];
  /** In the order of the format; undefined: the field has no element of the enterprise's. */
  readonly enterpriseWords: readonly (number | undefined)[];
  /** What the fields are, in the order of the format. */
  readonly fields: readonly LogField[];
  /** Those that leave in IPFIX under an enterprise number. */
  readonly enterpriseFields: readonly LogField[];
}

/** The fields of a format, unknown ones included. */
export function fieldsOf(format: LogFormat): LogField[] {
  const taken = new Set<number>();
  return format.fields.map((name) => {
    const field = fieldOf(name) ?? unknownField(name, taken);
    taken.add(field.element);
    return field;
  });
}

/** The Information Element of a field under an enterprise number. */
export function elementOf({ name, role, element }: LogField, enterprise: number): Element {
  const type = role === 'unsigned8' || role === 'unsigned64' ? role : 'string';
  return { name, id: element, type, size: sizeOfType(type), enterprise };
}

/** Every field known that has an element under the enterprise number: what a collector needs to name them. */
export function flowLogElements(enterprise: number): Element[] {
  return LOG_FIELDS.filter(({ element }) => element !== 0).map((field) => elementOf(field, enterprise));
}

/**
 * @param withEnterprise fields without an element of IANA's have a place in the record
 * @param strings what the record's references point into
 */
export function flowLogLayout(
  format: LogFormat,
  withEnterprise: boolean,
  strings: Uint8Array,
): FlowLogLayout {
  const fields = fieldsOf(format);
  const has = (role: string): boolean => fields.some((field) => field.role === role);
  const enterpriseFields: LogField[] = [];
  const added = new Map<string, FlowField>();
  added.set('egressInterface', { offset: EGRESS_INTERFACE * 4, kind: 'uint32', size: 4 });
  added.set('forwardingStatus', { offset: VERDICT * 4, kind: 'uint8', size: 1 });
  added.set('firewallEvent', { offset: VERDICT * 4 + 1, kind: 'uint8', size: 1 });
  if (has('direction')) added.set('flowDirection', { offset: VERDICT * 4 + 2, kind: 'uint8', size: 1 });
  if (has('vpc')) added.set('VRFname', { offset: VRF_NAME * 4, kind: 'string', size: 4 });

  let words = FIRST_ENTERPRISE;
  const enterpriseWords = fields.map((field) => {
    if (!withEnterprise || field.element === 0) return undefined;
    if (field.role === 'source' && !has('packetSource')) return undefined;
    if (field.role === 'destination' && !has('packetDestination')) return undefined;
    enterpriseFields.push(field);
    const { type, size } = elementOf(field, 0);
    const kind = type === 'string' ? 'string' : type === 'unsigned8' ? 'uint8' : 'float64';
    const word = words;
    added.set(field.name, { offset: word * 4, kind, size: type === 'string' ? 4 : size });
    words += 2;
    return word;
  });

  const layout = (ipVersion: 4 | 6): FlowLayout => {
    const base = flowLayout(ipVersion, 'standard');
    return { ...base, words, fields: new Map([...base.fields, ...added]), strings };
  };
  return { layouts: [layout(4), layout(6)], enterpriseWords, fields, enterpriseFields };
}

/**
 * The fields of a Template, in their order on the wire. What a format does not tell is not among them, as far as collectors
 * can do without; and a flow log never tells of ToS, VLAN, ICMP's type or why a flow ended.
 */
export function flowLogTemplate(
  { layouts: [ipv4], enterpriseFields, fields }: FlowLogLayout,
  ipVersion: 4 | 6,
  enterprise: number | undefined,
  protocol: 'netflow9' | 'ipfix',
  tcpControlBitsOctets: 1 | 2,
): (string | TemplateField)[] {
  const names: (string | TemplateField)[] = [
    `sourceIPv${ipVersion}Address`,
    `destinationIPv${ipVersion}Address`,
    'sourceTransportPort',
    'destinationTransportPort',
    'protocolIdentifier',
    'ipVersion',
    'ingressInterface',
    'egressInterface',
    'forwardingStatus:1',
    'firewallEvent',
    'packetDeltaCount',
    'octetDeltaCount',
    'flowStartMilliseconds',
    'flowEndMilliseconds',
  ];
  if (fields.some(({ role }) => role === 'tcpFlags')) names.push(`tcpControlBits:${tcpControlBitsOctets}`);
  if (ipv4.fields.has('flowDirection')) names.push('flowDirection');
  if (protocol === 'netflow9') return [...names, 'flowStartSysUpTime', 'flowEndSysUpTime'];
  const elements =
    enterprise === undefined ? [] : enterpriseFields.map((field) => elementOf(field, enterprise));
  const isFixed = (element: Element): boolean => element.type !== 'string';
  names.push(...elements.filter(isFixed).map((element) => ({ element, size: element.size })));
  if (ipv4.fields.has('VRFname')) names.push('VRFname');
  const strings = elements.filter((element) => !isFixed(element));
  return [...names, ...strings.map((element) => ({ element, size: element.size }))];
}
