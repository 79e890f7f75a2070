/**
 * The kernel's routes, kept current: `ip monitor` says that something has changed, and everything is read again, soon
 * but never back to back. A machine without `ip`, or one whose routes cannot be read, has none: every answer is 0.
 *
 * All of it happens beside the packets: a reading is taken apart while it comes, in turns of the event loop, and takes
 * the place of the one before when it is complete.
 */

import { ended, type IpProcess, NoIpCommand, spawnIp } from './ip-command.ts';
import type { IpVersion } from './prefix.ts';
import { readRoutes, TooManyRoutes } from './read-routes.ts';
import { type HostInterface, noRoutes, type Routes } from './routes.ts';
import { within } from './within.ts';

export interface KernelRoutesOptions {
  /** Default: `ip`. */
  readonly program?: string;
  /** Routes of both IP versions that are kept at most. */
  readonly maxRoutes?: number;
  readonly monotonicMilliseconds: () => number;
  /** Said once each, until it changes: what is wrong, or cannot be told. */
  readonly onNotice: (text: string) => void;
}

/** Plain numbers; the metrics read them at scrape. */
export interface KernelRoutesCounters {
  /** Readings that succeeded, and that failed. */
  reads: number;
  failures: number;
  /** Times that `ip monitor` was started. */
  monitors: number;
}

/** Two full Internet tables. */
const MOST_ROUTES = 2_500_000;
/** Changes that come together are read together. */
const TOGETHER_MILLISECONDS = 50;
/** From the end of a reading to the next, at least this … */
const LEAST_PAUSE_MILLISECONDS = 500;
/** … and so many times as long as it took: large tables that change all the time cost a tenth of a core. */
const PAUSE_FACTOR = 9;
/** Without a word of `ip monitor` they are read again all the same. */
const GREATEST_PAUSE_MILLISECONDS = 300_000;
/** `ip monitor` does not tell when it listens. What changes before it does is seen by a second reading. */
const SETTLED_MILLISECONDS = 1000;
/** A reading that hangs is given up. */
const READ_WITHIN_MILLISECONDS = 60_000;
/** `start` does not wait longer for the first reading. */
const START_WITHIN_MILLISECONDS = 3000;
const STOP_WITHIN_MILLISECONDS = 1000;
/** After a failure: doubled each time. */
const FIRST_RETRY_MILLISECONDS = 1000;
const GREATEST_RETRY_MILLISECONDS = 60_000;
/** Generations that a Flow Record can tell apart. */
const GENERATIONS = 0x10000;

export class KernelRoutes {
  readonly counters: KernelRoutesCounters = { reads: 0, failures: 0, monitors: 0 };
  /** Policy rules and routes that are passed over, because they look at more than the destination. */
  unfollowedRules = 0;
  unfollowedRoutes = 0;
  /** How long the last reading took; 0: there was none. */
  readMilliseconds = 0;

  readonly #options: Required<KernelRoutesOptions>;
  readonly #stopping = new AbortController();
  readonly #told = new Map<string, string>();
  #routes: Routes = noRoutes();
  #generation = 0;
  #readAtMilliseconds = 0;

  #reading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When a reading is wanted … */
  #wantedAtMilliseconds = Number.POSITIVE_INFINITY;
  /** … and the end of the pause after the last. */
  #pauseEndMilliseconds = 0;
  #retryMilliseconds = FIRST_RETRY_MILLISECONDS;

  #monitor: IpProcess | undefined;
  #monitorEnd: Promise<void> = Promise.resolve();
  #monitorTimer: NodeJS.Timeout | undefined;
  #monitorRetryMilliseconds = FIRST_RETRY_MILLISECONDS;

  constructor(options: KernelRoutesOptions) {
    this.#options = { program: 'ip', maxRoutes: MOST_ROUTES, ...options };
  }

  /** Another number, 0 to 65535, whenever the routes have been read. */
  get generation(): number {
    return this.#generation;
  }

  /** Interfaces that packets may leave by. */
  get interfaces(): readonly HostInterface[] {
    return this.#routes.interfaces;
  }

  /** Routes that are known. */
  count(ipVersion: IpVersion): number {
    return ipVersion === 4 ? this.#routes.ipv4.count : this.#routes.ipv6.count;
  }

  /** Milliseconds since the routes were read; Infinity: they never were. */
  get ageMilliseconds(): number {
    if (this.counters.reads === 0) return Number.POSITIVE_INFINITY;
    return this.#options.monotonicMilliseconds() - this.#readAtMilliseconds;
  }

  /**
   * Looks up a flow's addresses. The answer is valid until the next call.
   * @param words holds the source address, then the destination, in network byte order
   * @param at word at which they begin
   */
  lookup(words: Int32Array, at: number, ipVersion: IpVersion): Routes {
    this.#routes.lookup(words, at, ipVersion);
    return this.#routes;
  }

