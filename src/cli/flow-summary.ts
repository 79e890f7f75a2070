/**
 * What `read` says at the end, on a terminal: totals, and the largest flows by octets.
 *
 * Memory is bounded, whatever the file holds: between {@link FlowSummaryOptions.kept} and twice as many flows are
 * tracked. When the map is full, only the larger half stays, and whatever is met again later is known to have
 * missed at most as much as the largest flow that went (Misra and Gries's frequent items, with the
 * subtraction in batches of Anderson et al., IMC 2017). Hence for every flow shown
 *
 *   octets <= true octets <= octets + missed,    missed <= Σ octets / kept,
 *
 * no flow larger than that bound is absent, and with up to 2 · kept flows every figure is exact.
 */
import { type Column, tableLines } from './columns.ts';
import {
  type FieldReader,
  FlowFields,
  type FlowLabel,
  flowDetail,
  flowKey,
  flowLabel,
  readFlow,
} from './flow-fields.ts';
import { count, dateTime, duration, octets, protocolName, style } from './format.ts';

/** What only the Metering Process knows; each line is left out where it is not given. */
export interface MeteringTotals {
  /** Flows that the table has created. */
  readonly flows?: number;
  /** Packets that were not metered, by reason. */
  readonly ignoredPackets?: ReadonlyMap<string, number>;
}

export interface FlowSummaryOptions {
  /** Flows surely kept. Default 8192. */
  readonly kept?: number;
  /** Flows shown. Default 20. */
  readonly shown?: number;
}

/** A flow among the largest. */
export interface LargeFlow {
  readonly label: FlowLabel;
  readonly protocolIdentifier: number;
  readonly icmpTypeCode: number;
  tcpControlBits: number;
  octets: number;
  packets: number;
  /** Octets that may have been counted before the flow was kept: an upper bound. */
  readonly missed: number;
  flowStartMilliseconds: number;
  flowEndMilliseconds: number;
}

interface ProtocolTotals {
  records: number;
  packets: number;
  octets: number;
}

export class FlowSummary {
  records = 0;
  packets = 0;
  octets = 0;
  /** NaN where no record says. */
  flowStartMilliseconds = Number.NaN;
  flowEndMilliseconds = Number.NaN;
  readonly byProtocol = new Map<number, ProtocolTotals>();
  readonly #kept: number;
  readonly #shown: number;
  readonly #flow = new FlowFields();
  #flows = new Map<string, LargeFlow>();
  /** Octets that a flow outside of the map can have had at most. */
  #floor = 0;

  constructor(options: FlowSummaryOptions = {}) {
    this.#kept = options.kept ?? 8192;
    this.#shown = options.shown ?? 20;
  }

  /** Takes one decoded record; one that is no Flow Record changes nothing. */
  record(read: FieldReader): void {
    const flow = this.#flow;
    if (!readFlow(read, flow)) return;
    this.records++;
    this.packets += flow.packetDeltaCount;
    this.octets += flow.octetDeltaCount;
    this.flowStartMilliseconds = least(this.flowStartMilliseconds, flow.flowStartMilliseconds);
    this.flowEndMilliseconds = greatest(this.flowEndMilliseconds, flow.flowEndMilliseconds);
    this.#countProtocol(flow);

    const key = flowKey(flow);
    let large = this.#flows.get(key);
    if (large === undefined) {
      if (this.#flows.size >= 2 * this.#kept) this.#keepLarger();
      large = {
        label: flowLabel(flow),
        protocolIdentifier: flow.protocolIdentifier,
        icmpTypeCode: flow.icmpTypeCode,
        tcpControlBits: 0,
        octets: 0,
        packets: 0,
        missed: this.#floor,
        flowStartMilliseconds: Number.NaN,
        flowEndMilliseconds: Number.NaN,
      };
      this.#flows.set(key, large);
    }
    large.octets += flow.octetDeltaCount;
    large.packets += flow.packetDeltaCount;
    large.tcpControlBits |= flow.tcpControlBits;
    large.flowStartMilliseconds = least(large.flowStartMilliseconds, flow.flowStartMilliseconds);
    large.flowEndMilliseconds = greatest(large.flowEndMilliseconds, flow.flowEndMilliseconds);
  }

