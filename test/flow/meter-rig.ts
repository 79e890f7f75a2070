/** A Meter with its frames and records at hand: for tests of the rules of time. */

import { Frame } from '../../src/capture/packet-source.ts';
import type { FlowRecord } from '../../src/flow/flow-record.ts';
import { Meter, type MeterOptions } from '../../src/flow/meter.ts';
import { ethernetFrame, type Packet } from '../support/frames.ts';

/** A record, read field by field through its layout. */
export interface SeenRecord {
  source: string;
  sourcePort: number;
  packets: number;
  octets: number;
  startMilliseconds: number;
  endMilliseconds: number;
  flags: number;
  reason: number;
}

export class MeterRig {
  readonly records: SeenRecord[] = [];
  readonly meter: Meter;
  /** The monotonic clock, for `clock: 'monotonic'`. */
  monotonicMilliseconds = 0;
  readonly #frame = new Frame();

  /** @param see takes each record, beside {@link records} */
  constructor(options: Partial<MeterOptions> = {}, see: (record: FlowRecord) => void = () => undefined) {
    this.meter = new Meter(
      {
        activeTimeoutMilliseconds: 5000,
        idleTimeoutMilliseconds: 15000,
        maxFlows: 1000,
        fields: 'standard',
        clock: 'packet',
        monotonicMilliseconds: () => this.monotonicMilliseconds,
        seed: [0x12345678, 0x9abcdef0 | 0],
        ...options,
      },
      {
        record: (record) => {
          this.records.push(seen(record));
          see(record);
        },
      },
    );
  }

  /** One packet, at a packet time in milliseconds; a batch of its own. */
  packet(milliseconds: number, packet: Partial<Packet> = {}): void {
    this.octets(
      milliseconds,
      ethernetFrame({ source: '10.0.0.1', destination: '10.0.0.2', protocol: 17, ...packet }),
    );
  }

  /** One Ethernet frame, as above. */
  octets(milliseconds: number, bytes: Uint8Array, about: Partial<Frame> = {}): void {
    const frame = this.#frame;
    frame.view = new DataView(bytes.buffer);
    frame.capturedLength = bytes.length;
    frame.wireLength = bytes.length;
    frame.seconds = Math.floor(milliseconds / 1000);
    frame.nanoseconds = (milliseconds % 1000) * 1e6;
    Object.assign(frame, { ingressInterface: 0, ...about });
    this.meter.beginBatch();
    this.meter.frame(frame);
    void this.meter.endBatch();
  }
}

export function seen({ layout, view, offset }: FlowRecord): SeenRecord {
  const at = (name: string): number => offset + layout.fields.get(name)!.offset;
  const source = at(`sourceIPv${layout.ipVersion}Address`);
  const size = layout.ipVersion === 4 ? 4 : 16;
  return {
    source: Array.from({ length: size }, (_, i) => view.getUint8(source + i)).join('.'),
    sourcePort: view.getUint16(at('sourceTransportPort'), true),
    packets: view.getFloat64(at('packetDeltaCount'), true),
    octets: view.getFloat64(at('octetDeltaCount'), true),
    startMilliseconds: view.getFloat64(at('flowStartMilliseconds'), true),
    endMilliseconds: view.getFloat64(at('flowEndMilliseconds'), true),
    flags: view.getUint16(at('tcpControlBits'), true),
    reason: view.getUint8(at('flowEndReason')),
  };
}
