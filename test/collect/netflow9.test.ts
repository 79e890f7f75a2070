import t from 'tap';
import { netflow9, octets, RecordingDecoder } from './octets.ts';

/** SysUptime is 1 000 000 ms at 1 700 000 000 s in every packet here: boot at 1 699 999 000 000 ms. */
const TEMPLATE = `
  00 00 00 34   # Template FlowSet, 52 octets
  01 00 00 0b   # Template 256, 11 fields
  00 08 00 04   # IPV4_SRC_ADDR
  00 0c 00 04   # IPV4_DST_ADDR
  00 01 00 04   # IN_BYTES, 4 octets
  00 02 00 03   # IN_PKTS, 3 octets
  00 04 00 01   # PROTOCOL
  00 06 00 01   # TCP_FLAGS
  00 07 00 02   # L4_SRC_PORT
  00 0b 00 02   # L4_DST_PORT
  00 16 00 04   # FIRST_SWITCHED
  00 15 00 04   # LAST_SWITCHED
  00 3d 00 01   # DIRECTION
`;
const RECORD = `
  c0 00 02 01   # 192.0.2.1
  c6 33 64 02   # 198.51.100.2
  00 00 01 00   # 256 octets
  00 00 03      # 3 packets
  06 02         # TCP, SYN
  c0 00 00 50   # 49152, 80
  00 0f 0e f8   # 986 872
  00 0f 1b 30   # 990 000
  00            # ingress
`;
const LINE = {
  sourceIPv4Address: '192.0.2.1',
  destinationIPv4Address: '198.51.100.2',
  octetDeltaCount: 256,
  packetDeltaCount: 3,
  protocolIdentifier: 6,
  tcpControlBits: 2,
  sourceTransportPort: 49152,
  destinationTransportPort: 80,
  flowStartMilliseconds: 1_699_999_986_872,
  flowEndMilliseconds: 1_699_999_990_000,
  flowDirection: 0,
};
const DATA = `01 00 00 40 ${RECORD} ${RECORD} # Data FlowSet: 4 + 2 · 30 octets, no padding needed\n`;
const ONE = `01 00 00 24 ${RECORD} 00 00 # 4 + 30 + 2 octets of padding\n`;

t.test('a template, records and padding', async (t) => {
  const recording = new RecordingDecoder();
  t.equal(recording.decode(netflow9(4, 0, TEMPLATE + DATA + ONE)), undefined);
  t.same(recording.lines, [LINE, LINE, LINE]);
  t.same(recording.problems, []);
  t.equal(recording.counters.templates, 1);
});

t.test('the Count is of records of all kinds', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(netflow9(3, 0, TEMPLATE + DATA + ONE));
  t.match(recording.problems, [{ reason: 'wrong_count', malformed: false }]);
  t.equal(recording.records.length, 3, 'and the records count all the same');
});

t.test('absolute times stand for those in SysUptime where both are there', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(
    netflow9(
      2,
      0,
      `00 00 00 14
       01 01 00 03   # Template 257, 3 fields
       00 16 00 04   # FIRST_SWITCHED
       00 15 00 04   # LAST_SWITCHED
       00 98 00 08   # flowStartMilliseconds
       01 01 00 14
       00 0f 0e f8 00 0f 1b 30
       00 00 01 8b cf e5 68 07`,
    ),
  );
  t.same(recording.lines, [
    { flowEndMilliseconds: 1_699_999_990_000, flowStartMilliseconds: 0x018b_cfe5_6807 },
  ]);
});

t.test('options data: scopes by type, lengths in octets', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(
    netflow9(
      2,
      0,
      `00 01 00 24   # Options Template FlowSet, 36 octets
       01 02         # Template 258
       00 10 00 08   # 16 octets of scopes, 8 of options
       00 01 00 00   # System, no octets: left out
       00 02 00 04   # Interface
       00 05 00 02   # Template
       00 09 00 02   # an unknown scope
       00 52 00 08   # IF_NAME
       00 22 00 02   # SAMPLING_INTERVAL
       00 00         # padding
       01 02 00 18   # Data FlowSet: 4 + 18 + 2
       00 00 00 03 01 00 ab cd
       65 74 68 30 00 00 00 00   # eth0, filled with NUL
       03 e8
       00 00`,
    ),
  );
  t.same(recording.problems, []);
  t.same(recording.lines, []);
  t.same(recording.optionLines, [
    { ingressInterface: 3, templateId: 256, scope9: 'abcd', interfaceName: 'eth0', samplingInterval: 1000 },
  ]);
  const scopes = recording.options[0]!.shape.fields.map(({ scope }) => scope);
  t.same(scopes, [true, true, true, false, false]);
});

