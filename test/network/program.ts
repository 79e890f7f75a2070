/** What the network's tests share: programs in namespaces whose output is JSON lines, Weir among them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { loadRingAddon } from '../../src/capture/ring-addon.ts';
import { createLab, type Lab, type LabNamespace, labProblem } from '../../src/cli/demo/lab.ts';

const INSIDE = fileURLToPath(new URL('./inside.js', import.meta.url));
const MAIN = fileURLToPath(new URL('../../bundle/weir/main.js', import.meta.url));
/** Not the test runner's own loaders and settings. */
const { PATH } = process.env;
const env = { PATH };
const WAIT_MILLISECONDS = 15_000;

/** For a test's `skip`. */
export const noLiveCapture = ((): string | false => {
  const lab = labProblem();
  if (lab !== undefined) return `no network namespaces: ${lab}`;
  try {
    loadRingAddon();
  } catch (error) {
    return (error as Error).message;
  }
  return false;
})();

/** A line of JSON; what lines of interest have in common is named. */
export interface Line {
  readonly msg?: string;
  readonly port?: number;
  readonly kind?: string;
  readonly text?: string;
  readonly first?: number;
  readonly collector?: string;
  readonly records?: number;
  readonly meteredPackets?: number;
  readonly meteredOctets?: number;
  readonly notSentRecords?: Readonly<Record<string, number>>;
  readonly [name: string]: unknown;
}

/** Starts what follows as an ordinary user with these capabilities (`+net_raw`), or none, and no way to more. */
export function asNobody(...capabilities: string[]): string[] {
  const sets = ['inh-caps', 'ambient-caps', 'bounding-set'].map(
    (set) => `--${set}=${['-all', ...capabilities].join(',')}`,
  );
  // Nor may it write what the test runner asks of every Node.js program.
  return [
    'env',
    '-i',
    `PATH=${PATH}`,
    'setpriv',
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    ...sets,
    '--no-new-privs',
  ];
}

/** Deletes the router's interface to the client and makes it again: same name and address, another index. */
export async function remakeToClient({ router, client, addresses }: Lab): Promise<void> {
  await router.run(['ip', 'link', 'delete', 'to-client']);
  const pair = ['eth0', 'type', 'veth', 'peer', 'name', 'to-client', 'netns', router.name];
  await client.run(['ip', 'link', 'add', ...pair]);
  await router.run(['ip', 'address', 'add', `${addresses.toClient.ipv4}/24`, 'dev', 'to-client']);
  await router.run(['ip', 'link', 'set', 'to-client', 'up']);
  await client.run(['ip', 'address', 'add', `${addresses.client.ipv4}/24`, 'dev', 'eth0']);
  await client.run(['ip', 'link', 'set', 'eth0', 'up']);
  await client.run(['ip', 'route', 'add', 'default', 'via', addresses.toClient.ipv4]);
}

/** A lab that ends with the test. */
export async function labFor(t: Test): Promise<Lab> {
  const lab = await createLab({ prefix: 'weir-net' });
  t.teardown(() => lab.close());
  return lab;
}

/** A program that runs, and its lines: those of standard output, and of standard error if it is Weir. */
export class Program {
  readonly lines: Line[] = [];
  readonly log: Line[] = [];
  readonly child: ChildProcess;
  readonly closed: Promise<number | null>;
  #wake: () => void = () => undefined;

