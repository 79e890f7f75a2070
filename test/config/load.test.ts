import t from 'tap';
import { type Flags, type Loaded, loadConfig } from '../../src/config/load.ts';
import { shareOf } from '../../src/config/worker-share.ts';

const noSuchFile = () => {
  throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
};

/** Loads a YAML text as `weir.yaml`, under flags. */
function loadYaml(yaml: string, flags: Flags = new Map()): Loaded {
  return loadConfig(new Map([...flags, ['config', ['weir.yaml']]]), {
    readFile: (path) => {
      if (path !== 'weir.yaml') throw new Error(`not asked for: ${path}`);
      return Buffer.from(yaml);
    },
  });
}

t.test('the defaults', async (t) => {
  const { config, mistakes } = loadConfig(new Map(), { readFile: noSuchFile });
  t.same(mistakes, []);
  t.match(config, {
    interfaces: [],
    direction: 'ingress',
    promiscuous: false,
    capture: 'ring',
    filter: undefined,
    activeTimeoutSeconds: 5,
    idleTimeoutSeconds: 15,
    maxFlows: 1_048_576,
    fields: 'standard',
    collectorUrls: [],
    collectors: [],
    observationDomain: 1,
    templateRefreshSeconds: 60,
    mtu: 1500,
    metrics: { host: '127.0.0.1', port: 9469 },
    json: false,
    config: undefined,
  });
  t.same(new Set(Object.values(config?.origins ?? {})), new Set(['default']));
});

t.test('flags beat YAML beats defaults, and each value tells where it came from', async (t) => {
  const yaml = `# weir.yaml
interface: [eth0, eth1]
active-timeout: .25
mtu: 1400
metrics: off
filter: &f not port 22
collector:
  - ipfix://a
  - netflow5://b?mtu=600
promiscuous: true
`;
  const { config, mistakes } = loadYaml(
    yaml,
    new Map([
      ['mtu', ['900', '1000']],
      ['promiscuous', ['false']],
      ['json', ['true']],
    ]),
  );
  t.same(mistakes, []);
  t.match(config, {
    interfaces: ['eth0', 'eth1'],
    activeTimeoutSeconds: 0.25,
    mtu: 1000,
    metrics: undefined,
    filter: 'not port 22',
    promiscuous: false,
    json: true,
    collectors: [
      { url: 'ipfix://a', mtu: 1000 },
      { url: 'netflow5://b?mtu=600', mtu: 600 },
    ],
    origins: {
      interfaces: 'weir.yaml:2',
      activeTimeoutSeconds: 'weir.yaml:3',
      mtu: 'flag --mtu',
      metrics: 'weir.yaml:5',
      filter: 'weir.yaml:6',
      collectorUrls: 'weir.yaml:7',
      promiscuous: 'flag --promiscuous',
      json: 'flag --json',
      idleTimeoutSeconds: 'default',
      config: 'flag --config',
    },
  });
});

t.test('a list on the command line replaces the list in the file', async (t) => {
  const { config } = loadYaml('interface: [eth0, eth1]\n', new Map([['interfaces', ['eth2']]]));
  t.same(config?.interfaces, ['eth2']);
});

t.test('YAML that says little, or says it in another way', async (t) => {
  const good: [yaml: string, expected: object][] = [
    ['', { mtu: 1500 }],
    ['# nothing yet\n', { mtu: 1500 }],
    ['---\n', { mtu: 1500 }],
    ['~\n', { mtu: 1500 }],
    ['{}\n', { mtu: 1500 }],
    ['\uFEFFmtu: 1400\r\nidle-timeout: 30\r\n', { mtu: 1400, idleTimeoutSeconds: 30 }],
    ['interface: eth0\n', { interfaces: ['eth0'] }],
    ['interface: []\n', { interfaces: [] }],
    ['interface: 007\n', { interfaces: ['007'] }],
    ['mtu: "1400"\n', { mtu: 1400 }],
    ['active-timeout: &t 2\nidle-timeout: *t\n', { activeTimeoutSeconds: 2, idleTimeoutSeconds: 2 }],
    ['metrics: "[::]:0"\n', { metrics: { host: '::', port: 0 } }],
  ];
  for (const [yaml, expected] of good) {
    const { config, mistakes } = loadYaml(yaml);
    t.same(mistakes, [], yaml);
    t.match(config, expected, yaml);
  }
});

