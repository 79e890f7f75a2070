/** Two Meters that are told the same: one with the short way of plain packets, one without. What they say has to be equal. */

import fc from 'fast-check';
import type { FrameReceiver, PacketSource } from '../../src/capture/packet-source.ts';
import type { FlowRecord } from '../../src/flow/flow-record.ts';
import { Meter, type MeterOptions } from '../../src/flow/meter.ts';
import type { Route, RouteLookup } from '../../src/flow/route.ts';
import { hex } from '../support/octets.ts';

export interface TwinOptions extends Partial<Omit<MeterOptions, 'routes' | 'withoutPlain'>> {
  readonly withRoutes?: boolean;
  /** How far the monotonic clock moves each time it is asked. */
  readonly stepMilliseconds?: number;
  /** Flows that are to be ended behind each batch, in turn; 0: none. */
  readonly endings?: readonly number[];
}

export class Twin {
  readonly meter: Meter;
  /** Every record that left, all of its octets. */
  readonly records: string[] = [];
  readonly problems: string[] = [];
  #now = 0;
  #batches = 0;

  constructor(options: TwinOptions, withoutPlain: boolean) {
    const { withRoutes = false, stepMilliseconds = 7, endings = [], ...others } = options;
    this.meter = new Meter(
      {
        activeTimeoutMilliseconds: 5000,
        idleTimeoutMilliseconds: 15000,
        maxFlows: 1000,
        fields: 'standard',
        clock: 'packet',
        monotonicMilliseconds: () => {
          this.#now += stepMilliseconds;
          return this.#now;
        },
        seed: [0x12345678, 0x9abcdef0 | 0],
        routes: withRoutes ? routes() : undefined,
        withoutPlain,
        ...others,
      },
      { record: (record) => this.records.push(octetsOf(record)) },
    );
    // What is called behind each batch, wherever it ends.
    this.meter.congestion = () => {
      const most = endings[this.#batches++ % Math.max(endings.length, 1)] ?? 0;
      if (most > 0) this.meter.endSome(most);
      this.#conserve();
      return undefined;
    };
  }

  /** Whether the records lie in the memory of the short way. */
  get countsPlain(): boolean {
    return this.meter.tables[0].words.buffer === this.meter.tables[1].words.buffer;
  }

  /** All that can be seen of it. */
  get state(): Record<string, unknown> {
    const { meter } = this;
    return {
      records: [...this.records],
      problems: this.problems,
      captured: [meter.capturedPackets, meter.capturedOctets],
      metered: [meter.meteredPackets, meter.meteredOctets],
      ignored: [[...meter.ignoredPackets], [...meter.ignoredOctets]],
      recorded: [[...meter.records], meter.recordedPackets, meter.recordedOctets],
      greatest: meter.greatestPacketMilliseconds,
      unknownLinkTypes: [...meter.unknownLinkTypes],
      tables: meter.tables.map((table) => [
        table.flows,
        table.created,
        [...table.ended],
        table.crowdedOut,
        table.sumOpen(),
      ]),
    };
  }

  /** Everything that was metered is in a record or in the table. */
  #conserve(): void {
    const { meter } = this;
    const open = meter.tables.map((table) => table.sumOpen());
    const packets = meter.recordedPackets + open[0]!.packets + open[1]!.packets;
    const octets = meter.recordedOctets + open[0]!.octets + open[1]!.octets;
    if (packets !== meter.meteredPackets || octets !== meter.meteredOctets) {
      this.problems.push(
        `batch ${this.#batches}: ${meter.meteredPackets} packets metered, ${packets} are there`,
      );
    }
  }
}

/** Both, the one with the short way first. */
export function twins(options: TwinOptions = {}): [plain: Twin, ordinary: Twin] {
  return [new Twin(options, false), new Twin(options, true)];
}

/** Reads a source to its end, or to its error, which is part of what is to be compared. */
export async function readBy(
  source: PacketSource,
  receiver: FrameReceiver,
): Promise<{ frames: number; error: string | undefined }> {
  let error: string | undefined;
  try {
    await source.start(receiver);
    await source.finished;
  } catch (thrown) {
    error = (thrown as Error).message;
  }
  return { frames: source.counters.frames, error };
}

function octetsOf({ layout, view, offset }: FlowRecord): string {
  return `${layout.ipVersion} ${hex(new Uint8Array(view.buffer, view.byteOffset + offset, layout.words * 4))}`;
}

/** Routes that change after every fifth question; they depend on the addresses and the questions before. */
function routes(): RouteLookup {
  let asked = 0;
  return {
    get generation() {
      return Math.floor(asked / 5) & 0xffff;
    },
    lookup(words, at, ipVersion): Route {
      asked++;
      const length = ipVersion === 4 ? 1 : 4;
      return {
        egressInterface: (words[at + length]! >>> 24) + asked,
        nextHop: Int32Array.from({ length }, (_, i) => words[at + i]! ^ asked),
        sourcePrefixLength: 24,
        destinationPrefixLength: words[at]! & 31,
      };
    },
  };
}

export const meterOptions: fc.Arbitrary<TwinOptions> = fc.record({
  activeTimeoutMilliseconds: fc.constantFrom(5, 50, 1000, 60_000),
  idleTimeoutMilliseconds: fc.constantFrom(3, 40, 500, 15_000),
  maxFlows: fc.constantFrom(1, 2, 3, 5, 1000, 1000),
  withRoutes: fc.boolean(),
  clock: fc.constantFrom('packet', 'packet', 'packet', 'monotonic'),
  stepMilliseconds: fc.constantFrom(0, 1, 31, 700),
  endings: fc.oneof(fc.constant([]), fc.array(fc.constantFrom(0, 0, 1, 2, 3), { maxLength: 7 })),
  seed: fc.tuple(fc.integer(), fc.integer()),
});

interface Seen {
  readonly short: Readonly<Record<string, unknown>>;
  readonly long: Readonly<Record<string, unknown>>;
}

/** The first thing in which they differ, or in which both are wrong; empty where there is none. */
export function difference({ short, long }: Seen): string {
  for (const key of Object.keys(long)) {
    const [found, wanted] = [short[key], long[key]];
    if (JSON.stringify(found) === JSON.stringify(wanted)) continue;
    if (Array.isArray(found) && Array.isArray(wanted)) {
      let at = 0;
      while (JSON.stringify(found[at]) === JSON.stringify(wanted[at])) at++;
      return `${key}, number ${at} of ${found.length} and ${wanted.length}: ${told(found[at], wanted[at])}`;
    }
    return `${key}: ${told(found, wanted)}`;
  }
  return (long['problems'] as string[]).join(', ');
}

const told = (found: unknown, wanted: unknown): string =>
  `the short way says ${JSON.stringify(found)}, the ordinary one ${JSON.stringify(wanted)}`.slice(0, 2000);

/** Throws where they differ, for fast-check to find the smallest case. */
export function equal(seen: Seen): void {
  const found = difference(seen);
  if (found !== '') throw new Error(found);
}