t.test('unknown fields, unusual lengths and repeated fields', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(
    netflow9(
      2,
      0,
      `00 00 00 20
       01 03 00 06
       9c 40 00 02   # 40000: v9 has no enterprise bit
       00 08 00 03   # an address of three octets
       00 30 00 04   # samplerId in four octets, as IOS XR sends it
       00 d2 00 01   # paddingOctets
       00 46 00 03   # MPLS label
       00 30 00 01   # samplerId once more
       01 03 00 12
       12 34  c0 00 02  00 00 01 00  ff  00 01 41  05`,
    ),
  );
  t.same(recording.lines, [
    {
      element40000: '1234',
      sourceIPv4Address: 'c00002',
      samplerId: 256,
      mplsTopLabelStackSection: '000141',
      'samplerId#2': 5,
    },
  ]);
});

t.test(
  'data before its template is dropped and counted, and decoded once the template is there',
  async (t) => {
    const recording = new RecordingDecoder();
    recording.decode(netflow9(1, 0, ONE));
    t.equal(recording.counters.missingTemplate, 1);
    recording.decode(netflow9(1, 1, TEMPLATE));
    recording.decode(netflow9(1, 2, ONE));
    t.same(recording.lines, [LINE]);
    t.match(recording.problems, [{ reason: 'missing_template', malformed: false }]);
    t.equal(recording.problems.length, 1);
  },
);

t.test('a new definition replaces the old one', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(netflow9(2, 0, `${TEMPLATE} 00 00 00 0c 01 00 00 01 00 07 00 02`));
  recording.decode(netflow9(2, 1, '01 00 00 08 00 50 01 bb'));
  t.same(recording.lines, [{ sourceTransportPort: 80 }, { sourceTransportPort: 443 }]);
});

t.test('templates belong to a Source ID, a port and a protocol version', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(netflow9(1, 0, TEMPLATE, 7));
  recording.decode(netflow9(1, 0, ONE, 8));
  recording.decode(netflow9(1, 1, ONE, 7), { address: '192.0.2.1', port: 40001 });
  t.equal(recording.counters.missingTemplate, 2);
  t.same(recording.records, []);
});

t.test('malformed packets', async (t) => {
  const cases: [string, string][] = [
    ['bad_set_length', '01 00 00 03'],
    ['bad_set_length', '01 00 00 08 00 00'],
    ['bad_set_length', '01 00 00 04 00'],
    ['bad_template_id', '00 00 00 0c 00 ff 00 01 00 08 00 04'],
    ['empty_template', '00 00 00 08 01 00 00 00'],
    ['truncated_template', '00 00 00 0c 01 00 00 02 00 08 00 04'],
    ['zero_length_record', '00 00 00 0c 01 00 00 01 00 08 00 00'],
    ['bad_field_length', '00 00 00 0c 01 00 00 01 00 52 ff ff'],
    ['bad_template_id', '00 01 00 0e 00 10 00 04 00 00 00 01 00 04'],
    ['bad_scope', '00 01 00 0e 01 02 00 03 00 00 00 01 00 04'],
    ['bad_scope', '00 01 00 0e 01 02 00 00 00 02 00 01 00 04'],
    ['empty_template', '00 01 00 0a 01 02 00 00 00 00'],
    ['truncated_template', '00 01 00 0e 01 02 00 04 00 04 00 01 00 04'],
  ];
  for (const [reason, flowSets] of cases) {
    const recording = new RecordingDecoder();
    t.equal(recording.decode(netflow9(1, 0, TEMPLATE + DATA + flowSets)), reason, `${reason}: ${flowSets}`);
    t.same(recording.records, [], 'the records before it are discarded with it');
    t.match(recording.problems, [{ reason, malformed: true, version: 9 }]);
  }
  t.equal(new RecordingDecoder().decode(octets('00 09 00 00 00 00 00 00')), 'truncated_header');
});

t.test('what is odd, but harmless', async (t) => {
  const cases: [string, string, number][] = [
    ['reserved_set', `00 02 00 08 01 02 03 04 ${ONE}`, 1],
    ['nonzero_padding', `01 00 00 24 ${RECORD} 00 01`, 1],
  ];
  for (const [reason, flowSets, records] of cases) {
    const recording = new RecordingDecoder();
    t.equal(recording.decode(netflow9(1 + records, 0, TEMPLATE + flowSets)), undefined);
    t.equal(recording.records.length, records);
    t.match(recording.problems, [{ reason, malformed: false }]);
  }
});
