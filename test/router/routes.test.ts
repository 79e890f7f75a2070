/** The decision of a router: by table, and by properties that hold whatever is observed. */
import fc from 'fast-check';
import t from 'tap';
import {
  nameOf,
  type Observation,
  type ObservedRoute,
  type ObservedTable,
  type Plan,
  plan,
  type RouterState,
  type RouterView,
  rank,
  type Unit,
  wantedOwner,
} from '../../src/router/routes.ts';

const A = 'eni-0000000a';
const B = 'eni-0000000b';
const DEFAULT = '0.0.0.0/0';
const unit: Unit = {
  id: 'rtb-1',
  routes: [{ table: 'rtb-1', destination: DEFAULT }],
  zone: 'z1',
  prefer: [],
};

interface Case {
  readonly a: RouterState;
  readonly b: RouterState;
  /** What the route leads to now; `X!`: a blackhole. */
  readonly now: string | undefined;
  readonly failback?: 'manual';
  /** The router whose plan it is has held the route in this epoch. */
  readonly held?: true;
  /** It has handed the route over, and it came back. */
  readonly resting?: true;
  readonly self?: string;
  /** `create`, `replace A take blackhole`, or the state of the route where nothing is done. */
  readonly does: string;
}

/** A is in the table's zone, B is not. */
function decide({ a, b, now, failback, held, resting, self = A }: Case): Plan {
  const isBlackhole = now?.endsWith('!') === true;
  const route: ObservedRoute[] =
    now === undefined
      ? []
      : [
          {
            destination: DEFAULT,
            target: isBlackhole ? now.slice(0, -1) : now,
            state: isBlackhole ? 'blackhole' : 'active',
          },
        ];
  return plan(
    {
      routers: [
        { id: A, zone: 'z1', state: a },
        { id: B, zone: 'z2', state: b },
      ],
      tables: [{ id: 'rtb-1', routes: route }],
      units: [unit],
      failback: failback ?? 'automatic',
    },
    {
      self,
      healthEpoch: 7,
      held: new Map(held ? [[`rtb-1 ${DEFAULT}`, 7]] : []),
      resting: new Set(resting ? [`rtb-1 ${DEFAULT}`] : []),
    },
  );
}

function told({ actions, routes }: Plan): string {
  const [action] = actions;
  if (action === undefined) return routes[0]!.state;
  const target = action.target === A ? 'A' : 'B';
  return `${action.kind} ${target} ${action.take === undefined ? `hand back ${action.handBack}` : `take ${action.take}`}`;
}

