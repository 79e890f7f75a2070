// Has V8 compile the program ahead: build/bundle/weir/weir.cjs → weir.code, of which src/cli/launcher.ts makes use.
//
//   node scripts/code-cache.mjs [FOLDER]
//
// What is compiled is what a few commands call, one after the other, each with the code of those before it. The code is good for the
// version of Node that it was made by; another one passes it over.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Script } from 'node:vm';

const [, own, first, ...rest] = process.argv;
const RUN = '--run';
if (first === RUN) runWith(...rest);
else makeCode(resolve(first ?? join(dirname(dirname(fileURLToPath(import.meta.url))), 'build/bundle/weir')));

/** Runs the program as the launcher does, and keeps the code. */
function runWith(folder, ...args) {
  const launcher = join(folder, 'main.js');
  const filename = join(folder, 'weir.cjs');
  const code = join(folder, 'weir.code');
  const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData: existing(code) });
  process.argv = [process.execPath, launcher, ...args];
  process.once('exit', () => writeFileSync(code, script.createCachedData()));
  script.runInThisContext()(createRequire(launcher), (name) => import(name), pathToFileURL(launcher).href);
}

function existing(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function makeCode(folder) {
  const scratch = mkdtempSync(join(tmpdir(), 'weir-code-'));
  try {
    const capture = join(scratch, 'one.pcap');
    const log = join(scratch, 'one.log');
    writeFileSync(capture, oneFrame());
    writeFileSync(log, '2 1 eni-1 192.0.2.1 192.0.2.2 1 2 17 1 40 1700000000 1700000060 ACCEPT OK\n');
    rmSync(join(folder, 'weir.code'), { force: true });
    // Port 9 of this host: discarded, or refused.
    for (const args of [
      ['--version'],
      ['read', capture],
      ['read', capture, '--json'],
      ['read', capture, '-c', 'ipfix://127.0.0.1:9?rate=0'],
      ['convert', log, '-c', 'netflow5://127.0.0.1:9?rate=0'],
    ]) {
      const { status, stderr, error } = spawnSync(process.execPath, [own, RUN, folder, ...args], {
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: 60_000,
      });
      if (error) throw error;
      // A datagram that was refused is no fault of the program's.
      if (status === null || status > 1) throw new Error(`weir ${args.join(' ')}: ${status}: ${stderr}`);
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** A capture file of one frame: Ethernet, IPv4, UDP. */
function oneFrame() {
  const frame = Buffer.alloc(60);
  frame.set([0x08, 0x00, 0x45, 0, 0, 46], 12);
  frame.set([64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2, 0, 26], 22);
  const header = Buffer.alloc(24 + 16);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.set([2, 0, 4, 0], 4);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(1_700_000_000, 24);
  header.writeUInt32LE(frame.length, 32);
  header.writeUInt32LE(frame.length, 36);
  return Buffer.concat([header, frame]);
}
