/** Targets with faults on purpose, for the test of the fuzzer: each alone in a table, by the query of this module's URL. */

import type { FuzzTarget } from './target.ts';

const seeds = () => [Uint8Array.of(1, 2, 3, 4)];
/** What the faults wait for: mutations bring it soon, the seed is harmless. */
const isBad = (input: Uint8Array) => input[0] === 0xff;
const hoard: unknown[] = [];

const FAULTY: Record<string, FuzzTarget['run']> = {
  sound: () => {},
  throws: (input) => {
    if (isBad(input)) throw new Error('the invariant of this test is broken');
  },
  rejects: async (input) => {
    if (isBad(input)) throw new Error('the invariant of this test is broken');
  },
  hangs: (input) => {
    while (isBad(input));
  },
  waits: (input) => (isBad(input) ? new Promise(() => {}) : undefined),
  crashes: (input) => {
    if (isBad(input)) {
      queueMicrotask(() => {
        throw new Error('nobody catches this');
      });
    }
  },
  hoards: (input) => {
    while (isBad(input)) hoard.push(new Array(100_000).fill(hoard.length));
  },
};

const name = new URL(import.meta.url).search.slice(1);
export const targets: readonly FuzzTarget[] = [{ name, seeds, run: FAULTY[name]! }];
