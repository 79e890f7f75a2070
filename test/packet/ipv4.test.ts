/** IPv4: header, lengths, options, fragments, AH. Raw packets: no link header in front. */

import t from 'tap';
import { FRAGMENT_MORE, FRAGMENT_NOT_FIRST } from '../../src/packet/packet-layout.ts';
import { octets } from '../support/octets.ts';
import { IPV4_UDP, IPV4_UDP_FIELDS } from './samples.ts';
import { checkTable, type Fields, type Row } from './support.ts';

const ipv4 = { linkType: 228 };
const ADDRESSES = 'c0 00 02 01 c6 33 64 02 # 192.0.2.1, 198.51.100.2\n';
/** What every row below has in common; none has ToS or identification unless it says so. */
const COMMON: Partial<Fields> = { ipVersion: 4, addresses: '192.0.2.1 198.51.100.2', ipTTL: 64 };

const LENGTHS: Row[] = [
  {
    what: 'padding behind the packet counts as nothing and is never read',
    about: ipv4,
    bytes: `45 00 00 14  00 00 00 00  40 06 00 00 ${ADDRESSES} # 20 octets: TCP without a header
            ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff # padding`,
    fields: { ...COMMON, ipOctets: 20, protocolIdentifier: 6 },
  },
  {
    what: 'snapped: the length is what the header says',
    about: { ...ipv4, wireLength: 1500 },
    bytes: `45 00 05 dc  00 00 00 00  40 11 00 00 ${ADDRESSES} 00 35`,
    fields: { ...COMMON, ipOctets: 1500, protocolIdentifier: 17 },
  },
  {
    what: 'total length beyond the wire',
    about: ipv4,
    bytes: `45 00 00 15  00 00 00 00  40 11 00 00 ${ADDRESSES}`,
    outcome: 'bad_ip_length',
  },
  {
    what: 'total length 0 in an ordinary frame',
    about: ipv4,
    bytes: `45 00 00 00  00 00 00 00  40 11 00 00 ${ADDRESSES}`,
    outcome: 'bad_ip_length',
  },
  {
    what: 'total length 0 in a frame beyond 64 KiB: the frame says',
    about: { ...ipv4, wireLength: 65536 },
    bytes: `45 00 00 00  00 00 00 00  40 11 00 00 ${ADDRESSES} 00 35 00 36`,
    fields: {
      ...COMMON,
      ipOctets: 65536,
      protocolIdentifier: 17,
      sourceTransportPort: 53,
      destinationTransportPort: 54,
    },
  },
  {
    what: 'total length 0 in a frame of 65 535 octets',
    about: { ...ipv4, wireLength: 65535 },
    bytes: `45 00 00 00  00 00 00 00  40 11 00 00 ${ADDRESSES}`,
    outcome: 'bad_ip_length',
  },
  {
    what: 'IHL 4',
    about: ipv4,
    bytes: `44 00 00 14  00 00 00 00  40 11 00 00 ${ADDRESSES}`,
    outcome: 'bad_ip_header_length',
  },
  {
    what: 'IHL beyond the total length',
    about: ipv4,
    bytes: `46 00 00 17  00 00 00 00  40 11 00 00 ${ADDRESSES} 01 01 01 00`,
    outcome: 'bad_ip_header_length',
  },
  {
    what: 'version 6',
    about: ipv4,
    bytes: `65 00 00 14  00 00 00 00  40 11 00 00 ${ADDRESSES}`,
    outcome: 'bad_ip_version',
  },
  {
    what: '19 octets',
    about: ipv4,
    bytes: '45 00 00 14  00 00 00 00  40 11 00 00  c0 00 02 01 c6 33 64',
    outcome: 'truncated_ip_header',
  },
  { what: 'addresses above 127', about: ipv4, bytes: IPV4_UDP, fields: IPV4_UDP_FIELDS },
];

const OPTIONS: Row[] = [
  {
    what: '40 octets of options',
    about: ipv4,
    bytes: `4f 00 00 40  00 00 00 00  40 11 00 00 ${ADDRESSES}
            07 27 04 ${'00 '.repeat(36)} 00 # record route
            00 35 00 36`,
    fields: {
      ...COMMON,
      ipOctets: 64,
      protocolIdentifier: 17,
      sourceTransportPort: 53,
      destinationTransportPort: 54,
    },
  },
  {
    what: 'options cut by the capture: metered without ports',
    about: { ...ipv4, wireLength: 28 },
    bytes: `46 00 00 1c  00 00 00 00  40 11 00 00 ${ADDRESSES} 94 04`,
    fields: { ...COMMON, ipOctets: 28, protocolIdentifier: 17 },
  },
];

