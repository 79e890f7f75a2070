/** Real traffic through the lab's router, from two plain Node scripts: a server's and a client's. */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Lab, LabNamespace } from './lab.ts';

/** What a worker tells its parent over the IPC channel. */
export type WorkerMessage =
  /** Its sockets are open, or its traffic has begun. */
  | { readonly kind: 'ready' }
  /** Something that the machine lacks. */
  | { readonly kind: 'note'; readonly text: string }
  /** Something that ought to work within the lab, and did not. */
  | { readonly kind: 'problem'; readonly text: string };

/** The server's ports. Inside its namespace they are free, whatever runs on the machine. */
export const HTTP_PORT = 80;
export const DNS_PORT = 53;
export const STREAM_PORT = 5004;
/** Nobody listens there. */
export const CLOSED_UDP_PORT = 33_434;
export const SCANNED_PORTS = { first: 1000, count: 100 } as const;

export interface TrafficOptions {
  readonly onNote: (text: string) => void;
  /** May come as often as the traffic: who logs it limits its rate. */
  readonly onProblem: (text: string) => void;
}

export interface Traffic {
  /** Ends the workers and what they have started. Idempotent. */
  stop(): Promise<void>;
}

/** Octets of a worker's standard error that are kept, for the message that says why it died. */
const KEPT_ERROR_OCTETS = 2000;

/** Resolves when the traffic flows. Rejects, with everything ended, where a worker cannot start. */
export async function startTraffic(lab: Lab, options: TrafficOptions): Promise<Traffic> {
  const workers: Worker[] = [];
  const start = async (namespace: LabNamespace, script: string, ...args: string[]) => {
    const worker = new Worker(namespace, script, args, options);
    workers.push(worker);
    await worker.ready;
  };
  const stop = async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
  };
  try {
    await start(lab.server, 'traffic-server.js');
    await start(lab.client, 'traffic-client.js', lab.addresses.server.ipv4, lab.addresses.server.ipv6);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

class Worker {
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #stopping = false;

  constructor(namespace: LabNamespace, script: string, args: string[], options: TrafficOptions) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    // A group of its own: Ctrl-C in the terminal is for the demo, which ends its workers itself.
    this.#child = namespace.spawn([process.execPath, path, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true,
    });
    let errors = '';
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-KEPT_ERROR_OCTETS);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve());
      this.#child.once('close', () => resolve());
    });
    this.ready = new Promise((resolve, reject) => {
      this.#child.on('message', (message: WorkerMessage) => {
        if (message.kind === 'ready') resolve();
        else if (message.kind === 'note') options.onNote(message.text);
        else options.onProblem(message.text);
      });
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        const problem = `${script} ended with ${signal ?? `status ${code}`}${errors === '' ? '' : `: ${errors.trim()}`}`;
        reject(new Error(problem));
        if (!this.#stopping) options.onProblem(problem);
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}
