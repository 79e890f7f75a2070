/** `--biflow`: records as the oracle reckons them; sums that equal what was metered at every collector; tshark's view. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { biflowFields } from '../oracle/biflow-record.ts';
import { meterBiflows } from '../oracle/biflows.ts';
import { joinFragments } from '../oracle/fragments.ts';
import { DEFAULTS, expectationOf, type OracleOptions, tunnelFields } from '../oracle/oracle.ts';
import { randomCapture } from '../oracle/random-capture.ts';
import { LINK_TYPES } from '../oracle/random-frames.ts';
import { CORPUS, corpusMissing } from '../support/corpus.ts';
import { CaptureFolder } from '../support/read-capture.ts';
import { differences } from './compare.ts';
import { asCapture, CAPTURED_PORT, DatagramKeeper } from './datagrams.ts';
import { missing, startCollector } from './peers.ts';
import { sampleCapture } from './sample.ts';
import { readHere, weir } from './weir.ts';

const run = promisify(execFile);

function expected(paths: readonly string[], options: OracleOptions) {
  const { packets } = joinFragments(expectationOf(paths, options).packets);
  const records = meterBiflows(packets, options).map((record) => ({
    ...biflowFields(record, options.fields === 'full'),
    ...tunnelFields([...record.forward.packets, ...record.reverse.packets][0]!, options.tunnels),
  }));
  return { packets, records };
}

type Counter = 'packetDeltaCount' | 'reversePacketDeltaCount' | 'reverseOctetDeltaCount';
const countsOf = (records: readonly object[]) => records as readonly Partial<Record<Counter, number>>[];

const TIMEOUTS = [
  [5000, 15_000],
  [60_000, 2000],
  [500, 500],
  [300, 1500],
  [1500, 499],
  [100, 60_000],
  [1, 1],
] as const;

const ALL_TUNNELS = ['vxlan', 'geneve', 'gre', 'ipip', '6in4'] as const;

t.test('record by record, as the oracle has it', async (t) => {
  const folder = new CaptureFolder(t);
  let twoWay = 0;
  for (let seed = 300; seed < 328; seed++) {
    const [activeMilliseconds, idleMilliseconds] = TIMEOUTS[seed % TIMEOUTS.length]!;
    const options = {
      activeMilliseconds,
      idleMilliseconds,
      fields: seed % 3 === 0 ? 'standard' : 'full',
      tunnels: seed % 5 === 3 ? ALL_TUNNELS : [],
    } as const;
    const capture = {
      ...options,
      seed,
      format: seed % 2 === 0 ? 'pcapng' : 'pcap',
      linkType: LINK_TYPES[seed % LINK_TYPES.length]!,
      bothWays: true,
    } as const;
    const path = join(folder.path, `${seed}.pcap`);
    writeFileSync(path, randomCapture(capture));
    const { records, packets } = expected([path], options);
    const read = await readHere([path], options, { biflow: true });
    t.same(differences(read.records, records), [], JSON.stringify(capture));
    t.equal(read.meteredPackets, packets.length);
    twoWay += countsOf(records).filter(
      (of) => (of.packetDeltaCount ?? 0) * (of.reversePacketDeltaCount ?? 0) > 0,
    ).length;
  }
  t.ok(twoWay > 1000, `${twoWay} records of both directions`);
});

t.test('the corpus', { skip: corpusMissing }, async (t) => {
  for (const name of ['ssh.pcap', 'afs.pcap', 'mptcp-v0.pcap', 'of10_s4810.pcap', 'icmpv6.pcap']) {
    const path = join(CORPUS, name);
    const options = { ...DEFAULTS, fields: 'full' } as const;
    const read = await readHere([path], options, { biflow: true });
    t.same(differences(read.records, expected([path], options).records), [], name);
  }
});

const total = (packets: readonly { packet: { octets: number } }[]) => ({
  packets: packets.length,
  octets: packets.reduce((sum, { packet }) => sum + packet.octets, 0),
});

t.test(
  'nfdump: the sums are what was metered; of IPFIX in both directions, of v5 and v9 in two records',
  { skip: missing({ nfcapd: 'nfdump', nfdump: 'nfdump' }), timeout: 60_000 },
  async (t) => {
    const file = sampleCapture(t, { bothWays: true });
    const { packets, records } = expected([file], DEFAULTS);
    for (const scheme of ['netflow5', 'netflow9', 'ipfix']) {
      const folder = mkdtempSync(join(tmpdir(), 'weir-biflow-'));
      t.teardown(() => rmSync(folder, { recursive: true }));
      const args = (port: number) => ['-w', folder, '-p', `${port}`, '-b', '127.0.0.1', '-B', '4000000'];
      const peer = await startCollector(t, 'nfcapd', args, /Startup nfcapd/);
      const { code } = await weir('read', file, '--biflow', '-c', `${scheme}://127.0.0.1:${peer.port}`);
      t.equal(code, 0);
      await peer.drained();
      await peer.end('SIGTERM');
      const { stdout } = await run('nfdump', ['-R', folder, '-q', '-o', 'raw'], { maxBuffer: 2 ** 26 });
      const sum = (name: string) =>
        [...stdout.matchAll(new RegExp(`${name} *= *(\\d+)`, 'g'))].reduce(
          (all, [, n]) => all + Number(n),
          0,
        );
      const sent = packets.filter(({ packet }) => scheme !== 'netflow5' || packet.ipVersion === 4);
      const forward = { packets: sum('in packets'), octets: sum('in bytes') };
      const reverse = { packets: sum('out packets'), octets: sum('out bytes') };
      t.same(
        { packets: forward.packets + reverse.packets, octets: forward.octets + reverse.octets },
        total(sent),
        `${scheme}: packets and octets`,
      );
      t.equal(reverse.packets > 0, scheme === 'ipfix', `${scheme}: both directions in a record`);
      if (scheme === 'ipfix') {
        t.equal(stdout.split('Flow Record:').length - 1, records.length);
        t.equal([...stdout.matchAll(/biFlow Dir *= *0x01 initiator/g)].length, records.length);
      }
    }
  },
);

t.test(
  'tshark decodes the reverse elements',
  { skip: missing({ tshark: 'tshark' }), timeout: 60_000 },
  async (t) => {
    const file = sampleCapture(t, { bothWays: true });
    const { records } = expected([file], DEFAULTS);
    const keeper = await DatagramKeeper.start(t);
    const { log } = await weir('read', file, '--biflow', '-c', `ipfix://127.0.0.1:${keeper.port}`);
    await keeper.received(Number(log.find((line) => line.msg === 'exported')?.messages));
    const path = `${file}.datagrams`;
    writeFileSync(path, asCapture(keeper.datagrams));
    const args = ['-r', path, '-d', `udp.port==${CAPTURED_PORT},cflow`, '-O', 'cflow', '-V'];
    const { stdout } = await run('tshark', args, { maxBuffer: 2 ** 28 });
    t.notMatch(stdout, /malformed|Value \(hex bytes\)|no template/i);
    const values = (pattern: RegExp) =>
      [...stdout.matchAll(pattern)].map(([, value]) => Number(value)).sort();
    const counts = (name: Counter) =>
      countsOf(records)
        .map((of) => of[name] ?? 0)
        .sort();
    t.same(values(/Packets: (\d+) \(Reverse Type 2 PKTS\)/g), counts('reversePacketDeltaCount'));
    t.same(values(/Octets: (\d+) \(Reverse Type 1 BYTES\)/g), counts('reverseOctetDeltaCount'));
    t.equal([...stdout.matchAll(/Biflow Direction: Initiator \(1\)/g)].length, records.length);
  },
);
