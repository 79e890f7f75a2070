/** What the metrics are read from at a scrape: plain numbers that the stages keep. `cli/` puts them together. */
import type { CaptureCounters, PacketSource } from '../capture/packet-source.ts';
import type { FragmentCounters } from '../flow/fragments.ts';
import type { TransportState } from '../transport/session.ts';

/** One interface that packets come from. */
export interface CaptureMetrics extends Pick<PacketSource, 'counters' | 'capturing' | 'refreshCounters'> {
  /** Its name. */
  readonly interface: string;
  readonly counters: Readonly<CaptureCounters>;
}

/** The Metering Process. Octets are IP octets. */
export interface MeterMetrics {
  readonly capturedPackets: number;
  readonly capturedOctets: number;
  readonly meteredPackets: number;
  readonly meteredOctets: number;
  /** By the index into IGNORED_REASONS. */
  readonly ignoredPackets: ArrayLike<number>;
  readonly ignoredOctets: ArrayLike<number>;
  readonly flowsActive: number;
  readonly maxFlows: number;
  readonly flowsCreated: number;
  readonly flowsCrowdedOut: number;
  /** By the reason's name: idle_timeout, active_timeout, end_of_flow, forced_end, lack_of_resources. */
  readonly flowsEnded: Readonly<Record<string, number>>;
  readonly recordsExported: number;
  /** Metered, and in no record yet. */
  readonly inTablePackets: number;
  readonly inTableOctets: number;
  readonly fragments: FragmentMetrics;
  /** Where tunnels are opened. */
  readonly tunnels?: TunnelMetrics | undefined;
}

/** Packets, by the indexes of TUNNELS and NOT_OPENED_REASONS. */
export interface TunnelMetrics {
  readonly openedPackets: ArrayLike<number>;
  readonly notOpenedPackets: ArrayLike<number>;
}

/** What became of fragments; packets, but for datagrams. */
export interface FragmentMetrics {
  readonly counters: Readonly<FragmentCounters>;
  readonly datagrams: number;
  readonly waitingPackets: number;
  readonly waitingOctets: number;
}

/** Flow Records and what they carry. */
export interface RecordMetrics {
  readonly records: number;
  readonly packets: number;
  readonly octets: number;
}

/** The way to one Collector. */
export interface CollectorMetrics {
  /** Its URL, without secrets. */
  readonly url: string;
  readonly protocol: string;
  readonly state: TransportState;
  readonly sent: RecordMetrics;
  readonly queued: RecordMetrics;
  /** What other members of its balance group got. */
  readonly balancedAway: RecordMetrics;
  /** By reason. */
  readonly notSent: Iterable<readonly [reason: string, lost: RecordMetrics]>;
  readonly messagesSent: number;
  readonly messageOctetsSent: number;
  /** Records of NetFlow v5 whose interface index does not fit 16 bits and was sent as 0. */
  readonly wideInterfaceRecords: number;
  /** Times that templates and options data were sent. */
  readonly templatesSent: number;
  readonly sendErrors: number;
  readonly resolutions: number;
  /** Transport Sessions begun: the reconnects, and the first. */
  readonly sessions: number;
}

/** This run of the program, and how the last one ended. */
export interface RunMetrics {
  /** Times that the configuration was read again: applied, or refused because of mistakes. */
  readonly reloads: { readonly applied: number; readonly refused: number };
  /** null: the last run ended cleanly; undefined: no state is kept that would tell. */
  readonly unclean?:
    | {
        /** What it held when it was last alive; undefined: not known. */
        readonly last:
          | { readonly flows: number; readonly packets: number; readonly octets: number }
          | undefined;
      }
    | null
    | undefined;
}

/** The worker threads, where there are some: what differs between them. */
export interface WorkersMetrics {
  readonly running: number;
  /** Workers started in the place of one that died. */
  readonly restarts: number;
  readonly each: readonly {
    readonly capturedPackets: number;
    readonly kernelDroppedPackets: number;
    /** The longest delay of its event loop in the last second. */
    readonly eventLoopLagSeconds: number;
  }[];
}

/** The program itself; `cli/` hands over what `process` knows. */
export interface ProgramMetrics {
  readonly version: string;
  readonly nodeVersion: string;
  /** Unix time. */
  readonly startTimeSeconds: number;
  /** Octets, as process.memoryUsage(). */
  memoryUsage(): {
    readonly rss: number;
    readonly heapTotal: number;
    readonly heapUsed: number;
    readonly external: number;
  };
  /** Microseconds, as process.cpuUsage(). */
  cpuUsage(): { readonly user: number; readonly system: number };
}

/** How late the event loop was since it was asked last, in seconds. */
export interface LoopLagMetrics {
  take(): { readonly mean: number; readonly p50: number; readonly p99: number; readonly max: number };
}

/** The kernel's routes. */
export interface RouteMetrics {
  /** Routes that are known. */
  readonly ipv4Routes: number;
  readonly ipv6Routes: number;
  readonly reads: number;
  readonly failures: number;
  /** Times that `ip monitor` was started. */
  readonly monitors: number;
  /** Policy rules and routes that are passed over. */
  readonly unfollowed: number;
  /** How long the last reading took. */
  readonly readSeconds: number;
  /** Since the last that succeeded; Infinity: none did. */
  readonly ageSeconds: number;
}

/** A conversion of flow logs. */
export interface ConvertMetrics {
  readonly counts: {
    readonly records: number;
    readonly converted: number;
    readonly nodata: number;
    readonly skipdata: number;
    /** By kind. */
    readonly faults: ReadonlyMap<string, number>;
    readonly droppedRejects: number;
    readonly droppedVantage: number;
    readonly directionless: number;
    readonly unnumberedInterfaces: number;
    readonly shortened: number;
    readonly packets: number;
    readonly octets: number;
    readonly objects: number;
    readonly failedObjects: number;
    readonly textOctets: number;
  };
  /** Where the objects come from, all sources together. */
  readonly source: { readonly foundObjects: number; readonly vanished: number; readonly retries: number };
  /** Where each interface is a device of its own. */
  readonly interfaceExporters?: { readonly opened: number } | undefined;
}

/** What `weir convert` shows. */
export interface ConvertMetricSources extends Pick<MetricSources, 'collectors' | 'program' | 'loopLag'> {
  readonly convert: ConvertMetrics;
}

export interface MetricSources {
  readonly captures: readonly CaptureMetrics[];
  readonly meter: MeterMetrics;
  /** Undefined: they are not asked for. */
  readonly routes?: RouteMetrics | undefined;
  /** May change between scrapes: the labels follow. */
  readonly collectors: readonly CollectorMetrics[];
  readonly run: RunMetrics;
  /** Undefined: the main thread does the work. */
  readonly workers?: WorkersMetrics | undefined;
  readonly program: ProgramMetrics;
  readonly loopLag: LoopLagMetrics;
}
