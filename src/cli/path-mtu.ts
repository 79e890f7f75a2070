/**
 * The largest IP packet that the way to an address takes, as far as the kernel knows: the interface's MTU, or less where
 * a router has said so (RFC 1191, RFC 8201), or a route does. Node cannot ask its socket (IP_MTU), so `ip` is asked.
 */
import { runProgram } from '../system/program.ts';
import type { LookUpPathMtu } from '../transport/udp.ts';

const WITHIN_MILLISECONDS = 2_000;

interface Route {
  readonly dev?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
}
interface Link {
  readonly mtu?: number;
}

export const lookUpPathMtu: LookUpPathMtu = async (address) => {
  const [host = '', zone] = address.split('%');
  const route = await ip<Route>('route', 'get', host, ...(zone === undefined ? [] : ['dev', zone]));
  if (route?.dev === undefined) return undefined;
  const learned = route.metrics?.find(({ mtu }) => mtu !== undefined)?.mtu;
  return learned ?? (await ip<Link>('link', 'show', 'dev', route.dev))?.mtu;
};

/** The first object of its answer; undefined: no `ip`, one without JSON, or no route. Sending will tell of that. */
async function ip<T>(...args: string[]): Promise<T | undefined> {
  try {
    const outcome = await runProgram('ip', ['-json', ...args], WITHIN_MILLISECONDS);
    if (outcome?.code !== 0) return undefined;
    return (JSON.parse(outcome.stdout) as T[])[0];
  } catch {
    return undefined;
  }
}
