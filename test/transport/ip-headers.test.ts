/** Headers written here, against worked examples and against a sum done the slow way. */
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import t from 'tap';
import { checksum, headerOctets, sumOf, udpDatagram } from '../../src/transport/ip-headers.ts';

const octets = (address: string) => Uint8Array.from(ipaddr.parse(address).toByteArray());
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** RFC 1071 as its text says it: 16-bit words added with end-around carry, one after the other. */
function naiveSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

t.test('the example of RFC 1071 §3', async (t) => {
  const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  t.equal(sumOf(bytes), 0x2ddf0);
  t.equal(checksum(sumOf(bytes)), ~0xddf2 & 0xffff);
});

t.test('an IPv4 datagram, octet by octet', async (t) => {
  const ends = {
    source: octets('192.0.2.1'),
    sourcePort: 2055,
    destination: octets('198.51.100.2'),
    destinationPort: 4739,
  };
  t.equal(
    hex(udpDatagram(ends, Buffer.from('weir!'), 0x1234)),
    '45000021' + // version, header length; 33 octets
      '12340000' + // identification; no fragment, and may become some
      '4011' + // TTL 64, UDP
      '7c61' + // both checksums: worked out by another program
      'c0000201c6336402' +
      '08071283000d' + // 13 octets
      'f73a' +
      hex(Buffer.from('weir!')),
  );
});

t.test('both checksums hold for any ends and any payload', async () => {
  const address = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const port = fc.integer({ min: 0, max: 65_535 });
  const ends = (length: number) =>
    fc.record({
      source: address(length),
      sourcePort: port,
      destination: address(length),
      destinationPort: port,
    });
  fc.assert(
    fc.property(
      fc.oneof(ends(4), ends(16)),
      fc.uint8Array({ maxLength: 1500 }),
      port,
      (some, payload, identification) => {
        const ipVersion = some.source.length === 4 ? 4 : 6;
        const datagram = udpDatagram(some, payload, identification);
        const udp = datagram.subarray(headerOctets(ipVersion) - 8);
        if (datagram.length !== headerOctets(ipVersion) + payload.length) return false;
        if (ipVersion === 4 && naiveSum(datagram.subarray(0, 20)) !== 0xffff) return false;
        const length = Uint8Array.of(0, 0, udp.length >> 8, udp.length & 0xff, 0, 17);
        const pseudo = Uint8Array.of(...some.source, ...some.destination, ...length);
        // A checksum of 0 would say that there is none.
        return naiveSum(Uint8Array.of(...pseudo, ...udp)) === 0xffff && (udp[6] !== 0 || udp[7] !== 0);
      },
    ),
  );
});

t.test('a sum of zero is sent as ones', async (t) => {
  const ends = {
    source: octets('0.0.0.0'),
    sourcePort: 0,
    destination: octets('0.0.0.0'),
    destinationPort: 0,
  };
  // Pseudo-header 0 + 17 + 10, header 0 + 0 + 10, and what is left to ffff: the complement of the sum would be 0.
  const payload = Uint8Array.of(0xff, 0xff - 17 - 20);
  t.equal(hex(udpDatagram(ends, payload, 1).subarray(26, 28)), 'ffff');
});
