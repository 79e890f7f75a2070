/**
 * Who should own which routes, and what one router does about it: a pure function from what is observed to a plan.
 *
 * No router leads. Each ranks all of them in the same way for the same observation, so all want the same owner; a
 * router does something only about routes that it should own, or that it holds:
 *
 *   take     the wanted owner takes what is missing, is a blackhole, or leads to a router that fails or is released
 *   hand back   who holds a route that another, healthy router should own sets it to that router
 *
 * What leads to a router that is thought healthy is never taken: only its holder can hand it back. So two routers that
 * see things differently do not take turns. Where each thinks that the other fails, the one that lost a route which it
 * had held, without a change of health in between, leaves it alone (`contested`): whoever took it is alive.
 */

/** What is known of a router's forwarding. `released`: it forwards, but wants no routes (maintenance). */
export type RouterState = 'forwarding' | 'failing' | 'released' | 'unknown';

export interface RouterView {
  /** The network interface that routes lead to; it names the router. */
  readonly id: string;
  readonly zone: string;
  readonly state: RouterState;
}

export interface ObservedRoute {
  readonly destination: string;
  readonly target: string | undefined;
  readonly state: 'active' | 'blackhole';
}

export interface ObservedTable {
  readonly id: string;
  readonly routes: readonly ObservedRoute[];
}

export interface RouteKey {
  readonly table: string;
  readonly destination: string;
}

/** Routes that have one owner, always. */
export interface Unit {
  /** The same for the same routes on every router: its first table's ID, or its group's name. */
  readonly id: string;
  readonly routes: readonly RouteKey[];
  /** Of the subnets that use its tables; undefined: of none. */
  readonly zone: string | undefined;
  /** IDs of routers that go first. */
  readonly prefer: readonly string[];
}

export interface Observation {
  readonly routers: readonly RouterView[];
  readonly tables: readonly ObservedTable[];
  readonly units: readonly Unit[];
  readonly failback: 'automatic' | 'manual';
}

/** One router's own part in it. */
export interface Standpoint {
  /** Which of the routers it is. */
  readonly self: string;
  /** Counts the changes of any router's state, as this router has seen them. */
  readonly healthEpoch: number;
  /** The epoch in which this router held a route last, by {@link nameOf} it, as {@link Plan.held} has said. */
  readonly held: ReadonlyMap<string, number>;
  /** Routes, by {@link nameOf} them, that came back after they had been handed to a preferred router: they stay for now. */
  readonly resting?: ReadonlySet<string> | undefined;
}

export type TakeReason = 'missing' | 'blackhole' | 'failing' | 'released' | 'foreign';
export type HandBackReason = 'preferred' | 'failing' | 'released' | 'contested';

export interface Action {
  readonly kind: 'create' | 'replace';
  readonly table: string;
  readonly destination: string;
  /** The router that the route is to lead to. */
  readonly target: string;
  /** What it leads to now. */
  readonly from: string | undefined;
  readonly unit: string;
  /** Why it is taken, or handed back. */
  readonly take: TakeReason | undefined;
  readonly handBack: HandBackReason | undefined;
}

/**
 * `owned`: leads to the wanted owner. `changing`: this router's plan changes it. `waiting`: another's to change.
 * `contested`: see above. `no_owner`: nobody can forward. `no_table`: there is no such table (any more).
 */
export type RouteState = 'owned' | 'changing' | 'waiting' | 'contested' | 'no_owner' | 'no_table';

export interface PlannedRoute extends RouteKey {
  readonly unit: string;
  readonly wanted: string | undefined;
  readonly current: ObservedRoute | undefined;
  readonly state: RouteState;
}

export interface Plan {
  readonly actions: readonly Action[];
  readonly routes: readonly PlannedRoute[];
  /** For the next {@link Standpoint}; whoever takes a route adds it, with the epoch. */
  readonly held: ReadonlyMap<string, number>;
}

/** Of one route among all. */
export function nameOf({ table, destination }: RouteKey): string {
  return `${table} ${destination}`;
}

/** Decides. */
export function plan(observation: Observation, standpoint: Standpoint): Plan {
  const tables = new Map(observation.tables.map((table) => [table.id, table]));
  const routers = new Map(observation.routers.map((router) => [router.id, router]));
  const held = new Map<string, number>();
  const actions: Action[] = [];
  const routes: PlannedRoute[] = [];
  for (const unit of observation.units) {
    const present = unit.routes.filter(({ table }) => tables.has(table));
    const current = present.map(({ table, destination }) =>
      tables.get(table)!.routes.find((route) => route.destination === destination),
    );
    const wanted = wantedOwner(unit, current, observation);
    const planned = present.map((key, i) => planRoute(unit, key, current[i], wanted, routers, standpoint));
    for (const { action, route } of followFirst(planned, routers, standpoint.self)) {
      if (action !== undefined) actions.push(action);
      routes.push(route);
    }
    for (const key of unit.routes) {
      if (!tables.has(key.table))
        routes.push({ ...key, unit: unit.id, wanted, current: undefined, state: 'no_table' });
    }
    for (const [i, key] of present.entries()) {
      const holds = current[i]?.target === standpoint.self && current[i]?.state === 'active';
      if (holds || isHeld(key, standpoint)) held.set(nameOf(key), standpoint.healthEpoch);
    }
  }
  return { actions, routes, held };
}

