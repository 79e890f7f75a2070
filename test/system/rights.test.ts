/** What Weir may do, and what the programs that it starts may. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { excessRights, letChildrenInherit, readRights } from '../../src/system/rights.ts';
import { hasProgram } from '../support/programs.ts';

const { PATH } = process.env;
const RIGHTS = new URL('../../src/system/rights.js', import.meta.url).href;
const PROGRAM = new URL('../../src/system/program.js', import.meta.url).href;
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs'];
const NET_RAW = NOBODY.concat(
  ['inh-caps', 'ambient-caps', 'bounding-set'].map((set) => `--${set}=-all,+net_raw`),
);
const skip =
  process.platform !== 'linux' || process.getuid?.() !== 0 || !hasProgram('setpriv')
    ? 'needs root on Linux, and setpriv, to give and to take capabilities'
    : false;

/** A status file's lines of the sets: inheritable, permitted, effective, bounding, ambient. */
interface Sets {
  readonly failure?: string;
  readonly own: string;
  readonly child: string;
}

/** Starts a process that says what its children inherit, and shows its own sets and those of a child. */
async function setsAfter(launcher: string[], inheritance: object | undefined): Promise<Sets> {
  const script = `
    import { readFileSync } from 'node:fs';
    import { letChildrenInherit } from '${RIGHTS}';
    import { runProgram } from '${PROGRAM}';
    const inheritance = ${JSON.stringify(inheritance)};
    const failure = inheritance && letChildrenInherit(inheritance);
    const sets = (status) => status.match(/^Cap.*$/gm).join(' ').replace(/Cap(...):\\s+0*([0-9a-f])/g, '$1 $2');
    const { stdout } = await runProgram('cat', ['/proc/self/status'], 5000);
    console.log(JSON.stringify({ failure, own: sets(readFileSync('/proc/self/status', 'utf8')), child: sets(stdout) }));`;
  const argv = [...launcher, process.execPath, '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(argv[0]!, argv.slice(1), {
    env: { PATH },
  });
  return JSON.parse(stdout) as Sets;
}

t.test('a status file, read', async (t) => {
  const status =
    'Uid:\t1000\t1000\t1000\t1000\nCapInh:\t0\nCapPrm:\t0000000000003000\nCapEff:\t0000000000002000\nCapAmb:\t0';
  const rights = readRights(status)!;
  t.same(rights, {
    isRoot: false,
    effective: ['CAP_NET_RAW'],
    permitted: ['CAP_NET_ADMIN', 'CAP_NET_RAW'],
    ambient: [],
  });
  t.same(excessRights(rights), ['CAP_NET_ADMIN'], 'what could be made effective counts');
  const root = readRights('Uid:\t0\t0\t0\t0\nCapEff:\t000003ffffffffff\nCapPrm:\t000003ffffffffff')!;
  t.equal(root.isRoot, true);
  t.equal(root.effective.length, 42);
  t.same(
    [root.effective[0], root.effective[40], root.effective[41]],
    ['CAP_CHOWN', 'CAP_CHECKPOINT_RESTORE', 'capability 41'],
  );
  t.same(excessRights(root), [], 'root is told otherwise');
});

t.test('an ordinary user: a child inherits nothing, and Weir keeps what it has', { skip }, async (t) => {
  const before = await setsAfter(NET_RAW, undefined);
  t.equal(before.child, 'Inh 2000 Prm 2000 Eff 2000 Bnd 2000 Amb 2000', 'without a word it would inherit');
  for (const bound of [false, true]) {
    const { own, child, failure } = await setsAfter(NET_RAW, { capabilities: 'none', bound });
    t.equal(failure, undefined);
    t.equal(own, 'Inh 0 Prm 2000 Eff 2000 Bnd 2000 Amb 0');
    t.equal(child, 'Inh 0 Prm 0 Eff 0 Bnd 2000 Amb 0');
  }
});

t.test('root: a child has no capability, and Weir keeps what it has', { skip }, async (t) => {
  const { own, child } = await setsAfter([], { capabilities: 'none', bound: true });
  t.match(own, /^Inh 0 Prm [13]ff.*fff Eff [13]ff.*fff Bnd 0 Amb 0$/);
  t.equal(child, 'Inh 0 Prm 0 Eff 0 Bnd 0 Amb 0');
});

t.test('root that may not change its bounding set says so', { skip }, async (t) => {
  const { failure, child } = await setsAfter(['setpriv', '--bounding-set=-all,+net_raw'], {
    capabilities: 'none',
    bound: true,
  });
  t.equal(failure, 'not_bound');
  t.match(child, 'Eff 2000');
});

t.test('an addon that is not built is told', async (t) => {
  t.equal(letChildrenInherit({ capabilities: 'none', bound: false }, './nowhere.node'), 'not_built');
});

t.test('a child may be given CAP_NET_RAW alone', { skip }, async (t) => {
  for (const launcher of [NET_RAW, []]) {
    const { child } = await setsAfter(launcher, { capabilities: 'CAP_NET_RAW', bound: true });
    t.equal(child, 'Inh 2000 Prm 2000 Eff 2000 Bnd 2000 Amb 2000');
  }
  const { child } = await setsAfter(NOBODY, { capabilities: 'CAP_NET_RAW', bound: true });
  t.match(child, /^Inh 0 Prm 0 Eff 0 /, 'what Weir does not have it cannot give');
});
