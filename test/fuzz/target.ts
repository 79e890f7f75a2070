/** What the fuzzer runs. A new target is a file in targets/ and a line in targets.ts. */

import type { Random } from './random.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Well-formed inputs, from which the mutations are made. */
  seeds(random: Random): Uint8Array[];
  /**
   * Runs one input, which is the only thing that the outcome may hang on. Throws or rejects where an invariant is
   * broken; the fuzzer itself watches for hangs, for uncaught errors and for memory without bound.
   */
  run(input: Uint8Array): void | Promise<void>;
}
