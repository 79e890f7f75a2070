/**
 * Runs inputs, in a thread of its own, so that the main thread can tell a hang and end it. Each input stands in
 * shared memory before it runs: whatever it does, the main thread can show it.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { MAX_INPUT_OCTETS, mutate } from './mutate.ts';
import { Random } from './random.ts';
import type { FuzzTarget } from './target.ts';

export interface FuzzOrder {
  /** URL of the module that exports the table `targets`. */
  table: string;
  seed: number;
  seconds: number;
  /** Run this one input of this one target, and no other. */
  only?: { target: string; input: Uint8Array };
  shared: SharedArrayBuffer;
}

/** Words of the shared memory: how many inputs began, the target's place in the table, the input's length. */
export const BEGUN = 0;
export const TARGET = 1;
export const LENGTH = 2;
export const HEADER_OCTETS = 12;
export const SHARED_OCTETS = HEADER_OCTETS + MAX_INPUT_OCTETS;

/** What the worker says when it is done. */
export type FuzzResult = { counts: Record<string, number> } | { fault: string };

/** How long one target runs before the next one's turn. */
const TURN_MILLISECONDS = 100;

interface Contestant {
  target: FuzzTarget;
  index: number;
  /** Its own, so that a target's inputs hang on the seed alone, not on how fast the others run. */
  random: Random;
  seeds: Uint8Array[];
  count: number;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Noted here, since a thread that dies of it would run more inputs before it does. */
let uncaught: string | undefined;
process.on('uncaughtException', (error) => {
  uncaught ??= `crashes: ${textOf(error)}`;
});

async function fuzz(order: FuzzOrder): Promise<FuzzResult> {
  const { targets } = (await import(order.table)) as { targets: readonly FuzzTarget[] };
  const words = new Int32Array(order.shared, 0, 3);
  const octets = new Uint8Array(order.shared, HEADER_OCTETS);

  const runOne = async (index: number, input: Uint8Array): Promise<string | undefined> => {
    words[TARGET] = index;
    words[LENGTH] = input.length;
    octets.set(input);
    Atomics.add(words, BEGUN, 1);
    try {
      await targets[index]!.run(input); // also where it is synchronous: what it left in the queue runs now
      return uncaught;
    } catch (error) {
      return textOf(error);
    }
  };

  if (order.only !== undefined) {
    const { target, input } = order.only;
    const index = targets.findIndex(({ name }) => name === target);
    if (index < 0)
      return { fault: `no target is named ${target}: ${targets.map(({ name }) => name).join(', ')}` };
    const fault = await runOne(index, input);
    return fault === undefined ? { counts: { [target]: 1 } } : { fault };
  }

  const contestants = targets.map((target, index): Contestant => {
    const random = new Random(order.seed + index);
    return { target, index, random, seeds: target.seeds(random), count: 0 };
  });
  const end = performance.now() + order.seconds * 1000;
  while (performance.now() < end) {
    for (const contestant of contestants) {
      const turn = Math.min(end, performance.now() + TURN_MILLISECONDS);
      while (performance.now() < turn) {
        const fault = await runOne(contestant.index, mutate(contestant.random, contestant.seeds));
        contestant.count++;
        if (fault !== undefined) return { fault };
      }
    }
  }
  return { counts: Object.fromEntries(contestants.map(({ target, count }) => [target.name, count])) };
}

if (parentPort !== null) {
  // Without it a thread that waits for something that never comes would just end.
  const awake = setInterval(() => {}, 60_000);
  parentPort.postMessage(await fuzz(workerData as FuzzOrder));
  clearInterval(awake);
}
