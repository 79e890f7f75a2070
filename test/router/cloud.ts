/**
 * A VPC for the tests, inside a network namespace that the test file has been started in (inside.ts): EC2 is moto_server
 * behind a proxy, and each router has a namespace of its own, with an interface that has the MAC address and the address
 * of its network interface in EC2.
 *
 * ```
 *   router 0          here                router 1
 *   ens5 ────── to-0   EC2, IMDS   to-1 ────── ens5
 *   10.0.0.10   10.0.0.1       10.0.1.1   10.0.1.10      zones a, b
 * ```
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  AssociateRouteTableCommand,
  CreateNetworkInterfaceCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteRouteTableCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  DisassociateRouteTableCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import type { Test } from 'tap';
import { Metrics, Program } from '../network/program.ts';
import { type Moto, startMoto } from '../support/moto.ts';
import { Ec2Proxy } from './ec2-proxy.ts';
import { FakeImds, metadataOf } from './fake-imds.ts';

const MAIN = fileURLToPath(new URL('../../bundle/weir/main.js', import.meta.url));
const { PATH } = process.env;
const REGION = 'eu-west-1';
const ZONES = [`${REGION}a`, `${REGION}b`];

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

let clouds = 0;

export interface Place {
  readonly eni: string;
  readonly address: string;
  readonly subnetId: string;
  readonly namespace: string;
  readonly imds: FakeImds;
  readonly imdsPort: number;
}

/** EC2 for the tests of one file, which runs in a namespace of its own. */
export async function motoFor(t: Test): Promise<Moto> {
  ip('link', 'set', 'lo', 'up');
  const moto = await startMoto();
  t.teardown(() => moto.stop());
  return moto;
}

export class Cloud {
  readonly moto: Moto;
  readonly proxy: Ec2Proxy;
  readonly proxyPort: number;
  /** Straight to moto. */
  readonly ec2: EC2Client;
  readonly vpcId: string;
  readonly places: readonly Place[];
  /** One for the clients of each zone. */
  readonly tables: readonly string[];
  readonly clientCidrs = ['10.0.10.0/24', '10.0.11.0/24'];

  private constructor(
    parts: Pick<Cloud, 'moto' | 'proxy' | 'proxyPort' | 'ec2' | 'vpcId' | 'places' | 'tables'>,
  ) {
    this.moto = parts.moto;
    this.proxy = parts.proxy;
    this.proxyPort = parts.proxyPort;
    this.ec2 = parts.ec2;
    this.vpcId = parts.vpcId;
    this.places = parts.places;
    this.tables = parts.tables;
  }

