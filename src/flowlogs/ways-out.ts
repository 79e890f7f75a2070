/** The exporters of the converter, and what they are told of it. */

import type { Element } from '../export/elements.ts';
import { Exporter } from '../export/exporter.ts';
import type { NotSentReason } from '../export/message.ts';
import { type Export, receiversOf } from '../export/outlet.ts';
import type { FlowLayout, RecordReceiver } from '../flow/flow-record.ts';
import type { ConvertCounts } from './convert-counts.ts';
import type { ConverterOptions, ConvertOutlet } from './convert-options.ts';
import { elementOf, type FlowLogLayout, flowLogTemplate } from './flow-log-layout.ts';

/** Interfaces whose names are told: thousands every minute would be a burst. */
const MOST_NAMES = 1024;
/** Octets of an interface's name in v9: `tgw-attach-0123456789abcdef0` has 28. */
const NAME_OCTETS = 32;
/** A transport with more Messages queued than this is waited for. */
const CONGESTED_MESSAGES = 1024;
/** Names are told no more often than this. */
const NAMES_MILLISECONDS = 1000;
/** Another attempt would not mend it. */
const NO_LOSS: readonly NotSentReason[] = ['before_start', 'not_representable'];
/** What is kept of the time to stop for the last statistics. */
const LAST_WORD_MILLISECONDS = 200;

export class WaysOut {
  /** Of everything that is exported by. */
  exports: readonly Export[] = [];
  /** Who takes accepted flows, and refused ones: the same, unless a way out tells them apart. */
  accepted: readonly RecordReceiver[] = [];
  rejected: readonly RecordReceiver[] = [];
  readonly tellsApart: boolean;
  /** The greatest end of a flow so far, Unix ms: the clock of what is converted. */
  clockMilliseconds = 0;
  readonly #options: ConverterOptions;
  readonly #counts: ConvertCounts;
  readonly #formats = new Map<FlowLayout, FlowLogLayout>();
  #isOut = false;
  /** The interface that was the latest when names were told, and when that was, monotonic milliseconds. */
  #latestNamed = 0;
  // Not 0: V8 would make the object anew when the first time comes, and compile again what reads it.
  #namedMilliseconds = Number.NEGATIVE_INFINITY;

