/** A proxy on loopback in front of moto_server that answers in its place, late, or by half. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface SeenRequest {
  readonly method: string;
  /** Decoded path. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** `X-Amz-Target` of JSON services: `AmazonSQS.ReceiveMessage`; empty for S3. */
  readonly target: string;
  readonly body: string;
}

export type Fault =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body: string;
    }
  /** The real answer, but the connection is cut after so many octets of its body. */
  | { readonly kind: 'cut'; readonly octets: number }
  /** Passed on with more at the end of its query. */
  | { readonly kind: 'ask'; readonly more: string }
  | { readonly kind: 'delay'; readonly milliseconds: number }
  | { readonly kind: 'reset' };

export interface FaultProxy {
  readonly endpoint: string;
  readonly seen: SeenRequest[];
  /** The most requests at a time. */
  readonly concurrent: { now: number; most: number };
  /** Asked at each request; undefined: passed on. */
  fault: (seen: SeenRequest) => Fault | undefined | Promise<Fault | undefined>;
  stop(): Promise<void>;
}

/** An error as S3 writes it. */
export function s3Fault(
  status: number,
  code: string,
  message = code,
  headers: Record<string, string> = {},
): Fault {
  return {
    kind: 'answer',
    status,
    headers: { 'content-type': 'application/xml', ...headers },
    body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  };
}

/** An error as SQS and the like write it. */
export function jsonFault(status: number, code: string, message = code): Fault {
  return {
    kind: 'answer',
    status,
    headers: { 'content-type': 'application/x-amz-json-1.0' },
    body: JSON.stringify({ __type: `com.amazonaws#${code}`, message }),
  };
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const server = createServer((incoming, outgoing) => {
    void handle(incoming, outgoing).catch(() => outgoing.destroy());
  });
  const proxy: { -readonly [Key in keyof FaultProxy]: FaultProxy[Key] } = {
    endpoint: '',
    seen: [],
    concurrent: { now: 0, most: 0 },
    fault: () => undefined,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const url = new URL(incoming.url!, 'http://x');
    const seen: SeenRequest = {
      method: incoming.method!,
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: incoming.headers,
      target: String(incoming.headers['x-amz-target'] ?? ''),
      body: body.toString('utf8'),
    };
    proxy.seen.push(seen);
    proxy.concurrent.most = Math.max(proxy.concurrent.most, ++proxy.concurrent.now);
    outgoing.once('close', () => proxy.concurrent.now--);
    const fault = await proxy.fault(seen);
    if (fault?.kind === 'answer') {
      outgoing.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    if (fault?.kind === 'reset') {
      incoming.socket.resetAndDestroy();
      return;
    }
    if (fault?.kind === 'delay') await sleep(fault.milliseconds);
    if (fault?.kind === 'ask') incoming.url += fault.more;
    await pass(incoming, body, outgoing, fault?.kind === 'cut' ? fault.octets : undefined);
  }

  async function pass(
    incoming: IncomingMessage,
    body: Buffer,
    outgoing: ServerResponse,
    cutAfter: number | undefined,
  ): Promise<void> {
    const onward = request(target + incoming.url, { method: incoming.method!, headers: incoming.headers });
    // A long poll that nobody waits for any more would take the message all the same.
    outgoing.once('close', () => onward.destroy());
    onward.end(body);
    const [answer] = (await once(onward, 'response')) as [IncomingMessage];
    outgoing.writeHead(answer.statusCode!, answer.headers);
    let left = cutAfter ?? Number.POSITIVE_INFINITY;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (chunk.length >= left) {
        outgoing.write(chunk.subarray(0, left), () => outgoing.destroy());
        return;
      }
      left -= chunk.length;
      outgoing.write(chunk);
    }
    outgoing.end();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}
