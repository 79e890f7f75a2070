/** Link headers, tags and labels. */

import t from 'tap';
import { LinkType } from '../../src/capture/packet-source.ts';
import { IPV4_UDP, IPV4_UDP_FIELDS, IPV6_UDP, IPV6_UDP_FIELDS } from './samples.ts';
import { checkTable, type Row } from './support.ts';

const MACS = '02 00 00 00 00 02  02 00 00 00 00 01 # to, from\n';
const ethernet4 = { ...IPV4_UDP_FIELDS, macAddressesOffset: 0 };
const ethernet6 = { ...IPV6_UDP_FIELDS, macAddressesOffset: 0 };

const ETHERNET: Row[] = [
  { what: 'IPv4', bytes: `${MACS} 08 00 ${IPV4_UDP}`, fields: ethernet4 },
  { what: 'IPv6', bytes: `${MACS} 86 dd ${IPV6_UDP}`, fields: ethernet6 },
  {
    what: 'ARP',
    bytes: `${MACS} 08 06 00 01 08 00 06 04`,
    outcome: 'not_ip',
  },
  {
    what: 'a tag: priority 5, VLAN 291',
    bytes: `${MACS} 81 00 a1 23 08 00 ${IPV4_UDP}`,
    fields: { ...ethernet4, vlanId: 291 },
  },
  {
    what: 'service and customer tag',
    bytes: `${MACS} 88 a8 00 0a 81 00 00 14 86 dd ${IPV6_UDP}`,
    fields: { ...ethernet6, vlanId: 10, customerVlanId: 20 },
  },
  {
    what: 'a priority tag is no VLAN, and the next tag stays the second',
    bytes: `${MACS} 81 00 e0 00 81 00 00 14 08 00 ${IPV4_UDP}`,
    fields: { ...ethernet4, vlanId: 0, customerVlanId: 20 },
  },
  {
    what: 'four tags of vendors: the outer two count',
    bytes: `${MACS} 91 00 00 01 92 00 00 02 93 00 00 03 81 00 00 04 08 00 ${IPV4_UDP}`,
    fields: { ...ethernet4, vlanId: 1, customerVlanId: 2 },
  },
  {
    what: 'the tag that the kernel stripped is the outermost',
    about: { strippedVlanTci: 0x600a },
    bytes: `${MACS} 81 00 00 14 08 00 ${IPV4_UDP}`,
    fields: { ...ethernet4, vlanId: 10, customerVlanId: 20 },
  },
  {
    what: 'a stripped tag of TCI 0 takes the first place all the same',
    about: { strippedVlanTci: 0 },
    bytes: `${MACS} 81 00 00 14 08 00 ${IPV4_UDP}`,
    fields: { ...ethernet4, vlanId: 0, customerVlanId: 20 },
  },
  {
    what: 'a tag in front of something else',
    bytes: `${MACS} 81 00 00 0a 88 cc 02 07`,
    outcome: 'not_ip',
  },
  {
    what: 'tags to the end of the capture',
    bytes: `${MACS} 81 00 00 0a 81 00 00 0b 81 00`,
    outcome: 'truncated_link_header',
  },
  { what: '13 octets', bytes: `${MACS} 08`, outcome: 'truncated_link_header' },
  { what: 'nothing', bytes: '', outcome: 'truncated_link_header' },
];

