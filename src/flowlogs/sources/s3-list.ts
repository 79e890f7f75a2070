/**
 * What lies below a prefix, oldest first.
 *
 * In AWS's layout every account and region is a tree of dates (s3-keys.ts). The trees are walked side by side and
 * merged by the time in the objects' names, so that memory holds one day of each at the most (one hour where they are
 * partitioned by the hour), and of a range of time only its days are listed. What lies outside of such trees has no
 * order to rely on: it is listed as a whole, sorted, and merged with them.
 */
import type { ListedObject, S3Bucket } from './s3-bucket.ts';
import { intervalOfFolder, isInTree, isOtherService, s3Url, timeOfName } from './s3-keys.ts';
import { SourceError } from './source-error.ts';
import { isWithin, type TimeRange } from './time-range.ts';

export interface TimedObject extends ListedObject {
  /** The one in its name, else LastModified. Unix milliseconds. */
  readonly time: number;
}

export interface ListOptions {
  /** Without a slash at its end. */
  readonly prefix: string;
  readonly range: TimeRange;
  /** What is not wanted is left out as soon as it is listed. */
  readonly wanted: (object: TimedObject) => boolean;
  /** Told of every object that will be handed over, as soon as it is listed. */
  readonly onFound: (object: TimedObject) => void;
}

/** Outside of AWS's layout; each takes some 200 octets of memory. */
const MOST_LOOSE_OBJECTS = 500_000;
/** How far an object's time may lie outside of its folder's. */
const FOLDER_SLACK_MILLISECONDS = 3_600_000;
/** Requests at a time while the accounts and regions are looked up. */
const LISTS_AT_A_TIME = 16;

/** @throws AwsError, SourceError */
export async function* listInOrder(
  bucket: S3Bucket,
  options: ListOptions,
  signal: AbortSignal,
): AsyncGenerator<TimedObject> {
  const { trees, loose } = await discover(bucket, options, signal);
  const streams: Slots[] = trees.map((folder) => walk(bucket, folder, options, signal));
  streams.push(only(sorted(loose)));
  yield* merge(await Promise.all(streams.map(Cursor.of)));
}

/** Objects in the order of time, some at once. */
type Slots = AsyncGenerator<readonly TimedObject[]>;

async function* only(objects: readonly TimedObject[]): Slots {
  yield objects;
}

/** Finds the trees below the prefix, and everything that is in none. */
async function discover(
  bucket: S3Bucket,
  options: ListOptions,
  signal: AbortSignal,
): Promise<{ trees: string[]; loose: TimedObject[] }> {
  const { prefix } = options;
  const trees: string[] = [];
  const loose: TimedObject[] = [];
  let folders: string[] = [];
  const visit = async (folder: string, isNamed: (key: string) => boolean): Promise<void> => {
    for await (const page of bucket.list(folder, signal)) {
      for (const object of page.objects) {
        if (!isNamed(object.key) || isOtherService(object.key)) continue;
        accept(object, options, loose);
        if (loose.length > MOST_LOOSE_OBJECTS) {
          throw new SourceError(
            `${s3Url(bucket.bucket, prefix)}: more than ${MOST_LOOSE_OBJECTS} objects lie outside of AWSLogs/ACCOUNT/` +
              'vpcflowlogs/REGION/YYYY/MM/DD/, where they cannot be put in order; name a narrower prefix',
          );
        }
      }
      for (const found of page.folders) {
        if (!isNamed(found.slice(0, -1)) || isOtherService(found)) continue;
        (isInTree(found) ? trees : folders).push(found);
      }
    }
  };
  // `a/b` names the folder a/b/ or the object a/b, and not a/bc.
  await visit(prefix, prefix === '' ? () => true : (key) => key === prefix);
  while (folders.length > 0) {
    const level = folders;
    folders = [];
    for (let i = 0; i < level.length; i += LISTS_AT_A_TIME) {
      await Promise.all(level.slice(i, i + LISTS_AT_A_TIME).map((folder) => visit(folder, () => true)));
    }
  }
  return { trees: trees.sort(), loose };
}

/** A tree's objects, folder after folder: the folders' names are dates, so their order is that of time. */
async function* walk(bucket: S3Bucket, folder: string, options: ListOptions, signal: AbortSignal): Slots {
  const objects: TimedObject[] = [];
  const folders: string[] = [];
  for await (const page of bucket.list(folder, signal)) {
    for (const object of page.objects) accept(object, options, objects);
    for (const found of page.folders) if (mayHold(found, options.range)) folders.push(found);
  }
  if (objects.length > 0) yield sorted(objects);
  for (const found of folders.sort()) yield* walk(bucket, found, options, signal);
}

function mayHold(folder: string, range: TimeRange): boolean {
  const interval = intervalOfFolder(folder);
  if (interval === undefined) return true;
  return (
    interval.end + FOLDER_SLACK_MILLISECONDS > (range.since ?? Number.NEGATIVE_INFINITY) &&
    interval.start - FOLDER_SLACK_MILLISECONDS < (range.until ?? Number.POSITIVE_INFINITY)
  );
}

function accept(object: ListedObject, options: ListOptions, into: TimedObject[]): void {
  // What the console makes when it makes a folder.
  if (object.key.endsWith('/')) return;
  const timed = { ...object, time: timeOfName(object.key) ?? object.modified };
  if (!isWithin(timed.time, options.range) || !options.wanted(timed)) return;
  options.onFound(timed);
  into.push(timed);
}

const isBefore = (a: TimedObject, b: TimedObject): boolean =>
  a.time < b.time || (a.time === b.time && a.key < b.key);

function sorted(objects: TimedObject[]): TimedObject[] {
  return objects.sort((a, b) => (isBefore(a, b) ? -1 : 1));
}

/** Where one stream is. */
class Cursor {
  readonly #slots: Slots;
  #slot: readonly TimedObject[] = [];
  #at = 0;

  private constructor(slots: Slots) {
    this.#slots = slots;
  }

  static async of(slots: Slots): Promise<Cursor> {
    const cursor = new Cursor(slots);
    await cursor.#fill();
    return cursor;
  }

  /** Undefined: at its end. */
  get object(): TimedObject | undefined {
    return this.#slot[this.#at];
  }

  async advance(): Promise<void> {
    this.#at++;
    await this.#fill();
  }

  async #fill(): Promise<void> {
    while (this.#at >= this.#slot.length) {
      const next = await this.#slots.next();
      this.#slot = next.done === true ? [] : next.value;
      this.#at = 0;
      if (next.done === true) return;
    }
  }
}

async function* merge(cursors: readonly Cursor[]): AsyncGenerator<TimedObject> {
  for (;;) {
    let first: Cursor | undefined;
    for (const cursor of cursors) {
      const { object } = cursor;
      if (object !== undefined && (first === undefined || isBefore(object, first.object!))) first = cursor;
    }
    if (first === undefined) return;
    yield first.object!;
    await first.advance();
  }
}
