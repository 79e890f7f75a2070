// Bundles the program: src/cli → build/bundle/weir/, one file to start from and one a command.
//
//   node scripts/bundle.mjs [--if-older]
//
// Not for size: a bundle writes constants where they are used (src/packet/packet-layout.ts says what that gains), and
// starts in two thirds of the time, because Node opens a few files instead of two hundred.

import { rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { inlineConstants } from './inline-constants.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'build/bundle/weir');

const time = (file) => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
const made = time('build/bundle/weir/main.js');
// tsc writes this file whenever a source has changed.
const isCurrent = [
  'build/.tsbuildinfo',
  'scripts/bundle.mjs',
  'scripts/inline-constants.mjs',
  'package-lock.json',
].every((file) => time(file) < made);

if (!process.argv.includes('--if-older') || !isCurrent) {
  rmSync(folder, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: ['main.ts', 'line-card.ts', 'demo/traffic-client.ts', 'demo/traffic-server.ts'].map(
      (file) => `src/cli/${file}`,
    ),
    outdir: folder,
    entryNames: '[name]',
    bundle: true,
    plugins: [inlineConstants(join(root, 'src'))],
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    // Optional, native or large, and loaded only when asked for.
    external: ['cap', 'raw-socket', '@aws-sdk/*', 'hyparquet', 'hyparquet-compressors'],
    // What comes from CommonJS packages asks for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
    },
  });
}
