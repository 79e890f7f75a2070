/**
 * NetFlow v5, as Cisco published it (NetFlow Export Datagram Format, table B-3 and B-4).
 *
 * Header, 24 octets: version, count, SysUptime, unix_secs, unix_nsecs, flow_sequence, engine_type,
 * engine_id, sampling_interval. Record, 48 octets: srcaddr, dstaddr, nexthop, input, output, dPkts, dOctets,
 * First, Last, srcport, dstport, pad, tcp_flags, prot, tos, src_as, dst_as, src_mask, dst_mask, pad.
 */

import {
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  type FlowLayout,
  type FlowRecord,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
  type RecordBatch,
} from '../flow/flow-record.ts';
import type { Sampling } from '../flow/sampler.ts';
import {
  COPY_COUNTER32,
  COPY_INTERFACE16,
  COPY_TIME,
  COPY_UINT8,
  COPY_UINT16,
  COPY_WORDS,
  COPY_ZEROS,
} from './copies.ts';
import type { RecordEncoder } from './encoder.ts';
import { ALONE, Appended, type Format } from './format.ts';
import type { Message } from './message.ts';
import { MessageWriter } from './message-writer.ts';
import { type CopyStep, RecordCopy } from './record-copy.ts';
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
  /** What a record of that layout is made by. */
  #copy: RecordCopy | undefined;
  /** Where the record has its interfaces; -1: nowhere. */
  #input = 0;
  #output = -1;

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
    const start = view.getFloat64(offset + FLOW_START_MILLISECONDS * 4, true);
    const end = view.getFloat64(offset + FLOW_END_MILLISECONDS * 4, true);
    const packets = view.getFloat64(offset + PACKET_DELTA_COUNT * 4, true);
    const octets = view.getFloat64(offset + OCTET_DELTA_COUNT * 4, true);
    // Counters have 32 bits: a record that exceeds them becomes several whose sums are exact.
    const fits = packets <= MOST_COUNT && octets <= MOST_COUNT;
    const parts = fits ? 1 : Math.max(Math.ceil(packets / MOST_COUNT), Math.ceil(octets / MOST_COUNT));
    const room = Math.min(MOST_RECORDS - this.#records, Math.floor(writer.room / RECORD.length));
    if ((room < parts && this.#records > 0) || !this.#uptime.fits(start, end)) return Appended.NO_ROOM;
    if (parts > room) return Appended.NOT_REPRESENTABLE; // not even one fits

    const input = view.getUint32(offset + this.#input, true);
    const output = this.#output < 0 ? 0 : view.getUint32(offset + this.#output, true);
    if (input > 0xffff || output > 0xffff) this.#options.onWideInterface(input > 0xffff ? input : output);

    this.#uptime.addTimes(start, end);
    let packetsLeft = packets;
    let octetsLeft = octets;
    for (let part = parts; part > 0; part--) {
      const to = writer.reserve(RECORD.length);
      this.#copy!.encode(record, writer.view, to);
      this.#uptime.addFields(to + RECORD.first, to + RECORD.last);
      if (parts === 1) break;
      const partPackets = Math.ceil(packetsLeft / part);
      const partOctets = Math.ceil(octetsLeft / part);
      writer.view.setUint32(to + RECORD.packets, partPackets);
      writer.view.setUint32(to + RECORD.octets, partOctets);
      packetsLeft -= partPackets;
      octetsLeft -= partOctets;
    }
    this.#records += parts;
    message.sequenced += parts;
    return Appended.YES;
  }

  appendSome(batch: RecordBatch, from: number, encoder: RecordEncoder, message: Message): number {
    const { writer } = this;
    const { layout } = batch;
    if (layout.ipVersion !== 4) return ALONE;
    if (this.#layout !== layout) this.#learn(layout);
    const room = Math.min(MOST_RECORDS - this.#records, Math.floor(writer.room / RECORD.length));
    const most = Math.min(batch.count - from, room);
    if (most <= 0) return 0;
    const count = encoder.encode(this.#copy!, batch, from, most);
    const { earliestMilliseconds: earliest, latestMilliseconds: latest } = encoder;
    if (count === 0 || !this.#uptime.fits(earliest, latest, count)) return ALONE;
    this.#uptime.addTimes(earliest, latest);
    const at = writer.position;
    writer.copy(encoder.encoded(count * RECORD.length));
    for (let to = at; to < writer.position; to += RECORD.length)
      this.#uptime.addFields(to + RECORD.first, to + RECORD.last);
    this.#records += count;
    message.sequenced += count;
    return count;
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
    const step = (copy: number, name: string, to: number, size: number): CopyStep => ({
      copy,
      from: layout.fields.get(name)!.offset,
      to,
      size,
    });
    const zeros = (to: number, size: number): CopyStep => ({ copy: COPY_ZEROS, from: 0, to, size });
    this.#layout = layout;
    this.#input = layout.fields.get('ingressInterface')!.offset;
    this.#output = layout.fields.get('egressInterface')?.offset ?? -1;
    const hasRoute = layout.route !== 0;
    const steps = [
      step(COPY_WORDS, 'sourceIPv4Address', RECORD.source, 4),
      step(COPY_WORDS, 'destinationIPv4Address', RECORD.destination, 4),
      hasRoute ? step(COPY_WORDS, 'ipNextHopIPv4Address', RECORD.nextHop, 4) : zeros(RECORD.nextHop, 4),
      step(COPY_INTERFACE16, 'ingressInterface', RECORD.input, 2),
      this.#output < 0
        ? zeros(RECORD.output, 2)
        : step(COPY_INTERFACE16, 'egressInterface', RECORD.output, 2),
      step(COPY_COUNTER32, 'packetDeltaCount', RECORD.packets, 4),
      step(COPY_COUNTER32, 'octetDeltaCount', RECORD.octets, 4),
      step(COPY_TIME, 'flowStartMilliseconds', RECORD.first, 4),
      step(COPY_TIME, 'flowEndMilliseconds', RECORD.last, 4),
      step(COPY_UINT16, 'sourceTransportPort', RECORD.sourcePort, 2),
      step(COPY_UINT16, 'destinationTransportPort', RECORD.destinationPort, 2),
      zeros(RECORD.padding, 1),
      step(COPY_UINT8, 'tcpControlBits', RECORD.tcpFlags, 1),
      step(COPY_UINT8, 'protocolIdentifier', RECORD.protocol, 1),
      step(COPY_UINT8, 'ipClassOfService', RECORD.tos, 1),
      // Autonomous systems, masks and padding.
      zeros(RECORD.sourceAs, RECORD.length - RECORD.sourceAs),
    ];
    if (hasRoute) {
      steps.push(
        step(COPY_UINT8, 'sourceIPv4PrefixLength', RECORD.sourceMask, 1),
        step(COPY_UINT8, 'destinationIPv4PrefixLength', RECORD.destinationMask, 1),
      );
    }
    this.#copy = new RecordCopy(steps, RECORD.length, layout);
  }
}
