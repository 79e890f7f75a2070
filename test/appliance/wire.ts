/**
 * What the appliance stands in: a client with the VPC's own services (DHCP, the metadata service), a server with the
 * collectors, and between them the namespace in which the machine runs.
 *
 * ```
 *   client                  machine                      server
 *   10.71.1.2 ──── ens5 10.71.1.1 │ 10.71.2.1 ens6 ──── 10.71.2.2
 * ```
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Lab, LabNamespace } from '../../src/cli/demo/lab.ts';
import { labFor, Program } from '../network/program.ts';
import { Cloud } from './cloud.ts';
import { metadataOf, startImds } from './imds.ts';

export const MACS = ['02:00:00:00:71:01', '02:00:00:00:71:02'] as const;
/** Software emulation on a busy machine is slow: what waits for the machine waits that long. */
export const PATIENCE_MILLISECONDS = 240_000;

export interface Wire {
  readonly lab: Lab;
  readonly imds: Program;
  readonly cloud: Cloud;
  /** For files of this test's own. */
  readonly folder: string;
}

/** Lays out the lab, and starts DHCP on both sides and the metadata service at the client. All ends with the test. */
export async function layWire(t: Test): Promise<Wire> {
  const lab = await labFor(t);
  const folder = mkdtempSync(join(tmpdir(), 'weir-appliance-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const { router, client, server, addresses } = lab;
  // The addresses and the forwarding are the machine's: the namespace only joins the wires.
  await router.run(['sysctl', '-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0']);
  for (const [index, side] of ['to-client', 'to-server'].entries()) {
    await router.run(['ip', 'address', 'flush', 'dev', side]);
    for (const command of [
      `link add br${index} type bridge mcast_snooping 0`,
      `link set ${side} master br${index}`,
      `tuntap add tap${index} mode tap vnet_hdr`,
      `link set tap${index} master br${index} txqueuelen 10000`,
      `link set tap${index} up`,
      `link set br${index} up`,
    ])
      await router.run(['ip', ...command.split(' ')]);
  }
  await client.run(['ip', 'address', 'add', '169.254.169.254/32', 'dev', 'lo']);
  const { client: near, toClient, toServer } = addresses;
  // The default route leads to the VPC's own router, which has the metadata service behind it: the client.
  await startDhcp(client, folder, MACS[0], toClient, near.ipv4);
  await startDhcp(server, folder, MACS[1], toServer, undefined);
  const machine = [toClient.ipv4, toServer.ipv4];
  const cloud = await Cloud.start(client, near.ipv4, machine);
  const imds = await startImds(client, metadataOf(MACS, machine, cloud));
  return { lab, imds, cloud, folder };
}

async function startDhcp(
  namespace: LabNamespace,
  folder: string,
  mac: string,
  address: { readonly ipv4: string; readonly ipv6: string },
  gateway: string | undefined,
): Promise<void> {
  const program = new Program(namespace, [
    ...['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--user=root', '--pid-file='],
    ...['--interface=eth0', '--bind-dynamic', '--dhcp-authoritative', '--log-facility=-'],
    `--dhcp-leasefile=${join(folder, `leases-${namespace.name}`)}`,
    ...[`--dhcp-range=${address.ipv4},static,255.255.255.0,1h`, `--dhcp-host=${mac},${address.ipv4}`],
    `--dhcp-option=option:router${gateway === undefined ? '' : `,${gateway}`}`,
    ...['--enable-ra', `--dhcp-range=${address.ipv6},${address.ipv6},64,1h`],
    ...(gateway === undefined ? ['--ra-param=eth0,10,0'] : ['--ra-param=eth0,10']),
  ]);
  await program.until('DHCP', ({ log }) => log.some(({ text }) => /started/.test(text ?? '')));
}
