/** The fields of VPC and transit gateway flow logs by the version that brought them, as AWS documents them. */

/** Typed in Parquet; every other field is a string. */
export const INT32_FIELDS: readonly string[] = [
  'version',
  'srcport',
  'dstport',
  'protocol',
  'tcp-flags',
  'traffic-path',
];
export const INT64_FIELDS: readonly string[] = [
  'packets',
  'bytes',
  'start',
  'end',
  'packets-lost-no-route',
  'packets-lost-blackhole',
  'packets-lost-mtu-exceeded',
  'packets-lost-ttl-expired',
];

export const VERSION_2: readonly string[] = [
  ...['version', 'account-id', 'interface-id', 'srcaddr', 'dstaddr', 'srcport', 'dstport', 'protocol'],
  ...['packets', 'bytes', 'start', 'end', 'action', 'log-status'],
];

const VERSION_6: readonly string[] = [
  ...['resource-type', 'tgw-id', 'tgw-attachment-id', 'tgw-src-vpc-account-id', 'tgw-dst-vpc-account-id'],
  ...['tgw-src-vpc-id', 'tgw-dst-vpc-id', 'tgw-src-subnet-id', 'tgw-dst-subnet-id', 'tgw-src-eni'],
  ...['tgw-dst-eni', 'tgw-src-az-id', 'tgw-dst-az-id', 'tgw-pair-attachment-id', 'packets-lost-no-route'],
  ...['packets-lost-blackhole', 'packets-lost-mtu-exceeded', 'packets-lost-ttl-expired'],
];

/** What each version of a VPC's flow logs added; version 6 is that of transit gateways. */
export const FIELDS_OF: ReadonlyMap<number, readonly string[]> = new Map([
  [2, VERSION_2],
  [3, ['vpc-id', 'subnet-id', 'instance-id', 'tcp-flags', 'type', 'pkt-srcaddr', 'pkt-dstaddr']],
  [4, ['region', 'az-id', 'sublocation-type', 'sublocation-id']],
  [5, ['pkt-src-aws-service', 'pkt-dst-aws-service', 'flow-direction', 'traffic-path']],
  [6, VERSION_6],
  [
    7,
    [
      ...['ecs-cluster-arn', 'ecs-cluster-name', 'ecs-container-instance-arn', 'ecs-container-instance-id'],
      ...['ecs-container-id', 'ecs-second-container-id', 'ecs-service-name', 'ecs-task-definition-arn'],
      ...['ecs-task-arn', 'ecs-task-id'],
    ],
  ],
  [8, ['reject-reason']],
  [9, ['resource-id']],
  [10, ['encryption-status']],
  [
    11,
    [
      ...['instance-tag', 'instance-tag-2', 'interface-tag', 'interface-tag-2', 'asg-tag', 'asg-tag-2'],
      ...['interface-type', 'next-hop-interface-id', 'next-hop-subnet-id', 'next-hop-az-id'],
      ...['next-hop-vpc-id', 'next-hop-interface-type'],
    ],
  ],
]);

/** The fields of a transit gateway's log: no interface, no action. */
export const TRANSIT_GATEWAY_FIELDS: readonly string[] = [
  ...['version', 'resource-type', 'account-id', 'tgw-id', 'tgw-attachment-id', 'tgw-src-vpc-account-id'],
  ...['tgw-dst-vpc-account-id', 'tgw-src-vpc-id', 'tgw-dst-vpc-id', 'tgw-src-subnet-id', 'tgw-dst-subnet-id'],
  ...['tgw-src-eni', 'tgw-dst-eni', 'tgw-src-az-id', 'tgw-dst-az-id', 'tgw-pair-attachment-id', 'srcaddr'],
  ...['dstaddr', 'srcport', 'dstport', 'protocol', 'packets', 'bytes', 'start', 'end', 'log-status', 'type'],
  ...['packets-lost-no-route', 'packets-lost-blackhole', 'packets-lost-mtu-exceeded'],
  ...['packets-lost-ttl-expired', 'tcp-flags', 'region', 'flow-direction', 'pkt-src-aws-service'],
  ...['pkt-dst-aws-service'],
];

/** Every field of a VPC's flow logs up to this version, in the order in which AWS lists them. */
export function vpcFields(version: number): string[] {
  const fields: string[] = [];
  for (const [since, added] of FIELDS_OF) if (since <= version && since !== 6) fields.push(...added);
  return fields;
}
