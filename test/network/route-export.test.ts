/** What the kernel's routes say of flows, live, in every export format, as other people's programs see it. */

import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once as event } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Test, test } from 'tap';
import type { LabNamespace } from '../../src/cli/demo/lab.ts';
import { MessageDecoder } from '../../src/collect/decode.ts';
import { type DecodedRecord, fieldValue } from '../../src/collect/record.ts';
import { serve, traffic } from '../capture/live.ts';
import { asCapture, CAPTURED_PORT } from '../interop/datagrams.ts';
import { missing, startCollector } from '../interop/peers.ts';
import { conserves, labFor, noLiveCapture, type Program, server, WeirRun } from './program.ts';

const run = promisify(execFile);
const SIDES = ['to-client', 'to-server'];
const UDP = 17;
/** Behind the server, by a route of the router's. */
const FAR = { ipv4: '198.51.100.7', ipv6: '2001:db8:5::7' };
const FAR_PREFIX = { ipv4: '198.51.100.0/24', ipv6: '2001:db8:5::/48' };

/** A record's way, whoever tells of it. */
interface Way {
  readonly destination: string;
  readonly input: number;
  readonly output: number;
  readonly nextHop: string;
  readonly sourceLength: number;
  readonly destinationLength: number;
}

async function farLab(t: Test) {
  const lab = await labFor(t);
  const { ipv4, ipv6 } = lab.addresses.server;
  await lab.server.run(['ip', 'address', 'add', `${FAR.ipv4}/32`, 'dev', 'lo']);
  await lab.server.run(['ip', 'address', 'add', `${FAR.ipv6}/128`, 'dev', 'lo']);
  await lab.router.run(['ip', 'route', 'add', FAR_PREFIX.ipv4, 'via', ipv4]);
  await lab.router.run(['ip', 'route', 'add', FAR_PREFIX.ipv6, 'via', ipv6]);
  const links = JSON.parse(await lab.router.run(['ip', '-json', 'link'])) as {
    ifindex: number;
    ifname: string;
  }[];
  const index = (name: string) => links.find(({ ifname }) => ifname === name)!.ifindex;
  return { ...lab, toClient: index('to-client'), toServer: index('to-server') };
}

const datagramsOf = (keeper: Program): Buffer[] =>
  keeper.lines.flatMap(({ datagram }) =>
    datagram === undefined ? [] : [Buffer.from(String(datagram), 'hex')],
  );

const versionOf = (datagram: Buffer): number => datagram.readUInt16BE(0);

/** Decodes everything that has been kept. */
function decoded(datagrams: readonly Buffer[]): { records: DecodedRecord[]; options: DecodedRecord[] } {
  const records: DecodedRecord[] = [];
  const options: DecodedRecord[] = [];
  const decoder = new MessageDecoder();
  for (const datagram of datagrams) {
    decoder.decode(
      datagram,
      { address: '127.0.0.1', port: 1 },
      {
        record: (record) => records.push(record),
        options: (record) => options.push(record),
      },
    );
  }
  return { records, options };
}

function wayOf(record: DecodedRecord): Way {
  const version = fieldValue(record, 'destinationIPv6Address') === undefined ? 4 : 6;
  const number = (name: string) => Number(fieldValue(record, name));
  return {
    destination: String(fieldValue(record, `destinationIPv${version}Address`)),
    input: number('ingressInterface'),
    output: number('egressInterface'),
    nextHop: String(fieldValue(record, `ipNextHopIPv${version}Address`)),
    sourceLength: number(`sourceIPv${version}PrefixLength`),
    destinationLength: number(`destinationIPv${version}PrefixLength`),
  };
}

