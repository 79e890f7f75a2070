/**
 * The little of S3 that reading a prefix takes (ListObjectsV2, GetObject), on loopback, and as far away as S3 is: every
 * answer takes a while, so a reader that waits for one object before it asks for the next is seen to wait.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const MOST_KEYS = 1000;
const LAST_MODIFIED = '2026-01-01T00:05:00.000Z';

export class ObjectStore {
  readonly #server: Server;
  readonly #objects: ReadonlyMap<string, Buffer>;
  readonly #delayMilliseconds: number;
  /** Objects that were asked for. */
  gets = 0;

  /** @param delayMilliseconds before every answer */
  constructor(objects: ReadonlyMap<string, Buffer>, delayMilliseconds: number) {
    this.#objects = objects;
    this.#delayMilliseconds = delayMilliseconds;
    this.#server = createServer((request, response) => {
      setTimeout(() => this.#answer(request, response), this.#delayMilliseconds);
    });
  }

  /** Resolves with its URL. */
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://store');
    const [, key = ''] = /^\/[^/]*\/(.+)$/.exec(decodeURIComponent(pathname)) ?? [];
    if (key === '') {
      this.#list(searchParams, response);
      return;
    }
    const body = this.#objects.get(key);
    if (body === undefined) {
      const error = '<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>';
      response.writeHead(404, { 'content-type': 'application/xml' }).end(error);
      return;
    }
    const headers = {
      'content-length': body.length,
      'last-modified': new Date(LAST_MODIFIED).toUTCString(),
      etag: '"1"',
    };
    response.writeHead(200, headers);
    if (request.method === 'GET') this.gets++;
    response.end(request.method === 'GET' ? body : undefined);
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? query.get('start-after') ?? '';
    const most = Math.min(MOST_KEYS, Number(query.get('max-keys') ?? MOST_KEYS));
    const matching = [...this.#objects.keys()].sort().filter((key) => key.startsWith(prefix) && key > after);
    const delimiter = query.get('delimiter') ?? '';
    const folders = new Set<string>();
    const keys: string[] = [];
    for (const key of matching) {
      const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      if (end < 0) keys.push(key);
      else folders.add(key.slice(0, end + delimiter.length));
    }
    const page = keys.slice(0, most);
    const isTruncated = keys.length > page.length;
    const contents = page.map(
      (key) =>
        `<Contents><Key>${encoded(key)}</Key><LastModified>${LAST_MODIFIED}</LastModified><ETag>"1"</ETag>` +
        `<Size>${this.#objects.get(key)!.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
    );
    const token = isTruncated
      ? `<NextContinuationToken>${encoded(page.at(-1)!)}</NextContinuationToken>`
      : '';
    const prefixes = [...folders].map(
      (folder) => `<CommonPrefixes><Prefix>${encoded(folder)}</Prefix></CommonPrefixes>`,
    );
    response.writeHead(200, { 'content-type': 'application/xml' });
    response.end(
      '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
        `<Name>bucket</Name><Prefix>${encoded(prefix)}</Prefix><KeyCount>${page.length}</KeyCount>` +
        `<MaxKeys>${most}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>${token}${contents.join('')}` +
        `${prefixes.join('')}</ListBucketResult>`,
    );
  }
}

function encoded(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
