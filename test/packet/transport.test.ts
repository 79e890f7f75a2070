/** Transport headers, over IPv4 and IPv6 alike. */

import t from 'tap';
import { octets } from '../support/octets.ts';
import { IPV6_FIELDS, ipv6Header } from './samples.ts';
import { checkTable, type Fields, type Row } from './support.ts';

interface TransportRow {
  what: string;
  protocol: number;
  /** The transport header as captured. */
  bytes: string;
  /** Octets of it on the wire, where that is more. */
  onWire?: number;
  fields?: Partial<Fields>;
}

const ports = { sourceTransportPort: 0xc001, destinationTransportPort: 0xfffe };

const ROWS: TransportRow[] = [
  {
    what: 'TCP: SYN, ECN bits and the reserved ones',
    protocol: 6,
    bytes: 'c0 01 ff fe 00 00 00 01 00 00 00 02 5f c2 ff ff 00 00 00 00',
    fields: { ...ports, tcpControlBits: 0xfc2 },
  },
  {
    what: 'TCP cut in the middle of the flags',
    protocol: 6,
    bytes: 'c0 01 ff fe 00 00 00 01 00 00 00 02 50',
    onWire: 20,
    fields: ports,
  },
  {
    what: 'TCP cut right behind the flags',
    protocol: 6,
    bytes: 'c0 01 ff fe 00 00 00 01 00 00 00 02 50 11',
    onWire: 20,
    fields: { ...ports, tcpControlBits: 0x11 },
  },
  { what: 'TCP cut within the ports', protocol: 6, bytes: 'c0 01 ff', onWire: 20 },
  { what: 'UDP', protocol: 17, bytes: 'c0 01 ff fe 00 08 00 00', fields: ports },
  { what: 'UDP cut within the ports', protocol: 17, bytes: 'c0 01 ff', onWire: 8 },
  { what: 'UDP cut behind the ports', protocol: 17, bytes: 'c0 01 ff fe', onWire: 8, fields: ports },
  { what: 'UDP-Lite', protocol: 136, bytes: 'c0 01 ff fe 00 08 00 00', fields: ports },
  { what: 'SCTP', protocol: 132, bytes: 'c0 01 ff fe 00 00 00 00 00 00 00 00', fields: ports },
  { what: 'DCCP', protocol: 33, bytes: 'c0 01 ff fe 03 00 00 00 00 00 00 00', fields: ports },
  {
    what: 'ICMP: destination unreachable, port unreachable',
    protocol: 1,
    bytes: '03 03 00 00 00 00 00 00',
    fields: { destinationTransportPort: 3 * 256 + 3 },
  },
  {
    what: 'ICMPv6: neighbour solicitation',
    protocol: 58,
    bytes: '87 00 00 00 00 00 00 00',
    fields: { destinationTransportPort: 135 * 256 },
  },
  {
    what: 'ICMP cut behind type and code',
    protocol: 1,
    bytes: '0b 01',
    onWire: 8,
    fields: { destinationTransportPort: 11 * 256 + 1 },
  },
  { what: 'ICMP cut in front of the code', protocol: 1, bytes: '0b', onWire: 8 },
  { what: 'IGMP', protocol: 2, bytes: '16 00 00 00 e0 00 00 fb' },
  { what: 'GRE', protocol: 47, bytes: '00 00 08 00 45 00 00 14' },
  { what: 'ESP', protocol: 50, bytes: 'c0 01 ff fe 00 00 00 01' },
];

function over4(row: TransportRow): Row {
  const length = 20 + (row.onWire ?? octets(row.bytes).length);
  return {
    what: `${row.what} over IPv4`,
    about: { linkType: 228, wireLength: length },
    bytes: `45 00 00 ${hex(length)}  00 00 00 00  40 ${hex(row.protocol)} 00 00
            c0 00 02 01 c6 33 64 02 ${row.bytes}`,
    fields: {
      ipVersion: 4,
      addresses: '192.0.2.1 198.51.100.2',
      ipTTL: 64,
      ipOctets: length,
      protocolIdentifier: row.protocol,
      ...row.fields,
    },
  };
}

function over6(row: TransportRow): Row {
  const length = row.onWire ?? octets(row.bytes).length;
  return {
    what: `${row.what} over IPv6`,
    about: { linkType: 229, wireLength: 40 + length },
    bytes: `${ipv6Header(length, row.protocol)} ${row.bytes}`,
    fields: { ...IPV6_FIELDS, ipOctets: 40 + length, protocolIdentifier: row.protocol, ...row.fields },
  };
}

function hex(octet: number): string {
  return octet.toString(16).padStart(2, '0');
}

t.test('over IPv4', (t) => {
  checkTable(t, ROWS.map(over4));
  t.end();
});

t.test('over IPv6', (t) => {
  checkTable(t, ROWS.map(over6));
  t.end();
});