t.test('sampling: off or 1:N', async (t) => {
  const { config } = loadYaml('sampling: 1:100\nsampling-mode: count\n');
  t.match(config, { samplingInterval: 100, samplingMode: 'count' });
  t.match(loadYaml('').config, { samplingInterval: 1, samplingMode: 'random' });
  for (const text of ['100', '1:0', '1:16384', '2:100', '1:x', '1:']) {
    t.same(loadYaml(`\nsampling: "${text}"\n`).mistakes, [
      `weir.yaml:2: sampling: "${text}" is neither off nor 1:N with N from 1 to 16383`,
    ]);
  }
});

t.test('mistakes in YAML', async (t) => {
  const bad: [yaml: string, ...mistakes: string[]][] = [
    ['\n\nactive-timeout: "fast"\n', 'weir.yaml:3: active-timeout: "fast" is not a number of seconds'],
    ['active-timout: 5\n', 'weir.yaml:1: unknown option "active-timout"; did you mean "active-timeout"?'],
    ['activeTimeout: 5\n', 'weir.yaml:1: unknown option "activeTimeout"; did you mean "active-timeout"?'],
    ['interfaces: [eth0]\n', 'weir.yaml:1: unknown option "interfaces"; did you mean "interface"?'],
    ['toString: 5\n', 'weir.yaml:1: unknown option "toString"'],
    ['active-timeout: 0\n', 'weir.yaml:1: active-timeout: "0" is not between 0.01 and 604800 seconds'],
    ['active-timeout: -1\n', 'weir.yaml:1: active-timeout: "-1" is not a number of seconds'],
    ['active-timeout: 5s\n', 'weir.yaml:1: active-timeout: "5s" is not a number of seconds'],
    ['mtu: 1.5\n', 'weir.yaml:1: mtu: "1.5" is not a whole number from 512 to 65535'],
    ['max-flows: 0\n', 'weir.yaml:1: max-flows: "0" is not a whole number from 1 to 16000000'],
    ['promiscuous: yes\n', 'weir.yaml:1: promiscuous: "yes" is neither true nor false'],
    ['fields: ful\n', 'weir.yaml:1: fields: "ful" is not standard or full; did you mean "full"?'],
    ['direction: in\n', 'weir.yaml:1: direction: "in" is not ingress, egress or both'],
    ['metrics: 9469\n', 'weir.yaml:1: metrics: "9469" is neither ADDRESS:PORT (IPv6 in brackets) nor off'],
    [
      'metrics: ::1:9469\n',
      'weir.yaml:1: metrics: "::1:9469" is neither ADDRESS:PORT (IPv6 in brackets) nor off',
    ],
    ['interface: [eth0,\n  a b]\n', 'weir.yaml:2: interface: "a b" is not the name of an interface'],
    ['interface:\n  - eth0\n  - eth0\n', 'weir.yaml:3: interface: "eth0" is given twice'],
    ['interface: [eth0, [eth1]]\n', 'weir.yaml:1: interface: expected a value or a list of them, not a list'],
    ['mtu: [1400]\n', 'weir.yaml:1: mtu: expected one value, not a list'],
    ['mtu:\n  value: 1400\n', 'weir.yaml:2: mtu: expected one value, not a mapping'],
    ['filter:\nmtu: 1400\n', 'weir.yaml:1: filter: the value is missing'],
    ['filter: ""\n', 'weir.yaml:1: filter: "" is empty'],
    ['mtu: 1400\n\nmtu: 1500\n', 'weir.yaml:3: mtu is given twice, first at weir.yaml:1'],
    ['config: other.yaml\n', 'weir.yaml:1: config is a flag (--config); it means nothing within a file'],
    ['[mtu]: 1400\n', 'weir.yaml:1: the name of an option must be a word'],
    ['- mtu\n', 'weir.yaml:1: expected lines like "mtu: 1400", not a list'],
    ['\nmtu 1400\n', 'weir.yaml:2: expected lines like "mtu: 1400", not a single value'],
    ['mtu: 1400\n---\nmtu: 1500\n', 'weir.yaml:2: a second YAML document begins here; Weir reads one'],
    ['mtu: 1400\nfilter: "not port\n', 'weir.yaml:3: not YAML: Missing closing "quote'],
    [
      'collector:\n  - ipfix://a\n  - ipfix://b?mut=1\n',
      'weir.yaml:3: collector: "ipfix://b?mut=1": unknown parameter "mut"; did you mean "mtu"?',
    ],
    [
      'collector: [ipfix://a, "ipfix://A:4739?mtu=600"]\n',
      'weir.yaml:1: collector: "ipfix://A:4739?mtu=600" is the same collector as "ipfix://a"; give them an observation-domain each',
    ],
    [
      // All of them, not the first only.
      'mtu: 1\nfoo: 2\nfields: all\ncollector: http://h\n',
      'weir.yaml:2: unknown option "foo"',
      'weir.yaml:1: mtu: "1" is not a whole number from 512 to 65535',
      'weir.yaml:3: fields: "all" is not standard or full',
      'weir.yaml:4: collector: "http://h": unknown scheme "http"; Weir knows netflow5, netflow9, ipfix, ipfix+tcp, ipfix+tls, ipfix+file',
    ],
  ];
  for (const [yaml, ...expected] of bad) {
    const { config, mistakes } = loadYaml(yaml);
    t.same(mistakes, expected, yaml);
    t.equal(config, undefined, yaml);
  }
});

