/**
 * What the oracle says of TCP in one direction of a flow, for `--fields full`: src/flow/tcp-insight.ts has the
 * definitions. Every packet of the flow is looked at again for each record.
 */

import type { TimedPacket } from './flows.ts';

export interface TcpFields {
  readonly initialTCPFlags: number;
  readonly unionTCPFlags: number;
  readonly TCP_HANDSHAKE_RTT_USEC: number;
  readonly RETRANSMITTED_IN_PKTS: number;
  readonly OOORDER_OUT_PKTS: number;
  readonly TCP_WIN_MIN_IN: number;
  readonly tcpZeroWindowDeltaCount: number;
}

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;

/** a − b, where both are somewhere on a circle of 2^32: from −2^31 to 2^31 − 1. */
function difference(a: number, b: number): number {
  const ahead = (((a - b) % 2 ** 32) + 2 ** 32) % 2 ** 32;
  return ahead < 2 ** 31 ? ahead : ahead - 2 ** 32;
}

/** @param flowPackets of the flow so far @param recordPackets those of this record, the last of them */
export function tcpFields(
  flowPackets: readonly TimedPacket[],
  recordPackets: readonly TimedPacket[],
): TcpFields {
  const own = new Set(recordPackets);
  // Of fragments only the first has a TCP header.
  const withHeader = flowPackets.filter(({ packet }) => packet.protocol === 6 && !packet.isLaterFragment);
  const flags = withHeader.map(({ packet }) => packet.tcpFlags);
  const windows: number[] = [];
  let syn: { sequence: number; microseconds: number } | undefined;
  let synAgain = false;
  let roundTrip = 0;
  let highest: { next: number; microseconds: number } | undefined;
  let retransmitted = 0;
  let outOfOrder = 0;

  for (const timed of withHeader) {
    const { packet, microseconds } = timed;
    const { tcp, tcpFlags } = packet;
    const counts = own.has(timed);
    if (tcp === undefined || packet.isFragment || tcpFlags & RST) continue;
    const { sequence, payload, window } = tcp;
    if (counts && (tcpFlags & (SYN | FIN)) === 0) windows.push(window);

    if (tcpFlags & SYN && !(tcpFlags & ACK)) {
      if (syn?.sequence === sequence) synAgain = true;
      else {
        syn = { sequence, microseconds };
        synAgain = false;
        roundTrip = 0;
        highest = undefined;
      }
    } else if (syn && !synAgain && roundTrip === 0 && tcpFlags & ACK) {
      if (difference(sequence, syn.sequence) === 1) roundTrip = Math.max(1, microseconds - syn.microseconds);
    }

    const length = payload + (tcpFlags & SYN ? 1 : 0) + (tcpFlags & FIN ? 1 : 0);
    if (length === 0) continue;
    const end = (sequence + length) % 2 ** 32;
    if (highest !== undefined && difference(sequence, highest.next) < 0) {
      const isOctetBefore = difference(sequence, highest.next) === -1;
      const isBare = !(tcpFlags & (SYN | FIN));
      if (isOctetBefore && payload <= 1 && isBare) continue; // keep-alive
      if (!(isOctetBefore && payload > 1)) {
        const soon = microseconds - highest.microseconds < (roundTrip || 3000);
        if (soon && end !== highest.next) outOfOrder += counts ? 1 : 0;
        else retransmitted += counts ? 1 : 0;
      }
      if (difference(end, highest.next) <= 0) continue;
    }
    highest = { next: end, microseconds };
  }
  return {
    initialTCPFlags: (flags[0] ?? 0) & 0xff,
    unionTCPFlags: flags.slice(1).reduce((all, each) => all | each, 0) & 0xff,
    TCP_HANDSHAKE_RTT_USEC: roundTrip,
    RETRANSMITTED_IN_PKTS: retransmitted,
    OOORDER_OUT_PKTS: outOfOrder,
    TCP_WIN_MIN_IN: Math.min(0xffff, ...windows),
    tcpZeroWindowDeltaCount: windows.filter((window) => window === 0).length,
  };
}
