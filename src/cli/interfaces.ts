/** The network interfaces of this machine, for hints and `weir doctor`. */
import { networkInterfaces } from 'node:os';
import { findInterface, interfaceNames } from '../capture/interfaces.ts';

export interface MachineInterface {
  readonly name: string;
  readonly isUp: boolean;
}

/** All of them: those that are up first, the loopback last. */
export function machineInterfaces(): MachineInterface[] {
  // bonding_masters is a file of the bonding driver among the interfaces' folders.
  const names = interfaceNames().filter((name) => name !== 'bonding_masters');
  const found =
    names.length === 0
      ? // Not Linux: those that hold an address, which only those that are up do.
        Object.keys(networkInterfaces()).map((name) => ({ name, isUp: true }))
      : names.map((name) => ({ name, isUp: findInterface(name)?.up === true }));
  return found.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, 'en', { numeric: true }));
}

function rank({ name, isUp }: MachineInterface): number {
  if (/^lo\d*$/.test(name)) return 2;
  return isUp ? 0 : 1;
}
