/** The demo as a user runs it: the program itself, its JSON lines, and what it leaves behind. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Test, test } from 'tap';
import { labProblem } from '../../../src/cli/demo/lab.ts';

const MAIN = fileURLToPath(new URL('../../../bundle/weir/main.js', import.meta.url));
const problem = labProblem();
const skip = problem === undefined ? false : `no network namespaces: ${problem}`;
const addonSkip = existsSync(
  fileURLToPath(new URL('../../../../build-native/packet_ring.node', import.meta.url)),
)
  ? skip
  : 'the addon is not built';

interface JsonRecord {
  readonly sourceIPv4Address?: string;
  readonly destinationIPv4Address?: string;
  readonly sourceIPv6Address?: string;
  readonly destinationIPv6Address?: string;
  readonly sourceTransportPort: number;
  readonly destinationTransportPort: number;
  readonly protocolIdentifier: number;
  readonly ipClassOfService: number;
  readonly tcpControlBits: number;
  readonly icmpTypeCodeIPv4?: number;
  readonly icmpTypeCodeIPv6?: number;
  readonly vlanId: number;
  readonly flowEndReason: number;
  readonly octetDeltaCount: number;
  readonly packetDeltaCount: number;
}

/** A running demo. Whatever it starts carries the mark in its environment. */
class Demo {
  readonly child: ChildProcess;
  readonly mark = randomUUID();
  readonly ended: Promise<[code: number | null, signal: string | null]>;
  log = '';

  constructor(t: Test, env: Record<string, string | undefined> = {}) {
    this.child = spawn(process.execPath, [MAIN, 'demo'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, WEIR_TEST_MARK: this.mark, ...env },
      // A group of its own, as a shell gives it: Ctrl-C goes to every process in it.
      detached: true,
    });
    t.teardown(() => this.child.kill('SIGKILL'));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
    this.ended = once(this.child, 'close') as Promise<[number | null, string | null]>;
  }

  /** Resolves when the log says so; rejects where the demo ends before. */
  async says(words: string): Promise<void> {
    const closed = this.ended.then(() =>
      Promise.reject(new Error(`it ended before it said ${words}: ${this.log}`)),
    );
    closed.catch(() => undefined);
    while (!this.log.includes(words)) await Promise.race([once(this.child.stderr!, 'data'), closed]);
  }

  /** Reads records until `enough` says so. */
  async records(enough: (record: JsonRecord) => boolean): Promise<void> {
    const lines = createInterface({ input: this.child.stdout! });
    for await (const line of lines) if (enough(JSON.parse(line))) return;
    throw new Error(`it ended before there was enough: ${this.log}`);
  }

  pressCtrlC(): void {
    process.kill(-this.child.pid!, 'SIGINT');
  }

  /** Namespaces and processes that are still there. */
  left(): string[] {
    const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
    return [
      ...namespaces.filter((name) => name.includes(`-${this.child.pid}-`)),
      ...readdirSync('/proc').filter((id) => {
        try {
          return readFileSync(`/proc/${id}/environ`, 'latin1').includes(this.mark);
        } catch {
          return false; // not a process, not ours, or just ended
        }
      }),
    ];
  }
}

/** A kind of traffic that the lab's router must have seen. */
type Kind = readonly [name: string, is: (record: JsonRecord) => boolean];

const tcp = (record: JsonRecord, port: number) =>
  record.protocolIdentifier === 6 && record.sourceTransportPort === port;
const udp = (record: JsonRecord, port: number) =>
  record.protocolIdentifier === 17 && record.sourceTransportPort === port;
const isScanned = (port: number) => port >= 1000 && port < 1100;
const FROM_SERVER_4 = { sourceIPv4Address: '10.71.2.2', destinationIPv4Address: '10.71.1.2' };
const FROM_SERVER_6 = { sourceIPv6Address: 'fd71:2::2', destinationIPv6Address: 'fd71:1::2' };
const comes = (record: JsonRecord, from: Partial<JsonRecord>) =>
  Object.entries(from).every(([name, value]) => record[name as keyof JsonRecord] === value);

const KINDS: readonly Kind[] = [
  [
    'HTTP over IPv4, to its end',
    (r) => comes(r, FROM_SERVER_4) && tcp(r, 80) && r.tcpControlBits === 0x1b && r.flowEndReason === 3,
  ],
  [
    'HTTP over IPv6, to its end',
    (r) => comes(r, FROM_SERVER_6) && tcp(r, 80) && r.tcpControlBits === 0x1b && r.flowEndReason === 3,
  ],
  [
    'a download that goes on',
    (r) => comes(r, FROM_SERVER_4) && tcp(r, 80) && r.flowEndReason === 2 && r.octetDeltaCount > 100_000,
  ],
  ['DNS over IPv4', (r) => comes(r, FROM_SERVER_4) && udp(r, 53)],
  ['DNS over IPv6', (r) => comes(r, FROM_SERVER_6) && udp(r, 53)],
  ['a stream over UDP', (r) => comes(r, FROM_SERVER_6) && udp(r, 5004)],
  ['a SYN of the port scan', (r) => isScanned(r.destinationTransportPort) && r.tcpControlBits === 0x02],
  ['a RST of the port scan', (r) => isScanned(r.sourceTransportPort) && r.tcpControlBits === 0x14],
  ['port unreachable', (r) => comes(r, FROM_SERVER_4) && r.icmpTypeCodeIPv4 === 0x303],
];
const PING_KINDS: readonly Kind[] = [
  ['ping', (r) => comes(r, FROM_SERVER_4) && r.protocolIdentifier === 1 && r.icmpTypeCodeIPv4 === 0],
  ['ping over IPv6', (r) => comes(r, FROM_SERVER_6) && r.icmpTypeCodeIPv6 === 0x8100],
];

