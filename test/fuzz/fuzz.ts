/**
 * The fuzzer.
 *
 *   node build/test/fuzz/fuzz.js [--seconds 30] [--seed N]           mutated inputs for every target in turn
 *   node build/test/fuzz/fuzz.js --target NAME --input HEX           one input again
 *
 * Prints the seed and one line of summary. Exit 1 on a fault: an error or a broken invariant, a hang (more than a
 * second for one input) or memory without bound; the input, as hexadecimal digits, and the seed are printed.
 * Exit 2 on a wrong argument.
 */

import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { FuzzTarget } from './target.ts';
import {
  BEGUN,
  type FuzzOrder,
  type FuzzResult,
  HEADER_OCTETS,
  LENGTH,
  SHARED_OCTETS,
  TARGET,
} from './worker.ts';

/** An input that runs through so many looks at the clock hangs: one second. Looks, since a machine may stand still. */
const LOOKS = 20;
const LOOK_MILLISECONDS = 50;
const MAX_HEAP_MEGABYTES = 512;

/** Runs the order in a worker; resolves with what it says, or with what befell it. */
function run(order: FuzzOrder): Promise<FuzzResult> {
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MEGABYTES },
  });
  const words = new Int32Array(order.shared, 0, 3);
  return new Promise((resolve) => {
    let begun = 0;
    let looks = 0;
    const watch = setInterval(() => {
      const now = Atomics.load(words, BEGUN);
      looks = now === begun ? looks + 1 : 0;
      begun = now;
      if (begun > 0 && looks >= LOOKS)
        done({ fault: `hangs: more than ${(LOOKS * LOOK_MILLISECONDS) / 1000} s` });
    }, LOOK_MILLISECONDS);
    let settled = false;
    const done = (result: FuzzResult) => {
      if (settled) return; // the worker that is ended says so, too
      settled = true;
      clearInterval(watch);
      void worker.terminate().then(() => resolve(result));
    };
    worker.once('message', done);
    worker.once('error', (error) => done({ fault: `crashes: ${error.stack ?? error.message}` }));
    worker.once('exit', (code) => done({ fault: `the worker ended with code ${code}` }));
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
      target: { type: 'string' },
      input: { type: 'string' },
      // Another table of targets: the fuzzer's own test has one whose targets are faulty.
      table: { type: 'string', default: new URL('./targets.js', import.meta.url).href },
    },
  });
  const seconds = Number(values.seconds);
  const seed = Number(values.seed);
  if (!(seconds > 0)) throw new RangeError(`--seconds ${values.seconds} is not a number above 0`);
  if (!(Number.isInteger(seed) && seed >= 0))
    throw new RangeError(`--seed ${values.seed} is not a whole number`);

  const order: FuzzOrder = {
    table: values.table,
    seed,
    seconds,
    shared: new SharedArrayBuffer(SHARED_OCTETS),
  };
  if (values.target !== undefined || values.input !== undefined) {
    if (values.target === undefined || !/^([0-9a-f]{2})*$/i.test(values.input ?? '-')) {
      throw new RangeError('--target NAME and --input HEX belong together');
    }
    order.only = { target: values.target, input: Uint8Array.from(Buffer.from(values.input ?? '', 'hex')) };
  }

  print(`seed ${seed}`);
  const result = await run(order);
  if ('counts' in result) {
    const counts = Object.entries(result.counts).map(([name, count]) => `${name} ${count} inputs`);
    print(`no fault in ${seconds} s: ${counts.join(', ')}`);
    return 0;
  }
  const { targets } = (await import(order.table)) as { targets: readonly FuzzTarget[] };
  const words = new Int32Array(order.shared, 0, 3);
  const input = Buffer.from(order.shared, HEADER_OCTETS, words[LENGTH]).toString('hex');
  const name = targets[words[TARGET]!]?.name;
  print(`fault after ${words[BEGUN]} inputs: ${result.fault}`);
  print(`again: --seed ${seed}, or --target ${name} --input ${input}`);
  return 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
