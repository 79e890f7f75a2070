/**
 * A laboratory of three network namespaces: client – router – server, joined by veth pairs.
 *
 * ```
 *   client              router                 server
 *   eth0 ─────── to-client   to-server ─────── eth0
 *   10.71.1.2    10.71.1.1   10.71.2.1    10.71.2.2
 *   fd71:1::2    fd71:1::1   fd71:2::1    fd71:2::2
 * ```
 *
 * The tests, the demo and the benchmark send their traffic through it: nothing outside of it is touched, and
 * nothing of it is left behind. It needs root, and the `ip` command (Debian: iproute2).
 */
import type { ChildProcess, ChildProcessWithoutNullStreams, SpawnOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import { runProgramSync, startProgram } from '../../system/program.ts';

/** One namespace. Commands are argument lists and never pass through a shell. */
export interface LabNamespace {
  readonly name: string;
  /** Starts a command inside; whatever still runs at {@link Lab.close} is killed by its id. */
  spawn(argv: readonly string[]): ChildProcessWithoutNullStreams;
  spawn(argv: readonly string[], options: SpawnOptions): ChildProcess;
  /** Runs a command to its end; resolves to its standard output, rejects with its standard error. */
  run(argv: readonly string[]): Promise<string>;
}

export interface LabAddress {
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface Lab {
  /** Interface `eth0`. */
  readonly client: LabNamespace;
  /** Interfaces `to-client` and `to-server`. */
  readonly router: LabNamespace;
  /** Interface `eth0`. */
  readonly server: LabNamespace;
  /** The prefixes are /24 and /64. */
  readonly addresses: {
    readonly client: LabAddress;
    readonly toClient: LabAddress;
    readonly toServer: LabAddress;
    readonly server: LabAddress;
  };
  /** Kills what runs inside and deletes the namespaces. Idempotent; never rejects. */
  close(): Promise<void>;
}

const ADDRESSES: Lab['addresses'] = {
  client: { ipv4: '10.71.1.2', ipv6: 'fd71:1::2' },
  toClient: { ipv4: '10.71.1.1', ipv6: 'fd71:1::1' },
  toServer: { ipv4: '10.71.2.1', ipv6: 'fd71:2::1' },
  server: { ipv4: '10.71.2.2', ipv6: 'fd71:2::2' },
};

let labs = 0;
let problem: { known: string | undefined } | undefined;

/** Why {@link createLab} cannot work here, as the end of a sentence; undefined: it can. Tries it out, once. */
export function labProblem(): string | undefined {
  problem ??= { known: findProblem() };
  return problem.known;
}

function findProblem(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only';
  if (process.geteuid?.() !== 0) return 'making network namespaces needs root';
  if (!existsSync('/proc/sys/net/ipv6')) return 'this kernel runs without IPv6';
  if (runProgramSync('ip', ['-V']).error !== undefined) {
    return 'there is no `ip` command (Debian: apt-get install iproute2)';
  }
  const name = `weir-${process.pid}-try`;
  const add = runProgramSync('ip', ['netns', 'add', name]);
  if (add.status !== 0) {
    runProgramSync('ip', ['netns', 'delete', name]);
    return `the kernel refuses network namespaces: ${add.stderr.trim()}`;
  }
  const link = runProgramSync('ip', ['-n', name, 'link', 'add', 'a0', 'type', 'veth', 'peer', 'name', 'a1']);
  runProgramSync('ip', ['netns', 'delete', name]);
  return link.status === 0 ? undefined : `the kernel refuses veth interfaces: ${link.stderr.trim()}`;
}

/**
 * Makes the namespaces, their links, addresses and routes; forwarding is on in the router. Names are unique:
 * `<prefix>-<process id>-<counter>-client` and so on. Rejects, leaving nothing behind, when a step fails.
 */
export async function createLab(options: { readonly prefix?: string } = {}): Promise<Lab> {
  const stem = `${options.prefix ?? 'weir'}-${process.pid}-${labs++}`;
  const client = new Namespace(`${stem}-client`);
  const router = new Namespace(`${stem}-router`);
  const server = new Namespace(`${stem}-server`);
  const all = [client, router, server];

  // If the process ends without close(), this is the last chance to take the namespaces away.
  const atExit = () => {
    for (const namespace of all) namespace.remove();
  };
  process.once('exit', atExit);

  const close = async () => {
    process.off('exit', atExit);
    await Promise.all(all.map((namespace) => namespace.close()));
  };
  try {
    for (const namespace of all) await namespace.create();
    const { toClient, toServer } = ADDRESSES;
    await client.ip(`link add eth0 type veth peer name to-client netns ${router.name}`);
    await server.ip(`link add eth0 type veth peer name to-server netns ${router.name}`);
    await router.ip(...up('to-client', toClient), ...up('to-server', toServer));
    await client.ip(...up('eth0', ADDRESSES.client), ...defaultRoutes(toClient));
    await server.ip(...up('eth0', ADDRESSES.server), ...defaultRoutes(toServer));
    await router.sysctl('1', 'ipv4/ip_forward', 'ipv6/conf/all/forwarding');
  } catch (error) {
    await close();
    throw error;
  }
  return { client, router, server, addresses: ADDRESSES, close };
}

function up(device: string, address: LabAddress): string[] {
  return [
    `address add ${address.ipv4}/24 dev ${device}`,
    `address add ${address.ipv6}/64 dev ${device} nodad`,
    `link set ${device} up`,
  ];
}

function defaultRoutes(via: LabAddress): string[] {
  return [`route add default via ${via.ipv4}`, `route add ::/0 via ${via.ipv6}`];
}

class Namespace implements LabNamespace {
  readonly name: string;
  private readonly children = new Set<ChildProcess>();
  private exists = false;

  constructor(name: string) {
    this.name = name;
  }

  async create(): Promise<void> {
    // From the first moment: `ip` may be ended by the same Ctrl-C as Weir after it has made the namespace.
    this.exists = true;
    await execute(['ip', 'netns', 'add', this.name]);
    // IPv6 on even where the machine turns it off; addresses usable at once; no chatter on a quiet link.
    await this.sysctl('0', 'ipv6/conf/all/disable_ipv6', 'ipv6/conf/default/disable_ipv6');
    await this.sysctl(
      '0',
      ...['accept_dad', 'dad_transmits', 'accept_ra', 'router_solicitations'].map(
        (key) => `ipv6/conf/default/${key}`,
      ),
    );
    await this.ip('link set lo up');
  }

  /** Runs lines of `ip`'s own language inside, in one process. */
  async ip(...lines: string[]): Promise<void> {
    await execute(['ip', '-n', this.name, '-batch', '-'], `${lines.join('\n')}\n`);
  }

  /** Writes one value to several files of /proc/sys/net, as they are seen inside. */
  async sysctl(value: string, ...keys: string[]): Promise<void> {
    await execute(
      ['ip', 'netns', 'exec', this.name, 'tee', ...keys.map((key) => `/proc/sys/net/${key}`)],
      value,
    );
  }

  spawn(argv: readonly string[], options?: SpawnOptions): ChildProcessWithoutNullStreams {
    // `ip netns exec` becomes the command (exec), so the child's id is the command's own.
    const child = startProgram('ip', ['netns', 'exec', this.name, ...argv], options);
    this.children.add(child);
    const forget = () => this.children.delete(child);
    child.once('exit', forget);
    child.once('error', forget);
    return child as ChildProcessWithoutNullStreams;
  }

  run(argv: readonly string[]): Promise<string> {
    return collect(this.spawn(argv), argv);
  }

  /** Synchronous, for `exit` handlers: kills by id what runs inside, then deletes the namespace. */
  remove(): void {
    for (const child of this.children) child.kill('SIGKILL');
    if (!this.exists) return;
    this.exists = false;
    // What the children have started themselves lives in the namespace too, and would keep it alive.
    const inside = runProgramSync('ip', ['netns', 'pids', this.name]);
    for (const id of (inside.stdout ?? '').split('\n').map(Number)) {
      if (id > 0) endProcess(id);
    }
    runProgramSync('ip', ['netns', 'delete', this.name]);
  }

  async close(): Promise<void> {
    const ended = [...this.children].map(
      (child) => new Promise<void>((resolve) => child.once('exit', () => resolve())),
    );
    this.remove();
    await Promise.all(ended);
  }
}

function endProcess(id: number): void {
  try {
    process.kill(id, 'SIGKILL');
  } catch (error) {
    // It has ended by itself meanwhile: that is what was asked for.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function execute(argv: readonly string[], input = ''): Promise<string> {
  const child = startProgram(argv[0]!, argv.slice(1));
  // A command that ends without reading its input closes the pipe; its exit status tells what was wrong.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  return collect(child, argv);
}

function collect(child: ChildProcess, argv: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else
        reject(
          new Error(`${argv.join(' ')}: ${stderr.trim() || `ended with ${signal ?? `status ${code}`}`}`),
        );
    });
  });
}
