/**
 * What the ENA driver counts where an instance exceeds what its type allows: such packets are dropped or delayed outside of
 * the instance, and nothing else shows it. And how full the kernel's table of connections is, where it is loaded.
 */
import { readFileSync } from 'node:fs';
import { runProgram } from '../system/program.ts';

const PROGRAM_MILLISECONDS = 5_000;

/** `bw_in`, `bw_out`, `pps`, `conntrack`, `linklocal` and whatever else ends so, with their counts. */
export function parseAllowances(text: string): Map<string, number> {
  const allowances = new Map<string, number>();
  for (const [, name, count] of text.matchAll(/^\s*(\w+)_allowance_exceeded:\s*(\d+)\s*$/gm))
    allowances.set(name!, Number(count));
  return allowances;
}

/** Of one interface, by `ethtool -S`. Empty where there is no ethtool, or another driver. */
export async function readAllowances(name: string, run = runProgram): Promise<Map<string, number>> {
  const outcome = await run('ethtool', ['-S', name], PROGRAM_MILLISECONDS);
  return outcome?.code === 0 ? parseAllowances(outcome.stdout) : new Map();
}

/** @returns undefined where connection tracking is not loaded */
export function readConntrack(
  folder = '/proc/sys/net/netfilter',
): { readonly entries: number; readonly limit: number } | undefined {
  try {
    const number = (file: string) => Number(readFileSync(`${folder}/${file}`, 'utf8'));
    return { entries: number('nf_conntrack_count'), limit: number('nf_conntrack_max') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
