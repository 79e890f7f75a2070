import t from 'tap';
import { ipfix, octets, RecordingDecoder, TCP, UDP } from './octets.ts';

const TEMPLATE = `
  00 02 00 34   # Template Set, 52 octets
  01 00 00 09   # Template 256, 9 fields
  00 08 00 04   # sourceIPv4Address
  00 1c 00 10   # destinationIPv6Address
  00 01 00 08   # octetDeltaCount
  00 02 00 05   # packetDeltaCount in a reduced size (RFC 7011 §6.2)
  00 98 00 08   # flowStartMilliseconds
  00 38 00 06   # sourceMacAddress
  00 06 00 02   # tcpControlBits
  80 01 00 08 00 00 72 79   # reverse octetDeltaCount (RFC 5103)
  82 9a 00 02 00 00 30 39   # enterprise 12345, element 666
`;
const RECORD = `
  c0 00 02 01
  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
  00 20 00 00 00 00 00 00   # 2^53
  ff ff ff ff ff            # 2^40 − 1
  00 00 01 8b cf e5 68 07
  02 00 5e 00 53 0a
  01 ff                     # NS and the eight flags
  00 1f ff ff ff ff ff ff   # 2^53 − 1
  be ef
`;
const LINE = {
  sourceIPv4Address: '192.0.2.1',
  destinationIPv6Address: '2001:db8::1',
  octetDeltaCount: '9007199254740992',
  packetDeltaCount: 1099511627775,
  flowStartMilliseconds: 1_700_000_000_007,
  sourceMacAddress: '02:00:5e:00:53:0a',
  tcpControlBits: 511,
  reverseOctetDeltaCount: 9007199254740991,
  'enterprise12345.element666': 'beef',
};
const DATA = `01 00 00 40 ${RECORD} 00 # 4 + 59 octets and 1 of padding\n`;

t.test('a template and a record', async (t) => {
  const recording = new RecordingDecoder();
  t.equal(recording.decode(ipfix(0, TEMPLATE + DATA)), undefined);
  t.same(recording.problems, []);
  t.same(recording.lines, [LINE]);
  t.same(Object.keys(recording.lines[0] as object), Object.keys(LINE));
});

t.test('a message without Sets', async (t) => {
  const recording = new RecordingDecoder();
  t.equal(recording.decode(ipfix(0, '')), undefined);
  t.equal(recording.counters.messages, 1);
});

t.test('variable-length fields, in the short and the long form', async (t) => {
  const recording = new RecordingDecoder();
  const long = '41'.repeat(300);
  recording.decode(
    ipfix(
      0,
      `00 02 00 18
       01 01 00 03   # Template 257
       00 52 ff ff   # interfaceName, variable
       00 0a 00 04   # ingressInterface
       81 2c ff ff 00 00 00 09   # enterprise 9, variable
       01 01 01 51
       04 65 74 68 30   00 00 00 02   03 0a 0b 0c
       00               00 00 00 03   00
       ff 01 2c ${long} 00 00 00 04   ff 00 01 61
       00 00 00         # padding`,
    ),
  );
  t.same(recording.problems, []);
  t.same(recording.lines, [
    { interfaceName: 'eth0', ingressInterface: 2, 'enterprise9.element300': '0a0b0c' },
    { interfaceName: '', ingressInterface: 3, 'enterprise9.element300': '' },
    { interfaceName: 'A'.repeat(300), ingressInterface: 4, 'enterprise9.element300': '61' },
  ]);
});

const OPTIONS_TEMPLATE = `
  00 03 00 16   # Options Template Set
  01 02 00 03   # Template 258, 3 fields,
  00 01         # 1 of them scope
  00 0a 00 04   # ingressInterface
  00 52 00 08   # interfaceName
  01 31 00 04   # samplingPacketInterval
`;
const OPTIONS_DATA = '01 02 00 14  00 00 00 02  77 65 69 72 30 00 00 00  00 00 00 64\n';

t.test('options data', async (t) => {
  const recording = new RecordingDecoder();
  t.equal(recording.decode(ipfix(0, OPTIONS_TEMPLATE + OPTIONS_DATA)), undefined);
  t.same(recording.lines, []);
  t.same(recording.optionLines, [
    { ingressInterface: 2, interfaceName: 'weir0', samplingPacketInterval: 100 },
  ]);
  t.same(
    recording.options[0]!.shape.fields.map(({ scope }) => scope),
    [true, false, false],
  );
  t.equal(recording.counters.options, 1);
  t.equal(recording.counters.records, 0);
});

