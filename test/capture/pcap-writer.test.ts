import { execFile } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'tap';
import { type CaptureRecord, PcapngWriter, PcapWriter } from '../../src/capture/pcap-writer.ts';
import { hex, octets } from '../support/octets.ts';
import { hasProgram } from '../support/programs.ts';
import { CaptureFolder, readCapture } from '../support/read-capture.ts';

const RECORDS: readonly CaptureRecord[] = [
  { seconds: 1_700_000_000, nanoseconds: 123_456_789, bytes: octets('0102030405') },
  { seconds: 1_700_000_001, nanoseconds: 0, bytes: octets(''), wireLength: 60 },
  { seconds: 4_294_967_295, nanoseconds: 999_999_999, bytes: octets('ff'.repeat(1500)), wireLength: 9000 },
];

/** What a reader must find in a file of RECORDS. */
const expected = (linkType: number, ingressInterface: number, nanosecondsPerUnit: number) =>
  RECORDS.map(({ seconds, nanoseconds, bytes, wireLength }) => ({
    linkType,
    ingressInterface,
    seconds,
    nanoseconds: nanoseconds - (nanoseconds % nanosecondsPerUnit),
    wireLength: wireLength ?? bytes.length,
    captured: hex(bytes),
  }));

test('what the writers wrote, the reader reads', async (t) => {
  const folder = new CaptureFolder(t);
  for (const littleEndian of [true, false]) {
    const micro = new PcapWriter({ littleEndian, linkType: 276 });
    const nano = new PcapWriter({ littleEndian, resolution: 'nanoseconds' });
    const next = new PcapngWriter({ littleEndian });
    const [eth0, cooked] = [
      next.addInterface({ name: 'eth0' }),
      next.addInterface({ linkType: 113, snapLength: 64 }),
    ];
    for (const record of RECORDS) {
      micro.write(record);
      nano.write(record);
      next.write(cooked, record);
    }
    t.same((await folder.read(micro.take())).records, expected(276, 0, 1000));
    t.same((await folder.read(nano.take())).records, expected(1, 0, 1));
    const { records, interfaces } = await folder.read(next.take());
    t.same(records, expected(113, 2, 1));
    t.same(
      interfaces.map(({ index, name }) => [index, name]),
      [
        [eth0 + 1, 'eth0'],
        [cooked + 1, 'interface 1'],
      ],
    );
  }
});

test('a descriptor gets the same octets as the memory', async (t) => {
  const folder = new CaptureFolder(t);
  const record = { seconds: 1_700_000_000, nanoseconds: 0, bytes: new Uint8Array(1401).fill(0x5a) };
  const writers = [
    (options: { fd?: number }) => {
      const writer = new PcapWriter(options);
      return { writer, write: () => writer.write(record) };
    },
    (options: { fd?: number }) => {
      const writer = new PcapngWriter(options);
      const eth0 = writer.addInterface({ name: 'eth0' });
      return { writer, write: () => writer.write(eth0, record) };
    },
  ];
  for (const create of writers) {
    const path = join(folder.path, 'x');
    const fd = openSync(path, 'w');
    const toFile = create({ fd });
    const inMemory = create({});
    for (let i = 0; i < 2000; i++) {
      toFile.write(); // 2.8 MB: flushed on the way, its memory used again
      inMemory.write();
    }
    toFile.writer.flush();
    closeSync(fd);
    t.ok(readFileSync(path).equals(inMemory.writer.take()));
    t.equal((await readCapture({ path })).records.length, 2000);
    t.throws(() => inMemory.writer.flush(), { message: 'flush: this writer was made without a descriptor' });
  }
});

test('tshark reads what the writers wrote', {
  skip: hasProgram('tshark') ? false : 'tshark is not installed (apt-get install tshark)',
}, async (t) => {
  const folder = new CaptureFolder(t);
  const pcap = new PcapWriter({ resolution: 'nanoseconds' });
  const pcapng = new PcapngWriter();
  const eth0 = pcapng.addInterface({ name: 'eth0' });
  for (const record of RECORDS) {
    pcap.write(record);
    pcapng.write(eth0, record);
  }
  const fields = ['frame.time_epoch', 'frame.len', 'frame.cap_len', 'frame.interface_name'].flatMap((f) => [
    '-e',
    f,
  ]);
  for (const [bytes, name] of [
    [pcap.take(), ''],
    [pcapng.take(), 'eth0'],
  ] as const) {
    const path = folder.write('written', bytes);
    const { stdout } = await promisify(execFile)('tshark', ['-r', path, '-T', 'fields', ...fields], {
      timeout: 30_000,
    });
    t.same(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.trimEnd()),
      [
        `1700000000.123456789\t5\t5\t${name}`.trimEnd(),
        `1700000001.000000000\t60\t0\t${name}`.trimEnd(),
        `4294967295.999999999\t9000\t1500\t${name}`.trimEnd(),
      ],
    );
  }
});
