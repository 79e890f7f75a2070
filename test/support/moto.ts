/** AWS on loopback: moto_server, where it is installed. Tests skip, and say so, where it is not. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hasProgram } from './programs.ts';

/** What a test's `skip` says; false: moto_server is there. */
export const noMoto: string | false = hasProgram('moto_server')
  ? false
  : 'moto_server is not installed (pip install "moto[server]")';

/** The account that moto plays. */
export const MOTO_ACCOUNT = '123456789012';

/** What the SDK demands before it sends anything. moto looks at none of it, but the region. */
export const MOTO_ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  AWS_REGION: 'eu-west-1',
  // The SDK looks for a role of the instance where all else fails.
  AWS_EC2_METADATA_DISABLED: 'true',
} as const;

export interface Moto {
  /** `http://127.0.0.1:PORT`: the endpoint of every service. */
  readonly endpoint: string;
  readonly port: number;
  /** Forgets everything: the state at the start. */
  reset(): Promise<void>;
  /** Ends the server. Resolves when it is gone. */
  stop(): Promise<void>;
}

/** Starts a server of one's own, and sets this process's environment for the SDK ({@link MOTO_ENVIRONMENT}). */
export async function startMoto(): Promise<Moto> {
  Object.assign(process.env, MOTO_ENVIRONMENT);
  // These go before the keys.
  for (const name of ['AWS_PROFILE', 'AWS_ENDPOINT_URL']) delete process.env[name];
  const server = spawn('moto_server', ['-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own: a shim may stand between, and must not outlive it.
    detached: true,
  });
  const end = (): void => signalGroup(server, 'SIGKILL');
  process.once('exit', end);
  const port = await portOf(server);
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    port,
    reset: async () => {
      const answer = await fetch(`${endpoint}/moto-api/reset`, { method: 'POST' });
      if (!answer.ok) throw new Error(`moto_server: reset: ${answer.status}`);
    },
    stop: async () => {
      process.removeListener('exit', end);
      if (server.exitCode !== null || server.signalCode !== null) return;
      const gone = once(server, 'exit');
      // It keeps nothing, and would wait for long polls that nobody is waiting for any more.
      signalGroup(server, 'SIGKILL');
      await gone;
    },
  };
}

function signalGroup(server: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-server.pid!, signal);
  } catch {
    server.kill(signal); // gone, or no group was made
  }
}

/** The port that it says on standard error. */
async function portOf(server: ChildProcess): Promise<number> {
  let said = '';
  return await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`moto_server ended (${code}): ${said}`)));
    // It goes on logging requests there: read on, so that the pipe never fills.
    server.stderr!.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 10_000) said += text;
      const port = /Running on http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
}
