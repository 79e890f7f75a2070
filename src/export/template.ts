/**
 * Templates are data: a list of fields, each an Information Element, its size on the wire, and where its
 * value comes from. A Template is compiled once into a list of copies from a Flow Record to a Message (record-copy.ts);
 * NetFlow v9 and IPFIX share it.
 */

import type { FlowLayout, FlowRecord } from '../flow/flow-record.ts';
import {
  COPY_CONSTANT8,
  COPY_COUNTER,
  COPY_ICMP,
  COPY_OCTETS,
  COPY_SEGMENT,
  COPY_TIME,
  COPY_UINT8,
  COPY_UINT16,
  COPY_UINT24,
  COPY_UINT32,
  COPY_WORDS,
} from './copies.ts';
import { type Element, elementByName, ownElement } from './elements.ts';
import { type CopyStep, RecordCopy } from './record-copy.ts';

export interface TemplateField {
  readonly element: Element;
  /** Octets on the wire; 65535: variable (IPFIX only). */
  readonly size: number;
}

export class FlowTemplate {
  readonly id: number;
  readonly ipVersion: 4 | 6;
  readonly fields: readonly TemplateField[];
  /** Octets of a Data Record, but for those of its strings, which come last. */
  readonly recordLength: number;
  /** Octets from a Data Record's start to flowStartSysUpTime and flowEndSysUpTime; -1: not among the fields. */
  readonly startUptimeOffset: number;
  readonly endUptimeOffset: number;
  /** What a Data Record is made by, but for its strings. */
  readonly copy: RecordCopy;
  /** Where a record has the references of its strings, in their order on the wire, and what they point into. */
  readonly #strings: Int32Array;
  readonly #encoded: Uint8Array;
  /** The references of a record whose strings are emptied. */
  readonly #kept: Uint32Array;

  /**
   * @param fields in their order on the wire, those of variable length last: names of IANA's, `name:octets` for a reduced
   * size, or what is already taken apart
   * @param taken template IDs that other templates of the same exporter have
   * @param id that of a template of the same fields, which another kind of records has
   */
  constructor(
    fields: readonly (string | TemplateField)[],
    layout: FlowLayout,
    taken: ReadonlySet<number>,
    id?: number,
  ) {
    this.ipVersion = layout.ipVersion;
    this.fields = fields.map((field) => (typeof field === 'string' ? parseField(field) : field));
    this.id = id ?? templateId(this.fields, taken);
    const steps: CopyStep[] = [];
    const offsets = new Map<string, number>();
    const strings: number[] = [];
    let to = 0;
    for (const field of this.fields) {
      if (field.size === VARIABLE) {
        strings.push(layout.fields.get(field.element.name)!.offset);
        continue;
      }
      if (strings.length > 0) throw new Error('fields of variable length come last'); // a fault of the program
      offsets.set(field.element.name, to);
      steps.push(step(field, to, layout));
      to += field.size;
    }
    this.recordLength = to;
    this.startUptimeOffset = offsets.get('flowStartSysUpTime') ?? -1;
    this.endUptimeOffset = offsets.get('flowEndSysUpTime') ?? -1;
    this.copy = new RecordCopy(steps, to, layout);
    this.#strings = Int32Array.from(strings);
    this.#kept = new Uint32Array(strings.length);
    this.#encoded = layout.strings ?? new Uint8Array(0);
  }

  get hasStrings(): boolean {
    return this.#strings.length > 0;
  }

  /** Octets of the record's Data Record. */
  lengthOf(record: FlowRecord): number {
    let length = this.recordLength;
    const strings = this.#strings;
    for (let i = 0; i < strings.length; i++) length += this.#stringOctets(record, strings[i]!);
    return length;
  }

  /** Writes the strings of one Data Record at `at`, where its other fields end. */
  encodeStrings({ view, offset }: FlowRecord, target: Uint8Array, at: number): void {
    const strings = this.#strings;
    const encoded = this.#encoded;
    let to = at;
    for (let i = 0; i < strings.length; i++) {
      const from = view.getUint32(offset + strings[i]!, true);
      const end = from + encodedOctets(encoded, from);
      for (let k = from; k < end; k++) target[to++] = encoded[k]!;
    }
  }

