/** What `weir convert` is to convert: its SOURCE arguments and the options that only some of them know, judged before anything is opened. */

import type { EffectiveConfig } from '../config/load.ts';
import { didYouMean } from '../config/suggest.ts';
import { resolveInstant } from '../config/value-types.ts';
import { FormatError, parseFormat } from '../flowlogs/log-format.ts';
import type { LogFormat } from '../flowlogs/log-object.ts';
import { parseS3Url } from '../flowlogs/sources/s3-keys.ts';
import { SourceError } from '../flowlogs/sources/source-error.ts';
import { parseQueue } from '../flowlogs/sources/sqs-queue.ts';

/** One SOURCE. `text` is the argument. */
export interface SourceSpec {
  readonly kind: 'file' | 'standard input' | 's3' | 'sqs' | 'cloudwatch';
  readonly text: string;
}

export interface ConvertPlan {
  readonly sources: readonly SourceSpec[];
  /** --format. */
  readonly format: LogFormat | undefined;
  /** Unix milliseconds. */
  readonly sinceMilliseconds: number | undefined;
  readonly untilMilliseconds: number | undefined;
}

const SCHEMES = ['s3', 'sqs', 'cloudwatch'];

/**
 * @param config undefined: it is wrong, and the SOURCEs alone are judged
 * @param nowMilliseconds Unix time, from which `6h` counts back
 */
export function convertPlan(
  texts: readonly string[],
  config: EffectiveConfig | undefined,
  nowMilliseconds = Date.now(),
): { readonly plan: ConvertPlan; readonly mistakes: readonly string[] } {
  const mistakes: string[] = [];
  const sources: SourceSpec[] = [];
  for (const text of texts) {
    const source = parseSource(text);
    if (typeof source === 'string') mistakes.push(source);
    else if (sources.some((other) => other.text === text))
      mistakes.push(`SOURCE ${JSON.stringify(text)} is given twice`);
    else sources.push(source);
  }
  if (config === undefined) {
    return {
      plan: { sources, format: undefined, sinceMilliseconds: undefined, untilMilliseconds: undefined },
      mistakes,
    };
  }
  const at = (property: 'format' | 'since' | 'until' | 'follow' | 'checkpoint' | 'exporter'): string =>
    config.origins[property].replace(/^flag /, '').replace(/^(?!--)(.*)$/, `$1: ${property}`);

  const { since, until } = config;
  const sinceMilliseconds = since && resolveInstant(since, nowMilliseconds);
  const untilMilliseconds = until && resolveInstant(until, nowMilliseconds);
  if (
    sinceMilliseconds !== undefined &&
    untilMilliseconds !== undefined &&
    sinceMilliseconds >= untilMilliseconds
  ) {
    mistakes.push(`${at('until')}: "${until!.text}" is not after "${since!.text}", which --since says`);
  }
  if (texts.length > 0 && mistakes.length === 0) {
    mistakes.push(
      ...pointless(config, sources, at),
      ...perInterfaceMistakes(config, at),
      ...engineMistakes(config),
    );
  }
  let format: LogFormat | undefined;
  try {
    format = config.format === undefined ? undefined : parseFormat(config.format);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    // What "${version}" comes to within double quotes.
    const hint = /^\s*$/.test(config.format!) ? '; write it in single quotes' : '';
    mistakes.push(`${at('format')}: ${error.message}${hint}`);
  }
  return { plan: { sources, format, sinceMilliseconds, untilMilliseconds }, mistakes };
}

/** Options that none of the sources knows: whoever gives them expects something. */
function pointless(
  config: EffectiveConfig,
  sources: readonly SourceSpec[],
  at: (property: 'since' | 'until' | 'follow' | 'checkpoint') => string,
): string[] {
  const mistakes: string[] = [];
  const is = (...kinds: SourceSpec['kind'][]) => sources.some(({ kind }) => kinds.includes(kind));
  for (const property of ['since', 'until'] as const) {
    if (config[property] !== undefined && !is('s3', 'cloudwatch')) {
      mistakes.push(`${at(property)}: only s3:// and cloudwatch:// know when something was logged`);
    }
  }
  if (config.checkpoint !== undefined && !is('s3', 'cloudwatch')) {
    mistakes.push(`${at('checkpoint')}: only s3:// and cloudwatch:// are gone on with from a checkpoint`);
  }
  const checkpointed = sources.filter(({ kind }) => kind === 's3' || kind === 'cloudwatch');
  if (config.checkpoint !== undefined && checkpointed.length > 1) {
    mistakes.push(
      `${at('checkpoint')}: a checkpoint is of one source; convert ${checkpointed.length} by a command each`,
    );
  }
  if (config.follow && !is('s3', 'sqs', 'cloudwatch')) {
    mistakes.push(`${at('follow')}: only s3://, sqs:// and cloudwatch:// can be followed`);
  } else if (config.follow && sources.length > 1) {
    mistakes.push(`${at('follow')}: what is followed has no end, so that it has to be the only SOURCE`);
  } else if (is('sqs') && sources.length > 1) {
    mistakes.push('SOURCE: a queue has no end, so that it has to be the only SOURCE');
  }
  return mistakes;
}

