/**
 * The source of a converter that lives as long as the execution environment: what an invocation brings is handed over,
 * and the invocation waits until it is exported. Between invocations the converter waits here, frozen or not.
 */

import type { LogObject, LogSource } from '../flowlogs/log-object.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class InvocationSource implements LogSource {
  readonly found = { objects: 0, storedOctets: 0 };
  readonly vanished = 0;
  readonly #queue: LogObject[] = [];
  readonly #waiting = new Map<LogObject, Waiting>();
  #wake: () => void = () => {};
  #ended: Error | undefined;

  /** Resolves when the object is exported; rejects when it could not be read to its end, or nobody will. */
  convert(object: LogObject): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.found.objects++;
    this.found.storedOctets += object.storedOctets ?? 0;
    return new Promise((resolve, reject) => {
      this.#waiting.set(object, { resolve, reject });
      this.#queue.push(object);
      this.#wake();
    });
  }

  /** Nothing is converted any more: whoever waits is told so. */
  end(error: Error): void {
    this.#ended ??= error;
    this.#queue.length = 0;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#wake();
  }

  async *objects(signal: AbortSignal): AsyncIterable<LogObject> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    while (!signal.aborted && this.#ended === undefined) {
      const object = this.#queue.shift();
      if (object !== undefined) yield object;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  async exported(object: LogObject): Promise<void> {
    this.#waiting.get(object)?.resolve();
    this.#waiting.delete(object);
  }

  async failed(object: LogObject, error: Error): Promise<void> {
    this.#waiting.get(object)?.reject(error);
    this.#waiting.delete(object);
  }
}
