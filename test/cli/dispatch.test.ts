import { PassThrough } from 'node:stream';
import t from 'tap';
import { parseArguments } from '../../src/cli/arguments.ts';
import type { CommandContext } from '../../src/cli/context.ts';
import { dispatch } from '../../src/cli/dispatch.ts';
import { UserError } from '../../src/cli/errors.ts';
import { createLog } from '../../src/cli/log.ts';

/** The UserError that the arguments end in; anything written, or another end, fails the test. */
async function errorOf(args: string[]): Promise<UserError> {
  const stdout = new PassThrough();
  const context: CommandContext = {
    stdin: new PassThrough(),
    stdout,
    stderr: stdout,
    isTerminal: false,
    color: false,
    log: createLog({ write: t.fail, isTerminal: false, color: false, debug: true, nowMilliseconds: () => 0 }),
    version: '0.0.0',
    program: '',
    signal: new AbortController().signal,
  };
  try {
    await dispatch(parseArguments(args, '9.9.9', 100), context);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    t.equal(stdout.read(), null, 'nothing is written');
    return error;
  }
  throw new Error(`${args.join(' ')}: no error`);
}

t.test('mistakes are told together, before anything begins', async (t) => {
  const collector = ['-c', 'ipfix://h?mut=1'];
  const bad: [args: string[], message: string, hint: string | RegExp | undefined][] = [
    [['rnu'], 'unknown command "rnu"; did you mean "run"?', 'weir --help lists the commands'],
    [
      ['run'],
      'interface: none is given; weir run needs at least one',
      /^this machine has .*\blo\b.*: weir run -i /,
    ],
    [
      ['run', 'eth0'],
      'unexpected argument "eth0": an interface goes behind -i',
      'weir run --help lists the options',
    ],
    [
      ['read'],
      'FILE is missing: weir read needs at least one, or - for standard input',
      'weir read --help lists the options',
    ],
    [
      ['read', '--mut', '1', '--mtu', '1', ...collector],
      'unknown option "--mut"; did you mean "--mtu"?\n' +
        'FILE is missing: weir read needs at least one, or - for standard input\n' +
        '--mtu: "1" is not a whole number from 512 to 65535\n' +
        '--collector: "ipfix://h?mut=1": unknown parameter "mut"; did you mean "mtu"?',
      'weir read --help lists the options',
    ],
    [
      ['read', 'a.pcap', '--config', '/no/such'],
      'configuration file "/no/such": there is no such file',
      'weir read --help lists the options',
    ],
    [['listen'], 'PORT is missing: weir listen [ADDRESS:]PORT', 'weir listen --help lists the options'],
    [
      ['listen', '1', '2'],
      'unexpected argument "2": there is no place for it',
      'weir listen --help lists the options',
    ],
    [
      ['demo', 'now'],
      '"now" is not a number of seconds: weir demo [SECONDS]',
      'weir demo --help lists the options',
    ],
    [['doctor', '--json=2'], '--json: "2" is neither true nor false', 'weir doctor --help lists the options'],
    [['config', '--json=2'], '--json: "2" is neither true nor false', 'weir config --help lists the options'],
    [
      ['config', 'chekc'],
      'unexpected argument "chekc": the only one is check FILE',
      'weir config --help lists the options',
    ],
    [['config', 'check'], 'FILE is missing: weir config check FILE', /^weir config /],
    [['config', 'check', 'a', '--max-flows', '1'], 'weir config check takes no --max-flows', /^weir config /],
    [['config', 'check', '/no/such'], 'configuration file "/no/such": there is no such file', undefined],
  ];
  for (const [args, message, hint] of bad) {
    const error = await errorOf(args);
    t.equal(error.message, message, args.join(' '));
    t.equal(error.exitCode, 2, args.join(' '));
    if (hint instanceof RegExp) t.match(error.hint, hint);
    else t.equal(error.hint, hint, args.join(' '));
  }
});
