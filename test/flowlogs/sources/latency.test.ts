/**
 * A thousand small objects of a server that answers late: the waits overlap. It answers nobody until eight are
 * waiting, and then all after 20 ms, so that waits are counted, not timed; the times are said beside it.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { AwsClients } from '../../../src/aws/clients.ts';
import { decompressed } from '../../../src/flowlogs/sources/gunzip.ts';
import { S3Source } from '../../../src/flowlogs/sources/s3.ts';
import { MOTO_ENVIRONMENT } from '../../support/moto.ts';
import { HEADER } from './aws-bench.ts';

const OBJECTS = 1000;
const LATENCY_MILLISECONDS = 20;
const AT_A_TIME = 8;

/** As much of S3 as this needs: one page of a list, and the same body under every key. */
async function startS3(body: Buffer) {
  const waits = { count: 0 };
  let asked = 0;
  let waiting: ServerResponse[] = [];
  const server = createServer((incoming, outgoing) => {
    if (incoming.url!.includes('list-type')) {
      const objects = Array.from(
        { length: OBJECTS },
        (_, i) =>
          `<Contents><Key>x/${String(i).padStart(4, '0')}.log.gz</Key><Size>${body.length}</Size>` +
          '<LastModified>2026-11-26T00:00:00.000Z</LastModified></Contents>',
      );
      const isFolder = incoming.url!.includes('prefix=x%2F');
      outgoing.end(
        '<ListBucketResult><IsTruncated>false</IsTruncated>' +
          `${isFolder ? objects.join('') : '<CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes>'}</ListBucketResult>`,
      );
      return;
    }
    waiting.push(outgoing);
    if (++asked < OBJECTS && waiting.length < AT_A_TIME) return;
    const together = waiting;
    waiting = [];
    waits.count++;
    setTimeout(() => {
      for (const answer of together) answer.end(body);
    }, LATENCY_MILLISECONDS);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, waits, server };
}

t.test('the waits for a thousand objects overlap', async (t) => {
  Object.assign(process.env, MOTO_ENVIRONMENT);
  const line = (i: number): string =>
    `2 123456789012 eni-0${(i * 2654435761) >>> 0} 10.0.${i & 255}.1 10.1.2.3 ${i} 443 6 ${i} ${i * 77} 1700000000 1700000060 ACCEPT OK\n`;
  const body = gzipSync(HEADER + Array.from({ length: 3000 }, (_, i) => line(i)).join(''));
  const s3 = await startS3(body);
  const clients = new AwsClients({ endpoint: s3.endpoint });
  t.teardown(async () => {
    await clients.close();
    s3.server.closeAllConnections();
    s3.server.close();
  });

  const read = async (chunks: AsyncIterable<Uint8Array>): Promise<number> => {
    let octets = 0;
    for await (const chunk of chunks) octets += chunk.length;
    return octets;
  };
  const begun = performance.now();
  let octets = 0;
  for (let i = 0; i < OBJECTS; i++) octets += await read(decompressed(() => [body]));
  const decompression = performance.now() - begun;

  const source = new S3Source({ url: 's3://logs/x', clients, clock: Date.now });
  const from = performance.now();
  let objects = 0;
  let sum = 0;
  for await (const object of source.objects(new AbortController().signal)) {
    if (object.content.kind === 'text') sum += await read(object.content.chunks());
    objects++;
    await source.exported(object);
  }
  const elapsed = performance.now() - from;
  t.equal(objects, OBJECTS);
  t.equal(sum, octets);
  t.equal(s3.waits.count, OBJECTS / AT_A_TIME, 'one wait for eight objects');
  t.comment(
    `${OBJECTS} objects of ${body.length} octets, each ${LATENCY_MILLISECONDS} ms late: ${(elapsed / 1000).toFixed(2)} s; ` +
      `one after the other the waits alone are ${(OBJECTS * LATENCY_MILLISECONDS) / 1000} s; ` +
      `decompression alone ${(decompression / 1000).toFixed(2)} s`,
  );
});
