/** Lines, each by itself: what they are and what their record says. */

import t from 'tap';
import { FAULT_KINDS, type FaultKind } from '../../src/flowlogs/convert-counts.ts';
import { openInterfaceMap } from '../../src/flowlogs/interface-map.ts';
import { FIRST_FAULT, LineParser } from '../../src/flowlogs/line-parser.ts';
import { DEFAULT_FORMAT, parseFormat } from '../../src/flowlogs/log-format.ts';
import type { LogFormat } from '../../src/flowlogs/log-object.ts';
import { MOST_LINE_OCTETS, StringArena } from '../../src/flowlogs/string-arena.ts';

class Rig {
  readonly strings = new StringArena();
  readonly parser: LineParser;

  constructor(format: LogFormat = DEFAULT_FORMAT) {
    this.parser = new LineParser({
      format,
      withEnterprise: true,
      withStrings: true,
      strings: this.strings,
      interfaceMap: openInterfaceMap(undefined),
      clockMilliseconds: () => 1_700_000_000_999,
    });
  }

  /** What the first line of a text is. */
  kind(text: string | Uint8Array): 'record' | 'nodata' | 'skipdata' | FaultKind {
    this.parser.position = 0;
    const kind = this.parser.next(new Uint8Array(Buffer.from(text)));
    return kind < FIRST_FAULT
      ? (['record', 'nodata', 'skipdata'] as const)[kind]!
      : FAULT_KINDS[kind - FIRST_FAULT]!;
  }

  /** A field of the record, strings as text, addresses as hexadecimal digits. */
  value(name: string): string | number {
    const { view, layout } = this.parser.record;
    const { offset, kind, size } = layout.fields.get(name)!;
    if (kind === 'network') return Buffer.from(view.buffer, offset, size).toString('hex');
    if (kind === 'float64') return view.getFloat64(offset, true);
    if (kind === 'uint8') return view.getUint8(offset);
    if (kind === 'uint16') return view.getUint16(offset, true);
    const word = view.getUint32(offset, true);
    if (kind !== 'string') return word;
    const { octets } = this.strings;
    const [from, length] =
      octets[word]! < 255
        ? [word + 1, octets[word]!]
        : [word + 3, (octets[word + 1]! << 8) | octets[word + 2]!];
    return Buffer.from(octets.subarray(from, from + length)).toString('utf8');
  }
}

const V2 = '2 123456789010 eni-a 192.0.2.1 198.51.100.2 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK';

t.test('a record of version 2', async (t) => {
  const rig = new Rig();
  t.equal(rig.kind(`${V2}\n`), 'record');
  const RECORD = {
    'account-id': '123456789010',
    'interface-id': 'eni-a',
    sourceIPv4Address: 'c0000201',
    destinationIPv4Address: 'c6336402',
    sourceTransportPort: 20_641,
    destinationTransportPort: 22,
    protocolIdentifier: 6,
    packetDeltaCount: 20,
    octetDeltaCount: 4249,
    flowStartMilliseconds: 1_418_530_010_000,
    flowEndMilliseconds: 1_418_530_070_000,
    forwardingStatus: 64,
    firewallEvent: 0,
    ingressInterface: 1,
    egressInterface: 0,
    version: 2,
  };
  for (const [name, value] of Object.entries(RECORD)) t.equal(rig.value(name), value, name);
  t.equal(rig.kind(`${V2.replace('ACCEPT', 'REJECT')}\n`), 'record');
  t.same([rig.value('forwardingStatus'), rig.value('firewallEvent')], [129, 3]);
});

t.test('lines of version 2', async (t) => {
  const with_ = (i: number, value: string): string => V2.split(' ').with(i, value).join(' ');
  const LINES: readonly [string, string][] = [
    [`${V2}\r\n`, 'record'],
    [`${V2}   \n`, 'record'],
    [`  ${V2.replaceAll(' ', '  ')} \r\n`, 'record'],
    [`2 123456789010 eni-a - - - - - - - 1431280876 1431280934 - NODATA\n`, 'nodata'],
    [`2 123456789010 eni-a - - - - - - - 1431280876 1431280934 - SKIPDATA\n`, 'skipdata'],
    ['\n', 'empty'],
    ['\r\n', 'empty'],
    ['   \n', 'empty'],
    [`${V2} more\n`, 'field_count'],
    [`${V2.slice(0, -3)}\n`, 'field_count'],
    [`${V2}\r more\n`, 'control_octet'],
    [`${V2.replace('eni-a', 'eni\0a')}\n`, 'control_octet'],
    [`${V2.replace(' ', '\t')}\n`, 'control_octet'],
    [`${V2}\0\n`, 'control_octet'],
    [`${with_(0, '256')}\n`, 'number'],
    [`${with_(5, '65536')}\n`, 'number'],
    [`${with_(5, '99999999999999999999')}\n`, 'number'],
    [`${with_(6, '+1')}\n`, 'number'],
    [`${with_(6, '-1')}\n`, 'number'],
    [`${with_(7, '1.5')}\n`, 'number'],
    [`${with_(8, '9007199254740991')}\n`, 'record'],
    [`${with_(8, '9007199254740992')}\n`, 'number'],
    [`${with_(10, '4294967296')}\n`, 'number'],
    [`${with_(3, '192.0.2.256')}\n`, 'address'],
    [`${with_(3, '192.0.2.1.1')}\n`, 'address'],
    [`${with_(3, '-')}\n`, 'address'],
    [`${with_(3, '2001:db8::1')}\n`, 'address_family'],
    [`${with_(10, '-')}\n`, 'time'],
    [`${with_(11, '1418530009')}\n`, 'time'],
    [`${with_(12, 'ACCEPTED')}\n`, 'action'],
    [`${with_(12, 'accept')}\n`, 'action'],
    [`${with_(12, '-')}\n`, 'record'],
    [`${with_(13, 'OKAY')}\n`, 'status'],
    [`${with_(13, '-')}\n`, 'status'],
    [`${with_(1, 'x'.repeat(MOST_LINE_OCTETS - V2.length + 12))}\n`, 'record'],
    [`${with_(1, 'x'.repeat(MOST_LINE_OCTETS - V2.length + 13))}\n`, 'too_long'],
    [`${with_(1, 'x'.repeat(1_000_000))}\n`, 'too_long'],
    [`${with_(1, 'Köln')}\n`, 'record'],
  ];
  const rig = new Rig();
  for (const [line, kind] of LINES) {
    t.equal(rig.kind(line), kind, JSON.stringify(line.slice(-60)));
    t.equal(rig.parser.position, Buffer.byteLength(line), 'the next line begins behind it');
    t.equal(rig.kind(`${V2}\n`), 'record', 'and is read');
    t.equal(rig.value('account-id'), '123456789010', 'with strings of its own');
  }
  t.equal(rig.kind(Buffer.from(`${with_(1, '\xff')}\n`, 'latin1')), 'not_utf8');
});