t.test('mistakes in flags, beside those in the file', async (t) => {
  const flags: Flags = new Map([
    ['activeTimeoutSeconds', ['fast']],
    ['capture', ['rings']],
    ['collectorUrls', ['ipfix://a', 'ipfix://']],
    ['interfaces', ['eth0', 'eth0']],
  ]);
  t.same(loadYaml('mtu: 5\n', flags).mistakes, [
    'weir.yaml:1: mtu: "5" is not a whole number from 512 to 65535',
    '--active-timeout: "fast" is not a number of seconds',
    '--capture: "rings" is not ring or libpcap; did you mean "ring"?',
    '--interface: "eth0" is given twice',
    '--collector: "ipfix://": the host is missing',
  ]);
});

t.test('a value in the file is judged even where a flag replaces it', async (t) => {
  t.same(loadYaml('mtu: 5\n', new Map([['mtu', ['1400']]])).mistakes, [
    'weir.yaml:1: mtu: "5" is not a whole number from 512 to 65535',
  ]);
});

t.test('an unreadable file', async (t) => {
  const unreadable: [code: string, why: string][] = [
    ['ENOENT', 'there is no such file'],
    ['EACCES', 'permission denied'],
    ['EISDIR', 'it is a directory'],
    ['EIO', 'EIO: the disk is dying'],
  ];
  for (const [code, why] of unreadable) {
    const { mistakes } = loadConfig(new Map([['config', ['weir.yaml']]]), {
      readFile: () => {
        throw Object.assign(new Error(`${code}: the disk is dying`), { code });
      },
    });
    t.same(mistakes, [`configuration file "weir.yaml": ${why}`]);
  }
  const { mistakes } = loadConfig(new Map([['config', ['weir.yaml']]]), {
    readFile: () => Uint8Array.of(0xff, 0xfe, 0x00),
  });
  t.same(mistakes, ['configuration file "weir.yaml": it is not UTF-8 text']);
});

