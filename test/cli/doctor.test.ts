import { PassThrough } from 'node:stream';
import t from 'tap';
import type { CommandContext } from '../../src/cli/context.ts';
import { doctor } from '../../src/cli/doctor.ts';
import { createLog } from '../../src/cli/log.ts';
import type { Machine } from '../../src/cli/machine.ts';

const FILES: Record<string, string> = {
  '/proc/self/status': 'Name:\tnode\nCapEff:\t0000000000002000\nCapBnd:\t000001ffffffffff',
  '/proc/sys/net/core/rmem_max': '212992',
  '/proc/sys/net/core/wmem_max': '4194304',
  '/proc/sys/net/ipv4/ip_forward': '1',
  '/proc/sys/net/ipv6/conf/all/forwarding': '0',
};
const PROGRAMS: Record<string, string> = {
  tcpdump: 'tcpdump version 4.99.3',
  ip: 'ip utility',
  unshare: '',
  ethtool: 'generic-receive-offload: on\nlarge-receive-offload: off [fixed]\n',
  timedatectl: 'yes\n',
};

/** A machine on which all is well. */
const SOUND: Machine = {
  nodeVersion: '22.1.0',
  platform: 'linux',
  arch: 'arm64',
  endianness: 'LE',
  interfaces: [
    { name: 'eth0', isUp: true },
    { name: 'eth1', isUp: false },
  ],
  addon: '/weir/build-native/packet_ring.node',
  exists: () => true,
  read: (path) => FILES[path],
  run: async (program) => {
    const stdout = PROGRAMS[program];
    return stdout === undefined ? undefined : { code: 0, stdout };
  },
  openRing: async () => ({ segmentSizesKnown: true }),
  tryPlainPackets: () => {},
  loadLibpcap: async () => undefined,
  listen: async () => undefined,
};

async function examine(machine: Partial<Machine>, { json = false, color = false } = {}) {
  const stdout = new PassThrough();
  const context: CommandContext = {
    stdin: new PassThrough(),
    stdout,
    stderr: new PassThrough(),
    isTerminal: color,
    color,
    log: createLog({ write: t.fail, isTerminal: false, color, debug: true, nowMilliseconds: () => 0 }),
    version: '0.0.0',
    program: '',
    signal: new AbortController().signal,
  };
  const exitCode = await doctor(context, json, { ...SOUND, ...machine });
  return { exitCode, output: String(stdout.read()) };
}

t.test('a sound machine', async (t) => {
  const { exitCode, output } = await examine({});
  t.equal(exitCode, 0);
  t.equal(
    output,
    `\
ok    Node.js            22.1.0
ok    platform           linux on arm64, little-endian
ok    addon              /weir/build-native/packet_ring.node
ok    WebAssembly        meters plain packets
ok    CAP_NET_RAW        held, and nothing else
ok    AF_PACKET ring     opens (tried on eth0)
ok    --filter           tcpdump compiles filters
ok    --capture libpcap  the package cap is there
ok    --routes           ip tells the kernel's routes
ok    demo               network namespaces can be made
ok    interfaces         eth0 is up; GRO is on, which Weir undoes
info  socket buffers     net.core.rmem_max is 212992 octets; weir listen may like more
                         to mend: sysctl -w net.core.rmem_max=4194304
ok    socket buffers     net.core.wmem_max is 4194304 octets
info  forwarding         IPv4 on, IPv6 off
ok    clock              synchronised
ok    metrics port       127.0.0.1:9469 is free

weir run can capture here.
`,
  );
});

t.test('what keeps weir run from capturing', async (t) => {
  const failing: [what: string, machine: Partial<Machine>, line: RegExp][] = [
    ['Node.js', { nodeVersion: '20.18.3' }, /^fail {2}Node\.js +20\.18\.3 is older than 20\.19$/m],
    ['Node.js', { nodeVersion: '18.20.0' }, /^fail {2}Node\.js +18\.20\.0 is older than 20\.19$/m],
    ['platform', { platform: 'darwin' }, /^fail {2}platform +darwin on arm64 has no AF_PACKET ring$/m],
    ['platform', { endianness: 'BE' }, /^fail {2}platform +linux on arm64 is big-endian/m],
    ['addon', { exists: () => false }, /^fail {2}addon .* is not built\n +to mend: npm run setup$/m],
    [
      'CAP_NET_RAW',
      { read: () => 'CapEff:\t000001ffffffdfff' },
      /^fail {2}CAP_NET_RAW +not held.*\n +to mend: sudo weir …;.*AmbientCapabilities=CAP_NET_RAW.*setpriv/m,
    ],
    [
      'AF_PACKET ring',
      {
        openRing: async () => {
          throw new Error('EAFNOSUPPORT');
        },
      },
      /^fail {2}AF_PACKET ring +EAFNOSUPPORT$/m,
    ],
  ];
  for (const [what, machine, line] of failing) {
    const { exitCode, output } = await examine(machine);
    t.equal(exitCode, 1, what);
    t.match(output, line, what);
    t.match(output, new RegExp(`\n\nweir run cannot capture here yet: ${what}\\.\n$`), what);
    t.notMatch(output, 'setcap', 'every Node.js program would get the capability');
  }
});

