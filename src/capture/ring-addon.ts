/** The native addon (native/packet_ring.c), typed and loaded. */
import { createRequire } from 'node:module';

declare const handle: unique symbol;
/** An open ring. Opaque. */
export type RingHandle = { readonly [handle]: never };

export interface NativeRingOptions {
  /**
   * Where the ring is mapped: as many octets as its blocks have, beginning with a page, of a WebAssembly memory, which stays
   * where it is. What was there is lost.
   */
  readonly memory: Uint8Array;
  readonly interfaceIndex: number;
  /** Octets of a block, a multiple of the page size. */
  readonly blockOctets: number;
  readonly blockCount: number;
  /** After how long the kernel hands over a block that is not full. */
  readonly blockTimeoutMilliseconds: number;
  /** struct sock_filter[]; see {@link socketFilter}. */
  readonly filter: Uint8Array;
  readonly ignoreOutgoing: boolean;
  readonly promiscuous: boolean;
  /**
   * PACKET_FANOUT's argument: group (16 bits) | type and flags « 16; -1: no group. With PACKET_FANOUT_FLAG_UNIQUEID
   * the kernel chooses the group, and {@link NativeRing.fanout} is what the others join with.
   */
  readonly fanout: number;
}

export interface NativeRing {
  readonly handle: RingHandle;
  /** Whether the kernel writes a virtio_net_hdr in front of each frame. */
  readonly vnetHeader: boolean;
  /** What the kernel made of the fan-out argument; -1: no group. */
  readonly fanout: number;
}

/** Failed system calls are thrown as Errors with `code` and `syscall`. */
export interface RingAddon {
  /** `wake` gets 0 when blocks are to be read, or the errno of the socket's error (ENETDOWN). */
  open(options: NativeRingOptions, wake: (errno: number) => void): NativeRing;
  attach(ring: RingHandle, filter: Uint8Array): void;
  /** Fills in packets, drops and freezes since the last call. */
  statistics(ring: RingHandle, counts: Uint32Array): void;
  /** Idempotent. The memory reads as 0 from then on, and may hold another ring. */
  close(ring: RingHandle): void;
}

/** Built by scripts/build-addon.mjs; the path is that from the compiled file, build/src/capture/. */
const ADDON = '../../../build-native/packet_ring.node';

/** Throws, saying what to do, when the addon was not built. */
export function loadRingAddon(path = ADDON): RingAddon {
  try {
    return createRequire(import.meta.url)(path) as RingAddon;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    throw new Error(
      `The capture addon ${missing ? 'is not built' : `cannot be loaded (${(cause as Error).message})`}. ` +
        'Build it with: npm run setup (it needs a C compiler), or capture with --capture libpcap.',
      { cause },
    );
  }
}
