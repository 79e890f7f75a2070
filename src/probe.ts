/**
 * The line on one page: sources → meter → exporters → transports.
 *
 * Live, every source captures at once and the monotonic clock ends flows. Files are read one after the other
 * and their packets' times end flows, so that the result depends on the files alone.
 */

import { setImmediate as nextTurn, setTimeout as setTimeoutPromise } from 'node:timers/promises';
import type { CaptureInterface, FrameReceiver, PacketSource } from './capture/packet-source.ts';
import { Exporter, TICK_MILLISECONDS } from './export/exporter.ts';
import { type Export, type Outlet, receiversOf } from './export/outlet.ts';
import type { FlowRecord, RecordBatch, RecordReceiver } from './flow/flow-record.ts';
import { Meter, type MeterOptions } from './flow/meter.ts';
import { handOn } from './flow/record-batch.ts';
import type { RouteLookup } from './flow/route.ts';
import type { PacketView } from './packet/packet-view.ts';

/** What is kept of the time to stop for the last statistics. */
const LAST_WORD_MILLISECONDS = 200;
/** Flows that end in one turn of the event loop, at the end. */
const FLOWS_A_TURN = 8192;
/** Interfaces whose names are told: on a machine with thousands, all of them every minute would be a burst. */
const MOST_INTERFACES = 1024;
/** A file waits for a transport with more Messages queued than this. */
const CONGESTED_MESSAGES = 1024;

export type { Export, Outlet, Transport } from './export/outlet.ts';

export interface ProbeOptions
  extends Pick<
    MeterOptions,
    | 'activeTimeoutMilliseconds'
    | 'idleTimeoutMilliseconds'
    | 'maxFlows'
    | 'fields'
    | 'seed'
    | 'sampling'
    | 'decapsulator'
    | 'biflow'
  > {
  /** Of every way out that has none of its own. */
  readonly enterpriseNumber?: number | undefined;
  readonly sources: readonly PacketSource[];
  readonly live: boolean;
  /** Where outgoing packets are captured: knows Weir's own, which are not metered. */
  readonly ownExport?: { refresh(): void; matches(view: PacketView): boolean } | undefined;
  /** Live: the kernel's routes, and the interfaces that packets may leave by. Whoever gives them starts and stops them. */
  readonly routes?: (RouteLookup & Pick<PacketSource, 'interfaces'>) | undefined;
  readonly outlets: readonly Outlet[];
  /** Unix and monotonic milliseconds. */
  readonly clocks: { readonly unix: () => number; readonly monotonic: () => number };
  /** Said once each: what a format cannot carry. */
  readonly onNotice: (outlet: string, text: string) => void;
  /** A source has failed; the others go on. */
  readonly onSourceError: (error: unknown) => void;
  /**
   * Called when the counters have moved and agree with each other: after a batch of packets, a tick, a Message. Within a
   * batch they do not: a record may have left the table and be counted by one exporter only.
   */
  readonly onCounted?: (() => void) | undefined;
}

