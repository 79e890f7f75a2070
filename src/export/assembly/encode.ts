/**
 * Flow Records → Data Records, in WebAssembly: AssemblyScript, compiled by scripts/build-assembly.mjs. What record-copy.ts does
 * one record at a time, of many: a field of all of them, then the next.
 *
 * The memory is that in which the records lie; encoder.ts has a place in it.
 */

import {
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
} from '../../flow/record-head.ts';
import {
  COPY_CONSTANT8,
  COPY_COUNTER,
  COPY_COUNTER32,
  COPY_ICMP,
  COPY_INTERFACE16,
  COPY_OCTETS,
  COPY_SEGMENT,
  COPY_TIME,
  COPY_UINT8,
  COPY_UINT16,
  COPY_UINT24,
  COPY_UINT32,
  COPY_WORDS,
  DATA,
  EARLIEST_MILLISECONDS,
  ENCODED_OCTETS,
  ENCODED_PACKETS,
  LATEST_MILLISECONDS,
  PLAN,
  STEP_COPY,
  STEP_FROM,
  STEP_PROTOCOL_FROM,
  STEP_SIZE,
  STEP_TO,
  STEP_VALUE,
  STEP_WORDS,
  TRAIN_SUMS,
} from '../copies.ts';

const MOST_COUNT: f64 = 0xffffffff;

/**
 * @param base where the encoder's memory begins
 * @param length octets of a Data Record
 * @param list where each Flow Record begins: int32s @param most of them
 * @returns Data Records, fewer than `most` where the next has a value that does not fit its field
 */
export function encode(base: i32, steps: i32, length: i32, list: i32, most: i32): i32 {
  const count = encodeAt(base + DATA, base, steps, length, list, most);
  addUp(base, list, count);
  return count;
}

/**
 * The same as whole Messages, one behind the other. The first one's header, and that of its Set, are there already.
 * @param headOctets of both @param records of each Message
 * @returns Messages, fewer than `most` where a value does not fit its field
 */
export function encodeTrain(
  base: i32,
  steps: i32,
  length: i32,
  list: i32,
  most: i32,
  records: i32,
  headOctets: i32,
): i32 {
  const first = base + DATA;
  let packets: f64 = 0;
  let octets: f64 = 0;
  let sums = base + TRAIN_SUMS;
  let message = 0;
  for (let at = first; message < most; message++, at += headOctets + records * length, sums += 16) {
    if (message > 0) memory.copy(at, first, headOctets);
    const from = list + message * records * 4;
    if (encodeAt(at + headOctets, base, steps, length, from, records) < records) break;
    addUp(base, from, records);
    store<f64>(sums, load<f64>(base, ENCODED_PACKETS));
    store<f64>(sums, load<f64>(base, ENCODED_OCTETS), 8);
    packets += load<f64>(sums);
    octets += load<f64>(sums, 8);
  }
  store<f64>(base, packets, ENCODED_PACKETS);
  store<f64>(base, octets, ENCODED_OCTETS);
  return message;
}

