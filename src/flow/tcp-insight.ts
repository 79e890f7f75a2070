/**
 * TCP as one direction of a connection shows it (RFC 9293), for `--fields full`. Every number is compared modulo 2^32.
 *
 * - Round-trip time: from the SYN to the first ACK of the same direction that follows it (sequence number: the SYN's
 *   plus one). In between the SYN-ACK has come from the server: the time is that of the whole path, wherever it is
 *   measured. Not measured where the SYN came twice (Karn's rule, RFC 6298 §3), nor from the server's direction.
 * - A segment that carries anything (data, SYN or FIN) and begins before the highest octet seen is out of order if that
 *   highest octet came less than a round-trip time ago (3 ms where it is not known) and the segment does not end
 *   where it ended; else it is retransmitted. Neither are: a keep-alive (at most one octet, right before the next one;
 *   §3.8.4), and data that begins with the octet of a window probe (§3.8.6.1).
 * - The least window announced, without the window scale, and the packets that announced none at all (zero windows); segments with
 *   SYN, FIN or RST announce nothing. The least is 65535 where the record has no other.
 *
 * These are tshark's definitions (tcp.analysis.initial_rtt, retransmission, out_of_order, zero_window) as far as one
 * direction can tell. A giant that an offload merged is one segment, and counts for as many packets as it was.
 */

import {
  CONTROL,
  FRAGMENT_MORE,
  FRAGMENT_NOT_FIRST,
  MILLISECONDS,
  PACKETS,
  PROTOCOL,
  TCP_KNOWN,
  TCP_PAYLOAD,
  TCP_SEQUENCE,
  TCP_WINDOW,
  TTL,
} from '../packet/packet-layout.ts';
import { ACK, FIN, RST, SYN } from './entry-state.ts';
import {
  TCP_FLAGS,
  TCP_HAS_NEXT,
  TCP_HAS_SYN,
  TCP_HIGHEST_AT,
  TCP_INITIAL_SEQUENCE,
  TCP_LEAST_WINDOW,
  TCP_MEASURED,
  TCP_NEXT,
  TCP_OUT_OF_ORDER,
  TCP_RETRANSMITTED,
  TCP_ROUND_TRIP,
  TCP_SEEN,
  TCP_SYN_AGAIN,
  TCP_SYN_AT,
  TCP_WORDS,
  TCP_ZERO_WINDOWS,
} from './tcp-state.ts';

/** What comes sooner after the highest octet than this was overtaken, where the round-trip time is not known. */
const REORDERING_MICROSECONDS = 3000;

/** A flow begins. @param at word of the block */
export function beginTcp(words: Int32Array, at: number): void {
  for (let i = 0; i < TCP_WORDS; i++) words[at + i] = 0;
}

/** A record begins: what is counted for it does. */
export function openTcp(words: Int32Array, at: number): void {
  words[at + TCP_RETRANSMITTED] = 0;
  words[at + TCP_OUT_OF_ORDER] = 0;
  words[at + TCP_ZERO_WINDOWS] = 0;
  words[at + TCP_LEAST_WINDOW] = words[at + TCP_LEAST_WINDOW]! | 0xffff;
}

/**
 * A packet of the flow, which begins at word `packet` of `packets`.
 * @param times the same memory as float64
 */
