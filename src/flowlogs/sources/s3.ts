/**
 * Every object below a prefix of S3, oldest first. Objects are read, and never deleted or changed.
 *
 * With `follow` it lists again and again. A checkpoint says after a restart what has been exported: at most the one
 * object that was being exported is exported again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AwsClients } from '../../aws/clients.ts';
import { AwsError } from '../../aws/errors.ts';
import type { LogObject, LogSource } from '../log-object.ts';
import { Checkpoint, LOOK_BACK_MILLISECONDS, notInCheckpoint } from './checkpoint.ts';
import { type AheadLimits, fetchAhead } from './fetch-ahead.ts';
import { S3Bucket } from './s3-bucket.ts';
import { parseS3Url, s3Url } from './s3-keys.ts';
import { listInOrder, type TimedObject } from './s3-list.ts';
import {
  DeniedObjects,
  type FormatOfObject,
  fetchObject,
  hasVanished,
  heldOctets,
  isDenied,
  isOfObject,
  unreadableObject,
} from './s3-object.ts';
import { RecordsNotSentError, SourceError } from './source-error.ts';
import type { TimeRange } from './time-range.ts';

export interface S3SourceOptions extends TimeRange {
  /** `s3://bucket/prefix`. */
  readonly url: string;
  readonly clients: AwsClients;
  readonly formatOf?: FormatOfObject | undefined;
  /** Goes on listing, until the signal or until nothing can come any more (`until`, and the look-back after it). */
  readonly follow?: boolean | undefined;
  /** Between the end of a list and the next. */
  readonly pollMilliseconds?: number | undefined;
  /** A file. Undefined: begins anew at every start. */
  readonly checkpoint?: string | undefined;
  readonly ahead?: Partial<AheadLimits> | undefined;
  /** Unix milliseconds. */
  readonly clock: () => number;
}

const POLL_MILLISECONDS = 30_000;
export const AHEAD: AheadLimits = { objects: 8, octets: 32 * 1024 * 1024 };

export class S3Source implements LogSource {
  readonly found = { objects: 0, storedOctets: 0 };
  vanished = 0;
  readonly #options: S3SourceOptions;
  readonly #name: string;
  readonly #prefix: string;
  readonly #bucket: S3Bucket;
  readonly #checkpoint: Checkpoint;
  /** Keys, and times, of what was taken from a list and is not exported yet: the next list shows them again. */
  readonly #taken = new Map<string, number>();
  readonly #handedOver = new Map<LogObject, TimedObject>();
  readonly #denied = new DeniedObjects<TimedObject>();

  /** @throws SourceError: no URL of S3 */
  constructor(options: S3SourceOptions) {
    const { bucket, prefix } = parseS3Url(options.url);
    this.#options = options;
    this.#name = s3Url(bucket, prefix);
    this.#prefix = prefix;
    this.#bucket = new S3Bucket(options.clients, bucket);
    this.#checkpoint = new Checkpoint(this.#name, options.checkpoint);
  }

  /** Requests that were made again. */
  get retries(): number {
    return this.#options.clients.retries + this.#bucket.continuations;
  }

