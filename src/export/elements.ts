/**
 * IANA's Information Elements, as far as Weir sends them or a collector of it is likely to meet them.
 * https://www.iana.org/assignments/ipfix (names verbatim; sizes are those of the abstract type, RFC 7012 §3).
 * NetFlow v9 shares the numbers below 128 (RFC 3954 §8); its own names for them are not used here.
 */

/** Abstract data types (RFC 7011 §6.1). */
export type ElementType =
  | 'unsigned8'
  | 'unsigned16'
  | 'unsigned32'
  | 'unsigned64'
  | 'boolean'
  | 'ipv4Address'
  | 'ipv6Address'
  | 'macAddress'
  | 'octetArray'
  | 'string'
  | 'dateTimeSeconds'
  | 'dateTimeMilliseconds'
  | 'dateTimeMicroseconds'
  | 'dateTimeNanoseconds';

export interface Element {
  readonly name: string;
  readonly id: number;
  readonly type: ElementType;
  /** Octets of the full-size encoding; 65535: variable. */
  readonly size: number;
}

const SIZES: Record<ElementType, number> = {
  unsigned8: 1,
  unsigned16: 2,
  unsigned32: 4,
  unsigned64: 8,
  boolean: 1,
  ipv4Address: 4,
  ipv6Address: 16,
  macAddress: 6,
  octetArray: 65535,
  string: 65535,
  dateTimeSeconds: 4,
  dateTimeMilliseconds: 8,
  dateTimeMicroseconds: 8,
  dateTimeNanoseconds: 8,
};

const REGISTRY: readonly (readonly [number, string, ElementType, number?])[] = [
  [1, 'octetDeltaCount', 'unsigned64'],
  [2, 'packetDeltaCount', 'unsigned64'],
  [4, 'protocolIdentifier', 'unsigned8'],
  [5, 'ipClassOfService', 'unsigned8'],
  [6, 'tcpControlBits', 'unsigned16'],
  [7, 'sourceTransportPort', 'unsigned16'],
  [8, 'sourceIPv4Address', 'ipv4Address'],
  [9, 'sourceIPv4PrefixLength', 'unsigned8'],
  [10, 'ingressInterface', 'unsigned32'],
  [11, 'destinationTransportPort', 'unsigned16'],
  [12, 'destinationIPv4Address', 'ipv4Address'],
  [13, 'destinationIPv4PrefixLength', 'unsigned8'],
  [14, 'egressInterface', 'unsigned32'],
  [15, 'ipNextHopIPv4Address', 'ipv4Address'],
  [16, 'bgpSourceAsNumber', 'unsigned32'],
  [17, 'bgpDestinationAsNumber', 'unsigned32'],
  [21, 'flowEndSysUpTime', 'unsigned32'],
  [22, 'flowStartSysUpTime', 'unsigned32'],
  [27, 'sourceIPv6Address', 'ipv6Address'],
  [28, 'destinationIPv6Address', 'ipv6Address'],
  [29, 'sourceIPv6PrefixLength', 'unsigned8'],
  [30, 'destinationIPv6PrefixLength', 'unsigned8'],
  [31, 'flowLabelIPv6', 'unsigned32'],
  [32, 'icmpTypeCodeIPv4', 'unsigned16'],
  [34, 'samplingInterval', 'unsigned32'],
  [35, 'samplingAlgorithm', 'unsigned8'],
  [36, 'flowActiveTimeout', 'unsigned16'],
  [37, 'flowIdleTimeout', 'unsigned16'],
  [40, 'exportedOctetTotalCount', 'unsigned64'],
  [41, 'exportedMessageTotalCount', 'unsigned64'],
  [42, 'exportedFlowRecordTotalCount', 'unsigned64'],
  [52, 'minimumTTL', 'unsigned8'],
  [53, 'maximumTTL', 'unsigned8'],
  [54, 'fragmentIdentification', 'unsigned32'],
  [56, 'sourceMacAddress', 'macAddress'],
  [58, 'vlanId', 'unsigned16'],
  [60, 'ipVersion', 'unsigned8'],
  [61, 'flowDirection', 'unsigned8'],
  [62, 'ipNextHopIPv6Address', 'ipv6Address'],
  [70, 'mplsTopLabelStackSection', 'octetArray', 3],
  [71, 'mplsLabelStackSection2', 'octetArray', 3],
  [80, 'destinationMacAddress', 'macAddress'],
  [82, 'interfaceName', 'string'],
  [83, 'interfaceDescription', 'string'],
  [85, 'octetTotalCount', 'unsigned64'],
  [86, 'packetTotalCount', 'unsigned64'],
  [130, 'exporterIPv4Address', 'ipv4Address'],
  [131, 'exporterIPv6Address', 'ipv6Address'],
  [135, 'droppedPacketTotalCount', 'unsigned64'],
  [136, 'flowEndReason', 'unsigned8'],
  [139, 'icmpTypeCodeIPv6', 'unsigned16'],
  [143, 'meteringProcessId', 'unsigned32'],
  [144, 'exportingProcessId', 'unsigned32'],
  [145, 'templateId', 'unsigned16'],
  [148, 'flowId', 'unsigned64'],
  [149, 'observationDomainId', 'unsigned32'],
  [150, 'flowStartSeconds', 'dateTimeSeconds'],
  [151, 'flowEndSeconds', 'dateTimeSeconds'],
  [152, 'flowStartMilliseconds', 'dateTimeMilliseconds'],
  [153, 'flowEndMilliseconds', 'dateTimeMilliseconds'],
  [154, 'flowStartMicroseconds', 'dateTimeMicroseconds'],
  [155, 'flowEndMicroseconds', 'dateTimeMicroseconds'],
  [156, 'flowStartNanoseconds', 'dateTimeNanoseconds'],
  [157, 'flowEndNanoseconds', 'dateTimeNanoseconds'],
  [160, 'systemInitTimeMilliseconds', 'dateTimeMilliseconds'],
  [163, 'observedFlowTotalCount', 'unsigned64'],
  [164, 'ignoredPacketTotalCount', 'unsigned64'],
  [165, 'ignoredOctetTotalCount', 'unsigned64'],
  [166, 'notSentFlowTotalCount', 'unsigned64'],
  [167, 'notSentPacketTotalCount', 'unsigned64'],
  [168, 'notSentOctetTotalCount', 'unsigned64'],
  [197, 'fragmentFlags', 'unsigned8'],
  [218, 'tcpSynTotalCount', 'unsigned64'],
  [219, 'tcpFinTotalCount', 'unsigned64'],
  [220, 'tcpRstTotalCount', 'unsigned64'],
  [243, 'dot1qVlanId', 'unsigned16'],
  [245, 'dot1qCustomerVlanId', 'unsigned16'],
];

const byName = new Map<string, Element>();
const byId = new Map<number, Element>();
for (const [id, name, type, size] of REGISTRY) {
  const element: Element = { name, id, type, size: size ?? SIZES[type] };
  byName.set(name, element);
  byId.set(id, element);
}

/** The element of that IANA name. @throws Error where the registry above does not list it: a fault of the program. */
export function elementByName(name: string): Element {
  const element = byName.get(name);
  if (element === undefined) throw new Error(`no Information Element is named ${name}`);
  return element;
}

/** The element of that number, or undefined. */
export function elementById(id: number): Element | undefined {
  return byId.get(id);
}