  constructor(options: ConverterOptions, counts: ConvertCounts) {
    this.#options = options;
    this.#counts = counts;
    const accepted = options.outlets.map((outlet) => this.#make(outlet));
    const rejected = options.outlets.map((outlet, i) =>
      outlet.rejects === undefined ? accepted[i]! : this.#make(outlet.rejects),
    );
    this.exports = [...new Set([...accepted, ...rejected])];
    this.accepted = receiversOf(accepted);
    this.tellsApart = rejected.some((each, i) => each !== accepted[i]);
    this.rejected = this.tellsApart ? receiversOf(rejected) : this.accepted;
  }

  /** Records of another format come from now on. */
  learn(layout: FlowLogLayout): void {
    for (const each of layout.layouts) this.#formats.set(each, layout);
    for (const { exporter } of this.exports) exporter.addLayouts(layout.layouts);
  }

  /** One more, which begins at once. */
  add(outlet: ConvertOutlet): Export {
    const added = this.#make(outlet);
    this.exports = [...this.exports, added];
    if (this.#isOut) outlet.transport.start(added.exporter);
    return added;
  }

  /** With the first record, because the data's time goes into the templates' header. */
  start(): void {
    if (this.#isOut) return;
    this.#isOut = true;
    this.#latestNamed = this.#options.interfaceMap.interfaces(1)[0]?.index ?? 0;
    for (const { outlet, exporter } of this.exports) outlet.transport.start(exporter);
  }

  tick(monotonicMilliseconds: number): void {
    for (const { exporter } of this.exports) exporter.tick(monotonicMilliseconds);
    if (this.#isOut) this.#nameInterfaces(monotonicMilliseconds);
  }

  /** Where options data is not repeated, the names of interfaces that turned up since it was sent are told once more. */
  #nameInterfaces(now: number): void {
    if (now - this.#namedMilliseconds < NAMES_MILLISECONDS) return;
    this.#namedMilliseconds = now;
    const latest = this.#options.interfaceMap.interfaces(1)[0]?.index ?? 0;
    if (latest === this.#latestNamed) return;
    this.#latestNamed = latest;
    for (const { outlet, exporter } of this.exports) {
      if (outlet.templateRefreshMilliseconds === 0) exporter.sendStatistics();
    }
  }

  flush(): void {
    for (const { exporter } of this.exports) exporter.flush();
  }

  /** Records that have neither left nor are lost. */
  get waiting(): number {
    let records = 0;
    for (const { exporter } of this.exports) records += exporter.queued.records;
    return records;
  }

  /** Records that were to leave and did not: lost by a transport, and not what a format cannot carry. */
  get lost(): number {
    let records = 0;
    for (const { exporter } of this.exports) {
      for (const [reason, lost] of exporter.notSent) if (!NO_LOSS.includes(reason)) records += lost.records;
    }
    return records;
  }

  /** Whether more is queued than what is waited for. */
  get isCongested(): boolean {
    return this.exports.some(({ outlet }) => outlet.transport.queued >= CONGESTED_MESSAGES);
  }

  /** Resolves when no way out is congested, or one has not moved for a while; undefined: there is nothing to wait for. */
  whenThereIsRoom(): Promise<unknown> | undefined {
    return this.#whenBelow(CONGESTED_MESSAGES);
  }

  /** Resolves when the queues are empty, or one has not moved for a while; undefined: there is nothing to wait for. */
  whenEmpty(): Promise<unknown> | undefined {
    return this.#whenBelow(1);
  }

  #whenBelow(messages: number): Promise<unknown> | undefined {
    if (!this.#isOut) return undefined;
    let waits: Promise<void>[] | undefined;
    for (const { outlet } of this.exports) {
      const wait = outlet.transport.whenBelow(messages);
      if (wait === undefined) continue;
      waits ??= [];
      waits.push(wait);
    }
    return waits && Promise.all(waits);
  }

  /** Sends what is there, the statistics last, and closes. @param end monotonic milliseconds */
  async finish(end: number): Promise<void> {
    const { monotonic } = this.#options.clocks;
    if (!this.#isOut) {
      // No record came: nobody is told anything.
      await Promise.all(this.exports.map(({ outlet }) => outlet.transport.stop()));
      return;
    }
    this.flush();
    await this.#drain(end - LAST_WORD_MILLISECONDS - monotonic());
    for (const { exporter } of this.exports) exporter.sendStatistics();
    await this.#drain(end - monotonic());
    await Promise.all(this.exports.map(({ outlet }) => outlet.transport.stop()));
  }

  async #drain(withinMilliseconds: number): Promise<void> {
    const left = Math.max(0, withinMilliseconds);
    await Promise.all(
      this.exports.map(({ outlet: { transport } }) =>
        Promise.race([transport.drain(left), transport.whenBelow(1)]),
      ),
    );
  }

  /** Of the formats so far, each once. */
  #elements(enterprise: number): Element[] {
    const elements = new Map<number, Element>();
    for (const { enterpriseFields } of this.#formats.values()) {
      for (const field of enterpriseFields) elements.set(field.element, elementOf(field, enterprise));
    }
    return [...elements.values()];
  }

  #make(outlet: ConvertOutlet): Export {
    const { clocks, interfaceMap, onNotice } = this.#options;
    const counts = this.#counts;
    const enterprise = outlet.enterpriseNumber ?? this.#options.enterpriseNumber;
    const { protocol, tcpControlBitsOctets } = outlet;
    const exporter = new Exporter(
      {
        ...outlet,
        fields: 'standard',
        layouts: [...this.#formats.keys()],
        templateFields: (layout) =>
          flowLogTemplate(
            this.#formats.get(layout)!,
            layout.ipVersion,
            enterprise,
            protocol === 'ipfix' ? 'ipfix' : 'netflow9',
            tcpControlBitsOctets,
          ),
        interfaceNameOctets: NAME_OCTETS,
        ownElements: enterprise === undefined ? undefined : () => this.#elements(enterprise),
        // Logs may be older than any boot instant: it is chosen for each datagram.
        bootMilliseconds: 0,
        clockMilliseconds: () => this.clockMilliseconds,
        // Whoever begins to listen late is blind for a time of today's, not for one of the data's.
        refreshClockMilliseconds: clocks.monotonic,
        observed: () => ({
          interfaces: interfaceMap.interfaces(MOST_NAMES),
          metering: {
            packetTotalCount: counts.packets + counts.droppedPackets,
            octetTotalCount: counts.octets + counts.droppedOctets,
            ignoredPacketTotalCount: counts.droppedPackets,
            ignoredOctetTotalCount: counts.droppedOctets,
            droppedPacketTotalCount: 0,
            observedFlowTotalCount: counts.records,
          },
        }),
        onNotice: (text) => onNotice(outlet.name, text),
        onShortened: () => {
          counts.shortened++;
        },
      },
      outlet.transport,
    );
    return { outlet, exporter };
  }
}
