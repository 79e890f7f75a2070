/**
 * `weir demo`: the whole way at work, on this machine alone.
 *
 *   as root        a client, a router and a server in network namespaces; this process drives real traffic through
 *                  the router, and a child of it in the router's namespace captures, exports, receives and shows
 *   without root   generated traffic takes the same way, in this process
 */
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CommandContext } from '../context.ts';
import { EXIT_FAILED, EXIT_OK } from '../errors.ts';
import { SHOW_CURSOR } from '../flow-table-view.ts';
import { type FromInside, INSIDE_VARIABLE, inside, type ToInside } from './inside.ts';
import { createLab, type Lab, labProblem } from './lab.ts';
import { ReplaySource } from './replay-source.ts';
import { aborted, say, showFlows } from './show-flows.ts';
import { startTraffic, type Traffic } from './traffic.ts';

export interface DemoOptions {
  /** Ends by itself so long after the capture began; undefined: at a signal only. */
  readonly seconds?: number | undefined;
  /** JSON lines even on a terminal. */
  readonly json?: boolean | undefined;
}

/** How long the child may take to export what it has and to end. */
const CHILD_GRACE_MILLISECONDS = 5000;

/** Resolves to the exit code. When it has, nothing of the demo is left: no namespace, interface, process or file. */
export async function demo(context: CommandContext, options: DemoOptions = {}): Promise<number> {
  const json = options.json === true || !context.isTerminal;
  const role = process.env[INSIDE_VARIABLE];
  if (role !== undefined) return inside(context, { json: role === 'json' });

  const ending = new Ending(context.signal, options.seconds);
  try {
    let problem = labProblem();
    // A signal that came while that tried things out is heard only now.
    await nextTurn();
    if (problem === undefined && !ending.signal.aborted) {
      const outcome = await inLab(context, ending, json);
      if (typeof outcome === 'number') return outcome;
      problem = outcome.problem;
    }
    if (ending.signal.aborted) return EXIT_OK;
    return await replay(context, ending, json, problem ?? '');
  } finally {
    ending.dispose();
  }
}

/** When the demo ends: at a signal, or when its time is over. */
class Ending {
  readonly #controller = new AbortController();
  readonly #context: AbortSignal;
  readonly #seconds: number | undefined;
  readonly #abort = () => this.#controller.abort();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: AbortSignal, seconds: number | undefined) {
    this.#context = context;
    this.#seconds = seconds;
    if (context.aborted) this.#abort();
    context.addEventListener('abort', this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The capture has begun: now the time counts. */
  begun(): void {
    if (this.#seconds !== undefined) this.#timer ??= setTimeout(this.#abort, this.#seconds * 1000);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#context.removeEventListener('abort', this.#abort);
  }
}

/** The demo with real traffic. Resolves to the exit code, or to why it could not begin, with nothing left behind. */
async function inLab(
  context: CommandContext,
  ending: Ending,
  json: boolean,
): Promise<number | { readonly problem: string }> {
  say(context, 'Laying out a client, a router and a server in network namespaces …');
  let lab: Lab;
  try {
    lab = await createLab({ prefix: 'weir-demo' });
  } catch (error) {
    // Ctrl-C reaches the commands that lay it out, too.
    await nextTurn();
    return ending.signal.aborted ? EXIT_OK : { problem: text(error) };
  }
  let child: Inside | undefined;
  let traffic: Traffic | undefined;
  // Where the child is killed, it cannot give the cursor back itself.
  const showCursor = () => {
    if (!json) context.stdout.write(SHOW_CURSOR);
  };
  process.once('exit', showCursor);
  try {
    if (ending.signal.aborted) return EXIT_OK;
    const { client, server } = lab.addresses;
    say(
      context,
      `  client ${client.ipv4}, ${client.ipv6}  –  router  –  server ${server.ipv4}, ${server.ipv6}`,
    );
    child = new Inside(context.program, lab, json);
    const failed = await Promise.race([child.capturing, child.ended, aborted(ending.signal)]);
    if (typeof failed === 'string') return { problem: failed };
    ending.begun();
    const { tell } = child;
    if (!ending.signal.aborted && child.isRunning) {
      traffic = await startTraffic(lab, {
        onNote: (note) => tell({ kind: 'note', text: note }),
        onProblem: (problem) => tell({ kind: 'problem', text: problem }),
      });
      await Promise.race([child.ended, aborted(ending.signal)]);
    }
    return await child.stop();
  } catch (error) {
    if (ending.signal.aborted) return EXIT_OK;
    throw error;
  } finally {
    await child?.stop();
    await traffic?.stop();
    await lab.close();
    process.off('exit', showCursor);
    if (child?.wasKilled === true) {
      showCursor();
      context.log.warn('the demo in the router was killed');
    }
  }
}

/** This program once more, in the router's namespace. */
class Inside {
  /** Resolves when packets are being captured, or to why they are not. */
  readonly capturing: Promise<string | undefined>;
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;

  constructor(program: string, lab: Lab, json: boolean) {
    this.#child = lab.router.spawn([process.execPath, program, 'demo'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, [INSIDE_VARIABLE]: json ? 'json' : 'table' },
    });
    this.capturing = new Promise((resolve) => {
      this.#child.on('message', (message: FromInside) => {
        resolve(message.kind === 'failed' ? message.text : undefined);
      });
      this.#child.once('error', (error) => resolve(error.message));
    });
    this.ended = new Promise((resolve) => {
      // Not `exit`: what it had to say has been heard by then.
      this.#child.once('close', () => resolve());
      this.#child.once('error', () => resolve());
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get wasKilled(): boolean {
    return this.#child.signalCode !== null;
  }

  readonly tell = (message: ToInside): void => {
    // A channel that closes at this very moment makes this message as good as said.
    if (this.#child.connected) this.#child.send(message, () => {});
  };

  /** Asks it to end, waits, and insists. Resolves to its exit code. Idempotent. */
  async stop(): Promise<number> {
    this.tell({ kind: 'stop' });
    const insist = setTimeout(() => this.#child.kill('SIGKILL'), CHILD_GRACE_MILLISECONDS);
    await this.ended;
    clearTimeout(insist);
    return this.#child.exitCode ?? EXIT_FAILED;
  }
}

/** The demo without real traffic. */
async function replay(
  context: CommandContext,
  ending: Ending,
  json: boolean,
  problem: string,
): Promise<number> {
  say(context, `No real traffic here: ${problem.replace(/\.$/, '')}.`);
  return showFlows(context, {
    json,
    signal: ending.signal,
    traffic: 'Instead a generated capture is replayed: HTTP, DNS, a call, a download, ping, a scan.',
    makeSources: async () => [
      new ReplaySource({ unixMilliseconds: Date.now, monotonicMilliseconds: () => performance.now() }),
    ],
    onCapturing: () => ending.begun(),
  });
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
