import type { Readable, Writable } from 'node:stream';
import type { Log } from './log.ts';

/** Where output goes: a stream that may be a terminal. */
export type Output = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/** What a command is given of the process. `main.ts` alone touches the process itself. */
export interface CommandContext {
  readonly stdin: Readable;
  /** Results, and nothing else. */
  readonly stdout: Output;
  /** The log and what accompanies it (progress). */
  readonly stderr: Output;
  /** Standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Standard output takes colours: a terminal, unless NO_COLOR or FORCE_COLOR say otherwise. */
  readonly color: boolean;
  readonly log: Log;
  /** Aborted at the first SIGINT, SIGTERM or SIGHUP, and when nobody reads standard output any more. */
  readonly signal: AbortSignal;
  /**
   * From now on SIGHUP calls this instead of ending the command; the terminal's own hanging up still ends it. `later`:
   * a SIGHUP that comes before there is something to call is kept until there is.
   */
  readonly onReload?: ((reload: (() => void) | 'later') => void) | undefined;
  /** What of the environment a command looks at: where AWS is, in tests for instance. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Of the package. */
  readonly version: string;
  /** Path of the program itself, for a child that is the same program. */
  readonly program: string;
}
