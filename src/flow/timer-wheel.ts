/**
 * When each flow is to be looked at again: a wheel of lists, one for every 32 ms.
 *
 * Every slot is in exactly one list, that of its next deadline. Lists are circular and doubly linked through
 * two arrays, with the lists' heads behind the slots, so that linking and unlinking are a few stores without
 * a branch. A deadline beyond the wheel's turn is put at its end and looked at again there.
 *
 * Ticks are milliseconds modulo 2^32; only differences of them mean something.
 */

import { GRANULE_SHIFT } from './record-head.ts';
import { GRANULE, LISTS, NEXT, PREVIOUS, TABLE_STATE_WORDS } from './table-state.ts';

/** Words of the links of so many slots. */
export function wheelWords(capacity: number): number {
  return 2 * (capacity + LISTS + 1);
}

export class TimerWheel {
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #capacity: number;
  /** Its {@link GRANULE}. */
  readonly #state: Int32Array;

  /** @param allocate words that are 0 */
  constructor(
    capacity: number,
    allocate = (words: number): Int32Array => new Int32Array(words),
    state = allocate(TABLE_STATE_WORDS),
  ) {
    this.#capacity = capacity;
    this.#state = state;
    // One head more than lists: that of the list being worked through.
    this.#next = allocate(capacity + LISTS + 1);
    this.#previous = allocate(capacity + LISTS + 1);
    state[NEXT] = this.#next.byteOffset;
    state[PREVIOUS] = this.#previous.byteOffset;
    for (let head = capacity; head <= capacity + LISTS; head++) {
      this.#next[head] = head;
      this.#previous[head] = head;
    }
  }

  /** Sets the clock without visiting anything: for the first tick. */
  begin(tick: number): void {
    this.#state[GRANULE] = tick >> GRANULE_SHIFT;
  }

  /** Puts a slot, which is in no list, into that of its deadline. */
  link(slot: number, deadlineTick: number): void {
    const granule = this.#state[GRANULE]!;
    let ahead = (((deadlineTick >> GRANULE_SHIFT) - granule) << GRANULE_SHIFT) >> GRANULE_SHIFT;
    if (ahead < 0) ahead = 0;
    else if (ahead > LISTS - 2) ahead = LISTS - 2;
    const head = this.#capacity + ((granule + ahead) & (LISTS - 1));
    const last = this.#previous[head]!;
    this.#next[slot] = head;
    this.#previous[slot] = last;
    this.#next[last] = slot;
    this.#previous[head] = slot;
  }

  unlink(slot: number): void {
    const next = this.#next[slot]!;
    const previous = this.#previous[slot]!;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  /**
   * Moves the clock on to `tick` and calls `visit` for each slot whose deadline's granule has passed, in the
   * order of the deadlines' granules. The slot is unlinked then: `visit` links it again or forgets it.
   */
  advance(tick: number, visit: (slot: number) => void): void {
    const granule = tick >> GRANULE_SHIFT;
    const before = this.#state[GRANULE]!;
    let passed = ((granule - before) << GRANULE_SHIFT) >> GRANULE_SHIFT;
    if (passed <= 0) return;
    let due = before;
    this.#state[GRANULE] = granule;
    if (passed > LISTS) passed = LISTS;
    const work = this.#capacity + LISTS;
    for (; passed > 0; passed--, due++) {
      const head = this.#capacity + (due & (LISTS - 1));
      if (this.#next[head] === head) continue;
      // Taken off as a whole first: a visit may link into this very list, a turn ahead.
      const first = this.#next[head]!;
      const last = this.#previous[head]!;
      this.#next[work] = first;
      this.#previous[first] = work;
      this.#next[last] = work;
      this.#previous[work] = last;
      this.#next[head] = head;
      this.#previous[head] = head;
      for (let slot = this.#next[work]!; slot !== work; slot = this.#next[work]!) {
        this.unlink(slot);
        visit(slot);
      }
    }
  }
}
