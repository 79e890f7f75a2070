/**
 * What `--state` keeps: a file that is there while Weir runs, and gone after a clean end. A start that finds one
 * knows that the run before was killed or lost its power, when it was last alive, and what it held then: at most
 * that, and what came within an interval after, is in no record.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** What a run holds that no collector has yet. Octets are IP octets. */
export interface Held {
  /** In the flow table. */
  readonly flows: number;
  readonly packets: number;
  readonly octets: number;
  /** Flow Records on their way to the collectors, added up. */
  readonly queuedRecords: number;
}

/** What a run that did not end cleanly has left. */
export interface UncleanEnd {
  /** Undefined: the file does not say (the power was lost while it was written). */
  readonly last: (Held & { readonly startedAt: string; readonly aliveAt: string }) | undefined;
}

export interface StateFileOptions {
  readonly path: string;
  readonly held: () => Held;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** The file can no longer be written. May be called at every interval. */
  readonly onError: (error: unknown) => void;
  /** Calls again and again, until the returned function is called; the event loop's unless told otherwise. */
  readonly every?: (milliseconds: number, act: () => void) => () => void;
}

const INTERVAL_MILLISECONDS = 2000;

export class StateFile {
  readonly #options: StateFileOptions;
  #startedAt = '';
  /** What was there before; null: nothing; undefined: this run has not begun. */
  #before: string | null | undefined;
  #stop: () => void = () => {};

  constructor(options: StateFileOptions) {
    this.#options = options;
  }

  /**
   * Reads what is there, and marks this run as begun.
   * @returns what the run before has left; undefined: nothing, it ended cleanly
   * @throws the system's error where the file can be read or written by others only
   */
  begin(): UncleanEnd | undefined {
    const before = readState(this.#options.path);
    this.#startedAt = new Date(this.#options.clock()).toISOString();
    this.#write();
    this.#before = before;
    const { every = everySoOften, onError } = this.#options;
    this.#stop = every(INTERVAL_MILLISECONDS, () => {
      try {
        this.#write();
      } catch (error) {
        onError(error);
      }
    });
    return before === null ? undefined : { last: parseState(before) };
  }

  /** The start has failed: what the run before has left is for the next start to tell. */
  undo(): void {
    if (this.#before === undefined) return;
    if (this.#before === null) {
      this.end();
      return;
    }
    this.#stop();
    try {
      writeFileSync(this.#options.path, this.#before);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** A clean end: the file goes. Idempotent. */
  end(): void {
    this.#stop();
    try {
      rmSync(this.#options.path, { force: true });
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** Whole or not at all: a reader never sees half of it. 0.1 ms, and no waiting for the disk. */
  #write(): void {
    const { path, held, clock } = this.#options;
    const state = { startedAt: this.#startedAt, aliveAt: new Date(clock()).toISOString(), ...held() };
    writeFileSync(`${path}.new`, `${JSON.stringify(state)}\n`);
    renameSync(`${path}.new`, path);
  }
}

/** Keeps no process alive. */
function everySoOften(milliseconds: number, act: () => void): () => void {
  const timer = setInterval(act, milliseconds).unref();
  return () => clearInterval(timer);
}

/** @returns null: there is none */
function readState(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function parseState(text: string): UncleanEnd['last'] {
  let state: Record<string, unknown>;
  try {
    state = Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return undefined; // told as such: the run did not end cleanly, and no more is known
  }
  const numbers = ['flows', 'packets', 'octets', 'queuedRecords'] as const;
  const [flows, packets, octets, queuedRecords] = numbers.map((name) => state[name]);
  const { startedAt, aliveAt } = state;
  const isWhole =
    [flows, packets, octets, queuedRecords].every((value) => typeof value === 'number') &&
    [startedAt, aliveAt].every((value) => typeof value === 'string');
  return isWhole
    ? ({ startedAt, aliveAt, flows, packets, octets, queuedRecords } as UncleanEnd['last'])
    : undefined;
}
