/** What of the configuration is a worker's: its share of what is given for all of them, and names of its own. */
import type { CollectorConfig } from './collector-url.ts';
import type { Settings } from './schema.ts';

interface Shared
  extends Pick<Settings, 'capture' | 'direction' | 'interfaces' | 'maxFlows' | 'observationDomain'> {
  readonly collectors: readonly CollectorConfig[];
  readonly workerCount: number;
}

/**
 * The configuration of one worker: its share of the flows and of the collectors' pace, and the observation domain, source
 * ID or engine ID that is the configured one plus its index.
 */
export function shareOf<C extends Shared>(config: C, index: number): C {
  const { workerCount: count } = config;
  return {
    ...config,
    maxFlows: Math.floor(config.maxFlows / count) + Number(index < config.maxFlows % count),
    observationDomain: config.observationDomain + index,
    collectors: config.collectors.map((collector) => ({
      ...collector,
      observationDomain: collector.observationDomain + index,
      datagramsPerSecond:
        collector.datagramsPerSecond === 0
          ? 0
          : Math.max(1, Math.floor(collector.datagramsPerSecond / count)),
    })),
  };
}

/** What keeps so many workers from sharing this configuration, a line each. */
export function workerMistakes(config: Shared, where: string): string[] {
  const { workerCount: count, interfaces, direction } = config;
  if (count === 1) return [];
  const mistakes: string[] = [];
  const wrong = (what: string) => mistakes.push(`${where}: ${what}`);
  if (config.capture !== 'ring') wrong(`${count} workers need --capture ring, which shares an interface`);
  if (config.maxFlows < count) wrong(`max-flows: ${config.maxFlows} cannot be shared by ${count} workers`);
  if (direction !== 'ingress' || interfaces.includes('lo'))
    wrong(
      `${count} workers need --direction ingress and another interface than lo: elsewhere each would meter the others' export`,
    );
  return mistakes;
}

/**
 * What keeps so many workers from exporting to these collectors.
 * @param workers how to speak of them: "3 workers"
 */
export function sharedCollectorMistakes(
  collectors: readonly CollectorConfig[],
  count: number,
  workers: string,
  where: string,
): string[] {
  if (count === 1) return [];
  const mistakes: string[] = [];
  const wrong = (what: string) => mistakes.push(`${where}: ${what}`);
  for (const { url, protocol, observationDomain, file } of collectors) {
    if (file !== undefined) wrong(`"${url}": ${workers} cannot write one file`);
    const last = observationDomain + count - 1;
    if (protocol === 'netflow5' && (observationDomain & 0xff) + count - 1 > 0xff) {
      wrong(
        `"${url}": ${workers} from engine ID ${observationDomain & 0xff} on need IDs up to ` +
          `${(observationDomain & 0xff) + count - 1}, and NetFlow v5 has 8 bits for it; give it a lower observation-domain`,
      );
    } else if (last > 0xffff_ffff) {
      wrong(`"${url}": ${workers} need observation domains up to ${last}, which is more than 32 bits`);
    }
  }
  return mistakes;
}
