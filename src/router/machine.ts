/**
 * Makes the machine a router and keeps it one: the kernel's settings and the rules of nftables. All of it is idempotent,
 * and looked at again and again: what another program has changed is put right, counted and said.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, runProgram } from '../system/program.ts';
import { type KernelInterface, kernelInterfaces } from './kernel-interfaces.ts';
import type { RouterLog } from './log.ts';
import { NFT_TABLE, nftRules, type RuleSet } from './nft-rules.ts';
import { routerSysctls, type Sysctl } from './sysctls.ts';

const PROGRAM_MILLISECONDS = 10_000;
const LOG_SECONDS = 30;

export interface MachineOptions {
  readonly log: RouterLog;
  /** Where the kernel's settings are; /proc/sys/net unless given. */
  readonly sysctlFolder?: string | undefined;
  readonly run?: typeof runProgram | undefined;
  readonly interfaces?: (() => readonly KernelInterface[]) | undefined;
}

/** What the machine is to be. */
export interface MachineTask {
  /** Names of the interfaces that packets are forwarded on. */
  readonly interfaces: readonly string[];
  /** A mirror target forwards nothing. */
  readonly forwards: boolean;
  readonly rules: RuleSet;
}

export type CheckName =
  | 'interfaces'
  | 'ipv4_forwarding'
  | 'ipv6_forwarding'
  | 'settings'
  | 'rules'
  | 'source_dest_check';

export interface Check {
  readonly name: CheckName;
  readonly ok: boolean;
  /** What is wrong; of what is right: what it is. */
  readonly detail: string;
  /** Without it nothing is forwarded. */
  readonly isVital: boolean;
}

export class Machine {
  /** Settings that were put right, by what was wrong. Plain counters. */
  readonly repairs = { settings: 0, rules: 0 };

  readonly #log: RouterLog;
  readonly #folder: string;
  readonly #run: typeof runProgram;
  readonly #interfaces: () => readonly KernelInterface[];
  #task: MachineTask = { interfaces: [], forwards: true, rules: { kind: 'none' } };
  /** As the kernel told the rules when they had been loaded; undefined: they are not. */
  #loadedRules: string | undefined;
  #rulesProblem = 'they have not been loaded yet';
  #isKept = false;

  constructor({ log, sysctlFolder, run, interfaces }: MachineOptions) {
    this.#log = log;
    this.#folder = sysctlFolder ?? '/proc/sys/net';
    this.#run = run ?? runProgram;
    this.#interfaces = interfaces ?? kernelInterfaces;
  }

