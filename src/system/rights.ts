/**
 * The rights of this process: which capabilities it has (capabilities(7)), and which of them the programs that it
 * starts may inherit. Weir needs CAP_NET_RAW, to open its packet sockets and to open them again; its children need
 * nothing.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** linux/capability.h: a capability's bit is its place. */
const CAPABILITIES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP'],
  ...[
    'LINUX_IMMUTABLE',
    'NET_BIND_SERVICE',
    'NET_BROADCAST',
    'NET_ADMIN',
    'NET_RAW',
    'IPC_LOCK',
    'IPC_OWNER',
  ],
  ...[
    'SYS_MODULE',
    'SYS_RAWIO',
    'SYS_CHROOT',
    'SYS_PTRACE',
    'SYS_PACCT',
    'SYS_ADMIN',
    'SYS_BOOT',
    'SYS_NICE',
  ],
  ...[
    'SYS_RESOURCE',
    'SYS_TIME',
    'SYS_TTY_CONFIG',
    'MKNOD',
    'LEASE',
    'AUDIT_WRITE',
    'AUDIT_CONTROL',
    'SETFCAP',
  ],
  ...['MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF'],
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`);

export const CAP_NET_RAW = 'CAP_NET_RAW';
/** What `weir router` needs: for the kernel's settings of the network, and for nft, which it starts. */
export const CAP_NET_ADMIN = 'CAP_NET_ADMIN';

/** How root starts Weir as another user with this one capability, and no way to more. */
export const START_UNPRIVILEGED =
  'sudo setpriv --reuid=USER --regid=GROUP --clear-groups --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw ' +
  '--bounding-set=-all,+net_raw --no-new-privs weir …';

export interface Rights {
  /** The effective user ID is 0. */
  readonly isRoot: boolean;
  /** What the process may do now. */
  readonly effective: readonly string[];
  /** What it may make effective. */
  readonly permitted: readonly string[];
  /** What the programs that it starts get, root's apart. */
  readonly ambient: readonly string[];
}

/**
 * What the text of a `/proc/PID/status` says of rights.
 * @returns undefined where there is no such file: capabilities are Linux's
 */
export function readRights(status: string | undefined): Rights | undefined {
  if (status === undefined) return undefined;
  const set = (name: string) =>
    namesIn(new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0');
  return {
    // Real, effective, saved, file system.
    isRoot: /^Uid:\s+\d+\s+0\s/m.test(status),
    effective: set('CapEff'),
    permitted: set('CapPrm'),
    ambient: set('CapAmb'),
  };
}

/** What an ordinary user's Weir has beyond the one capability that it needs; of root's nothing is said. */
export function excessRights({ isRoot, effective, permitted, ambient }: Rights): string[] {
  if (isRoot) return [];
  return [...new Set([...effective, ...permitted, ...ambient])].filter((name) => name !== CAP_NET_RAW);
}

/** The rights of this process. */
export function ownRights(): Rights | undefined {
  return readRights(readStatus());
}

function readStatus(): string | undefined {
  try {
    return readFileSync('/proc/self/status', 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function namesIn(hexadecimal: string): string[] {
  const bits = BigInt(`0x${hexadecimal}`);
  const names: string[] = [];
  for (let n = 0; bits >> BigInt(n) !== 0n; n++) {
    if ((bits >> BigInt(n)) & 1n) names.push(CAPABILITIES[n] ?? `capability ${n}`);
  }
  return names;
}

/** Built by scripts/build-addon.mjs; the path is that from the compiled file, build/src/system/. */
const ADDON = '../../../build-native/rights.node';

interface RightsAddon {
  inherit(mask: number, bound: boolean): boolean;
}

export interface Inheritance {
  /** What children may get: `none`, or one capability, as far as this process has it. */
  readonly capabilities: 'none' | typeof CAP_NET_RAW | typeof CAP_NET_ADMIN;
  /**
   * Also takes all others out of the bounding set, which is what keeps a child of root from getting them: not to be
   * undone.
   */
  readonly bound: boolean;
}

/**
 * Says what the programs that this thread starts from now on inherit. The process keeps its own capabilities.
 * @returns undefined where that is so; else why they inherit more: what is ambient, and as root everything.
 *   `not_loaded`: built for another machine, cut, or on a file system without the right to execute; `refused`: by the kernel
 */
export function letChildrenInherit(
  { capabilities, bound }: Inheritance,
  path = ADDON,
): 'not_built' | 'not_loaded' | 'refused' | 'not_bound' | undefined {
  let addon: RightsAddon;
  try {
    addon = createRequire(import.meta.url)(path) as RightsAddon;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' ? 'not_built' : 'not_loaded';
  }
  let isBounded: boolean;
  try {
    isBounded = addon.inherit(capabilities === 'none' ? 0 : 1 << CAPABILITIES.indexOf(capabilities), bound);
  } catch {
    return 'refused'; // a sandbox without capset(2) or prctl(2)
  }
  // Only root gets what the bounding set has without a word of whoever starts the program.
  return isBounded || ownRights()?.isRoot !== true ? undefined : 'not_bound';
}
