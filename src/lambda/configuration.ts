/**
 * The configuration of a function: environment variables by the names of `weir convert`'s options, read by the one schema.
 * `--vantage` is WEIR_VANTAGE, `--enterprise-number` WEIR_ENTERPRISE_NUMBER; the collectors are WEIR_COLLECTORS.
 */

import type { CollectorConfig } from '../config/collector-url.ts';
import { type EffectiveConfig, loadConfig } from '../config/load.ts';
import { OPTIONS, type Property } from '../config/schema.ts';
import { didYouMean } from '../config/suggest.ts';
import { FormatError, parseFormat } from '../flowlogs/log-format.ts';
import type { LogFormat } from '../flowlogs/log-object.ts';

/** Options of `weir convert` that mean something to a function, whose sources are the events that AWS brings. */
const MEANT: readonly Property[] = [
  'collectorUrls',
  'observationDomain',
  'templateRefreshSeconds',
  'mtu',
  'format',
  'rejects',
  'vantage',
  'interfaceMap',
  'recordsPerSecond',
  'enterpriseNumber',
  'region',
  'endpoint',
  'config',
];
/** `1`: the log has what is of interest for finding a fault. */
const DEBUG = 'WEIR_DEBUG';

export interface LambdaConfig extends EffectiveConfig {
  /** WEIR_FORMAT, read; undefined: not given. */
  readonly logFormat: LogFormat | undefined;
}

/** All that is wrong with the environment variables, a line each. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

/**
 * @param environment the function's environment variables
 * @param random32 32 random bits, for an Observation Domain of this execution environment's own
 * @throws ConfigurationError
 */
export function readConfiguration(
  environment: Readonly<Record<string, string | undefined>>,
  random32: () => number,
): LambdaConfig {
  const mistakes: string[] = [];
  const variables = new Map(MEANT.map((property) => [variableOf(property), property]));
  const flags = new Map<Property, readonly string[]>();
  for (const [variable, value] of Object.entries(environment)) {
    // CloudFormation cannot leave a variable out as easily as empty.
    if (!variable.startsWith('WEIR_') || value === undefined || value.trim() === '' || variable === DEBUG)
      continue;
    const property = variables.get(variable);
    if (property === undefined) {
      mistakes.push(`unknown variable ${variable}${didYouMean(variable, [...variables.keys(), DEBUG])}`);
    } else flags.set(property, property === 'collectorUrls' ? value.trim().split(/\s+/) : [value.trim()]);
  }

  const { config, mistakes: found } = loadConfig(flags, { cores: 1, command: 'convert' });
  mistakes.push(...found.map(asVariable));
  let logFormat: LogFormat | undefined;
  try {
    if (config?.format !== undefined) logFormat = parseFormat(config.format);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    mistakes.push(`WEIR_FORMAT: ${error.message}`);
  }
  if (config?.collectors.length === 0)
    mistakes.push(
      'WEIR_COLLECTORS: no collector is given; set it to one or several URLs, separated by spaces',
    );
  if (mistakes.length > 0) throw new ConfigurationError(mistakes.join('\n'));
  return { ...config!, collectors: ownDomains(config!, random32), logFormat };
}

/** The environment variable of an option. */
export function variableOf(property: Property): string {
  if (property === 'collectorUrls') return 'WEIR_COLLECTORS'; // the flag is repeated, a variable cannot be
  return `WEIR_${OPTIONS[property].name.toUpperCase().replaceAll('-', '_')}`;
}

/** A mistake of the loader begins with the flag, which a function does not have. */
function asVariable(mistake: string): string {
  return mistake.replace(/^--([a-z-]+)/, (flag, name) => {
    const property = MEANT.find((each) => OPTIONS[each].name === name);
    return property === undefined ? flag : variableOf(property);
  });
}

/**
 * A function has no memory of another execution environment's sequence, and may run in many at once. So each is an exporter
 * of its own, unless the configuration gives the domain. NetFlow v5 has 16 bits for that (engine type and ID).
 */
function ownDomains(config: EffectiveConfig, random32: () => number): CollectorConfig[] {
  return config.collectors.map((collector) => {
    const isGiven =
      config.origins.observationDomain !== 'default' || /[?&]observation-domain=/.test(collector.url);
    if (isGiven) return collector;
    const bits = random32();
    return {
      ...collector,
      observationDomain: collector.protocol === 'netflow5' ? bits & 0xfffe : bits >>> 0,
    };
  });
}
