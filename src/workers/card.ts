/** A worker as the main thread sees it: a thread that is started, says how far it is, and ends. */
import { Worker } from 'node:worker_threads';
import type { SharedCounters } from './counters.ts';
import type { FromWorker, ToWorker, WorkerData } from './messages.ts';

/** Why a worker could not start. */
export class WorkerFailure extends Error {
  readonly exitCode: number | undefined;
  constructor(message: string, exitCode?: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** How a worker ended. */
export interface Ending {
  /** It was asked to, and has exported everything that it had. */
  readonly isClean: boolean;
  /** In a few words. */
  readonly cause: string;
}

export interface CardOptions {
  /** The file that the thread runs; it calls `runLineCard`. */
  readonly entry: URL;
  readonly data: Omit<WorkerData, 'counters'>;
  readonly counters: SharedCounters;
  /** What it says besides how far it is. */
  readonly onMessage: (message: FromWorker) => void;
}

export class Card {
  readonly counters: SharedCounters;
  /** Its rings are open, and deaf. Rejects when it ends before. */
  readonly joined: Promise<void>;
  /** Packets come in. Rejects when it ends before. */
  readonly capturing: Promise<void>;
  readonly ended: Promise<Ending>;
  /** Between `capturing` and the end. */
  isRunning = false;
  readonly #worker: Worker;

  constructor({ entry, data, counters, onMessage }: CardOptions) {
    this.counters = counters;
    const workerData: WorkerData = { ...data, counters: counters.memory };
    this.#worker = new Worker(entry, { workerData });
    let isClean = false;
    let failure: WorkerFailure | undefined;
    let error: Error | undefined;
    const joined = deferred();
    const capturing = deferred();
    this.joined = joined.promise;
    this.capturing = capturing.promise;

    this.#worker.on('message', (message: FromWorker) => {
      if (message.kind === 'joined') joined.resolve();
      else if (message.kind === 'capturing') {
        this.isRunning = true;
        capturing.resolve();
      } else if (message.kind === 'failed') failure = new WorkerFailure(message.message, message.exitCode);
      else {
        if (message.kind === 'stopped') isClean = true;
        onMessage(message);
      }
    });
    // An exception that nothing caught; the exit follows.
    this.#worker.on('error', (thrown) => {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    });
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.isRunning = false;
        const cause = failure?.message ?? error?.message ?? (isClean ? 'asked to' : 'it was terminated');
        for (const each of [joined, capturing]) each.reject(failure ?? error ?? new WorkerFailure(cause));
        resolve({ isClean, cause });
      });
    });
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** Ends it at once, whatever it is doing. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** A promise that may be rejected before anybody waits for it. */
function deferred() {
  let resolve = (): void => {};
  let reject = (_reason: Error): void => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
