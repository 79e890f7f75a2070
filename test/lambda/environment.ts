/** The built bundle in a process of its own, as Lambda runs it: environment variables, one event after the other. */

import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Invocation {
  /** The handler's. */
  readonly name: string;
  readonly event: unknown;
  /** Time that the function has. */
  readonly milliseconds: number;
}

interface Test {
  teardown(end: () => void | Promise<void>): void;
  testdir(): string;
}

const ROOT = join(import.meta.dirname, '../../..');
const CHILD = join(import.meta.dirname, 'environment-child.js');

/** Builds the bundle into a folder of the test's. @returns its entry */
export async function buildBundle(t: Test): Promise<string> {
  const folder = join(t.testdir(), 'bundle');
  await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/bundle-lambda.mjs'), folder]);
  return join(folder, 'index.mjs');
}

export class Environment {
  /** What it wrote to standard output: the log. */
  stdout = '';
  #changed = (): void => {};
  readonly #child: ChildProcess;

  /** Starts one. It ends with the test. */
  static async start(
    t: Test,
    bundle: string,
    variables: Readonly<Record<string, string>>,
  ): Promise<Environment> {
    const { PATH = '' } = process.env;
    const child = fork(CHILD, [bundle], {
      env: { PATH, ...variables },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    t.teardown(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    });
    await once(child, 'message');
    return new Environment(child);
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#changed();
    });
  }

  /** Resolves with the handler's answer; rejects with its error. */
  async invoke(event: unknown, { name = 'handler', milliseconds = 20_000 } = {}): Promise<unknown> {
    const answered = once(this.#child, 'message');
    this.#child.send({ name, event, milliseconds } satisfies Invocation);
    const [answer] = (await answered) as [{ result?: unknown; error?: string }];
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.result;
  }

  /** As AWS does between invocations … */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  /** … and before the next. */
  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** The log: each line is a JSON document. */
  get log(): LogLine[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  /** Lines of the log with that message, when so many are there: the answer of an invocation may be here before them. */
  async logged(message: RegExp, count = 1): Promise<LogLine[]> {
    for (;;) {
      const found = this.log.filter(({ msg }) => message.test(msg));
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}
