/** The appliance's scripts and files, as far as they can be judged without booting them. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { hasProgram } from '../support/programs.ts';
import { REPOSITORY, ROOTFS } from './rootfs.ts';

/** Not the test runner's own settings. */
const { PATH } = process.env;
const MAIN = join(REPOSITORY, 'build/bundle/weir/main.js');
const lacks = (program: string) => (hasProgram(program) ? false : `there is no ${program}`);

function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', ...options });
  return { status, output: `${stdout}${stderr}` };
}

const filesBelow = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());

t.test('shell scripts', { skip: lacks('shellcheck') }, async (t) => {
  const scripts = [join(REPOSITORY, 'appliance'), join(REPOSITORY, 'packer'), join(REPOSITORY, '.ci')]
    .flatMap(filesBelow)
    .filter((path) => /^#!\/(usr\/)?bin\/(env )?(ba)?sh/.test(readFileSync(path, 'utf8')));
  for (const name of ['build-image', 'payload', 'install.sh', 'cleanup.sh', 'validate.sh', 'after-build'])
    t.ok(
      scripts.some((path) => path.endsWith(`/${name}`)),
      name,
    );
  const { status, output } = run('shellcheck', scripts);
  t.equal(output, '');
  t.equal(status, 0);
  for (const script of scripts) t.ok((statSync(script).mode & 0o111) !== 0, `${script} can be run`);
});

t.test('packer', { skip: lacks('packer') }, async (t) => {
  const copy = join(t.testdir({}), 'packer');
  cpSync(join(REPOSITORY, 'packer'), copy, { recursive: true });
  // Debian's Packer does not know its block.
  rmSync(join(copy, 'plugins.pkr.hcl'));
  const payload = join(copy, 'payload');
  mkdirSync(payload);
  for (const arch of ['x64', 'arm64']) writeFileSync(join(payload, `payload-${arch}.tar.gz`), '');
  const env = { PATH, HOME: copy, CHECKPOINT_DISABLE: '1' };
  t.same(run('packer', ['fmt', '-check', '-diff', join(REPOSITORY, 'packer')], { env }), {
    status: 0,
    output: '',
  });
  for (const variables of ['private', 'public']) {
    const args = ['validate', `-var-file=${variables}.pkrvars.hcl`, '-var', `payload_folder=${payload}`, '.'];
    t.same(run('packer', args, { cwd: copy, env }), { status: 0, output: '' }, variables);
  }
  const wrong = run('packer', ['validate', '-var', 'encrypt=perhaps', '.'], { cwd: copy, env });
  t.not(wrong.status, 0, 'it does look');
});

t.test('after the build: each image, in each region', { skip: lacks('jq') }, async (t) => {
  const folder = t.testdir({
    manifest: JSON.stringify({
      last_run_uuid: 'now',
      builds: [
        { packer_run_uuid: 'now', artifact_id: 'eu-central-1:ami-1,eu-west-1:ami-2' },
        { packer_run_uuid: 'before', artifact_id: 'eu-central-1:ami-0' },
      ],
    }),
  });
  const aws = (mode: string) => {
    const text = `#!/bin/sh\necho "$*" >>${folder}/calls\ncase $* in *describe-images*) echo "v2.0 ${mode} arm64" ;; esac\n`;
    writeFileSync(join(folder, 'aws'), text, { mode: 0o755 });
    return run(join(REPOSITORY, 'packer/after-build'), [join(folder, 'manifest')], {
      env: { PATH: `${folder}:${PATH}` },
    });
  };
  t.equal(aws('uefi-preferred').status, 0);
  const calls = readFileSync(join(folder, 'calls'), 'utf8');
  for (const image of ['eu-central-1 --image-id ami-1', 'eu-west-1 --image-id ami-2']) {
    t.match(calls, `modify-image-attribute --region ${image} --imds-support Value=v2.0`);
    t.match(calls, `enable-image-deprecation --region ${image} --deprecate-at 20`);
  }
  t.notMatch(calls, 'ami-0', 'those of earlier builds stay as they are');
  t.match(aws('legacy-bios'), { status: 1, output: /boots by legacy-bios/ });
});

t.test(
  'nftables.conf',
  { skip: lacks('nft') || (process.getuid?.() !== 0 && 'nft -c needs root') },
  async (t) => {
    const path = join(ROOTFS, 'etc/nftables.conf');
    const { status, output } = run('unshare', ['--net', 'nft', '--check', '--file', path]);
    t.same({ status, output }, { status: 0, output: '' });
    t.notMatch(readFileSync(path, 'utf8'), /\bct (state|mark|status)|masquerade|flush ruleset/);
  },
);

t.test('sysctls', { skip: process.platform !== 'linux' && 'only Linux has them' }, async (t) => {
  const lines = readFileSync(join(ROOTFS, 'etc/sysctl.d/90-weir.conf'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  t.ok(lines.length > 10);
  for (const line of lines) {
    const [, name, value] = /^([\w.]+) = (\d+)$/.exec(line) ?? [];
    t.ok(name !== undefined && value !== undefined, line);
    if (name !== undefined && (existsSync('/proc/sys/net/ipv6') || !name.includes('ipv6')))
      t.ok(existsSync(`/proc/sys/${name.replaceAll('.', '/')}`), `this kernel knows ${name}`);
  }
  for (const name of ['net.ipv4.ip_forward = 1', 'net.ipv6.conf.all.forwarding = 1'])
    t.ok(lines.includes(name), name);
});

t.test('weir.yaml', async (t) => {
  const path = join(ROOTFS, 'etc/weir/weir.yaml');
  t.equal(run(process.execPath, [MAIN, 'config', 'check', path]).status, 0);
  // What is commented out has to be right, too: it is what people uncomment.
  const example = readFileSync(path, 'utf8').replaceAll(/^# ?( *- |\w[\w-]*:| +\w[\w-]*:)/gm, '$1');
  t.match(example, /^router:\n {2}route:\n {4}- rtb-/m);
  const file = join(t.testdir({}), 'weir.yaml');
  writeFileSync(file, example);
  const checked = run(process.execPath, [MAIN, 'config', 'check', file]);
  t.equal(checked.status, 0, checked.output);
});

t.test('a folder that mirrors the machine', async (t) => {
  const files = filesBelow(ROOTFS).map((path) => relative(ROOTFS, path));
  for (const path of files) t.match(path, /^(etc|usr\/lib)\//);
  const install = readFileSync(join(REPOSITORY, 'packer/provisioners/install.sh'), 'utf8');
  for (const unit of files.filter((path) => /^etc\/systemd\/system\/[^/]+\.(service|path)$/.test(path))) {
    const name = unit.replace(/^.*\//, '');
    if (/^\[Install\]/m.test(readFileSync(join(ROOTFS, unit), 'utf8')))
      t.match(install, name.replace(/\.service$/, ''), `${name} is enabled`);
  }
});
