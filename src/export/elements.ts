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
  /** Private enterprise number; 0: IANA's registry. */
  readonly enterprise: number;
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
  [3, 'deltaFlowCount', 'unsigned64'],
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
  [18, 'bgpNextHopIPv4Address', 'ipv4Address'],
  [19, 'postMCastPacketDeltaCount', 'unsigned64'],
  [20, 'postMCastOctetDeltaCount', 'unsigned64'],
  [21, 'flowEndSysUpTime', 'unsigned32'],
  [22, 'flowStartSysUpTime', 'unsigned32'],
  [23, 'postOctetDeltaCount', 'unsigned64'],
  [24, 'postPacketDeltaCount', 'unsigned64'],
  [25, 'minimumIpTotalLength', 'unsigned64'],
  [26, 'maximumIpTotalLength', 'unsigned64'],
  [27, 'sourceIPv6Address', 'ipv6Address'],
  [28, 'destinationIPv6Address', 'ipv6Address'],
  [29, 'sourceIPv6PrefixLength', 'unsigned8'],
  [30, 'destinationIPv6PrefixLength', 'unsigned8'],
  [31, 'flowLabelIPv6', 'unsigned32'],
  [32, 'icmpTypeCodeIPv4', 'unsigned16'],
  [33, 'igmpType', 'unsigned8'],
  [34, 'samplingInterval', 'unsigned32'],
  [35, 'samplingAlgorithm', 'unsigned8'],
  [36, 'flowActiveTimeout', 'unsigned16'],
  [37, 'flowIdleTimeout', 'unsigned16'],
  [38, 'engineType', 'unsigned8'],
  [39, 'engineId', 'unsigned8'],
  [40, 'exportedOctetTotalCount', 'unsigned64'],
  [41, 'exportedMessageTotalCount', 'unsigned64'],
  [42, 'exportedFlowRecordTotalCount', 'unsigned64'],
  [44, 'sourceIPv4Prefix', 'ipv4Address'],
  [45, 'destinationIPv4Prefix', 'ipv4Address'],
  [46, 'mplsTopLabelType', 'unsigned8'],
  [47, 'mplsTopLabelIPv4Address', 'ipv4Address'],
  [48, 'samplerId', 'unsigned8'],
  [49, 'samplerMode', 'unsigned8'],
  [50, 'samplerRandomInterval', 'unsigned32'],
  [52, 'minimumTTL', 'unsigned8'],
  [53, 'maximumTTL', 'unsigned8'],
  [54, 'fragmentIdentification', 'unsigned32'],
  [55, 'postIpClassOfService', 'unsigned8'],
  [56, 'sourceMacAddress', 'macAddress'],
  [57, 'postDestinationMacAddress', 'macAddress'],
  [58, 'vlanId', 'unsigned16'],
  [59, 'postVlanId', 'unsigned16'],
  [60, 'ipVersion', 'unsigned8'],
  [61, 'flowDirection', 'unsigned8'],
  [62, 'ipNextHopIPv6Address', 'ipv6Address'],
  [63, 'bgpNextHopIPv6Address', 'ipv6Address'],
  [64, 'ipv6ExtensionHeaders', 'unsigned32'],
  [70, 'mplsTopLabelStackSection', 'octetArray', 3],
  [71, 'mplsLabelStackSection2', 'octetArray', 3],
  [72, 'mplsLabelStackSection3', 'octetArray', 3],
  [73, 'mplsLabelStackSection4', 'octetArray', 3],
  [74, 'mplsLabelStackSection5', 'octetArray', 3],
  [75, 'mplsLabelStackSection6', 'octetArray', 3],
  [76, 'mplsLabelStackSection7', 'octetArray', 3],
  [77, 'mplsLabelStackSection8', 'octetArray', 3],
  [78, 'mplsLabelStackSection9', 'octetArray', 3],
  [79, 'mplsLabelStackSection10', 'octetArray', 3],
  [80, 'destinationMacAddress', 'macAddress'],
  [81, 'postSourceMacAddress', 'macAddress'],
  [82, 'interfaceName', 'string'],
  [83, 'interfaceDescription', 'string'],
  [84, 'samplerName', 'string'],
  [85, 'octetTotalCount', 'unsigned64'],
  [86, 'packetTotalCount', 'unsigned64'],
  [88, 'fragmentOffset', 'unsigned16'],
  [89, 'forwardingStatus', 'unsigned32'],
  [90, 'mplsVpnRouteDistinguisher', 'octetArray', 8],
  [94, 'applicationDescription', 'string'],
  [95, 'applicationId', 'octetArray'],
  [96, 'applicationName', 'string'],
  [128, 'bgpNextAdjacentAsNumber', 'unsigned32'],
  [129, 'bgpPrevAdjacentAsNumber', 'unsigned32'],
  [130, 'exporterIPv4Address', 'ipv4Address'],
  [131, 'exporterIPv6Address', 'ipv6Address'],
  [132, 'droppedOctetDeltaCount', 'unsigned64'],
  [133, 'droppedPacketDeltaCount', 'unsigned64'],
  [134, 'droppedOctetTotalCount', 'unsigned64'],
  [135, 'droppedPacketTotalCount', 'unsigned64'],
  [136, 'flowEndReason', 'unsigned8'],
  [137, 'commonPropertiesId', 'unsigned64'],
  [138, 'observationPointId', 'unsigned64'],
  [139, 'icmpTypeCodeIPv6', 'unsigned16'],
  [141, 'lineCardId', 'unsigned32'],
  [142, 'portId', 'unsigned32'],
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
  [161, 'flowDurationMilliseconds', 'unsigned32'],
  [162, 'flowDurationMicroseconds', 'unsigned32'],
  [163, 'observedFlowTotalCount', 'unsigned64'],
  [164, 'ignoredPacketTotalCount', 'unsigned64'],
  [165, 'ignoredOctetTotalCount', 'unsigned64'],
  [166, 'notSentFlowTotalCount', 'unsigned64'],
  [167, 'notSentPacketTotalCount', 'unsigned64'],
  [168, 'notSentOctetTotalCount', 'unsigned64'],
  [173, 'flowKeyIndicator', 'unsigned64'],
  [176, 'icmpTypeIPv4', 'unsigned8'],
  [177, 'icmpCodeIPv4', 'unsigned8'],
  [178, 'icmpTypeIPv6', 'unsigned8'],
  [179, 'icmpCodeIPv6', 'unsigned8'],
  [180, 'udpSourcePort', 'unsigned16'],
  [181, 'udpDestinationPort', 'unsigned16'],
  [182, 'tcpSourcePort', 'unsigned16'],
  [183, 'tcpDestinationPort', 'unsigned16'],
  [184, 'tcpSequenceNumber', 'unsigned32'],
  [186, 'tcpWindowSize', 'unsigned16'],
  [189, 'ipHeaderLength', 'unsigned8'],
  [192, 'ipTTL', 'unsigned8'],
  [195, 'ipDiffServCodePoint', 'unsigned8'],
  [196, 'ipPrecedence', 'unsigned8'],
  [197, 'fragmentFlags', 'unsigned8'],
  [206, 'isMulticast', 'unsigned8'],
  [208, 'ipv4Options', 'unsigned32'],
  [209, 'tcpOptions', 'unsigned64'],
  [210, 'paddingOctets', 'octetArray'],
  [211, 'collectorIPv4Address', 'ipv4Address'],
  [212, 'collectorIPv6Address', 'ipv6Address'],
  [213, 'exportInterface', 'unsigned32'],
  [214, 'exportProtocolVersion', 'unsigned8'],
  [215, 'exportTransportProtocol', 'unsigned8'],
  [216, 'collectorTransportPort', 'unsigned16'],
  [217, 'exporterTransportPort', 'unsigned16'],
  [218, 'tcpSynTotalCount', 'unsigned64'],
  [219, 'tcpFinTotalCount', 'unsigned64'],
  [220, 'tcpRstTotalCount', 'unsigned64'],
  [221, 'tcpPshTotalCount', 'unsigned64'],
  [222, 'tcpAckTotalCount', 'unsigned64'],
  [223, 'tcpUrgTotalCount', 'unsigned64'],
  [224, 'ipTotalLength', 'unsigned64'],
  [225, 'postNATSourceIPv4Address', 'ipv4Address'],
  [226, 'postNATDestinationIPv4Address', 'ipv4Address'],
  [227, 'postNAPTSourceTransportPort', 'unsigned16'],
  [228, 'postNAPTDestinationTransportPort', 'unsigned16'],
  [229, 'natOriginatingAddressRealm', 'unsigned8'],
  [230, 'natEvent', 'unsigned8'],
  [231, 'initiatorOctets', 'unsigned64'],
  [232, 'responderOctets', 'unsigned64'],
  [233, 'firewallEvent', 'unsigned8'],
  [234, 'ingressVRFID', 'unsigned32'],
  [235, 'egressVRFID', 'unsigned32'],
  [236, 'VRFname', 'string'],
  [239, 'biflowDirection', 'unsigned8'],
  [243, 'dot1qVlanId', 'unsigned16'],
  [244, 'dot1qPriority', 'unsigned8'],
  [245, 'dot1qCustomerVlanId', 'unsigned16'],
  [246, 'dot1qCustomerPriority', 'unsigned8'],
  [252, 'ingressPhysicalInterface', 'unsigned32'],
  [253, 'egressPhysicalInterface', 'unsigned32'],
  [254, 'postDot1qVlanId', 'unsigned16'],
  [255, 'postDot1qCustomerVlanId', 'unsigned16'],
  [256, 'ethernetType', 'unsigned16'],
  [258, 'collectionTimeMilliseconds', 'dateTimeMilliseconds'],
  [276, 'dataRecordsReliability', 'boolean'],
  [281, 'postNATSourceIPv6Address', 'ipv6Address'],
  [282, 'postNATDestinationIPv6Address', 'ipv6Address'],
  [295, 'IPSecSPI', 'unsigned32'],
  [296, 'greKey', 'unsigned32'],
  [298, 'initiatorPackets', 'unsigned64'],
  [299, 'responderPackets', 'unsigned64'],
  [300, 'observationDomainName', 'string'],
  [301, 'selectionSequenceId', 'unsigned64'],
  [302, 'selectorId', 'unsigned64'],
  [303, 'informationElementId', 'unsigned16'],
  [304, 'selectorAlgorithm', 'unsigned16'],
  [305, 'samplingPacketInterval', 'unsigned32'],
  [306, 'samplingPacketSpace', 'unsigned32'],
  [309, 'samplingSize', 'unsigned32'],
  [310, 'samplingPopulation', 'unsigned32'],
  [322, 'observationTimeSeconds', 'dateTimeSeconds'],
  [323, 'observationTimeMilliseconds', 'dateTimeMilliseconds'],
  [324, 'observationTimeMicroseconds', 'dateTimeMicroseconds'],
  [325, 'observationTimeNanoseconds', 'dateTimeNanoseconds'],
  [339, 'informationElementDataType', 'unsigned8'],
  [341, 'informationElementName', 'string'],
  [344, 'informationElementSemantics', 'unsigned8'],
  [346, 'privateEnterpriseNumber', 'unsigned32'],
  [351, 'layer2SegmentId', 'unsigned64'],
  [361, 'portRangeStart', 'unsigned16'],
  [362, 'portRangeEnd', 'unsigned16'],
];