t.test('workers', async (t) => {
  const load = (flags: Record<string, readonly string[]>) =>
    loadConfig(new Map(Object.entries(flags)) as Flags, { readFile: noSuchFile, cores: 2 });
  t.match(load({}).config, { workers: 1, workerCount: 1 });
  t.match(load({ workers: ['auto'] }).config, { workers: 'auto', workerCount: 2 }, 'one a core');
  t.match(
    loadConfig(new Map([['workers', ['auto']]]), { readFile: noSuchFile, cores: 96 }).config,
    { workerCount: 8 },
    'within reason',
  );
  t.match(load({ workers: ['64'] }).config, { workers: 64, workerCount: 64 });
  for (const [text, mistake] of [
    ['0', '--workers: "0" is not a whole number from 1 to 64'],
    ['65', '--workers: "65" is not a whole number from 1 to 64'],
    ['autp', '--workers: "autp" is neither a whole number from 1 to 64 nor auto; did you mean "auto"?'],
  ] as const) {
    t.same(load({ workers: [text] }).mistakes, [mistake]);
  }
  const workers = ['3'];
  const collectors = (...urls: string[]) => load({ workers, collectorUrls: urls }).mistakes;
  t.same(collectors('netflow5://a?observation-domain=253', 'netflow5://b?observation-domain=509'), []);
  t.match(collectors('netflow5://a?observation-domain=510'), [
    /^--workers: "netflow5:.*": 3 workers from engine ID 254 on need IDs up to 256, and NetFlow v5 has 8 bits/,
  ]);
  t.same(collectors('ipfix://a?observation-domain=4294967293'), []);
  t.match(collectors('ipfix://a?observation-domain=4294967294'), [/domains up to 4294967296/]);
  t.same(collectors('ipfix://a?observation-domain=1', 'ipfix://a?observation-domain=4'), []);
  t.match(collectors('ipfix://a?observation-domain=1', 'ipfix://a?observation-domain=3'), [
    /is the same collector as .*; give them an observation-domain each, 3 apart: each of 3 workers takes the next one/,
  ]);
  t.match(collectors('ipfix+file:///var/a.ipfix'), [/3 workers cannot write one file/]);
  t.match(load({ workers, maxFlows: ['2'] }).mistakes, [
    /^--workers: max-flows: 2 cannot be shared by 3 workers/,
  ]);
  t.match(load({ workers, capture: ['libpcap'] }).mistakes, [/^--workers: 3 workers need --capture ring/]);
  t.match(load({ workers, direction: ['both'] }).mistakes, [
    /^--workers: 3 workers need --direction ingress/,
  ]);
  t.match(load({ workers, interfaces: ['lo'] }).mistakes, [/^--workers: 3 workers need --direction ingress/]);
  t.match(loadYaml('max-flows: 1\nworkers: 2\n').mistakes, [
    /^weir.yaml:2: workers: max-flows: 1 cannot be shared/,
  ]);
});

t.test(
  'collectors of a reload suit the workers of the next start, and those that run until then',
  async (t) => {
    const reload = (running: number, yaml: string) => {
      const file = () => Buffer.from(yaml);
      return loadConfig(new Map([['config', ['weir.yaml']]]), { readFile: file, cores: 2, running }).mistakes;
    };
    const two = (workers: string) =>
      `${workers}\ncollector:\n  - ipfix://a?observation-domain=1\n  - ipfix://a?observation-domain=2\n`;
    const apart = (count: number) => `^weir.yaml:4: .*give them an observation-domain each, ${count} apart`;
    t.same(reload(1, two('workers: 1')), []);
    t.match(reload(1, two('workers: 3')), [new RegExp(apart(3))], 'three will run');
    t.match(
      reload(3, two('workers: 1')),
      [new RegExp(`${apart(3)}: each of 3 workers, which run until the next start, takes the next one$`)],
      'three run',
    );
    t.match(reload(2, two('workers: 3')), [new RegExp(apart(3))]);
    t.match(reload(3, two('workers: 2')), [new RegExp(apart(3))]);
    t.match(reload(2, 'collector: [ipfix+file:///var/a.ipfix]\n'), [
      /^workers: "ipfix\+file:.*": 2 workers, which run until the next start, cannot write one file$/,
    ]);
    t.match(reload(2, 'workers: 1\ncollector: ["netflow5://a?observation-domain=255"]\n'), [
      /^weir.yaml:1: workers: "netflow5:.*": 2 workers, which run until the next start, from engine ID 255 on need/,
    ]);
    // What a reload does not change is judged for the next start alone.
    t.same(reload(2, 'workers: 1\ncapture: libpcap\nmax-flows: 1\n'), []);
  },
);

t.test("a worker's share", async (t) => {
  const { config } = loadConfig(
    new Map([
      ['workers', ['3']],
      ['maxFlows', ['100']],
      [
        'collectorUrls',
        ['ipfix://a?rate=1000', 'netflow9://b?observation-domain=7&rate=0', 'ipfix://c?rate=1'],
      ],
    ]),
  );
  const shares = [0, 1, 2].map((index) => shareOf(config!, index));
  t.same(
    shares.map(({ maxFlows }) => maxFlows),
    [34, 33, 33],
    'the total is what was asked for',
  );
  t.same(
    shares.map(({ observationDomain }) => observationDomain),
    [1, 2, 3],
  );
  t.match(shares[2]!.collectors, [
    { url: 'ipfix://a?rate=1000', observationDomain: 3, datagramsPerSecond: 333 },
    { observationDomain: 9, datagramsPerSecond: 0 },
    { observationDomain: 3, datagramsPerSecond: 1 },
  ]);
  t.match(shares[0]!.collectors[0], { observationDomain: 1 });
});
