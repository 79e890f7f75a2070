/** The plan of a format: what each of its fields becomes in a record. Compiled once, read for every line. */

import { OCTET_DELTA_COUNT, PACKET_DELTA_COUNT } from '../flow/flow-record.ts';
import type { LogField } from './fields.ts';
import type { FlowLogLayout } from './flow-log-layout.ts';
import { SCRATCH, VRF_NAME } from './flow-log-words.ts';
import {
  DESTINATION,
  OP_ACTION,
  OP_ADDRESS,
  OP_COUNTER,
  OP_DIRECTION,
  OP_INTERFACE,
  OP_PORT,
  OP_PROTOCOL,
  OP_SKIP,
  OP_STATUS,
  OP_STRING,
  OP_TCP_FLAGS,
  OP_TIME,
  OP_TOLD_ADDRESS,
  OP_UINT8,
  PACKET,
  SOURCE,
} from './line-ops.ts';

/** What is done with each field, in the order of the format (line-ops.ts). */
export interface LinePlan {
  readonly ops: Int32Array;
  readonly slots: Int32Array;
  /** Where the record has the field's reference; 0: nowhere. */
  readonly stringWords: Int32Array;
}

/** @param withStrings somebody takes strings: IPFIX */
export function linePlan({ fields, enterpriseWords }: FlowLogLayout, withStrings: boolean): LinePlan {
  const plan = fields.map((field, i) => planOf(field, enterpriseWords[i], withStrings));
  return {
    ops: Int32Array.from(plan, ([op]) => op),
    slots: Int32Array.from(plan, ([, slot]) => slot),
    stringWords: Int32Array.from(plan, ([, , word]) => word),
  };
}

/** @param enterpriseWord where the record has the field under the enterprise number; undefined: nowhere */
function planOf(
  { role }: LogField,
  enterpriseWord: number | undefined,
  withStrings: boolean,
): [op: number, slot: number, stringWord: number] {
  const word = enterpriseWord ?? 0;
  switch (role) {
    case 'source':
      return [word === 0 ? OP_ADDRESS : OP_TOLD_ADDRESS, SOURCE, word];
    case 'destination':
      return [word === 0 ? OP_ADDRESS : OP_TOLD_ADDRESS, DESTINATION, word];
    case 'packetSource':
      return [OP_ADDRESS, PACKET + SOURCE, 0];
    case 'packetDestination':
      return [OP_ADDRESS, PACKET + DESTINATION, 0];
    case 'sourcePort':
      return [OP_PORT, 16, 0];
    case 'destinationPort':
      return [OP_PORT, 0, 0];
    case 'protocol':
      return [OP_PROTOCOL, 0, 0];
    case 'packets':
      return [OP_COUNTER, PACKET_DELTA_COUNT, 0];
    case 'octets':
      return [OP_COUNTER, OCTET_DELTA_COUNT, 0];
    case 'start':
      return [OP_TIME, 0, 0];
    case 'end':
      return [OP_TIME, 1, 0];
    case 'tcpFlags':
      return [OP_TCP_FLAGS, 0, 0];
    case 'interface':
      return [OP_INTERFACE, 0, word];
    case 'attachment':
      return [OP_INTERFACE, 1, word];
    case 'action':
      return [OP_ACTION, 0, 0];
    case 'status':
      return [OP_STATUS, 0, 0];
    case 'direction':
      return [OP_DIRECTION, 0, 0];
    case 'vpc':
      return withStrings ? [OP_STRING, VRF_NAME, VRF_NAME] : [OP_SKIP, 0, 0];
    case 'unsigned8':
      // Checked in any case: what a line is does not depend on who takes it.
      return [OP_UINT8, word === 0 ? SCRATCH : word, 0];
    case 'unsigned64':
      return [OP_COUNTER, word === 0 ? SCRATCH : word, 0];
    default:
      return word === 0 ? [OP_SKIP, 0, 0] : [OP_STRING, word, word];
  }
}
