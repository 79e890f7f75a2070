#!/usr/bin/env node
/**
 * Starts the program: a script, and beside it the code that V8 has made of it (scripts/code-cache.mjs), without which a start
 * takes half as long again. Code of another V8 is passed over.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

/** What scripts/bundle.mjs makes of main.ts. @param moduleUrl what import.meta.url is to it */
type Program = (
  require: NodeJS.Require,
  importModule: (name: string) => Promise<unknown>,
  moduleUrl: string,
) => void;

const filename = fileURLToPath(new URL('./weir.cjs', import.meta.url));
// But for comments nothing but ASCII, which V8 takes as it is.
const script = new Script(readFileSync(filename, 'latin1'), {
  filename,
  cachedData: readCode(new URL('./weir.code', import.meta.url)),
});
const program = script.runInThisContext() as Program;
program(createRequire(import.meta.url), (name) => import(name), import.meta.url);

function readCode(path: URL): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // it starts without
  }
}