t.test('one route, two routers', async (t) => {
  const cases: Case[] = [
    // A is preferred, and looks.
    { a: 'forwarding', b: 'forwarding', now: undefined, does: 'create A take missing' },
    { a: 'forwarding', b: 'unknown', now: undefined, does: 'create A take missing' },
    { a: 'forwarding', b: 'forwarding', now: A, does: 'owned' },
    { a: 'forwarding', b: 'forwarding', now: `${A}!`, does: 'owned' },
    { a: 'forwarding', b: 'forwarding', now: B, does: 'waiting' },
    { a: 'forwarding', b: 'unknown', now: B, does: 'waiting' },
    { a: 'forwarding', b: 'failing', now: B, does: 'replace A take failing' },
    { a: 'forwarding', b: 'released', now: B, does: 'replace A take released' },
    { a: 'forwarding', b: 'forwarding', now: `${B}!`, does: 'replace A take blackhole' },
    { a: 'forwarding', b: 'forwarding', now: 'igw-1', does: 'replace A take foreign' },
    { a: 'forwarding', b: 'forwarding', now: 'eni-0000dead', does: 'replace A take foreign' },
    { a: 'forwarding', b: 'forwarding', now: 'eni-0000dead!', does: 'replace A take blackhole' },
    // What it held and lost, without a change of health.
    { a: 'forwarding', b: 'failing', now: B, held: true, does: 'contested' },
    { a: 'forwarding', b: 'forwarding', now: 'eni-0000dead', held: true, does: 'contested' },
    { a: 'forwarding', b: 'failing', now: `${B}!`, held: true, does: 'replace A take blackhole' },
    { a: 'forwarding', b: 'failing', now: 'nat-1', held: true, does: 'replace A take foreign' },
    { a: 'forwarding', b: 'failing', now: undefined, held: true, does: 'create A take missing' },
    // A does not forward, or wants no routes.
    { a: 'failing', b: 'forwarding', now: A, does: 'replace B hand back failing' },
    { a: 'released', b: 'forwarding', now: A, does: 'replace B hand back released' },
    { a: 'failing', b: 'unknown', now: A, does: 'no_owner' },
    { a: 'released', b: 'failing', now: A, does: 'no_owner' },
    { a: 'failing', b: 'failing', now: undefined, does: 'no_owner' },
    { a: 'released', b: 'forwarding', now: undefined, does: 'waiting' },
    // B looks.
    { self: B, a: 'forwarding', b: 'forwarding', now: undefined, does: 'waiting' },
    { self: B, a: 'unknown', b: 'forwarding', now: undefined, does: 'no_owner' },
    { self: B, a: 'unknown', b: 'forwarding', now: A, does: 'no_owner' },
    { self: B, a: 'failing', b: 'forwarding', now: A, does: 'replace B take failing' },
    { self: B, a: 'failing', b: 'forwarding', now: `${A}!`, does: 'replace B take blackhole' },
    { self: B, a: 'forwarding', b: 'forwarding', now: B, does: 'replace A hand back preferred' },
    { self: B, a: 'forwarding', b: 'forwarding', now: `${A}!`, does: 'waiting' },
    { self: B, a: 'forwarding', b: 'forwarding', now: 'igw-1', does: 'waiting' },
    // It came back from A, which sees things differently: no taking turns. A fault is another matter.
    { self: B, a: 'forwarding', b: 'forwarding', now: B, resting: true, does: 'waiting' },
    { self: B, a: 'forwarding', b: 'failing', now: B, resting: true, does: 'replace A hand back failing' },
    // By hand only: whoever has it keeps it.
    { self: B, failback: 'manual', a: 'forwarding', b: 'forwarding', now: B, does: 'owned' },
    { failback: 'manual', a: 'forwarding', b: 'forwarding', now: B, does: 'owned' },
    { failback: 'manual', a: 'forwarding', b: 'unknown', now: B, does: 'no_owner' },
    { failback: 'manual', a: 'forwarding', b: 'failing', now: B, does: 'replace A take failing' },
    {
      self: B,
      failback: 'manual',
      a: 'forwarding',
      b: 'released',
      now: B,
      does: 'replace A hand back released',
    },
    { failback: 'manual', a: 'forwarding', b: 'forwarding', now: undefined, does: 'create A take missing' },
  ];
  for (const one of cases) t.equal(told(decide(one)), one.does, JSON.stringify(one));
});

t.test('preference: by name, by zone, then by a hash that shares', async (t) => {
  const routers: RouterView[] = ['1', '2', '3', '4'].map((n) => ({
    id: `eni-0000000${n}`,
    zone: `z${n}`,
    state: 'forwarding',
  }));
  const ids = (one: Unit) => rank(one, routers).map(({ id }) => id);
  t.equal(ids({ ...unit, zone: 'z3' })[0], 'eni-00000003');
  t.same(ids({ ...unit, zone: 'z3', prefer: ['eni-00000004', 'eni-00000002'] }).slice(0, 3), [
    'eni-00000004',
    'eni-00000002',
    'eni-00000003',
  ]);
  const firsts = new Set(
    Array.from({ length: 64 }, (_, i) => ids({ ...unit, id: `rtb-${i}`, zone: undefined })[0]),
  );
  t.equal(firsts.size, 4, 'tables of no zone are shared by all');
});

t.test('a table that is gone is told, and the rest of its unit goes on', async (t) => {
  const both: Unit = { ...unit, routes: [...unit.routes, { table: 'rtb-2', destination: DEFAULT }] };
  const { actions, routes } = plan(
    {
      routers: [{ id: A, zone: 'z1', state: 'forwarding' }],
      tables: [{ id: 'rtb-1', routes: [] }],
      units: [both],
      failback: 'automatic',
    },
    { self: A, healthEpoch: 0, held: new Map() },
  );
  t.match(actions, [{ kind: 'create', table: 'rtb-1' }]);
  t.same(
    routes.map(({ table, state }) => [table, state]),
    [
      ['rtb-1', 'changing'],
      ['rtb-2', 'no_table'],
    ],
  );
});

// What may be observed: up to four routers, five units of up to three tables, any targets.
const IDS = ['eni-00000001', 'eni-00000002', 'eni-00000003', 'eni-00000004'];
const STATES: readonly RouterState[] = ['forwarding', 'failing', 'released', 'unknown'];

