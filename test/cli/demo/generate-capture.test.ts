import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { decodeQuery, encodeQuery } from '../../../src/cli/demo/dns.ts';
import { generateCapture, generatePackets } from '../../../src/cli/demo/generate-capture.ts';

const skip = spawnSync('tshark', ['--version']).error === undefined ? false : 'there is no tshark';

/** How many packets of the capture each of tshark's display filters lets through, in one pass. */
function countPackets(file: string, filters: readonly string[]): number[] {
  const preferences = ['ip', 'tcp', 'udp'].flatMap((protocol) => ['-o', `${protocol}.check_checksum:TRUE`]);
  const text = execFileSync(
    'tshark',
    ['-n', '-q', '-r', file, ...preferences, '-z', `io,stat,0,${filters.join(',')}`],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  // | 0.000 <> 9.990 | frames | octets | frames | octets | …
  const cells =
    text
      .split('\n')
      .find((line) => line.includes('<>'))
      ?.split('|') ?? [];
  return filters.map((_, i) => Number(cells[2 + 2 * i]));
}

test('tshark finds every kind of traffic, and nothing wrong with it', { skip }, async (t) => {
  const file = join(t.testdir(), 'demo.pcap');
  writeFileSync(file, generateCapture({ seconds: 10 }));
  const rows: [filter: string, packets: number][] = [
    ['frame', generatePackets({ seconds: 10 }).length],
    ['_ws.malformed', 0],
    ['tcp.analysis.flags', 0],
    ['ip.checksum.status != 1 || tcp.checksum.status != 1 || udp.checksum.status != 1', 0],
    ['icmp.checksum.status != 1 || icmpv6.checksum.status != 1', 0],
    ['ip && ip.len > frame.len - 14', 0],
    ['arp', 1],
    // Every 400 ms one HTTP exchange, over IPv4 and IPv6 in turn.
    ['http.request && ip', 13 + 1],
    ['http.request && ipv6', 12],
    ['http.response.code == 200', 25],
    ['tcp.port == 80 && tcp.flags == 0x002', 25],
    ['tcp.port == 80 && tcp.flags == 0x011', 50],
    ['tcp.dstport >= 1000 && tcp.dstport < 1100 && tcp.flags == 0x002', 100],
    ['tcp.srcport >= 1000 && tcp.srcport < 1100 && tcp.flags == 0x014', 100],
    ['dns.flags.response == 0 && dns.qry.type == 1 && ip', 20],
    ['dns.flags.response == 1 && dns.aaaa && ipv6', 20],
    ['dns.response_to', 40],
    ['icmp.type == 8', 10],
    ['icmpv6.type == 129', 10],
    ['vlan.id == 100 && udp && ip.dsfield.dscp == 46', 1000],
    ['tcp.srcport == 8080 && tcp.len == 1440', 2 * 166],
  ];
  const counts = countPackets(
    file,
    rows.map(([filter]) => filter),
  );
  for (const [i, [filter, packets]] of rows.entries()) t.equal(counts[i], packets, filter);
});

test('it is the same again for the same options, in the order of time, and another in another round', async (t) => {
  const capture = Buffer.from(generateCapture());
  t.ok(capture.equals(generateCapture()));
  const packets = generatePackets({ seconds: 3, startMilliseconds: 1_700_000_000_250 });
  const times = packets.map(({ seconds, nanoseconds }) => seconds * 1e6 + nanoseconds / 1000);
  t.same(
    times,
    times.toSorted((a, b) => a - b),
  );
  t.equal(times[0], 1_700_000_000_250_000);
  t.ok(times.at(-1)! < 1_700_000_003_250_000);
  t.notOk(capture.equals(generateCapture({ round: 1 })));
});

test('a DNS query is read back; anything else is not one', async (t) => {
  const question = { id: 0xbeef, name: 'www.example.com', type: 28 };
  const query = encodeQuery(question);
  t.same(decodeQuery(query), question);
  for (let length = 0; length < query.length; length++)
    t.equal(decodeQuery(query.subarray(0, length)), undefined);
  const response = Uint8Array.from(query);
  response[2] = 0x80;
  t.equal(decodeQuery(response), undefined);
  const longLabel = Uint8Array.from(query);
  longLabel[12] = 200;
  t.equal(decodeQuery(longLabel), undefined);
});
