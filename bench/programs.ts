/** The programs that a trial starts: the benchmark's own in C, compiled when they are older than their source, and the peers. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout: this file runs as build/bench/programs.js. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Weir's command, as an argument list. */
export const WEIR = [process.execPath, fileURLToPath(new URL('../bundle/weir/main.js', import.meta.url))];

/** -O2 and no -march=native: what a binary that is shipped would be compiled with. */
export const C_FLAGS = ['-O2', '-Wall', '-Wextra'];

/** Compiles bench/NAME.c into build-native/bench/ where needed, and returns the program's path. */
export function compiled(name: 'measure' | 'receive' | 'floor' | 'flood' | 'drain'): string {
  const source = join(ROOT, 'bench', `${name}.c`);
  const folder = join(ROOT, 'build-native', 'bench');
  const program = join(folder, name);
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  if (findCommand('gcc') === undefined)
    throw new Error(`${name}.c needs gcc (Debian: apt-get install gcc libc6-dev)`);
  mkdirSync(folder, { recursive: true });
  execFileSync('gcc', [...C_FLAGS, '-o', program, source], { stdio: ['ignore', 'ignore', 'inherit'] });
  return program;
}

/** The path of a command, also where PATH lacks the administrator's folders; undefined: it is not here. */
export function findCommand(name: string): string | undefined {
  const { PATH = '' } = process.env;
  return [...PATH.split(delimiter), '/usr/sbin', '/sbin']
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** Why a peer takes no part, or undefined: it does. */
export function softflowdProblem(): string | undefined {
  return findCommand('softflowd') === undefined
    ? 'softflowd is not here (Debian: apt-get install softflowd)'
    : undefined;
}
