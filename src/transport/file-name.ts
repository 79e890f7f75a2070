/**
 * Names of IPFIX Files. A file is written as NAME.part and gets its name when it is whole: whoever looks for names
 * finds only files that will not change. No file that exists is ever written over.
 */
import { link, lstat, rename, unlink } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';

/** What a file is called while it is written. */
export function partOf(path: string): string {
  return `${path}.part`;
}

/**
 * The name of one of several files: `flows.ipfix` → `flows-20261126T110802Z-000.ipfix`. Sorted, they are in the order
 * in which they were begun.
 * @param seconds Unix time of its first Message
 * @param number of those begun in the same second
 */
export function rotatedPath(path: string, seconds: number, number: number): string {
  const extension = extname(path);
  const time = new Date(seconds * 1000).toISOString().replace(/\.\d+/, '').replace(/[-:]/g, '');
  const name = `${basename(path, extension)}-${time}-${String(number).padStart(3, '0')}${extension}`;
  return join(dirname(path), name);
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** File systems without hard links say so by one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Gives a part its name. @throws the system's error; EEXIST where that name is taken */
export async function publish(path: string): Promise<void> {
  const part = partOf(path);
  try {
    await link(part, path); // unlike rename(2) it fails where the name is taken
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    if (await exists(path)) throw Object.assign(new Error('file already exists'), { code: 'EEXIST' });
    await rename(part, path);
    return;
  }
  await unlink(part);
}
