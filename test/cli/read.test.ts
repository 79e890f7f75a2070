/** `weir read`, and the beginning of `weir run`, with input that is bad or ends early. */

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import t, { type Test } from 'tap';
import { LinkType } from '../../src/capture/packet-source.ts';
import { PcapWriter } from '../../src/capture/pcap-writer.ts';
import { ethernetFrame, type Packet } from '../support/frames.ts';
import { hasProgram } from '../support/programs.ts';
import { CaptureFolder } from '../support/read-capture.ts';

const MAIN = resolve(import.meta.dirname, '../../bundle/weir/main.js');
const { PATH } = process.env;

interface Outcome {
  readonly code: number | null;
  readonly records: Record<string, unknown>[];
  readonly log: Record<string, unknown>[];
  readonly milliseconds: number;
}

/** A process; `started` gets it when it runs. */
async function execute(argv: readonly string[], started: Started = (child) => child.stdin.end()) {
  const from = performance.now();
  const child = spawn(argv[0]!, argv.slice(1), { cwd: tmpdir(), env: { PATH }, timeout: 20_000 });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk) => {
      text[name] += chunk;
    });
  }
  // It may have ended before it has read everything.
  child.stdin.on('error', () => undefined);
  started(child);
  const [code] = await once(child, 'close');
  // What follows the last line feed is a line that was cut off.
  const lines = (all: string) =>
    all
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const outcome: Outcome = {
    code,
    records: lines(text.stdout),
    log: lines(text.stderr),
    milliseconds: performance.now() - from,
  };
  return outcome;
}
type Started = (
  child: ReturnType<typeof spawn> & { stdin: NonNullable<ReturnType<typeof spawn>['stdin']> },
) => void;

const weir = (args: readonly string[], started?: Started) =>
  execute([process.execPath, MAIN, ...args], started);
const read = (...args: string[]) => weir(['read', ...args]);

/** A capture with a packet a second, a flow each, but for what is asked for. */
function capture(
  packets: number,
  about: Partial<Packet> = {},
  linkType: number = LinkType.ETHERNET,
): Uint8Array {
  const writer = new PcapWriter({ linkType });
  for (let i = 0; i < packets; i++) {
    const packet = {
      source: '10.0.0.1',
      destination: '10.0.0.2',
      protocol: 17,
      sourcePort: 1024 + i,
      payload: 10,
    };
    writer.write({
      seconds: 1_700_000_000 + i,
      nanoseconds: 0,
      bytes: ethernetFrame({ ...packet, ...about }),
    });
  }
  return writer.take();
}

const errors = ({ log }: Outcome) => log.filter(({ level }) => level === 'error').map(({ msg }) => msg);
const metered = ({ log }: Outcome) => log.find(({ msg }) => msg === 'metered');

t.test('files that are bad', async (t) => {
  const folder = new CaptureFolder(t);
  const whole = capture(10);
  const good = folder.write('good.pcap', whole);
  const cut = folder.write('cut.pcap', whole.subarray(0, whole.length - 5));
  const empty = folder.write('empty.pcap', new Uint8Array());
  const text = folder.write('text.pcap', Buffer.from('no capture at all\n'));
  const missing = `${folder.path}/missing.pcap`;

  await t.test('truncated: what came before the cut is exported', async (t) => {
    const outcome = await read(cut, '--json');
    t.equal(outcome.code, 1);
    t.equal(outcome.records.length, 9);
    // The file's header, and nine records of 16 octets with frames of 52.
    t.same(errors(outcome), [
      `${cut}: truncated at octet ${24 + 9 * 68}: a record of 68 octets begins, 63 are there`,
    ]);
  });
  await t.test('empty, no capture, missing', async (t) => {
    for (const [file, said] of [
      [empty, /empty\.pcap: at octet 0: the file is empty/],
      [text, /text\.pcap: at octet 0: no capture file begins with 6e6f2063; expected pcap .* or pcapng/],
      [missing, /missing\.pcap: no such file/],
      [folder.path, /weir-capture-.*directory/],
    ] as const) {
      const outcome = await read(file, '--json');
      t.match(outcome, { code: 1, records: [] });
      t.equal(errors(outcome).length, 1);
      t.match(errors(outcome)[0], said);
    }
  });
  await t.test('an unknown link type is counted and said', async (t) => {
    const outcome = await read(folder.write('user0.pcap', capture(10, {}, 147)), '--json');
    t.match(outcome, { code: 0, records: [] });
    t.match(metered(outcome), {
      capturedPackets: 10,
      meteredPackets: 0,
      ignoredPackets: { unknown_link_type: 10 },
    });
  });
  await t.test('one of several: the others are read', async (t) => {
    const outcome = await read(text, good, missing, '--json');
    t.equal(outcome.code, 1);
    t.equal(outcome.records.length, 10);
    t.equal(errors(outcome).length, 2);
  });
});

t.test('standard input', async (t) => {
  const whole = capture(10);
  const piped = await weir(['read', '-', '--json'], ({ stdin }) => stdin.end(whole));
  t.equal(piped.code, 0);
  t.equal(piped.records.length, 10);
  const cut = await weir(['read', '-', '--json'], ({ stdin }) => stdin.end(whole.subarray(0, 100)));
  t.equal(cut.code, 1);
  t.equal(cut.records.length, 1);
  t.match(errors(cut)[0], /standard input|^-: truncated/);
});

