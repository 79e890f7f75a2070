/**
 * Says over HTTP whether this router forwards: 200 where it does, else 503. Of metering it knows nothing: a collector that
 * is away or a `weir run` that is stopped moves no route. For its peers, and for the health checks of load balancers.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { HealthReport } from './health-check.ts';

const TIMEOUT_MILLISECONDS = 5_000;
const MOST_CONNECTIONS = 64;

export class HealthServer {
  readonly #server: Server;

  constructor(report: () => HealthReport) {
    this.#server = createServer(
      { headersTimeout: TIMEOUT_MILLISECONDS, requestTimeout: TIMEOUT_MILLISECONDS, maxHeaderSize: 4_096 },
      (request, response) => {
        request.resume();
        const now = report();
        const isAsked = request.method === 'GET' || request.method === 'HEAD';
        const body = `${JSON.stringify(now)}\n`;
        response.writeHead(isAsked ? (now.forwarding ? 200 : 503) : 405, {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
          'Cache-Control': 'no-store',
          Connection: 'close',
        });
        response.end(body);
      },
    );
    this.#server.setTimeout(TIMEOUT_MILLISECONDS, (socket) => socket.destroy());
    // Of too many the oldest has to go, not the newest: whoever in the VPC holds connections must not keep the peers from
    // asking, for they would take the routes.
    const open = new Set<Socket>();
    this.#server.on('connection', (socket: Socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      if (open.size <= MOST_CONNECTIONS) return;
      const [oldest] = open;
      open.delete(oldest!);
      oldest!.destroy();
    });
  }

  /** Listens. @returns the bound address and port */
  async start(host: string, port: number): Promise<{ readonly address: string; readonly port: number }> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    const { address, port: bound } = this.#server.address() as AddressInfo;
    return { address, port: bound };
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}
