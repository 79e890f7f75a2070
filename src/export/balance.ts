/**
 * Collectors that share the flows: each record goes to one member of the group, which its Flow Key chooses. All records
 * of a flow, and those of its other direction, go to the same one, also after a restart and from another router with
 * the same collectors.
 *
 * The member is the one with the highest score of key and name (rendezvous hashing; D. Thaler, C. Ravishankar, 1998):
 * one that joins or leaves moves only its own share. One that cannot be reached keeps its share, queued and then
 * counted as not sent: sent to another, the records of a flow would be in two places.
 *
 * There is no secret in the hash, or two routers would not agree. Who chooses keys can so choose the collector; the
 * flow table, which has a seed, is not concerned.
 */
import type { FlowLayout, FlowRecord, RecordReceiver } from '../flow/flow-record.ts';

/** An Exporting Process towards a member. */
export interface GroupMember extends RecordReceiver {
  /** Counts a record that another member gets. */
  recordElsewhere(record: FlowRecord): void;
}

export class BalanceGroup implements RecordReceiver {
  readonly #members: readonly GroupMember[];
  readonly #seeds: readonly number[];

  /** @param members with a name each, no two the same: it decides which flows are whose */
  constructor(members: readonly { readonly name: string; readonly member: GroupMember }[]) {
    this.#members = members.map(({ member }) => member);
    this.#seeds = members.map(({ name }) => hashName(name));
  }

  record(record: FlowRecord): void {
    const key = symmetricHash(record);
    const members = this.#members;
    let chosen = 0;
    let highest = -1;
    for (let i = 0; i < members.length; i++) {
      const score = finish(mix(this.#seeds[i]!, key));
      if (score > highest) {
        highest = score;
        chosen = i;
      }
    }
    for (let i = 0; i < members.length; i++) {
      if (i === chosen) members[i]!.record(record);
      else members[i]!.recordElsewhere(record);
    }
  }
}

/** ICMP and ICMPv6 have type and code in the place of ports, which differ between question and answer. */
const ICMP = 1;
const ICMPV6 = 58;

/** Offsets in octets from the start of a record. */
interface KeyOffsets {
  readonly source: number;
  readonly destination: number;
  readonly addressOctets: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
}
const offsetsOfLayouts = new WeakMap<FlowLayout, KeyOffsets>();

/**
 * 32 bits of addresses, ports and protocol that are the same for both directions. What else is in the Flow Key
 * (interface, VLAN, DSCP) differs between the directions.
 */
export function symmetricHash({ view, offset, layout }: FlowRecord): number {
  const at = offsetsOfLayouts.get(layout) ?? keyOffsets(layout);
  const protocol = view.getUint8(offset + at.protocol);
  const hasPorts = protocol !== ICMP && protocol !== ICMPV6;
  let a = hasPorts ? view.getUint16(offset + at.sourcePort, true) : 0;
  let b = hasPorts ? view.getUint16(offset + at.destinationPort, true) : 0;
  for (let i = 0; i < at.addressOctets; i += 4) {
    a = mix(a, view.getInt32(offset + at.source + i));
    b = mix(b, view.getInt32(offset + at.destination + i));
  }
  return a < b ? mix(mix(a, b), protocol) : mix(mix(b, a), protocol);
}

function keyOffsets(layout: FlowLayout): KeyOffsets {
  const offsetOf = (name: string): number => {
    const field = layout.fields.get(name);
    if (field === undefined) throw new Error(`a Flow Record has no ${name}`); // a fault of the program
    return field.offset;
  };
  const offsets = {
    source: offsetOf(`sourceIPv${layout.ipVersion}Address`),
    destination: offsetOf(`destinationIPv${layout.ipVersion}Address`),
    addressOctets: layout.ipVersion === 4 ? 4 : 16,
    sourcePort: offsetOf('sourceTransportPort'),
    destinationPort: offsetOf('destinationTransportPort'),
    protocol: offsetOf('protocolIdentifier'),
  };
  offsetsOfLayouts.set(layout, offsets);
  return offsets;
}

function hashName(name: string): number {
  let hash = name.length;
  for (let i = 0; i < name.length; i++) hash = mix(hash, name.charCodeAt(i));
  return hash;
}

/** A step of MurmurHash3 (A. Appleby, in the public domain) for one word. */
function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** Its end: every bit of the hash in every bit of the result, 0 to 2^32 - 1. */
function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
