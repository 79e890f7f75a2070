/**
 * Observe, decide, act: the loop over route tables. What to do is decided in routes.ts; here EC2 is asked, and told.
 */
import type { Ec2Api, Ec2Interface, Ec2RouteTable, Ec2Subnet, Selector } from '../aws/ec2.ts';
import { ec2Code } from '../aws/ec2.ts';
import { AwsError } from '../aws/errors.ts';
import type { RouterLog } from './log.ts';
import {
  type Action,
  type HandBackReason,
  nameOf,
  type Plan,
  type PlannedRoute,
  plan,
  type RouterView,
  type TakeReason,
} from './routes.ts';
import { type ResolvedRule, unitsOf } from './units.ts';

/** Subnets seldom change. */
const SUBNETS_MILLISECONDS = 300_000;
const LOG_SECONDS = 30;
/** Calls that change routes, at the same time: a takeover of many tables is to take seconds. */
const MOST_ACTIONS_AT_ONCE = 8;
/** How long a route stays that came back from where it was handed to; twice as long each time, up to the other. */
const FIRST_REST_MILLISECONDS = 60_000;
const LONGEST_REST_MILLISECONDS = 3_600_000;
/** What EC2 tells may be that old. */
const LAG_MILLISECONDS = 5_000;

export interface RouteRule {
  readonly tables: readonly Selector[];
  readonly destinations: readonly string[];
  readonly group: string | undefined;
  readonly prefer: readonly string[];
}

export interface ReconcilerOptions {
  readonly ec2: Pick<
    Ec2Api,
    'routeTables' | 'subnets' | 'interfaces' | 'createRoute' | 'replaceRoute' | 'turnSourceDestCheckOff'
  >;
  readonly log: RouterLog;
  /** The network interface that routes lead to. */
  readonly self: string;
  /** All of this machine's network interfaces: none of them is a peer. */
  readonly own: readonly string[];
  /** Those that it forwards on. */
  readonly forwardsOn: readonly string[];
  readonly vpcId: string;
  readonly vpcCidrs: readonly string[];
  readonly rules: readonly RouteRule[];
  readonly peers: readonly Selector[];
  readonly failback: 'automatic' | 'manual';
  /** What is known of the routers' health, this one's included, and how often that has changed. */
  readonly health: () => { readonly routers: readonly RouterView[]; readonly epoch: number };
  /** The peers' interfaces, as they are now. */
  readonly onPeers: (peers: readonly Ec2Interface[]) => void;
  /** Monotonic. */
  readonly nowMilliseconds: () => number;
}

/** What EC2 says at one moment. */
interface Seen {
  readonly tables: readonly Ec2RouteTable[];
  readonly rules: readonly ResolvedRule[];
}

export class Reconciler {
  /** Plain counters, read at a scrape. */
  readonly takeovers: Record<TakeReason, number> = {
    missing: 0,
    blackhole: 0,
    failing: 0,
    released: 0,
    foreign: 0,
  };
  readonly handBacks: Record<HandBackReason, number> = {
    preferred: 0,
    failing: 0,
    released: 0,
    contested: 0,
  };
  /** The routes as they were planned last. */
  routes: readonly PlannedRoute[] = [];
  /** Own interfaces whose source/destination check is on, and could not be turned off; undefined: not known. */
  checkedInterfaces: readonly string[] | undefined;
  /** When EC2 was last read to the end. */
  observedAt: number | undefined;
  /** What went wrong in the last round, a sentence each. */
  problems: readonly string[] = [];

