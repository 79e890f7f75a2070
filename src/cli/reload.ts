/**
 * SIGHUP: the configuration is read again, and the collectors follow it. Everything else stays: the capture, the
 * flow table and its records, and the Transport Sessions of the collectors that are in both configurations.
 */
import type { CollectorConfig } from '../config/collector-url.ts';
import type { EffectiveConfig, Loaded } from '../config/load.ts';
import { OPTIONS, PROPERTIES, type Property } from '../config/schema.ts';
import type { Probe } from '../probe.ts';
import { UserError } from './errors.ts';
import type { Log } from './log.ts';
import { type CollectorOutlet, collectorOutlet, warnOfLonelyGroups } from './outlets.ts';
import { reportExport } from './report.ts';

/** How long a collector that is taken away may take to accept what is queued for it. */
const DRAIN_MILLISECONDS = 4200;

/** Options that a reload applies: they are all told by the collectors' own values. */
const APPLIED: readonly Property[] = [
  'collectorUrls',
  'observationDomain',
  'templateRefreshSeconds',
  'mtu',
  'config',
];

/** The collectors of a run, by their configuration. */
export type Collectors = Map<string, CollectorOutlet>;

/** Two collectors are the same if nothing that means something to their transport differs. */
export function collectorKey(collector: CollectorConfig): string {
  if (collector.transport === 'udp') return JSON.stringify(collector);
  const { mtu: _mtu, templateRefreshSeconds: _seconds, ...told } = collector;
  return JSON.stringify(told);
}

export interface ReloaderOptions {
  /** What is in force since the start. */
  readonly config: EffectiveConfig;
  /** Reads flags and file again. */
  readonly load: () => Loaded;
  readonly probe: Probe;
  /** Brought up to date by each reload. */
  readonly collectors: Collectors;
  readonly log: Log;
  /** The collectors are others now. */
  readonly onChange: () => void;
}

export class Reloader {
  /** Reloads that were applied, and those whose configuration had mistakes. */
  readonly counters = { applied: 0, refused: 0 };
  /** Collectors that were taken away, and still drain. */
  readonly leaving = new Set<CollectorOutlet>();
  readonly #options: ReloaderOptions;

  constructor(options: ReloaderOptions) {
    this.#options = options;
  }

  /** Applies the configuration of now, or, where it has a mistake, nothing of it. */
  reload(): void {
    const { log, load, config, collectors } = this.#options;
    const { config: next, mistakes } = load();
    if (next === undefined) {
      this.#refuse(mistakes);
      return;
    }
    const wanted = new Map(next.collectors.map((collector) => [collectorKey(collector), collector]));
    const gone = [...collectors].filter(([key]) => !wanted.has(key));
    const added = [...wanted].filter(([key]) => !collectors.has(key));
    let fresh: (readonly [string, CollectorOutlet])[];
    try {
      // The queue is sized by the table, which stays as it is.
      fresh = added.map(([key, collector]) => [key, collectorOutlet(collector, config.maxFlows, log, true)]);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#refuse([error.message]);
      return;
    }
    this.#follow(gone, fresh);
    this.counters.applied++;
    warnOfLonelyGroups(next.collectors, log);
    if (collectors.size === 0 && gone.length > 0) {
      log.warn('the last collector was taken away: records go nowhere until a reload brings one');
    }
    log.info('the configuration was read again', {
      collectorsAdded: fresh.map(([, { name }]) => name),
      collectorsRemoved: gone.map(([, { name }]) => name),
      collectorsKept: collectors.size - fresh.length,
    });
    const later = PROPERTIES.filter(
      (property) =>
        !APPLIED.includes(property) && JSON.stringify(config[property]) !== JSON.stringify(next[property]),
    ).map((property) => OPTIONS[property].name);
    if (later.length > 0) {
      log.warn(`of these options the new values come into force at the next start: ${later.join(', ')}`);
    }
  }

  #refuse(mistakes: readonly string[]): void {
    const { log } = this.#options;
    this.counters.refused++;
    for (const mistake of mistakes) log.error(mistake);
    log.error('the configuration has mistakes: the one before stays in force', { mistakes: mistakes.length });
  }

  /** Collectors that are gone end, and those that are new begin, with their templates. */
  #follow(
    gone: readonly (readonly [string, CollectorOutlet])[],
    fresh: readonly (readonly [string, CollectorOutlet])[],
  ): void {
    const { collectors, probe, onChange } = this.#options;
    for (const [key, outlet] of gone) {
      collectors.delete(key);
      void this.#remove(outlet);
    }
    for (const [key, outlet] of fresh) {
      collectors.set(key, outlet);
      probe.addOutlet(outlet);
    }
    if (gone.length + fresh.length > 0) onChange();
  }

  async #remove(outlet: CollectorOutlet): Promise<void> {
    const { probe, log } = this.#options;
    const removed = probe.exports.find((each) => each.outlet === outlet)!;
    this.leaving.add(outlet);
    await probe.removeOutlet(outlet, DRAIN_MILLISECONDS);
    this.leaving.delete(outlet);
    reportExport(removed, log);
  }
}