t.test('an element that comes twice keeps both values, in order (RFC 7011 §8)', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(ipfix(0, '00 02 00 10 01 00 00 02 00 07 00 02 00 07 00 02  01 00 00 08 00 50 01 bb'));
  t.same(recording.lines, [{ sourceTransportPort: 80, 'sourceTransportPort#2': 443 }]);
});

t.test('paddingOctets and fields of no octets say nothing', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(
    ipfix(0, '00 02 00 14 01 00 00 03 00 d2 00 02 00 52 00 00 00 07 00 02  01 00 00 08 ff ff 00 50'),
  );
  t.same(recording.lines, [{ sourceTransportPort: 80 }]);
});

const PORT_TEMPLATE = '00 02 00 0c 01 00 00 01 00 07 00 02\n';
const PORT_DATA = '01 00 00 06 00 50\n';

t.test('withdrawals over TCP (RFC 7011 §8.1)', async (t) => {
  const one = new RecordingDecoder();
  one.decode(ipfix(0, PORT_TEMPLATE + PORT_DATA), TCP);
  one.decode(ipfix(1, `00 02 00 08 01 00 00 00 ${PORT_DATA}`), TCP);
  t.equal(one.counters.missingTemplate, 1);
  one.decode(ipfix(1, '00 02 00 08 01 00 00 00'), TCP);
  t.match(one.problems, [{ reason: 'missing_template' }, { reason: 'unknown_withdrawal', malformed: false }]);

  const all = new RecordingDecoder();
  all.decode(ipfix(0, PORT_TEMPLATE + OPTIONS_TEMPLATE), TCP);
  all.decode(ipfix(0, '00 02 00 08 00 02 00 00'), TCP);
  all.decode(ipfix(0, PORT_DATA + OPTIONS_DATA), TCP);
  t.equal(all.counters.missingTemplate, 1, 'all Templates are gone');
  t.equal(all.counters.options, 1, 'and no Options Template');
  all.decode(ipfix(2, '00 03 00 08 00 03 00 00'), TCP);
  all.decode(ipfix(2, OPTIONS_DATA), TCP);
  t.equal(all.counters.missingTemplate, 2);
});

t.test('withdrawals over UDP are ignored (RFC 7011 §8.4)', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(ipfix(0, `${PORT_TEMPLATE} 00 02 00 08 01 00 00 00 ${PORT_DATA}`));
  t.same(recording.lines, [{ sourceTransportPort: 80 }]);
  t.match(recording.problems, [{ reason: 'withdrawal_over_udp' }]);
});

t.test('a new meaning for a Template ID', async (t) => {
  const changed = '00 02 00 0c 01 00 00 01 00 0b 00 02\n';
  for (const [source, problems] of [
    [UDP, []],
    [TCP, [{ reason: 'redefinition' }]],
  ] as const) {
    const recording = new RecordingDecoder();
    recording.decode(ipfix(0, PORT_TEMPLATE + PORT_DATA), source);
    recording.decode(ipfix(1, PORT_TEMPLATE + PORT_DATA), source);
    recording.decode(ipfix(2, changed + PORT_DATA), source);
    t.same(
      recording.lines.map((line) => Object.keys(line as object)[0]),
      ['sourceTransportPort', 'sourceTransportPort', 'destinationTransportPort'],
    );
    t.match(recording.problems, problems);
    t.equal(recording.problems.length, problems.length, 'a refresh is no redefinition');
  }
});

t.test('a session that has ended leaves nothing to the next', async (t) => {
  const recording = new RecordingDecoder();
  recording.decode(ipfix(0, PORT_TEMPLATE, 7), TCP);
  recording.decode(ipfix(0, PORT_TEMPLATE, 8), TCP);
  recording.decode(ipfix(0, PORT_TEMPLATE, 7), UDP);
  recording.decoder.forget(TCP);
  t.equal(recording.decoder.store.size, 1, 'the same address and port over UDP is another session');
  recording.decode(ipfix(0, PORT_DATA, 7), TCP);
  t.equal(recording.counters.missingTemplate, 1);
});