/** The commands of the `ip monitor` processes in a namespace. */
async function monitors(namespace: LabNamespace): Promise<string[]> {
  const { stdout } = await run('ip', ['netns', 'pids', namespace.name]);
  return stdout
    .split('\n')
    .filter((id) => id !== '')
    .map((id) => readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0').slice(0, -1).join(' '))
    .filter((command) => command.startsWith('ip monitor'));
}

/** Of UDP alone, each way once, in the order of the destinations. */
function distinct(ways: readonly Way[]): Way[] {
  const byText = new Map(ways.map((way) => [JSON.stringify(way), way]));
  return [...byText.values()].sort((a, b) => (a.destination < b.destination ? -1 : 1));
}

/** What nfdump shows of datagrams that are sent to nfcapd. */
async function nfdumps(t: Test, datagrams: readonly Buffer[]): Promise<Way[]> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-nfcapd-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const args = (port: number) => ['-w', folder, '-p', `${port}`, '-b', '127.0.0.1', '-B', '4000000'];
  const nfcapd = await startCollector(t, 'nfcapd', args, /Startup nfcapd/);
  const socket = createSocket('udp4');
  for (const datagram of datagrams) {
    await new Promise((resolve) => socket.send(datagram, nfcapd.port, '127.0.0.1', resolve));
    await nfcapd.drained();
  }
  socket.close();
  await event(socket, 'close');
  await nfcapd.drained();
  await nfcapd.end('SIGTERM');
  const { stdout } = await run('nfdump', ['-R', folder, '-q', '-o', 'raw'], { maxBuffer: 64 * 1024 * 1024 });
  return stdout
    .split('Flow Record:')
    .slice(1)
    .map(
      (text) =>
        new Map([...text.matchAll(/^ {2}(\S.*?) *= *(\S+)/gm)].map(([, name, value]) => [name!, value!])),
    )
    .filter((fields) => Number(fields.get('proto')) === UDP)
    .map((fields) => ({
      destination: fields.get('dst addr') ?? '',
      input: Number(fields.get('input')),
      output: Number(fields.get('output')),
      // Of v5, nfdump 1.7.1 shows no next hop that is 0.
      nextHop: fields.get('ip next hop') ?? '0.0.0.0',
      sourceLength: Number(fields.get('src mask')?.split('/')[0]),
      destinationLength: Number(fields.get('dst mask')?.split('/')[0]),
    }));
}

/** What tshark dissects. */
async function tsharks(t: Test, datagrams: readonly Buffer[]): Promise<Way[]> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-tshark-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'export.pcap');
  writeFileSync(path, asCapture(datagrams));
  const { stdout } = await run(
    'tshark',
    ['-r', path, '-d', `udp.port==${CAPTURED_PORT},cflow`, '-O', 'cflow', '-V'],
    { maxBuffer: 256 * 1024 * 1024, timeout: 50_000 },
  );
  if (/malformed|unknown/i.test(stdout))
    throw new Error(`tshark complains: ${/.*(malformed|unknown).*/i.exec(stdout)}`);
  return stdout
    .split(/^ *(?:Flow \d+|pdu \d+\/\d+)$/m)
    .map(
      (text) =>
        new Map([...text.matchAll(/^ +\[?([^:\n]+): (.*)$/gm)].map(([, name, value]) => [name!, value!])),
    )
    .filter((fields) => /\b17\b/.test(fields.get('Protocol') ?? ''))
    .map((fields) => ({
      destination: fields.get('DstAddr') ?? '',
      input: Number(fields.get('InputInt')),
      output: Number(fields.get('OutputInt')),
      nextHop: fields.get('NextHop') ?? '',
      sourceLength: Number.parseInt(fields.get('SrcMask') ?? '', 10),
      destinationLength: Number.parseInt(fields.get('DstMask') ?? '', 10),
    }));
}