  /** @throws AwsError, SourceError */
  async *objects(signal: AbortSignal): AsyncGenerator<LogObject> {
    await this.#checkpoint.load();
    const ended = new AbortController();
    const stopped = AbortSignal.any([signal, ended.signal]);
    const bucket = this.#bucket;
    const ahead = fetchAhead(
      this.#list(stopped),
      ({ octets }) => heldOctets({ bucket, key: '', octets }),
      ({ key, octets }) =>
        fetchObject({ bucket, key, octets }, this.#options.formatOf, stopped, ended.signal),
      { ...AHEAD, ...this.#options.ahead },
    );
    try {
      for await (const { item, got } of ahead) {
        if (signal.aborted) return;
        let object: LogObject;
        try {
          object = await got;
        } catch (error) {
          if (!isOfObject(error)) throw error;
          if (hasVanished(error)) {
            this.vanished++;
            await this.#done(item);
            continue;
          }
          object = unreadableObject({ bucket, ...item }, error as Error);
        }
        this.#handedOver.set(object, item);
        yield object;
      }
      if (this.#denied.count > 0) {
        throw new SourceError(`${this.#name}: access was denied to every object that was to be read`);
      }
    } catch (error) {
      // What the signal broke off is no error.
      if (!signal.aborted) throw error;
    } finally {
      ended.abort();
    }
  }

  /** When this resolves the checkpoint says so. @throws SourceError: the checkpoint cannot be written */
  async exported(object: LogObject): Promise<void> {
    const item = this.#take(object);
    if (item === undefined) return;
    await this.#wasRead();
    await this.#done(item);
  }

  /**
   * An object that is damaged will not get better: it counts as done. So does one that is archived, or that may not be read where
   * others may. With AWS out of reach (or its credentials expired in between) it is not done, and this ends.
   * @throws AwsError, SourceError: what ends it, of which nothing is said yet
   */
  async failed(object: LogObject, error: Error): Promise<void> {
    const item = this.#take(object);
    if (item === undefined) return;
    if (!isOfObject(error)) throw error;
    if (isDenied(error)) {
      this.#denied.add(item);
      if (this.#denied.isEverything) throw error;
      for (const denied of this.#denied.take()) await this.#done(denied);
      return;
    }
    // To go on would put what comes later into the checkpoint, and this one behind it.
    if (error instanceof RecordsNotSentError && this.#options.checkpoint !== undefined) {
      throw notInCheckpoint(object.name, error, this.#options.checkpoint);
    }
    if (hasVanished(error)) this.vanished++;
    else if (!(error instanceof AwsError)) await this.#wasRead();
    await this.#done(item);
  }

  async #wasRead(): Promise<void> {
    this.#denied.read();
    for (const denied of this.#denied.take()) await this.#done(denied);
  }

  #take(object: LogObject): TimedObject | undefined {
    const item = this.#handedOver.get(object);
    this.#handedOver.delete(object);
    return item;
  }

  async #done({ key, time }: TimedObject): Promise<void> {
    this.#taken.delete(key);
    // An object whose name claims a time to come must not move the look-back beyond what is still to come.
    await this.#checkpoint.add(key, time, Math.min(this.#options.clock(), ...this.#taken.values()));
  }

  async *#list(signal: AbortSignal): AsyncGenerator<TimedObject> {
    const { follow = false, clock, until, pollMilliseconds = POLL_MILLISECONDS } = this.#options;
    const checkpoint = this.#checkpoint;
    for (;;) {
      const since = Math.max(this.#options.since ?? Number.NEGATIVE_INFINITY, checkpoint.oldest);
      // As they are now: while the list is made the window moves on, and forgets what a later page shows.
      const known = new Set([...checkpoint.keys(), ...this.#taken.keys()]);
      let seen = 0;
      // Before the list, so that what comes while it is made is in the next.
      const last = !follow || (until !== undefined && clock() >= until + LOOK_BACK_MILLISECONDS);
      const objects = listInOrder(
        this.#bucket,
        {
          prefix: this.#prefix,
          range: { since, until },
          wanted: ({ key }) => {
            seen++;
            return !known.has(key);
          },
          onFound: ({ octets }) => {
            this.found.objects++;
            this.found.storedOctets += octets;
          },
        },
        signal,
      );
      for await (const object of objects) {
        this.#taken.set(object.key, object.time);
        yield object;
      }
      if (last) {
        if (!follow && seen === 0 && since === Number.NEGATIVE_INFINITY && until === undefined) {
          throw new SourceError(`${this.#name}: there are no objects below it; look at the prefix`);
        }
        return;
      }
      await sleep(pollMilliseconds, undefined, { signal });
    }
  }
}
