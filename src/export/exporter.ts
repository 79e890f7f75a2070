/**
 * The Exporting Process towards one Collector: Flow Records in, Messages out.
 *
 * Steps of a record: append it to the Message being built → when it does not fit, finish that Message, hand
 * it to the transport and begin the next. A Message that is not full leaves after 100 ms (`tick`). The
 * sequence number is written when a Message leaves (`stamp`), because only then is it known what was sent
 * before; what became of it comes back by `settled`, and every record ends in one of those counts.
 */

import {
  type FlowLayout,
  type FlowRecord,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
  type RecordBatch,
  TUNNEL_FIELDS,
} from '../flow/flow-record.ts';
import { recordOf } from '../flow/record-batch.ts';
import type { Sampling } from '../flow/sampler.ts';
import type { GroupMember } from './balance.ts';
import { type Element, ownElements } from './elements.ts';
import { encoderIn, type RecordEncoder } from './encoder.ts';
import { Appended, type ControlData, type Format } from './format.ts';
import { ipfixDialect } from './ipfix.ts';
import {
  type Message,
  type MessageTransport,
  MOST_TRAIN_MESSAGES,
  NOT_SENT_REASONS,
  type NotSentReason,
  type Session,
} from './message.ts';
import { MessagePool, type PooledMessage, type PooledTrain } from './message-pool.ts';
import { Netflow5 } from './netflow5.ts';
import { netflow9Dialect } from './netflow9.ts';
import { optionsTables } from './options.ts';
import { FlowTemplate, flowTemplateNames, type TemplateField } from './template.ts';
import { TemplateFormat } from './template-format.ts';
import { UptimeClock } from './uptime.ts';

export interface ExporterOptions {
  readonly protocol: 'netflow5' | 'netflow9' | 'ipfix';
  /** IPFIX observation domain, v9 source ID, v5 engine type and ID. */
  readonly observationDomain: number;
  /** Octets of a Message at most: the path's MTU less the IP and UDP headers. */
  readonly messageOctets: number;
  /** Templates and options data are sent again after this time … */
  readonly templateRefreshMilliseconds: number;
  /** … or after so many Messages, whichever comes first; 0: by time alone (connections: never again). */
  readonly templateRefreshMessages: number;
  readonly fields: 'standard' | 'full';
  /** Told to the collector, so that it scales; undefined: every packet was metered. */
  readonly sampling?: Sampling | undefined;
  /** Octets of tcpControlBits in v9 and IPFIX. */
  readonly tcpControlBitsOctets: 1 | 2;
  /** Kinds of records that come; more by `addLayouts`. */
  readonly layouts: readonly FlowLayout[];
  /** What records of a layout leave as, in v9 and IPFIX; undefined: as the Metering Process's do (template.ts). */
  readonly templateFields?: ((layout: FlowLayout) => readonly (string | TemplateField)[]) | undefined;
  /** The enterprise number under which IPFIX carries what nobody has published an element for; undefined: it does not. */
  readonly enterpriseNumber?: number | undefined;
  /** The elements of an enterprise's own that records have, so that IPFIX tells their types. */
  readonly ownElements?: (() => readonly Element[]) | undefined;
  /** Octets of an interface name in v9's options data; undefined: as Linux's interfaces have. */
  readonly interfaceNameOctets?: number | undefined;
  /** What the Metering Process had handed on before this exporter was there. */
  readonly before?: Readonly<RecordCounts> | undefined;
  /** The instant that v5's and v9's SysUptime counts from, Unix ms; 0 for files, whose records may be older. */
  readonly bootMilliseconds: number;
  /** Unix time for message headers: of today, or a file's own (its greatest packet time). */
  readonly clockMilliseconds: () => number;
  /** The clock of the refresh: monotonic when live, the file's own otherwise. */
  readonly refreshClockMilliseconds: () => number;
  /** Interfaces and the Metering Process's totals, for options data. */
  readonly observed: () => Pick<ControlData, 'interfaces' | 'metering'>;
  /** Said once each: what this format cannot carry. */
  readonly onNotice: (text: string) => void;
  /** A record leaves without some of its strings, since it would not fit a Message. */
  readonly onShortened?: (() => void) | undefined;
  /** Something that was handed to the transport is settled, and counted. */
  readonly onSettled?: (() => void) | undefined;
}

