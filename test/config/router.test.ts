/** The section `router:` of the file. */
import t from 'tap';
import { type Flags, loadConfig } from '../../src/config/load.ts';
import { routeRule } from '../../src/config/router-values.ts';

const load = (yaml: string, flags: Flags = new Map(), only?: 'router') =>
  loadConfig(new Map([...flags, ['config', ['weir.yaml']]]), {
    readFile: () => Buffer.from(yaml),
    ...(only === undefined ? {} : { only }),
  });

const RTB = 'rtb-0123456789abcdef0';
const ENI = 'eni-0123456789abcdef0';

t.test('every option, beside those of weir run', async (t) => {
  const { config, mistakes } = load(
    `interface: ens5
metrics: 127.0.0.1:1
router:
  mode: route
  interface: [ens5, ens6]
  route:
    - ${RTB},tag:weir=private 0.0.0.0/0,::/0,pl-0123abcd group=out prefer=${ENI}
    - tag:a=b=c 10.0.2.0/24
  peer: [${ENI}, "tag:weir:group=main@[2001:db8::1]:80"]
  failback: manual
  nat: true
  nat-source: 10.0.0.0/16, 100.64.0.0/10
  check-interval: .5
  health: auto:80
  metrics: off
  elastic-ip: eipalloc-0123456789abcdef0
`,
  );
  t.same(mistakes, []);
  t.match(config, {
    interfaces: ['ens5'],
    metrics: { host: '127.0.0.1', port: 1 },
    routerInterfaces: ['ens5', 'ens6'],
    routerRoutes: [
      {
        tables: [{ id: RTB }, { tag: { key: 'weir', value: 'private' } }],
        destinations: ['0.0.0.0/0', '::/0', 'pl-0123abcd'],
        group: 'out',
        prefer: [ENI],
      },
      { tables: [{ tag: { key: 'a', value: 'b=c' } }], destinations: ['10.0.2.0/24'], group: undefined },
    ],
    routerPeers: [
      { interfaces: { id: ENI }, at: undefined },
      { interfaces: { tag: { key: 'weir:group', value: 'main' } }, at: { host: '2001:db8::1', port: 80 } },
    ],
    routerFailback: 'manual',
    routerNat: true,
    routerNatSources: ['10.0.0.0/16', '100.64.0.0/10'],
    routerCheckSeconds: 0.5,
    routerHealth: { host: 'auto', port: 80 },
    routerMetrics: undefined,
    routerElasticIp: 'eipalloc-0123456789abcdef0',
    origins: { interfaces: 'weir.yaml:1', routerInterfaces: 'weir.yaml:5', routerFall: 'default' },
  });
});

t.test('destinations are spelled as EC2 spells them: routes are found by that', async (t) => {
  const { destinations } = routeRule.parse(`${RTB} 0::/0,2001:DB8:0:0::/32,0.0.0.0/00,10.0.8.0/24`);
  t.same(destinations, ['::/0', '2001:db8::/32', '0.0.0.0/0', '10.0.8.0/24']);
});

