/**
 * In front of moto_server: what it cannot play. It tells routes to interfaces that are gone as blackholes, throttles, denies
 * and delays, and writes down who called what.
 */
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Call {
  /** The caller's address. */
  readonly from: string;
  readonly action: string;
  readonly parameters: URLSearchParams;
  readonly status: number;
  readonly at: number;
}

export class Ec2Proxy {
  readonly calls: Call[] = [];
  /** Routes to these interfaces are blackholes. */
  readonly gone = new Set<string>();
  /** `10.0.1.10 ReplaceRoute`: refused as IAM refuses. */
  readonly denied = new Set<string>();
  /** Everything is refused as EC2 refuses who calls too often. */
  isThrottling = false;
  /** Before each answer. */
  delayMilliseconds = 0;

  readonly #server: Server;
  #wake: () => void = () => undefined;

  constructor(motoPort: number) {
    this.#server = createServer(async (asked, response) => {
      const parts: Buffer[] = [];
      for await (const part of asked) parts.push(part as Buffer);
      const body = Buffer.concat(parts);
      const parameters = new URLSearchParams(body.toString());
      const action = parameters.get('Action') ?? '';
      const from = asked.socket.remoteAddress?.replace('::ffff:', '') ?? '';
      const answer = (status: number, text: string) => {
        this.calls.push({ from, action, parameters, status, at: performance.now() });
        setTimeout(() => {
          response.writeHead(status, { 'Content-Type': 'text/xml' });
          response.end(text);
          this.#wake();
          // An answer that is still to come keeps no test from its end.
        }, this.delayMilliseconds).unref();
      };
      if (this.isThrottling) return answer(503, errorXml('RequestLimitExceeded', 'Request limit exceeded.'));
      if (this.denied.has(`${from} ${action}`)) {
        const text = `You are not authorized to perform this operation. User: arn:aws:sts::1:assumed-role/router/i-1 is not authorized to perform: ec2:${action}`;
        return answer(403, errorXml('UnauthorizedOperation', text));
      }
      const forwarded = request(
        { host: '127.0.0.1', port: motoPort, method: asked.method, path: asked.url, headers: asked.headers },
        async (reply) => {
          let text = '';
          for await (const part of reply.setEncoding('utf8')) text += part as string;
          answer(
            reply.statusCode ?? 500,
            action === 'DescribeRouteTables' ? this.#withBlackholes(text) : text,
          );
        },
      );
      forwarded.on('error', (error) => answer(500, errorXml('InternalError', error.message)));
      forwarded.end(body);
    });
  }

  async start(): Promise<number> {
    this.#server.listen(0, '0.0.0.0');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  /** Calls that changed something, of one action, from a place in the list on. */
  done(action: string, from = 0): Call[] {
    return this.calls.slice(from).filter((call) => call.action === action && call.status === 200);
  }

  /** Resolves when the calls show it. */
  async until<T>(what: string, found: () => T | undefined | false, withinMilliseconds = 20_000): Promise<T> {
    const deadline = performance.now() + withinMilliseconds;
    for (;;) {
      const result = found();
      if (result !== undefined && result !== false) return result;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`waited in vain for ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #withBlackholes(xml: string): string {
    let text = xml;
    for (const id of this.gone) {
      // The innermost items are the routes.
      text = text.replaceAll(/<item>(?:(?!<item>)[\s\S])*?<\/item>/g, (item) =>
        item.includes(id) ? item.replace('<state>active</state>', '<state>blackhole</state>') : item,
      );
    }
    return text;
  }
}

function errorXml(code: string, message: string): string {
  return `<?xml version="1.0"?><Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>1</RequestID></Response>`;
}
