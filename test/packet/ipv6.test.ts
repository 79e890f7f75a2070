/** IPv6: header, extension headers, fragments, jumbograms. Raw packets: no link header in front. */

import t from 'tap';
import { FRAGMENT_MORE, FRAGMENT_NOT_FIRST } from '../../src/packet/packet-layout.ts';
import { octets } from '../support/octets.ts';
import { IPV6_FIELDS, IPV6_UDP, IPV6_UDP_FIELDS, ipv6Header } from './samples.ts';
import { checkTable, type Row } from './support.ts';

const ipv6 = { linkType: 229 };
const UDP = '00 35 12 35 00 08 00 00 # UDP: ports 53 and 4661\n';
const PORTS = { protocolIdentifier: 17, sourceTransportPort: 53, destinationTransportPort: 4661 };

const HEADER: Row[] = [
  { what: 'UDP', about: ipv6, bytes: IPV6_UDP, fields: IPV6_UDP_FIELDS },
  {
    what: 'payload length 0: the bare header; what is behind is padding',
    about: ipv6,
    bytes: `${ipv6Header(0, 17)} ${UDP}`,
    fields: { ...IPV6_FIELDS, ipOctets: 40, protocolIdentifier: 17 },
  },
  {
    what: 'payload length beyond the wire',
    about: ipv6,
    bytes: `${ipv6Header(9, 17)} ${UDP}`,
    outcome: 'bad_ip_length',
  },
  {
    what: 'version 4',
    about: ipv6,
    bytes: ipv6Header(0, 59).replace('6b', '4b'),
    outcome: 'bad_ip_version',
  },
  {
    what: '39 octets',
    about: { ...ipv6, wireLength: 40 },
    bytes: ipv6Header(0, 59).replace('ff 02 ', 'ff '),
    outcome: 'truncated_ip_header',
  },
];

/** Every header that has its length in its second octet, in units of 8 octets less one. */
const EACH_EXTENSION = [0, 43, 60, 135, 139, 140, 253, 254].flatMap((header): Row[] => [
  {
    what: `extension header ${header} of 8 octets`,
    about: ipv6,
    bytes: `${ipv6Header(16, header)} 11 00 01 04 00 00 00 00 ${UDP}`,
    fields: { ...IPV6_FIELDS, ...PORTS, ipOctets: 56 },
  },
  {
    what: `extension header ${header} of 16 octets`,
    about: ipv6,
    bytes: `${ipv6Header(24, header)} 11 01 01 0c ${'00 '.repeat(12)} ${UDP}`,
    fields: { ...IPV6_FIELDS, ...PORTS, ipOctets: 64 },
  },
]);

const CHAINS: Row[] = [
  {
    what: 'hop-by-hop, destination, routing, fragment, AH, destination, then UDP',
    about: ipv6,
    bytes: `${ipv6Header(64, 0)}
            3c 00 01 04 00 00 00 00 # hop-by-hop
            2b 00 01 04 00 00 00 00 # destination options
            2c 00 00 00 00 00 00 00 # routing
            33 00 00 07 ff ff ff fe # fragment: first, more; reserved bits set
            3c 02 00 00 00 00 00 01 00 00 00 02 00 00 00 00 # AH: 2 + 2 words
            11 00 01 04 00 00 00 00 # destination options
            ${UDP}`,
    fields: {
      ...IPV6_FIELDS,
      ...PORTS,
      ipOctets: 104,
      fragment: FRAGMENT_MORE,
      fragmentIdentification: 0xfffffffe,
    },
  },
  {
    what: 'ESP ends the chain',
    about: ipv6,
    bytes: `${ipv6Header(16, 60)} 32 00 01 04 00 00 00 00 11 00 00 00 00 00 00 00`,
    fields: { ...IPV6_FIELDS, ipOctets: 56, protocolIdentifier: 50 },
  },
  {
    what: 'No Next Header ends it',
    about: ipv6,
    bytes: `${ipv6Header(16, 60)} 3b 00 01 04 00 00 00 00 11 00 00 00 00 00 00 00`,
    fields: { ...IPV6_FIELDS, ipOctets: 56, protocolIdentifier: 59 },
  },
  {
    what: 'cut by the capture within a header whose next header was captured',
    about: { ...ipv6, wireLength: 64 },
    bytes: `${ipv6Header(24, 60)} 11 01 01 0c 00`,
    fields: { ...IPV6_FIELDS, ipOctets: 64, protocolIdentifier: 17 },
  },
  {
    what: 'cut by the capture in front of the length',
    about: { ...ipv6, wireLength: 64 },
    bytes: `${ipv6Header(24, 60)} 11`,
    fields: { ...IPV6_FIELDS, ipOctets: 64, protocolIdentifier: 60 },
  },
  {
    what: 'a header that claims more than the packet has; what lies behind is padding',
    about: ipv6,
    bytes: `${ipv6Header(8, 60)} 11 01 01 0c 00 00 00 00 00 00 00 00 00 00 00 00 ${UDP}`,
    fields: { ...IPV6_FIELDS, ipOctets: 48, protocolIdentifier: 17 },
  },
];

