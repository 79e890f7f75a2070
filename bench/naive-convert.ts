/**
 * naive-convert FILE PORT: the straightforward converter that the benchmark puts beside Weir, in the manner of those that
 * are in use: readline, split, an object a line, Buffer.writeUInt…, dgram. Standard output: what it found.
 *
 * It is right about what the benchmark's own logs hold (IPv4, counters of 32 bits, no SKIPDATA), and does nothing more:
 * no split of counters, no check of a field, one boot instant.
 */
import { createSocket } from 'node:dgram';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';

interface Flow {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  readonly packets: number;
  readonly octets: number;
  readonly startMilliseconds: number;
  readonly endMilliseconds: number;
  readonly input: number;
}

const RECORDS_PER_DATAGRAM = 30;
const [path = '', port = ''] = process.argv.slice(2);
const socket = createSocket('udp4');
const interfaces = new Map<string, number>();
let sequence = 0;

function interfaceNumber(id: string): number {
  let number = interfaces.get(id);
  if (number === undefined) {
    number = interfaces.size + 1;
    interfaces.set(id, number);
  }
  return number;
}

function parse(line: string): Flow | undefined {
  const [
    ,
    ,
    id,
    source,
    destination,
    sourcePort,
    destinationPort,
    protocol,
    packets,
    octets,
    start,
    end,
    ,
    status,
  ] = line.split(' ');
  if (status !== 'OK') return undefined;
  return {
    source: source!,
    destination: destination!,
    sourcePort: Number(sourcePort),
    destinationPort: Number(destinationPort),
    protocol: Number(protocol),
    packets: Number(packets),
    octets: Number(octets),
    startMilliseconds: Number(start) * 1000,
    endMilliseconds: Number(end) * 1000,
    input: interfaceNumber(id!),
  };
}

function writeAddress(datagram: Buffer, address: string, at: number): void {
  for (const [i, octet] of address.split('.').entries()) datagram.writeUInt8(Number(octet), at + i);
}

function encode(flows: readonly Flow[]): Buffer {
  const datagram = Buffer.alloc(24 + 48 * flows.length);
  const bootMilliseconds = Math.min(...flows.map(({ startMilliseconds }) => startMilliseconds)) - 1;
  const nowMilliseconds = Math.max(...flows.map(({ endMilliseconds }) => endMilliseconds));
  datagram.writeUInt16BE(5, 0);
  datagram.writeUInt16BE(flows.length, 2);
  datagram.writeUInt32BE(nowMilliseconds - bootMilliseconds, 4);
  datagram.writeUInt32BE(Math.floor(nowMilliseconds / 1000), 8);
  datagram.writeUInt32BE(sequence, 16);
  for (const [i, flow] of flows.entries()) {
    const at = 24 + 48 * i;
    writeAddress(datagram, flow.source, at);
    writeAddress(datagram, flow.destination, at + 4);
    datagram.writeUInt16BE(flow.input, at + 12);
    datagram.writeUInt32BE(flow.packets, at + 16);
    datagram.writeUInt32BE(flow.octets, at + 20);
    datagram.writeUInt32BE(flow.startMilliseconds - bootMilliseconds, at + 24);
    datagram.writeUInt32BE(flow.endMilliseconds - bootMilliseconds, at + 28);
    datagram.writeUInt16BE(flow.sourcePort, at + 32);
    datagram.writeUInt16BE(flow.destinationPort, at + 34);
    datagram.writeUInt8(flow.protocol, at + 38);
  }
  sequence += flows.length;
  return datagram;
}

function send(datagram: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(datagram, Number(port), '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
  });
}

const file = createReadStream(path);
const input = path.endsWith('.gz') ? file.pipe(createGunzip()) : file;
let isHeader = true;
let waiting: Flow[] = [];
for await (const line of createInterface({ input })) {
  const flow = isHeader ? undefined : parse(line);
  isHeader = false;
  if (flow === undefined) continue;
  waiting.push(flow);
  if (waiting.length < RECORDS_PER_DATAGRAM) continue;
  await send(encode(waiting));
  waiting = [];
}
if (waiting.length > 0) await send(encode(waiting));
socket.close();
process.stdout.write(`${JSON.stringify({ records: sequence })}\n`);
