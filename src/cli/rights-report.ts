/** What Weir's rights are, in the log of `weir run`: as root, how not to be; otherwise what is more than it needs. */
import {
  CAP_NET_RAW,
  excessRights,
  letChildrenInherit,
  ownRights,
  type Rights,
  START_UNPRIVILEGED,
} from '../system/rights.ts';
import type { Logger } from './logger.ts';

/** One line, or none where all is as it should be. @param rights those of the start; undefined: not on Linux */
export function reportRights(rights: Rights | undefined, log: Logger): void {
  if (rights === undefined) return;
  if (rights.isRoot) {
    log.info(`Weir runs as root; ${CAP_NET_RAW} alone is enough`, { hint: START_UNPRIVILEGED });
    return;
  }
  const excess = excessRights(rights);
  if (excess.length > 0) {
    log.warn(`Weir has more rights than it needs: ${excess.join(', ')}; ${CAP_NET_RAW} alone is enough`, {
      hint: START_UNPRIVILEGED,
    });
  }
}

/**
 * Takes every capability from the programs that Weir will start; its own it keeps.
 * @param mayCapture but for CAP_NET_RAW: tcpdump has to open the interface for this filter
 */
export function keepRightsFromChildren(mayCapture: boolean, log: Logger): void {
  const capabilities = mayCapture ? CAP_NET_RAW : 'none';
  const { ambient = [], isRoot = false } = ownRights() ?? {};
  const failure = letChildrenInherit({ capabilities, bound: true });
  if (failure === undefined || (!isRoot && ambient.length === 0)) return;
  const why = {
    not_built: 'the addon that takes them away is not built',
    not_loaded: 'the addon that takes them away cannot be loaded',
    refused: 'the kernel does not let Weir take them away',
    not_bound: 'without CAP_SETPCAP root cannot keep its rights to itself',
  }[failure];
  const isAddon = failure === 'not_built' || failure === 'not_loaded';
  log.warn(`${why}: the programs that Weir starts inherit its rights`, {
    hint: isAddon ? 'npm run setup' : START_UNPRIVILEGED,
  });
}
