/**
 * Live capture on Linux: an AF_PACKET TPACKET_V3 ring on one interface.
 *
 *   1. the kernel filters by direction and expression, cuts at the snap length, fills a block
 *   2. when a block is full, or its time is over, the event loop calls wake()
 *   3. wake() hands over a bounded number of blocks and returns; while more are left the loop calls it again in its
 *      next turn (the poll is level-triggered), after timers, export and metrics have had theirs
 *   4. an interface that goes away is looked for every second; the ring is opened anew when it is another one
 */
import { constants } from 'node:os';
import type { FanoutGroup } from './fanout.ts';
import { type Direction, DROP_ALL, type FilterProgram, socketFilter } from './filter.ts';
import {
  findInterface,
  linkTypeOf,
  type NetworkInterface,
  noSuchInterface,
  notPermitted,
} from './interfaces.ts';
import {
  type CaptureCounters,
  type CaptureInterface,
  type FrameReceiver,
  LinkType,
  type PacketSource,
} from './packet-source.ts';
import { loadRingAddon, type NativeRing, type RingAddon } from './ring-addon.ts';
import { RingBlocks } from './ring-blocks.ts';

export interface RingOptions {
  readonly interfaceName: string;
  /** Default `ingress`: a router then counts each packet once. */
  readonly direction?: Direction;
  /** Also take what is addressed to other stations. Default false. */
  readonly promiscuous?: boolean;
  /** From {@link compileFilter}, for this interface's link type; none: everything. */
  readonly filter?: FilterProgram;
  /**
   * Octets to capture of a frame. Default 256: Ethernet (14), three VLAN tags (12), four MPLS labels (16), IPv6 (40),
   * 114 octets of extension headers, TCP with every option (60).
   */
  readonly snapLength?: number;
  /** See {@link RING_DEFAULTS}. */
  readonly blockOctets?: number;
  readonly blockCount?: number;
  readonly blockTimeoutMilliseconds?: number;
  /** The rings that share the interface; each packet then goes to one of them. */
  readonly group?: FanoutGroup | undefined;
  /** Told, once each, when the interface goes away and when it is back. */
  readonly log?: (message: string) => void;
}

/**
 * Measured with 64-octet packets at the forwarding limit of a 2-core virtual machine (390 000 packets/s):
 * - Half a second of them fits in: a block holds 2 950. The event loop paused for up to 80 ms on a machine with more
 *   to do than it could; a ring of 2 MiB lost packets there, 8 MiB and more did not. The memory is resident.
 * - Blocks of 64 KiB to 1 MiB, and timeouts of 5 to 80 ms, made no measurable difference to CPU or forwarding. With
 *   20 ms a lone packet arrives after 3 to 10 ms, and there are at most 50 wakes a second until blocks fill up.
 */
export const RING_DEFAULTS = {
  direction: 'ingress',
  snapLength: 256,
  blockOctets: 512 * 1024,
  blockCount: 64,
  blockTimeoutMilliseconds: 20,
  promiscuous: false,
  filter: [],
  group: undefined,
} as const;

/** Blocks handed over before the event loop gets its turn: at most 47 000 small packets, some 5 ms of work … */
const BLOCKS_PER_WAKE = 16;
/**
 * … and none is begun after so long. In the first second of a flood of 100 000 new flows, when nothing is compiled yet
 * and the table's memory is touched for the first time, 16 blocks took up to 260 ms on a busy machine.
 */
const MILLISECONDS_PER_WAKE = 8;
const LOOK_AGAIN_MILLISECONDS = 1000;
/** PACKET_FANOUT's argument for a ring of its own. */
const NO_GROUP = -1;

export class RingSource implements PacketSource {
  readonly counters: CaptureCounters = { frames: 0, kernelDroppedPackets: 0, ringFreezes: 0 };
  readonly finished: Promise<void>;
  interfaces: readonly CaptureInterface[] = [];
  capturing = false;
  /** Whether the kernel tells the segment sizes behind offloads; if not, a giant counts as one packet. */
  segmentSizesKnown = false;

