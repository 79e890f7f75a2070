/** The kernel's network interfaces, as a router asks about them: which has this MAC, does it carry packets, its addresses. */
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

export interface KernelInterface {
  readonly name: string;
  /** Lower case, colons between. */
  readonly mac: string;
  /** It is up, and has a carrier. */
  readonly isUp: boolean;
  /** Without link-local ones; no prefix lengths. */
  readonly addresses: readonly string[];
}

const FOLDER = '/sys/class/net';

/** All of them but loopback. */
export function kernelInterfaces(folder = FOLDER): KernelInterface[] {
  const addresses = networkInterfaces();
  return readdirSync(folder)
    .filter((name) => name !== 'lo')
    .sort()
    .flatMap((name) => {
      const mac = read(`${folder}/${name}/address`);
      // No MAC: a tunnel. Vanished meanwhile: none.
      if (mac === undefined || mac === '') return [];
      const flags = Number(read(`${folder}/${name}/flags`) ?? 0);
      // Of an interface that is down the carrier cannot be read.
      const isUp = (flags & 1) !== 0 && read(`${folder}/${name}/carrier`) === '1';
      const own = (addresses[name] ?? [])
        .map(({ address }) => address)
        .filter((address) => !/^(fe80:|169\.254\.)/i.test(address));
      return [{ name, mac: mac.toLowerCase(), isUp, addresses: own }];
    });
}

/** RTF_UP, and RTF_REJECT of an unreachable route (linux/route.h). */
const UP = 0x1;
const REJECT = 0x200;

/**
 * The interface that packets to anywhere leave by: that of the IPv4 default route with the lowest metric.
 * @returns undefined: there is none
 */
export function defaultRouteInterface(file = '/proc/net/route'): string | undefined {
  const [, ...lines] = (read(file) ?? '').split('\n');
  let best: { readonly name: string; readonly metric: number } | undefined;
  for (const line of lines) {
    // Iface Destination Gateway Flags RefCnt Use Metric Mask …
    const [name, destination, , flags, , , metric, mask] = line.split('\t');
    if (name === undefined || destination !== '00000000' || mask !== '00000000') continue;
    const bits = Number.parseInt(flags ?? '0', 16);
    if ((bits & UP) === 0 || (bits & REJECT) !== 0) continue;
    if (best === undefined || Number(metric) < best.metric)
      best = { name: name.trim(), metric: Number(metric) };
  }
  return best?.name;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENODEV', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}
