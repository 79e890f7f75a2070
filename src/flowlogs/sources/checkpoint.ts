/**
 * What of a source has been exported, in a file that outlives the process.
 *
 * Objects arrive out of order: one that AWS wrote at 12:05 may come after one of 12:10. So the file keeps the newest
 * time exported and the keys of all that were exported from the hour before it on. What is older than that hour is
 * done; of what is younger, that whose key is there.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type RecordsNotSentError, SourceError } from './source-error.ts';

/** How late an object may come, behind the newest that was exported. */
export const LOOK_BACK_MILLISECONDS = 3_600_000;
const VERSION = 1;

interface CheckpointFile {
  readonly kind: 'weir convert checkpoint';
  readonly version: typeof VERSION;
  /** What it is a checkpoint of: `s3://bucket/prefix`. */
  readonly source: string;
  /** The newest time up to which all that was known has been exported, ISO 8601; null: nothing was. */
  readonly newest: string | null;
  /** What was exported of the look-back window, and its time in Unix milliseconds. */
  readonly exported: Readonly<Record<string, number>>;
}

export class Checkpoint {
  readonly #source: string;
  readonly #path: string | undefined;
  readonly #exported = new Map<string, number>();
  #newest = Number.NEGATIVE_INFINITY;
  /** The oldest in {@link #exported} when last looked; the window is cleared out when it has moved on. */
  #clearedTo = Number.NEGATIVE_INFINITY;

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
    const file = this.#parse(text);
    if (file.newest !== null) this.#newest = Date.parse(file.newest);
    for (const [key, time] of Object.entries(file.exported)) this.#exported.set(key, time);
  }

  /** Whether that has been exported, from {@link oldest} on. */
  has(key: string): boolean {
    return this.#exported.has(key);
  }

  /** The keys of what has been exported from {@link oldest} on. */
  keys(): IterableIterator<string> {
    return this.#exported.keys();
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
    for (const [key, time] of exported) {
      this.#exported.set(key, time);
      this.#newest = Math.max(this.#newest, Math.min(time, pending));
    }
    this.#clear();
    if (this.#path !== undefined) await this.#save(this.#path);
  }

  #clear(): void {
    if (this.#clearedTo >= this.oldest) return;
    this.#clearedTo = this.oldest;
    for (const [key, time] of this.#exported) {
      if (time < this.oldest) this.#exported.delete(key);
    }
  }

  async #save(path: string): Promise<void> {
    const file: CheckpointFile = {
      kind: 'weir convert checkpoint',
      version: VERSION,
      source: this.#source,
      newest: Number.isFinite(this.#newest) ? new Date(this.#newest).toISOString() : null,
      exported: Object.fromEntries(this.#exported),
    };
    try {
      await writeDurably(path, `${JSON.stringify(file)}\n`);
    } catch (error) {
      throw new SourceError(`checkpoint ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  #parse(text: string): CheckpointFile {
    const broken = (problem: string, cause?: unknown): SourceError =>
      new SourceError(
        `checkpoint ${this.#path}: ${problem}; to begin anew, move the file away and give --since`,
        { cause },
      );
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw broken(text.trim() === '' ? 'the file is empty' : 'it is no JSON', error);
    }
    const file = (value instanceof Object ? value : {}) as Partial<Record<keyof CheckpointFile, unknown>>;
    if (file.kind !== 'weir convert checkpoint') throw broken('it is no checkpoint of weir convert');
    if (file.version !== VERSION) {
      throw broken(`it is of version ${String(file.version)}, and this program reads version ${VERSION}`);
    }
    if (file.source !== this.#source) {
      throw new SourceError(
        `checkpoint ${this.#path}: it is of ${String(file.source)}, not of ${this.#source}; give each source its own file`,
      );
    }
    const { newest, exported } = file;
    const isTime = newest === null || (typeof newest === 'string' && !Number.isNaN(Date.parse(newest)));
    const isWindow =
      exported instanceof Object &&
      !Array.isArray(exported) &&
      Object.values(exported).every((time) => Number.isFinite(time));
    if (!isTime || !isWindow) throw broken('it is damaged');
    return value as CheckpointFile;
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
