/** `weir convert --exporter per-interface`, across a router: each interface is a device of its own to the collector. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Test, test } from 'tap';
import type { LabNamespace } from '../../src/cli/demo/lab.ts';
import { loadRawSocket, openRawSocket } from '../../src/transport/raw-socket.ts';
import { missing } from '../interop/peers.ts';
import { labFor, noLiveCapture, Program } from './program.ts';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../../bundle/weir/main.js', import.meta.url));
const PORT = 2055;
const RECORDS = 300;
const INTERFACES = ['172.31.0.11', '172.31.0.12', '172.31.9.200'];

const noRawSocket = await (async (): Promise<string | false> => {
  try {
    openRawSocket(await loadRawSocket(), 4).close();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
})();
const skip =
  noLiveCapture ||
  noRawSocket ||
  missing({ nfcapd: 'nfdump', nfdump: 'nfdump', tshark: 'tshark', tcpdump: 'tcpdump' });

/** Three interfaces, in turn: two of three records are accepted. The format has no direction: peers tell the address. */
function flowLog(): string {
  const lines = [
    'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status',
  ];
  for (let i = 0; i < RECORDS * INTERFACES.length; i++) {
    const which = i % INTERFACES.length;
    const own = INTERFACES[which];
    const peer = `198.51.100.${1 + (i % 200)}`;
    const ends = i % 2 === 0 ? `${own} ${peer}` : `${peer} ${own}`;
    const action = Math.floor(i / 3) % 3 === 0 ? 'REJECT' : 'ACCEPT';
    lines.push(
      `2 123456789010 eni-${which} ${ends} ${1024 + i} 443 6 2 ${100 + i} 1780000000 1780000060 ${action} OK`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Starts a program, and waits until it says that it is ready. */
async function started(namespace: LabNamespace, argv: readonly string[], ready: RegExp): Promise<Program> {
  const program = new Program(namespace, argv);
  await program.until(`${argv[0]} to be ready`, ({ lines, log }) =>
    [...lines, ...log].some(({ text }) => ready.test(text ?? '')),
  );
  return program;
}

/** Converts the log in the client's namespace, to a collector in the server's; what crossed the wire there. */
async function convertAcross(t: Test, url: (server: string) => string) {
  const lab = await labFor(t);
  const folder = t.testdir({ sources: {}, 'flow.log': flowLog() });
  mkdirSync(join(folder, 'sources'), { recursive: true });
  const capture = join(folder, 'wire.pcap');
  const dump = await started(
    lab.server,
    // To the disk as it comes, and as the user that made the folder.
    ['tcpdump', '-U', '-Z', 'root', '-i', 'eth0', '-w', capture, 'udp', 'port', String(PORT)],
    /listening on/,
  );
  const nfcapd = await started(
    lab.server,
    ['nfcapd', '-M', join(folder, 'sources'), '-p', String(PORT), '-b', lab.addresses.server.ipv4],
    /Startup nfcapd|Startup/,
  );
  const weir = new Program(lab.client, [
    process.execPath,
    MAIN,
    'convert',
    join(folder, 'flow.log'),
    ...['--exporter', 'per-interface', '-c', url(lab.addresses.server.ipv4)],
  ]);
  t.equal(await weir.closed, 0, JSON.stringify(weir.log));
  const { messages } = weir.log.find(({ msg }) => msg === 'exported') as { messages: number };
  const datagrams = await whenComplete(capture, messages);
  await dump.end('SIGTERM');
  await nfcapd.end('SIGTERM');
  return { weir, datagrams, folder, nfcapd };
}

interface Datagram {
  readonly source: string;
  readonly engine: string;
  readonly sequence: number;
  readonly flows: number;
  readonly checksums: string;
  readonly hasTemplates: boolean;
}

/** What tshark reads of a capture that grows, when so many datagrams are in it. */
async function whenComplete(capture: string, messages: number): Promise<Datagram[]> {
  for (;;) {
    const fields = [
      'ip.src',
      'cflow.engine_id',
      'cflow.sequence',
      'cflow.count',
      'ip.checksum.status',
      'udp.checksum.status',
      'cflow.template_id',
    ];
    const checks = ['ip.check_checksum:TRUE', 'udp.check_checksum:TRUE'].flatMap((each) => ['-o', each]);
    const { stdout } = await run(
      'tshark',
      [
        '-r',
        capture,
        ...checks,
        '-d',
        `udp.port==${PORT},cflow`,
        '-T',
        'fields',
        ...fields.flatMap((each) => ['-e', each]),
      ],
      { maxBuffer: 64 * 1024 * 1024 },
    ).catch((error: { stdout: string }) => error); // cut in the middle of a packet, as yet
    const datagrams = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [source = '', engine = '', sequence, flows, ip, udp, templates] = line.split('\t');
        return {
          source,
          engine,
          sequence: Number(sequence),
          flows: Number(flows),
          checksums: `${ip} ${udp}`,
          hasTemplates: templates !== '',
        };
      });
    if (datagrams.length >= messages) return datagrams;
  }
}

test('NetFlow v5: a device an interface, a sequence an engine, checksums that hold', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { weir, datagrams, folder, nfcapd } = await convertAcross(
    t,
    (server) => `netflow5://${server}:${PORT}`,
  );
  t.match(
    weir.log.find(({ msg }) => msg?.startsWith('datagrams leave with')),
    {
      msg: /on EC2 .* source\/destination check is off/,
    },
  );
  t.match(
    weir.log.find(({ msg }) => msg === 'exported'),
    { records: RECORDS * INTERFACES.length },
  );
  t.same(new Set(datagrams.map(({ checksums }) => checksums)), new Set(['1 1']), '1: good');
  t.same(new Set(datagrams.map(({ source }) => source)), new Set(INTERFACES));
  for (const source of INTERFACES) {
    for (const [engine, records] of [
      ['1', (RECORDS * 2) / 3],
      ['2', RECORDS / 3],
    ] as const) {
      const mine = datagrams.filter((each) => each.source === source && each.engine === engine);
      let next = 0;
      for (const { sequence, flows } of mine) {
        t.equal(sequence, next, `${source}, engine ${engine}`);
        next += flows;
      }
      t.equal(next, records);
    }
  }
  await agreesNfcapd(t, folder, nfcapd);
});

