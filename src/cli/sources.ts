/** From the configuration to what captures: a ring or libpcap on each interface. */

import { compileFilter, type FilterProgram } from '../capture/filter.ts';
import { findInterface, linkTypeOf, noSuchInterface } from '../capture/interfaces.ts';
import { LibpcapSource } from '../capture/libpcap.ts';
import type { PacketSource } from '../capture/packet-source.ts';
import { RingSource } from '../capture/ring.ts';
import type { EffectiveConfig } from '../config/load.ts';
import { EXIT_USAGE, UserError } from './errors.ts';
import type { Logger } from './logger.ts';

/** @throws Error where an interface does not exist or a filter does not compile */
export async function liveSources(config: EffectiveConfig, log: Logger): Promise<PacketSource[]> {
  const { direction, promiscuous, filter } = config;
  if (config.capture === 'libpcap') {
    return config.interfaces.map(
      (interfaceName) => new LibpcapSource({ interfaceName, direction, promiscuous, filter }),
    );
  }
  return Promise.all(
    config.interfaces.map(async (interfaceName) => {
      const program =
        filter === undefined ? [] : await compileFor(interfaceName, filter, config.origins.filter);
      const say = (message: string) => log.warn(message, { interface: interfaceName });
      return new RingSource({ interfaceName, direction, promiscuous, filter: program, log: say });
    }),
  );
}

/** @param origin where the filter was given: `flag --filter` or `weir.yaml:12` */
async function compileFor(interfaceName: string, expression: string, origin: string): Promise<FilterProgram> {
  const found = findInterface(interfaceName);
  if (found === undefined) throw new UserError(noSuchInterface(interfaceName).message);
  try {
    return await compileFilter(expression, { interfaceName, linkType: linkTypeOf(found) });
  } catch (error) {
    const where = origin.startsWith('flag ') ? '--filter' : `${origin}: filter`;
    throw new UserError(`${where}: ${(error as Error).message}`, { exitCode: EXIT_USAGE, cause: error });
  }
}
