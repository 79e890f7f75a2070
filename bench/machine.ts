/** The machine that the figures come from. */
import { cpus, release, totalmem, version } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryOctets: number;
  readonly kernel: string;
  readonly node: string;
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryOctets: totalmem(),
    kernel: `${release()} (${version()})`,
    node: process.version,
  };
}

export function machineText({ cpu, cores, memoryOctets, kernel, node }: Machine): string {
  return `${cpu}, ${cores} cores, ${Math.round(memoryOctets / 2 ** 30)} GB, Linux ${kernel}, Node ${node}`;
}
