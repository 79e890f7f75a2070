/** The native addon (native/udp_segments.c), typed and loaded. */
import { createRequire } from 'node:module';

export interface UdpAddon {
  /** A socket that is bound to a numeric address; `segments`: the kernel takes datagrams together. */
  open(address: string): { readonly descriptor: number; readonly segments: boolean };
  /**
   * The first so many of an array, a datagram or several, one behind the other, in each; 64 at most.
   * @param octets of each datagram, but for the very last, which may be smaller
   * @returns 0: the kernel has all of them; else its errno, and it has none
   */
  sendSegments(descriptor: number, datagrams: readonly Uint8Array[], count: number, octets: number): number;
}

/** Built by scripts/build-addon.mjs; the path is that from the compiled file, build/src/transport/. */
const ADDON = '../../../build-native/udp_segments.node';

let loaded: UdpAddon | null | undefined;

/** Undefined: it was not built, or for another machine, or of another version; datagrams then leave one by one. */
export function udpAddon(): UdpAddon | undefined {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)(ADDON) as UdpAddon;
      if (loaded.sendSegments === undefined) loaded = null;
    } catch {
      loaded = null;
    }
  }
  return loaded ?? undefined;
}
