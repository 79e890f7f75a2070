/** One small packet of each IP version, to stand behind link headers and in front of transport headers. */

import type { Fields } from './support.ts';

export const IPV4_UDP = `
  45 b8 00 1c # version 4, IHL 5; EF, not ECN-capable; total length 28
  12 34 40 00 # identification; DF
  3f 11 00 00 # TTL 63, UDP
  c0 00 02 01 # 192.0.2.1
  c6 33 64 02 # 198.51.100.2
  00 35 12 35 00 08 00 00 # UDP: ports 53 and 4661, length 8`;

export const IPV4_UDP_FIELDS: Partial<Fields> = {
  ipVersion: 4,
  addresses: '192.0.2.1 198.51.100.2',
  ipOctets: 28,
  protocolIdentifier: 17,
  ipClassOfService: 0xb8,
  ipTTL: 63,
  sourceTransportPort: 53,
  destinationTransportPort: 4661,
  fragmentIdentification: 0x1234,
};

/** An IPv6 header: version, class and label · payload length and next header as given · hop limit 64 · addresses. */
export function ipv6Header(payloadLength: number, nextHeader: number): string {
  return `
  6b 8a bc de # version 6; traffic class b8; flow label abcde
  ${payloadLength.toString(16).padStart(4, '0')} ${nextHeader.toString(16).padStart(2, '0')} 40
  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 # 2001:db8::1
  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 ff 02 # 2001:db8::ff02
`;
}

export const IPV6_FIELDS: Partial<Fields> = {
  ipVersion: 6,
  addresses: '2001:db8:0:0:0:0:0:1 2001:db8:0:0:0:0:0:ff02',
  ipClassOfService: 0xb8,
  ipTTL: 64,
  flowLabelIPv6: 0xabcde,
};

export const IPV6_UDP = `${ipv6Header(8, 17)}
  00 35 12 35 00 08 00 00 # UDP: ports 53 and 4661, length 8`;

export const IPV6_UDP_FIELDS: Partial<Fields> = {
  ...IPV6_FIELDS,
  ipOctets: 48,
  protocolIdentifier: 17,
  sourceTransportPort: 53,
  destinationTransportPort: 4661,
};
