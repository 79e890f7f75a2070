/** From parsed arguments to the command. Each command is loaded when it is asked for, so that the others cost nothing. */
import { type EffectiveConfig, type Flags, type Loaded, loadConfig } from '../config/load.ts';
import { OPTIONS } from '../config/schema.ts';
import { didYouMean } from '../config/suggest.ts';
import type { ParsedArguments } from './arguments.ts';
import { COMMANDS } from './commands.ts';
import type { CommandContext } from './context.ts';
import { EXIT_OK, EXIT_USAGE, UserError } from './errors.ts';
import { machineInterfaces } from './interfaces.ts';

const NO_INTERFACE = 'interface: none is given; weir run needs at least one';

/**
 * Runs the command and resolves to the exit code.
 * @throws UserError with every mistake in flags, arguments and configuration
 */
export async function dispatch(parsed: ParsedArguments, context: CommandContext): Promise<number> {
  if (parsed.kind === 'text') {
    context.stdout.write(parsed.text);
    return EXIT_OK;
  }
  if (parsed.kind === 'nothing') {
    context.stderr.write(parsed.text);
    return EXIT_USAGE;
  }
  const { command, flags, positionals } = parsed;
  const mistakes = [...parsed.mistakes];
  const [first] = positionals;
  const isJson = flags.get('json')?.at(-1) === 'true';

  switch (command) {
    case undefined:
      throw usage(mistakes, 'weir --help lists the commands');

    case 'run': {
      // Flags alone cannot change.
      const canReload = flags.has('config');
      if (canReload) context.onReload?.('later');
      mistakes.push(...unexpected(positionals, 'an interface goes behind -i'));
      const config = configure(loadConfig(flags), mistakes, command);
      if (config.interfaces.length === 0) {
        const names = machineInterfaces().map(({ name }) => name);
        throw new UserError(NO_INTERFACE, {
          hint: `this machine has ${names.join(', ')}: weir run -i ${names[0] ?? 'eth0'}`,
          exitCode: EXIT_USAGE,
        });
      }
      const load = () => loadRun(flags, config.workerCount);
      return (await import('./run.ts')).run(context, config, canReload ? load : undefined);
    }
    case 'read': {
      if (first === undefined)
        mistakes.push('FILE is missing: weir read needs at least one, or - for standard input');
      const config = configure(loadConfig(flags), mistakes, command);
      return (await import('./read.ts')).read(context, config, [...positionals]);
    }
    case 'convert': {
      if (first === undefined)
        mistakes.push('SOURCE is missing: weir convert needs at least one, or - for standard input');
      const loaded = loadConfig(flags, { command });
      const { convertPlan } = await import('./convert-plan.ts');
      const { plan, mistakes: found } = convertPlan(positionals, loaded.config);
      const config = configure(loaded, [...mistakes, ...found], command);
      return (await import('./convert.ts')).convert(context, config, plan);
    }
    case 'config': {
      if (first === 'check') {
        const [, file, ...more] = positionals;
        if (file === undefined) mistakes.push('FILE is missing: weir config check FILE');
        mistakes.push(
          ...unexpected(more),
          ...[...flags.keys()].map((property) => `weir config check takes no --${OPTIONS[property].name}`),
        );
        if (file === undefined || mistakes.length > 0) throw usage(mistakes, `${COMMANDS.config.synopsis}`);
        return (await import('./config.ts')).checkConfig(context, file);
      }
      mistakes.push(...unexpected(positionals, 'the only one is check FILE'));
      mistakes.push(...badSwitches(new Map([...flags].filter(([property]) => property === 'json'))));
      // Here --json is how to show the configuration, not a part of it.
      const shown = new Map([...flags].filter(([property]) => property !== 'json'));
      const config = configure(loadConfig(shown), mistakes, command);
      return (await import('./config.ts')).showConfig(context, config, isJson);
    }
    case 'router': {
      const router = await import('./router.ts');
      const [, ...more] = positionals;
      switch (first) {
        case undefined: {
          const { config, mistakes: found } = router.loadRouter(flags, context.log);
          const all = [...mistakes, ...found];
          if (config === undefined || all.length > 0) throw usage(all, hintFor(command));
          return router.runRouter(context, config);
        }
        case 'status':
        case 'release':
        case 'resume': {
          mistakes.push(...unexpected(more));
          if (mistakes.length > 0) throw usage(mistakes, hintFor(command));
          return (await import('./router-control.ts')).controlRouter(context, flags, first, isJson);
        }
        case 'fetch': {
          const [source, file, ...rest] = more;
          if (source === undefined || file === undefined)
            mistakes.push('SOURCE or FILE is missing: weir router fetch ssm:NAME|user-data FILE');
          mistakes.push(...unexpected(rest));
          if (source === undefined || file === undefined || mistakes.length > 0)
            throw usage(mistakes, hintFor(command));
          return (await import('./router-fetch.ts')).fetchConfig(context, source, file);
        }
        default:
          mistakes.push(
            `unexpected argument "${first}"${didYouMean(first, ['status', 'release', 'resume', 'fetch']) || ': weir router takes status, release, resume or fetch'}`,
          );
          throw usage(mistakes, hintFor(command));
      }
    }
    case 'listen': {
      if (first === undefined) mistakes.push('PORT is missing: weir listen [ADDRESS:]PORT');
      mistakes.push(...unexpected(positionals.slice(1)), ...badSwitches(flags));
      if (first === undefined || mistakes.length > 0) throw usage(mistakes, hintFor(command));
      const { stdout, isTerminal, log, signal } = context;
      await (await import('./listen.ts')).listen({
        endpoint: first,
        json: isJson,
        stdout,
        isTerminal,
        log,
        signal,
      });
      return EXIT_OK;
    }
    case 'demo': {
      const seconds = first === undefined ? undefined : Number(first);
      if (seconds !== undefined && !(seconds > 0 && seconds <= 86_400)) {
        mistakes.push(`"${first}" is not a number of seconds: weir demo [SECONDS]`);
      }
      mistakes.push(...unexpected(positionals.slice(1)), ...badSwitches(flags));
      if (mistakes.length > 0) throw usage(mistakes, hintFor(command));
      return (await import('./demo/demo.ts')).demo(context, { seconds, json: isJson });
    }
    case 'doctor': {
      mistakes.push(...unexpected(positionals), ...badSwitches(flags));
      if (mistakes.length > 0) throw usage(mistakes, hintFor(command));
      return (await import('./doctor.ts')).doctor(context, isJson);
    }
  }
}

/** The effective configuration. @throws UserError with the mistakes so far and those of the configuration */
function configure(loaded: Loaded, mistakes: readonly string[], command: string): EffectiveConfig {
  const all = [...mistakes, ...loaded.mistakes];
  if (loaded.config === undefined || all.length > 0) throw usage(all, hintFor(command));
  return loaded.config;
}

/** The configuration of `weir run`, which needs an interface, as it is now. @param running workers that run already */
function loadRun(flags: Flags, running: number): Loaded {
  const loaded = loadConfig(flags, { running });
  return loaded.config?.interfaces.length === 0 ? { config: undefined, mistakes: [NO_INTERFACE] } : loaded;
}

function usage(mistakes: readonly string[], hint: string): UserError {
  return new UserError(mistakes.join('\n'), { hint, exitCode: EXIT_USAGE });
}

function hintFor(command: string): string {
  return `weir ${command} --help lists the options`;
}

function unexpected(positionals: readonly string[], why = 'there is no place for it'): string[] {
  return positionals.map((word) => `unexpected argument "${word}": ${why}`);
}

/** For commands without a configuration: their switches are judged by the schema's type all the same. */
function badSwitches(flags: Flags): readonly string[] {
  return loadConfig(flags).mistakes;
}
