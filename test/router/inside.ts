/** Runs a test file in a network namespace that ends with it, where everything that it needs is there. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { labProblem } from '../../src/cli/demo/lab.ts';
import { noMoto } from '../support/moto.ts';
import { hasProgram } from '../support/programs.ts';

const TIMEOUT_MILLISECONDS = 240_000;

function problem(): string | false {
  const lab = labProblem();
  if (lab !== undefined) return `no network namespaces: ${lab}`;
  if (!hasProgram('unshare')) return 'there is no unshare';
  return noMoto;
}

/** @param file beside this one */
export function runInNamespace(file: string): void {
  t.setTimeout(TIMEOUT_MILLISECONDS);
  t.spawn('unshare', ['--net', process.execPath, fileURLToPath(new URL(file, import.meta.url))], {
    name: file,
    skip: problem(),
    timeout: TIMEOUT_MILLISECONDS,
    env: { ...process.env },
  });
}
