/** What the converter is told. */

import type { Export, Outlet } from '../export/outlet.ts';
import type { FlowRecord } from '../flow/flow-record.ts';
import type { FaultKind } from './convert-counts.ts';
import type { InterfaceMap } from './interface-map.ts';
import type { LogFormat, LogSource } from './log-object.ts';

/**
 * A way out of the converter. NetFlow v5 has no field for the action: with `rejects`, refused flows leave by that way
 * instead, under an engine ID (and a transport) of its own; without, all leave by this one.
 */
export interface ConvertOutlet extends Outlet {
  readonly rejects?: Outlet | undefined;
}

/** What a way out that makes its own exporters is told of the line that a record comes from. */
export interface RecordLine {
  /** Of the interface map; 0: the line names no interface, or there is no number left. */
  readonly interfaceNumber: number;
  readonly isReject: boolean;
  /**
   * The interface's own address, 4 or 16 octets: the end of the line (srcaddr, dstaddr) that flow-direction says;
   * undefined: the format has no flow-direction or not that end.
   */
  interfaceAddress(): Uint8Array | undefined;
  /** What srcaddr or dstaddr tells, 4 or 16 octets; undefined: nothing. */
  end(which: 'source' | 'destination'): Uint8Array | undefined;
}

/** A way out with exporters of its own: one for each interface. */
export interface RecordWay {
  /** What it exports by, for metrics; grows. */
  readonly exports: readonly Export[];
  start(parts: ExporterParts): void;
  /** Synchronous, as RecordReceiver. */
  record(record: FlowRecord, line: RecordLine): void;
  /** An object is done, and will be flushed: what is still held back must be handed on now, or counted as lost. */
  endObject(): void;
}

/** What the converter gives whoever makes exporters. */
export interface ExporterParts {
  /** Makes an exporter to a way out and starts its transport; it is ticked, flushed, waited for and stopped with the others. */
  readonly add: (outlet: ConvertOutlet) => Export;
}

export interface ConverterOptions {
  /** One after the other. */
  readonly sources: readonly LogSource[];
  readonly outlets: readonly ConvertOutlet[];
  readonly ways?: readonly RecordWay[] | undefined;
  /** Flows that were refused: among the others, not at all, or nothing but them. */
  readonly rejects: 'keep' | 'drop' | 'only';
  /** Records whose flow-direction is the other are passed over; those without one are converted, and counted. */
  readonly vantage: 'ingress' | 'egress' | 'both';
  /** Before what a source knows; a header line or a schema goes before both. */
  readonly format: LogFormat | undefined;
  readonly interfaceMap: InterfaceMap;
  /** 0: unpaced. */
  readonly recordsPerSecond: number;
  /** For the fields that IANA has no element for, in IPFIX; undefined: they are left out. */
  readonly enterpriseNumber: number | undefined;
  /** Unix and monotonic milliseconds. */
  readonly clocks: { readonly unix: () => number; readonly monotonic: () => number };
  /** Said once each: what a format cannot carry. */
  readonly onNotice: (outlet: string, text: string) => void;
  /** Every line goes the long way, where most could go a short one. Told once. */
  readonly onLongWay: (problem: Error) => void;
  /** Once a kind: a line that is faulty, and where it is. `line` counts from 1, header lines included. */
  readonly onFault: (fault: { kind: FaultKind; object: string; line: number; text: string }) => void;
  /** No line of an object says anything that its format could say: most likely it is in another. Told once. */
  readonly onWrongFormat: (object: string) => void;
  /** An object could not be read to its end; the others go on. */
  readonly onObjectError: (object: string, error: Error) => void;
}