  /** Ends with the test. @param moto shared by several, each with a VPC of its own */
  static async start(t: Test, moto: Moto): Promise<Cloud> {
    const proxy = new Ec2Proxy(moto.port);
    const proxyPort = await proxy.start();
    t.teardown(() => proxy.stop());
    const ec2 = new EC2Client({ endpoint: moto.endpoint, region: REGION });
    t.teardown(() => ec2.destroy());
    const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
    const vpcId = Vpc!.VpcId!;
    clouds++;
    const places: Place[] = [];
    const tables: string[] = [];
    for (const [i, zone] of ZONES.entries()) {
      const subnet = async (cidr: string) =>
        (await ec2.send(new CreateSubnetCommand({ VpcId: vpcId, CidrBlock: cidr, AvailabilityZone: zone })))
          .Subnet!.SubnetId!;
      const own = await subnet(`10.0.${i}.0/24`);
      const clients = await subnet(`10.0.${10 + i}.0/24`);
      const { RouteTable } = await ec2.send(
        new CreateRouteTableCommand({
          VpcId: vpcId,
          TagSpecifications: [{ ResourceType: 'route-table', Tags: [{ Key: 'weir', Value: 'private' }] }],
        }),
      );
      const table = RouteTable!.RouteTableId!;
      await ec2.send(new AssociateRouteTableCommand({ RouteTableId: table, SubnetId: clients }));
      tables.push(table);
      const address = `10.0.${i}.10`;
      const { NetworkInterface } = await ec2.send(
        new CreateNetworkInterfaceCommand({
          SubnetId: own,
          PrivateIpAddress: address,
          TagSpecifications: [
            { ResourceType: 'network-interface', Tags: [{ Key: 'weir:group', Value: 'main' }] },
          ],
        }),
      );
      const eni = NetworkInterface!.NetworkInterfaceId!;
      // Of its own, so that no two interfaces of the tests have the same.
      const mac = `02:00:00:00:0${i}:0a`;
      const namespace = `weir-router-${process.pid}-${clouds}-${i}`;
      ip('netns', 'add', namespace);
      t.teardown(() => ip('netns', 'delete', namespace));
      ip('link', 'add', `to-${i}`, 'type', 'veth', 'peer', 'name', 'ens5', 'netns', namespace);
      // Not by the end of the namespace: the kernel takes that its time, and the next test wants the name.
      t.teardown(() => ip('link', 'delete', `to-${i}`));
      ip('address', 'add', `10.0.${i}.1/24`, 'dev', `to-${i}`);
      ip('link', 'set', `to-${i}`, 'up');
      for (const line of [
        'link set lo up',
        `link set ens5 address ${mac}`,
        `address add ${address}/24 dev ens5`,
        'link set ens5 up',
        `route add default via 10.0.${i}.1`,
      ])
        ip('-n', namespace, ...line.split(' '));
      const imds = new FakeImds(
        metadataOf(`i-0000000000000000${i}`, zone, [
          {
            id: eni,
            mac,
            deviceNumber: 0,
            subnetId: own,
            vpcId,
            ipv4: [address],
            subnetCidr: `10.0.${i}.0/24`,
            vpcCidrs: ['10.0.0.0/16'],
          },
        ]),
      );
      const imdsPort = await imds.start('0.0.0.0');
      t.teardown(() => imds.stop());
      places.push({ eni, address, subnetId: own, namespace, imds, imdsPort });
    }
    // What lies between the routers forwards.
    spawnSync('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
    return new Cloud({ moto, proxy, proxyPort, ec2, vpcId, places, tables });
  }

  /** Whether the routers reach each other. */
  set isConnected(value: boolean) {
    spawnSync('sysctl', ['-q', '-w', `net.ipv4.ip_forward=${Number(value)}`]);
  }

  /** The arguments of `ip` that start weir at one of the places, with these words. */
  #command(i: number, words: readonly string[]): string[] {
    const { namespace, imdsPort } = this.places[i]!;
    const here = `10.0.${i}.1`;
    return [
      ...['netns', 'exec', namespace, 'env'],
      'AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE',
      'AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      `AWS_ENDPOINT_URL_EC2=http://${here}:${this.proxyPort}`,
      `AWS_ENDPOINT_URL_SSM=http://${here}:${this.proxyPort}`,
      `AWS_EC2_METADATA_SERVICE_ENDPOINT=http://${here}:${imdsPort}`,
      process.execPath,
      MAIN,
      ...words,
    ];
  }