function perInterfaceMistakes(config: EffectiveConfig, at: (property: 'exporter') => string): string[] {
  if (config.exporter !== 'per-interface') return [];
  if (config.collectors.length === 0) return [`${at('exporter')}: per-interface needs a collector: -c URL`];
  return config.collectors.flatMap(({ url, transport, source, balance }) => {
    const why =
      transport !== 'udp'
        ? 'only datagrams can leave with an address of their own'
        : source !== undefined
          ? "source= is the interface's own"
          : balance !== undefined
            ? 'an interface is one device, and balance= would divide it'
            : undefined;
    return why === undefined ? [] : [`${at('exporter')}: per-interface does not go with "${url}": ${why}`];
  });
}

/** Refused flows leave under the next engine ID of v5: it has to be there, and nobody else's. */
function engineMistakes({ collectors, rejects }: EffectiveConfig): string[] {
  if (rejects !== 'keep') return [];
  const mistakes: string[] = [];
  const apart = 'rejects leave under an engine ID of their own, the next one';
  for (const { url, host, port, observationDomain } of collectors.filter(
    ({ protocol }) => protocol === 'netflow5',
  )) {
    if (observationDomain === 65_535) {
      mistakes.push(`--collector: "${url}": observation-domain: ${apart}, and behind 65535 there is none`);
    }
    const twin = collectors.find(
      (other) =>
        other.protocol === 'netflow5' &&
        other.host.toLowerCase() === host.toLowerCase() &&
        other.port === port &&
        other.observationDomain === observationDomain + 1,
    );
    if (twin !== undefined) {
      mistakes.push(
        `--collector: "${url}" and "${twin.url}": ${apart}; give them an observation-domain 2 apart`,
      );
    }
  }
  return mistakes;
}

/** The log group of `cloudwatch://my-group`, `cloudwatch:///aws/vpc`, `cloudwatch://arn:aws:logs:…`; undefined: none. */
export function logGroupOf(text: string): string | undefined {
  const group = /^cloudwatch:\/\/(.+)$/i.exec(text)?.[1]?.replace(/:\*$/, '');
  return group !== undefined && /^(arn:[\w-]+:logs:[\w-]+:\d{12}:log-group:)?[\w./#-]{1,512}$/.test(group)
    ? group
    : undefined;
}

/** A SOURCE, or what is wrong with it. */
function parseSource(text: string): SourceSpec | string {
  if (text === '') return 'SOURCE "" is empty';
  if (text === '-') return { kind: 'standard input', text };
  const scheme =
    /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1] ?? (/^arn:aws[\w-]*:sqs:/.test(text) ? 'sqs' : undefined);
  try {
    switch (scheme?.toLowerCase()) {
      case undefined:
        return { kind: 'file', text };
      case 's3':
        parseS3Url(text);
        return { kind: 's3', text };
      case 'sqs':
      case 'sqs+http':
      case 'sqs+https':
        parseQueue(text);
        return { kind: 'sqs', text };
      case 'http':
      case 'https':
        // As AWS shows the URL of a queue.
        if (/^https?:\/\/[^/]*(sqs|queue)[^/]*\//i.test(text)) {
          parseQueue(text);
          return { kind: 'sqs', text };
        }
        break;
      case 'cloudwatch':
        if (logGroupOf(text) !== undefined) return { kind: 'cloudwatch', text };
        return `SOURCE ${JSON.stringify(text)}: no name of a log group; write cloudwatch://LOG-GROUP`;
    }
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return `SOURCE ${error.message}`;
  }
  const known = `${SCHEMES.map((name) => `${name}://`).join(', ')}, files, folders and -`;
  const suggestion = didYouMean(scheme!, SCHEMES) || `; Weir knows ${known}`;
  return `SOURCE ${JSON.stringify(text)}: unknown scheme "${scheme}"${suggestion}`;
}
