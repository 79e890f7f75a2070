import t from 'tap';
import { type ParsedArguments, parseArguments } from '../../src/cli/arguments.ts';
import { COMMAND_NAMES, COMMANDS } from '../../src/cli/commands.ts';
import { defaultText, optionOf, PROPERTIES } from '../../src/config/schema.ts';

type ParsedCommand = Extract<ParsedArguments, { kind: 'command' }>;

function parse(line: string): ParsedCommand {
  const parsed = parseArguments(words(line), '9.9.9', 100);
  if (parsed.kind !== 'command') throw new Error(`${line}: ${parsed.kind}`);
  return parsed;
}

function textOf(line: string): string {
  const parsed = parseArguments(words(line), '9.9.9', 100);
  if (parsed.kind === 'command') throw new Error(`${line}: ${JSON.stringify(parsed)}`);
  return parsed.text;
}

/** Splits as a shell would; quotes keep a word together. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

t.test('flags become texts by property', async (t) => {
  const good: [line: string, flags: object, positionals?: string[]][] = [
    ['run -i eth0 -i eth1', { interfaces: ['eth0', 'eth1'] }],
    ['run --interface=eth0 -c ipfix://h', { interfaces: ['eth0'], collectorUrls: ['ipfix://h'] }],
    ['-i eth0 run', { interfaces: ['eth0'] }],
    ['run -i=eth0', { interfaces: ['eth0'] }],
    ['run --mtu 1400 --mtu 1300', { mtu: ['1400', '1300'] }],
    ['run --active-timeout .5', { activeTimeoutSeconds: ['.5'] }],
    ['run --active-timeout -5', { activeTimeoutSeconds: ['-5'] }],
    ['run --max-flows 0010', { maxFlows: ['0010'] }],
    ["run --filter 'not port 22'", { filter: ['not port 22'] }],
    ["run --filter='-x'", { filter: ['-x'] }],
    ['run --promiscuous', { promiscuous: ['true'] }],
    ['run --promiscuous=false', { promiscuous: ['false'] }],
    ['run --no-promiscuous', { promiscuous: ['false'] }],
    ['run --promiscuous --no-promiscuous', { promiscuous: ['false'] }],
    ['run --json=maybe', { json: ['maybe'] }],
    ['run --metrics off', { metrics: ['off'] }],
    ['read a.pcap', {}, ['a.pcap']],
    ['read --json a.pcap 0017 -', { json: ['true'] }, ['a.pcap', '0017', '-']],
    ['read a.pcap -- -b.pcap --c.pcap', {}, ['a.pcap', '-b.pcap', '--c.pcap']],
    ['read a.pcap -- -abc', {}, ['a.pcap', '-abc']],
    ['listen [::1]:4739 --json', { json: ['true'] }, ['[::1]:4739']],
    ['listen 4739', {}, ['4739']],
    ['config check weir.yaml', {}, ['check', 'weir.yaml']],
    ['config -i eth0 --json', { interfaces: ['eth0'], json: ['true'] }],
    ['demo', {}],
    ['doctor', {}],
  ];
  for (const [line, flags, positionals = []] of good) {
    const parsed = parse(line);
    t.same(parsed.mistakes, [], line);
    t.ok(words(line).includes(parsed.command ?? ''), line);
    t.same(Object.fromEntries(parsed.flags), flags, line);
    t.same(parsed.positionals, positionals, line);
  }
});

t.test('mistakes in flags', async (t) => {
  const bad: [line: string, ...mistakes: string[]][] = [
    ['run --active-timout 5', 'unknown option "--active-timout"; did you mean "--active-timeout"?'],
    ['run --activeTimeout 5', 'unknown option "--activeTimeout"; did you mean "--active-timeout"?'],
    ['run --frobnicate', 'unknown option "--frobnicate"'],
    ['run -x', 'unknown option "-x"'],
    ['run -mtu 1400', 'unknown option "-mtu"; did you mean "--mtu"?'],
    ['run -ieth0', 'unknown option "-ieth0"; did you mean "-i eth0"?'],
    ['run --mtu', '--mtu: the value is missing'],
    ['run --mtu=', '--mtu: the value is missing'],
    ['run --mtu --json', '--mtu: the value is missing'],
    ['run -i', '--interface: the value is missing'],
    ['run --no-mtu', '--no-mtu: only a switch can be negated'],
    ['read a.pcap -i eth0', 'unknown option "-i": it is one of weir run, not of weir read'],
    [
      'listen 1 --mtu 3',
      'unknown option "--mtu": it is one of weir run, weir read and weir convert, not of weir listen',
    ],
    [
      'demo --mtu 9',
      'unknown option "--mtu": it is one of weir run, weir read and weir convert, not of weir demo',
    ],
    ['rnu -i eth0', 'unknown command "rnu"; did you mean "run"?'],
    ['capture', 'unknown command "capture"'],
    ['--json', 'the command is missing: one of run, read, convert, router, listen, demo, doctor, config'],
    [
      // All of them, not the first only.
      'run --mut 3 --filter --jsn -ic',
      'unknown option "-ic"; did you mean "-i c"?',
      'unknown option "--mut"; did you mean "--mtu"?',
      '--filter: the value is missing',
      'unknown option "--jsn"; did you mean "--json"?',
    ],
  ];
  for (const [line, ...mistakes] of bad) t.same(parse(line).mistakes, mistakes, line);
});

t.test('help shows every option of the command and no other', async (t) => {
  for (const command of COMMAND_NAMES) {
    const help = textOf(`${command} --help`);
    t.equal(textOf(`help ${command}`), help);
    t.equal(textOf(`${command} -h`), help);
    t.match(help, `weir ${command}`);
    for (const property of PROPERTIES) {
      const option = optionOf(property);
      const { name, alias, commands, help: sentence } = option;
      const preset = defaultText(option, command === 'convert' ? command : undefined);
      const takes = (declared: readonly string[]) =>
        COMMANDS[command].options.some((one: string) => declared.includes(one));
      const isConfigured = takes(commands);
      // `interface` is an option of its own in the router's section.
      const namesake = PROPERTIES.map(optionOf).find(
        (other) => other.name === name && other !== option && takes(other.commands),
      );
      if (!isConfigured && namesake !== undefined) continue;
      const isShown = new RegExp(`^ +(-[a-z], )?--${name} `, 'm').test(help);
      t.equal(isShown, isConfigured || name === 'json', `${command}: --${name}`);
      if (!isConfigured || name === 'json') continue;
      t.match(help.replace(/\s+/g, ' '), sentence);
      if (alias !== undefined) t.match(help, `-${alias}, --${name}`);
      if (preset !== undefined && preset !== 'false') t.match(help, `[default: ${preset}]`);
    }
    for (const line of help.split('\n')) t.ok(line.length <= 100, line);
  }
});

t.test('the overview names every command', async (t) => {
  const overview = textOf('--help');
  for (const command of COMMAND_NAMES) t.match(overview, `\n  weir ${command}`);
  for (const same of ['-h', 'help', '--help --json']) t.equal(textOf(same), overview, same);
  t.same(parseArguments([], '9.9.9', 100), { kind: 'nothing', text: overview });
});

t.test('the version', async (t) => {
  for (const line of ['--version', 'run --version']) t.equal(textOf(line), '9.9.9\n');
});
