/** A worker's thread that ends when it is told to (faulty-run.ts). */
import { BroadcastChannel, getEnvironmentData, workerData } from 'node:worker_threads';
import type { WorkerData } from '../../src/workers/messages.ts';
import type { Fault } from './faulty-run.ts';

const { index } = workerData as WorkerData;
const channel = new BroadcastChannel('faults');
let release = (): void => {};
const released = new Promise<void>((resolve) => {
  release = resolve;
});
channel.onmessage = (event) => {
  const { data: fault } = event as { data: Fault };
  if (fault.kind === 'release') release();
  else if (fault.worker === index) {
    if (fault.kind === 'exit') process.exit(7);
    throw new Error('injected');
  }
};

// Held back: the time in which a worker is missing lasts as long as the test wants.
if (getEnvironmentData('hold') === true) await released;
channel.unref();
await import('../../src/cli/line-card.ts');
