/**
 * `--exporter per-interface`: each interface is a device of its own to the Collector, with its own address, sequence and
 * templates. A record goes to the exporter of its interface, which is opened when the interface's address is known
 * (own-address.ts). Until then records wait, so many at most, and no longer than their object: what has not left by then
 * is counted as not sent, since an object that is done is not read again.
 */

import type { Export } from '../export/outlet.ts';
import { type FlowRecord, OCTET_DELTA_COUNT, PACKET_DELTA_COUNT } from '../flow/flow-record.ts';
import type { ConvertOutlet, ExporterParts, RecordLine, RecordWay } from './convert-options.ts';
import { OwnAddress } from './own-address.ts';

/** The ways out of an interface; v5 has one of its own for refused flows. */
export interface InterfaceOutlets {
  readonly main: ConvertOutlet;
  readonly rejects: ConvertOutlet | undefined;
}

export interface InterfaceExportersOptions {
  /** Of the Collector's address, and so of the interface's: an interface of two kinds of address sends from that one. */
  readonly ipVersion: 4 | 6;
  /** Makes the ways out of an interface, once. */
  readonly outlets: (address: string) => InterfaceOutlets;
  /** Interfaces that get exporters. */
  readonly most?: number | undefined;
  /** Said once each. */
  readonly onNotice: (text: string) => void;
}

const MOST_EXPORTERS = 1024;
/** Records that wait for the address of their interface: of one, and of all. */
const MOST_WAITING_OF_ONE = 1024;
const MOST_WAITING = 16_384;

/** Why a record does not leave here: beside the transport's reasons. */
export const INTERFACE_NOT_SENT_REASONS = ['interface_unknown', 'too_many_interfaces'] as const;
type Reason = (typeof INTERFACE_NOT_SENT_REASONS)[number];

interface Counts {
  records: number;
  packets: number;
  octets: number;
}

/** A record set aside, with the strings that it refers to. */
interface Waiting {
  readonly record: FlowRecord;
  readonly strings: Uint8Array;
  readonly isReject: boolean;
}

interface InterfaceExports {
  readonly main: Export;
  readonly rejects: Export | undefined;
}

interface Interface {
  readonly own: OwnAddress;
  waiting: Waiting[];
  exports: InterfaceExports | undefined;
}

export class InterfaceExporters implements RecordWay {
  readonly exports: Export[] = [];
  readonly notSent: ReadonlyMap<Reason, Counts> = new Map(
    INTERFACE_NOT_SENT_REASONS.map((reason) => [reason, { records: 0, packets: 0, octets: 0 }]),
  );
  /** Records that wait for an address. */
  readonly waiting: Counts = { records: 0, packets: 0, octets: 0 };
  /** Interfaces that have exporters. */
  opened = 0;
  readonly #options: InterfaceExportersOptions;
  #parts: ExporterParts | undefined;
  readonly #most: number;
  readonly #interfaces = new Map<number, Interface>();
  readonly #unknown = new Set<Interface>();
  readonly #notices = new Set<Reason>();

  constructor(options: InterfaceExportersOptions) {
    this.#options = options;
    this.#most = options.most ?? MOST_EXPORTERS;
  }

  start(parts: ExporterParts): void {
    this.#parts = parts;
  }

  record(record: FlowRecord, line: RecordLine): void {
    const { interfaceNumber, isReject } = line;
    let found = this.#interfaces.get(interfaceNumber);
    if (found?.exports !== undefined) {
      hand(found.exports, record, isReject);
      return;
    }
    if (interfaceNumber === 0) {
      this.#lose('interface_unknown', record);
      return;
    }
    if (found === undefined) {
      found = { own: new OwnAddress(), waiting: [], exports: undefined };
      this.#interfaces.set(interfaceNumber, found);
    }
    if (this.#learn(found.own, line) !== undefined) {
      this.#open(found);
      if (found.exports === undefined) this.#lose('too_many_interfaces', record);
      else hand(found.exports, record, isReject);
    } else if (found.waiting.length < MOST_WAITING_OF_ONE && this.waiting.records < MOST_WAITING) {
      found.waiting.push(setAside(record, isReject));
      this.#unknown.add(found);
      count(this.waiting, record, 1);
    } else this.#lose('interface_unknown', record);
  }

