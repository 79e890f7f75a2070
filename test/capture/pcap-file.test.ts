import { execFileSync } from 'node:child_process';
import { mkdirSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { CaptureFileError, PcapFileSource } from '../../src/capture/pcap-file.ts';
import { octets } from '../support/octets.ts';
import { CaptureFolder, Keeper, readCapture } from '../support/read-capture.ts';

/** One record each: at 1 700 000 000 s and a fraction, aabbcc captured of 60 octets. */
const FORMATS: readonly [name: string, bytes: string, nanoseconds: number, linkType: number][] = [
  [
    'big-endian, microseconds',
    `a1b2c3d4 0002 0004 00000000 00000000 00040000 00000001 # magic, 2.4, zone, accuracy, snap length, Ethernet
     6553f100 000f423f 00000003 0000003c aabbcc             # 999 999 µs`,
    999_999_000,
    1,
  ],
  [
    'little-endian, microseconds',
    `d4c3b2a1 0200 0400 00000000 00000000 00000400 14010000 # Linux cooked v2
     00f15365 01000000 03000000 3c000000 aabbcc`,
    1000,
    276,
  ],
  [
    'big-endian, nanoseconds',
    `a1b23c4d 0002 0004 00000000 00000000 00040000 00000001
     6553f100 3b9ac9ff 00000003 0000003c aabbcc`,
    999_999_999,
    1,
  ],
  [
    'little-endian, nanoseconds; frame check sequence and reserved bits above the link type',
    `4d3cb2a1 0200 0400 00000000 00000000 00000400 710000f4
     00f15365 15cd5b07 03000000 3c000000 aabbcc`,
    123_456_789,
    113,
  ],
  [
    'modified: an interface index, a protocol and a packet type in each record header',
    `34cdb2a1 0200 0400 00000000 00000000 00000400 65000000
     00f15365 01000000 03000000 3c000000 02000000 0800 00 00 aabbcc`,
    1000,
    101,
  ],
  [
    'microseconds beyond a second are carried over',
    `a1b2c3d4 0002 0004 00000000 00000000 00040000 00000001
     6553f0fe 001e8481 00000003 0000003c aabbcc             # 2 000 001 µs`,
    1000,
    1,
  ],
];

test('every variant of classic pcap', async (t) => {
  const folder = new CaptureFolder(t);
  for (const [name, bytes, nanoseconds, linkType] of FORMATS) {
    const { records, error, interfaces } = await folder.read(octets(bytes));
    t.same(
      { records, error, interfaces },
      {
        records: [
          {
            linkType,
            ingressInterface: 0,
            seconds: 1_700_000_000,
            nanoseconds,
            wireLength: 60,
            captured: 'aabbcc',
          },
        ],
        error: undefined,
        interfaces: [],
      },
      name,
    );
  }
});

/** Little-endian, microseconds; `count` records of four octets, 20 octets each. */
function capture(count: number): Uint8Array {
  const records = '00f15365 00000000 04000000 04000000 01020304'.repeat(count);
  return octets(`d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000 ${records}`);
}

test('records of a chunk come in one batch, and the event loop runs between chunks', async (t) => {
  const path = new CaptureFolder(t).write('x.pcap', capture(30));
  const source = new PcapFileSource({ path, chunkOctets: 24 + 10 * 20 });
  const events: string[] = [];
  class Batches extends Keeper {
    override beginBatch(): void {
      super.beginBatch();
      setImmediate(() => events.push('loop'));
    }
    override endBatch(): undefined {
      super.endBatch();
      events.push(`${this.records.length} frames, ${source.octetsRead} octets`);
    }
  }
  await source.start(new Batches());
  t.equal(source.capturing, true);
  t.equal(source.octetsTotal, 624);
  await source.finished;
  t.same(events, [
    '10 frames, 224 octets',
    'loop',
    '21 frames, 448 octets',
    'loop',
    '30 frames, 624 octets',
    'loop',
  ]);
});

test('a receiver whose way out is congested is waited for', async (t) => {
  const path = new CaptureFolder(t).write('x.pcap', capture(20));
  let congested = false;
  let release: () => void = () => {};
  class Congested extends Keeper {
    override beginBatch(): void {
      t.equal(congested, false, 'no batch while the one before it is waited for');
      super.beginBatch();
    }
    override endBatch(): Promise<void> {
      super.endBatch();
      congested = true;
      setTimeout(() => release(), 5);
      return new Promise((resolve) => {
        release = () => {
          congested = false;
          resolve();
        };
      });
    }
  }
  const source = new PcapFileSource({ path, chunkOctets: 224 });
  const receiver = new Congested();
  await source.start(receiver);
  await source.finished;
  t.match({ frames: receiver.records.length, batches: receiver.batches }, { frames: 20, batches: 2 });
});

test('stop ends after the chunk being read', async (t) => {
  const path = new CaptureFolder(t).write('x.pcap', capture(30));
  const source = new PcapFileSource({ path, chunkOctets: 24 + 5 * 20 + 7 });
  let stopped: Promise<void> | undefined;
  class Stopping extends Keeper {
    override endBatch(): undefined {
      super.endBatch();
      stopped = source.stop();
    }
  }
  const receiver = new Stopping();
  await source.start(receiver);
  await source.finished;
  await stopped;
  t.equal(receiver.records.length, 5, 'and the record that the chunk cuts is no error');
  t.equal(source.capturing, false);
  await source.stop();

  const never = new PcapFileSource({ path });
  await never.stop();
  await never.finished;
  await never.start(receiver);
  t.equal(receiver.records.length, 5, 'a source that was stopped does not start');
});

test('a pipe is read as its octets come, and left at once when stopped', { timeout: 20_000 }, async (t) => {
  const folder = new CaptureFolder(t);
  const path = join(folder.path, 'fifo');
  execFileSync('mkfifo', [path]);
  let arrived: () => void = () => {};
  class Signalling extends Keeper {
    override endBatch(): undefined {
      super.endBatch();
      arrived();
    }
  }
  const receiver = new Signalling();
  const source = new PcapFileSource({ path });
  const started = source.start(receiver);
  const writer = await open(path, 'w');
  const bytes = capture(3);
  const first = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  await writer.write(bytes.subarray(0, 50)); // the first record, and a piece of the second
  await started;
  await first;
  t.equal(receiver.records.length, 1, 'the first record does not wait for more');
  t.equal(source.octetsTotal, undefined);
  const second = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  await writer.write(bytes.subarray(50, 70));
  await second;
  t.equal(receiver.records.length, 2);
  // By then the source waits for more of the third record, which its end must not call truncated.
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  await source.stop();
  await source.finished;
  await writer.close();

  const idle = new PcapFileSource({ path });
  const starting = idle.start(receiver);
  await idle.stop();
  await starting;
  await idle.finished;
  t.equal(idle.capturing, false, 'stopped before its first octet');
});

test('a pipe that is closed within a record is truncated', { timeout: 20_000 }, async (t) => {
  const path = join(new CaptureFolder(t).path, 'fifo');
  execFileSync('mkfifo', [path]);
  const reading = readCapture({ path, chunkOctets: 16 });
  const writer = await open(path, 'w');
  await writer.write(capture(2).subarray(0, 63));
  await writer.close();
  const { records, error } = await reading;
  t.equal(records.length, 1);
  t.equal(error?.message, `${path}: truncated at octet 44: a record of 20 octets begins, 19 are there`);
});

test('what cannot be opened, or is no capture, says what to do', async (t) => {
  const folder = new CaptureFolder(t);
  mkdirSync(join(folder.path, 'folder'));
  const zero = '00'.repeat(30);
  const files: readonly [path: string, message: string][] = [
    [join(folder.path, 'folder'), 'is a directory: name the capture files in it'],
    [join(folder.path, 'none.pcap'), 'no such file'],
    [folder.write('empty', octets('')), 'at octet 0: the file is empty: not even a capture header is there'],
    ['/dev/null', 'at octet 0: the file is empty: not even a capture header is there'],
    [
      folder.write('text', octets('68656c6c6f0a')),
      'at octet 0: no capture file begins with 68656c6c; expected pcap (d4c3b2a1, a1b2c3d4; 4d3cb2a1, a1b23c4d ' +
        'with nanoseconds) or pcapng (0a0d0d0a). Other formats: editcap -F pcapng IN OUT converts them',
    ],
    [
      folder.write('x.gz', octets(`1f8b08 ${zero}`)),
      `at octet 0: compressed with gzip; unpack it: gunzip -c ${folder.path}/x.gz | weir read -`,
    ],
    [
      folder.write('x.zst', octets(`28b52ffd ${zero}`)),
      `at octet 0: compressed with zstd; unpack it: zstd -dc ${folder.path}/x.zst | weir read -`,
    ],
    [
      folder.write('old', octets(`a1b2c3d4 0002 0003 ${zero}`)),
      'at octet 4: pcap version 2.3, where Weir reads 2.4; editcap -F pcapng IN OUT may convert it',
    ],
  ];
  for (const [path, message] of files) {
    const { records, error } = await readCapture({ path });
    t.same(records, []);
    t.equal(error?.message, `${path}: ${message}`);
    t.equal(error?.path, path);
  }
  const fd = openSync(join(folder.path, 'x.gz'), 'r');
  const { error } = await readCapture({ path: '-', fd });
  t.equal(
    error?.message,
    'standard input: at octet 0: compressed with gzip; unpack it: gunzip -c x.gz | weir read -',
  );
});

test('an error of a file that nobody waits for does not end the process', async (t) => {
  const path = new CaptureFolder(t).write('x.pcap', capture(2).subarray(0, 50));
  const source = new PcapFileSource({ path });
  await source.start(new Keeper());
  await new Promise((resolve) => setTimeout(resolve, 10)); // an unhandled rejection would have failed this test
  await t.rejects(source.finished, CaptureFileError);
});
