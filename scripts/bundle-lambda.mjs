// Bundles the Lambda functions: src/lambda/main.ts → build/lambda/flow-log-converter/, and the same as a .zip.
//
//   npm run build:lambda, or node scripts/bundle-lambda.mjs [FOLDER]
//
// Of AWS's SDK the bundle holds the clients that the function uses, in the versions that were tested, and not what the
// runtime happens to bring; they are files of their own, read when they are first asked for. build/wasm/ is to be there.

import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateRawSync } from 'node:zlib';
import { build } from 'esbuild';
import { inlineConstants } from './inline-constants.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(process.argv[2] ?? join(root, 'build/lambda/flow-log-converter'));

rmSync(folder, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  plugins: [inlineConstants(join(root, 'src'))],
  entryPoints: { index: 'src/lambda/main.ts' },
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  // Of CommonJS, import() would give no names; the SDK has both.
  mainFields: ['module', 'main'],
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
  // Not what a function uses: the events bring what a command would poll for.
  external: [
    ...['cap', 'raw-socket', 'pino-pretty'],
    ...['cloudwatch-logs', 'sqs', 'ssm'].map((client) => `@aws-sdk/client-${client}`),
  ],
  // What comes from CommonJS packages asks for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
  },
});

// What reads it by its path finds it beside itself.
for (const module of ['plain-lines.wasm', 'encode.wasm']) {
  let readers = 0;
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.mjs'))) {
    const text = readFileSync(join(folder, name), 'utf8');
    if (!text.includes(`../../wasm/${module}`)) continue;
    writeFileSync(join(folder, name), text.replace(`../../wasm/${module}`, `./${module}`));
    readers++;
  }
  if (readers !== 1) throw new Error(`${readers} files of the bundle read ${module}`);
  copyFileSync(join(root, 'build/wasm', module), join(folder, module));
}

const names = readdirSync(folder).sort();
const archive = zip(names.map((name) => ({ name, octets: readFileSync(join(folder, name)) })));
writeFileSync(`${folder}.zip`, archive);
const octets = names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
process.stderr.write(
  `build:lambda: ${names.length} files, ${octets} octets; ${folder}.zip, ${archive.length} octets\n`,
);

/** A ZIP archive (PKWARE's APPNOTE 6.3.3 §4.3), the same for the same files: they are of the first of January 1980. */
function zip(files) {
  const local = [];
  const central = [];
  let offset = 0;
  for (const { name, octets } of files) {
    const nameOctets = Buffer.from(name, 'utf8');
    const packed = deflateRawSync(octets, { level: 9 });
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0); // version needed: 2.0, deflate
    common.writeUInt16LE(0x0800, 2); // names are UTF-8
    common.writeUInt16LE(8, 4); // deflate
    common.writeUInt16LE(0x21, 8); // date
    common.writeUInt32LE(crc32(octets), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(octets.length, 18);
    common.writeUInt16LE(nameOctets.length, 22);
    local.push(Buffer.from('PK\x03\x04', 'latin1'), common, nameOctets, packed);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((0o100644 << 16) >>> 0, 6); // a regular file that all may read: Lambda runs as another user
    rest.writeUInt32LE(offset, 10);
    // Made by: Unix, 2.0.
    central.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, rest, nameOctets);
    offset += 4 + common.length + nameOctets.length + packed.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, directory, end]);
}
