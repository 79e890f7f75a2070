/** The network interfaces of this machine, for hints and `weir doctor`. */
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

export interface MachineInterface {
  readonly name: string;
  /** The kernel's operstate: `up`, `down`, `unknown` (a loopback is, and works) …; undefined: not Linux. */
  readonly state: string | undefined;
}

const SYS_CLASS_NET = '/sys/class/net';

/** All of them, those without an address included; the loopback last. */
export function machineInterfaces(): MachineInterface[] {
  let names: string[];
  try {
    names = readdirSync(SYS_CLASS_NET).filter((name) => stateOf(name) !== undefined);
  } catch {
    // Not Linux: the names that hold an address.
    names = Object.keys(networkInterfaces());
  }
  const isLoopback = (name: string) => name === 'lo' || name === 'lo0';
  names.sort(
    (a, b) => Number(isLoopback(a)) - Number(isLoopback(b)) || a.localeCompare(b, 'en', { numeric: true }),
  );
  return names.map((name) => ({ name, state: stateOf(name) }));
}

function stateOf(name: string): string | undefined {
  try {
    return readFileSync(`${SYS_CLASS_NET}/${name}/operstate`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
