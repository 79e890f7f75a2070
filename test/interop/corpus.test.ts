/**
 * The tcpdump project's captures, many of them malformed on purpose: Weir's records are the oracle's, file by file, and
 * the oracle's octets are tshark's, packet by packet; where Weir ignores a packet that tshark reads, its reason says why.
 */

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { type CapturedFrame, readFrames } from '../oracle/capture.ts';
import { expectationOf } from '../oracle/oracle.ts';
import { readPacket } from '../oracle/packet.ts';
import { CORPUS, corpusMissing } from '../support/corpus.ts';
import { CaptureFolder } from '../support/read-capture.ts';
import { differences } from './compare.ts';
import { missing } from './peers.ts';
import { readHere } from './weir.ts';

const run = promisify(execFile);

t.test(
  'every file: the records, and what is ignored',
  { skip: corpusMissing, timeout: 120_000 },
  async (t) => {
    const names = readdirSync(CORPUS);
    t.ok(names.length > 800, `${names.length} files`);
    let meteredPackets = 0;
    for (const name of names) {
      const path = join(CORPUS, name);
      const expected = expectationOf([path], { fields: 'full' });
      const read = await readHere([path], { fields: 'full' });
      const problems = [
        ...differences(read.records, expected.records),
        ...differences([Object.fromEntries(read.ignored)], [Object.fromEntries(expected.ignored)]),
        ...differences([read.fragments], [{ ...expected.fragments, displaced: 0, evictions: 0 }]),
        ...read.errors,
      ];
      const sum = (field: 'packetDeltaCount' | 'octetDeltaCount') =>
        read.records.reduce((total, record) => total + record[field], 0);
      if (sum('packetDeltaCount') !== read.meteredPackets) problems.push('packets are not what was metered');
      if (sum('octetDeltaCount') !== read.meteredOctets) problems.push('octets are not what was metered');
      if (problems.length > 0) t.fail(`${name}: ${problems.join('\n')}`);
      meteredPackets += read.meteredPackets;
    }
    t.ok(meteredPackets > 5000, `${meteredPackets} packets`);
  },
);

t.test('every file, every tunnel opened', { skip: corpusMissing, timeout: 120_000 }, async (t) => {
  const options = { tunnels: ['vxlan', 'geneve', 'gre', 'ipip', '6in4'] } as const;
  const opened = new Map<string, number>();
  for (const name of readdirSync(CORPUS)) {
    const path = join(CORPUS, name);
    const expected = expectationOf([path], options);
    const read = await readHere([path], options);
    const problems = [
      ...differences(read.records, expected.records),
      ...differences([Object.fromEntries(read.opened)], [Object.fromEntries(expected.opened)]),
    ];
    if (problems.length > 0) t.fail(`${name}: ${problems.join('\n')}`);
    for (const [tunnel, count] of read.opened) opened.set(tunnel, (opened.get(tunnel) ?? 0) + count);
  }
  // There is no IP in IP among them.
  for (const tunnel of options.tunnels.filter((name) => name !== 'ipip'))
    t.ok(opened.get(tunnel)! > 0, `${tunnel}: ${opened.get(tunnel)} opened`);
});

/** Switch tags, Multi-Link Frame Relay, Juniper's own: Weir reads none of them, nor can mergecap write them. */
const NOT_MERGED_LINK_TYPES = [132, 164, 182, 281, 282, 284, 285];

interface Seen {
  readonly file: string;
  readonly frame: CapturedFrame;
  /** Octets of the outermost IP packet, as tshark says; undefined: it finds none; NaN: it does not say. */
  readonly octets: number | undefined;
  /** tshark's names of the protocols, the outermost first. */
  readonly protocols: readonly string[];
}

/** Every frame of the corpus and what tshark finds in it, in one run. */
async function tsharkSees(merged: string): Promise<Seen[]> {
  const frames = readdirSync(CORPUS).flatMap((file) =>
    readFrames(readFileSync(join(CORPUS, file))).map((frame) => ({ file, frame })),
  );
  const known = frames.filter(({ frame }) => !NOT_MERGED_LINK_TYPES.includes(frame.linkType));
  const files = [...new Set(known.map(({ file }) => file))];
  await run('mergecap', ['-a', '-F', 'pcapng', '-w', merged, ...files], { cwd: CORPUS, timeout: 50_000 });

  const fields = ['frame.protocols', 'ip.len', 'ipv6.plen', 'ipv6.opt.jumbo'];
  const args = [
    '-r',
    merged,
    '-T',
    'fields',
    '-E',
    'occurrence=f',
    ...fields.flatMap((field) => ['-e', field]),
  ];
  const { stdout } = await run('tshark', args, { timeout: 50_000, maxBuffer: 64 * 1024 * 1024 });
  const lines = stdout.split('\n').slice(0, -1);
  if (lines.length !== known.length)
    throw new Error(`tshark reads ${lines.length} of ${known.length} frames`);
  return known.map((seen, i) => {
    const [names = '', totalLength, payloadLength, jumbo] = lines[i]!.split('\t');
    const protocols = names.split(':');
    const payload = Number((payloadLength === '0' && jumbo) || payloadLength || Number.NaN);
    const outermost = protocols.find((name) => name === 'ip' || name === 'ipv6');
    const octets =
      outermost === undefined
        ? undefined
        : outermost === 'ip'
          ? Number(totalLength || Number.NaN)
          : 40 + payload;
    return { ...seen, protocols, octets };
  });
}

/** Headers between Ethernet and IP that Weir does not read: Arista's timestamps, MACsec, NSH. */
const ENCAPSULATIONS = ['avsp', 'macsec', 'nsh'];
/** More than a length field of 16 bits says, so that IPv6 says 0 (BIG TCP), where tshark 4.0 takes it at its word. */
const GIANT_OCTETS = 40 + 65_535;

t.test(
  'every packet: tshark counts the same octets',
  {
    skip: corpusMissing || missing({ tshark: 'tshark', mergecap: 'tshark' }),
    timeout: 60_000,
  },
  async (t) => {
    const seen = await tsharkSees(join(new CaptureFolder(t).path, 'merged.pcapng'));
    const counts = new Map<string, number>();
    for (const { file, frame, octets, protocols } of seen) {
      const packet = readPacket(frame);
      let outcome: string;
      if (typeof packet === 'string') {
        outcome = octets === undefined ? 'no IP packet' : packet;
        const isEncapsulated = ENCAPSULATIONS.some((name) => protocols.includes(name));
        if (outcome === 'not_ip' && !isEncapsulated)
          t.fail(`${file}: not IP, where tshark sees ${protocols}`);
      } else {
        const isGiant = packet.ipVersion === 6 && packet.octets > GIANT_OCTETS && octets === 40;
        outcome = isGiant ? 'a giant' : 'metered';
        if (!isGiant && packet.octets !== octets)
          t.fail(`${file}: ${packet.octets} octets, tshark ${octets}`);
      }
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
    // The reasons: of the packets in which tshark finds IPv4 or IPv6 somewhere.
    t.same(Object.fromEntries(counts), {
      metered: 5387,
      'a giant': 6,
      'no IP packet': 4335,
      unknown_link_type: 328, // PPP, Frame Relay, 802.11, ARCnet, …
      not_ip: 18, // behind ENCAPSULATIONS
      bad_ip_version: 5,
      bad_ip_length: 23,
      bad_ip_header_length: 2,
      truncated_ip_header: 3,
    });
  },
);