t.test("the packet's own ends go before the interface's, each by itself", async (t) => {
  const rig = new Rig(parseFormat('srcaddr dstaddr pkt-srcaddr pkt-dstaddr start end'));
  t.equal(rig.kind('10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 1 2\n'), 'record');
  t.same([rig.value('sourceIPv4Address'), rig.value('destinationIPv4Address')], ['0a000003', '0a000004']);
  t.equal(rig.kind('10.0.0.1 10.0.0.2 - 10.0.0.4 1 2\n'), 'record');
  t.same([rig.value('sourceIPv4Address'), rig.value('destinationIPv4Address')], ['0a000001', '0a000004']);
  t.equal(rig.kind('2001:db8::1 2001:db8::2 2001:db8::3 - 1 2\n'), 'record');
  t.equal(rig.value('sourceIPv6Address'), '20010db8000000000000000000000003');
  t.equal(rig.value('destinationIPv6Address'), '20010db8000000000000000000000002');
  t.equal(rig.kind('- - - - 1 2\n'), 'nodata', 'without a log-status nothing else tells it');
});

t.test('the direction says which interface it is', async (t) => {
  const rig = new Rig(parseFormat('interface-id srcaddr dstaddr flow-direction tcp-flags vpc-id'));
  const own = () => Buffer.from(rig.parser.interfaceAddress() ?? []).toString('hex');
  t.equal(rig.kind('eni-a 10.0.0.1 10.0.0.2 egress 19 vpc-1\n'), 'record');
  t.same(
    [rig.value('ingressInterface'), rig.value('egressInterface'), rig.value('flowDirection')],
    [0, 1, 1],
  );
  t.same([rig.value('tcpControlBits'), rig.value('VRFname'), own()], [19, 'vpc-1', '0a000001']);
  t.equal(rig.kind('eni-b 10.0.0.1 10.0.0.2 ingress 0 -\n'), 'record');
  t.same(
    [rig.value('ingressInterface'), rig.value('egressInterface'), rig.value('flowDirection')],
    [2, 0, 0],
  );
  t.same([rig.value('tcpControlBits'), rig.value('VRFname'), own()], [0, '', '0a000002']);
  t.equal(rig.kind('- 10.0.0.1 10.0.0.2 - - -\n'), 'record');
  t.same(
    [rig.value('ingressInterface'), rig.value('egressInterface'), rig.value('flowDirection')],
    [0, 0, 255],
  );
  t.same([rig.parser.hasInterface, own()], [false, '']);
  t.equal(rig.kind('eni-a 10.0.0.1 10.0.0.2 up 0 -\n'), 'direction');
});

t.test(
  'transit gateways: the attachment is the interface, what was lost is a number, and there is no action',
  async (t) => {
    const rig = new Rig(
      parseFormat('tgw-attachment-id tgw-src-eni srcaddr dstaddr packets-lost-blackhole tomorrow'),
    );
    t.equal(rig.kind('tgw-attach-1 eni-a 10.0.0.1 10.0.0.2 5000000000 a/b\n'), 'record');
    t.same([rig.value('ingressInterface'), rig.value('tgw-attachment-id')], [1, 'tgw-attach-1']);
    t.same([rig.value('packets-lost-blackhole'), rig.value('tomorrow')], [5_000_000_000, 'a/b']);
    t.same([rig.value('forwardingStatus'), rig.value('firewallEvent')], [0, 0]);
    t.equal(rig.value('flowStartMilliseconds'), 1_700_000_000_000, 'without times that of the conversion');
  },
);

t.test('strings of 254 and of 255 octets', async (t) => {
  const rig = new Rig(parseFormat('subnet-id region srcaddr'));
  t.equal(rig.kind(`${'s'.repeat(254)} ${'r'.repeat(255)} 10.0.0.1\n`), 'record');
  t.equal(rig.value('subnet-id'), 's'.repeat(254));
  t.equal(rig.value('region'), 'r'.repeat(255));
  t.equal(rig.value('destinationIPv4Address'), '00000000', 'an end that the format leaves out');
});
