/**
 * Objects of S3 that a queue's messages announce, as they come, until the signal.
 *
 * A message is deleted when all of its objects have been exported, and only then. While they wait, or are being
 * exported, the message is kept hidden; at the end those that are not exported become visible to others at once. SQS delivers a
 * message more than once now and then: one that is held is not held twice, and an object that waits is not exported twice.
 * What is no event of S3 is counted, said once, and left for whom it is meant.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AwsClients } from '../../aws/clients.ts';
import { AwsError } from '../../aws/errors.ts';
import type { LogObject, LogSource } from '../log-object.ts';
import { type AheadLimits, fetchAhead } from './fetch-ahead.ts';
import { AHEAD } from './s3.ts';
import { S3Bucket } from './s3-bucket.ts';
import { type AnnouncedObject, readAnnouncement } from './s3-events.ts';
import { isOtherService, timeOfName } from './s3-keys.ts';
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
import { parseQueue, type QueueMessage, SqsQueue } from './sqs-queue.ts';

export interface SqsSourceOptions {
  /** As parseQueue() takes it. */
  readonly queue: string;
  readonly clients: AwsClients;
  readonly formatOf?: FormatOfObject | undefined;
  readonly ahead?: Partial<AheadLimits> | undefined;
  /** How long a message stays hidden unless it is extended, which is done at a third of it: after a crash others wait so long. */
  readonly visibilitySeconds?: number | undefined;
  /** What the user should know, and no error: a foreign message. */
  readonly onNotice: (text: string) => void;
}

/** A message some of whose objects are not exported yet. */
interface Held {
  /** As it was delivered last: its receipt is the one that counts. */
  message: QueueMessage;
  remaining: number;
  /** An object of it was damaged: it is not deleted. */
  damaged: boolean;
}

interface Item extends AnnouncedObject {
  /** The messages that announce it: they are for all of its deliveries. */
  readonly holders: Held[];
}

/** Undefined: what is announced cannot be told from what was there before. */
function identityOf({ bucket, key, version }: AnnouncedObject): string | undefined {
  return version === undefined ? undefined : JSON.stringify([bucket, key, version]);
}

const VISIBILITY_SECONDS = 120;
/** Messages that were left where they are, and come again and again; those that are done, which may come again. */
const MOST_REMEMBERED = 10_000;
const MOST_UNDELETED = 100;
const RELEASE_MILLISECONDS = 5_000;

export class SqsSource implements LogSource {
  readonly found = { objects: 0, storedOctets: 0 };
  vanished = 0;
  /** Messages that are no events of S3, or of other logs; each counts once. */
  foreignMessages = 0;
  /** Messages that are left in the queue because an object of theirs is damaged, or may not be read; each counts once. */
  damagedMessages = 0;
  deletedMessages = 0;
  readonly #options: SqsSourceOptions;
  readonly #queue: SqsQueue;
  readonly #buckets = new Map<string, S3Bucket>();
  /** By the message's ID. */
  readonly #held = new Map<string, Held>();
  /** What waits or is being exported, by identity. */
  readonly #items = new Map<string, Item>();
  readonly #denied = new DeniedObjects<Item>();
  readonly #handedOver = new Map<LogObject, Item>();
  readonly #left = new Set<string>();
  readonly #finished = new Set<string>();
  /** Receipts of messages that are done. */
  #undeleted: string[] = [];
  #deleting: Promise<void> | undefined;
  #fatal: Error | undefined;
  /** Ends everything that is under way. */
  #ended = new AbortController();
  #saidForeign = false;

  /** @throws SourceError: no queue */
  constructor(options: SqsSourceOptions) {
    this.#options = options;
    this.#queue = new SqsQueue(options.clients, parseQueue(options.queue));
  }

