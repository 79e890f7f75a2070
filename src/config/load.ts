/** Flags, the YAML file and the defaults become the effective configuration. Flags beat YAML beats defaults. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type CollectorConfig, parseCollectorUrl } from './collector-url.ts';
import { routerMistakes } from './router-rules.ts';
import {
  type ConfiguredCommand,
  defaultText,
  OPTIONS,
  type Origins,
  optionOf,
  PROPERTIES,
  type Property,
  type Section,
  type Settings,
} from './schema.ts';
import { BadValue } from './value-types.ts';
import { sharedCollectorMistakes, workerMistakes } from './worker-share.ts';
import { type Given, type GivenText, readYamlOptions } from './yaml-file.ts';

/** What the commands are given. */
export interface EffectiveConfig extends Settings {
  /** The collectors of `collectorUrls`, every value resolved against the options. */
  readonly collectors: readonly CollectorConfig[];
  /** `workers`, where `auto` is the number of cores. */
  readonly workerCount: number;
  /** Where each value came from. */
  readonly origins: Origins;
}

/** `auto`: more would want more than 32 MiB of ring each, and there is seldom that much to capture. */
const MOST_AUTO_WORKERS = 8;

/** The flags that were given, as texts; a switch is `true` or `false`. */
export type Flags = ReadonlyMap<Property, readonly string[]>;

export interface Loaded {
  /** Undefined where there are mistakes. */
  readonly config: EffectiveConfig | undefined;
  /** All of them, a line each: `weir.yaml:12: active-timeout: "fast" is not a number of seconds`. */
  readonly mistakes: readonly string[];
}

interface Value {
  readonly value: unknown;
  readonly origin: string;
  readonly texts: readonly GivenText[];
}

/** What the configuration is judged by, beside what is given. */
export interface Circumstances {
  /** Gives a file's octets or throws as `readFileSync` does. */
  readonly readFile?: (path: string) => Uint8Array;
  /** Of this machine, for `--workers auto`. */
  readonly cores?: number;
  /** Workers that run already and do until the next start: collectors are to suit them, too. */
  readonly running?: number;
  /** Whose defaults are meant, where they differ. */
  readonly command?: ConfiguredCommand;
  /** Of the file only this section: mistakes elsewhere are not looked for. */
  readonly only?: Section;
}

/** The configuration of flags, file and defaults, or every mistake in them. */
export function loadConfig(
  flags: Flags,
  { readFile = readFileSync, cores = availableParallelism(), running = 1, command, only }: Circumstances = {},
): Loaded {
  const mistakes: string[] = [];
  const values = new Map<Property, Value>(
    PROPERTIES.map((property) => [property, defaultOf(property, command)]),
  );
  const take = (given: Given) => {
    const value = parseGiven(given, mistakes);
    if (value !== undefined) values.set(given.property, value);
  };

  const path = flags.get('config')?.at(-1);
  if (path !== undefined) {
    const file = loadYaml(path, readFile, only);
    mistakes.push(...file.mistakes);
    file.given.forEach(take);
  }
  for (const [property, texts] of flags) {
    const flag = `--${OPTIONS[property].name}`;
    take({ property, origin: `flag ${flag}`, texts: texts.map((text) => ({ text, where: flag })) });
  }

  const settings = Object.fromEntries([...values].map(([property, { value }]) => [property, value]));
  const origins = Object.fromEntries([...values].map(([property, { origin }]) => [property, origin]));
  const { workers } = settings as Settings;
  const workerCount = workers === 'auto' ? Math.min(cores, MOST_AUTO_WORKERS) : workers;
  const sharers = Math.max(workerCount, running);
  const sharersText = `${sharers} workers${running > workerCount ? ', which run until the next start,' : ''}`;
  const collectors = parseCollectors(
    values.get('collectorUrls')?.texts ?? [],
    settings as Settings,
    sharers,
    sharersText,
    mistakes,
  );
  const from = values.get('decapsulateFrom')?.texts[0];
  if (from !== undefined && values.get('decapsulate')?.texts.length === 0) {
    mistakes.push(`${from.where}: no tunnel is opened without decapsulate`);
  }
  const config = { ...(settings as Settings), collectors, workerCount, origins: origins as Origins };
  const where = values.get('workers')!.origin.replace(/^flag /, '');
  mistakes.push(...routerMistakes(config, (property) => values.get(property)?.texts[0]?.where));
  const option = where.startsWith('--') ? where : where === 'default' ? 'workers' : `${where}: workers`;
  mistakes.push(
    ...workerMistakes(config, option),
    ...sharedCollectorMistakes(collectors, sharers, sharersText, option),
  );
  return { config: mistakes.length > 0 ? undefined : config, mistakes };
}