test('egress interface, next hop and prefix lengths: v5, v9 and IPFIX, as Weir, nfdump and tshark read them', {
  skip: noLiveCapture,
  timeout: 100_000,
}, async (t) => {
  const lab = await farLab(t);
  const { client, server: host } = lab.addresses;
  const { program: keeper, port } = await server(lab.router, 'keep', '127.0.0.1');
  const collectors = ['netflow5', 'netflow9', 'ipfix'].map((scheme) => `${scheme}://127.0.0.1:${port}`);
  const weir = await WeirRun.start(lab.router, SIDES, ...collectors.flatMap((url) => ['-c', url]));
  const destinations = [host.ipv4, host.ipv6, FAR.ipv4, FAR.ipv6, lab.addresses.toServer.ipv4];
  for (const destination of destinations.slice(0, 4)) {
    const to = await serve(lab.server, 'udp-echo', destination);
    await traffic(lab.client, 'udp-send', destination, to, 5, 100);
  }
  const echo = await serve(lab.router, 'udp-echo', destinations[4]!);
  await traffic(lab.client, 'udp-send', destinations[4]!, echo, 5, 100);
  conserves(t, await weir.metrics(), collectors);
  t.equal((await weir.end()).code, 0);
  await keeper.end();
  const datagrams = datagramsOf(keeper);

  const forth = (
    destination: string,
    nextHop: string,
    sourceLength: number,
    destinationLength: number,
  ): Way => ({
    destination,
    input: lab.toClient,
    output: lab.toServer,
    nextHop,
    sourceLength,
    destinationLength,
  });
  const back = (
    destination: string,
    nextHop: string,
    sourceLength: number,
    destinationLength: number,
  ): Way => ({
    ...forth(destination, nextHop, sourceLength, destinationLength),
    input: lab.toServer,
    output: lab.toClient,
  });
  const ipv4 = distinct([
    forth(host.ipv4, '0.0.0.0', 24, 24),
    forth(FAR.ipv4, host.ipv4, 24, 24),
    // The router itself: the packets leave by no interface, and the route is that of the table local.
    { ...forth(destinations[4]!, '0.0.0.0', 24, 32), output: 0 },
    back(client.ipv4, '0.0.0.0', 24, 24),
  ]);
  const ipv6 = distinct([
    forth(host.ipv6, '::', 64, 64),
    forth(FAR.ipv6, host.ipv6, 64, 48),
    back(client.ipv6, '::', 64, 64),
    back(client.ipv6, '::', 48, 64),
  ]);
  const expected = (version: number) => (version === 5 ? ipv4 : distinct([...ipv4, ...ipv6]));
  const isUdp = (record: DecodedRecord) => fieldValue(record, 'protocolIdentifier') === UDP;
  for (const version of [5, 9, 10]) {
    const own = datagrams.filter((datagram) => versionOf(datagram) === version);
    t.same(
      distinct(decoded(own).records.filter(isUdp).map(wayOf)),
      expected(version),
      `v${version}, as Weir reads it`,
    );
    if (!missing({ nfcapd: 'nfdump', nfdump: 'nfdump' })) {
      // nfcapd 1.7.1 does not keep the masks of v5.
      const noMasks = version === 5 ? { sourceLength: 0, destinationLength: 0 } : {};
      t.same(
        distinct(await nfdumps(t, own)),
        expected(version).map((way) => ({ ...way, ...noMasks })),
        `v${version}, as nfdump shows it`,
      );
    }
    if (!missing({ tshark: 'tshark' }))
      t.same(distinct(await tsharks(t, own)), expected(version), `v${version}, as tshark dissects it`);
  }
});

