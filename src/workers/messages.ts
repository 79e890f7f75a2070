/** What the main thread and a worker tell each other. Counters take another way (counters.ts). */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** From the main thread. */
export type ToWorker =
  /** Open the rings; one worker at a time, so that they stand in the same order in every group. */
  | { readonly kind: 'join' }
  /** Every ring of every worker is open: let packets in. */
  | { readonly kind: 'capture' }
  /** So many octets of Messages were taken, from `messages`. */
  | { readonly kind: 'taken'; readonly octets: number }
  /** The collectors are others now. */
  | { readonly kind: 'follow'; readonly line: unknown }
  | { readonly kind: 'stop'; readonly withinMilliseconds: number };

/** From a worker. */
export type FromWorker =
  /** Its rings are open, and deaf. */
  | { readonly kind: 'joined' }
  | { readonly kind: 'capturing' }
  /** It cannot start. */
  | { readonly kind: 'failed'; readonly message: string; readonly exitCode?: number | undefined }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: object }
  /** What a format cannot carry. */
  | { readonly kind: 'notice'; readonly outlet: string; readonly text: string }
  /** An IPFIX Message for the collector in the main thread. */
  | { readonly kind: 'message'; readonly octets: Uint8Array }
  /** It has ended its flows and drained its queues; its counters are the last. */
  | { readonly kind: 'stopped'; readonly unknownLinkTypes: readonly number[] };

/** What a worker is started with. */
export interface WorkerData {
  /** From 0. */
  readonly index: number;
  readonly counters: SharedArrayBuffer;
  /** One an interface. */
  readonly groups: readonly SharedArrayBuffer[];
  /** Slots for collectors. */
  readonly slots: number;
  /** What the entry makes its line from. */
  readonly line: unknown;
}
