/**
 * Sampling: of every N packets that could be metered, one is (RFC 5475 §5).
 *
 * `count`: every Nth, beginning with the first (systematic count-based, §5.1.1.1). Traffic that repeats with a
 * period of N shows the same of its packets for ever.
 * `random`: in each group of N one that is drawn at random (n-out-of-N with n = 1, §5.1.2.1): every packet has the
 * chance 1/N, so N times what was metered is an unbiased estimate of packets and of octets.
 */

import { type HashSeed, hashKey } from './hash.ts';

export interface Sampling {
  /** N of 1 in N; 2 or more. */
  readonly interval: number;
  readonly mode: 'random' | 'count';
}

export class Sampler {
  readonly #interval: number;
  readonly #random: boolean;
  readonly #seed: HashSeed;
  /** The number of the group, modulo 2^32: what the position in it is drawn from. */
  readonly #group = new Int32Array(1);
  /** Packets of the group that came, and which of them is taken. */
  #position = 0;
  #taken = 0;

  /** @param seed 64 random bits: whoever does not know them cannot tell which packets are looked at */
  constructor(sampling: Sampling, seed: HashSeed) {
    this.#interval = sampling.interval;
    this.#random = sampling.mode === 'random';
    // A key of its own, so that the flow table's hash tells nothing about it.
    this.#seed = [~seed[0], seed[1]];
    this.#draw();
  }

  /** Whether the packet that comes now is metered. */
  take(): boolean {
    const taken = this.#position === this.#taken;
    this.#position++;
    if (this.#position === this.#interval) this.#draw();
    return taken;
  }

  /** Begins a group. */
  #draw(): void {
    this.#position = 0;
    if (!this.#random) return;
    const random = hashKey(this.#group, 0, 1, this.#seed) >>> 0;
    this.#group[0] = this.#group[0]! + 1;
    // 32 bits onto N positions: their chances differ by less than N / 2^32.
    this.#taken = Math.floor((random * this.#interval) / 2 ** 32);
  }
}