export function updateTcp(
  words: Int32Array,
  at: number,
  packets: Int32Array,
  times: Float64Array,
  packet: number,
): void {
  if ((packets[packet + PROTOCOL]! & 0xff) !== 6) return;
  const fragment = (packets[packet + TTL]! >>> 8) & (FRAGMENT_MORE | FRAGMENT_NOT_FIRST);
  if ((fragment & FRAGMENT_NOT_FIRST) !== 0) return;
  const control = packets[packet + CONTROL]! & 0xffff;
  let state = words[at + TCP_LEAST_WINDOW]!;
  if ((state & TCP_SEEN) === 0) words[at + TCP_FLAGS] = control;
  else words[at + TCP_FLAGS] = words[at + TCP_FLAGS]! | (control << 16);
  state |= TCP_SEEN;
  words[at + TCP_LEAST_WINDOW] = state;

  const window = packets[packet + TCP_WINDOW]!;
  // Of a segment whose header the capture cut, or that is the first of several fragments, the length is not known.
  if ((window & TCP_KNOWN) === 0 || fragment !== 0 || (control & RST) !== 0) return;
  if ((control & (SYN | FIN)) === 0) {
    const announced = window & 0xffff;
    if (announced === 0)
      words[at + TCP_ZERO_WINDOWS] = words[at + TCP_ZERO_WINDOWS]! + packets[packet + PACKETS]!;
    if (announced < (state & 0xffff)) state = (state & 0xffff0000) | announced;
  }
  const sequence = packets[packet + TCP_SEQUENCE]!;
  const payload = packets[packet + TCP_PAYLOAD]! & 0x3fffff;
  const now = (times[(packet + MILLISECONDS) >> 1]! * 1000 + (packets[packet + TCP_PAYLOAD]! >>> 22)) | 0;

  if ((control & (SYN | ACK)) === SYN) {
    if ((state & TCP_HAS_SYN) === 0 || words[at + TCP_INITIAL_SEQUENCE] !== sequence) {
      // A handshake begins, and with another sequence number than before another connection.
      words[at + TCP_INITIAL_SEQUENCE] = sequence;
      words[at + TCP_SYN_AT] = now;
      words[at + TCP_ROUND_TRIP] = 0;
      state = (state & ~(TCP_SYN_AGAIN | TCP_MEASURED | TCP_HAS_NEXT)) | TCP_HAS_SYN;
    } else state |= TCP_SYN_AGAIN;
  } else if (
    (state & (TCP_HAS_SYN | TCP_SYN_AGAIN | TCP_MEASURED)) === TCP_HAS_SYN &&
    (control & ACK) !== 0 &&
    ((sequence - words[at + TCP_INITIAL_SEQUENCE]!) | 0) === 1
  ) {
    const roundTrip = (now - words[at + TCP_SYN_AT]!) | 0;
    words[at + TCP_ROUND_TRIP] = Math.max(1, roundTrip);
    state |= TCP_MEASURED;
  }

  const length = payload + ((control >> 1) & 1) + (control & 1); // SYN and FIN take a sequence number each
  const end = (sequence + length) | 0;
  if (length > 0 && ((state & TCP_HAS_NEXT) === 0 || ((sequence - words[at + TCP_NEXT]!) | 0) >= 0)) {
    words[at + TCP_NEXT] = end;
    words[at + TCP_HIGHEST_AT] = now;
    state |= TCP_HAS_NEXT;
  } else if (length > 0)
    countOld(words, at, sequence, payload, end, control, now, packets[packet + PACKETS]!);
  words[at + TCP_LEAST_WINDOW] = state;
}

/** A segment that begins before the highest octet seen. */
function countOld(
  words: Int32Array,
  at: number,
  sequence: number,
  payload: number,
  end: number,
  control: number,
  now: number,
  packets: number,
): void {
  const next = words[at + TCP_NEXT]!;
  const isRightBefore = ((next - sequence) | 0) === 1;
  if (isRightBefore && payload <= 1 && (control & (SYN | FIN)) === 0) return; // keep-alive, window probe
  const brings = (end - next) | 0;
  if (!(isRightBefore && payload > 1)) {
    const roundTrip = words[at + TCP_ROUND_TRIP]!;
    const since = (now - words[at + TCP_HIGHEST_AT]!) | 0;
    const isOvertaken = since < (roundTrip === 0 ? REORDERING_MICROSECONDS : roundTrip) && brings !== 0;
    const count = at + (isOvertaken ? TCP_OUT_OF_ORDER : TCP_RETRANSMITTED);
    words[count] = words[count]! + packets;
  }
  if (brings > 0) {
    words[at + TCP_NEXT] = end;
    words[at + TCP_HIGHEST_AT] = now;
  }
}
