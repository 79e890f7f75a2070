/** nfcapd and nfdump (Debian's nfdump): what they say of v5, v9 and IPFIX equals the oracle, record by record. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { addressesOf, expectationOf, type OracleRecord } from '../oracle/oracle.ts';
import { differences } from './compare.ts';
import { missing, startCollector, type Test, type UdpPeer } from './peers.ts';
import { sampleCapture } from './sample.ts';
import { weir } from './weir.ts';

const run = promisify(execFile);

interface Nfcapd {
  readonly peer: UdpPeer;
  readonly folder: string;
}

async function startNfcapd(t: Test): Promise<Nfcapd> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-nfcapd-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const args = (port: number) => ['-w', folder, '-p', `${port}`, '-b', '127.0.0.1', '-B', '4000000'];
  return { peer: await startCollector(t, 'nfcapd', args, /Startup nfcapd/), folder };
}

/** Ends it and reads its files with nfdump: a paragraph of lines `name = value` a record. */
async function recordsOf({ peer, folder }: Nfcapd): Promise<Map<string, string>[]> {
  await peer.drained();
  await peer.end('SIGTERM');
  const { stdout } = await run('nfdump', ['-R', folder, '-q', '-o', 'raw'], { maxBuffer: 64 * 1024 * 1024 });
  const paragraphs = stdout.split('Flow Record:').slice(1);
  return paragraphs.map((text) => {
    const lines = [...text.matchAll(/^ {2}(\S.*?) *= *(\S+)/gm)];
    return new Map(lines.map(([, name = '', value = '']) => [name, value]));
  });
}

/** What nfdump shows of a record, whatever the protocol. */
interface Shown {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** Source and destination port; ICMP: type.code */
  readonly ports: string;
  readonly tcpControlBits: number;
  readonly ipClassOfService: number;
  readonly packets: number;
  readonly octets: number;
  readonly firstMilliseconds: number;
  readonly lastMilliseconds: number;
  readonly input: number;
}

function shown(fields: Map<string, string>): Shown {
  const text = (name: string) => fields.get(name) ?? '';
  return {
    source: text('src addr'),
    destination: text('dst addr'),
    protocol: Number(text('proto')),
    ports: fields.get('ICMP') ?? `${text('src port')} ${text('dst port')}`,
    tcpControlBits: Number(text('tcp flags')),
    ipClassOfService: Number(fields.get('src tos') ?? text('dst tos')), // so it calls the only one of ICMP
    packets: Number(text('in packets')),
    octets: Number(text('in bytes')),
    firstMilliseconds: Number(text('first')),
    lastMilliseconds: Number(text('last')),
    input: Number(text('input')),
  };
}

function expected(record: OracleRecord): Shown {
  const { protocolIdentifier: protocol, sourceTransportPort, destinationTransportPort } = record;
  const isIcmp = protocol === 1 || protocol === 58;
  return {
    ...addressesOf(record),
    protocol,
    ports: isIcmp
      ? `${destinationTransportPort >> 8}.${destinationTransportPort & 0xff}`
      : `${sourceTransportPort} ${destinationTransportPort}`,
    tcpControlBits: record.tcpControlBits & 0xff, // it shows no more
    ipClassOfService: record.ipClassOfService,
    packets: record.packetDeltaCount,
    octets: record.octetDeltaCount,
    firstMilliseconds: record.flowStartMilliseconds,
    lastMilliseconds: record.flowEndMilliseconds,
    input: record.ingressInterface,
  };
}

function expectedOfV9(record: OracleRecord) {
  return { ...expected(record), vlan: record.vlanId };
}

/**
 * nfcapd 1.7.1 knows ports of TCP and UDP only: for any other protocol it puts icmpTypeCodeIPv4 or IPv6, which is 0
 * there, in the destination port's place.
 */
function expectedOfIpfix(record: OracleRecord) {
  const { protocolIdentifier: protocol, sourceTransportPort, flowEndReason } = record;
  const common = { ...expectedOfV9(record), flowEndReason };
  return [1, 6, 17, 58].includes(protocol) ? common : { ...common, ports: `${sourceTransportPort} 0` };
}

t.test(
  'nfcapd receives v5, v9 and IPFIX',
  {
    skip: missing({ nfcapd: 'nfdump', nfdump: 'nfdump' }),
    timeout: 60_000,
  },
  async (t) => {
    const file = sampleCapture(t);
    const { records } = expectationOf([file]);
    const [v5, v9, ipfix] = await Promise.all([startNfcapd(t), startNfcapd(t), startNfcapd(t)]);
    const to = (scheme: string, { peer }: Nfcapd) => ['-c', `${scheme}://127.0.0.1:${peer.port}`];
    const collectors = [...to('netflow5', v5), ...to('netflow9', v9), ...to('ipfix', ipfix)];
    const { code, log } = await weir('read', file, ...collectors);
    t.equal(code, 0, 'weir read ends well', { log });

    const ofV5 = (await recordsOf(v5)).map(shown);
    const ipv4 = records.filter(({ ipVersion }) => ipVersion === 4);
    t.same(differences(ofV5, ipv4.map(expected)), [], 'v5: the IPv4 records');

    const ofV9 = (await recordsOf(v9)).map((fields) => ({
      ...shown(fields),
      vlan: Number(fields.get('src vlan')),
    }));
    t.same(differences(ofV9, records.map(expectedOfV9)), [], 'v9');

    const ofIpfix = (await recordsOf(ipfix)).map((fields) => ({
      ...shown(fields),
      vlan: Number(fields.get('src vlan')),
      flowEndReason: Number(fields.get('end reason')),
    }));
    t.same(differences(ofIpfix, records.map(expectedOfIpfix)), [], 'IPFIX');
  },
);
