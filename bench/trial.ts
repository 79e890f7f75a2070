/** One trial: a fresh process, what it cost, and what arrived at the collector. */
import { type ChildProcess, spawn } from 'node:child_process';
import { compiled } from './programs.ts';

/** What `measure` says of a process. */
export interface Cost {
  readonly exitCode: number;
  /** The signal that ended it; 0: none. */
  readonly signal: number;
  /** From fork to exit: the start of the runtime is part of it. */
  readonly wallSeconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  /** The kernel's high-water mark of the resident set. */
  readonly peakResidentOctets: number;
}

/** What `receive` has added up. */
export interface Received {
  readonly datagrams: number;
  /** Flow Records; options data are not among them. */
  readonly records: number;
  readonly packets: number;
  readonly octets: number;
  readonly unknownSets: number;
  readonly malformed: number;
  /** NetFlow v5: datagrams whose sequence number is not what came before. */
  readonly gaps: number;
  /** Records by flowEndReason. */
  readonly flowEndReasons: Readonly<Record<string, number>>;
  /** From a record's first packet to its arrival, and from the last packet of a TCP connection that has ended. */
  readonly sinceStart?: Latency;
  readonly sinceEnd?: Latency;
}

/** In milliseconds. */
export interface Latency {
  readonly count: number;
  readonly median: number;
  readonly p99: number;
  readonly most: number;
}

export interface Trial {
  readonly cost: Cost;
  readonly received: Received;
  /** Where the process failed: how, and the end of what it said. */
  readonly failure?: string;
}

/** Starts a process: here, or in a namespace of the lab. */
export type Spawn = (argv: readonly string[]) => ChildProcess;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL'); // what `measure` has started dies with it
});

/** Starts a process that is killed, at the latest, when this one ends. File descriptor 3 is a pipe. */
export function spawnHere(argv: readonly string[]): ChildProcess {
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}

/** Everything that one of the child's pipes says. */
function text(child: ChildProcess, descriptor: 1 | 2 | 3): Promise<string> {
  const stream = child.stdio[descriptor] as NodeJS.ReadableStream;
  return new Promise((resolve, reject) => {
    let all = '';
    stream.setEncoding('utf8');
    stream.on('data', (part: string) => {
      all += part;
    });
    stream.once('end', () => resolve(all));
    stream.once('error', reject);
    child.once('error', reject);
  });
}

/** The process's end, at most `seconds` from now; then it is killed, and this rejects. */
export function ended(child: ChildProcess, seconds: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${child.spawnargs.join(' ')} did not end within ${seconds} s`));
    }, seconds * 1000);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** Runs a command to its end and returns its standard output. @throws Error where it fails */
export async function run(argv: readonly string[], limitSeconds = 120): Promise<string> {
  const child = spawnHere(argv);
  child.stdin!.end();
  const [stdout, stderr] = await Promise.all([text(child, 1), text(child, 2), ended(child, limitSeconds)]);
  if (child.exitCode !== 0) {
    const how = child.signalCode ?? `status ${child.exitCode}`;
    throw new Error(`${argv.join(' ')} ended with ${how}: ${stderr.trim().slice(-2000)}`);
  }
  return stdout;
}

/** The collector of a trial. */
export class Receiver {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #lines: Promise<string>;

  private constructor(child: ChildProcess, port: number, lines: Promise<string>) {
    this.#child = child;
    this.port = port;
    this.#lines = lines;
  }

  /** Beside what is measured for the time that it takes: with a core only where that does not want it. */
  static idle(): Promise<Receiver> {
    return Receiver.#begin(spawnHere([compiled('receive'), 'idle']));
  }

  /** With a `destinationPort`, only records with that destinationTransportPort are counted. */
  static start(start: Spawn = spawnHere, destinationPort?: number, withLatency = false): Promise<Receiver> {
    const argv = [compiled('receive')];
    if (destinationPort !== undefined) argv.push(String(destinationPort));
    if (withLatency) argv.push('latency');
    return Receiver.#begin(start(argv));
  }

  static async #begin(child: ChildProcess): Promise<Receiver> {
    const lines = text(child, 1);
    const first = await new Promise<string>((resolve, reject) => {
      child.stdout!.once('data', resolve);
      child.once('error', reject);
      child.once('exit', () => reject(new Error('the receiver ended before it began')));
    });
    return new Receiver(child, (JSON.parse(first) as { port: number }).port, lines);
  }

  /** Ends it. What had been sent by now is counted. */
  async stop(): Promise<Received> {
    this.#child.stdin!.end();
    await ended(this.#child, 30);
    return JSON.parse((await this.#lines).trimEnd().split('\n').at(-1)!) as Received;
  }
}

/** Writes a command's standard input. */
export type Input = (stdin: NodeJS.WritableStream) => Promise<void>;

const NOTHING: Input = async () => undefined;

/**
 * Runs a command beside a receiver.
 * @throws Error where it cannot be measured or takes longer than `limitSeconds`
 */
export async function runTrial(
  command: (port: number) => readonly string[],
  limitSeconds = 120,
  input: Input = NOTHING,
): Promise<Trial> {
  const receiver = await Receiver.idle();
  const argv = command(receiver.port);
  const child = spawnHere([compiled('measure'), ...argv]);
  const fed = input(child.stdin!).finally(() => child.stdin!.end());
  const [, stderr, line] = await Promise.all([
    text(child, 1),
    text(child, 2),
    text(child, 3),
    ended(child, limitSeconds),
    fed,
  ]);
  const received = await receiver.stop();
  if (line === '') throw new Error(`${argv.join(' ')}: not measured: ${stderr.trim()}`);
  const cost = JSON.parse(line) as Cost;
  if (cost.exitCode === 0) return { cost, received };
  const how = cost.signal > 0 ? `signal ${cost.signal}` : `status ${cost.exitCode}`;
  return { cost, received, failure: `ended with ${how}: ${stderr.trim().slice(-500).replaceAll('\n', ' ')}` };
}