  get hasIpv6(): boolean {
    return existsSync(join(this.#folder, 'ipv6'));
  }

  /** What it is to be from now on; comes into force with the next {@link keepSettings} and {@link keepRules}. */
  set task(task: MachineTask) {
    this.#task = task;
    this.#loadedRules = undefined;
    // What differs now differs because it has never been set.
    this.#isKept = false;
  }

  /** The settings that are not as they should be, with what they are. */
  differences(): (Sysctl & { readonly current: string })[] {
    if (!this.#task.forwards) return [];
    return routerSysctls(this.#task.interfaces, this.hasIpv6).flatMap((setting) => {
      const current = this.#read(setting.path);
      // An interface that is not there has none; that is said elsewhere.
      const isFine = current === undefined || current === setting.value || current === setting.orValue;
      return isFine ? [] : [{ ...setting, current }];
    });
  }

  /** Puts the kernel's settings right. Cheap: two dozen small files are read. */
  keepSettings(): void {
    const different = this.differences();
    for (const { path, value, current } of different) {
      const name = `net.${path.replaceAll('/', '.')}`;
      try {
        writeFileSync(join(this.#folder, path), value);
        if (!this.#isKept) continue;
        this.repairs.settings++;
        this.#log
          .rateLimited(`repaired ${name}`, LOG_SECONDS)
          .warn(`${name} had become ${current}; it is ${value} again`);
      } catch (error) {
        this.#log
          .rateLimited(`sysctl ${name}`, LOG_SECONDS)
          .error(`${name} is ${current}, and cannot be set to ${value}: ${whyUnwritable(error)}`);
      }
    }
    this.#isKept = true;
  }

  /** Loads the rules, or puts them right. It starts `nft`, once where all is well. */
  async keepRules(): Promise<void> {
    const { rules } = this.#task;
    const isFirst = this.#loadedRules === undefined;
    const current = await this.#list();
    if (current === undefined) return;
    if (!isFirst && current === this.#loadedRules) return;
    if (rules.kind === 'none' && current === '') {
      this.#loadedRules = '';
      return;
    }
    const outcome = await this.#nft([nftRules(rules)]);
    if (outcome === undefined) return;
    if (outcome.code !== 0) return this.#rulesFailed(`nft refuses the rules: ${firstLine(outcome.stderr)}`);
    const loaded = await this.#list();
    // No prefix to translate, say; or somebody has flushed them at once.
    if (loaded === '' && rules.kind !== 'none')
      return this.#rulesFailed(`nft has taken the rules of ${rules.kind}, and there are none`);
    this.#loadedRules = loaded;
    if (isFirst) return;
    this.repairs.rules++;
    this.#log
      .rateLimited('repaired rules', LOG_SECONDS)
      .warn(`the table ${NFT_TABLE} of nftables was not as it should be; its rules are loaded again`);
  }

  /** How things stand; the source/destination check is not the machine's. */
  checks(): Check[] {
    const { interfaces: names, forwards, rules } = this.#task;
    const known = new Map(this.#interfaces().map((one) => [one.name, one]));
    const missing = names.filter((name) => !known.has(name));
    const down = names.filter((name) => known.get(name)?.isUp === false);
    const checks: Check[] = [
      {
        name: 'interfaces',
        ok: missing.length + down.length === 0 && names.length > 0,
        detail:
          [
            ...missing.map((name) => `${name} does not exist`),
            ...down.map((name) => `${name} is down`),
            ...(names.length === 0 ? ['none is known yet'] : []),
          ].join(', ') || `${names.join(', ')} up`,
        isVital: true,
      },
    ];
    if (forwards) {
      const different = this.differences();
      const v4 = different.filter(({ path }) => /^ipv4\/(ip_forward|conf\/.*\/forwarding)$/.test(path));
      const v6 = different.filter(({ path }) => /^ipv6\/conf\/.*\/forwarding$/.test(path));
      const others = different.filter((one) => !v4.includes(one) && !v6.includes(one));
      checks.push({
        name: 'ipv4_forwarding',
        ok: v4.length === 0,
        detail: told(v4) || 'on',
        isVital: true,
      });
      if (this.hasIpv6)
        checks.push({
          name: 'ipv6_forwarding',
          ok: v6.length === 0,
          detail: told(v6) || 'on',
          isVital: true,
        });
      checks.push({
        name: 'settings',
        ok: others.length === 0,
        detail: told(others) || 'reverse path filter loose, no redirects',
        isVital: false,
      });
    }
    const isLoaded = this.#loadedRules !== undefined;
    checks.push({
      name: 'rules',
      ok: isLoaded,
      detail: isLoaded
        ? rules.kind === 'none'
          ? 'none needed'
          : `${rules.kind} loaded`
        : this.#rulesProblem,
      // Without a rule to load nothing depends on nft.
      isVital: rules.kind !== 'none',
    });
    return checks;
  }

  #read(path: string): string | undefined {
    try {
      return readFileSync(join(this.#folder, path), 'utf8').trim();
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ENODEV', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? ''))
        return undefined;
      throw error;
    }
  }

  /** The table as the kernel tells it, without counters; empty: there is none. Undefined: nft failed, and it is said. */
  async #list(): Promise<string | undefined> {
    const outcome = await this.#nft(['--stateless', 'list', 'table', 'inet', NFT_TABLE]);
    if (outcome === undefined) return undefined;
    if (outcome.code === 0) return outcome.stdout;
    if (/No such file or directory/.test(outcome.stderr)) return '';
    this.#rulesFailed(`nft cannot list its rules: ${firstLine(outcome.stderr)}`);
    return undefined;
  }

  async #nft(args: readonly string[]): Promise<Outcome | undefined> {
    let outcome: Outcome | undefined;
    try {
      outcome = await this.#run('nft', args, PROGRAM_MILLISECONDS);
    } catch (error) {
      this.#rulesFailed(`nft cannot be started: ${(error as Error).message}`);
      return undefined;
    }
    if (outcome !== undefined) return outcome;
    const { kind } = this.#task.rules;
    if (kind === 'none') this.#loadedRules = '';
    else this.#rulesFailed('there is no nft command (Debian: apt-get install nftables)');
    return undefined;
  }

  #rulesFailed(problem: string): void {
    this.#rulesProblem = problem;
    this.#loadedRules = undefined;
    this.#log.rateLimited('nft', LOG_SECONDS).error(problem);
  }
}

function told(different: readonly { readonly path: string; readonly current: string }[]): string {
  return different.map(({ path, current }) => `net.${path.replaceAll('/', '.')} is ${current}`).join(', ');
}

function whyUnwritable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM') return 'it takes CAP_NET_ADMIN';
  if (code === 'EROFS')
    return '/proc/sys is read-only here (ProtectKernelTunables= of systemd, or a container)';
  return message;
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}
