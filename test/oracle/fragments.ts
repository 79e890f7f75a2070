/**
 * The oracle gives fragments their datagram's ports: one datagram after the other, each an object with everything that
 * came of it. What is bounded in Weir is not here.
 */

import type { TimedPacket } from './flows.ts';
import type { FragmentOf, Packet } from './packet.ts';

/** A later fragment waits so long for the first, and a datagram is remembered so long after its first fragment. */
const WAIT_MILLISECONDS = 100;
const LIFETIME_MILLISECONDS = 2000;
/** Pieces of a datagram, with gaps between them, that are told apart. */
const MOST_PIECES = 8;

export interface FragmentCounts {
  fragments: number;
  hits: number;
  waited: number;
  expired: number;
  overlapping: number;
  tiny: number;
}

interface Datagram {
  first: Packet | undefined;
  since: number;
  /** Unit of 8 octets → the piece that it is in. */
  pieces: Set<number>[];
  end: number | undefined;
}

interface Waiting {
  readonly timed: TimedPacket;
  readonly datagram: Datagram;
  readonly since: number;
}

/** The packets as they are counted: in another order, with ports. */
export function joinFragments(packets: Iterable<TimedPacket>): {
  packets: TimedPacket[];
  counts: FragmentCounts;
} {
  const counted: TimedPacket[] = [];
  let clock = Number.NEGATIVE_INFINITY;
  /** Those that wait have moved the clock, too. */
  const count = (timed: TimedPacket) => counted.push({ ...timed, countedMilliseconds: clock });
  const counts = { fragments: 0, hits: 0, waited: 0, expired: 0, overlapping: 0, tiny: 0 };
  const datagrams = new Map<string, Datagram>();
  let waiting: Waiting[] = [];
  const end = ({ timed }: Waiting) => {
    counts.expired++;
    count(timed);
  };

  for (const timed of packets) {
    clock = Math.max(clock, timed.milliseconds);
    waiting.filter(({ since }) => clock - since >= WAIT_MILLISECONDS).forEach(end);
    waiting = waiting.filter(({ since }) => clock - since < WAIT_MILLISECONDS);
    const { fragment } = timed.packet;
    if (fragment === undefined) {
      count(timed);
      continue;
    }
    counts.fragments++;
    if (fragment.isTiny) counts.tiny++;
    const key = datagramKey(timed);
    let datagram = datagrams.get(key);
    const isFirst = fragment.offset === 0;
    if (
      datagram === undefined ||
      clock - datagram.since >= LIFETIME_MILLISECONDS ||
      (isFirst && isComplete(datagram))
    ) {
      datagram = { first: undefined, since: clock, pieces: [], end: undefined };
      datagrams.set(key, datagram);
    }
    if (overlaps(datagram, fragment)) counts.overlapping++;
    if (isFirst) {
      datagram.first = timed.packet;
      datagram.since = clock;
      count(timed);
      for (const each of waiting) {
        if (each.datagram === datagram) count(joined(each.timed, datagram.first));
      }
      waiting = waiting.filter((each) => each.datagram !== datagram);
    } else if (datagram.first !== undefined) {
      counts.hits++;
      count(joined(timed, datagram.first));
    } else {
      datagram.since = clock;
      counts.waited++;
      waiting.push({ timed, datagram, since: clock });
    }
  }
  waiting.forEach(end);
  return { packets: counted, counts };
}

function datagramKey({ packet, ingressInterface }: TimedPacket): string {
  const { ipVersion, source, destination, vlans, fragment, tunnel } = packet;
  const place = [vlans[0] ?? 0, ingressInterface, JSON.stringify(tunnel)];
  return [ipVersion, source, destination, fragment?.datagram, ...place].join(' ');
}

function joined(timed: TimedPacket, { protocol, sourcePort, destinationPort }: Packet): TimedPacket {
  return { ...timed, packet: { ...timed.packet, protocol, sourcePort, destinationPort } };
}

const units = ({ offset, octets }: FragmentOf) =>
  Array.from({ length: Math.ceil(octets / 8) }, (_, i) => offset / 8 + i);

function overlaps(datagram: Datagram, fragment: FragmentOf): boolean {
  const own = units(fragment);
  if (!fragment.hasMore) datagram.end = fragment.offset / 8 + own.length;
  if (own.length === 0) return false;
  const result = datagram.pieces.some((piece) => own.some((unit) => piece.has(unit)));
  const near = [own[0]! - 1, ...own, own.at(-1)! + 1];
  const touched = datagram.pieces.filter((piece) => near.some((unit) => piece.has(unit)));
  const others = datagram.pieces.filter((piece) => !touched.includes(piece));
  datagram.pieces = others;
  if (others.length < MOST_PIECES) {
    datagram.pieces.push(new Set([...own, ...touched.flatMap((piece) => [...piece])]));
  }
  return result;
}

function isComplete({ pieces, end }: Datagram): boolean {
  return end !== undefined && end > 0 && pieces.length === 1 && pieces[0]!.has(0) && pieces[0]!.size === end;
}
