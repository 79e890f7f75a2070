#!/usr/bin/env node
/**
 * The program `weir`. launcher.ts starts it where it is a script. Only this file touches the process: arguments, environment, signals, streams, exit code.
 * Exit codes: 0 fine, 1 failed, 2 a mistake in flags, arguments or configuration; 128 + n: ended by a second signal n.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { lookForProgramsIn } from '../system/program.ts';
import { letChildrenInherit } from '../system/rights.ts';
import { parseArguments } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { dispatch } from './dispatch.ts';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, UserError } from './errors.ts';
import { withoutControls } from './format.ts';
import { createLog } from './log.ts';
import { wantsColor } from './terminal.ts';

/** How long a command may take to wind up when nobody reads its output any more. */
const BROKEN_PIPE_GRACE_MILLISECONDS = 5000;
/** How long output may take to drain after a signal. */
const UNREAD_GRACE_MILLISECONDS = 300;
const HELP_COLUMNS = 110;

const { stdout, stderr, env } = process;
const { WEIR_DEBUG: debug, PATH } = env;
const isDebug = debug === '1';
const isTerminalLog = stderr.isTTY === true;
const stopping = new AbortController();
let isUnread = false;
const hadTerminal = hasTerminal();
let reload: (() => void) | 'later' | undefined;
let isReloadWanted = false;

const log = createLog({
  write: (line) => stderr.write(line),
  isTerminal: isTerminalLog,
  color: wantsColor(env, isTerminalLog),
  debug: isDebug,
  nowMilliseconds: () => performance.now(),
});
const context: CommandContext = {
  // Only who reads it opens it.
  get stdin() {
    return process.stdin;
  },
  stdout,
  stderr,
  isTerminal: stdout.isTTY === true,
  color: wantsColor(env, stdout.isTTY === true),
  log,
  signal: stopping.signal,
  onReload: (act) => {
    reload = act;
    if (isReloadWanted) reloadNow();
  },
  env,
  version: version(),
  program: fileURLToPath(import.meta.url),
};

stopAtSignals();
endQuietlyWithoutReaders();
// What Node.js and packages warn of goes to the log, whose lines are JSON where no terminal is.
process.removeAllListeners('warning');
process.on('warning', ({ name, message }) => log.warn(message, { warning: name }));
process.on('uncaughtException', (error) => {
  process.exit(report(error));
});
// Where nothing is left to do before the command has ended, it has not.
process.exitCode = EXIT_FAILED;
void main();

async function main(): Promise<void> {
  try {
    if (PATH !== undefined) lookForProgramsIn(PATH);
    letChildrenInherit({ capabilities: 'none', bound: false });
    const columns = Math.min(stdout.columns ?? HELP_COLUMNS, HELP_COLUMNS);
    endWith(await dispatch(parseArguments(process.argv.slice(2), version(), columns), context));
  } catch (error) {
    const code = report(error);
    // A fault may have left timers and sockets behind, which would keep the process alive.
    if (!(error instanceof UserError)) process.exit(code);
    endWith(code);
  }
  log.flush();
  if (hadTerminal && stopping.signal.reason === 'SIGHUP' && !hasTerminal()) {
    // Node.js aborts at exit where it cannot set its terminal back. All is done: end as the signal would have it.
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  }
  if (stopping.signal.aborted) {
    // Output that nobody reads must not keep a program that was asked to end.
    setTimeout(() => process.exit(), UNREAD_GRACE_MILLISECONDS).unref();
  }
}

/** The exit code, without an exit: what is written is still to drain. */
function endWith(code: number): void {
  process.exitCode = isUnread ? EXIT_OK : code;
}

/** The first signal asks the command to end; the second ends it. A command may take SIGHUP as a wish to reload. */
function stopAtSignals(): void {
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(128 + number);
      if (signal === 'SIGHUP' && reload !== undefined && hasTerminal() === hadTerminal) return reloadNow();
      stopping.abort(signal);
    });
  }
}

function reloadNow(): void {
  isReloadWanted = reload === 'later';
  if (typeof reload === 'function') reload();
}

/** Whether there is a terminal that could hang up. It sends SIGHUP, too, and is then no longer to be had. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false; // ENXIO, EIO: none, or no longer; ENOENT: none on this system
  }
}

/** `weir read … | head`: when head has gone, there is nothing left to do, and nothing to complain about. */
function endQuietlyWithoutReaders(): void {
  const onError = (error: NodeJS.ErrnoException) => {
    // EIO: the terminal has gone.
    if (error.code !== 'EPIPE' && error.code !== 'EIO') {
      process.exit(report(new UserError(`cannot write the output: ${error.message}`)));
    }
    isUnread = true;
    endWith(EXIT_OK);
    stopping.abort('EPIPE');
    setTimeout(() => process.exit(), BROKEN_PIPE_GRACE_MILLISECONDS).unref();
  };
  stdout.on('error', onError);
  stderr.on('error', onError);
}

function version(): string {
  const packageJson = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(packageJson) as { version: string }).version;
}

/** Says what went wrong, on one line and a hint, and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof UserError) {
    if (error.exitCode === EXIT_USAGE || isTerminalLog) {
      const lines = error.message.split('\n').map((line) => `weir: ${line}\n`);
      const hint = error.hint === undefined ? '' : `hint: ${error.hint}\n`;
      stderr.write(withoutControls(lines.join('') + hint));
    } else {
      log.error(error.message, error.hint === undefined ? {} : { hint: error.hint });
    }
    if (isDebug) stderr.write(`${error.stack}\n`);
    return error.exitCode;
  }
  const message = error instanceof Error ? error.message : String(error);
  log.error(`a fault of Weir: ${message}`, { hint: 'WEIR_DEBUG=1 shows where; please report it' });
  if (isDebug && error instanceof Error) stderr.write(`${error.stack}\n`);
  return EXIT_FAILED;
}
