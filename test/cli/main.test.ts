import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { hasProgram } from '../support/programs.ts';

/** The compiled program, beside this compiled test. */
const MAIN = fileURLToPath(new URL('../../bundle/weir/main.js', import.meta.url));
const PACKAGE = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
  bin: { weir: string };
};

const { PATH: SEARCH_PATH } = process.env;

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the program from a folder that is not the checkout. */
function weir(
  args: string[],
  options: { env?: Record<string, string>; closeStdout?: boolean } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: tmpdir(),
      // Only this: NO_COLOR, FORCE_COLOR or WEIR_DEBUG of whoever runs the tests would change what is seen.
      env: { PATH: SEARCH_PATH, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    if (options.closeStdout) child.stdout.destroy();
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

t.test('the program that package.json names', async (t) => {
  t.equal(PACKAGE.bin.weir, 'build/bundle/weir/main.js');
  t.match(readFileSync(MAIN, 'utf8'), /^#!\/usr\/bin\/env node\n/);
  t.same(await weir(['--version']), { code: 0, stdout: `${PACKAGE.version}\n`, stderr: '' });
});

t.test('help goes to standard output; without a command, to standard error', async (t) => {
  const help = await weir(['--help']);
  t.match(help, { code: 0, stdout: /^weir measures/, stderr: '' });
  t.same(await weir([]), { code: 2, stdout: '', stderr: help.stdout });
});

t.test(
  'what measures the lines of the help, which takes 50 ms to load, is loaded for the help alone',
  async (t) => {
    const broken = "Intl.Segmenter = class { constructor() { throw new Error('loaded') } }";
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(broken)}` };
    t.match(await weir(['config'], { env }), { code: 0, stderr: '' });
    t.match(await weir(['config', '--help'], { env }), { code: 1, stderr: /loaded/ });
  },
);

t.test('mistakes exit with 2 and leave standard output alone', async (t) => {
  t.same(await weir(['run', '-i', 'lo', '--active-timout', '5', '--mtu', 'big']), {
    code: 2,
    stdout: '',
    stderr:
      'weir: unknown option "--active-timout"; did you mean "--active-timeout"?\n' +
      'weir: --mtu: "big" is not a whole number from 512 to 65535\n' +
      'hint: weir run --help lists the options\n',
  });
});

t.test('weir config', async (t) => {
  const file = join(t.testdir({ 'weir.yaml': 'interface: [eth0, eth1]\nmetrics: off\n' }), 'weir.yaml');
  const table = await weir(['config', '--config', file, '--mtu', '1400', '-c', 'ipfix://10.0.0.9?rate=0']);
  t.match(table, { code: 0, stderr: '' });
  const rows = table.stdout.split('\n').map((row) => row.split(/ {2,}/));
  t.same(rows.slice(0, 3), [
    ['OPTION', 'VALUE', 'FROM'],
    ['interface', 'eth0', `${file}:1`],
    ['', 'eth1'],
  ]);
  for (const row of [
    ['mtu', '1400', 'flag --mtu'],
    ['metrics', 'off', `${file}:2`],
    ['filter', '-', 'default'],
    ['active-timeout', '5', 'default'],
    ['collector', 'ipfix://10.0.0.9?rate=0', 'flag --collector'],
  ]) {
    t.ok(
      rows.some((other) => other.join() === row.join()),
      row.join(' '),
    );
  }

  const json = await weir(['config', '--config', file, '-c', 'ipfix://10.0.0.9?rate=0', '--json']);
  t.match(JSON.parse(json.stdout), {
    options: {
      interface: { value: ['eth0', 'eth1'], from: `${file}:1` },
      metrics: { value: 'off', from: `${file}:2` },
      filter: { value: null, from: 'default' },
      json: { value: false, from: 'default' },
    },
    collectors: [
      { protocol: 'ipfix', transport: 'udp', host: '10.0.0.9', port: 4739, mtu: 1500, rate: 0, source: null },
    ],
  });
});

t.test('weir config check', async (t) => {
  const folder = t.testdir({ good: 'mtu: 1400\n', bad: 'mtu: 1400\n\nactive-timeout: "fast"\nmut: 5\n' });
  const [good, bad] = [join(folder, 'good'), join(folder, 'bad')];
  t.same(await weir(['config', 'check', good]), { code: 0, stdout: `${good}: ok\n`, stderr: '' });
  t.same(await weir(['config', 'check', bad]), {
    code: 2,
    stdout: '',
    stderr:
      `weir: ${bad}:4: unknown option "mut"; did you mean "mtu"?\n` +
      `weir: ${bad}:3: active-timeout: "fast" is not a number of seconds\n`,
  });
});

t.test('weir config check compiles the filter, without its interface', async (t) => {
  const folder = t.testdir({
    good: 'interface: nowhere0\nfilter: vlan 5 and not port 22\n',
    bad: 'interface: nowhere0\n\nfilter: prot 22\n',
    bin: {},
  });
  const [good, bad] = [join(folder, 'good'), join(folder, 'bad')];
  const without = { env: { PATH: join(folder, 'bin') } };
  for (const file of [good, bad]) {
    t.match(await weir(['config', 'check', file], without), {
      code: 0,
      stdout: `${file}: ok\n`,
      stderr: new RegExp(
        `${file}:[23]: filter: not checked. A filter is compiled with tcpdump, which is not inst`,
      ),
    });
  }
  if (!hasProgram('tcpdump')) return;
  t.same(await weir(['config', 'check', good]), { code: 0, stdout: `${good}: ok\n`, stderr: '' });
  t.match(await weir(['config', 'check', bad]), {
    code: 2,
    stdout: '',
    stderr: `weir: ${bad}:3: filter: The filter 'prot 22' does not compile: can't parse filter expression: syntax error`,
  });
});

