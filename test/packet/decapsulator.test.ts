/** Tunnels, octet by octet: what is opened, what is not and why, and what is inside. */

import t, { type Test } from 'tap';
import { Frame, GsoType, LinkType } from '../../src/capture/packet-source.ts';
import {
  Decapsulator,
  type DecapsulatorOptions,
  MOST_TUNNELS,
  TUNNELS,
} from '../../src/packet/decapsulator.ts';
import { METERED } from '../../src/packet/packet-layout.ts';
import { PacketView } from '../../src/packet/packet-view.ts';
import { PrefixSet } from '../../src/packet/prefix-set.ts';
import { NOT_OPENED_REASONS, type NotOpenedReason } from '../../src/packet/tunnel-header.ts';
import {
  ENDPOINT,
  GRE_KEY,
  SEGMENT,
  SEGMENT_6IN4,
  SEGMENT_GENEVE,
  SEGMENT_GRE,
  SEGMENT_IPIP,
  SEGMENT_VXLAN,
} from '../../src/packet/tunnel-key.ts';
import { octets } from '../support/octets.ts';
import { type About, addressText } from './support.ts';

/** The outer IPv4 header, 192.0.2.1 → 192.0.2.2; `%` stands for the total length and the protocol. */
const outer = (length: string, protocol: string) => `
  45 b8 ${length} 00 01 00 00 40 ${protocol} 00 00 # DSCP 46
  c0 00 02 01 c0 00 02 02`;
const UDP_4789 = 'd0 00 12 b5 00 00 00 00';
const UDP_6081 = 'd0 00 17 c1 00 00 00 00';
const INNER4 = `
  45 00 00 1c 00 01 00 00 40 11 00 00 # 28 octets
  0a 00 00 01 0a 00 00 02
  04 d2 00 35 00 08 00 00             # 1234 → 53`;
const INNER6 = `
  60 00 00 00 00 08 11 40             # 48 octets
  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
  04 d2 00 35 00 08 00 00`;
const ETHERNET4 = '02 00 00 00 00 02 02 00 00 00 00 01 08 00';
const ADDRESSES4 = '10.0.0.1 10.0.0.2';
const ADDRESSES6 = '2001:db8:0:0:0:0:0:1 2001:db8:0:0:0:0:0:2';
const OUTER = '192.0.2.1 192.0.2.2';

interface Row {
  readonly what: string;
  readonly bytes: string;
  readonly about?: About;
  readonly options?: Partial<DecapsulatorOptions>;
  /** Why it stays closed. */
  readonly reason?: NotOpenedReason;
  /** Default: the IPv4 packet within. */
  readonly addresses?: string;
  readonly ipOctets?: number;
  readonly packets?: number;
  readonly vlanId?: number;
  readonly segment?: number;
  readonly greKey?: number;
  readonly endpoint?: string;
  readonly opened?: number;
}

const AWS_OPTIONS = `
  01 08 01 02 aa bb cc dd ee ff 00 11 # endpoint ID
  01 08 02 02 11 22 33 44 55 66 77 88 # attachment ID
  01 08 03 01 de ad be ef             # flow cookie`;

