/**
 * How `weir router status`, `release` and `resume` reach the router that runs: HTTP over a Unix socket, which whoever may
 * write to its folder can use, and nobody from outside of the machine.
 */
import { once } from 'node:events';
import { mkdirSync, unlinkSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { RouterError } from './wait.ts';

export type ControlCommand = 'status' | 'release' | 'resume';

const TIMEOUT_MILLISECONDS = 20_000;
const MOST_OCTETS = 16 * 1024 * 1024;

/** What a command answers with: something for JSON. One that cannot be done rejects. */
export type ControlHandler = (command: ControlCommand) => Promise<unknown>;

export class ControlServer {
  readonly #path: string;
  readonly #server: Server;

  constructor(path: string, handle: ControlHandler) {
    this.#path = path;
    this.#server = createServer((asked, response) => {
      asked.resume();
      const answer = (status: number, value: unknown) => {
        response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' });
        response.end(`${JSON.stringify(value)}\n`);
      };
      const command = (asked.url ?? '').slice(1);
      const isKnown = command === 'status' || command === 'release' || command === 'resume';
      if (!isKnown || asked.method !== (command === 'status' ? 'GET' : 'POST'))
        return answer(404, { error: 'there are GET /status, POST /release and POST /resume' });
      handle(command).then(
        (value) => answer(200, value),
        (error) =>
          answer(409, {
            error: error instanceof Error ? error.message : String(error),
            hint: error instanceof RouterError ? error.hint : undefined,
          }),
      );
    });
  }

  /**
   * Listens. A socket that a killed router has left behind is replaced.
   * @throws RouterError where another router runs, or the folder cannot be written to
   */
  async start(): Promise<void> {
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      if (await isAnswering(this.#path))
        throw new RouterError(
          `another weir router runs on this machine and listens at ${this.#path}`,
          'a second one takes a socket of its own: --control PATH',
        );
      remove(this.#path);
      this.#server.listen(this.#path);
      await once(this.#server, 'listening');
    } catch (error) {
      if (error instanceof RouterError) throw error;
      throw new RouterError(
        `the control socket ${this.#path} cannot be made: ${(error as Error).message}`,
        'give a path in a folder that Weir may write to: --control PATH',
        error,
      );
    }
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

/**
 * Asks the router that listens at a socket.
 * @throws RouterError where none does, or what it refuses
 */
export async function askRouter(path: string, command: ControlCommand): Promise<unknown> {
  const { status, body } = await new Promise<{ status: number; body: string }>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => reject(whyNoAnswer(path, error));
    const asked = request(
      {
        socketPath: path,
        path: `/${command}`,
        method: command === 'status' ? 'GET' : 'POST',
        agent: false,
        signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
          if (text.length > MOST_OCTETS) response.destroy(new Error('its answer does not end'));
        });
        response.once('error', fail);
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    asked.once('error', fail);
    asked.end();
  });
  const value = JSON.parse(body) as unknown;
  if (status === 200) return value;
  const { error, hint } = value as { error?: string; hint?: string };
  throw new RouterError(error ?? `the router answers ${status}`, hint);
}

function whyNoAnswer(path: string, error: NodeJS.ErrnoException): RouterError {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new RouterError(
        `no weir router listens at ${path}`,
        'systemctl status weir-router; another path is given with --control, or by --config FILE',
        error,
      );
    case 'EACCES':
      return new RouterError(`${path} may not be used by this user`, 'sudo weir router …', error);
    default:
      return new RouterError(`the router at ${path} does not answer: ${error.message}`, undefined, error);
  }
}

function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