/**
 * How often {@link Exporter.tick} is to be called. A line without traffic does little else, and a tenth of what it took under a
 * flood went into 87 such wakes a second, one thing's every 25 ms and another's every 20: see docs/performance.md.
 */
export const TICK_MILLISECONDS = 50;
/** A Message that is not full leaves within this time, a tick on either side included. */
const FLUSH_MILLISECONDS = 100;

/** Flow Records and what they carry. */
export interface RecordCounts {
  records: number;
  packets: number;
  octets: number;
}

/**
 * Counts that begin. A number that V8 has kept as a small integer makes it compile again whatever reads the object, in the middle
 * of all work, once it no longer fits 31 bits; one that was larger before anybody read it does not.
 */
function zero(): RecordCounts {
  const counts = { records: 0, packets: Number.MAX_VALUE, octets: Number.MAX_VALUE };
  counts.packets = 0;
  counts.octets = 0;
  return counts;
}

export class Exporter implements GroupMember, Session<Message> {
  /**
   * Flow Records of the Metering Process, those that have left, and those that never will, by reason. Octets are IP
   * octets. Those that came before this exporter count as well: so the identity holds for a Collector added later.
   */
  readonly accepted = zero();
  readonly sent = zero();
  readonly notSent: ReadonlyMap<NotSentReason, RecordCounts> = new Map(
    NOT_SENT_REASONS.map((reason) => [reason, zero()]),
  );
  /** Those that another Collector of the balance group gets, and this one does not. */
  readonly balancedAway = zero();
  /** Records of the table, of which a biflow is one, that it was handed, or that had left before it began. */
  handed: number;
  /** Messages that have left, and their octets on the wire. */
  messagesSent = 0;
  messageOctetsSent = 0;
  /** Records of NetFlow v5 of which an interface does not fit 16 bits and was sent as 0. */
  wideInterfaceRecords = 0;
  /** Times that templates and options data were sent. */
  templatesSent = 0;
  readonly protocol: ExporterOptions['protocol'];

  readonly #options: ExporterOptions;
  readonly #format: Format;
  /** v9 and IPFIX: the format, which can learn more kinds of records; their Template IDs. */
  #templateFormat: TemplateFormat | undefined;
  readonly #templateIds = new Set<number>();
  /** One Template for kinds of records that differ only in how they lie in memory. */
  readonly #templatesByFields = new Map<string, number>();
  readonly #transport: MessageTransport<Message>;
  readonly #pool: MessagePool;
  readonly #takeTrain = (): PooledTrain => this.#pool.takeTrain();
  readonly #notices = new Set<string>();
  /** One direction of a biflow. */
  #uniflow: { layout: FlowLayout; view: DataView; offset: number } | undefined;
  #open: PooledMessage;
  // Infinities, not 0: V8 would have to make the object anew when the first time comes, and to compile again what reads it.
  /** Monotonic time at which the open Message is to leave; infinite: not yet known. */
  #dueMilliseconds = Number.POSITIVE_INFINITY;
  #refreshedMilliseconds = Number.NEGATIVE_INFINITY;
  #messagesSinceRefresh = 0;
  #sessions = 0;

  constructor(options: ExporterOptions, transport: MessageTransport<Message>) {
    this.#options = options;
    this.#transport = transport;
    this.protocol = options.protocol;
    Object.assign(this.accepted, options.before);
    this.handed = options.before?.records ?? 0;
    Object.assign(this.notSent.get('before_start')!, options.before);
    this.#format = this.#makeFormat();
    this.#pool = new MessagePool(options.messageOctets);
    this.#open = this.#pool.take();
  }

  /** Records that wait: in the Message being built, or in the transport. */
  get queued(): RecordCounts {
    const queued = { ...this.accepted };
    for (const settled of [this.sent, ...this.notSent.values()]) {
      queued.records -= settled.records;
      queued.packets -= settled.packets;
      queued.octets -= settled.octets;
    }
    return queued;
  }

  recordElsewhere(record: FlowRecord): void {
    this.balancedAway.records++;
    this.balancedAway.packets += packetsOf(record);
    this.balancedAway.octets += octetsOf(record);
  }