const ROWS: Row[] = [
  {
    what: 'VXLAN: VNI 1234567 (RFC 7348 §5)',
    bytes: `${outer('00 4e', '11')} ${UDP_4789} 08 00 00 00 12 d6 87 00 ${ETHERNET4} ${INNER4}`,
    segment: (SEGMENT_VXLAN << 24) | 1234567,
  },
  {
    what: 'VXLAN: reserved bits are not looked at; the inner VLAN is the record’s',
    bytes: `${outer('00 52', '11')} ${UDP_4789} 88 ff ff ff 00 00 07 ff
            02 00 00 00 00 02 02 00 00 00 00 01 81 00 00 2a 08 00 ${INNER4}`,
    about: { strippedVlanTci: 9 },
    vlanId: 42,
    segment: (SEGMENT_VXLAN << 24) | 7,
  },
  {
    what: 'VXLAN, mirrored and cut: IP lengths count, not what arrived',
    bytes: `${outer('00 4e', '11')} ${UDP_4789} 08 00 00 00 00 00 07 00 ${ETHERNET4}
            45 00 05 dc 00 01 00 00 40 11 00 00 0a 00 00 01 0a 00 00 02 04 d2 00 35 05 c8 00 00`,
    ipOctets: 1500,
    segment: (SEGMENT_VXLAN << 24) | 7,
  },
  {
    what: 'VXLAN without the I flag',
    bytes: `${outer('00 4e', '11')} ${UDP_4789} 00 00 00 00 00 00 07 00 ${ETHERNET4} ${INNER4}`,
    reason: 'bad_header',
  },
  {
    what: 'VXLAN cut',
    bytes: `${outer('00 23', '11')} ${UDP_4789} 08 00 00 00 00 00 07`,
    reason: 'truncated_header',
  },
  {
    what: 'VXLAN around ARP',
    bytes: `${outer('00 4e', '11')} ${UDP_4789} 08 00 00 00 00 00 07 00
            02 00 00 00 00 02 02 00 00 00 00 01 08 06 ${INNER4}`,
    reason: 'no_ip_inside',
  },
  {
    what: 'GENEVE of a Gateway Load Balancer: no inner Ethernet',
    bytes: `${outer('00 60', '11')} ${UDP_6081} 08 00 08 00 00 00 00 00 ${AWS_OPTIONS} ${INNER4}`,
    segment: SEGMENT_GENEVE << 24,
    endpoint: 'aabbccddeeff0011',
  },
  {
    what: 'GENEVE around IPv6, an unknown critical option',
    bytes: `${outer('00 58', '11')} ${UDP_6081} 01 40 86 dd 00 03 e8 00 ff ff 80 00 ${INNER6}`,
    addresses: ADDRESSES6,
    ipOctets: 48,
    segment: (SEGMENT_GENEVE << 24) | 1000,
  },
  {
    what: 'GENEVE around Ethernet',
    bytes: `${outer('00 4e', '11')} ${UDP_6081} 00 00 65 58 00 00 01 00 ${ETHERNET4} ${INNER4}`,
    segment: (SEGMENT_GENEVE << 24) | 1,
  },
  {
    what: 'GENEVE version 1 (RFC 8926 §3.4)',
    bytes: `${outer('00 40', '11')} ${UDP_6081} 40 00 08 00 00 00 01 00 ${INNER4}`,
    reason: 'bad_header',
  },
  {
    what: 'GENEVE: a control packet',
    bytes: `${outer('00 40', '11')} ${UDP_6081} 00 80 08 00 00 00 01 00 ${INNER4}`,
    reason: 'no_ip_inside',
  },
  {
    what: 'GENEVE: an option beyond the options',
    bytes: `${outer('00 44', '11')} ${UDP_6081} 01 00 08 00 00 00 01 00 01 08 01 02 ${INNER4}`,
    reason: 'bad_header',
  },
  {
    what: 'GENEVE: options beyond the packet',
    bytes: `${outer('00 40', '11')} ${UDP_6081} 3f 00 08 00 00 00 01 00 ${INNER4}`,
    reason: 'truncated_header',
  },
  {
    what: 'GRE (RFC 2784)',
    bytes: `${outer('00 34', '2f')} 00 00 08 00 ${INNER4}`,
    segment: SEGMENT_GRE << 24,
  },
  {
    what: 'GRE with checksum, key and sequence number (RFC 2890), around IPv6',
    bytes: `${outer('00 54', '2f')} b0 00 86 dd 12 34 00 00 de ad be ef 00 00 00 01 ${INNER6}`,
    addresses: ADDRESSES6,
    ipOctets: 48,
    segment: SEGMENT_GRE << 24,
    greKey: 0xdeadbeef | 0,
  },
  {
    what: 'GRE with a key, around Ethernet',
    bytes: `${outer('00 46', '2f')} 20 00 65 58 00 00 00 05 ${ETHERNET4} ${INNER4}`,
    segment: SEGMENT_GRE << 24,
    greKey: 5,
  },
  {
    what: 'GRE with routing (RFC 1701)',
    bytes: `${outer('00 34', '2f')} 40 00 08 00 ${INNER4}`,
    reason: 'bad_header',
  },
  { what: 'GRE version 2', bytes: `${outer('00 34', '2f')} 00 02 08 00 ${INNER4}`, reason: 'bad_header' },
  { what: 'PPTP (RFC 2637)', bytes: `${outer('00 34', '2f')} 30 01 88 0b ${INNER4}`, reason: 'no_ip_inside' },
  { what: 'GRE around MPLS', bytes: `${outer('00 34', '2f')} 00 00 88 47 ${INNER4}`, reason: 'no_ip_inside' },
  { what: 'GRE cut', bytes: `${outer('00 1a', '2f')} b0 00 08 00 00 00`, reason: 'truncated_header' },
  { what: 'IP in IP (RFC 2003)', bytes: `${outer('00 30', '04')} ${INNER4}`, segment: SEGMENT_IPIP << 24 },
  {
    what: '6in4 (RFC 4213)',
    bytes: `${outer('00 44', '29')} ${INNER6}`,
    addresses: ADDRESSES6,
    ipOctets: 48,
    segment: SEGMENT_6IN4 << 24,
  },
  { what: 'IP in IP, and it is IPv6', bytes: `${outer('00 44', '04')} ${INNER6}`, reason: 'no_ip_inside' },
  {
    what: 'the inner packet is longer than what carries it: malformed, but for a mirror',
    bytes: `${outer('00 2f', '04')} ${INNER4}`,
    reason: 'no_ip_inside',
  },
  {
    what: 'a fragment of a tunnel’s packet',
    bytes: `45 00 00 30 00 01 20 00 40 04 00 00 c0 00 02 01 c0 00 02 02 ${INNER4}`,
    reason: 'fragment',
  },
  {
    what: 'VXLAN within GENEVE within GRE: the innermost identifiers of each kind',
    bytes: `${outer('00 9a', '2f')} 20 00 08 00 00 00 00 05
            ${outer('00 7e', '11')} ${UDP_6081} 03 00 08 00 00 00 09 00 01 08 01 02 aa bb cc dd ee ff 00 11
            ${outer('00 4e', '11')} ${UDP_4789} 08 00 00 00 00 00 07 00 ${ETHERNET4} ${INNER4}`,
    segment: (SEGMENT_VXLAN << 24) | 7,
    greKey: 5,
    endpoint: 'aabbccddeeff0011',
    opened: 3,
  },
  {
    what: 'IP in IP in VXLAN: VXLAN names itself',
    bytes: `${outer('00 62', '11')} ${UDP_4789} 08 00 00 00 00 00 07 00 ${ETHERNET4} ${outer('00 30', '04')} ${INNER4}`,
    segment: (SEGMENT_VXLAN << 24) | 7,
    opened: 2,
  },
  {
    what: 'not asked for',
    bytes: `${outer('00 30', '04')} ${INNER4}`,
    options: { tunnels: ['gre'] },
    addresses: OUTER,
    ipOctets: 48,
    opened: 0,
  },
  {
    what: 'for another machine',
    bytes: `${outer('00 30', '04')} ${INNER4}`,
    options: { destinations: new PrefixSet([{ octets: [192, 0, 2, 1], length: 32 }]) },
    reason: 'not_addressed_here',
  },
  {
    what: 'for this machine, from an allowed source',
    bytes: `${outer('00 30', '04')} ${INNER4}`,
    options: {
      destinations: new PrefixSet([{ octets: [192, 0, 2, 2], length: 32 }]),
      sources: new PrefixSet([{ octets: [192, 0, 2, 0], length: 31 }]),
    },
    segment: SEGMENT_IPIP << 24,
  },
  {
    what: 'from another source',
    bytes: `${outer('00 30', '04')} ${INNER4}`,
    options: { sources: new PrefixSet([{ octets: [192, 0, 2, 2], length: 31 }]) },
    reason: 'source_not_allowed',
  },
  {
    what: 'a giant within VXLAN: each segment has the inner headers',
    bytes: `${outer('01 2e', '11')} ${UDP_4789} 08 00 00 00 00 00 07 00 ${ETHERNET4}
            45 00 00 fc 00 01 00 00 40 06 00 00 0a 00 00 01 0a 00 00 02
            04 d2 00 35 00 00 00 01 00 00 00 01 50 10 ff ff 00 00 00 00 ${'77 '.repeat(212)}`,
    about: { gsoType: GsoType.TCPV4, gsoSize: 100 },
    packets: 3,
    ipOctets: 212 + 3 * 40,
    segment: (SEGMENT_VXLAN << 24) | 7,
    opened: 3,
  },
  {
    what: 'several datagrams of VXLAN, merged',
    bytes: `${outer('00 4e', '11')} ${UDP_4789} 08 00 00 00 12 d6 87 00 ${ETHERNET4} ${INNER4}`,
    about: { gsoType: GsoType.UDP_L4, gsoSize: 40 },
    reason: 'merged',
    packets: 2,
    ipOctets: 50 + 2 * 28,
  },
];

