/**
 * Flow logs for tests, the same for the same seed: every version, in any order of fields, with everything that AWS
 * documents of them, and, where asked for, with lines that no flow log should have.
 */

import { Random } from '../../fuzz/random.ts';
import { INT32_FIELDS, INT64_FIELDS, TRANSIT_GATEWAY_FIELDS, vpcFields } from './fields.ts';

export interface LogShape {
  readonly seed: number;
  readonly lines: number;
  /** 2 to 11: the fields of all versions up to it; 6 is a transit gateway's. */
  readonly version?: number;
  /** Instead of all the version's: these, in this order. */
  readonly fields?: readonly string[];
  /** The fields stand in any order, and some that nobody needs are missing or are not known yet. */
  readonly shuffled?: boolean;
  /** So many in a hundred lines are faulty. */
  readonly faultyPercent?: number;
  /** Only IPv4, so that NetFlow v5 carries everything. */
  readonly ipv4Only?: boolean;
  /** No counter needs more than 32 bits. */
  readonly smallCounters?: boolean;
  /** Unix seconds about which the windows lie. */
  readonly startSeconds?: number;
}

export interface GeneratedLog {
  readonly fields: readonly string[];
  /** Without their ends. */
  readonly lines: readonly string[];
}

/** What a line says, by field. */
type Line = Map<string, string>;

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
const NEEDED = new Set([
  ...['srcaddr', 'dstaddr', 'srcport', 'dstport', 'protocol', 'packets', 'bytes', 'start', 'end'],
  ...['log-status', 'action', 'interface-id', 'tcp-flags', 'type', 'flow-direction'],
]);
/** What a field that nobody knows yet may be called. */
const UNKNOWN_FIELDS = ['flux-capacitor-id', 'queue-depth', 'x'];

/** 2026-01-01T00:00:00Z. */
const START_SECONDS = 1_767_225_600;

/** A log of `shape.lines` lines. */
export function generateLog(shape: LogShape): GeneratedLog {
  const random = new Random(shape.seed);
  const version = shape.version ?? 2;
  const fields = shape.fields ?? fieldsOf(random, version, shape.shuffled ?? false);
  const cast = castOf(random);
  const lines: string[] = [];
  while (lines.length < shape.lines) {
    const isFaulty = random.below(100) < (shape.faultyPercent ?? 0);
    const line = randomLine(random, cast, shape, version);
    lines.push(...(isFaulty ? [faulty(random, fields, line)] : [written(fields, line)]));
    // A NAT gateway's other leg: the same packets once more, at its other side.
    if (!isFaulty && version >= 3 && version !== 6 && random.oneIn(12) && lines.length < shape.lines) {
      lines.push(written(fields, otherLeg(random, cast, line)));
    }
  }
  return { fields, lines };
}

function fieldsOf(random: Random, version: number, shuffled: boolean): string[] {
  const all = version === 6 ? [...TRANSIT_GATEWAY_FIELDS] : vpcFields(version);
  if (!shuffled) return all;
  const kept = all.filter((field) => NEEDED.has(field) || !random.oneIn(4));
  if (random.oneIn(2)) kept.push(random.pick(UNKNOWN_FIELDS));
  for (let i = kept.length - 1; i > 0; i--) {
    const other = random.below(i + 1);
    [kept[i], kept[other]] = [kept[other]!, kept[i]!];
  }
  return kept;
}

/** Who appears in a log. */
interface Cast {
  readonly interfaces: readonly string[];
  readonly vpcs: readonly string[];
  readonly accounts: readonly string[];
}

function castOf(random: Random): Cast {
  const several = (count: number, one: () => string) => Array.from({ length: count }, one);
  return {
    interfaces: several(1 + random.below(40), () => `eni-${hex(random, 17)}`),
    vpcs: several(1 + random.below(4), () => `vpc-${hex(random, 17)}`),
    accounts: several(2, () => `${100_000_000_000 + random.below(899_999_999) * 1000}`),
  };
}

function hex(random: Random, digits: number): string {
  return Array.from({ length: digits }, () => random.below(16).toString(16)).join('');
}

function randomLine(random: Random, cast: Cast, shape: LogShape, version: number): Line {
  const windowSeconds = random.pick([60, 600]);
  const start = (shape.startSeconds ?? START_SECONDS) + random.below(3600);
  const common: Line = new Map([
    ['version', `${version}`],
    ['account-id', random.pick(cast.accounts)],
    ['interface-id', random.pick(cast.interfaces)],
    ['start', `${start}`],
    ['end', `${start + random.below(windowSeconds)}`],
    ['vpc-id', random.pick(cast.vpcs)],
    ['subnet-id', `subnet-${hex(random, 17)}`],
    ['resource-type', 'TransitGateway'],
    ['tgw-id', `tgw-${hex(random, 17)}`],
    ['tgw-attachment-id', `tgw-attach-${hex(random, 17)}`],
  ]);
  if (random.oneIn(20)) return common.set('log-status', 'NODATA');
  if (random.oneIn(30)) return common.set('log-status', 'SKIPDATA');
  return flow(random, cast, shape, common);
}

