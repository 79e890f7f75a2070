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

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENODEV', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}
