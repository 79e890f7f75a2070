// Compiles AssemblyScript:
//
//   src/flow/assembly/plain-packets.ts    → build/wasm/plain-packets.wasm
//   src/flowlogs/assembly/plain-lines.ts  → build/wasm/plain-lines.wasm
//   src/export/assembly/encode.ts         → build/wasm/encode.wasm and encode-shared.wasm
//
//   node scripts/build-assembly.mjs
//
// What is up to date is not built again.

import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Each with the files of numbers that it imports from outside of its folder, and what it becomes: for a shared memory, or another. */
const MODULES = [
  {
    source: 'src/flow/assembly/plain-packets.ts',
    targets: [{ name: 'plain-packets', isShared: true }],
    constants: [
      'src/flow/record-head.ts',
      'src/flow/entry-state.ts',
      'src/flow/table-state.ts',
      'src/packet/packet-layout.ts',
    ],
  },
  {
    source: 'src/flowlogs/assembly/plain-lines.ts',
    targets: [{ name: 'plain-lines', isShared: false }],
    constants: ['src/flow/record-head.ts', 'src/flowlogs/flow-log-words.ts', 'src/flowlogs/line-ops.ts'],
  },
  {
    source: 'src/export/assembly/encode.ts',
    targets: [
      { name: 'encode', isShared: false },
      { name: 'encode-shared', isShared: true },
    ],
    constants: ['src/export/copies.ts', 'src/flow/record-head.ts'],
  },
];
const FLAGS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'];
/** The most pages are those of WebAssembly: what a memory has, whoever makes it says. */
const SHARED = ['--enable', 'threads', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'];

const time = (file) => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;

const builds = MODULES.flatMap(({ source, constants, targets }) =>
  targets.map(({ name, isShared }) => ({ source, constants, name, isShared })),
);

for (const { source, constants, name, isShared } of builds) {
  const target = `build/wasm/${name}.wasm`;
  const folder = dirname(source);
  const assembly = readdirSync(join(root, folder)).map((file) => `${folder}/${file}`);
  const inputs = [...assembly, ...constants, 'scripts/build-assembly.mjs', 'package-lock.json'];
  if (!inputs.some((file) => time(file) >= time(target))) continue;
  mkdirSync(join(root, dirname(target)), { recursive: true });
  const { error, stderr } = await asc.main([
    source,
    '--baseDir',
    root,
    '--outFile',
    target,
    ...FLAGS,
    ...(isShared ? SHARED : []),
  ]);
  if (error === null) continue;
  process.stderr.write(`${source} does not compile: ${error.message}\n${stderr.toString()}`);
  process.exitCode = 1;
}