t.test('a mistake has its line, and the nearest right name', async (t) => {
  const cases: [yaml: string, ...mistakes: string[]][] = [
    ['router:\n  rout: x', 'weir.yaml:2: unknown option "rout" in router; did you mean "route"?'],
    ['rotuer:\n  nat: true', 'weir.yaml:1: unknown option "rotuer"; did you mean "router"?'],
    ['nat: true', 'weir.yaml:1: unknown option "nat"'],
    ['router:\n  mtu: 9', 'weir.yaml:2: unknown option "mtu" in router'],
    ['router: yes', 'weir.yaml:1: router: expected options of its own, each on a line, not a single value'],
    [
      'router:\n  dry-run: true',
      'weir.yaml:2: dry-run is a flag (--dry-run); it means nothing within a file',
    ],
    ['router:\n  nat: maybe', 'weir.yaml:2: router.nat: "maybe" is neither true nor false'],
    [
      `router:\n  route:\n    - ${RTB}`,
      `weir.yaml:3: router.route: "${RTB}" is not TABLE[,TABLE…] DESTINATION[,DESTINATION…] [group=NAME] [prefer=eni-…]`,
    ],
    [
      'router:\n  route: rtb-1 0.0.0.0/0',
      'weir.yaml:2: router.route: "rtb-1" is neither the ID of a route table (rtb-…) nor tag:KEY=VALUE',
    ],
    [
      `router:\n  route: ${RTB} 10.0.0.1/8`,
      'weir.yaml:2: router.route: "10.0.0.1/8" has bits behind its length; did you mean "10.0.0.0/8"?',
    ],
    [
      `router:\n  route: ${RTB} 10.0.0.1`,
      'weir.yaml:2: router.route: "10.0.0.1" has no length; did you mean "10.0.0.1/32"?',
    ],
    [
      `router:\n  route: ${RTB} ::/0 groop=a`,
      'weir.yaml:2: router.route: "groop=a" is neither group=NAME nor prefer=eni-…[,eni-…]',
    ],
    [
      `router:\n  route:\n    - ${RTB} ::/0\n    - ${RTB} ::/0 group=a`,
      `weir.yaml:3: router.route: ::/0 in ${RTB} is given twice`,
    ],
    [
      `router:\n  peer: ${RTB}`,
      `weir.yaml:2: router.peer: "${RTB}" is neither the ID of a network interface (eni-…) nor tag:KEY=VALUE`,
    ],
    [`router:\n  peer: ${ENI}@off`, 'weir.yaml:2: router.peer: "off" is not ADDRESS:PORT'],
    ['router:\n  health: here:80', 'weir.yaml:2: router.health: "here:80": here is not an IP address'],
    [
      'router:\n  health: 9470',
      'weir.yaml:2: router.health: "9470" is none of auto:PORT, ADDRESS:PORT (IPv6 in brackets) and off',
    ],
    [
      `router:\n  health: off\n  peer: ${ENI}`,
      'weir.yaml:3: router.peer: peers could not ask for the health of this router: health is off',
    ],
    [
      `router:\n  mode: gwlb-target\n  route: ${RTB} ::/0\n  nat: true`,
      'weir.yaml:3: router.route: a gwlb-target owns no routes',
      'weir.yaml:4: router.nat: a gwlb-target translates no addresses',
    ],
    ['router:\n  nat-source: 10.0.0.0/8', 'weir.yaml:2: router.nat-source: it means nothing without nat'],
    [
      'router:\n  nat: true\n  nat-source: ::/0',
      'weir.yaml:3: router.nat-source: ::/0 is not IPv4, and only that is masqueraded',
    ],
    [
      'router:\n  tunnel-source: 10.0.0.0/8',
      'weir.yaml:2: router.tunnel-source: it means something to mode gwlb-target alone',
    ],
    [
      'router:\n  nat: true\nrouter:\n  nat: false',
      'weir.yaml:3: router is given twice, first at weir.yaml:1',
      'weir.yaml:4: nat is given twice, first at weir.yaml:2',
    ],
  ];
  for (const [yaml, ...expected] of cases) t.same(load(yaml).mistakes, expected, yaml);
});

t.test('an empty section is none; for the router only its section counts', async (t) => {
  t.same(load('router:\n').mistakes, []);
  const broken = 'mut: 1400\ncollector: nonsense\nrouter:\n  nat: true\n';
  t.equal(load(broken).mistakes.length, 2);
  const { config, mistakes } = load(broken, new Map(), 'router');
  t.same(mistakes, [], 'measuring may fail');
  t.equal(config?.routerNat, true);
  t.same(config?.collectorUrls, []);
  t.match(load('router:\n  mode: rout\n', new Map(), 'router').mistakes, [/did you mean "route"\?$/]);
});

t.test('flags beat the file', async (t) => {
  const flags: Flags = new Map([
    ['routerNat', ['false']],
    ['routerWaitSeconds', ['5']],
  ]);
  const { config } = load('router:\n  nat: true\n  wait: 9\n', flags);
  t.match(config, { routerNat: false, routerWaitSeconds: 5, origins: { routerNat: 'flag --nat' } });
});