  /** Begins. Resolves when the routes have been read, or cannot be (which is told, and no error), or after 3 s. */
  async start(): Promise<void> {
    this.#startMonitor();
    this.#read();
    const slow = new Promise<void>((resolve) => {
      setTimeout(resolve, START_WITHIN_MILLISECONDS).unref();
    });
    await Promise.race([this.#reading, slow]);
  }

  /** Ends its child processes; resolves when they have ended, or after 1 s if the kernel holds one. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#monitorTimer);
    this.#monitor?.kill('SIGKILL');
    const held = new Promise<void>((resolve) => {
      setTimeout(resolve, STOP_WITHIN_MILLISECONDS).unref();
    });
    await Promise.race([Promise.all([this.#monitorEnd, this.#reading]), held]);
  }

  /** Asks for a reading within that time, or as soon as the pause allows. */
  #want(withinMilliseconds: number): void {
    const at = this.#options.monotonicMilliseconds() + withinMilliseconds;
    if (at >= this.#wantedAtMilliseconds) return;
    this.#wantedAtMilliseconds = at;
    this.#arm();
  }

  #arm(): void {
    if (this.#reading !== undefined || this.#stopping.signal.aborted) return;
    clearTimeout(this.#timer);
    const at = Math.max(this.#wantedAtMilliseconds, this.#pauseEndMilliseconds);
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#read(), at - this.#options.monotonicMilliseconds());
    this.#timer.unref();
  }

  #read(): void {
    this.#wantedAtMilliseconds = Number.POSITIVE_INFINITY;
    const began = this.#options.monotonicMilliseconds();
    this.#reading = this.#readOnce().finally(() => {
      const now = this.#options.monotonicMilliseconds();
      this.readMilliseconds = now - began;
      this.#pauseEndMilliseconds = now + Math.max(LEAST_PAUSE_MILLISECONDS, PAUSE_FACTOR * (now - began));
      this.#reading = undefined;
      this.#arm();
    });
  }

  async #readOnce(): Promise<void> {
    const { program, maxRoutes, monotonicMilliseconds } = this.#options;
    try {
      const { routes, unfollowedRules, unfollowedRoutes } = await within(
        this.#stopping.signal,
        READ_WITHIN_MILLISECONDS,
        (signal) => readRoutes({ program, maxRoutes, signal }),
      );
      this.#replace(routes);
      this.unfollowedRules = unfollowedRules;
      this.unfollowedRoutes = unfollowedRoutes;
      this.#tellUnfollowed();
      this.#tell('failure', undefined);
      this.#want(this.counters.reads === 0 ? SETTLED_MILLISECONDS : GREATEST_PAUSE_MILLISECONDS);
      this.counters.reads++;
      this.#readAtMilliseconds = monotonicMilliseconds();
      this.#retryMilliseconds = FIRST_RETRY_MILLISECONDS;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.counters.failures++;
      if (error instanceof TooManyRoutes) this.#replace(noRoutes());
      this.#tell('failure', failureText(error, this.count(4) + this.count(6) > 0));
      if (error instanceof NoIpCommand && this.counters.reads === 0) return; // nothing that time would mend
      this.#want(this.#retryMilliseconds);
      this.#retryMilliseconds = Math.min(2 * this.#retryMilliseconds, GREATEST_RETRY_MILLISECONDS);
    }
  }

  #replace(routes: Routes): void {
    this.#routes = routes;
    this.#generation = (this.#generation + 1) % GENERATIONS;
  }

  #startMonitor(): void {
    this.counters.monitors++;
    const { program, monotonicMilliseconds } = this.#options;
    const began = monotonicMilliseconds();
    // What it says does not matter. On standard error it complains of changes that it has missed: also a reason.
    const onChange = () => this.#want(TOGETHER_MILLISECONDS);
    let complaint = '';
    const onEnd = (how: unknown): void => {
      this.#monitor = undefined;
      // That there is no `ip` is told by the reading.
      if (this.#stopping.signal.aborted || (how instanceof NoIpCommand && this.counters.reads === 0)) return;
      const lived = monotonicMilliseconds() - began;
      if (lived > GREATEST_RETRY_MILLISECONDS) this.#monitorRetryMilliseconds = FIRST_RETRY_MILLISECONDS;
      this.#tell(
        'monitor',
        `ip monitor has ended (${how}${complaint && `, ${complaint}`}); it is started again`,
      );
      this.#monitorTimer = setTimeout(() => {
        this.#startMonitor();
        this.#want(SETTLED_MILLISECONDS); // what has changed meanwhile
      }, this.#monitorRetryMilliseconds);
      this.#monitorTimer.unref();
      this.#monitorRetryMilliseconds = Math.min(
        2 * this.#monitorRetryMilliseconds,
        GREATEST_RETRY_MILLISECONDS,
      );
    };
    let monitor: IpProcess;
    try {
      monitor = spawnIp(program, ['monitor', 'link', 'route', 'rule']);
    } catch (error) {
      onEnd(error);
      return;
    }
    this.#monitor = monitor;
    monitor.stdout.on('data', onChange);
    monitor.stderr.on('data', (text: string) => {
      complaint = text.trim().slice(0, 200);
      onChange();
    });
    this.#monitorEnd = ended(monitor).then(onEnd, onEnd);
  }

  #tellUnfollowed(): void {
    const { unfollowedRules: rules, unfollowedRoutes: routes } = this;
    this.#tell(
      'unfollowed',
      rules + routes === 0
        ? undefined
        : `${rules} policy rules and ${routes} routes look at more than the destination and are not followed: ` +
            'egress interface, next hop and prefix lengths of flows that they concern may be wrong',
    );
  }

  /** Says it if it is not what was said last; undefined: it is over. */
  #tell(about: string, text: string | undefined): void {
    if (text === undefined) this.#told.delete(about);
    else if (this.#told.get(about) !== text) {
      this.#told.set(about, text);
      this.#options.onNotice(text);
    }
  }
}

function failureText(error: unknown, areSomeKnown: boolean): string {
  const consequence = 'records carry no egress interface, next hop and prefix lengths';
  if (error instanceof NoIpCommand)
    return `there is no ip command (Debian: apt-get install iproute2): ${consequence}`;
  const what = `the routes cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  return areSomeKnown ? `${what}; those read before are used` : `${what}; ${consequence}`;
}
