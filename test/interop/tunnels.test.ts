/** tshark finds the same packets within tunnels: by addresses and protocol, as many, with as many IP octets. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { addressesOf } from '../oracle/oracle.ts';
import { CORPUS, corpusMissing } from '../support/corpus.ts';
import { missing } from './peers.ts';
import { weir } from './weir.ts';

const run = promisify(execFile);

/** Captures whose tunnels hold IPv4 within IPv4. */
const FILES = [
  'vxlan.pcap',
  'geneve.pcap',
  'geneve-gcp.pcap',
  'gso-ipv4-vxlan-ipv4.pcap',
  'gso-ipv4-geneve-ipv4.pcap',
];

type Sums = Record<string, { packets: number; octets: number }>;

function add(sums: Sums, key: string, packets: number, octets: number): void {
  sums[key] = { packets: (sums[key]?.packets ?? 0) + packets, octets: (sums[key]?.octets ?? 0) + octets };
}

/** Of each frame the innermost IPv4 header. */
async function tsharkSees(path: string): Promise<Sums> {
  const fields = ['ip.src', 'ip.dst', 'ip.proto', 'ip.len'].flatMap((field) => ['-e', field]);
  const args = ['-r', path, '-T', 'fields', '-E', 'occurrence=l', ...fields];
  const { stdout } = await run('tshark', args, { timeout: 50_000 });
  const sums: Sums = {};
  for (const line of stdout.split('\n').slice(0, -1)) {
    const [source, destination, protocol, length] = line.split('\t');
    add(sums, `${source} ${destination} ${protocol}`, 1, Number(length));
  }
  return sums;
}

t.test(
  'the corpus: VXLAN and GENEVE',
  { skip: corpusMissing || missing({ tshark: 'tshark' }), timeout: 60_000 },
  async (t) => {
    for (const file of FILES) {
      const path = join(CORPUS, file);
      const { records, code } = await weir('read', path, '--json', '--decapsulate', 'vxlan,geneve');
      t.equal(code, 0);
      const sums: Sums = {};
      for (const record of records) {
        const { source, destination } = addressesOf(record);
        const key = `${source} ${destination} ${record.protocolIdentifier}`;
        add(sums, key, record.packetDeltaCount, record.octetDeltaCount);
      }
      const expected = await tsharkSees(path);
      t.ok(Object.keys(expected).length > 0);
      t.same(sums, expected, file);
    }
  },
);
