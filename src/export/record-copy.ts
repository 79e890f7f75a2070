/**
 * What becomes of a Flow Record in a Message: a list of copies from the one to the other, field by field. The record of NetFlow v5
 * and those of Templates are made by it, one at a time here, and many at once by encoder.ts.
 */

import { type FlowLayout, type FlowRecord, SEGMENT_VXLAN } from '../flow/flow-record.ts';
import {
  COPY_CONSTANT8,
  COPY_COUNTER,
  COPY_COUNTER32,
  COPY_ICMP,
  COPY_INTERFACE16,
  COPY_OCTETS,
  COPY_SEGMENT,
  COPY_TIME,
  COPY_UINT8,
  COPY_UINT16,
  COPY_UINT24,
  COPY_UINT32,
  COPY_WORDS,
  COPY_ZEROS,
  MOST_STEPS,
} from './copies.ts';
import { writeUint64 } from './message-writer.ts';

/** One field; what each is, copies.ts says. */
export interface CopyStep {
  readonly copy: number;
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

export class RecordCopy {
  /** Octets of a Data Record, but for its strings. */
  readonly length: number;
  /** The steps in words of copies.ts; undefined: there are too many. */
  readonly plan: Int32Array | undefined;
  readonly #steps: readonly CopyStep[];
  readonly #protocolOffset: number;
  readonly #icmpProtocol: number;

  constructor(steps: readonly CopyStep[], length: number, layout: FlowLayout) {
    this.length = length;
    this.#steps = steps;
    this.#protocolOffset = layout.fields.get('protocolIdentifier')!.offset;
    this.#icmpProtocol = layout.ipVersion === 4 ? 1 : 58;
    const words = steps.flatMap(({ copy, from, to, size }) => {
      const value = copy === COPY_SEGMENT ? SEGMENT_VXLAN : this.#icmpProtocol;
      return [copy, from, to, size, this.#protocolOffset, value];
    });
    this.plan = steps.length > MOST_STEPS ? undefined : Int32Array.from(words);
  }

  /** Writes one Data Record at `at`. */
  encode({ view, offset }: FlowRecord, target: DataView, at: number): void {
    const steps = this.#steps;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      const to = at + step.to;
      const from = offset + step.from;
      switch (step.copy) {
        case COPY_WORDS:
          for (let k = 0; k < step.size; k += 4) target.setInt32(to + k, view.getInt32(from + k));
          break;
        case COPY_OCTETS:
          for (let k = 0; k < step.size; k++) target.setUint8(to + k, view.getUint8(from + k));
          break;
        case COPY_UINT8:
          target.setUint8(to, view.getUint8(from));
          break;
        case COPY_UINT16:
          target.setUint16(to, view.getUint16(from, true));
          break;
        case COPY_UINT24:
          target.setUint8(to, view.getUint8(from + 2));
          target.setUint16(to + 1, view.getUint16(from, true));
          break;
        case COPY_UINT32:
          target.setInt32(to, view.getInt32(from, true));
          break;
        case COPY_COUNTER:
          writeUint64(target, to, view.getFloat64(from, true));
          break;
        case COPY_COUNTER32:
        case COPY_TIME:
          target.setUint32(to, view.getFloat64(from, true));
          break;
        case COPY_CONSTANT8:
          target.setUint8(to, step.from);
          break;
        case COPY_ICMP:
          target.setUint16(
            to,
            view.getUint8(offset + this.#protocolOffset) === this.#icmpProtocol
              ? view.getUint16(from, true)
              : 0,
          );
          break;
        case COPY_SEGMENT: {
          // Octet 0 is the kind, as far as IANA has a number for it: VXLAN's. The identifier is in the last three.
          const segment = view.getInt32(from, true);
          target.setInt32(to, segment >>> 24 === SEGMENT_VXLAN ? SEGMENT_VXLAN << 24 : 0);
          target.setInt32(to + 4, segment & 0xffffff);
          break;
        }
        case COPY_INTERFACE16: {
          const index = view.getUint32(from, true);
          target.setUint16(to, index > 0xffff ? 0 : index);
          break;
        }
        case COPY_ZEROS:
          for (let k = 0; k < step.size; k++) target.setUint8(to + k, 0);
          break;
        default:
          throw new Error(`no copy ${step.copy}`); // a fault of the program
      }
    }
  }
}
