/**
 * What of a source has been exported, in a file that outlives the process.
 *
 * Objects arrive out of order: one that AWS wrote at 12:05 may come after one of 12:10. So the file keeps the newest
 * time exported and the keys of all that were exported from the hour before it on. What is older than that hour is
 * done; of what is younger, that whose key is there.
 *
 * The file is a line with all of that, which is written as a whole, and after it a line for what was exported since. When there are
 * as many of those as the first line has keys, it is written anew: so an object costs the same, however many an hour has.
 */
import { constants } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type RecordsNotSentError, SourceError } from './source-error.ts';

/** How late an object may come, behind the newest that was exported. */
export const LOOK_BACK_MILLISECONDS = 3_600_000;
const VERSION = 2;
/** The same without lines after the first. */
const FIRST_VERSION = 1;
/** Keys in further lines, before the file is written anew, at the least. */
const LEAST_ADDED = 1000;

/** What every line has. */
interface CheckpointLine {
  /** The newest time up to which all that was known has been exported, ISO 8601; null: nothing was. */
  readonly newest: string | null;
  /** What was exported of the look-back window, or since the line before, and its time in Unix milliseconds. */
  readonly exported: Readonly<Record<string, number>>;
}

interface FirstLine extends CheckpointLine {
  readonly kind: 'weir convert checkpoint';
  readonly version: typeof VERSION;
  /** What it is a checkpoint of: `s3://bucket/prefix`. */
  readonly source: string;
}

export class Checkpoint {
  readonly #source: string;
  readonly #path: string | undefined;
  /** Some that are older than the window may still be there. */
  readonly #exported = new Map<string, number>();
  #newest = Number.NEGATIVE_INFINITY;
  /** Keys in lines after the first, and when the file is written anew; Infinity: at once, since it is not ours yet. */
  #added = Number.POSITIVE_INFINITY;
  #mostAdded = 0;

  /**
   * @param source what it is a checkpoint of
   * @param path undefined: nothing outlives the process
   */
  constructor(source: string, path: string | undefined) {
    this.#source = source;
    this.#path = path;
  }

  /** What is older has been exported, Unix milliseconds; -Infinity: nothing has. */
  get oldest(): number {
    return this.#newest - LOOK_BACK_MILLISECONDS;
  }

  /** Reads the file; one that is not there is an empty checkpoint. @throws SourceError: broken, or of something else */
  async load(): Promise<void> {
    if (this.#path === undefined) return;
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw new SourceError(`checkpoint ${this.#path}: ${(error as Error).message}`, { cause: error });
    }
    this.#parse(text);
    this.#clear();
  }

  /** Whether that has been exported, as far as is remembered: all from {@link oldest} on. */
  has(key: string): boolean {
    return this.#exported.has(key);
  }

