/** Scrapes metrics while something else goes on: how long do answers take? */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../src/cli/demo/lab.ts';
import { ended } from './trial.ts';

const PROGRAM = fileURLToPath(new URL('./scrape.js', import.meta.url));

export interface Scrapes {
  readonly count: number;
  /** Milliseconds from the request to the end of the answer. */
  readonly median: number;
  readonly most: number;
}

/** A process in the router that scrapes until it is stopped. */
export class Scraper {
  readonly #child: ChildProcess;
  #output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      this.#output += part;
    });
  }

  /** Resolves after the first answer. */
  static async start(lab: Lab, url: string): Promise<Scraper> {
    const child = lab.router.spawn([process.execPath, PROGRAM, url]);
    child.stderr.pipe(process.stderr);
    const scraper = new Scraper(child);
    await once(child.stdout, 'data');
    return scraper;
  }

  async stop(): Promise<Scrapes> {
    this.#child.stdin!.end();
    await ended(this.#child, 30);
    return JSON.parse(this.#output.trimEnd().split('\n').at(-1)!) as Scrapes;
  }
}
