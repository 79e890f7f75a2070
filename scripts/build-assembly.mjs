// Compiles AssemblyScript:
//
//   src/flow/assembly/plain-packets.ts    → build/wasm/plain-packets.wasm
//   src/flowlogs/assembly/plain-lines.ts  → build/wasm/plain-lines.wasm
//   src/export/assembly/encode.ts         → build/wasm/encode.wasm
//
//   node scripts/build-assembly.mjs
//
// What is up to date is not built again.

import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Each with the files of numbers that it imports from outside of its folder. */
const MODULES = [
  {
    source: 'src/flow/assembly/plain-packets.ts',
    constants: [
      'src/flow/record-head.ts',
      'src/flow/entry-state.ts',
      'src/flow/table-state.ts',
      'src/packet/packet-layout.ts',
    ],
  },
  {
    source: 'src/flowlogs/assembly/plain-lines.ts',
    constants: ['src/flow/record-head.ts', 'src/flowlogs/flow-log-words.ts', 'src/flowlogs/line-ops.ts'],
  },
  {
    source: 'src/export/assembly/encode.ts',
    constants: ['src/export/copies.ts', 'src/flow/record-head.ts'],
  },
];
const FLAGS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'];

const time = (file) => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;

for (const { source, constants } of MODULES) {
  const target = `build/wasm/${basename(source, '.ts')}.wasm`;
  const folder = dirname(source);
  const assembly = readdirSync(join(root, folder)).map((file) => `${folder}/${file}`);
  const inputs = [...assembly, ...constants, 'scripts/build-assembly.mjs', 'package-lock.json'];
  if (!inputs.some((file) => time(file) >= time(target))) continue;
  mkdirSync(join(root, dirname(target)), { recursive: true });
  const { error, stderr } = await asc.main([source, '--baseDir', root, '--outFile', target, ...FLAGS]);
  if (error === null) continue;
  process.stderr.write(`${source} does not compile: ${error.message}\n${stderr.toString()}`);
  process.exitCode = 1;
}
