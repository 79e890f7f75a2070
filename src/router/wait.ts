/** Waiting at the start: bounded, and loud. What is late at a boot is the commonest fault of all. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RouterLog } from './log.ts';

/** What the operator has to know or do; the command ends with it. */
export class RouterError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'RouterError';
    this.hint = hint;
  }
}

/** Until then a wait is nothing to talk about. */
const QUIET_MILLISECONDS = 3_000;
const LOG_SECONDS = 10;
const FIRST_PAUSE_MILLISECONDS = 250;
const LONGEST_PAUSE_MILLISECONDS = 2_000;

export interface WaitOptions {
  readonly log: RouterLog;
  readonly nowMilliseconds: () => number;
  /** On that clock; all waiting of a start has one end. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}

/**
 * Tries until it succeeds.
 * @param what for the log: `the instance metadata service`
 * @param look resolves to what is waited for; rejects with what it is missing
 * @throws RouterError when the time is over; the signal's reason when it is aborted
 */
export async function waitFor<T>(what: string, look: () => Promise<T>, options: WaitOptions): Promise<T> {
  const { log, nowMilliseconds, deadline, signal } = options;
  const start = nowMilliseconds();
  for (let pause = FIRST_PAUSE_MILLISECONDS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MILLISECONDS)) {
    try {
      const found = await look();
      const waited = nowMilliseconds() - start;
      if (waited > QUIET_MILLISECONDS) log.info(`${what}: there after ${(waited / 1000).toFixed(1)} s`);
      return found;
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      const now = nowMilliseconds();
      const waited = ((now - start) / 1000).toFixed(0);
      if (now >= deadline)
        throw new RouterError(`waited ${waited} s in vain for ${what}: ${message}`, undefined, error);
      if (now - start > QUIET_MILLISECONDS)
        log.rateLimited(`wait ${what}`, LOG_SECONDS).warn(`waiting for ${what}: ${message}`, {
          waitedSeconds: Number(waited),
          givesUpInSeconds: Math.round((deadline - now) / 1000),
        });
    }
    await sleep(Math.min(pause, Math.max(deadline - nowMilliseconds(), 1)), undefined, { signal });
  }
}
