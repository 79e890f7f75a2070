/**
 * NetFlow v5, as Cisco published it (NetFlow Export Datagram Format, table B-3 and B-4).
 *
 * Header, 24 octets: version, count, SysUptime, unix_secs, unix_nsecs, flow_sequence, engine_type,
 * engine_id, sampling_interval. Record, 48 octets: srcaddr, dstaddr, nexthop, input, output, dPkts, dOctets,
 * First, Last, srcport, dstport, pad, tcp_flags, prot, tos, src_as, dst_as, src_mask, dst_mask, pad.
 */

import type { FlowLayout, FlowRecord } from '../flow/flow-record.ts';
import type { Sampling } from '../flow/sampler.ts';
import { Appended, type Format } from './format.ts';
import type { Message } from './message.ts';
import { MessageWriter } from './message-writer.ts';
import { type UptimeClock, UptimeFields } from './uptime.ts';

const HEADER = {
  version: 0,
  count: 2,
  sysUptime: 4,
  seconds: 8,
  nanoseconds: 12,
  sequence: 16,
  engineType: 20,
  engineId: 21,
  sampling: 22,
  length: 24,
};
const RECORD = {
  source: 0,
  destination: 4,
  nextHop: 8,
  input: 12,
  output: 14,
  packets: 16,
  octets: 20,
  first: 24,
  last: 28,
  sourcePort: 32,
  destinationPort: 34,
  padding: 36,
  tcpFlags: 37,
  protocol: 38,
  tos: 39,
  sourceAs: 40,
  sourceMask: 44,
  destinationMask: 45,
  length: 48,
};
const MOST_RECORDS = 30;
const MOST_COUNT = 0xffffffff;

export interface Netflow5Options {
  /** The low 16 bits become engine type (high octet) and engine ID (low octet). */
  readonly observationDomain: number;
  readonly sampling: Sampling | undefined;
  readonly uptime: UptimeClock;
  /** Called for each record of which an interface does not fit 16 bits and is sent as 0. */
  readonly onWideInterface: (interfaceIndex: number) => void;
}