t.test('weir doctor tells what this machine can do', async (t) => {
  const { code, stdout, stderr } = await weir(['doctor', '--json']);
  const { canRun, checks } = JSON.parse(stdout) as {
    canRun: boolean;
    checks: { name: string; status: string }[];
  };
  t.equal(code, canRun ? 0 : 1);
  t.equal(stderr, '');
  t.match(
    checks.find(({ name }) => name === 'Node.js'),
    { status: 'ok' },
  );
});

t.test('colours as the environment asks', async (t) => {
  t.match((await weir(['doctor'], { env: { FORCE_COLOR: '1' } })).stdout, '\u001b[32mok');
  t.notMatch((await weir(['doctor'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stdout, '\u001b[');
});

t.test('nobody reads standard output: a quiet end', async (t) => {
  t.same(await weir(['config'], { closeStdout: true }), { code: 0, stdout: '', stderr: '' });
});

t.test('the first signal asks, the second ends', async (t) => {
  // Doctor asks tcpdump and then ip for their versions; these answer their parent with a signal each.
  const program = (signal: string, afterwards: string) => `#!/bin/sh\nkill -${signal} $PPID\n${afterwards}\n`;
  const signalled = async (first: string, second: string, afterwards = 'exec sleep 2') => {
    const folder = t.testdir({ tcpdump: program(first, 'exit 0'), ip: program(second, afterwards) });
    for (const name of ['tcpdump', 'ip']) chmodSync(join(folder, name), 0o755);
    return weir(['doctor'], { env: { PATH: `${folder}:${SEARCH_PATH}` } });
  };
  t.same(await signalled('TERM', 'INT'), { code: 130, stdout: '', stderr: '' });
  t.same(await signalled('INT', 'TERM'), { code: 143, stdout: '', stderr: '' });
  // Signal 0 asks only whether its target is there.
  t.match(
    await signalled('INT', '0', 'exit 0'),
    { stdout: /^ok +Node\.js/, stderr: '' },
    'doctor went on to its end',
  );
});

t.test('a fault is one line, and with WEIR_DEBUG=1 its stack', async (t) => {
  const folder = t.testdir({
    // Throws from the event loop as soon as the program listens for what nobody catches.
    'fault.mjs': `process.on('newListener', (name) => {
      if (name === 'uncaughtException') setImmediate(() => { throw new Error('boom'); });
    });`,
  });
  const env = { NODE_OPTIONS: `--import=${join(folder, 'fault.mjs')}` };
  const short = await weir(['doctor'], { env });
  t.equal(short.code, 1);
  t.equal(short.stderr.split('\n').length, 2, 'one line');
  t.match(JSON.parse(short.stderr), { level: 'error', msg: 'a fault of Weir: boom', hint: /WEIR_DEBUG=1/ });
  const long = await weir(['doctor'], { env: { ...env, WEIR_DEBUG: '1' } });
  t.match(long, { code: 1, stderr: /\nError: boom\n {4}at .*fault\.mjs/ });
});

t.test(
  'a file that may not be read',
  { skip: process.getuid?.() === 0 && 'root may read everything' },
  async (t) => {
    const file = join(t.testdir(), 'weir.yaml');
    writeFileSync(file, 'mtu: 1400\n');
    chmodSync(file, 0o000);
    t.match(await weir(['config', 'check', file]), { code: 2, stderr: /permission denied/ });
  },
);