  private readonly name: string;
  private readonly settings: Required<Omit<RingOptions, 'log'>>;
  /** The group is not complete: nothing is let in. */
  private isDeaf: boolean;
  private readonly log: (message: string) => void;
  private readonly statistics = new Uint32Array(3);
  /** Where the rings are mapped, one after the other. */
  private memory: Uint8Array | undefined;
  private receiver: FrameReceiver | undefined;
  private ring:
    | { readonly native: NativeRing; readonly addon: RingAddon; readonly blocks: RingBlocks }
    | undefined;
  /** The interface that the ring is bound to. */
  private bound: NetworkInterface | undefined;
  private linkType: number | undefined;
  private lookAgain: NodeJS.Timeout | undefined;
  private lastTrouble = '';
  private stopping: Promise<void> | undefined;
  private finish!: (failure?: Error) => void;

  constructor({ log, ...options }: RingOptions) {
    this.name = options.interfaceName;
    this.settings = { ...RING_DEFAULTS, ...options };
    this.isDeaf = this.settings.group !== undefined;
    this.log = log ?? (() => undefined);
    this.finished = new Promise((resolve, reject) => {
      this.finish = (failure) => (failure === undefined ? resolve() : reject(failure));
    });
    // Whoever waits for `finished` sees a failure; one that comes before anybody waits must not end the process.
    this.finished.catch(() => undefined);
  }

  get ringOctets(): number {
    return this.settings.blockOctets * this.settings.blockCount;
  }

  async start(receiver: FrameReceiver): Promise<void> {
    this.receiver = receiver;
    this.memory = receiver.plain?.ringMemory(this.ringOctets) ?? pages(this.ringOctets);
    const { group } = this.settings;
    const found = findInterface(this.name);
    if (found === undefined) throw noSuchInterface(this.name);
    // Before Linux 6.15 nobody joins a group on an interface that is down (EINVAL): that is left for later.
    if (found.up || group === undefined) this.open(found);
    // A router may start before its links are up: the ring waits for this one.
    if (!found.up) this.lost();
    if (group === undefined) return;
    await group.complete();
    this.isDeaf = false;
    this.hear();
  }

  refreshCounters(): void {
    if (this.ring === undefined) return;
    const { addon, native } = this.ring;
    addon.statistics(native.handle, this.statistics);
    this.counters.kernelDroppedPackets += this.statistics[1]!;
    this.counters.ringFreezes += this.statistics[2]!;
  }

  stop(): Promise<void> {
    this.stopping ??= this.handOverAndClose();
    return this.stopping;
  }

  private async handOverAndClose(): Promise<void> {
    clearTimeout(this.lookAgain);
    if (this.ring !== undefined) {
      const { addon, native } = this.ring;
      // Let nothing more in; the kernel then hands over the block that it was filling within one timeout.
      addon.attach(native.handle, DROP_ALL);
      await new Promise((resolve) => setTimeout(resolve, 2 * this.settings.blockTimeoutMilliseconds));
      this.drain(this.settings.blockCount);
      this.close();
    }
    this.capturing = false;
    this.finish();
  }

  private open(found: NetworkInterface): void {
    const linkType = linkTypeOf(found);
    if (this.linkType !== undefined && this.linkType !== linkType) {
      throw new Error(
        `${this.name} has come back with another link layer; start Weir again to capture there.`,
      );
    }
    const { direction, blockOctets, blockCount, group } = this.settings;
    const addon = loadRingAddon();
    const memory = this.memory!;
    const open = (fanout: number): NativeRing =>
      addon.open(
        {
          memory,
          interfaceIndex: found.index,
          blockOctets,
          blockCount,
          blockTimeoutMilliseconds: this.settings.blockTimeoutMilliseconds,
          // Until it has joined its group, a socket would see every packet a second time.
          filter: group === undefined ? this.program() : DROP_ALL,
          ignoreOutgoing: direction === 'ingress',
          promiscuous: this.settings.promiscuous,
          fanout,
        },
        (errno) => this.wake(errno),
      );
    try {
      const native = group === undefined ? open(NO_GROUP) : group.join(found.index, open);
      const layout = { blockOctets, blockCount, vnetHeader: native.vnetHeader };
      const origin = {
        linkType,
        interfaceIndex: found.index,
        direction,
        startAtNetworkHeader: linkType === LinkType.RAW,
      };
      this.ring = { native, addon, blocks: new RingBlocks(memory, layout, origin, this.counters) };
      this.segmentSizesKnown = native.vnetHeader;
      if (group !== undefined && !this.isDeaf) this.hear();
    } catch (error) {
      throw explain(error as NodeJS.ErrnoException, this.settings);
    }
    this.bound = found;
    this.linkType = linkType;
    this.interfaces = [{ index: found.index, name: found.name }];
    this.capturing = found.up;
  }