/** A line of a flow: everything that the common part has not. */
function flow(random: Random, cast: Cast, shape: LogShape, line: Line): Line {
  const type = shape.ipv4Only ? 'IPv4' : random.pick(['IPv4', 'IPv4', 'IPv6', 'EFA']);
  const isIpv6 = type === 'IPv6' || (type === 'EFA' && random.oneIn(2));
  const address = () => (isIpv6 ? ipv6(random) : ipv4(random));
  const protocol = random.pick([TCP, TCP, TCP, UDP, UDP, isIpv6 ? ICMPV6 : ICMP, 47, 50, 132, 0, 255]);
  const hasPorts = protocol === TCP || protocol === UDP || protocol === 132;
  const isReject = random.oneIn(6);
  line.set('log-status', 'OK').set('type', type).set('protocol', `${protocol}`);
  line.set('srcaddr', address()).set('dstaddr', address());
  line.set('srcport', hasPorts ? `${random.below(65_536)}` : random.pick(['0', '-']));
  line.set('dstport', hasPorts ? `${random.pick([0, 53, 443, 65_535])}` : random.pick(['0', '-']));
  counters(random, line, shape.smallCounters ?? false);
  line.set('action', isReject ? 'REJECT' : 'ACCEPT');
  line.set(
    'tcp-flags',
    protocol === TCP ? `${random.pick([0, 1, 2, 3, 4, 18, 19, 22, 23])}` : random.pick(['0', '-']),
  );
  packetAddresses(random, line, address);
  line.set('flow-direction', random.pick(['ingress', 'egress', 'egress', 'ingress', '-']));
  line.set('traffic-path', line.get('flow-direction') === 'egress' ? `${1 + random.below(8)}` : '-');
  if (isReject) line.set('reject-reason', random.pick(['BPA', 'EC', 'SG', '-']));
  places(random, cast, line);
  names(random, line);
  return line;
}

function counters(random: Random, line: Line, small: boolean): void {
  const packets = random.pick([1, 1, 10, 1000, 4_000_000]) + random.below(100);
  const beyond = [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 3 * 2 ** 32 + 5, 2 ** 40 + 7];
  const isLarge = !small && random.oneIn(9);
  line.set('packets', `${isLarge && random.oneIn(3) ? random.pick(beyond) : packets}`);
  line.set('bytes', `${isLarge ? random.pick(beyond) : packets * (40 + random.below(600))}`);
}

/** The real ends: mostly the same as the interface's, or those behind a NAT gateway; not always known. */
function packetAddresses(random: Random, line: Line, address: () => string): void {
  for (const end of ['src', 'dst']) {
    const shown = line.get(`${end}addr`)!;
    line.set(`pkt-${end}addr`, random.pick([shown, shown, shown, address(), '-']));
    if (random.oneIn(4)) line.set(`pkt-${end}-aws-service`, random.pick(['S3', 'DYNAMODB', 'AMAZON', 'EC2']));
  }
}

function places(random: Random, cast: Cast, line: Line): void {
  const zone = () => `use1-az${1 + random.below(6)}`;
  line.set('region', 'us-east-1').set('az-id', zone());
  if (random.oneIn(8)) line.set('sublocation-type', random.pick(['wavelength', 'outpost', 'localzone']));
  if (line.has('sublocation-type')) line.set('sublocation-id', `op-${hex(random, 17)}`);
  if (random.oneIn(2)) line.set('instance-id', `i-${hex(random, 17)}`);
  for (const end of ['src', 'dst']) {
    line.set(`tgw-${end}-vpc-account-id`, random.pick(cast.accounts));
    line.set(`tgw-${end}-vpc-id`, random.pick(cast.vpcs));
    line.set(`tgw-${end}-subnet-id`, `subnet-${hex(random, 17)}`);
    line.set(`tgw-${end}-eni`, random.pick(cast.interfaces)).set(`tgw-${end}-az-id`, zone());
  }
  line.set('tgw-pair-attachment-id', `tgw-attach-${hex(random, 17)}`);
  for (const reason of ['no-route', 'blackhole', 'mtu-exceeded', 'ttl-expired']) {
    line.set(`packets-lost-${reason}`, `${random.oneIn(5) ? random.below(1000) : 0}`);
  }
  line.set('next-hop-interface-id', random.pick([...cast.interfaces, '-']));
  line.set('next-hop-subnet-id', `subnet-${hex(random, 17)}`).set('next-hop-az-id', zone());
  line.set('next-hop-vpc-id', random.pick(cast.vpcs)).set('next-hop-interface-type', 'nat_gateway');
  line.set('interface-type', random.pick(['interface', 'nat_gateway', 'lambda', '-']));
}

const TAGS = ['web', 'Caf%C3%A9%20Kran', 'a%2Fb%3D%25', '%E2%9C%93', '100%25', '-'];

