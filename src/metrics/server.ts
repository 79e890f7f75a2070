/**
 * The metrics and the health over HTTP.
 *
 *   /metrics  the registry, in Prometheus's text format
 *   /healthz  200 while the program runs
 *   /readyz   200 while packets are captured on every interface, else 503; where nothing is captured, always 200; in JSON what each interface and each
 *             collector is doing. A collector that fails does not make Weir unready: metering goes on, and what is
 *             not sent is counted. To restart Weir would only lose what it holds.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CaptureMetrics, CollectorMetrics } from './sources.ts';

export interface MetricsServerOptions {
  readonly address: string;
  /** 0: the kernel chooses. */
  readonly port: number;
  readonly registry: { readonly contentType: string; metrics(): Promise<string> };
  /** Undefined: nothing is captured. */
  readonly captures?: readonly Pick<CaptureMetrics, 'interface' | 'capturing'>[] | undefined;
  readonly collectors: readonly Pick<CollectorMetrics, 'url' | 'state'>[];
  readonly workers?: { readonly running: number; readonly each: readonly unknown[] } | undefined;
  /** What /readyz says of another program than `weir run`. */
  readonly readiness?: (() => { readonly ready: boolean }) | undefined;
  /** A request, and an answer that is not read, end after this time. */
  readonly timeoutMilliseconds?: number | undefined;
}

const TIMEOUT_MILLISECONDS = 5_000;
const MAX_CONNECTIONS = 16;
const MAX_HEADER_OCTETS = 8_192;
const MAX_SCRAPES = 4;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = 'text/plain; charset=utf-8';

export class MetricsServer {
  readonly #options: MetricsServerOptions;
  readonly #server: Server;
  #scrapes = 0;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    const timeout = options.timeoutMilliseconds ?? TIMEOUT_MILLISECONDS;
    this.#server = createServer(
      {
        headersTimeout: timeout,
        requestTimeout: timeout,
        keepAliveTimeout: timeout,
        connectionsCheckingInterval: Math.min(timeout, 1_000),
        maxHeaderSize: MAX_HEADER_OCTETS,
      },
      (request, response) => void this.#respond(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.setTimeout(timeout, (socket) => socket.destroy());
  }

  /**
   * Listens.
   * @returns the bound address and port
   * @throws Error with a sentence for the operator, where the address cannot be had
   */
  async start(): Promise<{ readonly address: string; readonly port: number }> {
    const { address, port } = this.#options;
    this.#server.listen(port, address);
    try {
      await once(this.#server, 'listening');
    } catch (error) {
      throw new Error(explain(error as NodeJS.ErrnoException, address, port));
    }
    const bound = this.#server.address() as AddressInfo;
    return { address: bound.address, port: bound.port };
  }

  /** Closes every connection at once. Idempotent. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume(); // a body is read and thrown away
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      end(response, { status: 405, type: TEXT, body: 'only GET and HEAD\n' });
      return;
    }
    end(response, await this.#answer((request.url ?? '').split('?', 1)[0]!));
  }

  async #answer(path: string): Promise<Answer> {
    if (path === '/metrics') return this.#metrics();
    if (path === '/healthz') return { status: 200, type: TEXT, body: 'ok\n' };
    if (path === '/readyz') return this.#readiness();
    return { status: 404, type: TEXT, body: 'there are /metrics, /healthz and /readyz\n' };
  }

  async #metrics(): Promise<Answer> {
    if (this.#scrapes === MAX_SCRAPES) {
      return { status: 503, type: TEXT, body: `${MAX_SCRAPES} scrapes are under way, try again\n` };
    }
    this.#scrapes++;
    try {
      const { registry } = this.#options;
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    } catch (error) {
      return { status: 500, type: TEXT, body: `the metrics cannot be read: ${(error as Error).message}\n` };
    } finally {
      this.#scrapes--;
    }
  }

  #readiness(): Answer {
    const own = this.#options.readiness?.();
    if (own !== undefined) return readyAnswer(own.ready, own);
    const captures = this.#options.captures?.map((one) => ({
      interface: one.interface,
      capturing: one.capturing,
    }));
    const collectors = this.#options.collectors.map(({ url, state }) => ({ collector: url, state }));
    const { workers } = this.#options;
    // While one is replaced, the kernel gives its packets to those that are left.
    const threads = workers && { workers: { running: workers.running, of: workers.each.length } };
    const ready =
      captures === undefined || (captures.length > 0 && captures.every(({ capturing }) => capturing));
    return readyAnswer(ready, { ready, captures, collectors, ...threads });
  }
}

function readyAnswer(ready: boolean, value: unknown): Answer {
  return { status: ready ? 200 : 503, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

function end(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  response.end(body);
}

function explain(error: NodeJS.ErrnoException, address: string, port: number): string {
  const where = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const instead = 'choose another with --metrics ADDRESS:PORT, or --metrics off';
  switch (error.code) {
    case 'EADDRINUSE':
      return `the metrics' address ${where} is in use by another program; ${instead}`;
    case 'EADDRNOTAVAIL':
      return `the metrics' address ${where} is none of this machine; ${instead}`;
    case 'EACCES':
      return `the metrics' address ${where} needs more rights than Weir has; ${instead}`;
    default:
      return `the metrics' address ${where} cannot be had (${error.message}); ${instead}`;
  }
}
