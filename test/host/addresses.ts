/** Addresses between text and the words of Flow Records; by another's reading than Weir's. */

import ipaddr from 'ipaddr.js';

/** The words of an address in network byte order, as a little-endian machine reads them. */
export function wordsOf(address: string): Int32Array {
  return new Int32Array(Uint8Array.from(ipaddr.parse(address).toByteArray()).buffer);
}

/** Source and destination, side by side. */
export function flowWords(source: string, destination: string): Int32Array {
  return Int32Array.of(...wordsOf(source), ...wordsOf(destination));
}

/** The address in the first words; as `ip` and RFC 5952 write it. */
export function addressOf(words: Int32Array, ipVersion: 4 | 6): string {
  const octets = new Uint8Array(words.slice().buffer).subarray(0, ipVersion === 4 ? 4 : 16);
  return ipaddr.fromByteArray([...octets]).toString();
}