function defaultOf(property: Property, command: ConfiguredCommand | undefined): Value {
  const option = optionOf(property);
  const text = defaultText(option, command);
  const value = text === undefined ? undefined : option.type.parse(text);
  return { value: option.list === true ? [] : value, origin: 'default', texts: [] };
}

function loadYaml(path: string, readFile: (path: string) => Uint8Array, only: Section | undefined) {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFile(path));
  } catch (error) {
    return {
      given: [],
      mistakes: [`configuration file ${JSON.stringify(path)}: ${whyUnreadable(error)}`],
    };
  }
  return readYamlOptions(path, text, only);
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'permission denied';
  if (code === 'EISDIR') return 'it is a directory';
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'it is not UTF-8 text';
  return error instanceof Error ? error.message : String(error);
}

/** A flag that is given again replaces what was given before, unless it is a list. */
function parseGiven({ property, origin, texts }: Given, mistakes: string[]): Value | undefined {
  const option = optionOf(property);
  const given = option.commas === true ? texts.flatMap(splitAtCommas) : texts;
  const effective = option.list === true ? given : given.slice(-1);
  const parsed: unknown[] = [];
  for (const { text, where } of effective) {
    try {
      const value = option.type.parse(text);
      if (parsed.includes(value)) mistakes.push(`${where}: ${JSON.stringify(text)} is given twice`);
      parsed.push(value);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      mistakes.push(`${where}: ${error.message}`);
    }
  }
  if (parsed.length < effective.length) return undefined;
  return { value: option.list === true ? parsed : parsed[0], origin, texts: effective };
}

function splitAtCommas({ text, where }: GivenText): GivenText[] {
  return text.split(',').map((part) => ({ text: part.trim(), where }));
}

function parseCollectors(
  texts: readonly GivenText[],
  settings: Settings,
  workerCount: number,
  workersText: string,
  mistakes: string[],
): CollectorConfig[] {
  const collectors: CollectorConfig[] = [];
  for (const { text, where } of texts) {
    try {
      const collector = parseCollectorUrl(text, settings);
      const twin = collectors.find((other) => isSameSession(collector, other, workerCount));
      // A collector could not tell the two streams apart: both would count the same sequence.
      if (twin !== undefined && twin.url !== collector.url) {
        const apart =
          workerCount === 1 ? '' : `, ${workerCount} apart: each of ${workersText} takes the next one`;
        mistakes.push(
          collector.file !== undefined
            ? `${where}: "${text}" is the same file as "${twin.url}"`
            : `${where}: "${text}" is the same collector as "${twin.url}"; give them an observation-domain each${apart}`,
        );
      }
      collectors.push(collector);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      mistakes.push(`${where}: ${error.message}`);
    }
  }
  return collectors;
}

/** Whether two of the workers' streams could not be told apart: each takes the observation domain plus its index. */
function isSameSession(a: CollectorConfig, b: CollectorConfig, workerCount: number): boolean {
  if (a.file !== undefined || b.file !== undefined) return a.file?.path === b.file?.path;
  return (
    a.protocol === b.protocol &&
    a.transport === b.transport &&
    a.host.toLowerCase() === b.host.toLowerCase() &&
    a.port === b.port &&
    Math.abs(a.observationDomain - b.observationDomain) < workerCount &&
    a.source === b.source
  );
}