t.test('SIGINT in the middle of a pipe ends with the records so far', async (t) => {
  const collector = await udpSink(t);
  const outcome = await weir(
    ['read', '-', '-c', `netflow5://127.0.0.1:${collector.port}`, '--json', '--active-timeout', '1'],
    (child) => {
      child.stdin.write(capture(10));
      // The first records have left: the rest is in the table, and the pipe stays open.
      collector.socket.once('message', () => child.kill('SIGINT'));
    },
  );
  t.equal(outcome.code, 0);
  t.equal(outcome.records.length, 10);
  t.match(metered(outcome), { meteredPackets: 10 });
  t.match(outcome.log.at(-1), { msg: 'exported', records: 10 });
});

t.test('SIGTERM with 300 000 flows in the table: all of them leave within 5 s', async (t) => {
  const collector = await udpSink(t);
  const flows = 300_000;
  let asked = 0;
  const outcome = await weir(['read', '-', '-c', `ipfix://127.0.0.1:${collector.port}`], (child) => {
    child.stdin.write(manyFlows(flows));
    // The last octets are in the pipe, which stays open: all flows are in the table, and none has left.
    child.stdin.once('drain', () => {
      asked = performance.now();
      child.kill('SIGTERM');
    });
  });
  const took = performance.now() - asked;
  t.equal(outcome.code, 0);
  t.ok(took < 5000, `${Math.round(took)} ms`);
  const { meteredPackets, records } = metered(outcome) as { meteredPackets: number; records: number };
  t.ok(meteredPackets > 0.9 * flows);
  t.match(outcome.log.at(-1), { msg: 'exported', records });
});

t.test('nobody reads standard output any more: exit 0', async (t) => {
  const folder = new CaptureFolder(t);
  const file = folder.write('many.pcap', capture(20_000));
  const outcome = await weir(['read', file, '--json'], (child) => {
    child.stdout?.once('data', () => child.stdout?.destroy());
  });
  t.equal(outcome.code, 0);
  t.same(errors(outcome), []);
});

t.test(
  'standard output that cannot be written',
  {
    skip: process.platform === 'linux' ? false : 'there is no /dev/full',
  },
  async (t) => {
    const file = new CaptureFolder(t).write('good.pcap', capture(10));
    const argv = ['sh', '-c', 'exec "$@" > /dev/full', 'sh', process.execPath, MAIN, 'read', file, '--json'];
    const outcome = await execute(argv);
    t.equal(outcome.code, 1);
    t.match(errors(outcome)[0], /cannot write the output: .*ENOSPC/);
  },
);

t.test('a collector that does not resolve', async (t) => {
  const file = new CaptureFolder(t).write('good.pcap', capture(10));
  const good = await udpSink(t);
  const [absent, present] = ['ipfix://no-such-host.invalid', `ipfix://127.0.0.1:${good.port}`];
  const outcome = await read(file, '-c', absent, '-c', present);
  t.equal(outcome.code, 1);
  t.ok(outcome.milliseconds < 15_000, `${Math.round(outcome.milliseconds)} ms`);
  const about = (url: string) => outcome.log.filter(({ collector }) => collector === url);
  t.match(about(absent)[0], { level: 'warn', msg: /no-such-host\.invalid does not resolve/ });
  t.match(about(absent).at(-1), { msg: /not everything was sent/, records: 0 });
  const { notSentRecords } = about(absent).at(-1) as { notSentRecords: Record<string, number> };
  t.same(Object.values(notSentRecords), [10]);
  t.match(about(present).at(-1), { msg: 'exported', records: 10 });
});

t.test('IPv6 to NetFlow v5 is counted, and said once', async (t) => {
  const { port } = await udpSink(t);
  const addresses = { source: '2001:db8::1', destination: '2001:db8::2' };
  const folder = new CaptureFolder(t);
  const files = [folder.write('v4.pcap', capture(10)), folder.write('v6.pcap', capture(7, addresses))];
  const outcome = await read(...files, '-c', `netflow5://127.0.0.1:${port}`);
  t.equal(outcome.code, 0, 'what a format cannot carry is no failure');
  t.equal(outcome.log.filter(({ msg }) => /carries IPv4 only/.test(String(msg))).length, 1);
  t.match(outcome.log.at(-1), { records: 10, notSentRecords: { not_representable: 7 } });
});

t.test('run: an interface that does not exist', async (t) => {
  const outcome = await weir(['run', '-i', 'nosuch0', '--metrics', 'off']);
  t.equal(outcome.code, 1);
  t.match(errors(outcome), [/^There is no interface named nosuch0\..* There are: .*\blo\b/]);
});

t.test(
  'run: no permission',
  {
    skip: process.getuid?.() === 0 && !hasProgram('setpriv') ? 'no setpriv to give up root with' : false,
  },
  async (t) => {
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all'];
    const launcher = process.getuid?.() === 0 ? nobody : [];
    const outcome = await execute([
      ...launcher,
      process.execPath,
      MAIN,
      'run',
      '-i',
      'lo',
      '--metrics',
      'off',
    ]);
    t.equal(outcome.code, 1);
    t.match(errors(outcome), [/capability CAP_NET_RAW.*sudo setpriv .*--ambient-caps=-all,\+net_raw .*weir/]);
  },
);

/** A socket that takes what comes. */
async function udpSink(t: Test) {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { socket, port: socket.address().port };
}

/** A capture of so many flows of one packet, all at one time. */
function manyFlows(flows: number): Uint8Array {
  const writer = new PcapWriter();
  const bytes = ethernetFrame({ source: '10.0.0.1', destination: '10.0.0.2', protocol: 17 });
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < flows; i++) {
    view.setUint32(26, 0x0a00_0000 + i); // source address
    writer.write({ seconds: 1_700_000_000, nanoseconds: 0, bytes });
  }
  return writer.take();
}
