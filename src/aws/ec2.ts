/**
 * What a router asks of EC2, and nothing else: the list of its methods is the list of what its IAM policy allows
 * (docs/router.md). Each call is bounded in time, counted, and its error is put into words that name the action.
 */
import type { NetworkInterface, RouteTable } from '@aws-sdk/client-ec2';
import type { AwsClients, Ec2 } from './clients.ts';
import { AwsError, explainAwsError } from './errors.ts';

/** Of AWS's objects: those with an ID, or those that have a tag. */
export type Selector =
  | { readonly id: string }
  | { readonly tag: { readonly key: string; readonly value: string } };

export interface Ec2Route {
  /** A prefix, or the ID of a managed prefix list. */
  readonly destination: string;
  /** The ID of a network interface, a gateway, …; undefined where AWS tells none. */
  readonly target: string | undefined;
  readonly state: 'active' | 'blackhole';
}

export interface Ec2RouteTable {
  readonly id: string;
  readonly vpcId: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly isMain: boolean;
  readonly subnetIds: readonly string[];
  readonly routes: readonly Ec2Route[];
}

export interface Ec2Subnet {
  readonly id: string;
  readonly zone: string;
  readonly cidrs: readonly string[];
}

export interface Ec2Interface {
  readonly id: string;
  readonly zone: string;
  readonly status: string;
  readonly instanceId: string | undefined;
  readonly isSourceDestChecked: boolean;
  readonly tags: ReadonlyMap<string, string>;
  /** The primary private IPv4 address, else the first IPv6 address. */
  readonly address: string | undefined;
}

/** The actions that this file calls. */
export type Ec2Action =
  | 'DescribeRouteTables'
  | 'DescribeSubnets'
  | 'DescribeNetworkInterfaces'
  | 'DescribeAddresses'
  | 'CreateRoute'
  | 'ReplaceRoute'
  | 'ModifyNetworkInterfaceAttribute'
  | 'AttachNetworkInterface'
  | 'AssociateAddress';

const CALL_MILLISECONDS = 8_000;
/** EC2 takes 200 values a filter. */
const MOST_VALUES = 200;

export class Ec2Api {
  /** Plain counters, read at a scrape. */
  readonly calls = new Map<Ec2Action, number>();
  /** By action and kind of error. */
  readonly failures = new Map<Ec2Action, Map<string, number>>();

  readonly #clients: AwsClients;
  readonly #callMilliseconds: number;

  constructor(clients: AwsClients, callMilliseconds = CALL_MILLISECONDS) {
    this.#clients = clients;
    this.#callMilliseconds = callMilliseconds;
  }

