/** From the configuration to the probe's own options. */

import type { EffectiveConfig } from '../config/load.ts';
import type { Probe, ProbeOptions } from '../probe.ts';
import type { Logger } from './logger.ts';

type Settings = Pick<
  ProbeOptions,
  | 'activeTimeoutMilliseconds'
  | 'idleTimeoutMilliseconds'
  | 'maxFlows'
  | 'fields'
  | 'seed'
  | 'sampling'
  | 'biflow'
  | 'enterpriseNumber'
>;

/** @param entropy 8 random octets: the seed of the flow table's hash */
export function probeSettings(config: EffectiveConfig, entropy: Buffer): Settings {
  const { samplingInterval: interval, samplingMode: mode } = config;
  return {
    activeTimeoutMilliseconds: Math.round(config.activeTimeoutSeconds * 1000),
    idleTimeoutMilliseconds: Math.round(config.idleTimeoutSeconds * 1000),
    maxFlows: config.maxFlows,
    fields: config.fields,
    biflow: config.biflow,
    enterpriseNumber: config.enterpriseNumber,
    sampling: interval > 1 ? { interval, mode } : undefined,
    seed: [entropy.readInt32LE(0), entropy.readInt32LE(4)],
  };
}

/** It works all the same, and whoever pays for the processor may want to know. */
export function warnOfLongWay({ plainProblem }: Probe['meter'], log: Logger): void {
  if (plainProblem === undefined) return;
  log.warn(
    `every packet is metered one by one, which takes about twice the processor: ${plainProblem.message}`,
  );
}
