/**
 * SIGHUP: the configuration is read again, and the collectors follow it. Everything else stays: the capture, the
 * flow table and its records, and the Transport Sessions of the collectors that are in both configurations.
 */
import type { CollectorConfig } from '../config/collector-url.ts';
import type { EffectiveConfig, Loaded } from '../config/load.ts';
import { OPTIONS, PROPERTIES, type Property } from '../config/schema.ts';
import { UserError } from './errors.ts';
import type { Log } from './log.ts';
import { collectorKey, warnOfLonelyGroups } from './outlets.ts';

/** How long a collector that is taken away may take to accept what is queued for it. */
export const DRAIN_MILLISECONDS = 4200;

/** Options that a reload applies: they are all told by the collectors' own values. */
const APPLIED: readonly Property[] = [
  'collectorUrls',
  'observationDomain',
  'templateRefreshSeconds',
  'mtu',
  'config',
];

/** Collectors that come and go: those of a line in this thread, or of all workers. */
export interface Reloadable<C extends { readonly name: string }> {
  /** Those of now, by {@link collectorKey}. */
  readonly current: Map<string, C>;
  /** Makes the way to a collector, which does nothing yet. @throws UserError where it cannot be */
  make(collector: CollectorConfig): C;
  /** `current` has changed: those that are gone end, and those that are new begin, with their templates. */
  follow(gone: readonly C[], fresh: readonly C[]): void;
}

export interface ReloaderOptions<C extends { readonly name: string }> {
  /** What is in force since the start. */
  readonly config: EffectiveConfig;
  /** Reads flags and file again. */
  readonly load: () => Loaded;
  readonly collectors: Reloadable<C>;
  readonly log: Log;
}

export class Reloader<C extends { readonly name: string }> {
  /** Reloads that were applied, and those whose configuration had mistakes. */
  readonly counters = { applied: 0, refused: 0 };
  readonly #options: ReloaderOptions<C>;

  constructor(options: ReloaderOptions<C>) {
    this.#options = options;
  }

  /** Applies the configuration of now, or, where it has a mistake, nothing of it. */
  reload(): void {
    const { log, load, config, collectors } = this.#options;
    const { current } = collectors;
    const { config: next, mistakes } = load();
    if (next === undefined) {
      this.#refuse(mistakes);
      return;
    }
    const wanted = new Map(next.collectors.map((collector) => [collectorKey(collector), collector]));
    const gone = [...current].filter(([key]) => !wanted.has(key));
    const added = [...wanted].filter(([key]) => !current.has(key));
    let fresh: (readonly [string, C])[];
    try {
      fresh = added.map(([key, collector]) => [key, collectors.make(collector)]);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#refuse([error.message]);
      return;
    }
    for (const [key] of gone) current.delete(key);
    for (const [key, one] of fresh) current.set(key, one);
    if (gone.length + fresh.length > 0) {
      collectors.follow(
        gone.map(([, one]) => one),
        fresh.map(([, one]) => one),
      );
    }
    this.counters.applied++;
    warnOfLonelyGroups(next.collectors, log);
    if (current.size === 0 && gone.length > 0) {
      log.warn('the last collector was taken away: records go nowhere until a reload brings one');
    }
    log.info('the configuration was read again', {
      collectorsAdded: fresh.map(([, { name }]) => name),
      collectorsRemoved: gone.map(([, { name }]) => name),
      collectorsKept: current.size - fresh.length,
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
}
