// Compiles src/flow/assembly/plain-packets.ts (AssemblyScript) → build/wasm/plain-packets.wasm.
//
//   node scripts/build-assembly.mjs
//
// What is up to date is not built again.

import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = 'src/flow/assembly/plain-packets.ts';
const target = 'build/wasm/plain-packets.wasm';

const time = (file) => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
const constants = ['record-head', 'entry-state', 'table-state'].map((name) => `src/flow/${name}.ts`);
const assembly = readdirSync(join(root, 'src/flow/assembly')).map((file) => `src/flow/assembly/${file}`);
const inputs = [
  ...assembly,
  ...constants,
  'src/packet/packet-layout.ts',
  'scripts/build-assembly.mjs',
  'package-lock.json',
];

if (inputs.some((file) => time(file) >= time(target))) {
  mkdirSync(join(root, dirname(target)), { recursive: true });
  const flags = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'];
  const { error, stderr } = await asc.main([source, '--baseDir', root, '--outFile', target, ...flags]);
  if (error !== null) {
    process.stderr.write(`${source} does not compile: ${error.message}\n${stderr.toString()}`);
    process.exitCode = 1;
  }
}
