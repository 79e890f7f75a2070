import t from 'tap';
import { octets, RecordingDecoder, UDP } from './octets.ts';

/** One record; SysUptime 1 000 000 ms at 1 700 000 000.5 s, so the router booted at 1 699 999 000 500 ms. */
const HEADER = `
  00 05         # version
  00 01         # count
  00 0f 42 40   # SysUptime 1 000 000
  65 53 f1 00   # unix_secs 1 700 000 000
  1d cd 65 00   # unix_nsecs 500 000 000
  00 00 00 64   # flow_sequence 100
  01 02         # engine_type, engine_id
`;
const UNSAMPLED = '00 00 # sampling: none\n';
const RECORD = `
  c0 00 02 01   # srcaddr 192.0.2.1
  c6 33 64 02   # dstaddr 198.51.100.2
  cb 00 71 03   # nexthop 203.0.113.3
  00 0a 00 0b   # input 10, output 11
  00 00 00 05   # dPkts
  ff ff ff ff   # dOctets
  00 0e 31 9c   # First 930 204
  00 0f 1b 30   # Last 990 000
  c0 00 00 50   # srcport 49152, dstport 80
  00 1b 06 b8   # pad1, tcp_flags, prot, tos
  fd e8 fd e9   # src_as, dst_as
  18 10 00 00   # src_mask, dst_mask, pad2
`;
const LINE = {
  sourceIPv4Address: '192.0.2.1',
  destinationIPv4Address: '198.51.100.2',
  ipNextHopIPv4Address: '203.0.113.3',
  ingressInterface: 10,
  egressInterface: 11,
  packetDeltaCount: 5,
  octetDeltaCount: 4294967295,
  flowStartMilliseconds: 1_699_999_930_704,
  flowEndMilliseconds: 1_699_999_990_500,
  sourceTransportPort: 49152,
  destinationTransportPort: 80,
  tcpControlBits: 27,
  protocolIdentifier: 6,
  ipClassOfService: 184,
  bgpSourceAsNumber: 65000,
  bgpDestinationAsNumber: 65001,
  sourceIPv4PrefixLength: 24,
  destinationIPv4PrefixLength: 16,
};

t.test('a record, with its keys in the wire order', async (t) => {
  const recording = new RecordingDecoder();
  t.equal(recording.decode(octets(HEADER + UNSAMPLED + RECORD)), undefined);
  t.same(recording.lines, [LINE]);
  t.same(Object.keys(recording.lines[0] as object), Object.keys(LINE));
});

t.test('the header reaches the receiver', async (t) => {
  const { decoder } = new RecordingDecoder();
  let header: unknown;
  const options = () => t.fail('v5 has no options data');
  decoder.decode(octets(HEADER + UNSAMPLED + RECORD), UDP, {
    options,
    record(_record, { version, source, observationDomainId, exportTimeMilliseconds, sequenceNumber }) {
      header = { version, source, observationDomainId, exportTimeMilliseconds, sequenceNumber };
    },
  });
  t.same(header, {
    version: 5,
    source: UDP,
    observationDomainId: 0x0102,
    exportTimeMilliseconds: 1_700_000_000_500,
    sequenceNumber: 100,
  });
});

t.test('sampling stands in the header, and then in every record', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(octets(`${HEADER} 43 e8 # mode 1, interval 1000\n ${RECORD}`));
  t.same(recording.lines, [{ ...LINE, samplingInterval: 1000, samplingAlgorithm: 1 }]);
});

t.test('uptimes around a wrap of SysUptime', async (t) => {
  // SysUptime 1 000 ms after its wrap: First is from before the wrap, Last 200 ms ahead of the header.
  const header = HEADER.replace('00 0f 42 40', '00 00 03 e8');
  const record = RECORD.replace('00 0e 31 9c', 'ff ff fc 18').replace('00 0f 1b 30', '00 00 04 b0');
  const recording = new RecordingDecoder();
  recording.decode(octets(header + UNSAMPLED + record));
  t.same(recording.lines, [
    { ...LINE, flowStartMilliseconds: 1_699_999_998_500, flowEndMilliseconds: 1_700_000_000_700 },
  ]);

  // A flow of 49 days ago, before a SysUptime that has not wrapped, is not taken for one to come.
  const old = HEADER.replace('00 0f 42 40', 'ff ff ff ff');
  const ancient = RECORD.replace('00 0e 31 9c', '00 00 00 00').replace('00 0f 1b 30', '00 00 00 01');
  const other = new RecordingDecoder();
  other.decode(octets(old + UNSAMPLED + ancient));
  const start = 1_700_000_000_500 - (2 ** 32 - 1);
  t.same(other.lines, [{ ...LINE, flowStartMilliseconds: start, flowEndMilliseconds: start + 1 }]);
});

t.test('what is no v5 datagram', async (t) => {
  const good = HEADER + UNSAMPLED + RECORD;
  const cases: [string, Uint8Array][] = [
    ['truncated_header', octets(HEADER)],
    ['bad_record_count', octets((HEADER + UNSAMPLED).replace('00 01 ', '00 00 '))],
    ['bad_record_count', octets(HEADER.replace('00 01 ', '00 1f ') + UNSAMPLED + RECORD.repeat(31))],
    ['bad_message_length', octets(good.replace('00 01 ', '00 02 '))],
    ['bad_message_length', octets(`${good} 00`)],
    ['unknown_version', octets(good.replace('00 05 ', '00 07 '))],
  ];
  for (const [reason, bytes] of cases) {
    const recording = new RecordingDecoder();
    t.equal(recording.decode(bytes), reason);
    t.same(recording.records, []);
    t.equal(recording.counters.malformed[reason as 'truncated_header'], 1);
    t.match(recording.problems, [{ reason, malformed: true, length: bytes.length, source: UDP }]);
    t.equal(recording.decoder.store.size, 0, 'nothing is kept of it');
  }
  const full = octets(HEADER.replace('00 01 ', '00 1e ') + UNSAMPLED + RECORD.repeat(30));
  const recording = new RecordingDecoder();
  t.equal(recording.decode(full), undefined, 'thirty records are allowed');
  t.equal(recording.records.length, 30);
});
