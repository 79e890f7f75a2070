/** The command line through yargs: which command, its flags as texts, and everything that is wrong with them. */
import yargs, { type Argv } from 'yargs';
import type { Flags } from '../config/load.ts';
import { defaultText, OPTIONS, optionOf, PROPERTIES, type Property } from '../config/schema.ts';
import { didYouMean } from '../config/suggest.ts';
import {
  COLLECTOR_HELP,
  COMMAND_NAMES,
  COMMANDS,
  type Command,
  type CommandName,
  OVERVIEW,
} from './commands.ts';

export type ParsedArguments =
  /** `--help` or `--version`: a text for standard output. */
  | { readonly kind: 'text'; readonly text: string }
  /** Nothing was asked for: a text for standard error. */
  | { readonly kind: 'nothing'; readonly text: string }
  | {
      readonly kind: 'command';
      /** Undefined: unknown or missing, and a mistake. */
      readonly command: CommandName | undefined;
      readonly flags: Flags;
      readonly positionals: readonly string[];
      /** All of them, a line each: `unknown option "--mut"; did you mean "--mtu"?`. */
      readonly mistakes: readonly string[];
    };

/** What yargs makes of a flag: with and without a value, and with several. */
type RawValue = string | boolean | readonly (string | boolean)[] | undefined;
type RawArguments = Record<string, unknown> & { _: (string | number)[] };

/**
 * Parses the arguments behind `node main.js`.
 * @param columns width of the help
 */
export function parseArguments(args: readonly string[], version: string, columns: number): ParsedArguments {
  if (args[0] === 'help') return parseArguments([...args.slice(1), '--help'], version, columns);
  const mistakes: string[] = [];
  let command: CommandName | undefined;
  let raw: RawArguments = { _: [] };
  let text = '';

  // yargs lays the help out in any case; it is given only when asked for, which saves 30 ms of every start.
  const wantsHelp = args.some((arg) => arg === '--help' || arg === '-h');
  const parser = commandLine(version, columns, wantsHelp, (name, found) => {
    command = name;
    raw = found;
  });
  parser.parse(withoutClusters(args, mistakes), {}, (_error, argv, output) => {
    if (command === undefined) raw = argv as RawArguments;
    text = output;
  });
  if (args.length === 0) return { kind: 'nothing', text: OVERVIEW };
  const words = raw._.map(String);
  const [word] = words;
  const isKnown = word === undefined || COMMAND_NAMES.some((name) => name === word);
  if (text !== '' && isKnown) {
    // yargs would run the columns of the overview together.
    return { kind: 'text', text: word === undefined && text !== version ? OVERVIEW : `${text}\n` };
  }

  if (command === undefined) {
    mistakes.push(
      word === undefined
        ? `the command is missing: one of ${COMMAND_NAMES.join(', ')}`
        : `unknown command "${word}"${didYouMean(word, COMMAND_NAMES)}`,
    );
    return { kind: 'command', command, flags: new Map(), positionals: [], mistakes };
  }
  const flags = readFlags(command, raw, args, mistakes);
  return { kind: 'command', command, flags, positionals: words.slice(1), mistakes };
}

function commandLine(
  version: string,
  columns: number,
  wantsHelp: boolean,
  chosen: (name: CommandName, raw: RawArguments) => void,
): Argv {
  const parser = yargs()
    .scriptName('weir')
    .locale('en')
    .usage(wantsHelp ? OVERVIEW : '')
    .wrap(columns)
    .exitProcess(false)
    .help('help', 'Show this help')
    .alias('help', 'h')
    .version('version', 'Show the version', version)
    .hide('help')
    .hide('version')
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'strip-aliased': true,
    });
  for (const name of COMMAND_NAMES) {
    const command: Command = COMMANDS[name];
    // Positionals stay in `_`: whether they are too few or too many is said by Weir, in its own words.
    parser.command(
      name,
      false,
      (builder) => declareOptions(builder, command, wantsHelp),
      (found) => chosen(name, found as RawArguments),
    );
  }
  return parser;
}