export class Netflow5 implements Format {
  readonly protocol = 'netflow5';
  readonly writer: MessageWriter;
  mostCount = 0;
  readonly #options: Netflow5Options;
  readonly #uptime = new UptimeFields(MOST_RECORDS);
  /** Mode (2 bits: 1 every Nth packet, 2 one of N at random; 0 none) | interval (14 bits). */
  readonly #sampling: number;
  #records = 0;
  #sequence = 0;
  #layout: FlowLayout | undefined;
  #offsets = {
    octets: 0,
    packets: 0,
    start: 0,
    end: 0,
    flags: 0,
    tos: 0,
    source: 0,
    ports: 0,
    protocol: 0,
    input: 0,
  };
  /** Where the record has its egress interface; -1: nowhere. */
  #output = -1;
  /** Where the record has what the routes say; undefined: it has nothing of it. */
  #route: { nextHop: number; sourceMask: number; destinationMask: number } | undefined;

  /** @param capacity octets of a datagram */
  constructor(options: Netflow5Options, capacity: number) {
    this.#options = options;
    const { sampling } = options;
    this.#sampling =
      sampling === undefined ? 0 : ((sampling.mode === 'count' ? 1 : 2) << 14) | sampling.interval;
    this.writer = new MessageWriter(capacity);
    this.limit(capacity);
    this.begin();
  }

  limit(octets: number): void {
    this.writer.limit = Math.min(octets, this.writer.bytes.length);
    const records = Math.floor((this.writer.limit - HEADER.length) / RECORD.length);
    this.mostCount = MOST_COUNT * Math.min(MOST_RECORDS, records);
  }

  begin(): void {
    this.writer.position = HEADER.length;
    this.#records = 0;
    this.#uptime.clear();
  }

  append(record: FlowRecord, message: Message): number {
    const { writer } = this;
    if (record.layout.ipVersion !== 4) return Appended.NOT_REPRESENTABLE;
    if (this.#layout !== record.layout) this.#learn(record.layout);
    const { view, offset } = record;
    const at = this.#offsets;
    const start = view.getFloat64(offset + at.start, true);
    const end = view.getFloat64(offset + at.end, true);
    const packets = view.getFloat64(offset + at.packets, true);
    const octets = view.getFloat64(offset + at.octets, true);
    // Counters have 32 bits: a record that exceeds them becomes several whose sums are exact.
    const fits = packets <= MOST_COUNT && octets <= MOST_COUNT;
    const parts = fits ? 1 : Math.max(Math.ceil(packets / MOST_COUNT), Math.ceil(octets / MOST_COUNT));
    const room = Math.min(MOST_RECORDS - this.#records, Math.floor(writer.room / RECORD.length));
    if ((room < parts && this.#records > 0) || !this.#uptime.fits(start, end)) return Appended.NO_ROOM;
    if (parts > room) return Appended.NOT_REPRESENTABLE; // not even one fits

    const input = view.getUint32(offset + at.input, true);
    const output = this.#output < 0 ? 0 : view.getUint32(offset + this.#output, true);
    if (input > 0xffff || output > 0xffff) this.#options.onWideInterface(input > 0xffff ? input : output);

    let packetsLeft = packets;
    let octetsLeft = octets;
    for (let part = parts; part > 0; part--) {
      const partPackets = Math.ceil(packetsLeft / part);
      const partOctets = Math.ceil(octetsLeft / part);
      this.#write(record, partPackets, partOctets, start, end);
      packetsLeft -= partPackets;
      octetsLeft -= partOctets;
    }
    this.#records += parts;
    message.sequenced += parts;
    return Appended.YES;
  }

  #write(record: FlowRecord, packets: number, octets: number, start: number, end: number): void {
    const { view, offset } = record;
    const at = this.#offsets;
    const { writer } = this;
    const to = writer.reserve(RECORD.length);
    const target = writer.view;
    // What no record of this kind has, and padding: zeros. Word by word is twice as fast as a fill of so few octets.
    target.setInt32(to + RECORD.nextHop, 0);
    target.setUint16(to + RECORD.output, 0);
    target.setUint8(to + RECORD.padding, 0);
    target.setInt32(to + RECORD.sourceAs, 0);
    target.setInt32(to + RECORD.sourceMask, 0);
    target.setInt32(to + RECORD.source, view.getInt32(offset + at.source));
    target.setInt32(to + RECORD.destination, view.getInt32(offset + at.source + 4));
    target.setUint16(to + RECORD.input, narrow(view.getUint32(offset + at.input, true)));
    if (this.#output >= 0) {
      target.setUint16(to + RECORD.output, narrow(view.getUint32(offset + this.#output, true)));
    }
    const route = this.#route;
    if (route !== undefined) {
      target.setInt32(to + RECORD.nextHop, view.getInt32(offset + route.nextHop));
      target.setUint8(to + RECORD.sourceMask, view.getUint8(offset + route.sourceMask));
      target.setUint8(to + RECORD.destinationMask, view.getUint8(offset + route.destinationMask));
    }
    target.setUint32(to + RECORD.packets, packets);
    target.setUint32(to + RECORD.octets, octets);
    this.#uptime.add(start, end, to + RECORD.first, to + RECORD.last);
    target.setUint16(to + RECORD.sourcePort, view.getUint16(offset + at.ports + 2, true));
    target.setUint16(to + RECORD.destinationPort, view.getUint16(offset + at.ports, true));
    target.setUint8(to + RECORD.tcpFlags, view.getUint8(offset + at.flags));
    target.setUint8(to + RECORD.protocol, view.getUint8(offset + at.protocol));
    target.setUint8(to + RECORD.tos, view.getUint8(offset + at.tos));
  }

  finish(clockMilliseconds: number): void {
    const { view } = this.writer;
    const now = this.#uptime.headerMilliseconds(clockMilliseconds);
    const boot = this.#options.uptime.bootFor(now, this.#uptime.earliestMilliseconds);
    view.setUint16(HEADER.version, 5);
    view.setUint16(HEADER.count, this.#records);
    view.setUint32(HEADER.sysUptime, now - boot);
    view.setUint32(HEADER.seconds, Math.floor(now / 1000));
    view.setUint32(HEADER.nanoseconds, (now % 1000) * 1e6);
    view.setUint8(HEADER.engineType, (this.#options.observationDomain >> 8) & 0xff);
    view.setUint8(HEADER.engineId, this.#options.observationDomain & 0xff);
    view.setUint16(HEADER.sampling, this.#sampling);
    this.#uptime.patch(view, boot);
  }

  stamp(message: Message): void {
    const { bytes } = message;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(HEADER.sequence, this.#sequence);
    this.#sequence = (this.#sequence + message.sequenced) >>> 0;
  }

  resetSequence(): void {
    this.#sequence = 0;
  }

  /** v5 has neither templates nor options. */
  control(): void {}

  #learn(layout: FlowLayout): void {
    const at = (name: string): number => layout.fields.get(name)!.offset;
    this.#layout = layout;
    this.#offsets = {
      octets: at('octetDeltaCount'),
      packets: at('packetDeltaCount'),
      start: at('flowStartMilliseconds'),
      end: at('flowEndMilliseconds'),
      flags: at('tcpControlBits'),
      tos: at('ipClassOfService'),
      source: at('sourceIPv4Address'),
      ports: at('destinationTransportPort'),
      protocol: at('protocolIdentifier'),
      input: at('ingressInterface'),
    };
    this.#output = layout.fields.get('egressInterface')?.offset ?? -1;
    if (layout.route !== 0) {
      this.#route = {
        nextHop: at('ipNextHopIPv4Address'),
        sourceMask: at('sourceIPv4PrefixLength'),
        destinationMask: at('destinationIPv4PrefixLength'),
      };
    }
  }
}

/** An interface index in 16 bits; 0 where it does not fit. */
function narrow(interfaceIndex: number): number {
  return interfaceIndex > 0xffff ? 0 : interfaceIndex;
}
