/**
 * Tells Weir's own datagrams and segments from what it measures. Where outgoing packets are captured, the
 * export would otherwise be metered, and its records exported, for ever.
 */

import ipaddr from 'ipaddr.js';
import type { PacketView } from '../packet/packet-view.ts';
import type { SessionEndpoints } from '../transport/session.ts';

interface Pattern {
  readonly protocolIdentifier: number;
  readonly localPort: number;
  readonly remotePort: number;
  /** Source then destination, as in {@link PacketView.addresses}. */
  readonly addresses: Int32Array;
}

export class OwnExport {
  readonly #endpoints: () => readonly SessionEndpoints[];
  #known: readonly SessionEndpoints[] = [];
  #patterns: Pattern[] = [];

  /** @param endpoints the sessions of now; asked at each {@link refresh} */
  constructor(endpoints: () => readonly SessionEndpoints[]) {
    this.#endpoints = endpoints;
  }

  /** Learns the sessions anew: addresses and ports change when a collector moves or a connection breaks. */
  refresh(): void {
    const now = this.#endpoints();
    if (now.length === this.#known.length && now.every((endpoints, i) => same(endpoints, this.#known[i]!)))
      return;
    this.#known = now;
    this.#patterns = now.map((session) => ({
      protocolIdentifier: session.protocolIdentifier,
      localPort: session.localPort,
      remotePort: session.remotePort,
      addresses: new Int32Array(
        Uint8Array.from([...addressOctets(session.localAddress), ...addressOctets(session.remoteAddress)])
          .buffer,
      ),
    }));
  }

  matches(view: PacketView): boolean {
    for (const pattern of this.#patterns) {
      if (
        view.sourceTransportPort !== pattern.localPort ||
        view.destinationTransportPort !== pattern.remotePort ||
        view.protocolIdentifier !== pattern.protocolIdentifier ||
        view.ipVersion !== (pattern.addresses.length === 2 ? 4 : 6)
      ) {
        continue;
      }
      const { addresses } = view;
      if (addresses.every((word, i) => word === pattern.addresses[i])) return true;
    }
    return false;
  }
}

function same(a: SessionEndpoints, b: SessionEndpoints): boolean {
  return (
    a.localPort === b.localPort &&
    a.remotePort === b.remotePort &&
    a.localAddress === b.localAddress &&
    a.remoteAddress === b.remoteAddress
  );
}

/** 4 or 16 octets of an IP address; a zone (`%eth0`) is not part of it. */
function addressOctets(text: string): number[] {
  return ipaddr.parse(text.replace(/%.*/, '')).toByteArray();
}
