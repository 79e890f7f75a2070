/** `weir config`: the effective configuration and where each value came from; `weir config check FILE`. */

import { NoTcpdump } from '../capture/filter.ts';
import type { CollectorConfig } from '../config/collector-url.ts';
import { type EffectiveConfig, loadConfig } from '../config/load.ts';
import { fullName, optionOf, PROPERTIES, type Property } from '../config/schema.ts';
import type { CommandContext } from './context.ts';
import { EXIT_OK, EXIT_USAGE, UserError } from './errors.ts';
import { keepRightsFromChildren } from './rights-report.ts';
import { checkFilterOf } from './sources.ts';

/** Writes the effective configuration to standard output: a table, or one JSON document. Returns the exit code. */
export function showConfig(context: CommandContext, config: EffectiveConfig, json: boolean): number {
  context.stdout.write(json ? configJson(config) : configTable(config));
  return EXIT_OK;
}

/**
 * Says that a YAML file is right, its filter included where tcpdump is there to compile it. Returns the exit code.
 * @throws UserError with every mistake in it
 */
export async function checkConfig(context: CommandContext, file: string): Promise<number> {
  const { config, mistakes } = loadConfig(new Map([['config', [file]]]));
  if (config === undefined) throw new UserError(mistakes.join('\n'), { exitCode: EXIT_USAGE });
  if (config.filter !== undefined) keepRightsFromChildren(false, context.log);
  try {
    await checkFilterOf(config);
  } catch (error) {
    if (!(error instanceof NoTcpdump)) throw error;
    context.log.warn(`${config.origins.filter}: filter: not checked. ${error.message}`);
  }
  context.stdout.write(`${file}: ok\n`);
  return EXIT_OK;
}

function configTable(config: EffectiveConfig): string {
  const rows: string[][] = [['OPTION', 'VALUE', 'FROM']];
  for (const property of PROPERTIES) {
    const texts = valueTexts(config, property);
    const from = config.origins[property];
    // A list takes a row an entry: a row that held it all would be wider than the screen.
    if (texts.length === 0) rows.push([fullName(property), '-', from]);
    texts.forEach((text, index) => {
      rows.push(index === 0 ? [fullName(property), text, from] : ['', text, '']);
    });
  }
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => `${row[0]!.padEnd(widths[0]!)}  ${row[1]!.padEnd(widths[1]!)}  ${row[2]}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

function configJson(config: EffectiveConfig): string {
  const options = Object.fromEntries(
    PROPERTIES.map((property) => [
      fullName(property),
      { value: jsonValue(config, property), from: config.origins[property] },
    ]),
  );
  return `${JSON.stringify({ options, collectors: config.collectors.map(collectorJson) }, undefined, 2)}\n`;
}

/** A collector by the names that its URL uses; what means nothing to its transport is left out. */
function collectorJson(collector: CollectorConfig) {
  const { transport, tls, file } = collector;
  return {
    url: collector.url,
    protocol: collector.protocol,
    transport,
    ...(file === undefined
      ? { host: collector.host, port: collector.port, source: collector.source ?? null }
      : {
          path: file.path,
          'rotate-octets': file.rotateOctets ?? null,
          'rotate-seconds': file.rotateSeconds ?? null,
        }),
    ...(tls === undefined ? {} : { ca: tls.ca ?? null, cert: tls.cert ?? null, key: tls.key ?? null }),
    ...(transport === 'udp'
      ? {
          mtu: collector.mtu,
          'template-refresh': collector.templateRefreshSeconds,
          rate: collector.datagramsPerSecond,
        }
      : {}),
    'observation-domain': collector.observationDomain,
    'tcp-control-bits': collector.tcpControlBitsOctets * 8,
    balance: collector.balance ?? null,
  };
}

function jsonValue(config: EffectiveConfig, property: Property): unknown {
  const { type } = optionOf(property);
  // Endpoints, routes and peers are told the way they are given; the other values are plain.
  const told = (value: unknown) => (value instanceof Object ? type.format(value) : value);
  const value: unknown = config[property];
  if (Array.isArray(value)) return value.map(told);
  return value === undefined ? (offText(property) ?? null) : told(value);
}

/** `off`, where that is how an option without a value is given. */
function offText(property: Property): string | undefined {
  const { type, default: preset } = optionOf(property);
  return preset === undefined ? undefined : type.format(undefined);
}

/** A value as the texts that a flag would take. */
function valueTexts(config: EffectiveConfig, property: Property): string[] {
  const { type, list, default: preset } = optionOf(property);
  const value = config[property];
  if (list === true) return (value as readonly unknown[]).map((item) => type.format(item));
  if (property === 'workers' && value === 'auto') return [`auto, here ${config.workerCount}`];
  return value === undefined && preset === undefined ? [] : [type.format(value)];
}