  /** @param namespace undefined: none of its own; the caller then ends it */
  constructor(namespace: LabNamespace | undefined, argv: readonly string[]) {
    const options = { env, stdio: ['pipe', 'pipe', 'pipe'] as ('pipe' | 'pipe' | 'pipe')[] };
    this.child = namespace?.spawn(argv, options) ?? spawn(argv[0]!, argv.slice(1), options);
    for (const [stream, lines] of [
      [this.child.stdout!, this.lines],
      [this.child.stderr!, this.log],
    ] as const) {
      createInterface(stream).on('line', (line) => {
        lines.push(line.startsWith('{') || line.startsWith('[') ? JSON.parse(line) : { text: line });
        this.#wake();
      });
    }
    this.closed = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code) => {
        resolve(code);
        this.#wake();
      });
    });
  }

  /** Resolves when `found` finds something in what the program has said; rejects when it ends without, or takes too long. */
  async until<T>(
    what: string,
    found: (program: this) => T | undefined | false,
    withinMilliseconds = WAIT_MILLISECONDS,
  ): Promise<T> {
    const deadline = performance.now() + withinMilliseconds;
    for (;;) {
      const result = found(this);
      if (result !== undefined && result !== false) return result;
      const left = deadline - performance.now();
      if (left <= 0 || this.child.exitCode !== null || this.child.signalCode !== null) {
        const said = JSON.stringify([...this.lines.slice(-3), ...this.log.slice(-5)]);
        throw new Error(`waited in vain for ${what}; the last lines are ${said}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The first line of the log whose message begins so, from a place in the log on. */
  said(message: string, from = 0): Promise<Line> {
    return this.until(`the log's "${message}"`, ({ log }) =>
      log.slice(from).find(({ msg }) => msg?.startsWith(message)),
    );
  }

  /** Asks it to end. @returns its exit code, and how long it took */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ code: number | null; milliseconds: number }> {
    const from = performance.now();
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), WAIT_MILLISECONDS);
    const code = await this.closed;
    clearTimeout(timer);
    return { code, milliseconds: performance.now() - from };
  }
}

/** Starts one of inside.ts's kinds. */
export function inside(namespace: LabNamespace, kind: string, ...args: (string | number)[]): Program {
  return new Program(namespace, [process.execPath, INSIDE, kind, ...args.map(String)]);
}

/** Starts a server of inside.ts and waits for its port. */
export async function server(
  namespace: LabNamespace,
  kind: string,
  ...args: (string | number)[]
): Promise<{ program: Program; port: number }> {
  const program = inside(namespace, kind, ...args);
  const port = await program.until('the port', ({ lines }) => lines[0]?.port);
  return { program, port };
}

/** Runs one of inside.ts's kinds to its end; its first line. */
export async function once(
  namespace: LabNamespace,
  kind: string,
  ...args: (string | number)[]
): Promise<Line> {
  const program = inside(namespace, kind, ...args);
  const code = await program.closed;
  if (code !== 0) throw new Error(`${kind} ended with ${code}: ${JSON.stringify(program.log)}`);
  return program.lines[0]!;
}

/** `weir run` on these interfaces in a namespace, capturing. */
export class WeirRun extends Program {
  readonly #namespace: LabNamespace;
  #url = '';

  private constructor(
    namespace: LabNamespace,
    command: readonly string[],
    interfaces: readonly string[],
    flags: readonly string[],
  ) {
    const where = interfaces.flatMap((name) => ['-i', name]);
    super(namespace, [...command, 'run', ...where, '--metrics', '127.0.0.1:0', ...flags]);
    this.#namespace = namespace;
  }

  static start(namespace: LabNamespace, interfaces: readonly string[], ...flags: string[]): Promise<WeirRun> {
    return WeirRun.startWith(MAIN, namespace, interfaces, ...flags);
  }

  /** Starts another program that takes weir's arguments. */
  static startWith(
    main: string,
    namespace: LabNamespace,
    interfaces: readonly string[],
    ...flags: string[]
  ): Promise<WeirRun> {
    return WeirRun.#begin([process.execPath, main], namespace, interfaces, flags);
  }

  /** @param launcher a command that starts the command that follows it */
  static startBy(
    launcher: readonly string[],
    namespace: LabNamespace,
    interfaces: readonly string[],
    ...flags: string[]
  ): Promise<WeirRun> {
    return WeirRun.#begin([...launcher, process.execPath, MAIN], namespace, interfaces, flags);
  }

