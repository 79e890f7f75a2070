/**
 * Builds the addons, each of one C file: src/capture/native/packet_ring.c → build-native/packet_ring.node, and the like.
 *
 *   node scripts/build-addon.mjs [--optional]
 *
 * It needs a C compiler and Node's own headers, nothing else. What is up to date is not built again. When something
 * is missing it says what to install and exits 1, or 0 with --optional (Weir then captures with --capture libpcap).
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ADDONS = [
  'src/capture/native/packet_ring.c',
  'src/system/native/rights.c',
  'src/transport/native/udp_segments.c',
];
/** Node-API keeps its promise across versions; libuv's structures are promised within a major version only. */
const stamp = `${process.arch} node-abi ${process.versions.modules} uv ${process.versions.uv}\n`;
const compiler = process.env.CC || 'cc';

for (const addon of ADDONS) {
  const problem = build(join(root, addon), join(root, 'build-native', `${basename(addon, '.c')}.node`));
  if (problem === undefined) continue;
  process.stderr.write(`The addon ${addon} was not built: ${problem}\n`);
  if (!process.argv.includes('--optional')) process.exitCode = 1;
  break; // what is missing for one is missing for the others
}

/** Returns what is in the way, or undefined. */
function build(source, target) {
  if (process.platform !== 'linux') return 'packet rings exist on Linux only; use --capture libpcap.';
  const stampFile = `${target}.stamp`;
  if (isUpToDate(source, target, stampFile)) return undefined;

  const prefix = dirname(dirname(realpathSync(process.execPath)));
  const candidates = [join(prefix, 'include/node'), '/usr/include/node'];
  const headers = candidates.find((folder) => existsSync(join(folder, 'node_api.h')));
  if (headers === undefined) {
    return (
      `no node_api.h in ${candidates.join(' or ')}.\n` +
      "Install Node's headers (Debian: apt-get install libnode-dev; the packages of nodejs.org and NodeSource " +
      'bring them along), then: npm run setup'
    );
  }

  mkdirSync(dirname(target), { recursive: true });
  // Written beside its place and moved there whole, so that a running Weir never sees half of it.
  const unfinished = `${target}.${process.pid}`;
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-isystem', headers];
  const cc = spawnSync(compiler, [...flags, source, '-o', unfinished], { encoding: 'utf8' });
  if (cc.error?.code === 'ENOENT') {
    return `there is no C compiler (${compiler}).\nInstall one (Debian: apt-get install gcc libc6-dev), then: npm run setup`;
  }
  if (cc.error !== undefined) return `${compiler}: ${cc.error.message}`;
  if (cc.status !== 0) {
    return (
      `${compiler} failed:\n${cc.stderr}` +
      'If a header is missing: apt-get install libc6-dev linux-libc-dev, then: npm run setup'
    );
  }
  renameSync(unfinished, target);
  writeFileSync(stampFile, stamp);
  return undefined;
}

function isUpToDate(source, target, stampFile) {
  if (!existsSync(target) || !existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp)
    return false;
  const built = statSync(target).mtimeMs;
  return [source, fileURLToPath(import.meta.url)].every((file) => statSync(file).mtimeMs <= built);
}
