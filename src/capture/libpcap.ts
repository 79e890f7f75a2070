/**
 * The portable fallback: libpcap through the npm package `cap`, an optional dependency. On Linux use the ring.
 *
 * What cap cannot do, so that this cannot either:
 * - timestamps: it gives none, so a frame is stamped with the wall clock (milliseconds) when it arrives here;
 * - drops: the kernel's counter is out of reach, and losses are not seen;
 * - offloads: segment sizes are unknown, and what was merged counts as one packet;
 * - it is always promiscuous, lives in the main thread only, and hands over every frame that is waiting before
 *   anything else gets its turn;
 * - on Linux an interface that goes down ends the process: an assertion in cap's event handler fails.
 *
 * With `inbound` or `outbound` in its filter libpcap loses the first frame: that one it judges itself, and only the
 * kernel knows packet types.
 */

import { networkInterfaces, platform } from 'node:os';
import type { Cap } from 'cap';
import type { Direction } from './filter.ts';
import { findInterface, noSuchInterface, notPermitted } from './interfaces.ts';
import {
  type CaptureCounters,
  type CaptureInterface,
  Frame,
  type FrameReceiver,
  LinkType,
  type PacketSource,
} from './packet-source.ts';

export interface LibpcapOptions {
  readonly interfaceName: string;
  /** Default `ingress`. See {@link directionFilter} for how it is told. */
  readonly direction?: Direction | undefined;
  /** libpcap's language, pcap-filter(7). */
  readonly filter?: string | undefined;
  /** Accepted for symmetry with the ring; cap is always promiscuous. */
  readonly promiscuous?: boolean | undefined;
}

/** cap's snap length: it copies no more than that. */
const BUFFER_OCTETS = 65_535;
const KERNEL_BUFFER_OCTETS = 16 * 1024 * 1024;
const DRAIN_MILLISECONDS = 50;
/** What is assumed of a frame that fills the buffer: more than any IPv4 total length can claim. */
const LARGEST_WIRE_LENGTH = BUFFER_OCTETS + 128;

/**
 * Everything that was ever opened, for good. cap keeps a raw pointer to its buffer that nothing else pins, and frees
 * a closed instance while libuv still has its poll handle in a list: collecting either aborts the process, or worse.
 */
const pinned: unknown[] = [];

/** By the names that cap gives them. */
const LINK_TYPES: Readonly<Record<string, number>> = {
  NULL: LinkType.NULL,
  ETHERNET: LinkType.ETHERNET,
  LINKTYPE_LINUX_SLL: LinkType.LINUX_SLL,
  RAW: LinkType.RAW,
};

export class LibpcapSource implements PacketSource {
  readonly counters: CaptureCounters = { frames: 0, kernelDroppedPackets: 0, ringFreezes: 0 };
  readonly finished: Promise<void>;
  interfaces: readonly CaptureInterface[] = [];
  capturing = false;

  private readonly options: LibpcapOptions;
  private readonly buffer = Buffer.alloc(BUFFER_OCTETS);
  private readonly frame = new Frame();
  private cap: Cap | undefined;
  private stopped = false;
  private finish!: () => void;

  constructor(options: LibpcapOptions) {
    this.options = options;
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  async start(receiver: FrameReceiver): Promise<void> {
    const { interfaceName, direction = 'ingress', filter } = this.options;
    const index = interfaceIndex(interfaceName);
    const mac = networkInterfaces()[interfaceName]?.[0]?.mac;
    const expression = directionFilter(direction, platform(), mac, filter);
    const CapClass = await loadCap();
    if (this.stopped) return;
    const cap = new CapClass();
    pinned.push(this.buffer, cap);
    let linkName: string;
    try {
      linkName = cap.open(interfaceName, expression, KERNEL_BUFFER_OCTETS, this.buffer);
    } catch (error) {
      throw explain(error as Error, this.options);
    }
    const linkType = LINK_TYPES[linkName];
    if (linkType === undefined) {
      cap.close();
      throw new Error(
        `Cannot capture on ${interfaceName}: its link layer is ${linkName}, which Weir does not read.`,
      );
    }
    this.cap = cap;
    this.interfaces = [{ index, name: interfaceName }];
    this.capturing = true;

    const { frame, counters } = this;
    frame.view = new DataView(this.buffer.buffer, this.buffer.byteOffset, BUFFER_OCTETS);
    frame.linkType = linkType;
    frame.ingressInterface = index;
    cap.on('packet', (capturedLength) => {
      const now = Date.now();
      frame.seconds = Math.floor(now / 1000);
      frame.nanoseconds = (now % 1000) * 1_000_000;
      frame.capturedLength = capturedLength;
      frame.wireLength = capturedLength < BUFFER_OCTETS ? capturedLength : LARGEST_WIRE_LENGTH;
      counters.frames++;
      receiver.beginBatch();
      receiver.frame(frame);
      void receiver.endBatch();
    });
  }

  /** Nothing to do: cap does not tell. */
  refreshCounters(): void {}

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.cap !== undefined) {
      const cap = this.cap;
      this.cap = undefined;
      // What waits in the kernel is handed over in the event loop's next turns.
      await new Promise((resolve) => setTimeout(resolve, DRAIN_MILLISECONDS));
      cap.close();
    }
    this.capturing = false;
    this.finish();
  }
}

/**
 * The direction as a part of the filter. On Linux libpcap asks the kernel for the packet's type (`inbound`); elsewhere
 * what carries the interface's own MAC address as its source goes out. Throws where there is no such address.
 */
export function directionFilter(
  direction: Direction,
  system: string,
  mac: string | undefined,
  filter: string | undefined,
): string {
  const rest = filter === undefined || filter.trim() === '' ? '' : `(${filter})`;
  if (direction === 'both') return rest;
  let own: string;
  if (system === 'linux') {
    own = direction === 'ingress' ? 'inbound' : 'outbound';
  } else if (mac !== undefined && mac !== '00:00:00:00:00:00') {
    own = direction === 'ingress' ? `not ether src ${mac}` : `ether src ${mac}`;
  } else {
    throw new Error(
      `libpcap cannot tell ${direction} on this interface, because it has no MAC address; capture with --direction both.`,
    );
  }
  // First, because `vlan` in the filter moves where everything after it is looked for.
  return rest === '' ? own : `${own} and ${rest}`;
}

/** The kernel's ifIndex; 0: not known. */
function interfaceIndex(name: string): number {
  if (platform() === 'linux') {
    const found = findInterface(name);
    if (found === undefined) throw noSuchInterface(name);
    return found.index;
  }
  // Elsewhere the scope of a link-local address tells it.
  const addresses = networkInterfaces()[name] ?? [];
  return addresses.reduce(
    (index, address) => (address.family === 'IPv6' ? index || address.scopeid : index),
    0,
  );
}

async function loadCap(): Promise<typeof Cap> {
  try {
    return (await import('cap')).default.Cap;
  } catch (cause) {
    throw new Error(
      "--capture libpcap needs the npm package 'cap', which is not installed or not built. It is built by `npm ci` " +
        'where libpcap with its headers and a C++ compiler are (Debian: apt-get install libpcap-dev g++ make python3).',
      { cause },
    );
  }
}

/** libpcap's own words, and what to do. */
function explain(error: Error, { interfaceName, filter }: LibpcapOptions): Error {
  if (/permission|not permitted/i.test(error.message)) return notPermitted(interfaceName, error);
  const withFilter = filter === undefined ? '' : ` and the filter '${filter}'`;
  return new Error(`Cannot capture with libpcap on ${interfaceName}${withFilter}: ${error.message}`, {
    cause: error,
  });
}