t.test('malformed messages', async (t) => {
  const cases: [string, string][] = [
    ['bad_set_length', '01 00 00 03'],
    ['bad_set_length', '01 00 00 07 00 50'],
    ['bad_set_length', '01 00'],
    ['bad_template_id', '00 02 00 0c 00 ff 00 01 00 08 00 04'],
    ['truncated_template', '00 02 00 0c 01 00 00 02 00 08 00 04'],
    ['truncated_template', '00 02 00 0c 01 00 00 01 80 08 00 04'],
    ['truncated_template', '00 03 00 08 01 00 00 01'],
    ['bad_scope', '00 03 00 0e 01 00 00 01 00 00 00 08 00 04'],
    ['bad_scope', '00 03 00 0e 01 00 00 01 00 02 00 08 00 04'],
    ['zero_length_record', '00 02 00 0c 01 00 00 01 00 52 00 00'],
    ['bad_field_length', '00 02 00 0c 01 00 00 01 00 08 00 03 # an address in a reduced size'],
    ['bad_field_length', '00 02 00 0c 01 00 00 01 00 98 00 04 # a time in a reduced size'],
    ['bad_field_length', '00 02 00 0c 01 00 00 01 00 38 ff ff # a MAC address of variable length'],
    ['bad_field_length', '00 02 00 0c 01 00 00 01 00 01 00 09 # an integer of nine octets'],
    ['truncated_field', '00 02 00 0c 01 00 00 01 00 52 ff ff  01 00 00 06 02 41'],
    ['truncated_field', '00 02 00 0c 01 00 00 01 00 52 ff ff  01 00 00 06 ff 00'],
    ['truncated_field', '00 02 00 10 01 00 00 02 00 52 ff ff 00 0a 00 04  01 00 00 0a 02 41 42 00 00 00'],
  ];
  for (const [reason, sets] of cases) {
    const recording = new RecordingDecoder();
    t.equal(recording.decode(ipfix(0, PORT_TEMPLATE + PORT_DATA + sets)), reason, `${reason}: ${sets}`);
    t.same(recording.records, [], 'discarded whole (RFC 7011 §9.1)');
    t.match(recording.problems, [{ reason, malformed: true, version: 10 }]);
  }
  for (const [reason, bytes] of [
    ['truncated_header', octets('00')],
    ['truncated_header', octets('00 0a 00 0c 65 53 f1 00 00 00 00 00')],
    ['bad_message_length', octets('00 0a 00 14 65 53 f1 00 00 00 00 00 00 00 00 07')],
    ['bad_message_length', octets('00 0a 00 10 65 53 f1 00 00 00 00 00 00 00 00 07 00')],
    ['unknown_version', octets('00 0b 00 10 65 53 f1 00 00 00 00 00 00 00 00 07')],
  ] as const) {
    t.equal(new RecordingDecoder().decode(bytes), reason);
  }
});

t.test('what is odd, but harmless', async (t) => {
  for (const [reason, sets] of [
    ['nonzero_padding', '01 00 00 07 00 50 2a'],
    ['reserved_set', '00 04 00 08 00 00 00 00  01 00 00 06 00 50'],
    ['reserved_set', '00 01 00 04  01 00 00 06 00 50'],
  ] as const) {
    const recording = new RecordingDecoder();
    t.equal(recording.decode(ipfix(0, PORT_TEMPLATE + sets)), undefined);
    t.equal(recording.records.length, 1);
    t.match(recording.problems, [{ reason, malformed: false }]);
  }
});

t.test('names and types of an enterprise, from options data (RFC 5610)', async (t) => {
  const templates = `
    00 02 00 14   01 00 00 02   00 08 00 04   82 9a 00 02 00 00 30 39   # enterprise 12345, element 666
    00 03 00 1e   01 01 00 05 00 02   01 5a 00 04  01 2f 00 02  01 53 00 01  01 58 00 01  01 55 ff ff   # RFC 5610 §3.9
  `;
  const told = (name: string, type = '02') =>
    `01 01 00 ${(13 + name.length).toString(16).padStart(2, '0')}
     00 00 30 39  02 9a  ${type}  04  ${name.length.toString(16).padStart(2, '0')} ${Buffer.from(name).toString('hex')}`;
  const data = '01 00 00 0a  c0 00 02 01  00 07';
  const named = (name: string, type?: string) => {
    const decoder = new RecordingDecoder();
    decoder.decode(ipfix(0, `${templates} ${told(name, type)}`), TCP);
    decoder.decode(ipfix(1, data), TCP);
    return decoder.lines.at(-1);
  };
  t.same(named('my-field'), { sourceIPv4Address: '192.0.2.1', 'my-field': 7 });
  for (const [name, type] of [
    ['sourceIPv4Address'], // it would pass for IANA's
    ['a\u001b[2J'],
    ['my-field', '12'], // an IPv4 address of two octets
    ['my-field', '63'], // no such type
  ] as const) {
    t.same(named(name, type), { sourceIPv4Address: '192.0.2.1', 'enterprise12345.element666': '0007' }, name);
  }
});
