/**
 * Starts other programs: the one place that does (test/house/imports.test.ts). No shell is between, so that no
 * argument is ever more than an argument; the environment holds a search path and a plain locale, no more; and what
 * a program inherits of Weir's capabilities is decided by rights.ts: none.
 */
import {
  type ChildProcess,
  type SpawnOptions,
  type SpawnSyncReturns,
  spawn,
  spawnSync,
} from 'node:child_process';

/** Where programs are looked for until the command line knows better. */
let searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Programs are looked for there from now on: PATH of the environment, which only cli/ knows. */
export function lookForProgramsIn(path: string): void {
  searchPath = path;
}

function environment(): { PATH: string; LC_ALL: string } {
  // Messages are shown, and read, as they were written.
  return { PATH: searchPath, LC_ALL: 'C' };
}

/**
 * Starts a program. As child_process.spawn; whoever starts it ends it. Where it cannot be started its event `error`
 * says why; that nobody listens ends no other work. Without file descriptors it has no streams, whatever `stdio` says.
 */
export function startProgram(
  program: string,
  args: readonly string[],
  options: Omit<SpawnOptions, 'shell'> = {},
): ChildProcess {
  const child = spawn(program, args, { env: environment(), ...options, shell: false });
  child.on('error', () => {});
  return child;
}

/** Runs a program to its end while everything else waits: for the start and the exit of a command. */
export function runProgramSync(program: string, args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(program, args, { env: environment(), encoding: 'utf8', shell: false });
}

export interface Outcome {
  /** The exit code; 128 and more where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What is kept of each output: more is a program out of hand. */
const MOST_OUTPUT_OCTETS = 1024 * 1024;

/**
 * Runs a program to its end. Its standard input is empty.
 * @returns undefined: there is no such program
 * @throws Error where it cannot be started for another reason (EACCES, EAGAIN, …)
 */
export function runProgram(
  program: string,
  args: readonly string[],
  timeoutMilliseconds: number,
): Promise<Outcome | undefined> {
  return new Promise((resolve, reject) => {
    const child = startProgram(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMilliseconds,
      killSignal: 'SIGKILL',
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
        if (output[name].length > MOST_OUTPUT_OCTETS) child.kill('SIGKILL');
      });
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(undefined);
      else reject(error);
    });
    child.once('close', (code) => resolve({ code: code ?? 128, ...output }));
  });
}