function frameOf(captured: Uint8Array, about: About = {}): Frame {
  return Object.assign(new Frame(), {
    view: new DataView(captured.buffer, captured.byteOffset, captured.length),
    capturedLength: captured.length,
    wireLength: captured.length,
    linkType: LinkType.RAW,
    ...about,
  });
}

function check(t: Test, { what, bytes, about, options, reason, ...wanted }: Row): void {
  const captured = octets(bytes);
  const decapsulator = new Decapsulator({ tunnels: TUNNELS, ...options });
  const view = new PacketView();
  view.words.fill(0x45454545);
  t.equal(decapsulator.decode(frameOf(captured, about), view), METERED, what);
  const { addresses, vlanId, ipOctets, packets } = view;
  const key = 3 + addresses.length;
  const total = captured[2]! * 256 + captured[3]!;
  const isClosed = reason !== undefined;
  if (isClosed) {
    t.equal(view.protocolIdentifier, captured[9], `${what}: the outer packet's protocol`);
    t.equal(view.ipClassOfService, captured[1], 'and class of service');
  }
  t.strictSame(
    {
      addresses: addressText(view.ipVersion, new Uint8Array(addresses.slice().buffer)),
      ipOctets,
      packets,
      vlanId,
      segment: view.words[key + SEGMENT],
      greKey: view.words[key + GRE_KEY],
      endpoint: Buffer.from(view.words.slice(key + ENDPOINT, key + ENDPOINT + 2).buffer).toString('hex'),
      opened: decapsulator.openedPackets.reduce((sum, n) => sum + n, 0),
      notOpened: NOT_OPENED_REASONS.filter((_, i) => decapsulator.notOpenedPackets[i]! > 0),
    },
    {
      addresses: isClosed ? OUTER : ADDRESSES4,
      ipOctets: isClosed ? total : 28,
      packets: 1,
      vlanId: 0,
      segment: 0,
      greKey: 0,
      endpoint: '0000000000000000',
      opened: isClosed ? 0 : 1,
      notOpened: isClosed ? [reason] : [],
      ...wanted,
    },
    what,
  );
}

