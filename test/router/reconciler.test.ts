/** The loop over route tables against an EC2 of memory: how often it asks, what it does at once, and when it stops. */
import t from 'tap';
import type { Ec2RouteTable, Ec2Subnet } from '../../src/aws/ec2.ts';
import { AwsError } from '../../src/aws/errors.ts';
import { Reconciler, type ReconcilerOptions, type RouteRule } from '../../src/router/reconciler.ts';
import type { RouterView } from '../../src/router/routes.ts';

const A = 'eni-0000000a';
const B = 'eni-0000000b';
const DEFAULT = '0.0.0.0/0';
const ROUTERS: readonly RouterView[] = [
  { id: A, zone: 'z1', state: 'forwarding' },
  { id: B, zone: 'z2', state: 'forwarding' },
];

/** Tables and subnets; every change of a route is written down. */
class Cloud {
  readonly routes = new Map<string, Map<string, string>>();
  readonly associations = new Map<string, string[]>();
  subnets: Ec2Subnet[] = [];
  readonly moves: string[] = [];
  subnetReadings = 0;
  /** Before a route is created. */
  onCreate: () => void = () => undefined;
  /** Before a route is replaced. */
  onReplace: (table: string) => Promise<void> | void = () => undefined;

  reconciler(self: string, rules: readonly RouteRule[], more: Partial<ReconcilerOptions> = {}): Reconciler {
    const logger = { info: () => {}, warn: () => {}, error: () => {} };
    const set = (table: string, destination: string, target: string) => {
      this.moves.push(`${self} sets ${table} to ${target}`);
      const routes = this.routes.get(table) ?? new Map();
      this.routes.set(table, routes);
      routes.set(destination, target);
    };
    return new Reconciler({
      ec2: {
        routeTables: async (): Promise<Ec2RouteTable[]> =>
          [...this.routes].map(([id, routes]) => ({
            ...{ id, vpcId: 'vpc-1', tags: new Map(), isMain: false },
            subnetIds: this.associations.get(id) ?? [],
            routes: [...routes].map(([destination, target]) => ({ destination, target, state: 'active' })),
          })),
        subnets: async () => {
          this.subnetReadings++;
          return this.subnets;
        },
        interfaces: async () => [],
        createRoute: async (table, destination, target) => {
          this.onCreate();
          set(table, destination, target);
        },
        replaceRoute: async (table, destination, target) => {
          await this.onReplace(table);
          set(table, destination, target);
        },
        turnSourceDestCheckOff: async () => undefined,
      },
      log: { ...logger, rateLimited: () => logger },
      self,
      own: [self],
      forwardsOn: [self],
      vpcId: 'vpc-1',
      vpcCidrs: ['10.0.0.0/16'],
      rules,
      peers: [],
      failback: 'automatic',
      health: () => ({ routers: ROUTERS, epoch: 1 }),
      onPeers: () => undefined,
      nowMilliseconds: () => performance.now(),
      ...more,
    });
  }
}

const rule = (prefer: string[], ...tables: string[]): RouteRule => ({
  tables: tables.map((id) => ({ id })),
  destinations: [DEFAULT],
  group: undefined,
  prefer,
});

t.test('two configurations, as while one is rolled out: the route does not go to and fro', async (t) => {
  const cloud = new Cloud();
  cloud.routes.set('rtb-1', new Map([[DEFAULT, A]]));
  let now = 0;
  const more = { nowMilliseconds: () => now };
  const [a, b] = [
    cloud.reconciler(A, [rule([B], 'rtb-1')], more),
    cloud.reconciler(B, [rule([A], 'rtb-1')], more),
  ];
  for (let i = 0; i < 50; i++) {
    await a.round();
    await b.round();
    now += 1_000;
  }
  t.same(cloud.moves, [`${A} sets rtb-1 to ${B}`, `${B} sets rtb-1 to ${A}`], 'within 50 s');
  // A failback that was meant is only late: it is tried again, more and more seldom.
  for (let i = 0; i < 10_000; i++) {
    await a.round();
    now += 1_000;
    if (cloud.moves.length === 3) break;
  }
  t.ok(now >= 60_000 && now < 65_000, `again after ${now / 1000} s`);
});

t.test('a new subnet is asked for at once, and one that stays unknown not again and again', async (t) => {
  const cloud = new Cloud();
  cloud.routes.set('rtb-1', new Map([[DEFAULT, A]]));
  cloud.associations.set('rtb-1', ['subnet-1']);
  cloud.subnets = [{ id: 'subnet-1', zone: 'z1', cidrs: ['10.0.1.0/24'] }];
  const a = cloud.reconciler(A, [rule([], 'rtb-1')]);
  await a.round();
  await a.round();
  t.equal(cloud.subnetReadings, 1);
  cloud.subnets = [{ id: 'subnet-2', zone: 'z2', cidrs: ['10.0.2.0/24'] }];
  cloud.associations.set('rtb-1', ['subnet-2']);
  await a.round();
  t.same(cloud.moves, [`${A} sets rtb-1 to ${B}`], 'by the zone of the subnet that uses the table now');
  cloud.associations.set('rtb-1', ['subnet-2', 'subnet-9']);
  for (let i = 0; i < 5; i++) await a.round();
  t.equal(cloud.subnetReadings, 3);
});

t.test('many tables are taken at once, and no more when health has changed meanwhile', async (t) => {
  const cloud = new Cloud();
  const tables = Array.from({ length: 40 }, (_, i) => `rtb-${i}`);
  for (const table of tables) cloud.routes.set(table, new Map([[DEFAULT, B]]));
  let epoch = 1;
  let state: RouterView['state'] = 'failing';
  let underWay = 0;
  let most = 0;
  cloud.onReplace = async () => {
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay--;
    if (cloud.moves.length !== 16) return;
    // B is back.
    state = 'forwarding';
    epoch = 2;
  };
  const a = cloud.reconciler(A, [rule([], ...tables)], {
    health: () => ({ routers: [ROUTERS[0]!, { ...ROUTERS[1]!, state }], epoch }),
  });
  t.equal(await a.round(), 'changed', 'looked at again at once');
  t.equal(most, 8);
  t.ok(cloud.moves.length > 16 && cloud.moves.length <= 24, `${cloud.moves.length} of 40`);
});

t.test('a route that EC2 has and does not show is a fault that is said, not a race for ever', async (t) => {
  const cloud = new Cloud();
  cloud.routes.set('rtb-1', new Map());
  const a = cloud.reconciler(A, [rule([A], 'rtb-1')]);
  cloud.onCreate = () => {
    const cause = Object.assign(new Error('it exists'), { name: 'RouteAlreadyExists' });
    throw new AwsError('other', 'CreateRoute: RouteAlreadyExists: it exists', '', { cause });
  };
  t.equal(await a.round(), 'changed', 'once somebody was faster');
  t.same(a.problems, []);
  t.equal(await a.round(), 'failed');
  t.same(a.problems, ['CreateRoute: RouteAlreadyExists: it exists']);
});