  /** The largest flows, by octets; flows of equal size in the order in which they came. */
  largest(): LargeFlow[] {
    return [...this.#flows.values()].sort((a, b) => b.octets - a.octets).slice(0, this.#shown);
  }

  /** Lines for a terminal of that width. */
  lines(width: number, color: boolean, metering: MeteringTotals = {}): string[] {
    const paint = style(color);
    const lines: string[] = [];
    const total = (name: string, text: string) => lines.push(`${paint.dim(name.padEnd(12))}${text}`);
    total('Packets', count(this.packets));
    total('Octets', `${count(this.octets)} (${octets(this.octets)})`);
    total('Records', count(this.records));
    if (metering.flows !== undefined) total('Flows', count(metering.flows));
    if (!Number.isNaN(this.flowStartMilliseconds) && !Number.isNaN(this.flowEndMilliseconds)) {
      const span = this.flowEndMilliseconds - this.flowStartMilliseconds;
      total(
        'Time',
        `${dateTime(this.flowStartMilliseconds)} to ${dateTime(this.flowEndMilliseconds)} (${duration(span)})`,
      );
    }
    const ignored = [...(metering.ignoredPackets ?? [])].filter(([, packets]) => packets > 0);
    ignored.forEach(([reason, packets], i) => {
      total(i === 0 ? 'Ignored' : '', `${count(packets)} ${packets === 1 ? 'packet' : 'packets'}: ${reason}`);
    });
    if (this.records === 0) return lines;

    lines.push('');
    const protocols = [...this.byProtocol].sort((a, b) => b[1].octets - a[1].octets);
    lines.push(...titled(tableLines(protocolColumns(this.octets), protocols, width), paint));
    const largest = this.largest();
    lines.push('', largest.length === 1 ? 'The one flow' : `The ${largest.length} largest flows`);
    lines.push(...titled(tableLines(FLOW_COLUMNS, largest, width), paint));
    const missed = largest.reduce((most, flow) => Math.max(most, flow.missed), 0);
    if (missed > 0) lines.push(`~ at most ${octets(missed)} more: there were too many flows to follow each`);
    return lines;
  }

  #countProtocol(flow: FlowFields): void {
    let totals = this.byProtocol.get(flow.protocolIdentifier);
    if (totals === undefined) {
      totals = { records: 0, packets: 0, octets: 0 };
      this.byProtocol.set(flow.protocolIdentifier, totals);
    }
    totals.records++;
    totals.packets += flow.packetDeltaCount;
    totals.octets += flow.octetDeltaCount;
  }

  #keepLarger(): void {
    const most = (flow: LargeFlow) => flow.octets + flow.missed;
    const bySize = [...this.#flows].sort((a, b) => most(b[1]) - most(a[1]));
    this.#floor = most(bySize[this.#kept]![1]);
    this.#flows = new Map(bySize.slice(0, this.#kept));
  }
}

const FLOW_COLUMNS: readonly Column<LargeFlow>[] = [
  { title: 'PROTO', align: 'left', width: 5, cell: (flow) => flow.label.protocol },
  { title: 'SOURCE', align: 'left', width: 'flexible', cell: (flow) => flow.label.source },
  { title: 'DESTINATION', align: 'left', width: 'flexible', cell: (flow) => flow.label.destination },
  {
    title: 'FLAGS',
    align: 'left',
    width: 6,
    from: 72,
    below: 100,
    cell: (flow, width) => flowDetail(flow.protocolIdentifier, flow.tcpControlBits, flow.icmpTypeCode, width),
  },
  {
    title: 'FLAGS',
    align: 'left',
    width: 16,
    from: 100,
    cell: (flow, width) => flowDetail(flow.protocolIdentifier, flow.tcpControlBits, flow.icmpTypeCode, width),
  },
  {
    title: 'DURATION',
    align: 'right',
    width: 11,
    from: 100,
    cell: (flow) => duration(flow.flowEndMilliseconds - flow.flowStartMilliseconds),
  },
  { title: 'PACKETS', align: 'right', width: 10, from: 60, cell: (flow) => count(flow.packets) },
  {
    title: 'OCTETS',
    align: 'right',
    width: 9,
    cell: (flow) => `${flow.missed > 0 ? '~' : ''}${octets(flow.octets)}`,
  },
];

function protocolColumns(allOctets: number): readonly Column<[number, ProtocolTotals]>[] {
  return [
    { title: 'PROTO', align: 'left', width: 5, cell: ([protocol]) => protocolName(protocol) },
    { title: 'RECORDS', align: 'right', width: 12, cell: ([, totals]) => count(totals.records) },
    { title: 'PACKETS', align: 'right', width: 15, cell: ([, totals]) => count(totals.packets) },
    { title: 'OCTETS', align: 'right', width: 9, cell: ([, totals]) => octets(totals.octets) },
    {
      title: 'SHARE',
      align: 'right',
      width: 6,
      cell: ([, totals]) => `${((100 * totals.octets) / Math.max(allOctets, 1)).toFixed(1)}%`,
    },
  ];
}

function titled(lines: readonly string[], paint: ReturnType<typeof style>): string[] {
  return lines.map((line, i) => (i === 0 ? paint.bold(line) : line));
}

function least(a: number, b: number): number {
  return Number.isNaN(a) || b < a ? b : a;
}

function greatest(a: number, b: number): number {
  return Number.isNaN(a) || b > a ? b : a;
}