t.test('every tunnel, opened or left closed for a reason', async (t) => {
  for (const row of ROWS) check(t, row);
  const seen = new Set(ROWS.map(({ reason }) => reason));
  for (const reason of NOT_OPENED_REASONS) {
    if (reason !== 'nested_too_deep') t.ok(seen.has(reason), `${reason} occurs`);
  }
});

t.test('cut anywhere, nothing is read beyond, and what is metered was there', async (t) => {
  let metered = 0;
  for (const { what, bytes, about } of ROWS) {
    const whole = octets(bytes);
    for (let length = 0; length <= whole.length; length++) {
      const decapsulator = new Decapsulator({ tunnels: TUNNELS });
      const view = new PacketView();
      try {
        const frame = frameOf(whole.slice(0, length), { wireLength: whole.length, ...about });
        const outcome = decapsulator.decode(frame, view);
        t.equal(outcome === METERED, length >= 20, `${what}, cut to ${length}: the outer header is enough`);
        if (outcome === METERED) metered++;
      } catch (error) {
        t.fail(`${what}, cut to ${length}: ${error}`);
      }
    }
  }
  t.ok(metered > 1000, `${metered} packets`);
});

t.test('as deep as the bound, and no deeper', async (t) => {
  for (const depth of [1, MOST_TUNNELS, MOST_TUNNELS + 1, 200]) {
    let packet = [...octets(INNER4)];
    for (let i = 0; i < depth; i++) {
      const total = 20 + packet.length;
      packet = [...octets(outer(`${hex(total >> 8)} ${hex(total & 0xff)}`, '04')), ...packet];
    }
    const decapsulator = new Decapsulator({ tunnels: ['ipip'] });
    const view = new PacketView();
    t.equal(decapsulator.decode(frameOf(Uint8Array.from(packet)), view), METERED);
    const opened = Math.min(depth, MOST_TUNNELS);
    t.equal(view.ipOctets, packet.length - 20 * opened, `${depth} tunnels`);
    t.equal(decapsulator.openedPackets[TUNNELS.indexOf('ipip')], opened);
    const tooDeep = NOT_OPENED_REASONS.indexOf('nested_too_deep');
    t.equal(decapsulator.notOpenedPackets[tooDeep], depth > MOST_TUNNELS ? 1 : 0);
  }
});