export class Probe {
  readonly meter: Meter;
  readonly #options: ProbeOptions;
  #exports: readonly Export[] = [];
  /** Who takes each record. */
  #receivers: readonly RecordReceiver[] = [];
  /** Those that were removed and still drain. */
  readonly #leaving = new Map<Export, Promise<void>>();
  /** The instant that SysUptime counts from, the same for all Collectors. */
  readonly #bootMilliseconds: number;
  #finished: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isOut = false;
  /** The counters do not agree at the moment. */
  #isCounting = false;
  #stopWaiting: () => void = () => {};
  readonly #stopping = new Promise<void>((resolve) => {
    this.#stopWaiting = resolve;
  });

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#bootMilliseconds = options.live ? options.clocks.unix() : 0;
    const { ownExport, sources } = options;
    this.meter = new Meter(
      {
        ...options,
        ringOctets: sources.reduce((sum, { ringOctets = 0 }) => sum + ringOctets, 0),
        clock: options.live ? 'monotonic' : 'packet',
        isOwnExport: ownExport === undefined ? undefined : (view) => ownExport.matches(view),
        monotonicMilliseconds: options.clocks.monotonic,
      },
      {
        record: (record: FlowRecord): void => {
          if (!this.#isOut) this.#startTransports();
          const receivers = this.#receivers;
          for (let i = 0; i < receivers.length; i++) receivers[i]!.record(record);
        },
        records: (batch: RecordBatch): void => {
          if (!this.#isOut) this.#startTransports();
          for (const receiver of this.#receivers) handOn(batch, receiver);
        },
      },
    );
    this.#setExports(options.outlets.map((outlet) => ({ outlet, exporter: this.#makeExporter(outlet) })));
    if (!options.live) {
      // Whoever stops does not wait for a way out that is congested: the source has to come to its end.
      this.meter.congestion = () => {
        const room = this.#whenThereIsRoom();
        return room && Promise.race([room, this.#stopping]);
      };
    }
  }

  /** The ways out of now. */
  get exports(): readonly Export[] {
    return this.#exports;
  }

  /** Resolves when every source has come to its end: never, when live, but for errors. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  /** Begins to capture. Rejects when a live source cannot be opened. */
  async start(): Promise<void> {
    const { sources, live } = this.#options;
    // Expiry, flushing and the templates' refresh look at the clock so often.
    this.#timer = setInterval(() => this.#tick(), TICK_MILLISECONDS);
    if (live) {
      this.#startTransports();
      const receiver = this.#liveReceiver();
      // All are waited for before the first failure is told: what has begun by then can be stopped.
      const begun = await Promise.allSettled(sources.map((source) => source.start(receiver)));
      for (const result of begun) if (result.status === 'rejected') throw result.reason;
      this.#finished = Promise.all(sources.map((source) => this.#guard(source.finished))).then(
        () => undefined,
      );
    } else this.#finished = this.#readInTurn();
  }

  /** Ends the capture, exports every flow, drains every queue. @param withinMilliseconds for all of it */
  async stop(withinMilliseconds: number): Promise<void> {
    const { sources, clocks } = this.#options;
    const end = clocks.monotonic() + withinMilliseconds;
    this.#stopWaiting();
    await Promise.all(sources.map((source) => this.#guard(source.stop())));
    void this.meter.endBatch();
    this.#startTransports();
    await nextTurn();
    while (this.#count(() => this.meter.endSome(FLOWS_A_TURN))) {
      // Sockets open, and whoever asks for the metrics gets an answer.
      await nextTurn();
      const left = end - clocks.monotonic();
      // The table may hold more than the queues: let one of them drain, as long as there is time. Waiting for
      // all would give the time of the fast to the slowest.
      if (left > 0)
        await Promise.race([this.#whenOneHasRoom(), setTimeoutPromise(left, undefined, { ref: false })]);
    }
    await this.#finish(this.#exports, end);
    clearInterval(this.#timer);
    for (const { outlet } of this.#leaving.keys()) void outlet.transport.stop();
    await Promise.all(this.#leaving.values());
  }

  /**
   * A way out more, while the line runs. It gets every record that leaves the table from now on, whatever the record
   * has counted before; the records that left earlier are `before_start` in its counts.
   */
  addOutlet(outlet: Outlet): Export {
    const added = { outlet, exporter: this.#makeExporter(outlet) };
    this.#setExports([...this.#exports, added]);
    if (this.#isOut) outlet.transport.start(added.exporter);
    return added;
  }

  /** A way out less: it gets no more records. Resolves when what it has got is sent, or the time is over. */
  async removeOutlet(outlet: Outlet, withinMilliseconds: number): Promise<void> {
    const removed = this.#exports.find((each) => each.outlet === outlet);
    if (removed === undefined) throw new Error(`${outlet.name} is no way out`);
    this.#setExports(this.#exports.filter((each) => each !== removed));
    const finished = this.#finish([removed], this.#options.clocks.monotonic() + withinMilliseconds);
    this.#leaving.set(removed, finished);
    await finished;
    this.#leaving.delete(removed);
  }

  /** Sends what is there, the statistics last, and closes. @param end monotonic milliseconds */
  async #finish(exports: readonly Export[], end: number): Promise<void> {
    const { clocks } = this.#options;
    for (const { exporter } of exports) exporter.flush();
    await this.#drain(exports, end - LAST_WORD_MILLISECONDS - clocks.monotonic());
    // They tell of all that was sent.
    for (const { exporter } of exports) exporter.sendStatistics();
    await this.#drain(exports, end - clocks.monotonic());
    const closed = exports.map(({ outlet: { transport } }) => transport.stop());
    // A file gets its name when it is whole: that is waited for, but not for a disk that has stopped.
    const left = Math.max(LAST_WORD_MILLISECONDS, end - clocks.monotonic());
    await Promise.race([Promise.all(closed), setTimeoutPromise(left, undefined, { ref: false })]);
  }

  #setExports(exports: readonly Export[]): void {
    this.#exports = exports;
    this.#receivers = receiversOf(exports);
  }

  /** Drains the queues. A collector that is absent is waited for only as long as it is while a file is read. */
  async #drain(exports: readonly Export[], withinMilliseconds: number): Promise<void> {
    const left = Math.max(0, withinMilliseconds);
    await Promise.all(
      exports.map(({ outlet: { transport } }) =>
        Promise.race([transport.drain(left), transport.whenBelow(1)]),
      ),
    );
  }

  #makeExporter(outlet: Outlet): Exporter {
    const { live, fields, sampling, clocks, sources, onNotice, enterpriseNumber } = this.#options;
    const { meter } = this;
    const fileClock = () => meter.greatestPacketMilliseconds;
    return new Exporter(
      {
        ...outlet,
        enterpriseNumber: outlet.enterpriseNumber ?? enterpriseNumber,
        fields,
        sampling,
        layouts: [meter.tables[0].layout, meter.tables[1].layout],
        before: {
          records: meter.records.reduce((sum, n) => sum + n, 0),
          packets: meter.recordedPackets,
          octets: meter.recordedOctets,
        },
        bootMilliseconds: this.#bootMilliseconds,
        clockMilliseconds: live ? clocks.unix : fileClock,
        refreshClockMilliseconds: live ? clocks.monotonic : fileClock,
        observed: () => {
          for (const source of sources) source.refreshCounters();
          return {
            interfaces: this.#interfaces(),
            metering: {
              packetTotalCount: meter.capturedPackets,
              octetTotalCount: meter.capturedOctets,
              ignoredPacketTotalCount: meter.ignoredPackets.reduce((sum, n) => sum + n, 0),
              ignoredOctetTotalCount: meter.ignoredOctets.reduce((sum, n) => sum + n, 0),
              droppedPacketTotalCount: sources.reduce(
                (sum, source) => sum + source.counters.kernelDroppedPackets,
                0,
              ),
              observedFlowTotalCount: meter.tables[0].created + meter.tables[1].created,
            },
          };
        },
        onNotice: (text) => onNotice(outlet.name, text),
        onSettled: this.#options.onCounted && (() => this.#counted()),
      },
      outlet.transport,
    );
  }

  /** The interfaces that records may name, each once. What has been renamed has the name that the kernel tells now. */
  #interfaces(): CaptureInterface[] {
    const { sources, routes } = this.#options;
    const byIndex = new Map<number, CaptureInterface>();
    for (const each of sources.flatMap((source) => source.interfaces)) byIndex.set(each.index, each);
    for (const each of routes?.interfaces ?? []) {
      if (byIndex.size < MOST_INTERFACES || byIndex.has(each.index)) byIndex.set(each.index, each);
    }
    return [...byIndex.values()];
  }

  #tick(): void {
    this.#count(() => {
      this.meter.expire();
      const now = this.#options.clocks.monotonic();
      for (const { exporter } of this.#exports) exporter.tick(now);
    });
  }

  /** The meter; where it has to know Weir's own datagrams, it learns the sockets before the first of their batch. */
  #liveReceiver(): FrameReceiver {
    const { meter } = this;
    const { ownExport, onCounted } = this.#options;
    if (ownExport === undefined && onCounted === undefined) return meter;
    return {
      plain: meter.plain,
      beginBatch: () => {
        this.#isCounting = true;
        ownExport?.refresh();
        meter.beginBatch();
      },
      frame: (frame) => meter.frame(frame),
      endBatch: () => {
        const congested = meter.endBatch();
        this.#isCounting = false;
        this.#counted();
        return congested;
      },
    };
  }

  /** Does what moves the counters, one after the other. */
  #count<T>(act: () => T): T {
    this.#isCounting = true;
    const result = act();
    this.#isCounting = false;
    this.#counted();
    return result;
  }

  #counted(): void {
    if (!this.#isCounting) this.#options.onCounted?.();
  }

  async #readInTurn(): Promise<void> {
    for (const source of this.#options.sources) {
      await this.#guard(source.start(this.meter).then(() => source.finished));
    }
  }

  async #guard(promise: Promise<void>): Promise<void> {
    try {
      await promise;
    } catch (error) {
      this.#options.onSourceError(error);
    }
  }

  /** Live: at once. Files: with the first record, because the files' time goes into the templates' header. */
  #startTransports(): void {
    if (this.#isOut) return;
    this.#isOut = true;
    for (const { outlet, exporter } of this.#exports) outlet.transport.start(exporter);
  }

  /** Resolves when no way out is congested. Files wait for it after each batch; a live source never does. */
  #whenThereIsRoom(): Promise<void> | undefined {
    if (!this.#isOut) return undefined;
    // A transport that stalls gives up waiting by itself: it must not hold up the others.
    const waits = this.#exports.flatMap(({ outlet }) => outlet.transport.whenBelow(CONGESTED_MESSAGES) ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  /** Resolves when at least one way out is not congested. */
  #whenOneHasRoom(): Promise<void> | undefined {
    const waits: Promise<void>[] = [];
    for (const { outlet } of this.#exports) {
      const wait = outlet.transport.whenBelow(CONGESTED_MESSAGES);
      if (wait === undefined) return undefined;
      waits.push(wait);
    }
    return waits.length === 0 ? undefined : Promise.race(waits);
  }
}
