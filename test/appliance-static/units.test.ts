/** The units that the appliance ships: systemd takes them, and they give Weir no more than it needs. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hasProgram } from '../support/programs.ts';
import { ROOTFS } from './rootfs.ts';

const FOLDER = join(ROOTFS, 'etc/systemd/system');
const skip = hasProgram('systemd-analyze') ? false : 'there is no systemd-analyze';
/** In tenths, of 10, by systemd's own reckoning; an ordinary service has more than 9. */
const MOST_EXPOSURE = 20;
const SERVICES = ['weir', 'weir-router', 'weir-fetch'] as const;

const textOf = (unit: string) => readFileSync(join(FOLDER, unit), 'utf8');
/** The values of a setting, in their order. */
const valuesOf = (unit: string, name: string) =>
  [...textOf(unit).matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value);

t.test('each has one capability, or none', async (t) => {
  const capabilities = { weir: ['CAP_NET_RAW'], 'weir-router': ['CAP_NET_ADMIN'], 'weir-fetch': [''] };
  for (const name of SERVICES) {
    const unit = `${name}.service`;
    t.same(valuesOf(unit, 'CapabilityBoundingSet'), capabilities[name], name);
    t.same(valuesOf(unit, 'NoNewPrivileges'), ['yes'], name);
    t.same(valuesOf(unit, 'MemoryDenyWriteExecute'), [], 'V8 compiles while it runs');
  }
  for (const name of ['weir', 'weir-router'] as const) {
    const unit = `${name}.service`;
    t.same(valuesOf(unit, 'AmbientCapabilities'), capabilities[name], name);
    t.same(valuesOf(unit, 'User'), [name], 'no root, and not each other');
    t.same(valuesOf(unit, 'StartLimitIntervalSec'), ['0'], 'it never gives up');
    t.same(valuesOf(unit, 'StandardError'), ['journal+console'], 'a mistake is on the console');
    t.notMatch(textOf(unit), /^(Requires|BindsTo|PartOf)=/m, 'neither ends with the other');
    t.notMatch(textOf(unit), /network-online/, 'nothing late holds it up');
  }
  t.match(valuesOf('weir.service', 'RestrictAddressFamilies')[0], /AF_PACKET.*AF_NETLINK/);
  t.notMatch(valuesOf('weir-router.service', 'RestrictAddressFamilies')[0], /AF_PACKET/);
  t.match(
    valuesOf('weir.service', 'ExecReload'),
    [/config check/, /-HUP \$MAINPID$/],
    'a mistake is told before the reload',
  );
});

t.test('systemd-analyze verify and security', { skip }, async (t) => {
  // It asks whether the programs are there: Weir may be anywhere.
  const folder = t.testdir({});
  const units = [...SERVICES.map((name) => `${name}.service`), 'weir-config.path', 'weir-config.service'];
  for (const unit of units) {
    // Some file that can be run will do.
    const text = textOf(unit).replaceAll('/usr/local/bin/weir', process.execPath);
    writeFileSync(join(folder, unit), text);
  }
  const paths = units.map((unit) => join(folder, unit));
  const verified = spawnSync('systemd-analyze', ['verify', ...paths], { encoding: 'utf8' });
  t.equal(verified.stdout + verified.stderr, '');
  t.equal(verified.status, 0);
  for (const name of SERVICES) {
    const path = join(folder, `${name}.service`);
    const security = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', `--threshold=${MOST_EXPOSURE}`, '--no-pager', path],
      { encoding: 'utf8' },
    );
    const exposure = /Overall exposure level for .*: ([\d.]+)/.exec(security.stdout)?.[1];
    if (exposure === undefined) t.comment(`no --offline here: ${security.stderr}`);
    else t.equal(security.status, 0, `${name}: exposure ${exposure} of 10`);
  }
});
