/** The packet decoder, on mutated packets, against the naive decoder. */

import { deepStrictEqual, ok } from 'node:assert/strict';
import { Frame, LinkType } from '../../../src/capture/packet-source.ts';
import { decode } from '../../../src/packet/decode.ts';
import { PacketView } from '../../../src/packet/packet-view.ts';
import { naiveDecode } from '../../packet/naive-decoder.ts';
import { randomPacket } from '../../packet/random-packets.ts';
import { fieldsOf, outcomeOf } from '../../packet/support.ts';
import type { FuzzTarget } from '../target.ts';

/**
 * An input begins with what a source knows of the frame beside its octets:
 * linkType 2 octets | strippedVlanTci + 1 as 4 | gsoType 1 | gsoSize 2 | wireLength less the captured one 3
 */
const ABOUT_OCTETS = 12;

/** Reused over all inputs, as in the Metering Process: what the previous packet left must not show. */
const view = new PacketView();

export const packet: FuzzTarget = {
  name: 'packet',

  seeds(random) {
    return Array.from({ length: 2000 }, () => {
      const { captured, about } = randomPacket(random);
      const input = new Uint8Array(ABOUT_OCTETS + captured.length);
      const header = new DataView(input.buffer);
      header.setUint16(0, about.linkType ?? LinkType.ETHERNET);
      header.setUint32(2, (about.strippedVlanTci ?? -1) + 1);
      header.setUint8(6, about.gsoType ?? 0);
      header.setUint16(7, about.gsoSize ?? 0);
      const more = Math.max(0, about.wireLength - captured.length);
      header.setUint8(9, more >>> 16);
      header.setUint16(10, more);
      input.set(captured, ABOUT_OCTETS);
      return input;
    });
  },

  run(input) {
    if (input.length < ABOUT_OCTETS) return;
    const header = new DataView(input.buffer, input.byteOffset, input.length);
    const captured = input.subarray(ABOUT_OCTETS);
    const frame = new Frame();
    // The view ends exactly where the capture does: a read outside it throws.
    frame.view = new DataView(captured.buffer, captured.byteOffset, captured.length);
    frame.capturedLength = captured.length;
    frame.linkType = header.getUint16(0);
    frame.strippedVlanTci = (header.getUint32(2) % 0x10001) - 1;
    frame.gsoType = header.getUint8(6);
    frame.gsoSize = header.getUint16(7);
    frame.wireLength = captured.length + (header.getUint8(9) & 1) * 0x10000 + header.getUint16(10);

    const outcome = outcomeOf(decode(frame, view)); // throws where it is no known reason
    if (outcome === 'metered') {
      ok(view.ipVersion === 4 || view.ipVersion === 6, `ipVersion is ${view.ipVersion}`);
      ok(view.packets >= 1, `packets is ${view.packets}`);
      ok(view.ipOctets >= (view.ipVersion === 4 ? 20 : 40), `ipOctets is ${view.ipOctets}`);
    }
    deepStrictEqual(outcome === 'metered' ? fieldsOf(view, frame) : outcome, naiveDecode(captured, frame));
  },
};
