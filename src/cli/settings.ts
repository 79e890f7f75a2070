/** From the configuration to the probe's own options. */

import type { EffectiveConfig } from '../config/load.ts';
import type { ProbeOptions } from '../probe.ts';

type Settings = Pick<
  ProbeOptions,
  | 'activeTimeoutMilliseconds'
  | 'idleTimeoutMilliseconds'
  | 'maxFlows'
  | 'fields'
  | 'seed'
  | 'sampling'
  | 'biflow'
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
    sampling: interval > 1 ? { interval, mode } : undefined,
    seed: [entropy.readInt32LE(0), entropy.readInt32LE(4)],
  };
}