const FRAGMENTS: Row[] = [
  {
    what: 'the first has the ports',
    about: ipv4,
    bytes: `45 00 00 1c  be ef 20 00  40 11 00 00 ${ADDRESSES} 00 35 00 36 05 dc 00 00`,
    fields: {
      ...COMMON,
      ipOctets: 28,
      protocolIdentifier: 17,
      sourceTransportPort: 53,
      destinationTransportPort: 54,
      fragment: FRAGMENT_MORE,
      fragmentIdentification: 0xbeef,
    },
  },
  {
    what: 'one in the middle has none',
    about: ipv4,
    bytes: `45 00 00 1c  be ef 20 01  40 11 00 00 ${ADDRESSES} 00 35 00 36 05 dc 00 00`,
    fields: {
      ...COMMON,
      ipOctets: 28,
      protocolIdentifier: 17,
      fragment: FRAGMENT_MORE | FRAGMENT_NOT_FIRST,
      fragmentIdentification: 0xbeef,
    },
  },
  {
    what: 'nor has the last, nor is an AH in it one',
    about: ipv4,
    bytes: `45 00 00 1c  be ef 1f ff  40 33 00 00 ${ADDRESSES} 06 04 00 00 00 00 00 00`,
    fields: {
      ...COMMON,
      ipOctets: 28,
      protocolIdentifier: 51,
      fragment: FRAGMENT_NOT_FIRST,
      fragmentIdentification: 0xbeef,
    },
  },
  {
    what: 'the reserved flag and DF make no fragment',
    about: ipv4,
    bytes: `45 00 00 14  00 00 c0 00  40 11 00 00 ${ADDRESSES}`,
    fields: { ...COMMON, ipOctets: 20, protocolIdentifier: 17 },
  },
];

const AUTHENTICATION_HEADER: Row[] = [
  {
    what: 'followed to TCP',
    about: ipv4,
    bytes: `45 00 00 38  00 00 00 00  40 33 00 00 ${ADDRESSES}
            06 01 00 00 # next: TCP; 1 + 2 words
            00 00 01 00 00 00 00 01 # SPI, sequence
            00 50 00 51 00 00 00 00 00 00 00 00 50 12 00 00 00 00 00 00 # TCP: 80, 81, SYN ACK
            00 00 00 00`,
    fields: {
      ...COMMON,
      ipOctets: 56,
      protocolIdentifier: 6,
      sourceTransportPort: 80,
      destinationTransportPort: 81,
      tcpControlBits: 0x12,
    },
  },
  {
    what: 'within another, to ESP',
    about: ipv4,
    bytes: `45 00 00 28  00 00 00 00  40 33 00 00 ${ADDRESSES}
            33 00 00 00 00 00 00 00 # 0 + 2 words
            32 00 00 00 00 00 00 00
            00 00 10 00 # ESP: SPI`,
    fields: { ...COMMON, ipOctets: 40, protocolIdentifier: 50 },
  },
  {
    what: 'cut by the capture behind its length: the next header is known',
    about: { ...ipv4, wireLength: 52 },
    bytes: `45 00 00 34  00 00 00 00  40 33 00 00 ${ADDRESSES} 06 04`,
    fields: { ...COMMON, ipOctets: 52, protocolIdentifier: 6 },
  },
  {
    what: 'an IPv6 extension header is a protocol like any other here',
    about: ipv4,
    bytes: `45 00 00 1c  00 00 00 00  40 3c 00 00 ${ADDRESSES} 11 00 00 00 00 00 00 00`,
    fields: { ...COMMON, ipOctets: 28, protocolIdentifier: 60 },
  },
];

for (const [name, rows] of Object.entries({ LENGTHS, OPTIONS, FRAGMENTS, AUTHENTICATION_HEADER })) {
  t.test(name, (t) => {
    checkTable(t, rows);
    t.end();
  });
}

t.test('the samples are what their comments say', (t) => {
  t.equal(octets(IPV4_UDP).length, 28);
  t.end();
});
