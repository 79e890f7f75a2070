/** Programs whose output is text: one that runs to its end, and one that is ended by its id. */
import { type ChildProcess, spawn } from 'node:child_process';

const { PATH } = process.env;

export interface Outcome {
  readonly code: number | null;
  /** Standard output and standard error. */
  readonly output: string;
}

/** Runs it to its end. */
export function run(argv: readonly string[]): Promise<Outcome> {
  return new LongProgram(argv).closed;
}

export class LongProgram {
  readonly child: ChildProcess;
  output = '';
  readonly closed: Promise<Outcome>;

  constructor(argv: readonly string[]) {
    this.child = spawn(argv[0]!, argv.slice(1), { env: { PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.closed = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code) => resolve({ code, output: this.output }));
    });
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }
}

/** Kills by id what may have ended meanwhile. */
export function killIfThere(id: number): void {
  try {
    process.kill(id, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