/**
 * What IANA has no element for: elements of others that are published, fit, and that collectors know. IPFIX only.
 * 6871 CERT: https://tools.netsa.cert.org/cert-ipfix-registry (YAF). 35632 ntop: nProbe's user guide; `IN` and `OUT`
 * are its words, and for segments out of order OUT is the direction from source to destination. 33609: as
 * Wireshark lists it (FastIP); its owner publishes no list that we know of.
 */
const ENTERPRISE_REGISTRY: readonly (readonly [enterprise: number, id: number, string, ElementType])[] = [
  [6871, 14, 'initialTCPFlags', 'unsigned8'],
  [6871, 15, 'unionTCPFlags', 'unsigned8'],
  [6871, 0x4000 | 14, 'reverseInitialTCPFlags', 'unsigned8'], // CERT's own bit for the reverse direction
  [6871, 0x4000 | 15, 'reverseUnionTCPFlags', 'unsigned8'],
  [35632, 109, 'RETRANSMITTED_IN_PKTS', 'unsigned32'],
  [35632, 110, 'RETRANSMITTED_OUT_PKTS', 'unsigned32'],
  [35632, 111, 'OOORDER_IN_PKTS', 'unsigned32'],
  [35632, 112, 'OOORDER_OUT_PKTS', 'unsigned32'],
  [35632, 415, 'TCP_WIN_MIN_IN', 'unsigned16'],
  [35632, 419, 'TCP_WIN_MIN_OUT', 'unsigned16'],
  [33609, 200, 'TCP_HANDSHAKE_RTT_USEC', 'unsigned32'],
];

