// Bundles the program: src/cli → build/bundle/weir/, one file to start from and one a command.
//
//   node scripts/bundle.mjs [--if-older] [--with-aws] [--out FOLDER]
//
// --with-aws: the AWS SDK is in it, too (the appliance, which has no node_modules/).
//
// Not for size: a bundle writes constants where they are used (src/packet/packet-layout.ts says what that gains), and
// starts in two thirds of the time, because Node opens a few files instead of two hundred.

import { rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { inlineConstants } from './inline-constants.mjs';
import { lazyModules } from './lazy-modules.mjs';
import { sharedFiles } from './shared-files.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, 'src');
const { values: options } = parseArgs({
  options: { 'if-older': { type: 'boolean' }, 'with-aws': { type: 'boolean' }, out: { type: 'string' } },
});
const folder = resolve(root, options.out ?? 'build/bundle/weir');

const time = (file) => statSync(resolve(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
const made = time(join(folder, 'main.js'));
// tsc writes this file whenever a source has changed.
const isCurrent = [
  'build/.tsbuildinfo',
  'scripts/bundle.mjs',
  'scripts/inline-constants.mjs',
  'scripts/lazy-modules.mjs',
  'scripts/shared-files.mjs',
  'package-lock.json',
].every((file) => time(file) < made);

if (!options['if-older'] || !isCurrent) {
  rmSync(folder, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: ['main.ts', 'line-card.ts', 'demo/traffic-client.ts', 'demo/traffic-server.ts'].map(
      (file) => `src/cli/${file}`,
    ),
    outdir: folder,
    entryNames: '[name]',
    bundle: true,
    plugins: [inlineConstants(sources, sharedFiles(sources)), lazyModules],
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    // The SDK's modules rather than its CommonJS: what is imported later keeps its names.
    ...(options['with-aws'] ? { mainFields: ['module', 'main'] } : {}),
    // Optional, native or large, and loaded only when asked for.
    external: [
      ...['cap', 'raw-socket', 'hyparquet', 'hyparquet-compressors'],
      ...(options['with-aws'] ? [] : ['@aws-sdk/*']),
    ],
    // What comes from CommonJS packages asks for Node's own modules by `require`; most files hold none of it.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module';\nlet required;\nconst require = (id) => (required ??= requireFrom(import.meta.url))(id);",
    },
  });
}
