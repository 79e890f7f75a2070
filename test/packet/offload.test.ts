/** Giants that an offload merged, counted as the packets that the wire saw. Raw packets: no link header in front. */

import t from 'tap';
import { GsoType } from '../../src/capture/packet-source.ts';
import { octets } from '../support/octets.ts';
import { ipv6Header } from './samples.ts';
import { type About, decodeOctets } from './support.ts';

const ADDRESSES = 'c0 00 02 01 c6 33 64 02';
/** TCP with a timestamp option: 32 octets. */
const TCP = '00 50 00 51 00 00 00 00 00 00 00 00 80 10 00 00 00 00 00 00 01 01 08 0a 00 00 00 00 00 00 00 00';
const UDP = '00 50 00 51 00 00 00 00';

interface Giant {
  what: string;
  /** What the capture kept: the headers. */
  bytes: string;
  about: About & { wireLength: number };
  packets: number;
  ipOctets: number;
}

/** An IPv4 header of 20 octets in front of `rest`. */
function ipv4(totalLength: number, protocol: number, rest: string): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  return `45 00 ${hex(totalLength, 4)} 00 00 40 00 40 ${hex(protocol, 2)} 00 00 ${ADDRESSES} ${rest}`;
}

const tcp4 = { linkType: 228, gsoType: GsoType.TCPV4, gsoSize: 1448 };
const tcp6 = { linkType: 229, gsoType: GsoType.TCPV6, gsoSize: 1428 };

