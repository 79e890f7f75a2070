/** What node-netflowv9, another's decoder, makes of the same v5 and v9 messages. */

import { createRequire } from 'node:module';
import t from 'tap';
import { fieldValue } from '../../src/collect/record.ts';
import { netflow9, octets, RecordingDecoder, UDP } from './octets.ts';

type PeerFlow = Record<string, unknown> & { first_switched: number; last_switched: number };
interface Peer {
  nfPktDecode(message: Buffer, rinfo: object): { flows: PeerFlow[] };
  server: { close(): void };
}
// CommonJS without types.
const NetFlowV9 = createRequire(import.meta.url)('node-netflowv9') as new (options: object) => Peer;

/** By IANA's name, the name that the peer uses. */
const NAMES: Record<string, string> = {
  sourceIPv4Address: 'ipv4_src_addr',
  destinationIPv4Address: 'ipv4_dst_addr',
  ingressInterface: 'input_snmp',
  egressInterface: 'output_snmp',
  packetDeltaCount: 'in_pkts',
  octetDeltaCount: 'in_bytes',
  protocolIdentifier: 'protocol',
  tcpControlBits: 'tcp_flags',
  ipClassOfService: 'src_tos',
};

function decodeBoth(t: Tap, messages: readonly Uint8Array[]) {
  const peer = new NetFlowV9({ cb: () => undefined });
  t.teardown(() => peer.server.close());
  const recording = new RecordingDecoder();
  const flows: PeerFlow[] = [];
  for (const message of messages) {
    t.equal(recording.decode(message), undefined);
    flows.push(...peer.nfPktDecode(Buffer.from(message), { ...UDP, size: message.length }).flows);
  }
  return { ours: recording.records, theirs: flows };
}
type Tap = typeof t;

/** Of the v5 datagram: its SysUptime is as large as it can be, so that every First and Last lies in the past. */
const BOOT = 1_700_000_000_000 - 0xffff_ffff;

t.test('v5', async (t) => {
  // Ten records whose octets are all different, so that no field can be taken for another.
  const bytes = octets(
    `00 05 00 0a ff ff ff ff 65 53 f1 00 00 00 00 00 00 00 00 00 00 00 00 00 ${'00'.repeat(480)}`,
  );
  for (let at = 24; at < bytes.length; at++) bytes[at] = (at * 73 + 11) & 0xff;
  const { ours, theirs } = decodeBoth(t as Tap, [bytes]);
  t.equal(theirs.length, 10);
  const names = {
    ...NAMES,
    ipNextHopIPv4Address: 'ipv4_next_hop',
    sourceTransportPort: 'ipv4_src_port',
    destinationTransportPort: 'ipv4_dst_port',
    bgpSourceAsNumber: 'in_as',
    bgpDestinationAsNumber: 'out_as',
    sourceIPv4PrefixLength: 'src_mask',
    destinationIPv4PrefixLength: 'dst_mask',
  };
  ours.forEach((record, index) => {
    for (const [name, peerName] of Object.entries(names)) {
      t.equal(fieldValue(record, name), theirs[index]![peerName], name);
    }
    // The peer leaves times as they are in the record.
    t.equal((fieldValue(record, 'flowStartMilliseconds') as number) - BOOT, theirs[index]!.first_switched);
    t.equal((fieldValue(record, 'flowEndMilliseconds') as number) - BOOT, theirs[index]!.last_switched);
  });
});

t.test('v9', async (t) => {
  const template = `
    00 00 00 38 01 00 00 0c
    00 08 00 04  00 0c 00 04  00 0a 00 02  00 0e 00 02  00 02 00 04  00 01 00 04
    00 04 00 01  00 06 00 01  00 05 00 01  00 07 00 02  00 0b 00 02  00 15 00 04`;
  const values = Array.from({ length: 31 }, (_, at) => ((at * 73 + 11) & 0xff).toString(16).padStart(2, '0'));
  // The clock must not be ahead of the header's: LAST_SWITCHED 990 000.
  const record = `${values.slice(0, 27).join(' ')} 00 0f 1b 30`;
  const { ours, theirs } = decodeBoth(t as Tap, [
    netflow9(1, 0, template),
    netflow9(2, 1, `01 00 00 44 ${record} ${record} 00 00`),
  ]);
  t.equal(ours.length, 2);
  t.equal(theirs.length, 2);
  const names = { ...NAMES, sourceTransportPort: 'l4_src_port', destinationTransportPort: 'l4_dst_port' };
  ours.forEach((ourRecord, index) => {
    for (const [name, peerName] of Object.entries(names)) {
      t.equal(fieldValue(ourRecord, name), theirs[index]![peerName], name);
    }
    t.equal(fieldValue(ourRecord, 'flowEndMilliseconds'), 1_699_999_990_000);
    t.equal(theirs[index]!.last_switched, 990_000);
  });
});
