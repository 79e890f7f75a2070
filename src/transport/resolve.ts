/** From a collector's name to its addresses. */
import { isIP } from 'node:net';
import type { Clock } from './clock.ts';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Looks a name up; rejects where there is none. */
export type Lookup = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** The system's resolver: /etc/hosts, DNS and what else nsswitch.conf names, in the system's order. */
export const systemLookup: Lookup = async (hostname) => {
  // Loaded only for names: addresses need none of it.
  const { lookup } = await import('node:dns/promises');
  const found = await lookup(hostname, { all: true, verbatim: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
};

/** A lookup that takes longer than this has failed: whoever waits for it can carry on. */
const LOOKUP_MILLISECONDS = 10_000;

/**
 * The addresses of a host, which may be an address itself. Where a source address is pinned, only those of
 * its family.
 * @throws Error with a sentence for the operator
 */
export async function resolveHost(
  host: string,
  source: string | undefined,
  lookup: Lookup,
  clock: Clock,
): Promise<readonly ResolvedAddress[]> {
  const sourceFamily = source === undefined ? 0 : isIP(source);
  if (source !== undefined && sourceFamily === 0) {
    throw new Error(`the source ${source} is no IP address; give one of this machine's addresses`);
  }
  const family = isIP(host);
  const addresses: readonly ResolvedAddress[] =
    family === 0 ? await lookUp(host, lookup, clock) : [{ address: host, family: family === 6 ? 6 : 4 }];
  const usable = addresses.filter((one) => sourceFamily === 0 || one.family === sourceFamily);
  if (usable.length > 0) return usable;
  if (addresses.length === 0) throw new Error(`the name ${host} has no address`);
  throw new Error(`${host} has no IPv${sourceFamily} address, which the source ${source} needs`);
}

/** Looks up, but gives up in time. */
function lookUp(host: string, lookup: Lookup, clock: Clock): Promise<readonly ResolvedAddress[]> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(LOOKUP_MILLISECONDS, () =>
      reject(new Error(`the name ${host} did not resolve within ${LOOKUP_MILLISECONDS / 1000} s`)),
    );
    lookup(host)
      .then(resolve, (error) => {
        reject(new Error(`the name ${host} does not resolve (${error.code ?? error.message})`));
      })
      .finally(cancel);
  });
}

/**
 * The addresses in the order in which to try them: the one in use first, so that a name with several addresses
 * does not make the collector wander; or, after a failure, the one behind it first and the one in use last.
 */
export function inOrder(
  addresses: readonly ResolvedAddress[],
  inUse: string | undefined,
  failed: boolean,
): readonly ResolvedAddress[] {
  const at = addresses.findIndex((one) => one.address === inUse);
  const first = at < 0 ? 0 : at + (failed ? 1 : 0);
  return [...addresses.slice(first), ...addresses.slice(0, first)];
}

/** `192.0.2.1:4739`, `[2001:db8::1]:4739`. */
export function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** An address of this machine alone (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3), as systems and people write it. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
