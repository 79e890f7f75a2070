/** How a command ends. */
export const EXIT_OK = 0;
/** The command was understood, and failed. */
export const EXIT_FAILED = 1;
/** A mistake in a flag, an argument or the configuration. */
export const EXIT_USAGE = 2;

/**
 * An error that the user can mend: shown as its message and, on a line of its own, what to do next.
 * Any other error that reaches the command line is a fault of Weir.
 */
export class UserError extends Error {
  /** What to do next. */
  readonly hint: string | undefined;
  /** EXIT_FAILED unless said otherwise. */
  readonly exitCode: number;

  constructor(message: string, options: { hint?: string; exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'UserError';
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? EXIT_FAILED;
  }
}
