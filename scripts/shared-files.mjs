// Which modules of the bundle share a file, because a command needs all of them anyway.
//
// esbuild makes a file of the modules that are reached from the same entries, and each command is one: 26 files for `weir
// read`, each to be resolved, opened and parsed by itself. So the commands are made to reach the same: what the program has
// loaded before any command, and, for those through which packets or records go, what they have in common.

import { join } from 'node:path';

const BEFORE_ANY = ['dispatch.ts'];
const OF_LINES = [
  ...[
    'columns.ts',
    'decapsulation.ts',
    'flow-summary.ts',
    'line-metrics.ts',
    'local-collector.ts',
    'outlets.ts',
  ],
  ...['report.ts', 'settings.ts', '../probe.ts'],
];
/** Imported by `import()`, of src/cli. */
const LINES = ['convert.ts', 'demo/demo.ts', 'interface-outlets.ts', 'read.ts', 'run.ts', 'workers.ts'];
const OTHERS = [
  ...['config.ts', 'convert-plan.ts', 'doctor.ts', 'listen.ts', 'progress.ts'],
  ...['router.ts', 'router-control.ts', 'router-fetch.ts'],
];

/** @returns what a module is to import first, as text */
export function sharedFiles(root) {
  const folder = join(root, 'cli');
  const text = (names) => names.map((name) => `import ${JSON.stringify(join(folder, name))};\n`).join('');
  const first = new Map([
    ...OTHERS.map((name) => [join(folder, name), text(BEFORE_ANY)]),
    ...LINES.map((name) => [join(folder, name), text([...BEFORE_ANY, ...OF_LINES])]),
  ]);
  return (path) => first.get(path) ?? '';
}