  /** An object is done: what still waits is lost. */
  endObject(): void {
    for (const unknown of this.#unknown) {
      for (const { record } of unknown.waiting) {
        count(this.waiting, record, -1);
        this.#lose('interface_unknown', record);
      }
      unknown.waiting = [];
    }
    this.#unknown.clear();
  }

  #learn(own: OwnAddress, line: RecordLine): string | undefined {
    const octets = this.#options.ipVersion === 4 ? 4 : 16;
    const told = line.interfaceAddress();
    if (told !== undefined) return told.length === octets ? own.tell(textOf(told)) : own.address;
    const source = line.end('source');
    const destination = line.end('destination');
    if (source?.length !== octets || destination?.length !== octets) return own.address;
    return own.learn(textOf(source), textOf(destination));
  }

  /** The address is known: what has waited leaves first. */
  #open(found: Interface): void {
    if (this.opened < this.#most) {
      this.opened++;
      const { main, rejects } = this.#options.outlets(found.own.address!);
      const parts = this.#parts!;
      found.exports = { main: parts.add(main), rejects: rejects && parts.add(rejects) };
      this.exports.push(found.exports.main);
      if (found.exports.rejects !== undefined) this.exports.push(found.exports.rejects);
    }
    for (const { record, strings, isReject } of found.waiting) {
      count(this.waiting, record, -1);
      if (found.exports === undefined) this.#lose('too_many_interfaces', record);
      else withStrings(record, strings, () => hand(found.exports!, record, isReject));
    }
    found.waiting = [];
    this.#unknown.delete(found);
  }

  #lose(reason: Reason, record: FlowRecord): void {
    count(this.notSent.get(reason)!, record, 1);
    if (this.#notices.has(reason)) return;
    this.#notices.add(reason);
    this.#options.onNotice(
      reason === 'interface_unknown'
        ? 'the address of an interface is not known, and its records are not sent: it takes interface-id, srcaddr and ' +
            'dstaddr, and flow-direction too where an interface has a single peer'
        : `records of more than ${this.#most} interfaces: those of the others are not sent`,
    );
  }
}

function hand({ main, rejects }: InterfaceExports, record: FlowRecord, isReject: boolean): void {
  (isReject && rejects !== undefined ? rejects : main).exporter.record(record);
}

function count(counts: Counts, { view, offset }: FlowRecord, sign: 1 | -1): void {
  counts.records += sign;
  counts.packets += sign * view.getFloat64(offset + PACKET_DELTA_COUNT * 4, true);
  counts.octets += sign * view.getFloat64(offset + OCTET_DELTA_COUNT * 4, true);
}

function setAside(record: FlowRecord, isReject: boolean): Waiting {
  const { layout, view, offset } = record;
  const start = view.byteOffset + offset;
  const copy = new DataView(view.buffer.slice(start, start + layout.words * 4));
  return {
    record: { layout, view: copy, offset: 0 },
    strings: (layout.strings ?? new Uint8Array(0)).slice(0, stringOctets(record)),
    isReject,
  };
}

/** Octets of the layout's strings up to the end of the record's last. */
function stringOctets({ layout, view, offset }: FlowRecord): number {
  const { strings } = layout;
  if (strings === undefined) return 0;
  let end = 0;
  for (const field of layout.fields.values()) {
    if (field.kind !== 'string') continue;
    const from = view.getUint32(offset + field.offset, true);
    const length = strings[from]!;
    end = Math.max(
      end,
      length < 255 ? from + 1 + length : from + 3 + ((strings[from + 1]! << 8) | strings[from + 2]!),
    );
  }
  return end;
}

/** Puts a record's strings back to where it refers to, as long as it is handed on: those of the present line are there. */
function withStrings({ layout }: FlowRecord, strings: Uint8Array, act: () => void): void {
  const present = layout.strings?.slice(0, strings.length);
  layout.strings?.set(strings);
  act();
  if (present !== undefined) layout.strings!.set(present);
}

function textOf(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((octets[i]! << 8) | octets[i + 1]!).toString(16));
  return groups.join(':');
}
