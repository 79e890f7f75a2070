/** The decapsulator, on mutated tunnels, against the oracle. */

import { deepStrictEqual, notEqual } from 'node:assert/strict';
import { Frame, LinkType } from '../../../src/capture/packet-source.ts';
import { Decapsulator, TUNNELS } from '../../../src/packet/decapsulator.ts';
import { METERED } from '../../../src/packet/packet-layout.ts';
import { PacketView } from '../../../src/packet/packet-view.ts';
import {
  ENDPOINT,
  GRE_KEY,
  SEGMENT,
  SEGMENT_6IN4,
  SEGMENT_GENEVE,
  SEGMENT_GRE,
  SEGMENT_IPIP,
  SEGMENT_VXLAN,
} from '../../../src/packet/tunnel-key.ts';
import { ipv6Text } from '../../oracle/packet.ts';
import { randomPath, tunnelledFrame } from '../../oracle/random-tunnels.ts';
import { NO_TUNNEL, readInnermost } from '../../oracle/tunnels.ts';
import { outcomeOf } from '../../packet/support.ts';
import type { FuzzTarget } from '../target.ts';

const SEGMENTS = new Map([
  [SEGMENT_VXLAN, 'vxlan'],
  [SEGMENT_GENEVE, 'geneve'],
  [SEGMENT_GRE, 'gre'],
  [SEGMENT_IPIP, 'ipip'],
  [SEGMENT_6IN4, '6in4'],
]);

/** Reused over all inputs: what the previous packet left must not show. */
const view = new PacketView();
const decapsulator = new Decapsulator({ tunnels: TUNNELS });

/** An Ethernet frame; the first octet says how many were cut off at its end. */
export const tunnel: FuzzTarget = {
  name: 'tunnel',

  seeds(random) {
    return Array.from({ length: 1000 }, () =>
      Uint8Array.from([0, ...tunnelledFrame(random, randomPath(random, LinkType.ETHERNET), 0x18)]),
    );
  },

  run(input) {
    if (input.length === 0) return;
    const captured = input.subarray(1);
    const wireLength = captured.length + input[0]!;
    const frame = new Frame();
    // The view ends exactly where the capture does: a read outside it throws.
    frame.view = new DataView(captured.buffer, captured.byteOffset, captured.length);
    frame.capturedLength = captured.length;
    frame.wireLength = wireLength;
    const outcome = decapsulator.decode(frame, view);
    const octets = Buffer.from(captured);
    const about = { nanoseconds: 0n, linkType: LinkType.ETHERNET, ingressInterface: 0, wireLength };
    const expected = readInnermost({ ...about, captured: octets }, TUNNELS, new Map());
    if (typeof expected === 'string') {
      // Why an outer packet cannot be read is the decoder's own target's to know.
      notEqual(outcome, METERED, expected);
      return;
    }
    const { ipVersion, source, destination, protocol, sourcePort, destinationPort, tcpFlags } = expected;
    const { segment, greKey, endpoint } = expected.tunnel ?? NO_TUNNEL;
    deepStrictEqual(outcome === METERED ? seen() : outcomeOf(outcome), {
      ...{ ipVersion, source, destination, protocol, sourcePort, destinationPort, tcpFlags },
      octets: expected.octets >>> 0,
      vlan: expected.vlans[0] ?? 0,
      ...{ segment, greKey, endpoint },
    });
  },
};

function seen() {
  const { words, base, ipVersion } = view;
  const addresses = Buffer.from(view.addresses.slice().buffer);
  const text = (octets: Buffer) => (ipVersion === 4 ? [...octets].join('.') : ipv6Text(octets));
  const half = addresses.length / 2;
  const key = base + 3 + addresses.length / 4;
  const segment = words[key + SEGMENT]!;
  const name = SEGMENTS.get(segment >>> 24) ?? '';
  const hasVni = name === 'vxlan' || name === 'geneve';
  return {
    ipVersion,
    source: text(addresses.subarray(0, half)),
    destination: text(addresses.subarray(half)),
    protocol: view.protocolIdentifier,
    sourcePort: view.sourceTransportPort,
    destinationPort: view.destinationTransportPort,
    tcpFlags: view.tcpControlBits,
    octets: view.ipOctets,
    vlan: view.vlanId,
    segment: hasVni ? `${name} ${segment & 0xffffff}` : name,
    greKey: words[key + GRE_KEY]! >>> 0,
    endpoint: Buffer.from(words.slice(key + ENDPOINT, key + ENDPOINT + 2).buffer).toString('hex'),
  };
}
