/**
 * Options data: how packets are sampled, the names of interfaces, and the statistics of the Metering and Exporting Processes
 * (RFC 7011 §4.1–4.3; RFC 3954 §6.1), so that a collector can tell loss from silence.
 */

import type { Sampling } from '../flow/sampler.ts';
import { type Element, type ElementType, elementByName } from './elements.ts';
import type { ControlData } from './format.ts';
import { MessageWriter } from './message-writer.ts';
import { type TemplateField, templateId } from './template.ts';

/** One Options Template and the rows that it describes. */
export interface OptionsTable {
  readonly id: number;
  /** Scope first. */
  readonly fields: readonly TemplateField[];
  /** Scope fields; in v9 exactly one. */
  readonly scopes: number;
  /** v9's scope type (RFC 3954 §6.1): 1 System, 2 Interface. */
  readonly netflow9ScopeType: number;
  /** The Data Records, encoded. */
  rows(data: ControlData): Uint8Array[];
}

/** informationElementDataType and -Semantics of the types that an enterprise's elements have (RFC 5610 §3.1, §3.6). */
const DATA_TYPES: Partial<Record<ElementType, number>> = {
  unsigned8: 1,
  unsigned32: 3,
  unsigned64: 4,
  string: 13,
};
const SEMANTICS: Partial<Record<ElementType, number>> = { unsigned8: 4, unsigned32: 3, unsigned64: 3 }; // identifier, deltaCounter

const encoder = new TextEncoder();
/** Octets of an interface name in v9, which has no variable length: IFNAMSIZ. */
const NETFLOW9_NAME_OCTETS = 16;
/** There is one Selector, and it is this. */
const SELECTOR_ID = 1;

/**
 * @param taken IDs of the exporter's other templates; those made here are added
 * @param nameOctets of an interface name in v9
 * @param ownElements those of an enterprise whose types IPFIX tells; undefined: there are none
 */
export function optionsTables(
  dialect: 'netflow9' | 'ipfix',
  domain: number,
  sampling: Sampling | undefined,
  taken: Set<number>,
  nameOctets = NETFLOW9_NAME_OCTETS,
  ownElements?: () => readonly Element[],
): OptionsTable[] {
  const table = (
    names: readonly string[],
    netflow9ScopeType: number,
    rows: (data: ControlData, row: (write: (writer: MessageWriter) => void) => void) => void,
    scopes = 1,
  ): OptionsTable => {
    const fields = names.map((name) => {
      const element = elementByName(name);
      const fixed = dialect === 'netflow9' && element.size === 65535;
      return { element, size: fixed ? nameOctets : element.size };
    });
    const id = templateId(fields, taken);
    taken.add(id);
    return {
      id,
      fields,
      scopes,
      netflow9ScopeType,
      rows(data) {
        const encoded: Uint8Array[] = [];
        rows(data, (write) => {
          const writer = new MessageWriter(512);
          write(writer);
          encoded.push(writer.bytes.subarray(0, writer.position));
        });
        return encoded;
      },
    };
  };

  const counters = (names: readonly string[], of: (data: ControlData) => object): OptionsTable =>
    table([dialect === 'netflow9' ? 'observationDomainId' : names[0]!, ...names.slice(1)], 1, (data, row) =>
      row((writer) => {
        writer.uint32(domain);
        const values = of(data) as Readonly<Record<string, number>>;
        for (const name of names.slice(1)) writer.uint64(values[name]!);
      }),
    );

  /**
   * How to scale what the records say. Collectors read samplingInterval and samplingAlgorithm (1 systematic, 2 random;
   * RFC 3954 §8); IPFIX describes the Selector beside them (RFC 5477 §8.2, RFC 5476 §6.5.2).
   */
  const samplingTables = ({ interval, mode }: Sampling): OptionsTable[] => {
    const count = mode === 'count';
    const netflow = table(['observationDomainId', 'samplingInterval', 'samplingAlgorithm'], 1, (_data, row) =>
      row((writer) => {
        writer.uint32(domain);
        writer.uint32(interval);
        writer.uint8(count ? 1 : 2);
      }),
    );
    if (dialect === 'netflow9') return [netflow];
    // Systematic count-based (1): one packet, then N − 1 are passed over. Random n-out-of-N (3): one of N.
    const parameters = count
      ? ['samplingPacketInterval', 'samplingPacketSpace']
      : ['samplingSize', 'samplingPopulation'];
    const selector = table(['selectorId', 'selectorAlgorithm', ...parameters], 1, (_data, row) =>
      row((writer) => {
        writer.uint64(SELECTOR_ID);
        writer.uint16(count ? 1 : 3);
        writer.uint32(1);
        writer.uint32(count ? interval - 1 : interval);
      }),
    );
    return [netflow, selector];
  };

  /** What the elements of an enterprise are, so that a collector can learn them (RFC 5610 §3.1). */
  const typesTable = (elements: () => readonly Element[]): OptionsTable =>
    table(
      [
        'privateEnterpriseNumber',
        'informationElementId',
        'informationElementDataType',
        'informationElementSemantics',
        'informationElementName',
      ],
      1,
      (_data, row) => {
        for (const { enterprise, id, type, name } of elements()) {
          row((writer) => {
            writer.uint32(enterprise);
            writer.uint16(id);
            writer.uint8(DATA_TYPES[type]!);
            writer.uint8(SEMANTICS[type] ?? 0);
            writeString(writer, name);
          });
        }
      },
      2,
    );

  return [
    ...(ownElements === undefined || dialect === 'netflow9' ? [] : [typesTable(ownElements)]),
    ...(sampling === undefined ? [] : samplingTables(sampling)),
    table(['ingressInterface', 'interfaceName'], 2, (data, row) => {
      for (const { index, name } of data.interfaces) {
        row((writer) => {
          writer.uint32(index);
          if (dialect === 'ipfix') writeString(writer, name);
          else writeFixedString(writer, name, nameOctets);
        });
      }
    }),
    counters(
      [
        'meteringProcessId',
        'packetTotalCount',
        'octetTotalCount',
        'ignoredPacketTotalCount',
        'ignoredOctetTotalCount',
        'droppedPacketTotalCount',
        'observedFlowTotalCount',
      ],
      (data) => data.metering,
    ),
    counters(
      [
        'exportingProcessId',
        'exportedMessageTotalCount',
        'exportedFlowRecordTotalCount',
        'exportedOctetTotalCount',
        'notSentFlowTotalCount',
        'notSentPacketTotalCount',
        'notSentOctetTotalCount',
      ],
      (data) => data.exporting,
    ),
  ];
}

/** A variable-length string: one octet of length up to 254, else 255 and two octets (RFC 7011 §7). */
function writeString(writer: MessageWriter, text: string): void {
  const octets = encoder.encode(text).subarray(0, 400);
  if (octets.length < 255) writer.uint8(octets.length);
  else {
    writer.uint8(255);
    writer.uint16(octets.length);
  }
  writer.copy(octets);
}

function writeFixedString(writer: MessageWriter, text: string, size: number): void {
  const octets = encoder.encode(text).subarray(0, size);
  writer.copy(octets);
  for (let i = octets.length; i < size; i++) writer.uint8(0);
}