  static async #begin(
    command: readonly string[],
    namespace: LabNamespace,
    interfaces: readonly string[],
    flags: readonly string[],
  ): Promise<WeirRun> {
    const weir = new WeirRun(namespace, command, interfaces, flags);
    const { metrics } = await weir.said('capturing');
    weir.#url = String(metrics).replace(/\/metrics$/, '');
    return weir;
  }

  async get(path: string): Promise<{ status: number; body: string }> {
    const { status, body } = await once(this.#namespace, 'get', this.#url + path);
    return { status: Number(status), body: String(body) };
  }

  async metrics(): Promise<Metrics> {
    return new Metrics((await this.get('/metrics')).body);
  }

  /** Scrapes until the condition holds. */
  async metricsUntil(what: string, holds: (metrics: Metrics) => boolean): Promise<Metrics> {
    const deadline = performance.now() + WAIT_MILLISECONDS;
    for (;;) {
      const metrics = await this.metrics();
      if (holds(metrics)) return metrics;
      if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    }
  }
}

/** One scrape. */
export class Metrics {
  readonly text: string;
  readonly #samples: { readonly name: string; readonly labels: string; readonly value: number }[];

  constructor(text: string) {
    this.text = text;
    this.#samples = text
      .split('\n')
      .map((line) => /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line))
      .filter((match) => match !== null)
      .map(([, name, labels, value]) => ({ name: name!, labels: labels ?? '', value: Number(value) }));
  }

  /** Adds up a metric's samples whose labels contain all of these. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const named = this.#samples.filter((sample) => sample.name === name);
    if (named.length === 0) throw new Error(`there is no metric ${name}`);
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    return named
      .filter((sample) => wanted.every((label) => `,${sample.labels},`.includes(`,${label},`)))
      .reduce((sum, { value }) => sum + value, 0);
  }
}

/** Holds a scrape to the two identities of conservation, in packets and in IP octets. */
export function conserves(t: Test, metrics: Metrics, collectors: readonly string[]): void {
  for (const unit of ['packets', 'bytes']) {
    const metered = metrics.sum(`weir_metered_${unit}_total`);
    t.equal(
      metrics.sum(`weir_captured_${unit}_total`),
      metered + metrics.sum(`weir_ignored_${unit}_total`),
      `captured ${unit} = metered + ignored`,
    );
    for (const collector of collectors) {
      const of = { collector };
      t.equal(
        metrics.sum(`weir_collector_sent_${unit}_total`, of) +
          metrics.sum(`weir_collector_queued_${unit}`, of) +
          metrics.sum(`weir_flow_table_${unit}`) +
          metrics.sum(`weir_collector_balanced_away_${unit}_total`, of) +
          metrics.sum(`weir_collector_not_sent_${unit}_total`, of),
        metered,
        `sent + queued + in the table + balanced away + not sent = metered ${unit}, for ${collector}`,
      );
    }
  }
}

export interface FlowLine {
  readonly packetDeltaCount?: number;
  readonly octetDeltaCount?: number;
  readonly [name: string]: string | number | undefined;
}

/** A line of inside.ts's collector. */
export interface Received {
  readonly version: number;
  readonly source: { readonly address: string; readonly port: number };
  readonly domain: number;
  readonly record: FlowLine;
}

export function received(collector: Program): Received[] {
  return collector.lines.filter((line) => 'record' in line) as unknown as Received[];
}

/** Adds up the records that have all of these values. */
export function total(records: readonly FlowLine[], pattern: FlowLine): { packets: number; octets: number } {
  const sum = { packets: 0, octets: 0 };
  for (const record of records) {
    if (!Object.entries(pattern).every(([name, value]) => record[name] === value)) continue;
    sum.packets += Number(record.packetDeltaCount);
    sum.octets += Number(record.octetDeltaCount);
  }
  return sum;
}
