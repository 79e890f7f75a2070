/**
 * The short way of plain packets, in WebAssembly: AssemblyScript, compiled by scripts/build-assembly.mjs.
 *
 * Plain is what nearly every packet is: an Ethernet frame, with one VLAN tag or none, with IPv4 or IPv6, without options,
 * extension headers or fragments, and TCP, UDP or ICMP; whose flow has a record open that goes on, or begins. Whatever
 * else comes is left where it stands for the code around (packet/, flow-table.ts): what is here takes no decision, it only
 * knows when there is none to take.
 *
 *   takePcap, takeRing   again and again:
 *     fillFrom…            frames.ts: frames → rows (packet-layout.ts), until one that is not plain, or enough of them
 *     lookUp               flows.ts: hashes the rows' keys, and touches what they will meet, side by side
 *     count                flows.ts: rows → records of the flow table, until one that does more
 *
 * The memory, and what stands where in it, is plain-packets.ts's. Addresses are octets, so words are times 4.
 */

import { count, endSome, lookUp, rehash, release } from './flows.ts';
import { fillFromPcap, fillFromRing } from './frames.ts';
import { FRAMES, PENDING, STOPPED } from './plain-state.ts';
import { batch, setIndex, setMetering, setRows, setTable } from './setting.ts';

export { count, endSome, lookUp, rehash, release, setIndex, setMetering, setRows, setTable };

/** See frames.ts. */
export function takePcap(from: i32, end: i32, ingressInterface: i32, fractions: u32): i32 {
  let at = from;
  do at = fillFromPcap(at, end, ingressInterface, fractions);
  while (load<i32>(PENDING) === batch && countBatch());
  return at;
}

/** See frames.ts. */
export function takeRing(
  from: i32,
  end: i32,
  left: i32,
  ingressInterface: i32,
  outgoing: bool,
  vnetHeader: bool,
): i32 {
  let at = from;
  const last = load<i32>(FRAMES) + left;
  do at = fillFromRing(at, end, last - load<i32>(FRAMES), ingressInterface, outgoing, vnetHeader);
  while (load<i32>(PENDING) === batch && countBatch());
  return at;
}

/** @returns false where a row was left, {@link STOPPED}: it, and those behind it, are for the code around */
function countBatch(): bool {
  lookUp();
  const stopped = count(0);
  store<i32>(STOPPED, stopped);
  if (stopped < batch) return false;
  store<i32>(PENDING, 0);
  return true;
}
