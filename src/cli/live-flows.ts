/**
 * The flows of the last seconds, out of Flow Records.
 *
 * Memory is bounded: at most so many flows are kept; when another comes, the quarter with the smallest rates goes.
 * The totals keep counting them.
 */
import { type FieldReader, FlowFields, type FlowLabel, flowKey, flowLabel, readFlow } from './flow-fields.ts';
import { RateWindow, WINDOW_SECONDS } from './rate-window.ts';

export interface LiveFlow {
  readonly label: FlowLabel;
  readonly protocolIdentifier: number;
  readonly icmpTypeCode: number;
  readonly ingressInterface: number;
  readonly window: RateWindow;
  /** Since the flow was first seen here. */
  octets: number;
  /** Of all its records. */
  tcpControlBits: number;
  /** Of its last record. */
  flowEndReason: number;
}

export class LiveFlows {
  /** Flow Records taken, and records that are none (options data). */
  records = 0;
  otherRecords = 0;
  /** Of every record. */
  readonly total: RateWindow;
  readonly #maxFlows: number;
  readonly #fields = new FlowFields();
  readonly #flows = new Map<string, LiveFlow>();
  /** A flow that had moved within the window was dropped for room. */
  #droppedSecond = Number.NEGATIVE_INFINITY;

  /** @param second as in {@link record} */
  constructor(maxFlows: number, second: number) {
    this.#maxFlows = maxFlows;
    this.total = new RateWindow(second);
  }

  /** Takes one record in the running second of a clock that does not go backwards. */
  record(read: FieldReader, second: number): void {
    const fields = this.#fields;
    if (!readFlow(read, fields)) {
      this.otherRecords++;
      return;
    }
    this.records++;
    this.total.add(second, fields.octetDeltaCount, fields.packetDeltaCount);
    const key = flowKey(fields);
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      if (this.#flows.size >= this.#maxFlows) this.#dropSmallest(second);
      flow = {
        label: flowLabel(fields),
        protocolIdentifier: fields.protocolIdentifier,
        icmpTypeCode: fields.icmpTypeCode,
        ingressInterface: fields.ingressInterface,
        window: new RateWindow(second),
        octets: 0,
        tcpControlBits: 0,
        flowEndReason: 0,
      };
      this.#flows.set(key, flow);
    }
    flow.window.add(second, fields.octetDeltaCount, fields.packetDeltaCount);
    flow.octets += fields.octetDeltaCount;
    flow.tcpControlBits |= fields.tcpControlBits;
    flow.flowEndReason = fields.flowEndReason;
  }

  /** What has moved within the window, the fastest first; the rest is forgotten. */
  fastest(second: number): LiveFlow[] {
    this.total.slide(second);
    const moving: LiveFlow[] = [];
    for (const [key, flow] of this.#flows) {
      flow.window.slide(second);
      if (flow.window.packets > 0 || flow.window.octets > 0) moving.push(flow);
      else this.#flows.delete(key);
    }
    return moving.sort((a, b) => b.window.octets - a.window.octets);
  }

  /** There are more flows in the window than are kept. */
  isOver(second: number): boolean {
    return second - this.#droppedSecond < WINDOW_SECONDS;
  }

  #dropSmallest(second: number): void {
    const kept = Math.floor(this.#maxFlows * 0.75);
    for (const flow of this.#flows.values()) flow.window.slide(second);
    const byRate = [...this.#flows].sort((a, b) => b[1].window.octets - a[1].window.octets);
    for (const [key, flow] of byRate.slice(kept)) {
      if (flow.window.packets > 0) this.#droppedSecond = second;
      this.#flows.delete(key);
    }
  }
}