t.test('what only takes a part away', async (t) => {
  const broken = async () => {
    throw new Error('broken');
  };
  const warning: [machine: Partial<Machine>, line: RegExp][] = [
    [{ run: async () => undefined }, /^warn {2}--filter .* missing\n +to mend: apt-get install tcpdump$/m],
    [
      { loadLibpcap: broken },
      /^warn {2}--capture libpcap +the package cap is not built\n +to mend: apt-get /m,
    ],
    [
      { run: async () => ({ code: 1, stdout: '' }) },
      /^warn {2}demo .* replays a capture\n +to mend: sudo weir demo$/m,
    ],
    [
      { run: async (program) => (program === 'ip' ? undefined : { code: 0, stdout: '' }) },
      /^warn {2}--routes +ip is missing: records carry no egress interface.*\n +to mend: apt-get install iproute2$/m,
    ],
    [
      { run: async (program) => ({ code: program === 'ip' ? 255 : 0, stdout: '' }) },
      /^warn {2}--routes +ip does not print the rules as JSON/m,
    ],
    [{ listen: broken }, /^warn {2}metrics port +127\.0\.0\.1:9469 cannot be listened on: broken$/m],
    [{ interfaces: [] }, /^warn {2}interfaces +none is up/m],
    [{ openRing: async () => ({ segmentSizesKnown: false }) }, /^warn {2}AF_PACKET ring +opens, but/m],
    [
      {
        tryPlainPackets: () => {
          throw new Error('no such file');
        },
      },
      /^warn {2}WebAssembly +every packet is metered one by one, .*: no such file\n +to mend: npm run setup/m,
    ],
    [
      { run: async () => ({ code: 0, stdout: 'large-receive-offload: on\n' }) },
      /^warn {2}interfaces +eth0 is up; LRO is on.*\n +to mend: ethtool -K eth0 lro off$/m,
    ],
    [{ run: async () => ({ code: 0, stdout: 'no' }) }, /^warn {2}clock +not synchronised/m],
  ];
  for (const [machine, line] of warning) {
    const { exitCode, output } = await examine(machine);
    t.equal(exitCode, 0, String(line));
    t.match(output, line);
  }
});

t.test('more rights than Weir needs', async (t) => {
  const withRights = (uid: number, sets: string) =>
    examine({ read: () => `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nCapPrm:\t${sets}\nCapEff:\t${sets}\n` });
  t.match(await withRights(1000, '0000000000003000'), {
    exitCode: 0,
    output: /^warn {2}CAP_NET_RAW +held, and more than Weir needs: CAP_NET_ADMIN\n +to mend: sudo setpriv/m,
  });
  t.match(await withRights(0, '000001ffffffffff'), {
    exitCode: 0,
    output: /^info {2}CAP_NET_RAW +held, as root, which has more than Weir needs\n +to mend: sudo setpriv/m,
  });
});

t.test('the name of an interface cannot take over the terminal', async (t) => {
  const { output } = await examine({ interfaces: [{ name: 'eth\u001b[2J0', isUp: true }] });
  t.match(output, 'eth\\x1b[2J0 is up');
  t.notMatch(output, '\u001b');
});

t.test('as JSON, and in colour', async (t) => {
  const { exitCode, output } = await examine({ exists: () => false }, { json: true });
  t.equal(exitCode, 1);
  const { canRun, checks } = JSON.parse(output) as { canRun: boolean; checks: { name: string }[] };
  t.equal(canRun, false);
  t.same(
    checks.find(({ name }) => name === 'addon'),
    {
      name: 'addon',
      status: 'fail',
      reason: '/weir/build-native/packet_ring.node is not built',
      mend: 'npm run setup',
    },
  );
  const colored = await examine({}, { color: true });
  t.match(colored.output, '\u001b[32mok  \u001b[0m  Node.js');
});
