/** The unit that docs/ ships: systemd takes it, and it gives Weir no more than it needs. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { hasProgram } from '../support/programs.ts';

const UNIT = readFileSync(fileURLToPath(new URL('../../../docs/weir.service', import.meta.url)), 'utf8');
const skip = hasProgram('systemd-analyze') ? false : 'there is no systemd-analyze';
/** Of 10, by systemd's own reckoning; an ordinary service has more than 9. */
const MOST_EXPOSURE = 2.5;

/** The values of a setting, in their order. */
const valuesOf = (name: string) =>
  [...UNIT.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value);

t.test('CAP_NET_RAW, and nothing else', async (t) => {
  for (const name of ['AmbientCapabilities', 'CapabilityBoundingSet'])
    t.same(valuesOf(name), ['CAP_NET_RAW']);
  t.same(valuesOf('NoNewPrivileges'), ['yes']);
  t.match(valuesOf('RestrictAddressFamilies')[0], /AF_PACKET.*AF_NETLINK/);
  t.same(valuesOf('MemoryDenyWriteExecute'), [], 'V8 compiles while it runs');
  t.match(valuesOf('ExecReload'), [/config check/, /-HUP \$MAINPID$/], 'a mistake is told before the reload');
});

t.test('systemd-analyze verify', { skip }, async (t) => {
  // It asks whether the program is there; Node.js may be elsewhere.
  const path = join(t.testdir({}), 'weir.service');
  writeFileSync(path, UNIT.replaceAll('/usr/bin/node', process.execPath));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
  t.equal(status, 0);
  t.equal(stdout + stderr, '');

  const security = spawnSync('systemd-analyze', ['security', '--offline=true', path], { encoding: 'utf8' });
  const exposure = Number(/Overall exposure level for weir.service: ([\d.]+)/.exec(security.stdout)?.[1]);
  if (security.status !== 0 && Number.isNaN(exposure)) t.comment(`no --offline here: ${security.stderr}`);
  else t.ok(exposure <= MOST_EXPOSURE, `exposure ${exposure} of 10`);
});
