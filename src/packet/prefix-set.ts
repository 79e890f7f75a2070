/** Whether an address lies in one of a few prefixes: asked of tunnels' outer addresses only, so one after the other. */

export interface Prefix {
  /** 4 or 16 octets. */
  readonly octets: readonly number[];
  /** Leading bits that count. */
  readonly length: number;
}

interface Compiled {
  readonly ipVersion: 4 | 6;
  /** Memory in network byte order, as addresses lie in a packet. */
  readonly network: Int32Array;
  readonly mask: Int32Array;
}

export class PrefixSet {
  readonly #prefixes: readonly Compiled[];

  constructor(prefixes: readonly Prefix[]) {
    this.#prefixes = prefixes.map(({ octets, length }) => {
      const mask = octets.map((_, i) => (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))) & 0xff);
      return {
        ipVersion: octets.length === 4 ? 4 : 6,
        network: asWords(octets.map((octet, i) => octet & mask[i]!)),
        mask: asWords(mask),
      };
    });
  }

  /** @param at word of the address, of which IPv4 has one and IPv6 four */
  has(ipVersion: number, words: Int32Array, at: number): boolean {
    for (let i = 0; i < this.#prefixes.length; i++) {
      const { ipVersion: version, network, mask } = this.#prefixes[i]!;
      if (version !== ipVersion) continue;
      let word = 0;
      while (word < network.length && (words[at + word]! & mask[word]!) === network[word]) word++;
      if (word === network.length) return true;
    }
    return false;
  }
}

function asWords(octets: readonly number[]): Int32Array {
  return new Int32Array(Uint8Array.from(octets).buffer);
}