  /** Direction, the user's filter and the snap length, for the kernel. */
  private program(): Uint8Array {
    const { direction, filter, snapLength } = this.settings;
    return socketFilter(direction, filter, snapLength);
  }

  private hear(): void {
    if (this.ring === undefined || this.stopping !== undefined) return;
    this.ring.addon.attach(this.ring.native.handle, this.program());
  }

  private close(): void {
    if (this.ring === undefined) return;
    this.refreshCounters();
    this.ring.addon.close(this.ring.native.handle);
    this.ring = undefined;
  }

  /** The event loop's call: there are blocks to read, or the socket has an error. */
  private wake(errno: number): void {
    if (errno === constants.errno.ENETDOWN) this.lost();
    else if (errno !== 0)
      this.fail(new Error(`Capturing on ${this.name} failed: error ${errno} of its socket.`));
    else {
      const end = performance.now() + MILLISECONDS_PER_WAKE;
      for (let block = 0; block < BLOCKS_PER_WAKE && performance.now() < end; block++)
        if (!this.drain(1)) break;
    }
  }

  /** @returns whether it were as many blocks as that */
  private drain(blocks: number): boolean {
    if (this.ring === undefined || this.receiver === undefined) return false;
    try {
      return this.ring.blocks.drain(this.receiver, blocks) === blocks;
    } catch (error) {
      this.fail(error as Error);
      return false;
    }
  }

  private fail(failure: Error): void {
    clearTimeout(this.lookAgain);
    this.close();
    this.capturing = false;
    this.finish(failure);
  }

  /** The interface is down or deleted. The ring stays open meanwhile, and what is left in it is handed over. */
  private lost(): void {
    this.capturing = false;
    if (this.stopping !== undefined) return;
    this.trouble(
      `${this.name} is ${findInterface(this.name) === undefined ? 'gone' : 'down'}: waiting for it to come back.`,
    );
    clearTimeout(this.lookAgain);
    this.lookAgain = setTimeout(() => this.look(), 2 * this.settings.blockTimeoutMilliseconds);
  }

  private look(): void {
    if (this.stopping !== undefined) return;
    const found = findInterface(this.name);
    if (found === undefined) this.bound = undefined;
    if (found?.up) {
      try {
        // A socket hears again by itself when its interface comes up, but never a new interface of the same name.
        if (found.index !== this.bound?.index) {
          this.drain(this.settings.blockCount);
          this.close();
          this.open(found);
        }
        this.capturing = true;
        this.trouble('');
        this.log(`${this.name} is back: capturing again.`);
        return;
      } catch (error) {
        this.trouble((error as Error).message);
      }
    }
    this.lookAgain = setTimeout(() => this.look(), LOOK_AGAIN_MILLISECONDS);
  }

  /** Logs what is the matter, once. */
  private trouble(message: string): void {
    if (message !== '' && message !== this.lastTrouble) this.log(message);
    this.lastTrouble = message;
  }
}

/** Memory that begins with a page. */
function pages(octets: number): Uint8Array {
  const count = Math.ceil(octets / 65_536);
  return new Uint8Array(new WebAssembly.Memory({ initial: count, maximum: count }).buffer, 0, octets);
}

/** A failed system call, in words that say what to do. */
function explain(
  error: NodeJS.ErrnoException,
  settings: { interfaceName: string; blockOctets: number; blockCount: number },
): Error {
  const { interfaceName, blockOctets, blockCount } = settings;
  if (error.code === 'EPERM' || error.code === 'EACCES') return notPermitted(interfaceName, error);
  if (error.code === 'ENODEV' || error.code === 'ENXIO') return noSuchInterface(interfaceName);
  if (error.syscall === undefined) return error;
  let advice = '';
  if (error.code === 'ENOMEM')
    advice = `. The ring needs ${(blockOctets * blockCount) / 2 ** 20} MiB of kernel memory`;
  if (error.code === 'EAFNOSUPPORT') advice = '. This kernel has no packet sockets (CONFIG_PACKET)';
  return new Error(`Cannot capture on ${interfaceName}: ${error.syscall}: ${error.message}${advice}.`, {
    cause: error,
  });
}