/** The enterprise number that is set apart for documentation (RFC 5612): for `--json` where none is configured. */
export const DOCUMENTATION_ENTERPRISE = 32_473;

/**
 * What nobody has published an element for: under the number that is configured. Those of flow logs begin at 1 (flowlogs/fields.ts),
 * these at 1024, assigned once and for good; the highest bit below the enterprise bit is the reverse direction's, as CERT has it.
 */
const OWN_REGISTRY: readonly (readonly [id: number, string, ElementType])[] = [
  [1024, 'tcpZeroWindowDeltaCount', 'unsigned32'],
  [0x4000 | 1024, 'reverseTcpZeroWindowDeltaCount', 'unsigned32'],
];

/** The private enterprise number of reverse Information Elements (RFC 5103 §6.1). */
export const REVERSE_ENTERPRISE = 29305;

const byName = new Map<string, Element>();
const byId = new Map<number, Element>();
const byEnterprise = new Map<string, Element>();
for (const [id, name, type, size] of REGISTRY) {
  const element: Element = { name, id, type, size: size ?? SIZES[type], enterprise: 0 };
  byName.set(name, element);
  byId.set(id, element);
  const reverse = `reverse${name[0]!.toUpperCase()}${name.slice(1)}`;
  byName.set(reverse, { ...element, name: reverse, enterprise: REVERSE_ENTERPRISE });
}