  /** Route tables of one VPC that are selected. A table that is no more is left out; it is no error. */
  async routeTables(vpcId: string, selectors: readonly Selector[]): Promise<Ec2RouteTable[]> {
    const found = new Map<string, Ec2RouteTable>();
    for (const filter of filtersOf(selectors, 'route-table-id')) {
      let next: string | undefined;
      do {
        const page = await this.#call('DescribeRouteTables', 'route tables', (ec2, options) =>
          ec2.client.send(
            new ec2.sdk.DescribeRouteTablesCommand({
              Filters: [{ Name: 'vpc-id', Values: [vpcId] }, filter],
              ...(next === undefined ? {} : { NextToken: next }),
            }),
            options,
          ),
        );
        for (const table of page.RouteTables ?? []) {
          const read = readTable(table);
          found.set(read.id, read);
        }
        next = page.NextToken;
      } while (next !== undefined);
    }
    return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** All subnets of one VPC. */
  async subnets(vpcId: string): Promise<Ec2Subnet[]> {
    const subnets: Ec2Subnet[] = [];
    let next: string | undefined;
    do {
      const page = await this.#call('DescribeSubnets', 'subnets', (ec2, options) =>
        ec2.client.send(
          new ec2.sdk.DescribeSubnetsCommand({
            Filters: [{ Name: 'vpc-id', Values: [vpcId] }],
            ...(next === undefined ? {} : { NextToken: next }),
          }),
          options,
        ),
      );
      for (const subnet of page.Subnets ?? []) {
        const ipv6 = subnet.Ipv6CidrBlockAssociationSet ?? [];
        subnets.push({
          id: subnet.SubnetId ?? '',
          zone: subnet.AvailabilityZone ?? '',
          cidrs: [subnet.CidrBlock, ...ipv6.map((one) => one.Ipv6CidrBlock)].filter(
            (one) => !!one,
          ) as string[],
        });
      }
      next = page.NextToken;
    } while (next !== undefined);
    return subnets;
  }

  /** Network interfaces that are selected, those that exist. @param vpcId only those of this VPC */
  async interfaces(selectors: readonly Selector[], vpcId?: string): Promise<Ec2Interface[]> {
    const found = new Map<string, Ec2Interface>();
    for (const filter of filtersOf(selectors, 'network-interface-id')) {
      let next: string | undefined;
      do {
        const page = await this.#call('DescribeNetworkInterfaces', 'network interfaces', (ec2, options) =>
          ec2.client.send(
            new ec2.sdk.DescribeNetworkInterfacesCommand({
              Filters: [...(vpcId === undefined ? [] : [{ Name: 'vpc-id', Values: [vpcId] }]), filter],
              ...(next === undefined ? {} : { NextToken: next }),
            }),
            options,
          ),
        );
        for (const one of page.NetworkInterfaces ?? []) {
          const read = readInterface(one);
          found.set(read.id, read);
        }
        next = page.NextToken;
      } while (next !== undefined);
    }
    return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async createRoute(tableId: string, destination: string, interfaceId: string): Promise<void> {
    await this.#call('CreateRoute', `${destination} in ${tableId}`, (ec2, options) =>
      ec2.client.send(
        new ec2.sdk.CreateRouteCommand({
          RouteTableId: tableId,
          NetworkInterfaceId: interfaceId,
          ...destinationOf(destination),
        }),
        options,
      ),
    );
  }

  async replaceRoute(tableId: string, destination: string, interfaceId: string): Promise<void> {
    await this.#call('ReplaceRoute', `${destination} in ${tableId}`, (ec2, options) =>
      ec2.client.send(
        new ec2.sdk.ReplaceRouteCommand({
          RouteTableId: tableId,
          NetworkInterfaceId: interfaceId,
          ...destinationOf(destination),
        }),
        options,
      ),
    );
  }

  /** Lets an interface send and receive what is not its own. */
  async turnSourceDestCheckOff(interfaceId: string): Promise<void> {
    await this.#call('ModifyNetworkInterfaceAttribute', interfaceId, (ec2, options) =>
      ec2.client.send(
        new ec2.sdk.ModifyNetworkInterfaceAttributeCommand({
          NetworkInterfaceId: interfaceId,
          SourceDestCheck: { Value: false },
        }),
        options,
      ),
    );
  }

  async attachInterface(interfaceId: string, instanceId: string, deviceIndex: number): Promise<void> {
    await this.#call('AttachNetworkInterface', `${interfaceId} to ${instanceId}`, (ec2, options) =>
      ec2.client.send(
        new ec2.sdk.AttachNetworkInterfaceCommand({
          NetworkInterfaceId: interfaceId,
          InstanceId: instanceId,
          DeviceIndex: deviceIndex,
        }),
        options,
      ),
    );
  }

  /** The interface that an Elastic IP is associated with; undefined: with none. */
  async addressInterface(allocationId: string): Promise<string | undefined> {
    const { Addresses } = await this.#call('DescribeAddresses', allocationId, (ec2, options) =>
      ec2.client.send(new ec2.sdk.DescribeAddressesCommand({ AllocationIds: [allocationId] }), options),
    );
    return Addresses?.[0]?.NetworkInterfaceId;
  }

  /** Takes the Elastic IP over from wherever it is. */
  async associateAddress(allocationId: string, interfaceId: string): Promise<void> {
    await this.#call('AssociateAddress', `${allocationId} with ${interfaceId}`, (ec2, options) =>
      ec2.client.send(
        new ec2.sdk.AssociateAddressCommand({
          AllocationId: allocationId,
          NetworkInterfaceId: interfaceId,
          AllowReassociation: true,
        }),
        options,
      ),
    );
  }

  /** @throws AwsError */
  async #call<T>(
    action: Ec2Action,
    name: string,
    send: (ec2: Ec2, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    this.calls.set(action, (this.calls.get(action) ?? 0) + 1);
    const timeout = AbortSignal.timeout(this.#callMilliseconds);
    try {
      return await send(await this.#clients.ec2(), { abortSignal: timeout });
    } catch (error) {
      const attempt = {
        action: `ec2:${action}`,
        resource: resourceOf(action, name),
        name: `${action} (${name})`,
      };
      const explained = timeout.aborted
        ? new AwsError(
            'network',
            `${attempt.name}: EC2 has not answered within ${this.#callMilliseconds / 1000} s`,
            'look at the route to AWS, or at the VPC endpoint of EC2',
            { cause: error },
          )
        : explainAwsError(error, attempt);
      let kinds = this.failures.get(action);
      if (kinds === undefined) {
        kinds = new Map();
        this.failures.set(action, kinds);
      }
      kinds.set(explained.kind, (kinds.get(explained.kind) ?? 0) + 1);
      throw explained;
    }
  }
}

/** The code of EC2 behind an explained error: `RouteAlreadyExists`. */
export function ec2Code(error: unknown): string | undefined {
  const cause = error instanceof AwsError ? error.cause : error;
  return cause instanceof Error ? cause.name : undefined;
}

/** What a policy of IAM has to name. */
function resourceOf(action: Ec2Action, name: string): string {
  if (action.startsWith('Describe')) return '*';
  const table = /\brtb-\w+/.exec(name)?.[0];
  if (table !== undefined) return `arn:aws:ec2:REGION:ACCOUNT:route-table/${table}`;
  const id = /\beni-\w+/.exec(name)?.[0] ?? '*';
  return `arn:aws:ec2:REGION:ACCOUNT:network-interface/${id}`;
}

/** Filters rather than lists of IDs: an ID that is no more fails a list as a whole. */
function filtersOf(selectors: readonly Selector[], idFilter: string): { Name: string; Values: string[] }[] {
  const ids = selectors.flatMap((selector) => ('id' in selector ? [selector.id] : []));
  const filters: { Name: string; Values: string[] }[] = [];
  for (let i = 0; i < ids.length; i += MOST_VALUES)
    filters.push({ Name: idFilter, Values: ids.slice(i, i + MOST_VALUES) });
  for (const selector of selectors) {
    if ('tag' in selector) filters.push({ Name: `tag:${selector.tag.key}`, Values: [selector.tag.value] });
  }
  return filters;
}

function destinationOf(destination: string) {
  if (destination.startsWith('pl-')) return { DestinationPrefixListId: destination };
  if (destination.includes(':')) return { DestinationIpv6CidrBlock: destination };
  return { DestinationCidrBlock: destination };
}

function tagsOf(tags: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined) {
  return new Map((tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
}

function readTable(table: RouteTable): Ec2RouteTable {
  const associations = table.Associations ?? [];
  return {
    id: table.RouteTableId ?? '',
    vpcId: table.VpcId ?? '',
    tags: tagsOf(table.Tags),
    isMain: associations.some(({ Main }) => Main === true),
    subnetIds: associations.map(({ SubnetId }) => SubnetId).filter((id) => id !== undefined),
    routes: (table.Routes ?? []).map((route) => ({
      destination:
        route.DestinationCidrBlock || route.DestinationIpv6CidrBlock || route.DestinationPrefixListId || '',
      // The interface first: with it AWS also tells the instance.
      target:
        route.NetworkInterfaceId ||
        route.NatGatewayId ||
        route.TransitGatewayId ||
        route.VpcPeeringConnectionId ||
        route.EgressOnlyInternetGatewayId ||
        route.LocalGatewayId ||
        route.CarrierGatewayId ||
        route.CoreNetworkArn ||
        route.GatewayId ||
        route.InstanceId ||
        undefined,
      state: route.State === 'blackhole' ? 'blackhole' : 'active',
    })),
  };
}

function readInterface(one: NetworkInterface): Ec2Interface {
  return {
    id: one.NetworkInterfaceId ?? '',
    zone: one.AvailabilityZone ?? '',
    status: one.Status ?? '',
    instanceId: one.Attachment?.InstanceId,
    isSourceDestChecked: one.SourceDestCheck ?? true,
    tags: tagsOf(one.TagSet),
    address: one.PrivateIpAddress || one.Ipv6Addresses?.[0]?.Ipv6Address || undefined,
  };
}
