// Bundles the program: src/cli → build/bundle/weir/, where main.js starts weir.cjs, and what runs beside it.
//
//   node scripts/bundle.mjs [--if-older] [--with-aws] [--out FOLDER]
//
// --with-aws: the AWS SDK is in it, too (the appliance, which has no node_modules/). Then it is modules, a few files a command, and
// not compiled ahead: its programs start once.
//
// Not for size: a bundle writes constants where they are used (src/packet/packet-layout.ts says what that gains), and
// starts in a third of the time, because Node opens a file instead of two hundred, and finds it compiled (code-cache.mjs).

import { execFileSync } from 'node:child_process';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { inlineConstants } from './inline-constants.mjs';
import { lazyModules } from './lazy-modules.mjs';

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
  'scripts/code-cache.mjs',
  'package-lock.json',
].every((file) => time(file) < made);

if (!options['if-older'] || !isCurrent) {
  rmSync(folder, { recursive: true, force: true });
  const common = {
    absWorkingDir: root,
    bundle: true,
    plugins: [inlineConstants(sources), lazyModules],
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
  };
  const files = (names) => ({
    ...common,
    entryPoints: names.map((name) => `src/cli/${name}`),
    outdir: folder,
    entryNames: '[name]',
    splitting: true,
    format: 'esm',
    // What comes from CommonJS packages asks for Node's own modules by `require`; most files hold none of it.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module';\nlet required;\nconst require = (id) => (required ??= requireFrom(import.meta.url))(id);",
    },
  });
  const beside = ['line-card.ts', 'demo/traffic-client.ts', 'demo/traffic-server.ts'];
  if (options['with-aws']) {
    // A file a command: the SDK has 5 MB, of which most commands want nothing.
    await build(files(['main.ts', ...beside]));
  } else {
    await build(files(beside));
    await build({
      ...common,
      entryPoints: ['src/cli/launcher.ts'],
      outfile: join(folder, 'main.js'),
      format: 'esm',
    });
    // A function that the launcher calls: V8 keeps the code of scripts, and not that of modules.
    const { outputFiles } = await build({
      ...common,
      entryPoints: ['src/cli/main.ts'],
      format: 'cjs',
      define: { 'import.meta.url': 'moduleUrl' },
      banner: { js: '(function (require, importModule, moduleUrl) {' },
      footer: { js: '})' },
      write: false,
    });
    // A script that has come with its code cannot import: the launcher does it.
    const script = outputFiles[0].text
      .replace(/^#!.*\n/, '')
      .replace(/\bimport\((?="[^"]+"\))/g, 'importModule(');
    writeFileSync(join(folder, 'weir.cjs'), script);
    execFileSync(process.execPath, [join(root, 'scripts/code-cache.mjs'), folder], { stdio: 'inherit' });
  }
}
