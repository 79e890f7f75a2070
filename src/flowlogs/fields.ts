/**
 * The fields of VPC and transit gateway flow logs, versions 2 to 11, and what becomes of each.
 * https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
 */

/**
 * What a field becomes in a Flow Record. Those of `EnterpriseRole` have no element of IANA's: they leave in IPFIX alone,
 * under the enterprise number that is configured.
 */
export type FieldRole =
  | 'interface' //           ingressInterface or egressInterface, by the direction; and a string
  | 'attachment' //          a transit gateway's interface, where no other is told; and a string
  | 'source' //              source address, where the packet's own is not told; a string beside it
  | 'destination'
  | 'packetSource' //        the packet's own
  | 'packetDestination'
  | 'sourcePort'
  | 'destinationPort'
  | 'protocol'
  | 'packets'
  | 'octets'
  | 'start'
  | 'end'
  | 'tcpFlags'
  | 'action' //              forwardingStatus and firewallEvent
  | 'status' //              not exported: says what kind of line it is
  | 'direction' //           flowDirection
  | 'vpc' //                 VRFname
  | EnterpriseRole;
export type EnterpriseRole = 'string' | 'unsigned8' | 'unsigned64';

export interface LogField {
  readonly name: string;
  /** The version of flow logs that brought it. */
  readonly version: number;
  readonly role: FieldRole;
  /**
   * Its element under `--enterprise-number`, assigned once and for good; 0: IANA has an element, or it is not exported.
   * `srcaddr` and `dstaddr` need theirs only in formats with `pkt-srcaddr` and `pkt-dstaddr`, which take IANA's.
   */
  readonly element: number;
}

/** By version, in AWS's order. New fields go to the end: the numbers of those before must not change. */
const FIELDS: readonly (readonly [version: number, name: string, role: FieldRole, element?: number])[] = [
  [2, 'version', 'unsigned8', 1],
  [2, 'account-id', 'string', 2],
  [2, 'interface-id', 'interface', 3],
  [2, 'srcaddr', 'source', 57],
  [2, 'dstaddr', 'destination', 58],
  [2, 'srcport', 'sourcePort'],
  [2, 'dstport', 'destinationPort'],
  [2, 'protocol', 'protocol'],
  [2, 'packets', 'packets'],
  [2, 'bytes', 'octets'],
  [2, 'start', 'start'],
  [2, 'end', 'end'],
  [2, 'action', 'action'],
  [2, 'log-status', 'status'],
  [3, 'vpc-id', 'vpc'],
  [3, 'subnet-id', 'string', 4],
  [3, 'instance-id', 'string', 5],
  [3, 'tcp-flags', 'tcpFlags'],
  [3, 'type', 'string', 6],
  [3, 'pkt-srcaddr', 'packetSource'],
  [3, 'pkt-dstaddr', 'packetDestination'],
  [4, 'region', 'string', 7],
  [4, 'az-id', 'string', 8],
  [4, 'sublocation-type', 'string', 9],
  [4, 'sublocation-id', 'string', 10],
  [5, 'pkt-src-aws-service', 'string', 11],
  [5, 'pkt-dst-aws-service', 'string', 12],
  [5, 'flow-direction', 'direction'],
  [5, 'traffic-path', 'unsigned8', 13],
  [6, 'resource-type', 'string', 14],
  [6, 'tgw-id', 'string', 15],
  [6, 'tgw-attachment-id', 'attachment', 16],
  [6, 'tgw-src-vpc-account-id', 'string', 17],
  [6, 'tgw-dst-vpc-account-id', 'string', 18],
  [6, 'tgw-src-vpc-id', 'string', 19],
  [6, 'tgw-dst-vpc-id', 'string', 20],
  [6, 'tgw-src-subnet-id', 'string', 21],
  [6, 'tgw-dst-subnet-id', 'string', 22],
  [6, 'tgw-src-eni', 'string', 23],
  [6, 'tgw-dst-eni', 'string', 24],
  [6, 'tgw-src-az-id', 'string', 25],
  [6, 'tgw-dst-az-id', 'string', 26],
  [6, 'tgw-pair-attachment-id', 'string', 27],
  [6, 'packets-lost-no-route', 'unsigned64', 28],
  [6, 'packets-lost-blackhole', 'unsigned64', 29],
  [6, 'packets-lost-mtu-exceeded', 'unsigned64', 30],
  [6, 'packets-lost-ttl-expired', 'unsigned64', 31],
  [7, 'ecs-cluster-arn', 'string', 32],
  [7, 'ecs-cluster-name', 'string', 33],
  [7, 'ecs-container-instance-arn', 'string', 34],
  [7, 'ecs-container-instance-id', 'string', 35],
  [7, 'ecs-container-id', 'string', 36],
  [7, 'ecs-second-container-id', 'string', 37],
  [7, 'ecs-service-name', 'string', 38],
  [7, 'ecs-task-definition-arn', 'string', 39],
  [7, 'ecs-task-arn', 'string', 40],
  [7, 'ecs-task-id', 'string', 41],
  [8, 'reject-reason', 'string', 42],
  [9, 'resource-id', 'string', 43],
  [10, 'encryption-status', 'string', 44],
  [11, 'instance-tag', 'string', 45],
  [11, 'instance-tag-2', 'string', 46],
  [11, 'interface-tag', 'string', 47],
  [11, 'interface-tag-2', 'string', 48],
  [11, 'asg-tag', 'string', 49],
  [11, 'asg-tag-2', 'string', 50],
  [11, 'interface-type', 'string', 51],
  [11, 'next-hop-interface-id', 'string', 52],
  [11, 'next-hop-subnet-id', 'string', 53],
  [11, 'next-hop-az-id', 'string', 54],
  [11, 'next-hop-vpc-id', 'string', 55],
  [11, 'next-hop-interface-type', 'string', 56],
];

/** Every field known. */
export const LOG_FIELDS: readonly LogField[] = FIELDS.map(([version, name, role, element = 0]) => ({
  name,
  version,
  role,
  element,
}));

const byName: ReadonlyMap<string, LogField> = new Map(LOG_FIELDS.map((field) => [field.name, field]));

/** The field of that name; undefined: AWS had none when this was written. */
export function fieldOf(name: string): LogField | undefined {
  return byName.get(name);
}

/** Elements of fields that are not known lie above those that are, below 2^15 (RFC 7011 §3.2). */
const FIRST_UNKNOWN = 1024;
const ELEMENTS = 0x8000;

/**
 * What an unknown field is: a string, under an element that follows from its name alone (FNV-1a), so that it is the same
 * after a restart. `taken`: elements that other unknown fields have; the next free one is given then.
 */
export function unknownField(name: string, taken: ReadonlySet<number>): LogField {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  let element = FIRST_UNKNOWN + ((hash >>> 0) % (ELEMENTS - FIRST_UNKNOWN));
  while (taken.has(element)) element = element === ELEMENTS - 1 ? FIRST_UNKNOWN : element + 1;
  return { name, version: 0, role: 'string', element };
}
