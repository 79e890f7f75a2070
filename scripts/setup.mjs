// Sets up what `npm start`, `npm test` and `npm run bench` need and the machine lacks: Debian packages, npm
// packages, the addon, the build. Quick when nothing is missing. Plain Node, no dependency: it runs first.
//
//   node scripts/setup.mjs [start|test|bench|appliance]

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const purpose = process.argv[2] ?? 'start';

/** Debian packages by the command or file that tells whether they are there. */
const PACKAGES = [
  // [package, commands or files that show it, purposes, what is lost without it]
  ['gcc', ['gcc'], 'start test bench appliance', 'the ring addon cannot be built'],
  ['libc6-dev', ['/usr/include/stdio.h'], 'start test bench appliance', 'the ring addon cannot be built'],
  ['iproute2', ['ip'], 'start test bench appliance', 'no network namespaces: the demo replays a capture'],
  ['iputils-ping', ['ping'], 'start test appliance', 'no ping among the traffic of the demo'],
  ['tcpdump', ['tcpdump'], 'start test bench', '--filter cannot be compiled'],
  ['ethtool', ['ethtool'], 'test bench appliance', 'tests of offloads are skipped'],
  ['nftables', ['nft'], 'test appliance', 'tests of the router are skipped'],
  ['iperf3', ['iperf3'], 'test', 'tests of offloads are skipped'],
  [
    'libpcap-dev',
    ['/usr/include/pcap.h', '/usr/include/pcap/pcap.h'],
    'test',
    '--capture libpcap cannot be tested',
  ],
  ['g++', ['g++'], 'test', '--capture libpcap cannot be tested'],
  ['make', ['make'], 'test', '--capture libpcap cannot be tested'],
  ['python3', ['python3'], 'test', '--capture libpcap cannot be tested'],
  ['nfdump', ['nfcapd', 'nfdump'], 'test appliance', 'tests against nfcapd are skipped'],
  ['pmacct', ['nfacctd'], 'test', 'tests against nfacctd are skipped'],
  ['tshark', ['tshark'], 'test', 'tests against tshark are skipped'],
  ['openssl', ['openssl'], 'test', 'tests of TLS are skipped'],
  ['prometheus', ['promtool'], 'test', 'the metrics are not checked by promtool'],
  ['shellcheck', ['shellcheck'], 'test', "the appliance's scripts are not checked"],
  ['packer', ['packer'], 'test', "the image's template is not checked"],
  ['jq', ['jq'], 'test', 'what follows a build of images is not checked'],
  ['systemd', ['systemd-analyze'], 'test', 'the units are not checked'],
  ['mmdebstrap', ['mmdebstrap'], 'appliance', 'there is no disk to test'],
  ['e2fsprogs', ['mke2fs'], 'appliance', 'there is no disk to test'],
  ['systemd-container', ['systemd-nspawn'], 'appliance', 'there is no disk to test'],
  ['util-linux', ['nsenter'], 'appliance', 'the disk is not tested in a container'],
  ['bsdutils', ['script'], 'appliance', 'the disk is not tested in a container'],
  ['qemu-system-x86', ['qemu-system-x86_64'], 'appliance', 'the disk is not booted'],
  ['dnsmasq-base', ['dnsmasq'], 'appliance', 'the disk is not booted'],
  ['softflowd', ['softflowd'], 'bench', 'there is no peer to measure beside'],
];

const say = (text) => process.stderr.write(`setup: ${text}\n`);

function onPath(command) {
  if (command.startsWith('/')) return existsSync(command);
  const path = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`;
  return path.split(delimiter).some((folder) => existsSync(join(folder, command)));
}

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  return error === undefined && status === 0;
}

function debianPackages() {
  const missing = PACKAGES.filter(
    ([, shows, purposes]) => purposes.split(' ').includes(purpose) && !shows.some(onPath),
  );
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name);
  const command = `apt-get install -y --no-install-recommends ${names.join(' ')}`;
  const canInstall = process.platform === 'linux' && process.getuid?.() === 0 && onPath('apt-get');
  if (canInstall) {
    say(`installing ${names.join(' ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    // A package's service must not start: these are tools here. policy-rc.d says so to Debian's scripts.
    const policy = '/usr/sbin/policy-rc.d';
    const ours = !existsSync(policy);
    if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    const quiet = { env, stdio: ['ignore', 'ignore', 2] };
    try {
      run('apt-get', ['update', '-q'], quiet);
      // One by one when all at once fails: a package that is not to be had must not cost the others.
      if (!run('apt-get', ['install', '-yq', '--no-install-recommends', ...names], quiet)) {
        for (const name of names) run('apt-get', ['install', '-yq', '--no-install-recommends', name], quiet);
      }
    } finally {
      if (ours) execFileSync('rm', ['-f', policy]);
    }
  }
  for (const [name, shows, , loss] of missing) {
    if (!shows.some(onPath))
      say(`${name} is missing (${loss}); to install: ${canInstall ? '' : 'sudo '}${command}`);
  }
}

/** True if `stamp` does not hold `value` yet; it is written by the returned function once the work is done. */
function changed(stamp, value) {
  const file = join(root, stamp);
  const isNew = !existsSync(file) || readFileSync(file, 'utf8') !== value;
  const done = () => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, value);
  };
  return [isNew, done];
}

function npmPackages() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const [isNew, done] = changed('node_modules/.weir-setup', `${lock} node ${process.versions.modules}`);
  if (!isNew) return;
  say('installing npm packages');
  if (!run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])) {
    fail(
      'npm ci failed: see above. Weir needs the npm registry once, to install what package-lock.json lists.',
    );
  }
  // tap's set of plugins differs from its default one (.taprc), and has to be built once.
  if (!run('npx', ['tap', 'build'], { stdio: ['ignore', 'ignore', 'ignore'] })) fail('tap build failed');
  done();
}

function fail(text) {
  say(text);
  process.exit(1);
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19))
  fail(`Weir needs Node 20.19 or later; this is ${process.version}`);

debianPackages();
npmPackages();
if (process.platform === 'linux') run(process.execPath, [join('scripts', 'build-addon.mjs'), '--optional']);
// Incremental: well below a second when nothing has changed.
if (!run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc')]))
  fail('the build failed: see above');
if (!run(process.execPath, [join('scripts', 'build-assembly.mjs')])) fail('the build failed: see above');
if (!run(process.execPath, [join('scripts', 'bundle.mjs'), '--if-older']))
  fail('the bundle failed: see above');
