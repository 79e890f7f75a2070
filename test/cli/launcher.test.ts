/** The program starts by the code that V8 made of it ahead, and as well without. */

import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Script } from 'node:vm';
import t from 'tap';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../../..');
const BUNDLE = join(ROOT, 'build/bundle/weir');

t.test('this Node takes the code for its own', async (t) => {
  const source = readFileSync(join(BUNDLE, 'weir.cjs'), 'latin1');
  const beyond = source
    .split('\n')
    .filter((line) => /[^\0-\x7f]/.test(line) && !/^\s*(\/\/|\/\*|\*)/.test(line));
  t.same(beyond, [], 'but for comments the script is ASCII, and is read as such');
  const script = new Script(source, { cachedData: readFileSync(join(BUNDLE, 'weir.code')) });
  t.equal(script.cachedDataRejected, false);
});

t.test('without code, and with what is none', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'weir-launcher-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const folder = join(root, 'build/bundle/weir');
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(ROOT, 'package.json'), join(root, 'package.json'));
  for (const file of ['main.js', 'weir.cjs']) copyFileSync(join(BUNDLE, file), join(folder, file));
  const version = async () => {
    const { stdout, stderr } = await run(process.execPath, [join(folder, 'main.js'), '--version']);
    return { stdout, stderr };
  };
  const expected = { stdout: '0.1.0\n', stderr: '' };
  t.same(await version(), expected, 'no code');
  const code = readFileSync(join(BUNDLE, 'weir.code'));
  const another = Buffer.from(code);
  another.writeUInt32LE(another.readUInt32LE(4) ^ 1, 4); // the hash of V8's version
  for (const [name, octets] of Object.entries({
    'of another V8': another,
    empty: Buffer.alloc(0),
    'cut short': code.subarray(0, 1000),
    'no code at all': Buffer.from('#!/bin/sh\n'),
  })) {
    writeFileSync(join(folder, 'weir.code'), octets);
    t.same(await version(), expected, name);
  }
});