for (const [enterprise, id, name, type] of [
  ...ENTERPRISE_REGISTRY,
  ...OWN_REGISTRY.map(([id, name, type]) => [DOCUMENTATION_ENTERPRISE, id, name, type] as const),
]) {
  const element: Element = { name, id, type, size: SIZES[type], enterprise };
  byName.set(name, element);
  byEnterprise.set(`${enterprise}.${id}`, element);
}

/** The element of that name of those that Weir has defined, under an enterprise number. */
export function ownElement(name: string, enterprise: number): Element {
  return { ...elementByName(name), enterprise };
}

/** All of them: what IPFIX tells the types of. */
export function ownElements(enterprise: number): Element[] {
  return OWN_REGISTRY.map(([, name]) => ownElement(name, enterprise));
}

/** Octets of the full-size encoding of a type; 65535: variable. */
export function sizeOfType(type: ElementType): number {
  return SIZES[type];
}

/** Makes an enterprise's elements known under their numbers, so that what is decoded has their names. */
export function registerElements(elements: readonly Element[]): void {
  for (const element of elements) byEnterprise.set(`${element.enterprise}.${element.id}`, element);
}

/** The element of that name. @throws Error where the registry above does not list it: a fault of the program. */
export function elementByName(name: string): Element {
  const element = byName.get(name);
  if (element === undefined) throw new Error(`no Information Element is named ${name}`);
  return element;
}

/** Whether an element of the registries above has that name, which is then nobody else's: Weir's own are under any number. */
export function isElementName(name: string): boolean {
  const element = byName.get(name);
  return element !== undefined && element.enterprise !== DOCUMENTATION_ENTERPRISE;
}

/** The element of that number, or undefined. @param enterprise 0: IANA's */
export function elementById(id: number, enterprise = 0): Element | undefined {
  return enterprise === 0 ? byId.get(id) : byEnterprise.get(`${enterprise}.${id}`);
}
