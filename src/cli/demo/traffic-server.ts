/** The lab's server: HTTP, DNS, and an echo for the stream, over IPv4 and IPv6. Runs until its parent has gone. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { DNS_TYPE_A, decodeQuery, encodeAnswer } from './dns.ts';
import { DNS_PORT, HTTP_PORT, STREAM_PORT, type WorkerMessage } from './traffic.ts';

/** The download: 16 KiB every 50 ms are some 230 packets a second and their acknowledgments. */
const DOWNLOAD_OCTETS = 8 * 1024 * 1024;
const PART_OCTETS = 16 * 1024;
const PART_MILLISECONDS = 50;

const tell = (message: WorkerMessage) => process.send?.(message);
process.once('disconnect', () => process.exit());

const http = createServer((request, response) => {
  if (request.url === '/download') return download(response);
  const octets = Number(request.url?.match(/^\/page\/(\d{1,6})$/)?.[1] ?? 0);
  response.setHeader('Content-Type', 'text/plain');
  response.end(Buffer.alloc(octets, 'weir '));
});
http.listen(HTTP_PORT, '::');

const dns = createSocket('udp6', (query, { address, port }) => {
  const question = decodeQuery(query);
  if (question === undefined)
    return tell({ kind: 'problem', text: `a DNS query from ${address} cannot be read` });
  const answer =
    question.type === DNS_TYPE_A
      ? [203, 0, 113, 7]
      : [0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(12).fill(7)];
  return dns.send(encodeAnswer(question, Uint8Array.from(answer)), port, address);
});
dns.bind(DNS_PORT);

const stream = createSocket('udp6', (datagram, { address, port }) => stream.send(datagram, port, address));
stream.bind(STREAM_PORT);

await Promise.all([once(http, 'listening'), once(dns, 'listening'), once(stream, 'listening')]);
tell({ kind: 'ready' });

/** Sends at an even pace, so that the router's load stays gentle. */
function download(response: ServerResponse): void {
  response.setHeader('Content-Length', DOWNLOAD_OCTETS);
  const part = Buffer.alloc(PART_OCTETS, 'weir ');
  let sent = 0;
  const timer = setInterval(() => {
    // What the client has not taken yet waits in the kernel; no more is added.
    if (response.writableNeedDrain) return;
    response.write(part);
    sent += PART_OCTETS;
    if (sent >= DOWNLOAD_OCTETS) response.end();
  }, PART_MILLISECONDS);
  response.once('finish', () => clearInterval(timer));
  response.once('close', () => clearInterval(timer));
}