/** @param data where the first Data Record is to begin */
function encodeAt(data: i32, base: i32, steps: i32, length: i32, list: i32, most: i32): i32 {
  let count = most;
  const planEnd = base + PLAN + steps * STEP_WORDS * 4;
  for (let step = base + PLAN; step !== planEnd; step += STEP_WORDS * 4) {
    const copy = load<i32>(step, STEP_COPY * 4);
    const from = load<i32>(step, STEP_FROM * 4);
    const size = load<i32>(step, STEP_SIZE * 4);
    const end = list + count * 4;
    let to = data + load<i32>(step, STEP_TO * 4);
    if (copy === COPY_WORDS && size === 4) {
      for (let at = list; at !== end; at += 4, to += length) store<u32>(to, load<u32>(load<i32>(at) + from));
    } else if (copy === COPY_WORDS || copy === COPY_OCTETS) {
      for (let at = list; at !== end; at += 4, to += length) {
        const field = load<i32>(at) + from;
        let i = 0;
        for (; i + 4 <= size; i += 4) store<u32>(to + i, load<u32>(field + i));
        for (; i < size; i++) store<u8>(to + i, load<u8>(field + i));
      }
    } else if (copy === COPY_UINT8) {
      for (let at = list; at !== end; at += 4, to += length) store<u8>(to, load<u8>(load<i32>(at) + from));
    } else if (copy === COPY_UINT16) {
      for (let at = list; at !== end; at += 4, to += length)
        store<u16>(to, bswap(load<u16>(load<i32>(at) + from)));
    } else if (copy === COPY_UINT24) {
      for (let at = list; at !== end; at += 4, to += length) {
        const value = load<u32>(load<i32>(at) + from);
        store<u8>(to, value >> 16);
        store<u16>(to, bswap(<u16>value), 1);
      }
    } else if (copy === COPY_UINT32) {
      for (let at = list; at !== end; at += 4, to += length)
        store<u32>(to, bswap(load<u32>(load<i32>(at) + from)));
    } else if (copy === COPY_COUNTER) {
      for (let at = list; at !== end; at += 4, to += length)
        store<u64>(to, bswap(<u64>load<f64>(load<i32>(at) + from)));
    } else if (copy === COPY_COUNTER32) {
      for (let at = list; at !== end; at += 4, to += length) {
        const value = load<f64>(load<i32>(at) + from);
        if (value > MOST_COUNT) {
          count = (at - list) >> 2;
          break;
        }
        store<u32>(to, bswap(<u32>(<u64>value)));
      }
    } else if (copy === COPY_CONSTANT8) {
      for (let at = list; at !== end; at += 4, to += length) store<u8>(to, from);
    } else if (copy === COPY_ICMP) {
      const protocolFrom = load<i32>(step, STEP_PROTOCOL_FROM * 4);
      const protocol = load<u8>(step, STEP_VALUE * 4);
      for (let at = list; at !== end; at += 4, to += length) {
        const record = load<i32>(at);
        const told = load<u8>(record + protocolFrom) === protocol ? load<u16>(record + from) : 0;
        store<u16>(to, bswap(told));
      }
    } else if (copy === COPY_TIME) {
      for (let at = list; at !== end; at += 4, to += length)
        store<u32>(to, bswap(<u32>(<i64>load<f64>(load<i32>(at) + from))));
    } else if (copy === COPY_SEGMENT) {
      const kind = load<u32>(step, STEP_VALUE * 4);
      for (let at = list; at !== end; at += 4, to += length) {
        const segment = load<u32>(load<i32>(at) + from);
        store<u32>(to, segment >> 24 === kind ? kind : 0);
        store<u32>(to, bswap(segment & 0xffffff), 4);
      }
    } else if (copy === COPY_INTERFACE16) {
      for (let at = list; at !== end; at += 4, to += length) {
        const value = load<u32>(load<i32>(at) + from);
        if (value > 0xffff) {
          count = (at - list) >> 2;
          break;
        }
        store<u16>(to, bswap(<u16>value));
      }
    } else {
      // Not memory.fill, which leaves WebAssembly for each of so few octets: 2 % of a conversion to v5.
      for (let at = list; at !== end; at += 4, to += length)
        for (let i = 0; i < size; i++) store<u8>(to + i, 0);
    }
  }
  return count;
}

function addUp(base: i32, list: i32, count: i32): void {
  let packets: f64 = 0;
  let octets: f64 = 0;
  let earliest = f64.MAX_VALUE;
  let latest: f64 = 0;
  for (let at = list; at !== list + count * 4; at += 4) {
    const record = load<i32>(at);
    packets += load<f64>(record, PACKET_DELTA_COUNT * 4);
    octets += load<f64>(record, OCTET_DELTA_COUNT * 4);
    earliest = min(earliest, load<f64>(record, FLOW_START_MILLISECONDS * 4));
    latest = max(latest, load<f64>(record, FLOW_END_MILLISECONDS * 4));
  }
  store<f64>(base, packets, ENCODED_PACKETS);
  store<f64>(base, octets, ENCODED_OCTETS);
  store<f64>(base, earliest, EARLIEST_MILLISECONDS);
  store<f64>(base, latest, LATEST_MILLISECONDS);
}
