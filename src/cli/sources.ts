/** From the configuration to what captures: a ring or libpcap on each interface. */

import type { FanoutGroup } from '../capture/fanout.ts';
import { checkFilter, compileFilter, type FilterProgram, NoTcpdump } from '../capture/filter.ts';
import { findInterface, linkTypeOf, noSuchInterface } from '../capture/interfaces.ts';
import { LibpcapSource } from '../capture/libpcap.ts';
import { LinkType, type PacketSource } from '../capture/packet-source.ts';
import { RingSource } from '../capture/ring.ts';
import type { EffectiveConfig } from '../config/load.ts';
import { EXIT_USAGE, UserError } from './errors.ts';
import type { Logger } from './logger.ts';

/** A filter for each interface's ring, in the order of the configuration. */
export type FilterPrograms = readonly FilterProgram[];

/** @throws Error where an interface does not exist or a filter does not compile */
export async function compileFilters(config: EffectiveConfig): Promise<FilterPrograms> {
  const { filter, interfaces, origins } = config;
  if (filter === undefined || config.capture === 'libpcap') return interfaces.map(() => []);
  return Promise.all(interfaces.map((interfaceName) => compileFor(interfaceName, filter, origins.filter)));
}

/** @param group of the ring on an interface, by its position in the configuration, where rings share it */
export function liveSources(
  config: EffectiveConfig,
  programs: FilterPrograms,
  log: Logger,
  group?: (position: number) => FanoutGroup,
): PacketSource[] {
  const { direction, promiscuous, filter } = config;
  if (config.capture === 'libpcap') {
    return config.interfaces.map(
      (interfaceName) => new LibpcapSource({ interfaceName, direction, promiscuous, filter }),
    );
  }
  return config.interfaces.map(
    (interfaceName, position) =>
      new RingSource({
        interfaceName,
        direction,
        promiscuous,
        filter: programs[position]!,
        group: group?.(position),
        log: (message) => log.warn(message, { interface: interfaceName }),
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
    throw filterMistake(error, origin);
  }
}

/**
 * Whether the filter compiles, as far as it can be told where its interfaces need not be: for the link types of those
 * that are there, else for Ethernet.
 * @throws UserError where it does not @throws NoTcpdump
 */
export async function checkFilterOf({ filter, interfaces, origins }: EffectiveConfig): Promise<void> {
  if (filter === undefined) return;
  const there = interfaces.flatMap((name) => findInterface(name) ?? []);
  const linkTypes = new Set(there.length === 0 ? [LinkType.ETHERNET] : there.map(linkTypeOf));
  try {
    for (const linkType of linkTypes) await checkFilter(filter, linkType);
  } catch (error) {
    throw error instanceof NoTcpdump ? error : filterMistake(error, origins.filter);
  }
}

function filterMistake(error: unknown, origin: string): UserError {
  const where = origin.startsWith('flag ') ? '--filter' : `${origin}: filter`;
  return new UserError(`${where}: ${(error as Error).message}`, { exitCode: EXIT_USAGE, cause: error });
}
