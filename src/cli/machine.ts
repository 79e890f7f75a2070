/** What `weir doctor` asks of the machine that it runs on. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { endianness } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { RingSource } from '../capture/ring.ts';
import { PlainPackets } from '../flow/plain-packets.ts';
import { runProgram } from '../system/program.ts';
import { type MachineInterface, machineInterfaces } from './interfaces.ts';

export interface Machine {
  readonly nodeVersion: string;
  readonly platform: string;
  readonly arch: string;
  readonly endianness: string;
  readonly interfaces: readonly MachineInterface[];
  /** The Node-API addon, as a path. */
  readonly addon: string;
  exists(path: string): boolean;
  /** A file's text without the white space around it; undefined: unreadable. */
  read(path: string): string | undefined;
  /** Runs a program: its exit code and standard output; undefined: there is no such program. */
  run(program: string, args: readonly string[]): Promise<{ code: number; stdout: string } | undefined>;
  /** Opens a ring on an interface and closes it. @throws what the kernel says */
  openRing(interfaceName: string): Promise<{ segmentSizesKnown: boolean }>;
  /** Makes what meters plain packets. @throws where it is not built, or does not run here */
  tryPlainPackets(): void;
  /** Loads the package that `--capture libpcap` uses. @throws where it is not installed or not built */
  loadLibpcap(): Promise<void>;
  /** Listens on an address and stops. @throws where it cannot */
  listen(host: string, port: number): Promise<void>;
}

const PROGRAM_WITHIN_MILLISECONDS = 5000;

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  return {
    nodeVersion: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    endianness: endianness(),
    interfaces: machineInterfaces(),
    addon: fileURLToPath(new URL('../../../build-native/packet_ring.node', import.meta.url)),
    exists: existsSync,
    read(path) {
      try {
        return readFileSync(path, 'utf8').trim();
      } catch {
        return undefined;
      }
    },
    run: (program, args) => runProgram(program, args, PROGRAM_WITHIN_MILLISECONDS),
    openRing,
    tryPlainPackets: () => void PlainPackets.create(1, 0),
    async loadLibpcap() {
      createRequire(import.meta.url)('cap');
    },
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        const server = createServer();
        server.once('error', reject);
        server.listen({ host, port }, () => server.close(() => resolve()));
      }),
  };
}

/** Captures for a moment, on the smallest of rings, and drops what comes. */
async function openRing(interfaceName: string): Promise<{ segmentSizesKnown: boolean }> {
  const source = new RingSource({
    interfaceName,
    blockOctets: 65_536,
    blockCount: 2,
    blockTimeoutMilliseconds: 1,
  });
  await source.start({ beginBatch() {}, frame() {}, endBatch: () => undefined });
  await source.stop();
  return { segmentSizesKnown: source.segmentSizesKnown };
}