const IN_ETHERNET: Row[] = [
  {
    what: 'LLC/SNAP (RFC 1042)',
    bytes: `${MACS} 00 24 aa aa 03 00 00 00 08 00 ${IPV4_UDP}`,
    fields: ethernet4,
  },
  {
    what: 'the greatest length that is one',
    bytes: `${MACS} 05 dc aa aa 03 00 00 00 08 00 ${IPV4_UDP}`,
    fields: ethernet4,
  },
  {
    what: 'LLC/SNAP with a tag within',
    bytes: `${MACS} 00 28 aa aa 03 00 00 00 81 00 00 0a 86 dd ${IPV6_UDP}`,
    fields: { ...ethernet6, vlanId: 10 },
  },
  {
    what: 'LLC/SNAP of another organisation',
    bytes: `${MACS} 00 24 aa aa 03 00 00 0c 08 00 ${IPV4_UDP}`,
    outcome: 'not_ip',
  },
  {
    what: 'LLC: spanning tree, too short for SNAP',
    bytes: `${MACS} 00 03 42 42`,
    outcome: 'not_ip',
  },
  {
    what: 'LLC/SNAP that is cut',
    bytes: `${MACS} 00 24 aa aa 03 00 00 00 08`,
    outcome: 'truncated_link_header',
  },
  {
    what: 'a type between lengths and EtherTypes',
    bytes: `${MACS} 05 dd aa aa 03 00 00 00 08 00 ${IPV4_UDP}`,
    outcome: 'not_ip',
  },
  { what: 'PPPoE, IPv4', bytes: `${MACS} 88 64 11 00 00 01 00 1e 00 21 ${IPV4_UDP}`, fields: ethernet4 },
  { what: 'PPPoE, IPv6', bytes: `${MACS} 88 64 11 00 00 01 00 32 00 57 ${IPV6_UDP}`, fields: ethernet6 },
  {
    what: 'PPPoE, LCP',
    bytes: `${MACS} 88 64 11 00 00 01 00 0a c0 21 09 01 00 08 00 00 00 00`,
    outcome: 'not_ip',
  },
  {
    what: 'PPPoE, not a session packet (code 0xa7)',
    bytes: `${MACS} 88 64 11 a7 00 01 00 1e 00 21 ${IPV4_UDP}`,
    outcome: 'not_ip',
  },
  {
    what: 'PPPoE that is cut',
    bytes: `${MACS} 88 64 11 00 00 01 00 1e 00`,
    outcome: 'truncated_link_header',
  },
];

const MPLS: Row[] = [
  {
    what: 'one label: 16, traffic class 5, bottom',
    bytes: `${MACS} 88 47  00 01 0b 40 ${IPV4_UDP}`,
    fields: { ...ethernet4, mplsTopLabelStackSection: 0x00010b },
  },
  {
    what: 'three labels: the top two are kept',
    bytes: `${MACS} 88 48  ff ff fe 40  00 02 00 40  00 03 01 40 ${IPV6_UDP}`,
    fields: { ...ethernet6, mplsTopLabelStackSection: 0xfffffe, mplsLabelStackSection2: 0x000200 },
  },
  {
    what: 'a label behind a tag',
    bytes: `${MACS} 81 00 00 0a 88 47  00 01 01 40 ${IPV4_UDP}`,
    fields: { ...ethernet4, vlanId: 10, mplsTopLabelStackSection: 0x000101 },
  },
  {
    what: 'a pseudowire with its control word',
    bytes: `${MACS} 88 47  00 01 01 40  00 00 00 00 ${MACS} 08 00 ${IPV4_UDP}`,
    outcome: 'not_ip',
  },
  {
    what: 'a stack without a bottom',
    bytes: `${MACS} 88 47  00 01 00 40  00 02 00 40  00 03 00`,
    outcome: 'truncated_link_header',
  },
  {
    what: 'a stack with nothing behind its bottom',
    bytes: `${MACS} 88 47  00 01 01 40`,
    outcome: 'truncated_link_header',
  },
];

const SLL = '00 00 # to us\n 00 01 # ARPHRD_ETHER\n 00 06 02 00 00 00 00 01 00 00 # address\n';
const SLL2 = '00 00 # reserved\n 00 00 00 02 # ifIndex\n 00 01 00 06 02 00 00 00 00 01 00 00\n';
const sll = { linkType: LinkType.LINUX_SLL };
const sll2 = { linkType: LinkType.LINUX_SLL2 };

