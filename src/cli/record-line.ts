/** A decoded record as a line for people. */

import { type DecodedRecord, fieldValue } from '../collect/record.ts';
import { FlowFields, flowDetail, flowLabel, readFlow } from './flow-fields.ts';
import { count, dateTime, flowEndReasonText, octets, printable } from './format.ts';

/** Columns that addresses and ports get at first; they grow with what comes. */
const FIRST_ENDPOINT_WIDTH = 19;
const MAX_ENDPOINT_WIDTH = 47;
const DETAIL_WIDTH = 12;

/**
 * Formats records one below the other: when the flow began, protocol, source → destination, packets, octets, TCP flags
 * or ICMP type, and why the record ended. A record that is no flow of addresses is given as names and values.
 */
export class RecordLines {
  readonly #flow = new FlowFields();
  #sourceWidth = FIRST_ENDPOINT_WIDTH;
  #destinationWidth = FIRST_ENDPOINT_WIDTH;

  line(record: DecodedRecord, exportTimeMilliseconds: number): string {
    const flow = this.#flow;
    if (!readFlow((name) => fieldValue(record, name), flow)) return namesAndValues(record);
    const { protocol, source, destination } = flowLabel(flow);
    this.#sourceWidth = grown(this.#sourceWidth, source);
    this.#destinationWidth = grown(this.#destinationWidth, destination);
    const time = Number.isNaN(flow.flowStartMilliseconds)
      ? exportTimeMilliseconds
      : flow.flowStartMilliseconds;
    const { protocolIdentifier, tcpControlBits, icmpTypeCode } = flow;
    return [
      dateTime(time),
      protocol.padEnd(5),
      source.padStart(this.#sourceWidth),
      '→',
      destination.padEnd(this.#destinationWidth),
      count(flow.packetDeltaCount).padStart(8),
      octets(flow.octetDeltaCount).padStart(8),
      flowDetail(protocolIdentifier, tcpControlBits, icmpTypeCode, DETAIL_WIDTH).padEnd(DETAIL_WIDTH),
      flowEndReasonText(flow.flowEndReason),
    ]
      .join(' ')
      .trimEnd();
  }
}

function grown(width: number, text: string): number {
  return Math.min(Math.max(width, text.length), MAX_ENDPOINT_WIDTH);
}

function namesAndValues({ shape, values }: DecodedRecord): string {
  return shape.fields.map(({ name }, index) => `${name}=${printable(String(values[index]))}`).join(' ');
}