  record(record: FlowRecord): void {
    this.handed++;
    const { uniflow, reverse } = record.layout;
    if (uniflow === undefined || this.protocol === 'ipfix') {
      this.#record(record);
      return;
    }
    // NetFlow knows no biflows: each direction that counted something is a record of its own.
    this.#uniflow ??= { layout: uniflow, view: record.view, offset: 0 };
    const one = this.#uniflow;
    one.layout = uniflow;
    one.view = record.view;
    for (const offset of [record.offset, record.offset + reverse * 4]) {
      one.offset = offset;
      if (packetsOf(one) > 0) this.#record(one);
    }
  }

  records(batch: RecordBatch): void {
    const encoder = encoderIn(batch.shared);
    for (let from = 0; from < batch.count; )
      from += this.#sendTrain(batch, from, encoder) || this.#appendSome(batch, from, encoder);
  }

  /** Adds records of a batch to the open Message, or finishes it where there is no room for any. @returns how many */
  #appendSome(batch: RecordBatch, from: number, encoder: RecordEncoder): number {
    const message = this.#open;
    const count = this.#format.appendSome(batch, from, encoder, message);
    if (count > 0) {
      this.#addEncoded(message, encoder, count);
      return count;
    }
    if (count === 0 && message.flowRecords > 0) {
      this.#finishMessage();
      return 0;
    }
    this.record(recordOf(batch, from));
    return 1;
  }

  /** Records that the Message has from a batch, and that count as accepted with it. */
  #addEncoded(message: Message, { packets, octets }: RecordEncoder, count: number): void {
    this.handed += count;
    this.accepted.records += count;
    this.accepted.packets += packets;
    this.accepted.octets += octets;
    message.flowRecords += count;
    message.packets += packets;
    message.octets += octets;
  }

  /** Sends records of a batch as a train, where there are enough and the transport takes it. @returns how many */
  #sendTrain(batch: RecordBatch, from: number, encoder: RecordEncoder): number {
    if (this.#format.train === undefined || this.#open.flowRecords > 0) return 0;
    if (this.#transport.takesTrains !== true) return 0;
    if (this.#sessions > 0) this.#refreshIfDue();
    const { templateRefreshMessages, clockMilliseconds } = this.#options;
    const untilRefresh =
      templateRefreshMessages > 0
        ? templateRefreshMessages - this.#messagesSinceRefresh
        : MOST_TRAIN_MESSAGES;
    const most = Math.min(MOST_TRAIN_MESSAGES, untilRefresh);
    const train = this.#format.train(batch, from, most, clockMilliseconds(), encoder, this.#takeTrain);
    if (train === undefined) return 0;
    const count = train.sequenced;
    (train as PooledTrain).sums.set(encoder.trainSums);
    this.#addEncoded(train, encoder, count);
    this.#messagesSinceRefresh += train.messages;
    this.#transport.send(train);
    return count;
  }

  #record(record: FlowRecord): void {
    const packets = packetsOf(record);
    const octets = octetsOf(record);
    const { mostCount } = this.#format;
    const most = Math.max(packets, octets);
    if (most > mostCount && mostCount > 0 && record.layout.ipVersion === 4) {
      this.#inParts(record, Math.ceil(most / mostCount));
    } else this.#whole(record, packets, octets);
  }

  /** A record that not even an empty Message of v5 can tell becomes several, each counted, whose sums are exact. */
  #inParts(record: FlowRecord, parts: number): void {
    const { view, offset } = record;
    const packets = packetsOf(record);
    const octets = octetsOf(record);
    let packetsLeft = packets;
    let octetsLeft = octets;
    for (let part = parts; part > 0; part--) {
      const partPackets = Math.ceil(packetsLeft / part);
      const partOctets = Math.ceil(octetsLeft / part);
      setCounts(view, offset, partPackets, partOctets);
      this.#whole(record, partPackets, partOctets);
      packetsLeft -= partPackets;
      octetsLeft -= partOctets;
    }
    setCounts(view, offset, packets, octets); // other exporters have it next
  }

  #whole(record: FlowRecord, packets: number, octets: number): void {
    this.accepted.records++;
    this.accepted.packets += packets;
    this.accepted.octets += octets;
    let appended = this.#format.append(record, this.#open);
    if (appended === Appended.NO_ROOM && this.#open.flowRecords > 0) {
      this.#finishMessage();
      appended = this.#format.append(record, this.#open);
    }
    if (appended === Appended.NO_ROOM && this.#templateFormat !== undefined) {
      appended = this.#templateFormat.appendShortened(record, this.#open);
      if (appended === Appended.YES) this.#shortened();
    }
    if (appended !== Appended.YES) {
      this.#notRepresentable(record, packets, octets);
      return;
    }
    this.#open.flowRecords++;
    this.#open.packets += packets;
    this.#open.octets += octets;
  }

  /** Lets go of a Message that has waited long enough, and refreshes the templates. @param now monotonic ms */
  tick(now: number): void {
    if (this.#open.flowRecords > 0) {
      if (this.#dueMilliseconds === Number.POSITIVE_INFINITY)
        this.#dueMilliseconds = now + FLUSH_MILLISECONDS - 2 * TICK_MILLISECONDS;
      else if (now >= this.#dueMilliseconds) this.#finishMessage();
    }
    if (this.#sessions > 0) this.#refreshIfDue();
  }

  /** Hands over what is there, however little. */
  flush(): void {
    if (this.#open.flowRecords > 0) this.#finishMessage();
  }

  /**
   * Another kind of records comes from now on, beside those so far: its Templates leave now, before the first of it.
   * v5 has none, and takes any.
   */
  addLayouts(layouts: readonly FlowLayout[]): void {
    if (this.#templateFormat === undefined) return;
    this.flush();
    this.#templateFormat.addTemplates(this.#makeTemplates(layouts));
    if (this.#sessions > 0) this.refresh();
  }

  /** Sends templates and options data now. */
  refresh(): void {
    for (const message of this.#controlMessages(true)) this.#transport.send(message);
  }

  /** Sends the statistics, without templates: the last word at the end. */
  sendStatistics(): void {
    for (const message of this.#controlMessages(false)) this.#transport.send(message);
  }

  sessionStarted(): Message[] {
    this.#sessions++;
    this.#format.resetSequence();
    return this.#controlMessages(true);
  }

  limitMessages(octets: number): void {
    this.#format.limit(octets);
  }

  stamp(message: Message): void {
    this.#format.stamp(message);
  }

  settled(message: Message, notSent?: NotSentReason): void {
    const counts = notSent === undefined ? this.sent : this.notSent.get(notSent)!;
    counts.records += message.flowRecords;
    counts.packets += message.packets;
    counts.octets += message.octets;
    if (notSent === undefined) {
      this.messagesSent += message.messages;
      this.messageOctetsSent += message.bytes.length;
    }
    this.#pool.giveBack(message);
    this.#options.onSettled?.();
  }

  parted(train: Message): Message[] {
    return this.#pool.part(train as PooledTrain);
  }

  #makeFormat(): Format {
    const { protocol, observationDomain, sampling, layouts, messageOctets } = this.#options;
    const { enterpriseNumber, fields } = this.#options;
    const uptime = new UptimeClock(this.#options.bootMilliseconds);
    if (protocol === 'netflow5') {
      return new Netflow5(
        {
          observationDomain,
          sampling,
          uptime,
          onWideInterface: (index) => {
            this.wideInterfaceRecords++;
            this.#notice(
              'interface',
              `interface ${index} does not fit NetFlow v5's 16 bits and is sent as 0`,
            );
          },
        },
        messageOctets,
      );
    }
    const templates = this.#makeTemplates(layouts);
    const dialect =
      protocol === 'ipfix' ? ipfixDialect(observationDomain) : netflow9Dialect(observationDomain, uptime);
    const options = optionsTables(
      protocol,
      observationDomain,
      sampling,
      this.#templateIds,
      this.#options.interfaceNameOctets,
      this.#options.ownElements ??
        (enterpriseNumber === undefined || fields !== 'full'
          ? undefined
          : () => ownElements(enterpriseNumber)),
    );
    this.#templateFormat = new TemplateFormat(
      dialect,
      templates,
      options,
      () => this.#controlData(),
      messageOctets,
    );
    return this.#templateFormat;
  }

  #makeTemplates(layouts: readonly FlowLayout[]): [FlowLayout, FlowTemplate][] {
    const { protocol, fields, tcpControlBitsOctets, templateFields } = this.#options;
    return layouts.map((layout) => {
      const names =
        templateFields?.(layout) ??
        flowTemplateNames(layout.ipVersion, {
          fields,
          routes: layout.route !== 0,
          tunnelFields: TUNNEL_FIELDS.filter((name) => layout.fields.has(name)),
          tcpControlBitsOctets,
          netflow9: protocol === 'netflow9',
          biflow: protocol === 'ipfix' && layout.uniflow !== undefined,
          enterprise: this.#options.enterpriseNumber,
        });
      const told = protocol === 'ipfix' ? layout : (layout.uniflow ?? layout);
      const key = JSON.stringify(names);
      const made = new FlowTemplate(names, told, this.#templateIds, this.#templatesByFields.get(key));
      this.#templatesByFields.set(key, made.id);
      this.#templateIds.add(made.id);
      return [told, made];
    });
  }

  #finishMessage(): void {
    const message = this.#open;
    this.#format.finish(this.#options.clockMilliseconds());
    message.fill(this.#format.writer.written);
    if (this.#sessions > 0) this.#refreshIfDue();
    this.#messagesSinceRefresh++;
    this.#transport.send(message);
    this.#open = this.#pool.take();
    this.#format.begin();
    this.#dueMilliseconds = Number.POSITIVE_INFINITY;
  }

  #refreshIfDue(): void {
    const { templateRefreshMilliseconds, templateRefreshMessages } = this.#options;
    const age = this.#options.refreshClockMilliseconds() - this.#refreshedMilliseconds;
    const byMessages = templateRefreshMessages > 0 && this.#messagesSinceRefresh >= templateRefreshMessages;
    if (byMessages || (templateRefreshMilliseconds > 0 && age >= templateRefreshMilliseconds)) this.refresh();
  }

  #controlMessages(templates: boolean): Message[] {
    const messages: Message[] = [];
    if (templates) {
      this.#refreshedMilliseconds = this.#options.refreshClockMilliseconds();
      this.#messagesSinceRefresh = 0;
    }
    this.#format.control(templates, this.#options.clockMilliseconds(), (writer, sequenced) => {
      const message = this.#pool.take();
      message.sequenced = sequenced;
      message.fill(writer.written);
      messages.push(message);
    });
    if (templates && messages.length > 0) this.templatesSent++;
    return messages;
  }

  #controlData(): ControlData {
    let [records, packets, octets] = [0, 0, 0];
    for (const [reason, lost] of this.notSent) {
      if (reason === 'before_start') continue; // never meant for this Collector
      records += lost.records;
      packets += lost.packets;
      octets += lost.octets;
    }
    return {
      ...this.#options.observed(),
      exporting: {
        exportedMessageTotalCount: this.messagesSent,
        exportedFlowRecordTotalCount: this.sent.records,
        exportedOctetTotalCount: this.messageOctetsSent,
        notSentFlowTotalCount: records,
        notSentPacketTotalCount: packets,
        notSentOctetTotalCount: octets,
      },
    };
  }

  #shortened(): void {
    this.#options.onShortened?.();
    this.#notice(
      'strings',
      'a record does not fit a datagram of this size with all of its strings: the longest are left empty',
    );
  }

  #notRepresentable(record: FlowRecord, packets: number, octets: number): void {
    const lost = this.notSent.get('not_representable')!;
    lost.records++;
    lost.packets += packets;
    lost.octets += octets;
    if (this.protocol === 'netflow5' && record.layout.ipVersion === 6) {
      this.#notice('ipv6', 'NetFlow v5 carries IPv4 only: IPv6 flows are not sent to this collector');
    } else this.#notice('size', 'a record is too large for a datagram of this size');
  }

  #notice(key: string, text: string): void {
    if (this.#notices.has(key)) return;
    this.#notices.add(key);
    this.#options.onNotice(text);
  }
}

function setCounts(view: DataView, offset: number, packets: number, octets: number): void {
  view.setFloat64(offset + PACKET_DELTA_COUNT * 4, packets, true);
  view.setFloat64(offset + OCTET_DELTA_COUNT * 4, octets, true);
}

/** Of both directions, where the record has them. */
const packetsOf = (record: FlowRecord): number => counterOf(record, PACKET_DELTA_COUNT);
const octetsOf = (record: FlowRecord): number => counterOf(record, OCTET_DELTA_COUNT);

function counterOf({ view, offset, layout }: FlowRecord, counter: number): number {
  const forward = view.getFloat64(offset + counter * 4, true);
  return layout.reverse === 0
    ? forward
    : forward + view.getFloat64(offset + (layout.reverse + counter) * 4, true);
}
