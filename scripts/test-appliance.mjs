// Makes the appliance's disk and tests it: `npm run test:appliance [-- TAP-OPTIONS]`. Where the disk cannot be made (no
// root, a tool is missing) the tests skip, and say why.

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** What build-image ends with where something is missing. */
const CANNOT = 3;

// Standard output is the tests' alone.
const built = spawnSync(join(root, 'appliance/build-image'), [], { cwd: root, stdio: ['ignore', 2, 2] });
if (built.status !== 0 && built.status !== CANNOT) {
  process.stderr.write('test-appliance: the disk was not made, for the reason above\n');
  process.exit(1);
}
const files = ['faults', 'user-data', 'disk'].map((name) => `build/test/appliance/${name}.appliance.js`);
const tap = ['node_modules/tap/dist/esm/run.mjs', 'run', ...files, '--jobs=1', '--timeout=1200'];
const { status } = spawnSync(process.execPath, [...tap, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
