/** `weir listen --json` prints for a record the line that `weir read --json` prints for it. */

import t from 'tap';
import { differences } from './compare.ts';
import { Peer, type Test } from './peers.ts';
import { sampleCapture } from './sample.ts';
import { jsonLines, WEIR, weir } from './weir.ts';

interface Listener {
  readonly peer: Peer;
  readonly port: number;
}

async function startListener(t: Test): Promise<Listener> {
  const peer = new Peer(process.execPath, [WEIR, 'listen', '127.0.0.1:0', '--json']);
  t.teardown(() => peer.end('SIGKILL'));
  await peer.until('it listened', () => peer.stderr.includes('listening on '));
  const lines = jsonLines<{ port?: number }>(peer.stderr);
  return { peer, port: lines.find(({ port }) => port !== undefined)?.port ?? 0 };
}

/** The lines that it printed, when there are so many, and it has ended well. */
async function linesOf({ peer }: Listener, count: number): Promise<string[]> {
  const lines = () => peer.stdout.split('\n').slice(0, -1);
  await peer.until(`it printed ${count} lines`, () => lines().length >= count);
  await peer.end('SIGTERM');
  return lines();
}

for (const scheme of ['ipfix', 'ipfix+tcp', 'netflow9']) {
  for (const fields of ['standard', 'full']) {
    t.test(`${scheme}, ${fields}`, async (t) => {
      const file = sampleCapture(t);
      const listener = await startListener(t);
      const url = `${scheme}://127.0.0.1:${listener.port}`;
      const { code, stdout, log } = await weir(
        ...['read', file, '--json', '--fields', fields, '-c', url, '--enterprise-number', '12345'],
      );
      t.equal(code, 0, 'weir read ends well', { log });
      // What IANA has no elements for is IPFIX's alone. The listener learns what 12345's are (RFC 5610).
      const enterprise = /,"initialTCPFlags".*"tcpZeroWindowDeltaCount":\d+/;
      const told = scheme === 'netflow9' ? stdout.replaceAll(new RegExp(enterprise, 'g'), '') : stdout;
      const expected = told.split('\n').slice(0, -1);
      t.ok(expected.length > 500, `${expected.length} records`);
      t.same((await linesOf(listener, expected.length)).sort(), expected.sort());
    });
  }
}

t.test('netflow5: what it carries', async (t) => {
  const file = sampleCapture(t);
  const listener = await startListener(t);
  const url = `netflow5://127.0.0.1:${listener.port}`;
  const { code, records, log } = await weir('read', file, '--json', '-c', url);
  t.equal(code, 0, 'weir read ends well', { log });
  const expected = records
    .filter(({ ipVersion }) => ipVersion === 4)
    .map((record) => ({
      sourceIPv4Address: record.sourceIPv4Address,
      destinationIPv4Address: record.destinationIPv4Address,
      sourceTransportPort: record.sourceTransportPort,
      destinationTransportPort: record.destinationTransportPort,
      protocolIdentifier: record.protocolIdentifier,
      ipClassOfService: record.ipClassOfService,
      tcpControlBits: record.tcpControlBits & 0xff,
      ingressInterface: record.ingressInterface,
      packetDeltaCount: record.packetDeltaCount,
      octetDeltaCount: record.octetDeltaCount,
      flowStartMilliseconds: record.flowStartMilliseconds,
      flowEndMilliseconds: record.flowEndMilliseconds,
      // What v5 has beside, and Weir does not know here.
      egressInterface: 0,
      ipNextHopIPv4Address: '0.0.0.0',
      bgpSourceAsNumber: 0,
      bgpDestinationAsNumber: 0,
      sourceIPv4PrefixLength: 0,
      destinationIPv4PrefixLength: 0,
    }));
  const lines = await linesOf(listener, expected.length);
  t.same(
    differences(
      lines.map((line) => JSON.parse(line) as object),
      expected,
    ),
    [],
  );
});
