/**
 * `weir run` whose workers can be made to die. Arguments: as those of weir. Standard input: one JSON {@link Command} a
 * line. SIGTERM ends it.
 */
import { createInterface } from 'node:readline';
import { BroadcastChannel, setEnvironmentData } from 'node:worker_threads';
import { parseArguments } from '../../src/cli/arguments.ts';
import { createLog } from '../../src/cli/log.ts';
import { run } from '../../src/cli/run.ts';
import { loadConfig } from '../../src/config/load.ts';

/** What a worker is told. */
export type Fault =
  | { readonly kind: 'throw' | 'exit'; readonly worker: number }
  /** To those that were held back. */
  | { readonly kind: 'release' };
/** `hold`: workers that are started from now on wait. */
export type Command = Fault | { readonly kind: 'hold' };

const { stdin, stdout, stderr } = process;
const parsed = parseArguments(process.argv.slice(2), '0', 80);
if (parsed.kind !== 'command') throw new Error('not a command');
const { config, mistakes } = loadConfig(parsed.flags);
if (config === undefined) throw new Error(mistakes.join('\n'));

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
const channel = new BroadcastChannel('faults');
channel.unref();
const commands = createInterface(stdin).on('line', (line) => {
  const command = JSON.parse(line) as Command;
  if (command.kind === 'hold') setEnvironmentData('hold', true);
  else channel.postMessage(command);
  if (command.kind === 'release') setEnvironmentData('hold', false);
});
const context = {
  stdin,
  stdout,
  stderr,
  isTerminal: false,
  color: false,
  log: createLog({
    write: (line) => stderr.write(line),
    isTerminal: false,
    color: false,
    debug: false,
    nowMilliseconds: () => performance.now(),
  }),
  signal: stopping.signal,
  version: '0',
  program: '',
};
process.exitCode = await run(context, config, undefined, new URL('./faulty-card.js', import.meta.url));
commands.close();
