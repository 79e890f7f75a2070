/** The tests of failover-inside.ts, in a network namespace that ends with them. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { labProblem } from '../../src/cli/demo/lab.ts';
import { noMoto } from '../support/moto.ts';
import { hasProgram } from '../support/programs.ts';

const problem = labProblem();
const skip =
  problem !== undefined
    ? `no network namespaces: ${problem}`
    : !hasProgram('unshare')
      ? 'there is no unshare'
      : noMoto;

for (const file of ['failover-inside.js', 'trouble-inside.js']) {
  t.spawn('unshare', ['--net', process.execPath, fileURLToPath(new URL(file, import.meta.url))], {
    name: file,
    skip,
    timeout: 240_000,
    env: { ...process.env },
  });
}
