/** The metadata service of the tests, and what it tells of the machine. */
import { fileURLToPath } from 'node:url';
import type { LabNamespace } from '../../src/cli/demo/lab.ts';
import { Program } from '../network/program.ts';
import type { Cloud } from './cloud.ts';

const SERVER = fileURLToPath(new URL('./imds-server.js', import.meta.url));
export const IMDS_ADDRESS = '169.254.169.254';
export const INSTANCE_ID = 'i-0123456789abcdef0';

/** What an instance with these interfaces finds. */
export function metadataOf(
  macs: readonly string[],
  addresses: readonly string[],
  { interfaces: ids, subnets, vpc }: Pick<Cloud, 'interfaces' | 'subnets' | 'vpc'>,
): object {
  const interfaces = macs.map((mac, index) => [
    mac,
    {
      'device-number': `${index}`,
      'interface-id': ids[index],
      'local-ipv4s': addresses[index],
      mac,
      'subnet-ipv4-cidr-block': `${addresses[index]!.replace(/\d+$/, '0')}/24`,
      'subnet-id': subnets[index],
      'vpc-id': vpc,
      'vpc-ipv4-cidr-block': '10.71.0.0/16',
      'vpc-ipv4-cidr-blocks': '10.71.0.0/16',
    },
  ]);
  const region = 'eu-central-1';
  return {
    'meta-data': {
      'ami-id': 'ami-00000000000000001',
      'instance-id': INSTANCE_ID,
      'instance-type': 'c6gn.medium',
      hostname: 'weir-router',
      'local-hostname': 'weir-router',
      'local-ipv4': addresses[0],
      mac: macs[0],
      network: { interfaces: { macs: Object.fromEntries(interfaces) } },
      placement: { 'availability-zone': `${region}a`, region },
      iam: {
        'security-credentials': {
          'weir-router': JSON.stringify({
            Code: 'Success',
            Type: 'AWS-HMAC',
            AccessKeyId: 'ASIATEST',
            SecretAccessKey: 'test',
            Token: 'test',
            LastUpdated: '2026-01-01T00:00:00Z',
            Expiration: '2099-01-01T00:00:00Z',
          }),
        },
      },
    },
    dynamic: {
      'instance-identity': {
        document: JSON.stringify({ instanceId: INSTANCE_ID, region, availabilityZone: `${region}a` }),
      },
    },
  };
}

/** Starts it in a namespace that has its address; it ends with the namespace. */
export async function startImds(namespace: LabNamespace, metadata: object): Promise<Program> {
  const program = new Program(namespace, [process.execPath, SERVER, IMDS_ADDRESS, JSON.stringify(metadata)]);
  await program.until('the metadata service', ({ lines }) =>
    lines.some(({ listening }) => listening === true),
  );
  return program;
}

/** Has it answer otherwise from now on. */
export function tell(imds: Program, order: { status?: number; userData?: string }): void {
  imds.child.stdin!.write(`${JSON.stringify(order)}\n`);
}
