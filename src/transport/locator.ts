/**
 * Where the collector is: looks its name up, has the transport go there, and does so again, every so often and
 * after failures. The same for every transport.
 */
import { isIP } from 'node:net';
import { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import { type Lookup, type ResolvedAddress, resolveHost } from './resolve.ts';
import type { TransportCounters, TransportEvent } from './session.ts';

export interface LocatorOptions {
  readonly host: string;
  readonly source: string | undefined;
  readonly lookup: Lookup;
  readonly clock: Clock;
  /** Uniform in [0, 1), for the jitter of retries. */
  readonly random: (() => number) | undefined;
  /** How long after a success to look again; undefined: not before `locateSoon`. */
  readonly againAfterMilliseconds: number | undefined;
  readonly onEvent: (event: TransportEvent) => void;
  readonly counters: TransportCounters;
  /** Goes to one of the addresses, or stays there; never rejects. False: it could not, and has told why. */
  readonly reach: (addresses: readonly ResolvedAddress[]) => Promise<boolean>;
}

export class Locator {
  readonly #options: LocatorOptions;
  readonly #backoff: Backoff;
  #running = false;
  #soon = false;
  #stopped = false;
  #cancel: () => void = () => {};
  /** Why the name does not resolve, as it was told; empty: it does. */
  #unresolved = '';
  #everResolved: boolean;
  #everFailed = false;

  constructor(options: LocatorOptions) {
    this.#options = options;
    this.#everResolved = isIP(options.host) !== 0;
    this.#backoff = new Backoff(undefined, undefined, options.random);
  }

  /** True once an address was found; of an address, always. */
  get everResolved(): boolean {
    return this.#everResolved;
  }

  /** True once an attempt to find or to reach the collector has failed. */
  get everFailed(): boolean {
    return this.#everFailed;
  }

  /** Looks now, unless it is looking already. */
  locateNow(): void {
    void this.#locate();
  }

  /** Looks after a pause that grows with every failure, unless that is planned already. */
  locateSoon(): void {
    if (this.#soon || this.#stopped) return;
    this.#soon = true;
    if (!this.#running) this.#locateAfter(this.#backoff.next());
  }

  /** The collector has worked for some time: the next failure is a first one. */
  worksWell(): void {
    this.#backoff.reset();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #locateAfter(delayMilliseconds: number): void {
    this.#cancel();
    this.#cancel = this.#options.clock.after(delayMilliseconds, () => void this.#locate());
  }

  async #locate(): Promise<void> {
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#cancel();
    this.#soon = false;
    const addresses = await this.#resolve();
    const reached = !this.#stopped && (await this.#options.reach(addresses));
    this.#running = false;
    if (this.#stopped) return;
    if (!reached) {
      this.#everFailed = true;
      this.#soon = true;
    }
    const { againAfterMilliseconds } = this.#options;
    if (this.#soon) this.#locateAfter(this.#backoff.next());
    else if (againAfterMilliseconds !== undefined) this.#locateAfter(againAfterMilliseconds);
  }

  /** The host's addresses; none where it has none, which is counted and told. */
  async #resolve(): Promise<readonly ResolvedAddress[]> {
    const { host, source, lookup, clock, counters, onEvent } = this.#options;
    counters.resolutions++;
    try {
      const addresses = await resolveHost(host, source, lookup, clock);
      this.#everResolved = true;
      if (this.#unresolved !== '' && !this.#stopped)
        onEvent({ kind: 'resolved', text: `${host} resolves again` });
      this.#unresolved = '';
      return addresses;
    } catch (error) {
      counters.resolutionErrors++;
      const text = (error as Error).message;
      if (this.#unresolved !== text && !this.#stopped) onEvent({ kind: 'unresolved', text });
      this.#unresolved = text;
      return [];
    }
  }
}
