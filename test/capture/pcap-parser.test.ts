import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'pcap-parser';
import { test } from 'tap';
import { PcapWriter } from '../../src/capture/pcap-writer.ts';
import { CORPUS, corpusMissing } from '../support/corpus.ts';
import { hex } from '../support/octets.ts';
import { CaptureFolder, readCapture } from '../support/read-capture.ts';

/** What pcap-parser, an independent reader, finds of each packet: microseconds since 1970, length, octets. */
async function parsed(path: string): Promise<unknown[]> {
  const packets: unknown[] = [];
  const parser = parse(path);
  parser.on('packet', ({ header, data }) => {
    const microseconds = header.timestampSeconds * 1e6 + header.timestampMicroseconds;
    packets.push([microseconds, header.originalLength, hex(data)]);
  });
  await once(parser, 'end');
  return packets;
}

/** The same by Weir's reader. */
async function read(path: string): Promise<unknown[]> {
  const { records, error } = await readCapture({ path });
  if (error !== undefined) throw error;
  return records.map((r) => [r.seconds * 1e6 + r.nanoseconds / 1000, r.wireLength, r.captured]);
}

test('pcap-parser agrees on a generated file of either byte order', async (t) => {
  const folder = new CaptureFolder(t);
  for (const littleEndian of [true, false]) {
    const writer = new PcapWriter({ littleEndian });
    for (let i = 0; i < 2000; i++) {
      const bytes = Uint8Array.from({ length: (i * 37) % 1515 }, (_, n) => n + i);
      writer.write({
        seconds: 1_700_000_000 + i,
        nanoseconds: (i * 499_979_000) % 1e9,
        bytes,
        wireLength: 9000,
      });
    }
    const path = folder.write('x.pcap', writer.take());
    const packets = await parsed(path);
    t.equal(packets.length, 2000);
    t.same(await read(path), packets);
  }
});

test('pcap-parser agrees on every microsecond file of the corpus', { skip: corpusMissing }, async (t) => {
  let files = 0;
  let packets = 0;
  const differing: string[] = [];
  for (const name of readdirSync(CORPUS)) {
    const path = join(CORPUS, name);
    const file = await open(path);
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    await file.close();
    if (!['a1b2c3d4', 'd4c3b2a1'].includes(hex(buffer))) continue;
    const [theirs, ours] = [await parsed(path), await read(path)];
    files++;
    packets += theirs.length;
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) differing.push(name);
  }
  t.same(differing, []);
  t.ok(files > 700 && packets > 7000, `${packets} packets in ${files} files`);
});