test('as root: records of every kind of traffic within seconds; Ctrl-C ends it, and nothing is left', {
  skip: addonSkip,
  timeout: 40_000,
}, async (t) => {
  const demo = new Demo(t);
  const hasPing = spawnSync('ping', ['-V']).error === undefined;
  const missing = new Set([...KINDS, ...(hasPing ? PING_KINDS : [])]);
  await demo.records((record) => {
    for (const kind of missing) if (kind[1](record)) missing.delete(kind);
    return missing.size === 0;
  });
  demo.child.stdout!.resume();
  demo.pressCtrlC();
  t.same(await demo.ended, [0, null]);
  t.same(demo.left(), []);
  t.match(demo.log, /Laying out .* in network namespaces/);
  const [, sent, received] =
    demo.log.match(/became ([\d ]+) flow records, of which the collector has received ([\d ]+)\./) ?? [];
  t.ok(Number(sent?.replaceAll(' ', '')) > KINDS.length);
  t.equal(received, sent);
});

test('a signal while the lab is being laid out, or its traffic begins, leaves nothing either', {
  skip,
  timeout: 40_000,
}, async (t) => {
  // A `ping` that goes on for ever: what the client's worker starts must end, too.
  const directory = t.testdir({ ping: '#!/bin/sh\nexec sleep 600\n' });
  chmodSync(join(directory, 'ping'), 0o755);
  const moments: [after: string, milliseconds: number, end: (demo: Demo) => void][] = [
    ['Laying out', 0, (demo) => demo.pressCtrlC()],
    ['Laying out', 15, (demo) => demo.pressCtrlC()],
    ['client 10.', 0, (demo) => demo.child.kill('SIGTERM')],
    ['Real traffic', 0, (demo) => demo.pressCtrlC()],
    ['Real traffic', 500, (demo) => demo.child.kill('SIGTERM')],
  ];
  const { PATH: path } = process.env;
  for (const [after, milliseconds, end] of moments) {
    const demo = new Demo(t, { PATH: `${directory}:${path}` });
    demo.child.stdout!.resume();
    await demo.says(after);
    // The moment itself is the subject.
    if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
    end(demo);
    t.same(await demo.ended, [0, null], `${after} + ${milliseconds} ms`);
    t.same(demo.left(), [], `${after} + ${milliseconds} ms`);
  }
});

test('where there are no namespaces it says so and replays a capture on the same way', {
  timeout: 20_000,
}, async (t) => {
  // Without `ip` there are none, whoever runs this test.
  const demo = new Demo(t, { PATH: '/nonexistent' });
  const missing = new Set<Kind>([
    [
      'HTTP over IPv6',
      (r) => r.sourceIPv6Address === '2001:db8:2::20' && tcp(r, 80) && r.tcpControlBits === 0x1b,
    ],
    ['DNS', (r) => r.sourceIPv4Address === '198.51.100.20' && udp(r, 53)],
    [
      'the call in its VLAN',
      (r) => r.vlanId === 100 && r.ipClassOfService === 0xb8 && r.packetDeltaCount !== 1,
    ],
    [
      'the port scan',
      (r) => isScanned(r.destinationTransportPort) && r.tcpControlBits === 0x02 && r.octetDeltaCount === 40,
    ],
    ['ping', (r) => r.icmpTypeCodeIPv6 === 0x8100 && r.octetDeltaCount === 104],
  ]);
  await demo.records((record) => {
    for (const kind of missing) if (kind[1](record)) missing.delete(kind);
    return missing.size === 0;
  });
  demo.child.stdout!.resume();
  demo.child.kill('SIGTERM');
  t.same(await demo.ended, [0, null]);
  t.same(demo.left(), []);
  t.match(demo.log, /No real traffic here: .*\. *"/);
  t.match(demo.log, /generated capture is replayed/);
});

test('after its seconds it ends by itself', { timeout: 20_000 }, async (t) => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL('../../../src/cli/log.js', import.meta.url))};
    import { demo } from ${JSON.stringify(new URL('../../../src/cli/demo/demo.js', import.meta.url))};
    const { stdin, stdout, stderr } = process;
    const log = createLog({ write: (line) => stderr.write(line), nowMilliseconds: () => performance.now() });
    const { signal } = new AbortController();
    process.exitCode = await demo({ stdin, stdout, stderr, isTerminal: false, color: false, log, signal, program: '' }, { seconds: 1 });
    log.info('ended by itself');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH: '/nonexistent' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  t.same(await once(child, 'close'), [0, null]);
  const times = log
    .split('\n')
    .flatMap((line) => line.match(/"time":"([^"]+)".*(?:replayed|ended by itself)/)?.[1] ?? []);
  t.equal(times.length, 2, log);
  const milliseconds = Date.parse(times[1]!) - Date.parse(times[0]!);
  t.ok(milliseconds >= 900 && milliseconds < 6000, `${milliseconds} ms`);
});
