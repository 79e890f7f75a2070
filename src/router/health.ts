/** From single checks to a state, with hysteresis: some good ones in a row to count as forwarding, some bad ones as failing. */
import type { RouterState } from './routes.ts';

/** What one check of a router has found. */
export type Finding = 'good' | 'bad' | 'released';

export class Health {
  state: RouterState = 'unknown';
  readonly #rise: number;
  readonly #fall: number;
  #last: Finding | undefined;
  #inARow = 0;

  constructor(rise: number, fall: number) {
    this.#rise = rise;
    this.#fall = fall;
  }

  /** Takes the next check into account. @returns whether the state has changed */
  found(finding: Finding): boolean {
    this.#inARow = finding === this.#last ? this.#inARow + 1 : 1;
    this.#last = finding;
    const before = this.state;
    // Who says that it wants no routes is to be believed at once.
    if (finding === 'released') this.state = 'released';
    else if (finding === 'good' && this.#inARow >= this.#rise) this.state = 'forwarding';
    else if (finding === 'bad' && this.#inARow >= this.#fall) this.state = 'failing';
    return this.state !== before;
  }
}