const COOKED: Row[] = [
  { what: 'SLL, IPv4', about: sll, bytes: `${SLL} 08 00 ${IPV4_UDP}`, fields: IPV4_UDP_FIELDS },
  {
    what: 'SLL, tagged IPv6',
    about: sll,
    bytes: `${SLL} 81 00 00 0a 86 dd ${IPV6_UDP}`,
    fields: { ...IPV6_UDP_FIELDS, vlanId: 10 },
  },
  {
    what: 'SLL, LLC/SNAP (protocol 4)',
    about: sll,
    bytes: `${SLL} 00 04 aa aa 03 00 00 00 08 00 ${IPV4_UDP}`,
    fields: IPV4_UDP_FIELDS,
  },
  {
    what: 'SLL, CAN (protocol 12) is no LLC, whatever it looks like',
    about: sll,
    bytes: `${SLL} 00 0c aa aa 03 00 00 00 08 00 ${IPV4_UDP}`,
    outcome: 'not_ip',
  },
  { what: 'SLL, 15 octets', about: sll, bytes: `${SLL} 08`, outcome: 'truncated_link_header' },
  { what: 'SLL2, IPv6', about: sll2, bytes: `86 dd ${SLL2} ${IPV6_UDP}`, fields: IPV6_UDP_FIELDS },
  { what: 'SLL2, ARP', about: sll2, bytes: `08 06 ${SLL2} 00 01 08 00`, outcome: 'not_ip' },
  {
    what: 'SLL2, 19 octets',
    about: sll2,
    bytes: '08 00 00 00 00 00 00 02 00 01 00 06 02 00 00 00 00 01 00',
    outcome: 'truncated_link_header',
  },
];

const loopback = { linkType: LinkType.NULL };
const loop = { linkType: LinkType.LOOP };

const WITHOUT_LINK: Row[] = [
  ...[LinkType.RAW, LinkType.RAW_BSD, LinkType.RAW_OPENBSD].flatMap((linkType): Row[] => [
    { what: `raw ${linkType}, IPv4`, about: { linkType }, bytes: IPV4_UDP, fields: IPV4_UDP_FIELDS },
    { what: `raw ${linkType}, IPv6`, about: { linkType }, bytes: IPV6_UDP, fields: IPV6_UDP_FIELDS },
    { what: `raw ${linkType}, version 5`, about: { linkType }, bytes: '55', outcome: 'bad_ip_version' },
    { what: `raw ${linkType}, nothing`, about: { linkType }, bytes: '', outcome: 'truncated_ip_header' },
  ]),
  { what: 'LINKTYPE_IPV4', about: { linkType: 228 }, bytes: IPV4_UDP, fields: IPV4_UDP_FIELDS },
  { what: 'LINKTYPE_IPV6', about: { linkType: 229 }, bytes: IPV6_UDP, fields: IPV6_UDP_FIELDS },
  {
    what: 'LINKTYPE_IPV4 with an IPv6 packet',
    about: { linkType: 228 },
    bytes: IPV6_UDP,
    outcome: 'bad_ip_version',
  },
  {
    what: 'NULL, 2, little-endian',
    about: loopback,
    bytes: `02 00 00 00 ${IPV4_UDP}`,
    fields: IPV4_UDP_FIELDS,
  },
  { what: 'NULL, 2, big-endian', about: loopback, bytes: `00 00 00 02 ${IPV4_UDP}`, fields: IPV4_UDP_FIELDS },
  { what: 'NULL, 30 (macOS)', about: loopback, bytes: `1e 00 00 00 ${IPV6_UDP}`, fields: IPV6_UDP_FIELDS },
  { what: 'NULL, 28 (FreeBSD)', about: loopback, bytes: `00 00 00 1c ${IPV6_UDP}`, fields: IPV6_UDP_FIELDS },
  { what: 'NULL, 7', about: loopback, bytes: `07 00 00 00 ${IPV4_UDP}`, outcome: 'not_ip' },
  { what: 'NULL, 3 octets', about: loopback, bytes: '02 00 00', outcome: 'truncated_link_header' },
  { what: 'LOOP, 2', about: loop, bytes: `00 00 00 02 ${IPV4_UDP}`, fields: IPV4_UDP_FIELDS },
  { what: 'LOOP, 24 (OpenBSD)', about: loop, bytes: `00 00 00 18 ${IPV6_UDP}`, fields: IPV6_UDP_FIELDS },
  { what: 'LOOP, 10', about: loop, bytes: `00 00 00 0a ${IPV6_UDP}`, fields: IPV6_UDP_FIELDS },
  { what: 'LOOP knows one byte order', about: loop, bytes: `02 00 00 00 ${IPV4_UDP}`, outcome: 'not_ip' },
  { what: 'IEEE 802.11', about: { linkType: 105 }, bytes: IPV4_UDP, outcome: 'unknown_link_type' },
];

for (const [name, rows] of Object.entries({ ETHERNET, IN_ETHERNET, MPLS, COOKED, WITHOUT_LINK })) {
  t.test(name, (t) => {
    checkTable(t, rows);
    t.end();
  });
}