  /** `weir router` at one of the places; it ends with the test. */
  router(t: Test, i: number, ...flags: string[]): RouterProgram {
    // The name of a socket has 107 octets at most.
    const folder = mkdtempSync(join(tmpdir(), 'weir-router-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const control = join(folder, 'router.sock');
    const common = ['--control', control, '--metrics', '127.0.0.1:0', '--peer', 'tag:weir:group=main'];
    const program = new Program(undefined, ['ip', ...this.#command(i, ['router', ...common, ...flags])]);
    t.teardown(() => program.end('SIGKILL'));
    return { program, control, place: this.places[i]! };
  }

  /** Asks a router that runs, and waits for the end of that. */
  async ask(i: number, { control }: RouterProgram, ...words: string[]): Promise<Answer> {
    return await this.run(i, 'router', ...words, '--control', control);
  }

  /** Runs weir at one of the places to its end. */
  async run(i: number, ...words: string[]): Promise<Answer> {
    const child = spawn('ip', this.#command(i, words), { env: { PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    const [code] = await once(child, 'close');
    return { code: code as number | null, ...output };
  }

  /** A scrape of a router's metrics, in its namespace. */
  async metrics(i: number, { program }: RouterProgram): Promise<Metrics> {
    const { port } = await program.said('metrics');
    const { namespace } = this.places[i]!;
    const script =
      'fetch(process.argv[1]).then((answer) => answer.text()).then((text) => process.stdout.write(text))';
    const { stdout } = spawnSync(
      'ip',
      ['netns', 'exec', namespace, process.execPath, '-e', script, `http://127.0.0.1:${port}/metrics`],
      { encoding: 'utf8', env: { PATH } },
    );
    return new Metrics(stdout);
  }

  /** A second interface appears at a place: in its metadata, and in its kernel. */
  async plugIn(
    i: number,
    { name, eni, address }: { name: string; eni: string; address: string },
  ): Promise<void> {
    const { imds, namespace, subnetId } = this.places[i]!;
    const mac = `02:00:00:00:00:1${i}`;
    ip('-n', namespace, 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-out`);
    ip('-n', namespace, 'link', 'set', name, 'address', mac);
    ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', name);
    ip('-n', namespace, 'link', 'set', name, 'up');
    ip('-n', namespace, 'link', 'set', `${name}-out`, 'up');
    const folder = 'meta-data/network/interfaces/macs';
    const more = metadataOf('', REGION, [
      {
        ...{ id: eni, mac, deviceNumber: 1, subnetId, vpcId: this.vpcId, ipv4: [address] },
        subnetCidr: `10.0.${i}.0/24`,
        vpcCidrs: ['10.0.0.0/16'],
      },
    ]);
    const both = `${imds.values.get(folder)}\n${more.get(folder)}`;
    for (const [key, value] of more) if (key.startsWith(`${folder}/`)) imds.values.set(key, value);
    imds.values.set(folder, both);
  }

  /** What a table has for a destination: the interface that it leads to. */
  async target(table: string, destination = '0.0.0.0/0'): Promise<string | undefined> {
    const { RouteTables } = await this.ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [table] }));
    return RouteTables?.[0]?.Routes?.find((route) => route.DestinationCidrBlock === destination)
      ?.NetworkInterfaceId;
  }

  /** Both tables' targets. */
  targets(): Promise<(string | undefined)[]> {
    return Promise.all(this.tables.map((table) => this.target(table)));
  }

  /**
   * Resolves when the tables lead there: a machine that is busy may start the routers so far apart that one has both
   * tables for a moment. @returns how many calls there were by then
   */
  async untilTargets(...expected: string[]): Promise<number> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const targets = await this.targets();
      if (targets.every((target, i) => target === expected[i])) return this.proxy.calls.length;
      if (performance.now() > deadline)
        throw new Error(`waited in vain: the tables lead to ${targets.join()}`);
      const seen = this.proxy.calls.length;
      await this.proxy.until('another call', () => this.proxy.calls.length > seen);
    }
  }

  async createRoute(table: string, destination: string, eni: string): Promise<void> {
    await this.ec2.send(
      new CreateRouteCommand({
        RouteTableId: table,
        DestinationCidrBlock: destination,
        NetworkInterfaceId: eni,
      }),
    );
  }

  async deleteTable(table: string): Promise<void> {
    const { RouteTables } = await this.ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [table] }));
    for (const { RouteTableAssociationId } of RouteTables?.[0]?.Associations ?? [])
      await this.ec2.send(new DisassociateRouteTableCommand({ AssociationId: RouteTableAssociationId! }));
    await this.ec2.send(new DeleteRouteTableCommand({ RouteTableId: table }));
  }

  async isChecked(eni: string): Promise<boolean | undefined> {
    const { NetworkInterfaces } = await this.ec2.send(
      new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eni] }),
    );
    return NetworkInterfaces?.[0]?.SourceDestCheck;
  }
}

export interface Answer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RouterProgram {
  readonly program: Program;
  readonly control: string;
  readonly place: Place;
}