const FRAGMENTS: Row[] = [
  {
    what: 'a later fragment: the next header is the fragment header’s, no ports',
    about: ipv6,
    bytes: `${ipv6Header(16, 44)} 11 00 00 08 80 00 00 01 ${UDP} # offset 1`,
    fields: {
      ...IPV6_FIELDS,
      ipOctets: 56,
      protocolIdentifier: 17,
      fragment: FRAGMENT_NOT_FIRST,
      fragmentIdentification: 0x80000001,
    },
  },
  {
    what: 'a later fragment’s octets are no extension header',
    about: ipv6,
    bytes: `${ipv6Header(16, 44)} 3c 00 05 a9 00 00 00 01 11 00 00 00 00 00 00 00 # offset 181, more`,
    fields: {
      ...IPV6_FIELDS,
      ipOctets: 56,
      protocolIdentifier: 60,
      fragment: FRAGMENT_MORE | FRAGMENT_NOT_FIRST,
      fragmentIdentification: 1,
    },
  },
  {
    what: 'an atomic fragment (RFC 6946), reserved bits set',
    about: ipv6,
    bytes: `${ipv6Header(16, 44)} 11 ff 00 06 00 00 00 07 ${UDP}`,
    fields: { ...IPV6_FIELDS, ...PORTS, ipOctets: 56, fragmentIdentification: 7 },
  },
  {
    what: 'a fragment header cut by the capture says nothing',
    about: { ...ipv6, wireLength: 56 },
    bytes: `${ipv6Header(16, 44)} 11 00 00 09 80 00 00`,
    fields: { ...IPV6_FIELDS, ipOctets: 56, protocolIdentifier: 44 },
  },
];

const JUMBOGRAMS: Row[] = [
  {
    what: 'the length is in the hop-by-hop option',
    about: { ...ipv6, wireLength: 40 + 65544 },
    bytes: `${ipv6Header(0, 0)} 11 00 c2 04 00 01 00 08 ${UDP}`,
    fields: { ...IPV6_FIELDS, ...PORTS, ipOctets: 40 + 65544 },
  },
  {
    what: 'behind padding and another option, in a frame with padding',
    about: { ...ipv6, wireLength: 70000 },
    bytes: `${ipv6Header(0, 0)} 11 01 00 01 00 05 02 00 00 c2 04 00 01 00 10 00 ${UDP}`,
    fields: { ...IPV6_FIELDS, ...PORTS, ipOctets: 40 + 65552 },
  },
  {
    what: 'the smallest, captured as far as the option, in a frame with padding',
    about: { ...ipv6, wireLength: 70000 },
    bytes: `${ipv6Header(0, 0)} 11 00 c2 04 00 01 00 00`,
    fields: { ...IPV6_FIELDS, ipOctets: 40 + 65536, protocolIdentifier: 17 },
  },
  {
    what: 'a jumbo length beyond the wire',
    about: { ...ipv6, wireLength: 40 + 65543 },
    bytes: `${ipv6Header(0, 0)} 11 00 c2 04 00 01 00 08 ${UDP}`,
    outcome: 'bad_ip_length',
  },
  {
    what: 'a jumbo length of 65 535',
    about: { ...ipv6, wireLength: 40 + 65535 },
    bytes: `${ipv6Header(0, 0)} 11 00 c2 04 00 00 ff ff ${UDP}`,
    outcome: 'bad_ip_length',
  },
  {
    what: 'a jumbo length that needs no jumbogram',
    about: ipv6,
    bytes: `${ipv6Header(0, 0)} 11 00 c2 04 00 00 00 10 ${UDP}`,
    outcome: 'bad_ip_length',
  },
  {
    what: 'payload length 0 and hop-by-hop options without a length',
    about: ipv6,
    bytes: `${ipv6Header(0, 0)} 11 00 01 04 00 00 00 00 ${UDP}`,
    outcome: 'bad_ip_length',
  },
  {
    what: 'a jumbogram whose option the capture cut: the frame says how long it is',
    about: { ...ipv6, wireLength: 40 + 65544 },
    bytes: `${ipv6Header(0, 0)} 11 00 c2 04 00`,
    fields: { ...IPV6_FIELDS, ipOctets: 40 + 65544, protocolIdentifier: 17 },
  },
  {
    what: 'payload length 0 in a frame that is all but beyond 64 KiB',
    about: { ...ipv6, wireLength: 40 + 65535 },
    bytes: `${ipv6Header(0, 17)} ${UDP}`,
    fields: { ...IPV6_FIELDS, ipOctets: 40, protocolIdentifier: 17 },
  },
  {
    what: 'payload length 0 in a frame beyond 64 KiB, without an option',
    about: { ...ipv6, wireLength: 40 + 65536 },
    bytes: `${ipv6Header(0, 17)} ${UDP}`,
    fields: { ...IPV6_FIELDS, ...PORTS, ipOctets: 40 + 65536 },
  },
];

for (const [name, rows] of Object.entries({ HEADER, EACH_EXTENSION, CHAINS, FRAGMENTS, JUMBOGRAMS })) {
  t.test(name, (t) => {
    checkTable(t, rows);
    t.end();
  });
}

t.test('the samples are what their comments say', (t) => {
  t.equal(octets(IPV6_UDP).length, 48);
  t.end();
});