/** The same for every router that observes the same. Undefined: nobody, or not known yet. */
export function wantedOwner(
  unit: Unit,
  current: readonly (ObservedRoute | undefined)[],
  { routers, failback }: Pick<Observation, 'routers' | 'failback'>,
): string | undefined {
  const ranked = rank(unit, routers);
  if (failback === 'manual') {
    const targets = new Set(current.map((route) => (route?.state === 'active' ? route.target : undefined)));
    const holders = ranked.filter(({ id }) => targets.has(id));
    const holder = holders.find(({ state }) => state === 'forwarding');
    if (holder !== undefined) return holder.id;
    if (holders.some(({ state }) => state === 'unknown')) return undefined;
  }
  // Before one that may be healthy nobody is wanted: it is a matter of a few checks.
  const first = ranked.find(({ state }) => state === 'forwarding' || state === 'unknown');
  return first?.state === 'forwarding' ? first.id : undefined;
}

/** The most preferred first: those named, those in the unit's zone, all others; within that by a hash, so that several share. */
export function rank(unit: Unit, routers: readonly RouterView[]): RouterView[] {
  const keyOf = (router: RouterView): [named: number, zone: number, hash: number] => {
    const named = unit.prefer.indexOf(router.id);
    return [
      named === -1 ? unit.prefer.length : named,
      unit.zone !== undefined && router.zone === unit.zone ? 0 : 1,
      hash(`${unit.id} ${router.id}`),
    ];
  };
  return routers
    .map((router) => ({ router, key: keyOf(router) }))
    .sort(
      (a, b) =>
        a.key[0] - b.key[0] ||
        a.key[1] - b.key[1] ||
        a.key[2] - b.key[2] ||
        (a.router.id < b.router.id ? -1 : 1),
    )
    .map(({ router }) => router);
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

interface Planned {
  readonly action?: Action;
  readonly route: PlannedRoute;
}

/** This router has held it since the health of a router changed last. */
function isHeld(key: RouteKey, { held, healthEpoch }: Standpoint): boolean {
  return held.get(nameOf(key)) === healthEpoch;
}

/** Who has taken a unit's first route from this router is alive, and gets what is left of the unit: both ways one router. */
function followFirst(
  planned: readonly Planned[],
  routers: ReadonlyMap<string, RouterView>,
  self: string,
): readonly Planned[] {
  const first = planned[0]?.route;
  const target = first?.state === 'contested' ? first.current?.target : undefined;
  if (target === undefined || !routers.has(target)) return planned;
  return planned.map((one) => {
    const { table, destination, unit, current } = one.route;
    if (current?.target !== self) return one;
    return {
      route: { ...one.route, state: 'changing' },
      action: {
        ...{ kind: 'replace', table, destination, target, from: self, unit },
        ...{ take: undefined, handBack: 'contested' },
      },
    };
  });
}

function planRoute(
  unit: Unit,
  key: RouteKey,
  current: ObservedRoute | undefined,
  wanted: string | undefined,
  routers: ReadonlyMap<string, RouterView>,
  standpoint: Standpoint,
): Planned {
  const { self } = standpoint;
  const as = (state: RouteState) => ({ route: { ...key, unit: unit.id, wanted, current, state } });
  if (wanted === undefined) return as('no_owner');
  // One's own blackhole heals by itself: the interface is being attached.
  if (current?.target === wanted && (current.state === 'active' || wanted === self)) return as('owned');

  const change = (take: TakeReason | undefined, handBack: HandBackReason | undefined) => ({
    ...as('changing'),
    action: {
      ...key,
      kind: current === undefined ? ('create' as const) : ('replace' as const),
      target: wanted,
      from: current?.target,
      unit: unit.id,
      take,
      handBack,
    },
  });
  if (wanted !== self) {
    if (current?.target !== self) return as('waiting');
    const why = handBackReason(routers.get(self)?.state);
    // Whoever sees things differently would hand it back, and so on for ever.
    if (why === 'preferred' && standpoint.resting?.has(nameOf(key)) === true) return as('waiting');
    return change(undefined, why);
  }
  if (current === undefined) return change('missing', undefined);
  if (current.state === 'blackhole') return change('blackhole', undefined);
  const holder = current.target === undefined ? undefined : routers.get(current.target);
  if (holder?.state === 'forwarding' || holder?.state === 'unknown') return as('waiting');
  // A router that gives routes away does not take them back. Whoever is no router does not either.
  const canFight = holder?.state !== 'released' && current.target?.startsWith('eni-') === true;
  if (canFight && isHeld(key, standpoint)) return as('contested');
  if (holder === undefined) return change('foreign', undefined);
  return change(holder.state === 'released' ? 'released' : 'failing', undefined);
}

function handBackReason(own: RouterState | undefined): HandBackReason {
  if (own === 'released' || own === 'failing') return own;
  return 'preferred';
}