const routersOf = (states: readonly RouterState[]) =>
  fc
    .array(fc.record({ zone: fc.constantFrom('z1', 'z2', 'z3'), state: fc.constantFrom(...states) }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((all): RouterView[] => all.map((one, i) => ({ id: IDS[i]!, ...one })));

const routeNow = fc.option(
  fc.record({
    target: fc.constantFrom(...IDS, 'eni-0000dead', 'igw-1', 'nat-1', undefined),
    state: fc.constantFrom('active' as const, 'active' as const, 'blackhole' as const),
  }),
  { nil: undefined },
);

const world = (states: readonly RouterState[]) =>
  fc.record({
    routers: routersOf(states),
    failback: fc.constantFrom('automatic' as const, 'manual' as const),
    units: fc.array(
      fc.record({
        zone: fc.constantFrom('z1', 'z2', 'z3', undefined),
        prefer: fc.subarray(IDS),
        routes: fc.array(routeNow, { minLength: 1, maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  });
type World = typeof world extends (...args: never[]) => fc.Arbitrary<infer W> ? W : never;

function observationOf({ routers, failback, units }: World): Observation {
  const tables: ObservedTable[] = units.flatMap(({ routes }, i) =>
    routes.map((route, j) => ({
      id: `rtb-${i}-${j}`,
      routes: route === undefined ? [] : [{ destination: DEFAULT, ...route }],
    })),
  );
  return {
    routers,
    failback,
    tables,
    units: units.map(({ zone, prefer, routes }, i) => ({
      id: `rtb-${i}-0`,
      zone,
      prefer,
      routes: routes.map((_, j) => ({ table: `rtb-${i}-${j}`, destination: DEFAULT })),
    })),
  };
}

/** What EC2 has after some actions. */
function after(tables: readonly ObservedTable[], plans: readonly Plan[]): ObservedTable[] {
  const actions = plans.flatMap((one) => one.actions);
  return tables.map((table) => {
    const routes = new Map(table.routes.map((route) => [route.destination, route]));
    for (const { table: id, destination, target } of actions)
      if (id === table.id) routes.set(destination, { destination, target, state: 'active' });
    return { id: table.id, routes: [...routes.values()] };
  });
}

t.test('for equal observations all want the same owner, and never two', async (t) => {
  fc.assert(
    fc.property(world(STATES), fc.nat(3), (one, epoch) => {
      const observation = observationOf(one);
      const plans = one.routers.map(({ id }, i) =>
        plan(observation, {
          self: id,
          // What each remembers is its own, and differs.
          healthEpoch: epoch,
          held: new Map(
            observation.units
              .flatMap(({ routes }) => routes)
              .filter((_, j) => (j + i) % 2 === 0)
              .map((key) => [nameOf(key), epoch]),
          ),
        }),
      );
      const wanted = new Map<string, string | undefined>();
      for (const { routes, actions } of plans) {
        for (const route of routes) {
          const key = `${route.table} ${route.destination}`;
          if (wanted.has(key) && wanted.get(key) !== route.wanted) return false;
          wanted.set(key, route.wanted);
        }
        // Whatever is done by whomever leads to the wanted owner, who forwards.
        for (const { table, destination, target, handBack } of actions) {
          // What was lost to another makes the rest follow: that one is alive, whatever is thought of it.
          if (handBack === 'contested') continue;
          if (target !== wanted.get(`${table} ${destination}`)) return false;
          if (one.routers.find(({ id }) => id === target)?.state !== 'forwarding') return false;
        }
      }
      // One owner a unit: both ways take the same router.
      return observation.units.every(
        ({ routes }) =>
          new Set(routes.map((key) => wanted.get(`${key.table} ${key.destination}`))).size === 1,
      );
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});

t.test(
  'once the observations agree, two polls are enough, in any order, and then nothing moves',
  async (t) => {
    fc.assert(
      fc.property(world(['forwarding', 'failing', 'released']), fc.boolean(), (one, atOnce) => {
        let observation = observationOf(one);
        // Those that fail may be dead: they do nothing.
        const alive = one.routers.filter(({ state }) => state !== 'failing');
        const poll = (): number => {
          let count = 0;
          // All at once decide by what all have seen; one after the other each sees what the last has done.
          const groups = atOnce ? [alive] : alive.map((router) => [router]);
          for (const group of groups) {
            const plans = group.map(({ id }) =>
              plan(observation, { self: id, healthEpoch: 0, held: new Map() }),
            );
            count += plans.reduce((sum, { actions }) => sum + actions.length, 0);
            observation = { ...observation, tables: after(observation.tables, plans) };
          }
          return count;
        };
        poll();
        poll();
        if (poll() !== 0) return false;
        return observation.units.every((each) => {
          const current = each.routes.map(
            ({ table }) => observation.tables.find(({ id }) => id === table)?.routes[0],
          );
          const wanted = wantedOwner(each, current, observation);
          // Its own blackhole is the wanted owner's to get attached.
          return wanted === undefined || current.every((route) => route?.target === wanted);
        });
      }),
      { numRuns: 1_000 },
    );
    t.pass();
  },
);

t.test('no flap without a change of health, however the routers see each other', async (t) => {
  fc.assert(
    fc.property(
      world(['forwarding']),
      // Who sees whom how; of itself each thinks that it forwards.
      fc.array(fc.constantFrom<RouterState>('forwarding', 'failing', 'unknown'), {
        minLength: 16,
        maxLength: 16,
      }),
      fc.array(fc.nat(3), { minLength: 30, maxLength: 60 }),
      (one, views, turns) => {
        let { tables, ...rest } = observationOf(one);
        const held = one.routers.map((): ReadonlyMap<string, number> => new Map());
        const moves = new Map<string, number>();
        for (const turn of turns) {
          const i = turn % one.routers.length;
          const self = one.routers[i]!.id;
          const routers = one.routers.map((router, j) => ({
            ...router,
            state: i === j ? ('forwarding' as const) : views[4 * i + j]!,
          }));
          const decided = plan({ ...rest, routers, tables }, { self, healthEpoch: 0, held: held[i]! });
          tables = after(tables, [decided]);
          const next = new Map(decided.held);
          for (const action of decided.actions) {
            moves.set(action.table, (moves.get(action.table) ?? 0) + 1);
            if (action.take !== undefined) next.set(nameOf(action), 0);
          }
          held[i] = next;
        }
        // Each may take a route once, and give it away once for each time that it came to it.
        return [...moves.values()].every((count) => count <= 2 * one.routers.length);
      },
    ),
    { numRuns: 1_000 },
  );
  t.pass();
});

t.test(
  'half a takeover is finished: what was refused is tried again, and not thought to be lost',
  async (t) => {
    const both: Unit = { ...unit, routes: [...unit.routes, { table: 'rtb-1', destination: '::/0' }] };
    const route = (destination: string, target: string) => ({
      destination,
      target,
      state: 'active' as const,
    });
    const { actions, routes } = plan(
      {
        routers: [
          { id: A, zone: 'z1', state: 'forwarding' },
          { id: B, zone: 'z2', state: 'failing' },
        ],
        // EC2 has refused the first, and done the second.
        tables: [{ id: 'rtb-1', routes: [route(DEFAULT, B), route('::/0', A)] }],
        units: [both],
        failback: 'automatic',
      },
      { self: A, healthEpoch: 7, held: new Map([['rtb-1 ::/0', 7]]) },
    );
    t.match(actions, [{ kind: 'replace', destination: DEFAULT, target: A, take: 'failing' }]);
    t.same(
      routes.map(({ state }) => state),
      ['changing', 'owned'],
    );
  },
);

t.test('routers that cannot see each other do not share a unit: both ways take one of them', async (t) => {
  fc.assert(
    fc.property(
      world(['forwarding']),
      // Who has its turn, and how many of its calls EC2 answers.
      fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { minLength: 5, maxLength: 40 }),
      (one, turns) => {
        let { tables, ...rest } = observationOf(one);
        const held = one.routers.map((): ReadonlyMap<string, number> => new Map());
        const turn = (i: number, most: number): number => {
          const self = one.routers[i]!.id;
          const routers = one.routers.map((router, j) => ({
            ...router,
            state: i === j ? ('forwarding' as const) : ('failing' as const),
          }));
          const decided = plan({ ...rest, routers, tables }, { self, healthEpoch: 0, held: held[i]! });
          const done = decided.actions.slice(0, most);
          tables = after(tables, [{ ...decided, actions: done }]);
          held[i] = new Map([
            ...decided.held,
            ...done.filter(({ take }) => take !== undefined).map((action) => [nameOf(action), 0] as const),
          ]);
          return done.length;
        };
        for (const [i, most] of turns) turn(i % one.routers.length, most);
        // Then EC2 answers all of them.
        const round = () => one.routers.reduce((sum, _, i) => sum + turn(i, 100), 0);
        for (let i = 0; i < 2 * one.routers.length; i++) round();
        if (round() !== 0) return false;
        return rest.units.every(({ routes }) => {
          const targets = routes.map(
            ({ table }) => tables.find(({ id }) => id === table)?.routes[0]?.target ?? 'none',
          );
          return new Set(targets).size === 1;
        });
      },
    ),
    { numRuns: 1_000 },
  );
  t.pass();
});