  /** The keys of what has been exported from {@link oldest} on. */
  *keys(): Generator<string> {
    const { oldest } = this;
    for (const [key, time] of this.#exported) if (time >= oldest) yield key;
  }

  /**
   * Notes that an object has been exported; when this resolves the file says so, whatever happens to the machine.
   * @param time of the object, Unix milliseconds
   * @param pending of the oldest that is known and not exported: the window stays open for it; Infinity: there is none;
   *   no later than now, where a time may be one to come
   */
  async add(key: string, time: number, pending: number): Promise<void> {
    await this.addAll([[key, time]], pending);
  }

  /** As {@link add}, of what was exported together: the file is written once. */
  async addAll(exported: Iterable<readonly [key: string, time: number]>, pending: number): Promise<void> {
    const added = [...exported];
    for (const [key, time] of added) {
      this.#exported.set(key, time);
      this.#newest = Math.max(this.#newest, Math.min(time, pending));
    }
    const isDue = this.#added + added.length > this.#mostAdded;
    if (isDue) {
      this.#clear();
      this.#mostAdded = Math.max(LEAST_ADDED, this.#exported.size);
    }
    if (this.#path === undefined) {
      this.#added = isDue ? 0 : this.#added + added.length;
      return;
    }
    try {
      if (isDue || !(await appendDurably(this.#path, `${JSON.stringify(this.#line(added))}\n`))) {
        await this.#writeAnew(this.#path);
        this.#added = 0;
      } else this.#added += added.length;
    } catch (error) {
      // What of it is in the file is not known.
      this.#added = Number.POSITIVE_INFINITY;
      throw new SourceError(`checkpoint ${this.#path}: ${(error as Error).message}`, { cause: error });
    }
  }

  #clear(): void {
    const { oldest } = this;
    for (const [key, time] of this.#exported) if (time < oldest) this.#exported.delete(key);
  }

  async #writeAnew(path: string): Promise<void> {
    const first: FirstLine = {
      kind: 'weir convert checkpoint',
      version: VERSION,
      source: this.#source,
      ...this.#line(this.#exported),
    };
    await writeDurably(path, `${JSON.stringify(first)}\n`);
  }

  #line(exported: Iterable<readonly [key: string, time: number]>): CheckpointLine {
    return {
      newest: Number.isFinite(this.#newest) ? new Date(this.#newest).toISOString() : null,
      exported: Object.fromEntries(exported),
    };
  }

  #parse(text: string): void {
    if (text.trim() === '') throw this.#broken('the file is empty');
    const [first = '', ...more] = text.split('\n');
    const file = this.#parseJson(first) as Partial<Record<keyof FirstLine, unknown>>;
    if (file.kind !== 'weir convert checkpoint') throw this.#broken('it is no checkpoint of weir convert');
    if (file.version !== VERSION && file.version !== FIRST_VERSION) {
      throw this.#broken(
        `it is of version ${String(file.version)}, and this program reads versions ${FIRST_VERSION} and ${VERSION}`,
      );
    }
    if (file.source !== this.#source) {
      throw new SourceError(
        `checkpoint ${this.#path}: it is of ${String(file.source)}, not of ${this.#source}; give each source its own file`,
      );
    }
    this.#read(file);
    // Behind the last line feed is nothing, or a line that a crash cut short: what it tells of is exported again.
    more.pop();
    for (const line of more) this.#read(this.#parseJson(line));
  }

  #read({ newest, exported }: Partial<Record<keyof CheckpointLine, unknown>>): void {
    const isTime = newest === null || (typeof newest === 'string' && !Number.isNaN(Date.parse(newest)));
    const isWindow =
      exported instanceof Object &&
      !Array.isArray(exported) &&
      Object.values(exported).every((time) => Number.isFinite(time));
    if (!isTime || !isWindow) throw this.#broken('it is damaged');
    if (newest !== null) this.#newest = Date.parse(newest);
    for (const [key, time] of Object.entries(exported)) this.#exported.set(key, time);
  }

  #parseJson(line: string): object {
    try {
      const value: unknown = JSON.parse(line);
      return value instanceof Object ? value : {};
    } catch (error) {
      throw this.#broken('it is no JSON', error);
    }
  }

  #broken(problem: string, cause?: unknown): SourceError {
    return new SourceError(
      `checkpoint ${this.#path}: ${problem}; to begin anew, move the file away and give --since`,
      { cause },
    );
  }
}

/** What ends a source whose object did not leave as a whole. */
export function notInCheckpoint(object: string, error: RecordsNotSentError, checkpoint: string): SourceError {
  return new SourceError(
    `${object}: ${error.message}; it is not in the checkpoint ${checkpoint}, and the next start exports it again`,
    { cause: error },
  );
}

/** Replaces a file as a whole, or not at all: written beside it, forced to disk, renamed. */
async function writeDurably(path: string, text: string): Promise<void> {
  const beside = `${path}.new`;
  try {
    const file = await open(beside, 'w');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  // The new name itself: it is in the folder.
  const folder = await open(dirname(path));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Adds a line to a file, forced to disk. @returns false: there is no such file any more */
async function appendDurably(path: string, line: string): Promise<boolean> {
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_APPEND);
    try {
      await file.appendFile(line);
      await file.datasync();
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