for (const protocol of ['netflow9', 'ipfix'] as const) {
  test(`${protocol}: a device an interface, each with templates and a sequence of its own`, {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const { weir, datagrams, folder, nfcapd } = await convertAcross(
      t,
      (server) => `${protocol}://${server}:${PORT}?mtu=600`,
    );
    t.match(
      weir.log.find(({ msg }) => msg === 'exported'),
      { records: RECORDS * INTERFACES.length },
    );
    t.same(new Set(datagrams.map(({ checksums }) => checksums)), new Set(['1 1']), '1: good');
    t.same(new Set(datagrams.map(({ source }) => source)), new Set(INTERFACES));
    for (const source of INTERFACES) {
      const mine = datagrams.filter((each) => each.source === source);
      t.ok(mine.length > 20, `${mine.length} datagrams`);
      t.ok(mine[0]!.hasTemplates, 'templates before data');
      // v9 counts datagrams; IPFIX the records of data before, of which tshark counts none here.
      const sequences = mine.map(({ sequence }) => sequence);
      if (protocol === 'netflow9') t.same(sequences, [...sequences.keys()], source);
      else
        t.same(
          sequences,
          [...sequences].sort((a, b) => a - b),
          source,
        );
    }
    await agreesNfcapd(t, folder, nfcapd);
  });
}

/** What nfcapd has kept: a folder a device, all of its records, no gap in a sequence. */
async function agreesNfcapd(t: Test, folder: string, nfcapd: Program): Promise<void> {
  const folders = readdirSync(join(folder, 'sources')).sort();
  t.equal(folders.length, INTERFACES.length, `nfcapd tells the devices apart: ${folders.join(', ')}`);
  for (const each of folders) {
    const { stdout } = await run('nfdump', [
      '-R',
      join(folder, 'sources', each),
      '-q',
      '-o',
      'fmt:%sap %dap %byt %ra',
    ]);
    const lines = stdout.split('\n').filter((line) => line.trim() !== '');
    t.equal(lines.length, RECORDS, each);
    const routers = new Set(lines.map((line) => line.trim().split(/\s+/).at(-1)));
    t.equal(routers.size, 1);
    t.ok(INTERFACES.includes([...routers][0]!), `nfdump's router address: ${[...routers][0]}`);
  }
  const said = nfcapd.log
    .map(({ text }) => text)
    .filter((text) => /equence failures?: [^0]/i.test(text ?? ''));
  t.same(said, [], 'nfcapd misses nothing');
}

test('without the right to raw sockets it says which', { skip, timeout: 60_000 }, async (t) => {
  const folder = t.testdir({ 'flow.log': flowLog() });
  writeFileSync(join(folder, 'none'), '');
  const argv = [
    'setpriv',
    '--bounding-set=-net_raw',
    '--inh-caps=-net_raw',
    process.execPath,
    MAIN,
    'convert',
  ];
  const weir = new Program(undefined, [
    ...argv,
    join(folder, 'flow.log'),
    ...['--exporter', 'per-interface', '-c', 'netflow5://127.0.0.1'],
  ]);
  t.equal(await weir.closed, 1);
  t.match(weir.log.at(-1), {
    level: 'error',
    msg: /^--exporter per-interface: a raw socket takes the capability CAP_NET_RAW/,
  });
});