test('a route that comes and goes while Weir runs: the next record tells; an interface that is renamed', {
  skip: noLiveCapture,
  timeout: 60_000,
}, async (t) => {
  const lab = await farLab(t);
  const host = lab.addresses.server;
  const ip = (...args: string[]) => lab.router.run(['ip', ...args]);
  const { program: keeper, port } = await server(lab.router, 'keep', '127.0.0.1');
  const url = `ipfix://127.0.0.1:${port}`;
  const weir = await WeirRun.start(
    lab.router,
    ['to-client'],
    ...['-c', url, '--active-timeout', '0.2', '--template-refresh', '0.2'],
  );
  const echo = await serve(lab.server, 'udp-echo', FAR.ipv4);
  const lengths = (from: number) =>
    decoded(datagramsOf(keeper))
      .records.slice(from)
      .filter((record) => fieldValue(record, 'destinationIPv4Address') === FAR.ipv4)
      .map((record) => Number(fieldValue(record, 'destinationIPv4PrefixLength')));
  const seen = () => decoded(datagramsOf(keeper)).records.length;
  const until = (length: number, from: number) =>
    keeper.until(`a record of a route of length ${length}`, () => lengths(from).includes(length));
  const reads = async () => (await weir.metrics()).sum('weir_route_reads_total');

  // A flow that goes on: its next record tells the new route.
  const trickle = lab.client.spawn([
    process.execPath,
    new URL('./inside.js', import.meta.url).pathname,
    ...['udp-trickle', FAR.ipv4, `${echo}`, '20'],
  ]);
  await until(24, 0);
  t.same([...new Set(lengths(0))], [24]);
  await ip('route', 'add', '198.51.100.0/25', 'via', host.ipv4);
  await until(25, 0);
  t.equal((await weir.metrics()).sum('weir_routes', { ip_version: '4' }) >= 2, true);
  let before = await reads();
  await ip('route', 'del', '198.51.100.0/25');
  await weir.metricsUntil('it has been read', (metrics) => metrics.sum('weir_route_reads_total') > before);
  await until(24, seen());

  // New flows, when the old one is gone.
  trickle.kill('SIGKILL');
  before = await reads();
  await ip('route', 'change', FAR_PREFIX.ipv4, 'via', host.ipv4, 'metric', '0', 'mtu', '1400');
  await ip('route', 'add', '198.51.100.6/31', 'via', host.ipv4);
  await weir.metricsUntil('it has been read', (metrics) => metrics.sum('weir_route_reads_total') > before);
  const from = seen();
  await traffic(lab.client, 'udp-send', FAR.ipv4, echo, 5, 100);
  await until(31, from);

  // The interface that packets leave by is another's, in name; the index is the same.
  const named = () =>
    decoded(datagramsOf(keeper))
      .options.filter((record) => fieldValue(record, 'ingressInterface') === lab.toServer)
      .map((record) => String(fieldValue(record, 'interfaceName')));
  await keeper.until('the name of the egress interface', () => named().includes('to-server'));
  await ip('link', 'set', 'to-server', 'down');
  await ip('link', 'set', 'to-server', 'name', 'uplink');
  await ip('link', 'set', 'uplink', 'up');
  await keeper.until('its new name', () => named().at(-1) === 'uplink');

  t.same(await monitors(lab.router), ['ip monitor link route rule']);
  t.equal((await weir.end()).code, 0);
  t.same(await monitors(lab.router), [], 'it has ended with Weir');
  await keeper.end();
});

test('without routes there is nothing to tell, and nothing runs', {
  skip: noLiveCapture,
  timeout: 60_000,
}, async (t) => {
  const lab = await farLab(t);
  const { program: keeper, port } = await server(lab.router, 'keep', '127.0.0.1');
  const weir = await WeirRun.start(lab.router, SIDES, '-c', `ipfix://127.0.0.1:${port}`, '--routes', 'off');
  const echo = await serve(lab.server, 'udp-echo', FAR.ipv4);
  await traffic(lab.client, 'udp-send', FAR.ipv4, echo, 5, 100);
  const metrics = await weir.metrics();
  t.notMatch(metrics.text, /weir_route/);
  t.same(await monitors(lab.router), []);
  t.equal((await weir.end()).code, 0);
  await keeper.end();
  const { records } = decoded(datagramsOf(keeper));
  t.ok(records.length > 0);
  for (const record of records) t.equal(fieldValue(record, 'egressInterface'), undefined);
});
