/** Other people's collectors scale what was sampled by themselves: N times what was metered, from v5, v9 and IPFIX. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { missing, startCollector, type Test } from './peers.ts';
import { sampleCapture } from './sample.ts';
import { jsonLines, weir } from './weir.ts';

const run = promisify(execFile);
const N = 7;
const PROTOCOLS = ['netflow5', 'netflow9', 'ipfix'] as const;

/** Reads the capture with sampling; what was metered of IPv4 alone is what v5 sends. */
async function exportSampled(t: Test, url: string): Promise<{ packets: number; octets: number }> {
  const file = sampleCapture(t);
  const { stdout, code } = await weir('read', file, '--sampling', `1:${N}`, '-c', url, '--json');
  if (code !== 0) throw new Error(`weir read: ${code}`);
  const records = jsonLines<{ ipVersion: number; packetDeltaCount: number; octetDeltaCount: number }>(stdout);
  const sent = records.filter(({ ipVersion }) => ipVersion === 4 || !url.startsWith('netflow5'));
  return {
    packets: sent.reduce((sum, record) => sum + record.packetDeltaCount, 0),
    octets: sent.reduce((sum, record) => sum + record.octetDeltaCount, 0),
  };
}

const folderOf = (t: Test) => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-sampling-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
};

/** What nfdump says that nfcapd, given these options, has received. */
async function nfdumpSees(t: Test, protocol: string, ...options: string[]) {
  const folder = folderOf(t);
  const peer = await startCollector(
    t,
    'nfcapd',
    (port) => ['-w', folder, '-p', `${port}`, '-b', '127.0.0.1', '-B', '4000000', ...options],
    /Startup nfcapd/,
  );
  const metered = await exportSampled(t, `${protocol}://127.0.0.1:${peer.port}`);
  await peer.drained();
  await peer.end('SIGTERM');
  const { stdout } = await run('nfdump', ['-R', folder, '-q', '-o', 'raw'], { maxBuffer: 64 * 1024 * 1024 });
  const sum = (name: string) =>
    [...stdout.matchAll(new RegExp(`${name} *= *(\\d+)`, 'g'))].reduce((all, [, n]) => all + Number(n), 0);
  return { metered, seen: { packets: sum('in packets'), octets: sum('in bytes') } };
}

const scaled = ({ packets, octets }: { packets: number; octets: number }) => ({
  packets: packets * N,
  octets: octets * N,
});

t.test('nfdump', { skip: missing({ nfcapd: 'nfdump', nfdump: 'nfdump' }), timeout: 120_000 }, async (t) => {
  const { stdout: version } = await run('nfdump', ['-V']);
  const v5 = await nfdumpSees(t, 'netflow5');
  t.same(v5.seen, scaled(v5.metered), "v5: scaled by the header's interval");
  for (const protocol of ['netflow9', 'ipfix']) {
    const announced = await nfdumpSees(t, protocol);
    // 1.7.1 reads no options data, whatever Information Elements it uses (34 and 35, 48 to 50, 302 to 306).
    const reads = version.includes('1.7.1') ? announced.metered : scaled(announced.metered);
    t.same(announced.seen, reads, `${protocol}: by the announcement (1.7.1 does not scale)`);
    if (version.includes('1.7.1')) {
      const told = await nfdumpSees(t, protocol, '-s', `${N}`);
      t.same(told.seen, scaled(told.metered), `${protocol}: nfcapd -s ${N}`);
    }
  }
});

t.test('nfacctd_renormalize', { skip: missing({ nfacctd: 'pmacct' }), timeout: 120_000 }, async (t) => {
  for (const protocol of PROTOCOLS) {
    const path = join(folderOf(t), 'nfacctd.conf');
    const peer = await startCollector(
      t,
      'nfacctd',
      (port) => {
        writeFileSync(
          path,
          [
            'daemonize: false',
            'nfacctd_ip: 127.0.0.1',
            `nfacctd_port: ${port}`,
            'nfacctd_pipe_size: 8000000',
            'nfacctd_renormalize: true',
            'plugins: print',
            'plugin_pipe_size: 10240000',
            'print_output: json',
            'print_refresh_time: 1',
            'aggregate: proto',
          ].join('\n'),
        );
        return ['-f', path];
      },
      /waiting for NetFlow\/IPFIX data/,
    );
    const metered = await exportSampled(t, `${protocol}://127.0.0.1:${peer.port}`);
    await peer.drained();
    const seen = () => {
      const complete = peer.stdout.slice(0, peer.stdout.lastIndexOf('\n') + 1);
      const lines = jsonLines<{ packets: number; bytes: number }>(complete);
      return {
        packets: lines.reduce((sum, { packets }) => sum + packets, 0),
        octets: lines.reduce((sum, { bytes }) => sum + bytes, 0),
      };
    };
    await peer.until('it printed every packet', () => seen().packets >= scaled(metered).packets);
    await peer.end('SIGINT');
    t.same(seen(), scaled(metered), protocol);
  }
});
