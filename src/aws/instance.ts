/** What the metadata service knows of this instance: who it is, where it is, and its network interfaces. */
import { type Imds, ImdsError } from './imds.ts';

/** A network interface as AWS knows it. */
export interface InstanceInterface {
  /** `eni-…`. */
  readonly id: string;
  /** Lower case, colons between. */
  readonly mac: string;
  /** 0: the primary one. */
  readonly deviceNumber: number;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  readonly subnetCidrs: readonly string[];
  /** All of the VPC's prefixes, IPv4 and IPv6. */
  readonly vpcCidrs: readonly string[];
}

export interface Instance {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly region: string;
  /** The availability zone's name: `eu-central-1a`. */
  readonly zone: string;
  /** By device number. */
  readonly interfaces: readonly InstanceInterface[];
}

/**
 * Asks for all of it.
 * @throws ImdsError where the service does not answer, or does not know yet
 */
export async function readInstance(imds: Imds, signal?: AbortSignal): Promise<Instance> {
  const need = async (path: string): Promise<string> => {
    const text = await imds.get(path, signal);
    if (text === undefined || text === '') throw new ImdsError(`it does not know ${path} yet`, 404);
    return text.trim();
  };
  const instanceId = await need('meta-data/instance-id');
  const instanceType = await need('meta-data/instance-type');
  const zone = await need('meta-data/placement/availability-zone');
  const region = await need('meta-data/placement/region');
  const folder = 'meta-data/network/interfaces/macs';
  const interfaces: InstanceInterface[] = [];
  for (const entry of await imds.list(folder, signal)) {
    const mac = entry.replace(/\/$/, '');
    const of = (name: string) => `${folder}/${mac}/${name}`;
    const list = (name: string) => imds.list(of(name), signal);
    interfaces.push({
      id: await need(of('interface-id')),
      mac: mac.toLowerCase(),
      deviceNumber: Number(await need(of('device-number'))),
      subnetId: await need(of('subnet-id')),
      vpcId: await need(of('vpc-id')),
      ipv4: await list('local-ipv4s'),
      ipv6: await list('ipv6s'),
      subnetCidrs: [...(await list('subnet-ipv4-cidr-block')), ...(await list('subnet-ipv6-cidr-blocks'))],
      // Every VPC has one for IPv4. NAT without would translate nothing.
      vpcCidrs: [
        ...(await need(of('vpc-ipv4-cidr-blocks'))).split('\n'),
        ...(await list('vpc-ipv6-cidr-blocks')),
      ],
    });
  }
  if (interfaces.length === 0) throw new ImdsError('it knows no network interface yet', 404);
  interfaces.sort((a, b) => a.deviceNumber - b.deviceNumber);
  return { instanceId, instanceType, region, zone, interfaces };
}
