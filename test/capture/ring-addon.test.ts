import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { test } from 'tap';
import { DROP_ALL } from '../../src/capture/filter.ts';
import { findInterface } from '../../src/capture/interfaces.ts';
import { loadRingAddon, type NativeRingOptions } from '../../src/capture/ring-addon.ts';

const SETTINGS: Omit<NativeRingOptions, 'memory'> = {
  interfaceIndex: 1,
  blockOctets: 65_536,
  blockCount: 2,
  blockTimeoutMilliseconds: 10,
  filter: DROP_ALL,
  ignoreOutgoing: true,
  promiscuous: false,
  fanout: -1,
};
const RING_OCTETS = 131_072;
const pages = (octets: number) => {
  const count = Math.ceil(octets / 65_536);
  return new Uint8Array(new WebAssembly.Memory({ initial: count, maximum: count }).buffer, 0, octets);
};
const options = (): NativeRingOptions => ({ ...SETTINGS, memory: pages(RING_OCTETS) });
const ignore = () => undefined;
const skip = problem();

function problem(): string | false {
  if (findInterface('lo')?.index !== 1) return 'no loopback interface with index 1';
  try {
    const addon = loadRingAddon();
    addon.close(addon.open(options(), ignore).handle);
    return false;
  } catch (error) {
    return `no packet ring can be opened here: ${(error as Error).message}`;
  }
}

/** Inodes of this process's packet sockets; those that only a mapping keeps alive are not among them. */
function packetSockets(): string[] {
  const all = new Set(kernelPacketSockets());
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
      return inode !== undefined && all.has(inode) ? [inode] : [];
    } catch {
      return []; // the folder's own descriptor, closed again
    }
  });
}

/** Inodes of all packet sockets of the network namespace. */
function kernelPacketSockets(): string[] {
  const lines = readFileSync('/proc/net/packet', 'utf8').trim().split('\n').slice(1);
  return lines.map((line) => line.trim().split(/\s+/).at(-1)!);
}

/** Waits until the kernel has let go of a socket: its last reference is the mapping. */
async function isReleased(inode: string): Promise<boolean> {
  for (let i = 0; i < 100 && kernelPacketSockets().includes(inode); i++) await sleep(20);
  return !kernelPacketSockets().includes(inode);
}

test('close lets go of socket and memory, and can be called twice', { skip }, async (t) => {
  const addon = loadRingAddon();
  // In the midst of a memory, whose other octets stay what they are.
  const whole = pages(3 * RING_OCTETS).fill(7);
  const memory = whole.subarray(RING_OCTETS, 2 * RING_OCTETS);
  const others = () => whole.filter((octet, i) => octet !== 7 && ((i / RING_OCTETS) | 0) !== 1).length;
  const { handle, fanout } = addon.open({ ...SETTINGS, memory }, ignore);
  const [inode] = packetSockets();
  t.equal(memory.filter((octet) => octet === 7).length, 0, 'the ring is there');
  t.equal(others(), 0);
  t.equal(fanout, -1);
  const counts = new Uint32Array(3).fill(7);
  addon.statistics(handle, counts);
  t.same([...counts], [0, 0, 0]);
  addon.close(handle);
  addon.close(handle);
  t.ok(memory.every((octet) => octet === 0));
  memory.fill(9);
  t.equal(others(), 0);
  t.throws(() => addon.statistics(handle, counts), { code: 'EBADF' });
  t.ok(await isReleased(inode!), 'unmapped, and so the kernel has closed the socket');
});

test('a worker thread may end with its ring open', { skip }, async (t) => {
  const addon = fileURLToPath(new URL('../../src/capture/ring-addon.js', import.meta.url));
  const code = `import(${JSON.stringify(addon)}).then(({ loadRingAddon }) => {
    const { workerData, parentPort } = require('node:worker_threads');
    const { buffer } = new WebAssembly.Memory({ initial: 2, maximum: 2 });
    globalThis.ring = loadRingAddon().open({ ...workerData, memory: new Uint8Array(buffer) }, () => undefined);
    parentPort.postMessage('open');
  })`;
  const worker = new Worker(code, { eval: true, workerData: SETTINGS });
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  const [inode] = packetSockets();
  t.ok(inode);
  await worker.terminate();
  t.ok(await isReleased(inode!));
});

test('two sockets in a fan-out group: the kernel chooses the group, the second joins it', { skip }, (t) => {
  const addon = loadRingAddon();
  const first = addon.open({ ...options(), fanout: 0x2000 << 16 }, ignore); // PACKET_FANOUT_FLAG_UNIQUEID
  const second = addon.open({ ...options(), fanout: first.fanout }, ignore);
  t.equal(first.fanout >>> 16, 0, 'by flow hash, the flag cleared');
  t.equal(second.fanout, first.fanout);
  const alone = addon.open(options(), ignore);
  t.equal(alone.fanout, -1);
  addon.close(alone.handle);
  addon.close(first.handle);
  addon.close(second.handle);
  t.end();
});

test('a failed system call is an error with its name and code', { skip }, (t) => {
  const addon = loadRingAddon();
  for (const [change, code, syscall] of [
    [{ interfaceIndex: 2 ** 31 - 1 }, 'ENODEV', 'bind'],
    [{ blockOctets: 1000 }, 'EINVAL', 'setsockopt PACKET_RX_RING'],
    [{ filter: new Uint8Array(8) }, 'EINVAL', 'setsockopt SO_ATTACH_FILTER'],
  ] as const) {
    t.throws(() => addon.open({ ...options(), ...change }, ignore), { code, syscall }, syscall);
  }
  t.same(packetSockets(), [], 'and leaves no socket');
  t.end();
});

test('an addon that is not there says what to do', (t) => {
  t.throws(() => loadRingAddon('./absent.node'), {
    message: /The capture addon is not built\. .*npm run setup.*--capture libpcap/,
  });
  t.end();
});