  /** Requests that were made again. */
  get retries(): number {
    let continuations = 0;
    for (const bucket of this.#buckets.values()) continuations += bucket.continuations;
    return this.#options.clients.retries + continuations;
  }

  /** @throws AwsError */
  async *objects(signal: AbortSignal): AsyncGenerator<LogObject> {
    const ended = this.#ended;
    const stopped = AbortSignal.any([signal, ended.signal]);
    const hiding = this.#keepHidden(ended.signal);
    const ahead = fetchAhead(
      this.#receive(stopped),
      (item) => heldOctets(this.#place(item)),
      (item) => fetchObject(this.#place(item), this.#options.formatOf, stopped, ended.signal),
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
            this.#done(item);
            continue;
          }
          object = unreadableObject(this.#place(item), error as Error);
        }
        this.#handedOver.set(object, item);
        yield object;
        if (this.#fatal !== undefined) throw this.#fatal;
      }
    } catch (error) {
      if (this.#fatal !== undefined) throw this.#fatal;
      // What the signal broke off is no error.
      if (!signal.aborted) throw error;
    } finally {
      ended.abort();
      await hiding;
      await this.#letGo();
    }
  }

  /** The message is deleted soon after, with others. @throws AwsError: messages cannot be deleted */
  async exported(object: LogObject): Promise<void> {
    const item = this.#take(object);
    if (item !== undefined) {
      this.#wasRead();
      this.#done(item);
    }
    if (this.#undeleted.length > MOST_UNDELETED) await this.#deleting;
  }

  /**
   * A damaged object's message stays in the queue (for its dead-letter queue, if it has one), and is not read again
   * by this process. So does that of one which is archived, or may not be read. With AWS out of reach this ends.
   * @throws AwsError, SourceError: what ends it, of which nothing is said yet
   */
  async failed(object: LogObject, error: Error): Promise<void> {
    const item = this.#take(object);
    if (item === undefined) return;
    if (isDenied(error)) this.#denied.add(item);
    if (!isOfObject(error) || this.#denied.isEverything) {
      this.#fail(error);
      throw error;
    }
    if (error instanceof RecordsNotSentError) {
      // It is for another attempt: its message is let go, and not taken again at once.
      const ending = new SourceError(`${object.name}: ${error.message}; its message stays in the queue`, {
        cause: error,
      });
      this.#fail(ending);
      throw ending;
    }
    if (hasVanished(error)) this.vanished++;
    else {
      if (!(error instanceof AwsError)) this.#wasRead();
      for (const held of item.holders) held.damaged = true;
    }
    // Their messages stay in the queue in any case: nothing waits for the verdict.
    this.#denied.take();
    this.#done(item);
  }

  #wasRead(): void {
    this.#denied.read();
    this.#denied.take();
  }

  async *#receive(signal: AbortSignal): AsyncGenerator<Item> {
    const seconds = this.#options.visibilitySeconds ?? VISIBILITY_SECONDS;
    while (!signal.aborted) {
      const items: Item[] = [];
      for (const message of await this.#queue.receive(seconds, signal)) items.push(...this.#read(message));
      for (const { octets } of items) {
        this.found.objects++;
        this.found.storedOctets += octets ?? 0;
      }
      const time = ({ key }: Item): number => timeOfName(key) ?? Number.NEGATIVE_INFINITY;
      yield* items.sort((a, b) => (time(a) === time(b) ? 0 : time(a) < time(b) ? -1 : 1));
    }
  }

  /** The objects that a message announces. It is held from now on, or left, or deleted where it announces none. */
  #read(message: QueueMessage): Item[] {
    if (this.#left.has(message.id)) return [];
    const known = this.#held.get(message.id);
    if (known !== undefined) {
      known.message = message;
      return [];
    }
    if (this.#finished.has(message.id)) {
      this.#delete(message);
      return [];
    }
    const announcement = readAnnouncement(message.body);
    if (announcement.kind === 'foreign') {
      this.#leaveForeign(message, announcement.why);
      return [];
    }
    const objects = announcement.kind === 'test' ? [] : announcement.objects;
    const other = objects.find(({ key }) => isOtherService(key));
    if (other !== undefined) {
      this.#leaveForeign(message, `${other.key} is no flow log`);
      return [];
    }
    const held: Held = { message, remaining: objects.length, damaged: false };
    this.#held.set(message.id, held);
    if (objects.length === 0) this.#finish(held);
    return objects.flatMap((object) => this.#hold(object, held));
  }

  /** @returns the object, if it does not wait already */
  #hold(object: AnnouncedObject, held: Held): Item[] {
    const identity = identityOf(object);
    const waiting = identity && this.#items.get(identity);
    if (waiting) {
      waiting.holders.push(held);
      return [];
    }
    const item = { ...object, holders: [held] };
    if (identity !== undefined) this.#items.set(identity, item);
    return [item];
  }

  #leaveForeign({ id }: QueueMessage, why: string): void {
    this.foreignMessages++;
    remember(this.#left, id);
    if (this.#saidForeign) return;
    this.#saidForeign = true;
    this.#options.onNotice(
      `${this.#options.queue}: message ${id} is left in the queue: ${why}; further ones are counted only`,
    );
  }

  #place({ bucket, region, key, octets }: AnnouncedObject) {
    const known = this.#buckets.get(bucket) ?? new S3Bucket(this.#options.clients, bucket, region);
    this.#buckets.set(bucket, known);
    return { bucket: known, key, octets };
  }

  #take(object: LogObject): Item | undefined {
    const item = this.#handedOver.get(object);
    this.#handedOver.delete(object);
    return item;
  }

  #done(item: Item): void {
    const identity = identityOf(item);
    if (identity !== undefined) this.#items.delete(identity);
    for (const held of item.holders) {
      held.remaining--;
      if (held.remaining === 0) this.#finish(held);
    }
  }