  readonly #options: ReconcilerOptions;
  #subnets: { readonly at: number; readonly found: readonly Ec2Subnet[] } | undefined;
  #held: ReadonlyMap<string, number> = new Map();
  /** Routes that were handed to a preferred router, by their names: in which epoch, when last, how often. */
  readonly #handed = new Map<string, { epoch: number; at: number; times: number }>();
  /** Routes, by their names, that were there when they were to be created. */
  readonly #unseen = new Set<string>();
  /** Subnets that EC2 did not know when it was asked last, though tables name them. */
  #unknownSubnets = '';
  /** Routes that were contested in the last round. */
  #contested: ReadonlySet<string> = new Set();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /**
   * One round. @returns whether another is due at once: something was changed, or failed to be. Never rejects.
   */
  async round(): Promise<'settled' | 'changed' | 'failed'> {
    const problems: string[] = [];
    const trouble = (error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      problems.push(text);
      // One line for each thing that fails, whatever the rest does.
      this.#options.log.rateLimited(text.replace(/\d+/g, ''), LOG_SECONDS).error(text);
    };
    let outcome: 'settled' | 'changed' | 'failed' = 'settled';
    const kept = this.#keepInterfaces().catch(trouble);
    try {
      const decided = await this.decide();
      const left = [...decided.actions];
      const work = async () => {
        // Each call may take seconds where EC2 throttles. What was decided by another health is decided anew.
        while (this.#options.health().epoch === decided.epoch) {
          const action = left.shift();
          if (action === undefined) return;
          try {
            await this.#act(action, decided.epoch);
            if (outcome === 'settled') outcome = 'changed';
          } catch (error) {
            if (this.#isOvertaken(error, action)) outcome = outcome === 'failed' ? outcome : 'changed';
            else {
              outcome = 'failed';
              trouble(error);
            }
          }
        }
        if (outcome === 'settled') outcome = 'changed';
      };
      await Promise.all(Array.from({ length: Math.min(left.length, MOST_ACTIONS_AT_ONCE) }, work));
    } catch (error) {
      outcome = 'failed';
      trouble(error);
    }
    await kept;
    this.problems = problems;
    return outcome;
  }

  /** Observes, and decides. @throws AwsError */
  async decide(): Promise<Plan & { readonly epoch: number }> {
    const { self, failback, health, vpcCidrs, nowMilliseconds } = this.#options;
    const seen = await this.#observe();
    const named = seen.tables.flatMap(({ subnetIds }) => subnetIds);
    const subnets = new Map((await this.#knownSubnets(named)).map((subnet) => [subnet.id, subnet]));
    const tables = seen.tables.map(({ id, subnetIds }) => ({
      id,
      subnets: subnetIds.flatMap((subnet) => subnets.get(subnet) ?? []),
    }));
    const units = unitsOf(seen.rules, tables, vpcCidrs);
    // Taken after the last answer of EC2, so that what is decided is decided by the newest health.
    const { routers, epoch } = health();
    const decided = plan(
      { routers, tables: seen.tables, units, failback },
      { self, healthEpoch: epoch, held: this.#held, resting: this.#resting(epoch) },
    );
    this.#held = decided.held;
    this.routes = decided.routes;
    this.observedAt = nowMilliseconds();
    this.#sayStates();
    return { ...decided, epoch };
  }

  async #observe(): Promise<Seen> {
    const { ec2, vpcId, rules, peers, log, onPeers, own } = this.#options;
    const selectors = uniqueSelectors(rules.flatMap(({ tables }) => tables));
    const [tables, interfaces] = await Promise.all([
      selectors.length === 0 ? [] : ec2.routeTables(vpcId, selectors),
      // A route leads to an interface of its own VPC, or nowhere.
      peers.length === 0 ? [] : ec2.interfaces(peers, vpcId),
    ]);
    onPeers(interfaces.filter(({ id }) => !own.includes(id)));
    const resolved = rules.map((rule) => ({
      ...rule,
      tables: [
        ...new Set(
          rule.tables.flatMap((selector) => {
            if ('id' in selector) return [selector.id];
            const { key, value } = selector.tag;
            return tables.filter(({ tags }) => tags.get(key) === value).map(({ id }) => id);
          }),
        ),
      ],
    }));
    const known = new Set(tables.map(({ id }) => id));
    for (const { tables: ids } of resolved) {
      for (const id of ids) {
        if (!known.has(id))
          log
            .rateLimited(`no table ${id}`, LOG_SECONDS)
            .error(`there is no route table ${id} in ${vpcId}; the other tables are kept all the same`);
      }
    }
    for (const [i, { tables: ids }] of resolved.entries()) {
      if (ids.length > 0) continue;
      const [first] = rules[i]!.tables;
      const text =
        first === undefined ? '' : 'id' in first ? first.id : `${first.tag.key}=${first.tag.value}`;
      log
        .rateLimited(`no table of tag ${text}`, LOG_SECONDS)
        .error(`no route table of ${vpcId} has the tag ${text}`);
    }
    return { tables, rules: resolved };
  }

  /** @param named by the tables: a new one is asked for at once, or the routers would rank by different zones */
  async #knownSubnets(named: readonly string[]): Promise<readonly Ec2Subnet[]> {
    const { ec2, vpcId, rules, nowMilliseconds } = this.#options;
    if (rules.length === 0) return [];
    const unknown = () => {
      const known = new Set(this.#subnets?.found.map(({ id }) => id));
      return named.filter((id) => !known.has(id)).join();
    };
    if (
      this.#subnets === undefined ||
      nowMilliseconds() - this.#subnets.at > SUBNETS_MILLISECONDS ||
      unknown() !== this.#unknownSubnets
    ) {
      try {
        this.#subnets = { at: nowMilliseconds(), found: await ec2.subnets(vpcId) };
        this.#unknownSubnets = unknown();
      } catch (error) {
        // What was known is better than no decision.
        if (this.#subnets === undefined) throw error;
        this.#subnets = { ...this.#subnets, at: nowMilliseconds() };
      }
    }
    return this.#subnets.found;
  }

  /** The source/destination check is off, or turned off, where packets are forwarded; elsewhere it is nobody's to change. */
  async #keepInterfaces(): Promise<void> {
    const { ec2, forwardsOn, log } = this.#options;
    const interfaces = await ec2.interfaces(forwardsOn.map((id) => ({ id })));
    const checked = interfaces.filter(({ isSourceDestChecked }) => isSourceDestChecked).map(({ id }) => id);
    const left = new Set(checked);
    try {
      for (const id of checked) {
        await ec2.turnSourceDestCheckOff(id);
        left.delete(id);
        log.info(`the source/destination check of ${id} is off now`);
      }
    } finally {
      this.checkedInterfaces = [...left];
    }
  }

  /** Routes that this router has handed to a preferred one, which has given them back though all forward as before. */
  #resting(epoch: number): ReadonlySet<string> {
    const now = this.#options.nowMilliseconds();
    const resting = new Set<string>();
    for (const [name, handed] of this.#handed) {
      if (handed.epoch !== epoch) this.#handed.delete(name);
      else if (now < handed.at + restOf(handed.times)) resting.add(name);
    }
    return resting;
  }

  /** Another router, or somebody else, was faster: looked at again, it will be seen. Where it is not, that is a fault. */
  #isOvertaken(error: unknown, action: Action): boolean {
    if (ec2Code(error) !== 'RouteAlreadyExists') return isOvertaken(error);
    const isNew = !this.#unseen.has(nameOf(action));
    this.#unseen.add(nameOf(action));
    return isNew;
  }

  async #act(action: Action, epoch: number): Promise<void> {
    const { ec2, log, self } = this.#options;
    const { kind, table, destination, target, from, take, handBack, unit } = action;
    if (kind === 'create') await ec2.createRoute(table, destination, target);
    else await ec2.replaceRoute(table, destination, target);
    this.#unseen.delete(nameOf(action));
    if (take !== undefined) {
      this.takeovers[take]++;
      this.#held = new Map([...this.#held, [nameOf(action), epoch]]);
    }
    if (handBack !== undefined) this.handBacks[handBack]++;
    if (handBack === 'preferred')
      this.#handed.set(nameOf(action), {
        epoch,
        at: this.#options.nowMilliseconds(),
        times: (this.#handed.get(nameOf(action))?.times ?? 0) + 1,
      });
    // What EC2 tells may lag behind what it has done by a second.
    this.routes = this.routes.map((route) =>
      route.table === table && route.destination === destination
        ? { ...route, current: { destination, target, state: 'active' }, state: 'owned' }
        : route,
    );
    const fields = { table, destination, from: from ?? null, to: target, unit };
    if (target === self) log.info(`took over a route: ${WHY_TAKEN[take ?? 'missing']}`, fields);
    else log.info(`handed a route back: ${WHY_HANDED_BACK[handBack ?? 'preferred']}`, fields);
  }

  #sayStates(): void {
    const { log, health, self, nowMilliseconds } = this.#options;
    // At the start nothing is known yet.
    const isSettled = health().routers.every((router) => router.state !== 'unknown');
    const contested = new Set<string>();
    for (const { unit, table, destination, state, current, wanted } of this.routes) {
      const handed =
        state === 'waiting' && current?.target === self && this.#handed.get(`${table} ${destination}`);
      if (handed && nowMilliseconds() - handed.at > LAG_MILLISECONDS)
        log
          .rateLimited(`came back ${table} ${destination}`, LOG_SECONDS)
          .warn(
            `${destination} in ${table} came back from ${wanted}, to which it had been handed; it stays here for now`,
            { unit, hint: 'have all routers the same configuration (route, prefer, group)?' },
          );
      if (state === 'contested') {
        const key = `${table} ${destination}`;
        contested.add(key);
        // Once may be what EC2 told before: it lags behind what was done.
        if (!this.#contested.has(key)) continue;
        log
          .rateLimited(`contested ${table} ${destination}`, LOG_SECONDS)
          .error(
            `${destination} in ${table} was taken from this router by ${current?.target}, which it cannot reach or does ` +
              'not know; it is left alone until the health of a router changes',
            {
              unit,
              hint: "do the routers reach each other's health port, and do they name each other as peers?",
            },
          );
      } else if (state === 'no_owner' && isSettled) {
        log
          .rateLimited(`no owner ${unit}`, LOG_SECONDS)
          .warn(`nobody is known to forward for ${destination} in ${table}; it stays as it is`, { unit });
      }
    }
    this.#contested = contested;
  }
}

function restOf(times: number): number {
  return Math.min(FIRST_REST_MILLISECONDS * 2 ** (times - 1), LONGEST_REST_MILLISECONDS);
}

const WHY_TAKEN: Record<TakeReason, string> = {
  missing: 'it was not there',
  blackhole: 'it led to a blackhole',
  failing: 'the router that it led to fails its health checks',
  released: 'the router that it led to has been released',
  foreign: 'it led to something that is no router of this group',
};
const WHY_HANDED_BACK: Record<HandBackReason, string> = {
  preferred: 'the preferred router forwards',
  failing: 'this router does not forward',
  released: 'this router has been released',
  contested: 'another router has taken the first route of its group',
};

/** What was there is no more: looked at again, it will be seen. */
function isOvertaken(error: unknown): boolean {
  const code = ec2Code(error);
  return (
    error instanceof AwsError && (code === 'InvalidRoute.NotFound' || code === 'InvalidRouteTableID.NotFound')
  );
}

function uniqueSelectors(selectors: readonly Selector[]): Selector[] {
  return [...new Map(selectors.map((selector) => [JSON.stringify(selector), selector])).values()];
}
