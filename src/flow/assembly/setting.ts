/** What the code around has set: where everything stands, and by which rules. Addresses are octets. */
import { PACKET_WORDS } from '../../packet/packet-layout.ts';

/** Octets of a row. */
export const ROW: i32 = PACKET_WORDS * 4;

/** Where packets wait. */
export let rows: i32 = 0;
/** Rows that are looked up together. */
export let batch: i32 = 0;
/** A slot a row that may be its flow's, or -1: int32s. */
export let candidates: i32 = 0;
export let seed0: u32 = 0;
export let seed1: u32 = 0;
/** No deadline of a record can have passed within so many ticks of its start. */
export let soonest: i32 = 0;
/** The clock is the packets'. */
export let byPacketTime: bool = false;

/** Most flows of both tables. */
export let mostFlows: i32 = 0;

/**
 * The two tables: where their state (table-state.ts) begins, and where records, and entries of the index; octets of a record
 * and of a key; the index's mask.
 */
export let state4: i32 = 0;
export let state6: i32 = 0;
export let records4: i32 = 0;
export let records6: i32 = 0;
export let stride4: i32 = 0;
export let stride6: i32 = 0;
export let keyOctets4: i32 = 0;
export let keyOctets6: i32 = 0;
export let entries4: i32 = 0;
export let entries6: i32 = 0;
export let mask4: i32 = 0;
export let mask6: i32 = 0;

export function setRows(at: i32, most: i32, slots: i32): void {
  rows = at;
  batch = most;
  candidates = slots;
}

export function setMetering(
  firstSeed: i32,
  secondSeed: i32,
  ticks: i32,
  isPacketTime: bool,
  flows: i32,
): void {
  mostFlows = flows;
  seed0 = firstSeed;
  seed1 = secondSeed;
  soonest = ticks;
  byPacketTime = isPacketTime;
}

export function setTable(ipVersion: i32, state: i32, records: i32, recordOctets: i32, keyOctets: i32): void {
  if (ipVersion === 4) {
    state4 = state;
    records4 = records;
    stride4 = recordOctets;
    keyOctets4 = keyOctets;
  } else {
    state6 = state;
    records6 = records;
    stride6 = recordOctets;
    keyOctets6 = keyOctets;
  }
}

export function setIndex(ipVersion: i32, entries: i32, mask: i32): void {
  if (ipVersion === 4) {
    entries4 = entries;
    mask4 = mask;
  } else {
    entries6 = entries;
    mask6 = mask;
  }
}
