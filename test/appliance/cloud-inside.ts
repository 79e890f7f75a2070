/**
 * Runs inside the client's namespace, started by the tests: EC2, as moto_server plays it, with a VPC in which the
 * machine's interfaces and a route table are. Says `{"endpoint", "table", "interfaces", …}`; each line of standard input has
 * it say `{"routes", "sourceDestChecks"}` as they are then.
 *
 *   cloud-inside.js ADDRESS MACHINE-ADDRESS…
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import {
  CreateNetworkInterfaceCommand,
  CreateRouteTableCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';

const REGION = 'eu-central-1';
const [host = '', ...addresses] = process.argv.slice(2);
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

const moto = spawn('moto_server', ['-H', host, '-p', '0'], { stdio: ['ignore', 'ignore', 'pipe'] });
moto.once('exit', () => process.exit(1));
let said = '';
const port = await new Promise<string>((resolve) => {
  moto.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < 10_000) said += text;
    const found = /Running on http:\/\/[\d.]+:(\d+)/.exec(said)?.[1];
    if (found !== undefined) resolve(found);
  });
});
const endpoint = `http://${host}:${port}`;
const ec2 = new EC2Client({
  endpoint,
  region: REGION,
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});

const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.71.0.0/16' }));
const VpcId = Vpc!.VpcId!;
const interfaces: string[] = [];
const subnets: string[] = [];
for (const address of addresses) {
  const CidrBlock = address.replace(/\d+$/, '0/24');
  const { Subnet } = await ec2.send(
    new CreateSubnetCommand({ VpcId, CidrBlock, AvailabilityZone: `${REGION}a` }),
  );
  // moto gives the first address of a subnet to nobody, as AWS does; which one it is nobody looks at here.
  const made = await ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: Subnet!.SubnetId! }));
  subnets.push(Subnet!.SubnetId!);
  interfaces.push(made.NetworkInterface!.NetworkInterfaceId!);
}
const { RouteTable } = await ec2.send(new CreateRouteTableCommand({ VpcId }));
const table = RouteTable!.RouteTableId!;
say({ endpoint, table, interfaces, subnets, vpc: VpcId });

createInterface(process.stdin).on('line', async () => {
  const tables = await ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [table] }));
  const found = await ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: interfaces }));
  say({
    routes: tables.RouteTables![0]!.Routes!.map(({ DestinationCidrBlock, NetworkInterfaceId, State }) => ({
      destination: DestinationCidrBlock,
      interface: NetworkInterfaceId,
      state: State,
    })),
    sourceDestChecks: found.NetworkInterfaces!.map(({ SourceDestCheck }) => SourceDestCheck),
  });
});
