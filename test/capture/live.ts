/** What the live tests share: a lab, captures and traffic inside it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LabNamespace } from '../../src/cli/demo/lab.ts';
import type { Seen, WatchEvent, WatchRequest } from './watch.ts';

const WATCH = fileURLToPath(new URL('./watch.js', import.meta.url));
const TRAFFIC = fileURLToPath(new URL('./traffic.js', import.meta.url));
/** Not the test runner's own loaders and settings. */
const { PATH } = process.env;
const env = { PATH };

/** Runs a kind of traffic (traffic.ts) to its end. */
export function traffic(
  namespace: LabNamespace,
  kind: string,
  ...args: (string | number)[]
): Promise<string> {
  return namespace.run(['env', '-i', process.execPath, TRAFFIC, kind, ...args.map(String)]);
}

/** Starts a server (traffic.ts) and resolves to its port; it ends with the lab. */
export async function serve(namespace: LabNamespace, kind: string, host: string): Promise<number> {
  const child = namespace.spawn([process.execPath, TRAFFIC, kind, host], { env });
  child.stderr?.pipe(process.stderr);
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return Number(line);
}

/** A capture that runs in a namespace. */
export class Watch {
  /** All lines so far, the awaited ones too. */
  readonly events: WatchEvent[] = [];
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;
  private taken = 0;
  private arrived: () => void = () => undefined;

  /** `launcher`: a command that starts the command that follows it. */
  constructor(namespace: LabNamespace, request: WatchRequest, launcher: readonly string[] = []) {
    const argv = [...launcher, process.execPath, WATCH, JSON.stringify(request)];
    this.child = namespace.spawn(argv, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    this.closed = once(this.child, 'close').then(() => this.arrived());
    createInterface(this.child.stdout!).on('line', (line) => {
      this.events.push(JSON.parse(line) as WatchEvent);
      this.arrived();
    });
  }

  /** The next event. Rejects when the capture has ended without one. */
  async next<E extends WatchEvent['event']>(expected: E): Promise<Extract<WatchEvent, { event: E }>> {
    while (this.events.length === this.taken) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error('the capture has ended');
      await new Promise<void>((resolve) => {
        this.arrived = resolve;
      });
    }
    const event = this.events[this.taken++]!;
    if (event.event !== expected) throw new Error(`expected ${expected}, got ${JSON.stringify(event)}`);
    return event as Extract<WatchEvent, { event: E }>;
  }

  /** Ends the capture; what it has seen. */
  async stop(): Promise<Extract<WatchEvent, { event: 'seen' }>> {
    this.child.kill('SIGTERM');
    await this.closed;
    const last = this.events.at(-1);
    if (last?.event !== 'seen') throw new Error(`the capture ended with ${JSON.stringify(last)}`);
    return last;
  }
}

/** Starts a capture and waits until it runs. */
export async function watch(namespace: LabNamespace, request: WatchRequest): Promise<Watch> {
  const started = new Watch(namespace, request);
  await started.next('ready');
  return started;
}

type Total = Pick<Seen, 'frames' | 'packets' | 'payload' | 'giants' | 'gsoSize'>;

/** Adds up what agrees with `pattern`; `from` and `to` need only begin as given. */
export function total(seen: readonly Seen[], pattern: Partial<Seen>): Total {
  const sum = { frames: 0, packets: 0, payload: 0, giants: 0, gsoSize: 0 };
  for (const entry of seen) {
    const agrees = (Object.entries(pattern) as [keyof Seen, string | number][]).every(([key, value]) =>
      key === 'from' || key === 'to' ? `${entry[key]} `.startsWith(`${value} `) : entry[key] === value,
    );
    if (!agrees) continue;
    sum.frames += entry.frames;
    sum.packets += entry.packets;
    sum.payload += entry.payload;
    sum.giants += entry.giants;
    sum.gsoSize = Math.max(sum.gsoSize, entry.gsoSize);
  }
  return sum;
}
