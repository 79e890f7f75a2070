/** An object of S3 as the converter reads it: a small one from memory, a large one as it comes. */
import { AwsError } from '../../aws/errors.ts';
import type { LogFormat, LogObject } from '../log-object.ts';
import { decompressed, type StoredOctets } from './gunzip.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { s3Url } from './s3-keys.ts';
import { SourceError } from './source-error.ts';

export interface ObjectPlace {
  readonly bucket: S3Bucket;
  readonly key: string;
  /** As it is stored; undefined: unknown. */
  readonly octets: number | undefined;
}

/** How to ask for the format of an object without a header. */
export type FormatOfObject = (bucket: string, key: string) => Promise<LogFormat>;

/** Up to this it is fetched as a whole, ahead. AWS writes objects of up to 75 MB. */
export const WHOLE_OCTETS = 8 * 1024 * 1024;
/** How a Parquet file begins. */
export const PARQUET_MAGIC = 'PAR1';

/** What fetching it will hold in memory until it is exported. */
export function heldOctets({ octets }: ObjectPlace): number {
  return octets === undefined || octets > WHOLE_OCTETS ? 0 : octets;
}

/**
 * Fetches a small object; of a large one it fetches nothing yet.
 * @param formatOf undefined: without a header it is in the format of the conversion
 * @param ahead ends the fetching ahead
 * @param reading ends the reading of a large object, once it is handed over
 * @throws AwsError: `no-such-key` where it has vanished
 */
export async function fetchObject(
  place: ObjectPlace,
  formatOf: FormatOfObject | undefined,
  ahead: AbortSignal,
  reading: AbortSignal,
): Promise<LogObject> {
  const { bucket, key, octets } = place;
  const object = {
    name: s3Url(bucket.bucket, key),
    storedOctets: octets,
    format: formatOf && (() => formatOf(bucket.bucket, key)),
  };
  const isNamedParquet = /\.parquet$/i.test(key);
  if (octets !== undefined && octets > WHOLE_OCTETS) {
    return isNamedParquet
      ? {
          ...object,
          content: {
            kind: 'parquet',
            file: {
              byteLength: octets,
              slice: (start, end = octets) => bucket.slice(key, start, end, reading),
            },
          },
        }
      : { ...object, content: text(() => bucket.octets(key, reading)) };
  }
  // Without a size only what is read by ranges must be fetched as a whole.
  if (octets === undefined && !isNamedParquet) {
    return { ...object, content: text(() => bucket.octets(key, reading)) };
  }
  const chunks: Uint8Array[] = [];
  if (octets !== 0) for await (const chunk of bucket.octets(key, ahead)) chunks.push(chunk);
  const [first] = chunks;
  const isParquet =
    isNamedParquet ||
    (first !== undefined && Buffer.from(first.subarray(0, 4)).toString('latin1') === PARQUET_MAGIC);
  if (!isParquet) return { ...object, content: text(() => chunks) };
  const whole = Buffer.concat(chunks);
  return {
    ...object,
    content: {
      kind: 'parquet',
      file: {
        byteLength: whole.length,
        slice: async (start, end = whole.length) => new Uint8Array(whole.subarray(start, end)).buffer,
      },
    },
  };
}

function text(octets: StoredOctets): LogObject['content'] {
  return { kind: 'text', header: 'first-line', chunks: () => decompressed(octets) };
}

/** Whether the object was deleted after it was listed, or announced. */
export function hasVanished(error: unknown): boolean {
  return error instanceof AwsError && error.kind === 'no-such-key';
}

/** Whether the object may not be read. */
export function isDenied(error: unknown): boolean {
  return error instanceof AwsError && error.kind === 'access-denied';
}

/**
 * Whether an error is the object's own, so that the others may be read all the same. Access that is denied may be the object's
 * or everyone's: {@link DeniedObjects} tells. With any other the rest of the source will not be read, either; and where a format
 * cannot be told, the next attempt may tell it.
 */
export function isOfObject(error: unknown): boolean {
  if (error instanceof SourceError) return false;
  return (
    !(error instanceof AwsError) ||
    ['no-such-key', 'changed', 'archived', 'access-denied'].includes(error.kind)
  );
}

/** An object whose fetching failed for a reason of its own: it fails when it is read, as any damaged one does. */
export function unreadableObject({ bucket, key, octets }: ObjectPlace, error: Error): LogObject {
  return {
    name: s3Url(bucket.bucket, key),
    storedOctets: octets,
    format: undefined,
    content: {
      kind: 'text',
      header: 'first-line',
      // biome-ignore lint/correctness/useYield: there is nothing to hand over
      async *chunks() {
        throw error;
      },
    },
  };
}

/** So many objects denied, and none read: the rest will be no different. */
const MOST_DENIED = 8;

/**
 * Objects to which access is denied. As long as none could be read it is not known whether that is theirs alone: they are
 * done with when one could be read.
 */
export class DeniedObjects<Item> {
  #waiting: Item[] = [];
  #isOneRead = false;

  /** Of those that are not done with. */
  get count(): number {
    return this.#waiting.length;
  }

  /** So many are denied, and none was read, that the rest will be no different. */
  get isEverything(): boolean {
    return !this.#isOneRead && this.#waiting.length >= MOST_DENIED;
  }

  add(item: Item): void {
    this.#waiting.push(item);
  }

  /** One could be read. */
  read(): void {
    this.#isOneRead = true;
  }

  /** Those that are done with now. */
  take(): readonly Item[] {
    return this.#isOneRead ? this.#waiting.splice(0) : [];
  }
}
