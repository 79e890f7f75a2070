/** Small damage to well-formed inputs: what a cable, a bug or an enemy does to a packet. */

import type { Random } from './random.ts';

/** No input grows beyond this. */
export const MAX_INPUT_OCTETS = 16_384;

/** Values at the edges of fields of 1, 2 and 4 octets. */
const EDGES = [0, 1, 2, 3, 4, 5, 7, 8, 20, 40, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000];
const WIDE_EDGES = [...EDGES, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** One of the seeds, damaged in one to six places. */
export function mutate(random: Random, seeds: readonly Uint8Array[]): Uint8Array {
  let octets = [...random.pick(seeds)];
  for (let times = 1 + random.below(6); times > 0; times--) octets = damage(random, octets, seeds);
  return Uint8Array.from(octets.slice(0, MAX_INPUT_OCTETS));
}

function damage(random: Random, octets: number[], seeds: readonly Uint8Array[]): number[] {
  const at = random.below(octets.length + 1);
  const some = 1 + random.below(random.oneIn(4) ? 64 : 4);
  const inPlace = (...values: number[]) => {
    for (const [i, value] of values.entries()) if (at + i < octets.length) octets[at + i] = value & 0xff;
    return octets;
  };
  switch (random.below(9)) {
    case 0:
      return inPlace((octets[at] ?? 0) ^ (1 << random.below(8)));
    case 1:
      return inPlace(random.below(256));
    case 2:
      return inPlace((octets[at] ?? 0) + random.pick([-1, 1]));
    case 3: {
      const edge = random.pick(EDGES);
      return random.oneIn(2) ? inPlace(edge >>> 8, edge) : inPlace(edge, edge >>> 8);
    }
    case 4: {
      const edge = random.pick(WIDE_EDGES);
      const bigEndian = [edge >>> 24, edge >>> 16, edge >>> 8, edge];
      return inPlace(...(random.oneIn(2) ? bigEndian : bigEndian.reverse()));
    }
    case 5: // cut the end off
      return octets.slice(0, at);
    case 6: // leave some out
      return [...octets.slice(0, at), ...octets.slice(at + some)];
    case 7: // put some in: noise, or what is there once more
      return [
        ...octets.slice(0, at),
        ...(random.oneIn(2) ? random.octets(some) : octets.slice(at, at + some)),
        ...octets.slice(at),
      ];
    default: {
      // the beginning of this, the end of another
      const other = random.pick(seeds);
      return [...octets.slice(0, at), ...other.slice(random.below(other.length + 1))];
    }
  }
}