function names(random: Random, line: Line): void {
  const arn = (what: string) => `arn:aws:ecs:us-east-1:123456789012:${what}`;
  if (random.oneIn(3)) {
    line.set('ecs-cluster-name', 'blue').set('ecs-cluster-arn', arn('cluster/blue'));
    line.set('ecs-service-name', 'front').set('ecs-task-id', hex(random, 32));
    line.set('ecs-task-arn', arn(`task/blue/${hex(random, 32)}`));
    line.set('ecs-task-definition-arn', arn('task-definition/front:7'));
    line.set('ecs-container-id', `${hex(random, 32)}-0179205828`);
  }
  line.set('resource-id', `nat-${hex(random, 17)}`);
  line.set('encryption-status', random.pick(['0', '1', '2', '3', '-']));
  for (const tag of ['instance-tag', 'interface-tag', 'asg-tag']) {
    line.set(tag, random.pick(TAGS)).set(`${tag}-2`, random.pick(TAGS));
  }
  // Longer than the 254 octets that one octet of length can say (RFC 7011 §7).
  if (random.oneIn(50)) line.set('instance-tag', 'long-'.repeat(60));
  for (const field of UNKNOWN_FIELDS) line.set(field, random.pick(['7', 'yes', '-', 'é']));
}

/** What the NAT gateway's interface logs of the same packets. */
function otherLeg(random: Random, cast: Cast, line: Line): Line {
  const other = new Map(line);
  other.set('interface-id', cast.interfaces[0]!);
  if (line.get('log-status') !== 'OK') return other;
  const isIpv6 = line.get('srcaddr')!.includes(':');
  other.set('srcaddr', isIpv6 ? ipv6(random) : '10.0.0.5');
  other.set('pkt-srcaddr', line.get('srcaddr')!);
  other.set('flow-direction', line.get('flow-direction') === 'ingress' ? 'egress' : 'ingress');
  return other;
}

function ipv4(random: Random): string {
  const octet = () => random.pick([0, 1, 10, 172, 192, 255, random.below(256)]);
  return `${octet()}.${octet()}.${octet()}.${octet()}`;
}

/** AWS writes them as RFC 5952 says; all forms are met. */
function ipv6(random: Random): string {
  const group = () => random.below(65_536).toString(16);
  const groups = (count: number) => Array.from({ length: count }, group).join(':');
  return random.pick([
    ...['::', '::1', 'fe80::1', 'ff02::fb', '::ffff:10.1.2.3', '64:ff9b::192.0.2.33'],
    ...[
      groups(8),
      groups(8),
      `${groups(3)}::${groups(2)}`,
      `${groups(1)}::`,
      `::${groups(4)}`,
      `2001:DB8::${group()}`,
    ],
    `${groups(7)}::`,
  ]);
}

/** The line's text: a field that it says nothing of is `-`. */
function written(fields: readonly string[], line: Line): string {
  return fields.map((field) => line.get(field) ?? '-').join(' ');
}

/** A line that is wrong, in one of many ways. */
function faulty(random: Random, fields: readonly string[], line: Line): string {
  const text = written(fields, line);
  if (line.get('log-status') !== 'OK') return `${text} more`;
  const wrong = (field: string, ...values: string[]) =>
    fields.includes(field) ? written(fields, new Map(line).set(field, random.pick(values))) : `${text} more`;
  const address = [
    '10.0.0',
    '10.0.0.256',
    '10.0.0.1.1',
    '1:2:3',
    'g::1',
    '1::2::3',
    '10.0.0.1x',
    '-',
    ':',
    '::1%1',
  ];
  // The real ends would hide it where the log has them.
  const both = (value: string) =>
    written(fields, new Map(line).set('srcaddr', value).set('pkt-srcaddr', value));
  switch (random.below(9)) {
    case 0:
      return `${text} more`;
    case 1:
      return text.slice(0, text.lastIndexOf(' '));
    case 2:
      return wrong('bytes', '12x4', '-5', '1.5', '1e3', '0x10', '99999999999999999999');
    case 3:
      return wrong('srcport', '65536', '-1', 'http', '4294967296');
    case 4:
      return both(random.pick(address));
    case 5:
      return wrong('protocol', '256', 'tcp', '-6');
    case 6:
      return written(fields, new Map(line).set('start', '1767225601').set('end', '1767225600'));
    case 7:
      return wrong('log-status', 'MAYBE', 'ok', 'NODATAX', 'O');
    default:
      return both(
        line.get('dstaddr')!.includes(':') || line.get('pkt-dstaddr')!.includes(':') ? '10.0.0.1' : '::1',
      );
  }
}

/** How Parquet has a field. */
export function parquetTypeOf(field: string): 'INT32' | 'INT64' | 'STRING' {
  if (INT32_FIELDS.includes(field)) return 'INT32';
  return INT64_FIELDS.includes(field) ? 'INT64' : 'STRING';
}