  #finish(held: Held): void {
    const { message } = held;
    this.#held.delete(message.id);
    if (held.damaged) {
      this.damagedMessages++;
      remember(this.#left, message.id);
      return;
    }
    remember(this.#finished, message.id);
    this.#delete(message);
  }

  #delete({ receipt }: QueueMessage): void {
    this.#undeleted.push(receipt);
    this.#deleting ??= this.#deleteAll();
  }

  /** Deletes what is done, several at a time, until nothing is. */
  async #deleteAll(): Promise<void> {
    // What is done in the same turn goes along.
    await null;
    try {
      while (this.#undeleted.length > 0) {
        const receipts = this.#undeleted.splice(0, MOST_UNDELETED);
        this.deletedMessages += receipts.length - (await this.#queue.delete(receipts));
      }
    } catch (error) {
      this.#fail(error as Error);
      this.#options.onNotice(
        `${this.#options.queue}: messages that are exported could not be deleted, and will come again: ` +
          (error as Error).message,
      );
    } finally {
      this.#deleting = undefined;
    }
  }

  /** Never throws: an error is said where objects are taken next. */
  async #keepHidden(signal: AbortSignal): Promise<void> {
    const seconds = this.#options.visibilitySeconds ?? VISIBILITY_SECONDS;
    try {
      for (;;) {
        await sleep((seconds * 1000) / 3, undefined, { signal });
        await this.#queue.hide(
          [...this.#held.values()].map(({ message }) => message.receipt),
          seconds,
          signal,
        );
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    this.#fatal ??= error;
    this.#ended.abort();
  }

  /** At the end: what is done is deleted, what is not is for others. */
  async #letGo(): Promise<void> {
    await this.#deleting;
    const receipts = [...this.#held.values()].map(({ message }) => message.receipt);
    this.#held.clear();
    try {
      await this.#queue.hide(receipts, 0, AbortSignal.timeout(RELEASE_MILLISECONDS));
    } catch (error) {
      const { message } = error as Error;
      this.#options.onNotice(
        `${this.#options.queue}: ${receipts.length} messages stay hidden until their time is over: ${message}`,
      );
    }
  }
}

/** Puts it in, and the oldest out where they are too many. */
function remember(messages: Set<string>, id: string): void {
  messages.add(id);
  if (messages.size <= MOST_REMEMBERED) return;
  const [oldest] = messages;
  messages.delete(oldest!);
}
