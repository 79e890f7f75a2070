/** Runs `ip` (iproute2), and takes apart what it prints. */

import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';
import { startProgram } from '../system/program.ts';
import { JsonObjects } from './json-objects.ts';

/** Of its output, what is taken apart in one turn of the event loop: about 4 ms. */
const OCTETS_A_TURN = 262_144;
/** Of what it says on standard error, as much is told. */
const MOST_COMPLAINT = 300;

export type IpProcess = ChildProcessByStdio<null, Readable, Readable>;

/** `ip` cannot be run at all. */
export class NoIpCommand extends Error {}

/**
 * Starts it. @param program `ip`, or what stands for it in tests
 * @throws Error where the kernel has no file descriptor or process left for it
 */
export function spawnIp(program: string, args: readonly string[]): IpProcess {
  const child = startProgram(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }) as IpProcess;
  // So Node tells of EMFILE and ENFILE, an instant before the event `error` does.
  if (child.stdout === undefined || child.stderr === undefined)
    throw new Error('it cannot be started: no file descriptor is left');
  child.stdout.setEncoding('utf8');
  child.stderr.setEncoding('utf8');
  return child;
}

/**
 * Runs `ip -json …` to its end. Rejects with what it complains of, with what `receive` throws, or when it is aborted;
 * by then it has ended.
 * @param receive takes each object of the array that it prints, as text
 * @throws NoIpCommand where there is no such program
 */
export async function ipObjects(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  receive: (text: string) => void,
): Promise<void> {
  signal.throwIfAborted();
  const child = spawnIp(program, ['-json', ...args]);
  const objects = new JsonObjects(receive);
  let failure: unknown;
  const fail = (error: unknown): void => {
    failure ??= error;
    child.kill('SIGKILL');
  };
  const onAbort = (): void => fail(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let complaint = '';
  let taken = 0;
  child.stderr.on('data', (text: string) => {
    complaint = (complaint + text).slice(0, MOST_COMPLAINT);
  });
  child.stdout.on('data', (text: string) => {
    if (failure !== undefined) return;
    try {
      objects.write(text);
    } catch (error) {
      fail(error);
    }
    // By itself it would read two million octets in a row, 50 ms of a large table: others have their turn in between.
    taken += text.length;
    if (taken < OCTETS_A_TURN) return;
    taken = 0;
    child.stdout.pause();
    setImmediate(() => child.stdout.resume());
  });
  try {
    const code = await ended(child);
    if (failure !== undefined) throw failure;
    if (code !== 0) throw new Error(`it ended with ${code}: ${complaint.trim()}`);
    objects.end();
  } catch (error) {
    if (error === failure || error instanceof NoIpCommand) throw error;
    throw new Error(`ip ${args.join(' ')}: ${(error as Error).message}`, { cause: error });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Resolves to the exit code, or the signal, when it has ended and its output has been read. */
export function ended(child: IpProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT' || error.code === 'EACCES';
      reject(isMissing ? new NoIpCommand(error.message, { cause: error }) : error);
    });
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL'));
  });
}
