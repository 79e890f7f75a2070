/** A bucket: its lists and its objects, read and never changed. Finds the bucket's region by itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AwsClients, S3 } from '../../aws/clients.ts';
import { type AwsAttempt, AwsError, explainAwsError, explaining } from '../../aws/errors.ts';
import { s3Url } from './s3-keys.ts';

export interface ListedObject {
  readonly key: string;
  readonly octets: number;
  /** LastModified, Unix milliseconds. */
  readonly modified: number;
}

/** One page of what lies in a folder. */
export interface Listing {
  readonly objects: readonly ListedObject[];
  /** The folders in it, with their slash. */
  readonly folders: readonly string[];
}

/** A body that breaks off is continued where it broke off; so often an object. */
const CONTINUATIONS = 10;
const FIRST_PAUSE_MILLISECONDS = 100;

interface Part {
  readonly body: AsyncIterable<Uint8Array>;
  /** Of this part. */
  readonly octets: number | undefined;
  readonly entityTag: string | undefined;
}

export class S3Bucket {
  readonly bucket: string;
  /** Bodies that broke off and were continued; what the client repeats it counts itself. */
  continuations = 0;
  readonly #clients: AwsClients;
  #region: string | undefined;

  /** @param region where the bucket lies, if known: it is found out otherwise */
  constructor(clients: AwsClients, bucket: string, region?: string) {
    this.#clients = clients;
    this.bucket = bucket;
    this.#region = region;
  }

  /**
   * What is in a folder, page by page, in the order of the keys.
   * @param prefix a folder with its slash; without: what begins so
   * @throws AwsError
   */
  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<Listing> {
    const attempt = {
      action: 's3:ListBucket',
      resource: `arn:aws:s3:::${this.bucket}`,
      name: s3Url(this.bucket, prefix),
    };
    let token: string | undefined;
    do {
      const page = await this.#send(attempt, ({ sdk, client }) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: this.bucket,
            Prefix: prefix,
            Delimiter: '/',
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          { abortSignal: signal },
        ),
      );
      yield {
        objects: (page.Contents ?? []).map(({ Key, Size, LastModified }) => ({
          key: Key!,
          octets: Size ?? 0,
          modified: LastModified?.getTime() ?? 0,
        })),
        folders: (page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix!),
      };
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  /** An object's octets, as they are stored. @throws AwsError: `no-such-key` where it has vanished */
  async *octets(key: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let at = 0;
    let octets: number | undefined;
    let entityTag: string | undefined;
    for (let failures = 0; ; ) {
      const part = await this.#get(key, at === 0 ? undefined : `bytes=${at}-`, entityTag, signal);
      entityTag ??= part.entityTag;
      octets ??= part.octets;
      let problem: unknown;
      try {
        for await (const chunk of part.body) {
          at += chunk.length;
          yield chunk;
        }
      } catch (error) {
        problem = error;
      }
      if (problem === undefined && (octets === undefined || at === octets)) return;
      signal.throwIfAborted();
      const ended = Object.assign(new Error('the answer ended before its end'), { code: 'ECONNRESET' });
      if (++failures > CONTINUATIONS) throw explainAwsError(problem ?? ended, this.#getting(key));
      this.continuations++;
      await sleep(
        FIRST_PAUSE_MILLISECONDS * 2 ** Math.min(failures - 1, 6) * (0.5 + Math.random() / 2),
        null,
        {
          signal,
        },
      );
    }
  }

  /** A part of an object: from `start` on and before `end`. @throws AwsError */
  async slice(key: string, start: number, end: number, signal: AbortSignal): Promise<ArrayBuffer> {
    const buffer = new Uint8Array(end - start);
    if (buffer.length === 0) return buffer.buffer;
    for (let failures = 0, at = start; ; ) {
      const part = await this.#get(key, `bytes=${at}-${end - 1}`, undefined, signal);
      try {
        for await (const chunk of part.body) {
          buffer.set(chunk, at - start);
          at += chunk.length;
        }
        if (at === end) return buffer.buffer;
        throw Object.assign(new Error('the answer ended before its end'), { code: 'ECONNRESET' });
      } catch (error) {
        signal.throwIfAborted();
        if (++failures > CONTINUATIONS) throw explainAwsError(error, this.#getting(key));
      }
      this.continuations++;
    }
  }

  async #get(
    key: string,
    range: string | undefined,
    entityTag: string | undefined,
    signal: AbortSignal,
  ): Promise<Part> {
    const answer = await this.#send(this.#getting(key), ({ sdk, client }) =>
      client.send(
        new sdk.GetObjectCommand({
          Bucket: this.bucket,
          Key: key,
          ...(range === undefined ? {} : { Range: range }),
          ...(entityTag === undefined ? {} : { IfMatch: entityTag }),
        }),
        { abortSignal: signal },
      ),
    );
    return {
      // In Node the SDK's body is a stream of Node's; its type allows for browsers.
      body: answer.Body as unknown as AsyncIterable<Uint8Array>,
      octets: answer.ContentLength,
      entityTag: answer.ETag,
    };
  }

  #getting(key: string): AwsAttempt {
    return {
      action: 's3:GetObject',
      resource: `arn:aws:s3:::${this.bucket}/${key}`,
      name: s3Url(this.bucket, key),
    };
  }

  /** Sends, and sends again where the bucket lies in another region and the answer names it. */
  async #send<T>(attempt: AwsAttempt, send: (s3: S3) => Promise<T>): Promise<T> {
    const once = async (region: string | undefined): Promise<T> => {
      const s3 = await this.#clients.s3(region);
      return await explaining(attempt, () => send(s3));
    };
    const tried = this.#region;
    try {
      return await once(tried);
    } catch (error) {
      const region = error instanceof AwsError && error.kind === 'wrong-region' ? error.region : undefined;
      if (region === undefined || region === tried) throw error;
      this.#region = region;
      return await once(region);
    }
  }
}