function declareOptions(builder: Argv, command: Command, wantsHelp: boolean): Argv {
  if (wantsHelp) {
    builder.usage(`${command.synopsis}\n\n${command.description}`);
    for (const [example, what] of command.examples) builder.example(example, what);
    const epilogue = [
      command.epilogue,
      helpFor(command, 'collectorUrls') === undefined ? undefined : COLLECTOR_HELP,
    ].filter(Boolean);
    if (epilogue.length > 0) builder.epilogue(epilogue.join('\n\n'));
  } else {
    // null, which its types do not know, is no usage at all: not one line whose width would have to be measured.
    builder.usage(null as unknown as string);
  }
  for (const property of PROPERTIES) {
    const help = helpFor(command, property);
    if (help === undefined) continue;
    const option = optionOf(property);
    const { name, alias, group, switch: isSwitch } = option;
    const [only, ...others] = command.options;
    const preset = defaultText(option, others.length === 0 ? only : undefined);
    builder.option(name, {
      ...(wantsHelp ? { describe: help, group: `${group}:` } : { hidden: true }),
      ...(alias === undefined ? {} : { alias }),
      // No default for yargs: only what the user gave may beat the configuration file.
      ...(preset === undefined || isSwitch ? {} : { defaultDescription: preset }),
      ...(isSwitch ? { boolean: true } : {}),
    });
  }
  return builder;
}

/** The help of an option of this command; undefined: the command does not take it. */
function helpFor(command: Command, property: Property): string | undefined {
  if (property === 'json' && command.json !== undefined) return command.json;
  const { commands, help } = optionOf(property);
  return command.options.some((name) => commands.includes(name)) ? help : undefined;
}

/** `-mtu 1400` and `-ieth0` are slips: yargs would read them as a handful of one-letter flags. */
function withoutClusters(args: readonly string[], mistakes: string[]): string[] {
  const end = args.indexOf('--');
  return args.filter((arg, index) => {
    const isCluster = /^-[a-z][^=]/i.test(arg) && (end === -1 || index < end);
    if (isCluster) {
      const names = PROPERTIES.map((property) => OPTIONS[property].name);
      const suggestion = didYouMean(arg.slice(1).replace(/=.*/, ''), names, (name) => `--${name}`);
      const letter = PROPERTIES.map(optionOf).find(({ alias }) => alias === arg[1]);
      const spaced = letter === undefined ? '' : `; did you mean "-${arg[1]} ${arg.slice(2)}"?`;
      mistakes.push(`unknown option "${arg}"${suggestion || spaced}`);
    }
    return !isCluster;
  });
}

function readFlags(name: CommandName, raw: RawArguments, args: readonly string[], mistakes: string[]): Flags {
  const command: Command = COMMANDS[name];
  const accepted = PROPERTIES.filter((property) => helpFor(command, property) !== undefined);
  const byName = new Map(accepted.map((property) => [OPTIONS[property].name as string, property]));
  const flags = new Map<Property, readonly string[]>();

  for (const [key, value] of Object.entries(raw)) {
    if (key === '_' || key === '$0') continue;
    const property = byName.get(key);
    if (property === undefined) {
      mistakes.push(unknownFlag(name, key, byName.keys()));
      continue;
    }
    const given = [value as RawValue].flat().filter((one) => one !== undefined);
    if (optionOf(property).switch === true) {
      flags.set(property, [switchText(key, args) ?? String(given.at(-1))]);
    } else if (given.every((one) => typeof one === 'string' && one !== '')) {
      flags.set(property, given.map(String));
    } else {
      mistakes.push(
        given.includes(false)
          ? `--no-${key}: only a switch can be negated`
          : `--${key}: the value is missing`,
      );
    }
  }
  return flags;
}

/** `--json=maybe` is false for yargs; the text after `=` is judged like any other value. */
function switchText(name: string, args: readonly string[]): string | undefined {
  const prefix = `--${name}=`;
  const last = args.findLast(
    (arg) => arg === `--${name}` || arg === `--no-${name}` || arg.startsWith(prefix),
  );
  return last?.startsWith(prefix) === true ? last.slice(prefix.length) : undefined;
}

function unknownFlag(name: CommandName, key: string, accepted: Iterable<string>): string {
  const flag = key.length === 1 ? `-${key}` : `--${key}`;
  const elsewhere = PROPERTIES.map(optionOf).find((option) => option.name === key || option.alias === key);
  if (elsewhere !== undefined) {
    const commands = elsewhere.commands.map((command) => `weir ${command}`);
    const those =
      commands.length === 1 ? commands[0] : `${commands.slice(0, -1).join(', ')} and ${commands.at(-1)}`;
    return `unknown option "${flag}": it is one of ${those}, not of weir ${name}`;
  }
  return `unknown option "${flag}"${didYouMean(key, accepted, (candidate) => `--${candidate}`)}`;
}