  /**
   * Empties the longest strings of a record until its Data Record has no more than `octets`. {@link restore} puts them back.
   * @returns false: it has more without any string
   */
  shorten(record: FlowRecord, octets: number): boolean {
    const { view, offset } = record;
    const strings = this.#strings;
    for (let i = 0; i < strings.length; i++) this.#kept[i] = view.getUint32(offset + strings[i]!, true);
    let length = this.lengthOf(record);
    while (length > octets) {
      let longest = 0;
      for (let i = 1; i < strings.length; i++) {
        if (this.#stringOctets(record, strings[i]!) > this.#stringOctets(record, strings[longest]!))
          longest = i;
      }
      const saved = this.#stringOctets(record, strings[longest]!) - 1;
      if (saved === 0) return false;
      view.setUint32(offset + strings[longest]!, EMPTY_STRING, true);
      length -= saved;
    }
    return true;
  }

  /** The record is again what it was before {@link shorten}: others have it next. */
  restore({ view, offset }: FlowRecord): void {
    const strings = this.#strings;
    for (let i = 0; i < strings.length; i++) view.setUint32(offset + strings[i]!, this.#kept[i]!, true);
  }

  #stringOctets({ view, offset }: FlowRecord, field: number): number {
    return encodedOctets(this.#encoded, view.getUint32(offset + field, true));
  }
}

/** biflowDirection: the source of the biflow is who began it, as far as the first packet can tell (RFC 5103 §6.3). */
const INITIATOR = 1;

/** The reference of the string of no octets (FlowLayout.strings). */
const EMPTY_STRING = 0;

/** The length in a field specifier that says: each record tells it (RFC 7011 §7). */
const VARIABLE = 65535;

/** Octets of a string and its length. */
function encodedOctets(encoded: Uint8Array, from: number): number {
  const short = encoded[from]!;
  return short < 255 ? 1 + short : 3 + ((encoded[from + 1]! << 8) | encoded[from + 2]!);
}

function parseField(name: string): TemplateField {
  const [elementName, size] = name.split(':');
  const element = elementByName(elementName!);
  return { element, size: size === undefined ? element.size : Number(size) };
}

function step({ element, size }: TemplateField, to: number, layout: FlowLayout): CopyStep {
  const { name } = element;
  if (name === 'ipVersion') return { copy: COPY_CONSTANT8, from: layout.ipVersion, to, size };
  if (name === 'flowStartSysUpTime' || name === 'flowEndSysUpTime') {
    const time = name === 'flowStartSysUpTime' ? 'flowStartMilliseconds' : 'flowEndMilliseconds';
    return { copy: COPY_TIME, from: layout.fields.get(time)!.offset, to, size };
  }
  if (name === 'biflowDirection') return { copy: COPY_CONSTANT8, from: INITIATOR, to, size };
  if (name.startsWith('reverseIcmpTypeCode')) {
    return { copy: COPY_ICMP, from: layout.fields.get('reverseDestinationTransportPort')!.offset, to, size };
  }
  if (name.startsWith('icmpTypeCode')) {
    return { copy: COPY_ICMP, from: layout.fields.get('destinationTransportPort')!.offset, to, size };
  }
  // The VLAN has two names: collectors of NetFlow know vlanId (58), those of IPFIX dot1qVlanId (243).
  const field = layout.fields.get(name === 'dot1qVlanId' ? 'vlanId' : name);
  if (field === undefined) throw new Error(`a Flow Record has no field ${name}`);
  const { offset: from, kind } = field;
  switch (kind) {
    case 'network':
      return { copy: size % 4 === 0 ? COPY_WORDS : COPY_OCTETS, from, to, size };
    case 'segment':
      return { copy: COPY_SEGMENT, from, to, size };
    case 'float64':
      return { copy: COPY_COUNTER, from, to, size };
    case 'uint8':
      return { copy: COPY_UINT8, from, to, size };
    case 'uint16':
      return { copy: size === 1 ? COPY_UINT8 : COPY_UINT16, from, to, size };
    default:
      return { copy: size === 3 ? COPY_UINT24 : COPY_UINT32, from, to, size };
  }
}

/**
 * A Template ID that follows from the fields, so that it means the same after a restart (256 to 65535;
 * RFC 7011 §3.4.1, RFC 3954 §5.2). FNV-1a over the field specifiers; the next free one if that is taken.
 */
export function templateId(fields: readonly TemplateField[], taken: ReadonlySet<number>): number {
  let hash = 0x811c9dc5;
  for (const { element, size } of fields) {
    const { id, enterprise } = element;
    const number = [enterprise >>> 24, enterprise >> 16, enterprise >> 8, enterprise].map((n) => n & 0xff);
    for (const octet of [id >> 8, id & 0xff, size >> 8, size & 0xff, ...(enterprise === 0 ? [] : number)]) {
      hash = Math.imul(hash ^ octet, 0x01000193);
    }
  }
  // A small integer to V8, which would otherwise make what holds it anew, and compile again what reads that.
  let id = (256 + ((hash >>> 0) % (65536 - 256))) | 0;
  while (taken.has(id)) id = id === 65535 ? 256 : id + 1;
  return id;
}

/** The reverse direction of a biflow (RFC 5103). What identifies it, mirrored, is not said again. */
function reverseNames(
  ipVersion: 4 | 6,
  octets: 1 | 2,
  fields: 'standard' | 'full',
  routes: boolean,
  enterprise: number | undefined,
): (string | TemplateField)[] {
  const names: (string | TemplateField)[] = [
    'biflowDirection',
    'reverseIpClassOfService',
    `reverseTcpControlBits:${octets}`,
    `reverseIcmpTypeCodeIPv${ipVersion}`,
    'reverseIngressInterface',
    'reverseVlanId',
    'reversePacketDeltaCount',
    'reverseOctetDeltaCount',
    'reverseFlowStartMilliseconds',
    'reverseFlowEndMilliseconds',
  ];
  if (routes) names.push('reverseEgressInterface', `reverseIpNextHopIPv${ipVersion}Address`);
  if (fields === 'full') {
    names.push(
      'reverseMinimumTTL',
      'reverseMaximumTTL',
      'reverseTcpSynTotalCount:4',
      'reverseTcpFinTotalCount:4',
      'reverseTcpRstTotalCount:4',
      'reverseInitialTCPFlags',
      'reverseUnionTCPFlags',
      'RETRANSMITTED_OUT_PKTS',
      'OOORDER_IN_PKTS',
      'TCP_WIN_MIN_OUT',
    );
    names.push(...ownFields(['reverseTcpZeroWindowDeltaCount'], enterprise));
  }
  return names;
}

/** Fields that leave under an enterprise number, where one is configured. */
function ownFields(names: readonly string[], enterprise: number | undefined): TemplateField[] {
  if (enterprise === undefined) return [];
  return names.map((name) => {
    const element = ownElement(name, enterprise);
    return { element, size: element.size };
  });
}

/** What `--fields full` tells of TCP. IANA has no elements for it, so that only IPFIX can carry it. */
const TCP_INSIGHT = [
  'initialTCPFlags',
  'unionTCPFlags',
  'TCP_HANDSHAKE_RTT_USEC',
  'RETRANSMITTED_IN_PKTS',
  'OOORDER_OUT_PKTS',
  'TCP_WIN_MIN_IN',
];

/** Field names of a flow Template, in their order on the wire. */
export function flowTemplateNames(
  ipVersion: 4 | 6,
  options: {
    fields: 'standard' | 'full';
    routes: boolean;
    /** Of TUNNEL_FIELDS, those that records have. */
    tunnelFields?: readonly string[];
    tcpControlBitsOctets: 1 | 2;
    netflow9: boolean;
    biflow: boolean;
    /** Under which IPFIX carries what nobody has published an element for; undefined: it does not. */
    enterprise?: number | undefined;
  },
): (string | TemplateField)[] {
  const names: (string | TemplateField)[] = [
    `sourceIPv${ipVersion}Address`,
    `destinationIPv${ipVersion}Address`,
    'sourceTransportPort',
    'destinationTransportPort',
    'protocolIdentifier',
    'ipClassOfService',
    `tcpControlBits:${options.tcpControlBitsOctets}`,
    // v9's ICMP_TYPE (32) serves both IP versions (RFC 3954 §8); nfdump knows no other there.
    options.netflow9 ? 'icmpTypeCodeIPv4' : `icmpTypeCodeIPv${ipVersion}`,
    'ipVersion',
    'flowEndReason',
    'ingressInterface',
    'vlanId',
    'dot1qVlanId',
    'packetDeltaCount',
    'octetDeltaCount',
    'flowStartMilliseconds',
    'flowEndMilliseconds',
    ...(options.tunnelFields ?? []),
  ];
  if (options.routes) {
    names.push(
      'egressInterface',
      `ipNextHopIPv${ipVersion}Address`,
      `sourceIPv${ipVersion}PrefixLength`,
      `destinationIPv${ipVersion}PrefixLength`,
    );
  }
  if (options.fields === 'full') {
    names.push(
      'sourceMacAddress',
      'destinationMacAddress',
      'dot1qCustomerVlanId',
      'minimumTTL',
      'maximumTTL',
      'mplsTopLabelStackSection',
      'mplsLabelStackSection2',
      'fragmentIdentification',
      'tcpSynTotalCount:4',
      'tcpFinTotalCount:4',
      'tcpRstTotalCount:4',
    );
    if (ipVersion === 6) names.push('flowLabelIPv6');
    if (!options.netflow9)
      names.push(...TCP_INSIGHT, ...ownFields(['tcpZeroWindowDeltaCount'], options.enterprise));
  }
  if (options.biflow) {
    const { tcpControlBitsOctets, fields, routes, enterprise } = options;
    names.push(...reverseNames(ipVersion, tcpControlBitsOctets, fields, routes, enterprise));
  }
  if (options.netflow9) names.push('flowStartSysUpTime', 'flowEndSysUpTime');
  return names;
}
