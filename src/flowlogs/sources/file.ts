/**
 * Files, folders, and standard input.
 *
 * A folder is read with all below it: what ends in .log, .log.gz, .gz or .parquet. The oldest is first as far as
 * names tell: those with a time in their name (as S3's have, s3-keys.ts) by it, after those without, by name.
 */
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogFormat, LogObject, LogSource, ParquetContent, TextContent } from '../log-object.ts';
import { decompressed, remembering } from './gunzip.ts';
import { timeOfName } from './s3-keys.ts';
import { PARQUET_MAGIC } from './s3-object.ts';
import { SourceError } from './source-error.ts';

export interface FileSourceOptions {
  /** A file, a folder, or `-`. */
  readonly path: string;
  /** Asked for at `-`. */
  readonly standardInput: () => AsyncIterable<Uint8Array>;
  readonly format?: LogFormat | undefined;
}

const READ_OCTETS = 256 * 1024;
/** Of standard input, which cannot be read again where its gzip turns out to be damaged. */
const REMEMBERED_OCTETS = 16 * 1024 * 1024;
const IN_FOLDERS = /\.(?:log|gz|parquet)$/i;

export class FileSource implements LogSource {
  readonly found = { objects: 0, storedOctets: 0 };
  vanished = 0;
  /** As they are stored: for the progress bar, which would stand still within a large file. */
  readOctets = 0;
  readonly #options: FileSourceOptions;

  constructor(options: FileSourceOptions) {
    this.#options = options;
  }

  /** @throws SourceError where there is nothing of that name, or nothing to read in the folder */
  async *objects(signal: AbortSignal): AsyncGenerator<LogObject> {
    const { path, standardInput, format } = this.#options;
    if (path === '-') {
      this.found.objects = 1;
      yield {
        name: 'standard input',
        storedOctets: undefined,
        format,
        content: {
          kind: 'text',
          header: 'first-line',
          chunks: () => decompressed(remembering(standardInput(), REMEMBERED_OCTETS)),
        },
      };
      return;
    }
    const files = await this.#files(path);
    this.found.objects = files.length;
    for (const file of files) this.found.storedOctets += file.octets;
    for (const file of files) {
      if (signal.aborted) return;
      yield {
        name: file.path,
        storedOctets: file.octets,
        format,
        content: (await isParquet(file.path))
          ? parquetFile(file.path, file.octets)
          : this.#textFile(file.path),
      };
    }
  }

  async exported({ content, storedOctets = 0 }: LogObject): Promise<void> {
    if (content.kind === 'parquet') this.readOctets += storedOctets;
  }

  async failed(_object: LogObject, error: NodeJS.ErrnoException): Promise<void> {
    if (error.code === 'ENOENT') this.vanished++;
  }

  #textFile(path: string): TextContent {
    let most = 0;
    // What is read again, since it is damaged, counts once.
    const counted = (octets: number): void => {
      if (octets <= most) return;
      this.readOctets += octets - most;
      most = octets;
    };
    async function* read(): AsyncGenerator<Uint8Array> {
      let octets = 0;
      for await (const chunk of createReadStream(path, { highWaterMark: READ_OCTETS })) {
        octets += chunk.length;
        counted(octets);
        yield chunk;
      }
    }
    return { kind: 'text', header: 'first-line', chunks: () => decompressed(read) };
  }

  async #files(path: string): Promise<{ path: string; octets: number }[]> {
    const status = await stat(path).catch((error: NodeJS.ErrnoException) => {
      throw new SourceError(`${path}: ${explain(error)}`, { cause: error });
    });
    if (!status.isDirectory()) return [{ path, octets: status.size }];
    const names = await readdir(path, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      throw new SourceError(`${path}: ${explain(error)}`, { cause: error });
    });
    const files: { path: string; octets: number }[] = [];
    for (const name of inOrder(names.filter((name) => IN_FOLDERS.test(name)))) {
      const file = join(path, name);
      // One that has gone since is found out, and counted, when it is read.
      const status = await stat(file).catch(() => undefined);
      if (status === undefined || status.isFile()) files.push({ path: file, octets: status?.size ?? 0 });
    }
    if (files.length === 0) {
      throw new SourceError(`${path}: no flow logs in this folder (.log, .log.gz, .gz, .parquet)`);
    }
    return files;
  }
}

/** Those without a time in their name, by name; then the others by that time, and by name. */
function inOrder(names: readonly string[]): string[] {
  return names
    .map((name) => ({ name, time: timeOfName(name) ?? Number.NEGATIVE_INFINITY }))
    .sort((a, b) => (a.time === b.time ? (a.name < b.name ? -1 : 1) : a.time < b.time ? -1 : 1))
    .map(({ name }) => name);
}

/** By its name, or by its first octets. */
async function isParquet(path: string): Promise<boolean> {
  if (/\.parquet$/i.test(path)) return true;
  // Of a pipe nothing may be taken away; it may not even be opened twice.
  if ((await stat(path).catch(() => undefined))?.isFile() !== true) return false;
  const file = await open(path).catch(() => undefined);
  // Why it cannot be opened is said when it is read.
  if (file === undefined) return false;
  try {
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(PARQUET_MAGIC.length),
      0,
      PARQUET_MAGIC.length,
      0,
    );
    return bytesRead === PARQUET_MAGIC.length && buffer.toString('latin1') === PARQUET_MAGIC;
  } finally {
    await file.close();
  }
}

function parquetFile(path: string, octets: number): ParquetContent {
  return {
    kind: 'parquet',
    file: {
      byteLength: octets,
      // Opened for each slice, of which there are a few for each column: nothing is left open, however it ends.
      slice: async (start, end = octets) => {
        const file = await open(path);
        try {
          const buffer = new ArrayBuffer(end - start);
          let length = 0;
          while (length < buffer.byteLength) {
            const { bytesRead } = await file.read(
              new Uint8Array(buffer),
              length,
              buffer.byteLength - length,
              start + length,
            );
            if (bytesRead === 0) throw new Error('the file became shorter while it was read');
            length += bytesRead;
          }
          return buffer;
        } finally {
          await file.close();
        }
      },
    },
  };
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return 'there is no such file or folder';
  if (error.code === 'EACCES') return 'it may not be read';
  return error.message;
}
