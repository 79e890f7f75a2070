/**
 * The same root in systemd-nspawn: the real units and the real network stack, without a kernel of its own. It boots in
 * seconds, so the many faults are tried here; vm.ts is for the proof.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { killIfThere, LongProgram, type Outcome, run } from './process.ts';
import { MACS, type Wire } from './wire.ts';

export const ROOT = fileURLToPath(new URL('../../appliance/image/root', import.meta.url));
const BOOT_MILLISECONDS = 90_000;

export class Container {
  readonly #program: LongProgram;
  readonly #wire: Wire;
  readonly #leader: number;

  private constructor(program: LongProgram, wire: Wire, leader: number) {
    this.#program = program;
    this.#wire = wire;
    this.#leader = leader;
  }

  /**
   * Boots a fresh copy (an overlay in memory) in the middle of the wire, with these files put in, and its interfaces unless
   * one is to come later.
   */
  static async start(
    t: Test,
    wire: Wire,
    files: Readonly<Record<string, string>>,
    interfaces: 1 | 2 = 2,
  ): Promise<Container> {
    const lower = join(wire.folder, 'files');
    // Without DMI cloud-init takes it for no instance of EC2: see vm.ts.
    for (const [path, text] of Object.entries({ '/etc/cloud/cloud-init.disabled': '', ...files })) {
      mkdirSync(dirname(join(lower, path)), { recursive: true });
      writeFileSync(join(lower, path), text);
    }
    const id = createHash('sha256').update(wire.folder).digest('hex').slice(0, 32);
    const upper = join(wire.folder, 'upper');
    for (const folder of ['root', 'work', 'upper']) mkdirSync(join(wire.folder, folder), { recursive: true });
    const root = join(wire.folder, 'root');
    // An overlay, mounted where the container alone sees it.
    const script =
      'mount --make-rprivate / && mount -t tmpfs tmpfs "$4" && mkdir "$4/upper" "$4/work" && cp -rT "$2" "$4/upper" && ' +
      'mount -t overlay overlay -o "lowerdir=$1,upperdir=$4/upper,workdir=$4/work" "$3" && shift 4 && exec "$@"';
    const program = new LongProgram([
      ...['unshare', '--mount', 'sh', '-c', script, 'sh', ROOT, lower, root, upper],
      // A terminal of its own: without, it takes the input's end for an order to stop.
      ...['script', '--quiet', '--flush', '--return', '--command'],
      `systemd-nspawn --quiet --register=no --keep-unit --boot --directory=${root} --private-network ` +
        `--uuid=${id} --machine=weir-router --console=read-only systemd.log_color=no`,
      join(wire.folder, 'console'),
    ]);
    t.teardown(() => program.kill());
    const leader = await leaderOf(program);
    // Its end is the end of all processes inside. A test that is ended itself runs no teardown.
    const kill = () => killIfThere(leader);
    process.once('exit', kill);
    t.teardown(() => {
      process.off('exit', kill);
      kill();
    });
    const container = new Container(program, wire, leader);
    for (let index = 0; index < interfaces; index++) await container.plugIn(index as 0 | 1);
    await container.until(
      'the container has booted',
      ['systemctl', 'is-system-running'],
      ({ output }) => /^(running|degraded)/m.test(output),
      BOOT_MILLISECONDS,
    );
    return container;
  }

  /** Gives it this interface, under the name that it has in AWS. */
  async plugIn(index: 0 | 1): Promise<void> {
    const { router } = this.#wire.lab;
    const side = ['to-client', 'to-server'][index]!;
    const name = `ens${index + 5}`;
    await router.run(['ip', 'link', 'set', side, 'down']);
    await router.run(['ip', 'link', 'set', side, 'nomaster', 'address', MACS[index]!]);
    await router.run(['ip', 'link', 'set', side, 'netns', `${this.#leader}`, 'name', name]);
  }

  /** Runs a command inside, as root. */
  run(argv: readonly string[]): Promise<Outcome> {
    return run([
      ...[
        'nsenter',
        `--target=${this.#leader}`,
        '--mount',
        '--uts',
        '--ipc',
        '--net',
        '--pid',
        '--root',
        '--wdns=/',
      ],
      ...['env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=dumb'],
      ...argv,
    ]);
  }

  /** Runs a command inside again and again until its outcome is as it should be. */
  async until(
    what: string,
    argv: readonly string[],
    holds: (outcome: Outcome) => boolean,
    withinMilliseconds = 60_000,
  ): Promise<Outcome> {
    const deadline = performance.now() + withinMilliseconds;
    for (;;) {
      const outcome = await this.run(argv);
      if (holds(outcome)) return outcome;
      if (performance.now() > deadline)
        throw new Error(`waited in vain until ${what}; ${argv.join(' ')}: ${outcome.output.slice(-2000)}`);
      await delay(200);
    }
  }

  /** What its console has shown. */
  console(): string {
    return readFileSync(join(this.#wire.folder, 'console'), 'utf8');
  }

  async end(): Promise<void> {
    await this.run(['systemctl', '--no-block', 'poweroff']);
    await this.#program.closed;
  }
}

/** The first process inside: the child of nspawn, which is a grandchild of what was started. */
async function leaderOf(program: LongProgram): Promise<number> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (program.hasEnded) throw new Error(`nspawn ended: ${program.output}`);
    const inits = descendants(program.child.pid!).filter((id) => isInit(id));
    if (inits[0] !== undefined) return inits[0];
    await delay(100);
  }
  throw new Error('the container has no first process');
}

function descendants(id: number): number[] {
  let children: number[] = [];
  try {
    children = readFileSync(`/proc/${id}/task/${id}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
  } catch {
    return []; // it has ended meanwhile
  }
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** Whether it is the first process of its namespace, and has become systemd. */
function isInit(id: number): boolean {
  try {
    const status = readFileSync(`/proc/${id}/status`, 'utf8');
    return /^NSpid:\s+\d+\s+1$/m.test(status) && /^Name:\s+systemd$/m.test(status);
  } catch {
    return false;
  }
}