const GIANTS: Giant[] = [
  {
    what: 'TCP over IPv4: 3 full segments and one of 1 octet',
    bytes: ipv4(52 + 3 * 1448 + 1, 6, TCP),
    about: { ...tcp4, wireLength: 52 + 3 * 1448 + 1 },
    packets: 4,
    ipOctets: 3 * 1500 + 53,
  },
  {
    what: 'TCP over IPv4: the payload divides evenly',
    bytes: ipv4(52 + 40 * 1448, 6, TCP),
    about: { ...tcp4, wireLength: 52 + 40 * 1448 },
    packets: 40,
    ipOctets: 40 * 1500,
  },
  {
    what: 'one segment is one packet',
    bytes: ipv4(52 + 1448, 6, TCP),
    about: { ...tcp4, wireLength: 52 + 1448 },
    packets: 1,
    ipOctets: 1500,
  },
  {
    what: 'no payload is one packet',
    bytes: ipv4(52, 6, TCP),
    about: { ...tcp4, wireLength: 52 },
    packets: 1,
    ipOctets: 52,
  },
  {
    what: 'a segment size without an offload says nothing',
    bytes: ipv4(52 + 2 * 1448, 6, TCP),
    about: { ...tcp4, gsoType: GsoType.NONE, wireLength: 52 + 2 * 1448 },
    packets: 1,
    ipOctets: 52 + 2 * 1448,
  },
  {
    what: 'an offload without a segment size says nothing',
    bytes: ipv4(52 + 2 * 1448, 6, TCP),
    about: { ...tcp4, gsoSize: 0, wireLength: 52 + 2 * 1448 },
    packets: 1,
    ipOctets: 52 + 2 * 1448,
  },
  {
    what: 'a data offset below 5 counts as 5',
    bytes: ipv4(40 + 2000, 6, TCP.replace('80 10', '40 10')),
    about: { ...tcp4, gsoSize: 1000, wireLength: 40 + 2000 },
    packets: 2,
    ipOctets: 2 * 1040,
  },
  {
    what: 'a TCP header cut in front of its length counts as 20 octets',
    bytes: ipv4(40 + 2000, 6, '00 50 00 51'),
    about: { ...tcp4, gsoSize: 1000, wireLength: 40 + 2000 },
    packets: 2,
    ipOctets: 2 * 1040,
  },
  {
    what: 'BIG TCP over IPv4: total length 0',
    bytes: ipv4(0, 6, TCP),
    about: { ...tcp4, wireLength: 52 + 100 * 1448 },
    packets: 100,
    ipOctets: 100 * 1500,
  },
  {
    what: 'TSO of a driver that leaves the total length 0, below 64 KiB',
    bytes: ipv4(0, 6, TCP),
    about: { ...tcp4, wireLength: 52 + 10 * 1448 },
    packets: 10,
    ipOctets: 10 * 1500,
  },
  {
    what: 'TCP over IPv6 behind an extension header, which every segment repeats',
    bytes: `${ipv6Header(40 + 2000, 60)} 06 00 01 04 00 00 00 00 ${TCP}`,
    about: { ...tcp6, gsoSize: 1000, wireLength: 40 + 40 + 2000 },
    packets: 2,
    ipOctets: 2 * (40 + 8 + 32 + 1000),
  },
  {
    what: 'BIG TCP over IPv6: no segment had the jumbo option on the wire',
    bytes: `${ipv6Header(0, 0)} 06 00 c2 04 00 02 2d f8 ${TCP}`,
    about: { ...tcp6, wireLength: 40 + 0x22df8 },
    packets: 100,
    ipOctets: 100 * (40 + 32 + 1428),
  },
  {
    what: 'BIG TCP over IPv6 with other options beside the jumbo one: they were on the wire',
    bytes: `${ipv6Header(0, 0)} 06 01 c2 04 00 02 2e 00 05 02 00 00 01 02 00 00 ${TCP}`,
    about: { ...tcp6, wireLength: 40 + 0x22e00 },
    packets: 100,
    ipOctets: 100 * (40 + 16 + 32 + 1428),
  },
  {
    what: 'BIG TCP over IPv6 without an option: payload length 0',
    bytes: `${ipv6Header(0, 6)} ${TCP}`,
    about: { ...tcp6, wireLength: 72 + 100 * 1428 },
    packets: 100,
    ipOctets: 100 * 1500,
  },
  {
    what: 'UDP segmentation: every datagram has its header',
    bytes: ipv4(28 + 5 * 1200, 17, UDP),
    about: { linkType: 228, gsoType: GsoType.UDP_L4, gsoSize: 1200, wireLength: 28 + 5 * 1200 },
    packets: 5,
    ipOctets: 5 * 1228,
  },
  {
    what: 'UDP fragmentation: only the first fragment has the UDP header',
    bytes: ipv4(28 + 3000, 17, UDP),
    about: { linkType: 228, gsoType: GsoType.UDP, gsoSize: 1480, wireLength: 28 + 3000 },
    packets: 3,
    ipOctets: 1500 + 1500 + (20 + 3008 - 2 * 1480),
  },
  {
    what: 'UDP fragmentation over IPv6: every fragment has a fragment header',
    bytes: `${ipv6Header(8 + 3000, 17)} ${UDP}`,
    about: { linkType: 229, gsoType: GsoType.UDP, gsoSize: 1448, wireLength: 48 + 3000 },
    packets: 3,
    ipOctets: 3 * 48 + 3008,
  },
];

t.test('giants', (t) => {
  for (const { what, bytes, about, packets, ipOctets } of GIANTS) {
    const { outcome, fields } = decodeOctets(octets(bytes), about);
    t.strictSame([outcome, fields.packets, fields.ipOctets], ['metered', packets, ipOctets], what);
  }
  t.end();
});

t.test('a giant whose frame is shorter than its IP header is ignored, whatever the lengths say', (t) => {
  const short4 = decodeOctets(octets(ipv4(0, 6, TCP)), { ...tcp4, wireLength: 19 });
  t.equal(short4.outcome, 'bad_ip_header_length');
  const short6 = decodeOctets(octets(`${ipv6Header(0, 6)} ${TCP}`), { ...tcp6, wireLength: 39 });
  t.equal(short6.outcome, 'bad_ip_length');
  t.end();
});