const hex = (octet: number) => octet.toString(16).padStart(2, '0');

t.test('prefixes', async (t) => {
  const rows: [octets: number[], length: number, address: number[], has: boolean][] = [
    [[10, 0, 0, 0], 8, [10, 255, 0, 1], true],
    [[10, 0, 0, 0], 8, [11, 0, 0, 1], false],
    [[10, 1, 128, 0], 17, [10, 1, 255, 1], true],
    [[10, 1, 128, 0], 17, [10, 1, 127, 1], false],
    [[0, 0, 0, 0], 0, [203, 0, 113, 1], true],
    [[203, 0, 113, 1], 32, [203, 0, 113, 1], true],
    [[203, 0, 113, 1], 32, [203, 0, 113, 0], false],
    [
      [0x20, 1, 0xd, 0xb8, ...new Array(12).fill(0)],
      32,
      [0x20, 1, 0xd, 0xb8, ...new Array(12).fill(9)],
      true,
    ],
    [
      [0x20, 1, 0xd, 0xb8, ...new Array(12).fill(0)],
      33,
      [0x20, 1, 0xd, 0xb8, ...new Array(12).fill(0x80)],
      false,
    ],
    [new Array(16).fill(0), 0, [10, 0, 0, 1], false],
    [[0, 0, 0, 0], 0, new Array(16).fill(0), false],
  ];
  for (const [network, length, address, has] of rows) {
    const words = new Int32Array(Uint8Array.from([...address, ...new Array(16).fill(0)]).buffer);
    const version = address.length === 4 ? 4 : 6;
    t.equal(
      new PrefixSet([{ octets: network, length }]).has(version, words, 0),
      has,
      `${network}/${length} ${address}`,
    );
  }
});
