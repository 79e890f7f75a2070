/**
 * The largest IP packet that the way to an address takes, as far as the kernel knows: the interface's MTU, or less where
 * a router has said so (RFC 1191, RFC 8201), or a route does. Node cannot ask its socket (IP_MTU), so `ip` is asked.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Octets; undefined: it cannot be known. */
export type LookUpPathMtu = (address: string) => Promise<number | undefined>;

const run = promisify(execFile);
const WITHIN_MILLISECONDS = 2_000;

interface Route {
  readonly dev?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
}
interface Link {
  readonly mtu?: number;
}

export const lookUpPathMtu: LookUpPathMtu = async (address) => {
  try {
    const [host = '', zone] = address.split('%');
    const [route] = await ip<Route>('route', 'get', host, ...(zone === undefined ? [] : ['dev', zone]));
    if (route?.dev === undefined) return undefined;
    const learned = route.metrics?.find(({ mtu }) => mtu !== undefined)?.mtu;
    if (learned !== undefined) return learned;
    const [link] = await ip<Link>('link', 'show', 'dev', route.dev);
    return link?.mtu;
  } catch {
    return undefined; // no `ip`, an old one without JSON, or no route: sending will tell
  }
};

async function ip<T>(...args: string[]): Promise<readonly T[]> {
  const { stdout } = await run('ip', ['-json', ...args], { timeout: WITHIN_MILLISECONDS });
  return JSON.parse(stdout) as T[];
}
