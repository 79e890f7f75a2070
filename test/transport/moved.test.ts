/**
 * A collector whose name moves to another address: to whoever is there, Weir is a new exporter. The exporter and the
 * transport are Weir's own, the sockets real, and each address has a decoder of its own.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { MessageFramer } from '../../src/collect/collector.ts';
import { MessageDecoder } from '../../src/collect/decode.ts';
import { Exporter } from '../../src/export/exporter.ts';
import type { Message } from '../../src/export/message.ts';
import { flowLayout } from '../../src/flow/flow-record.ts';
import type { ResolvedAddress } from '../../src/transport/resolve.ts';
import { TcpTransport } from '../../src/transport/tcp.ts';
import { UdpTransport } from '../../src/transport/udp.ts';
import { flowRecord } from '../export/export-rig.ts';
import { FakeClock, until } from './helpers.ts';

const OLD = '127.0.0.1';
const NEW = '127.0.0.2';
const LAYOUTS = [flowLayout(4, 'standard'), flowLayout(6, 'standard')] as const;

/** What arrives at one address. */
class Arrivals {
  readonly decoder = new MessageDecoder();
  records = 0;
  /** The sequence number of the first Message. */
  firstSequence: number | undefined;

  decode(bytes: Uint8Array, transport?: 'tcp'): void {
    this.firstSequence ??= new DataView(bytes.buffer, bytes.byteOffset).getUint32(
      bytes[1] === 9 ? 12 : 8, // RFC 3954 §5.1, RFC 7011 §3.1
    );
    const source = { address: OLD, port: 1, ...(transport === undefined ? {} : { transport }) };
    this.decoder.decode(bytes, source, { record: () => void this.records++, options: () => undefined });
  }
}

async function udpAt(t: Test, address: string, port: number) {
  const arrivals = new Arrivals();
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.on('message', (bytes) => arrivals.decode(bytes));
  socket.bind(port, address);
  await once(socket, 'listening');
  return { arrivals, port: socket.address().port, leave: async () => undefined };
}

async function tcpAt(t: Test, address: string, port: number) {
  const arrivals = new Arrivals();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const framer = new MessageFramer((bytes) => arrivals.decode(bytes, 'tcp'));
    socket.on('data', (octets) => void framer.push(octets));
    socket.on('error', () => {}); // resets are part of the play
  });
  const leave = async () => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.teardown(leave);
  server.listen(port, address);
  await once(server, 'listening');
  return { arrivals, port: (server.address() as AddressInfo).port, leave };
}

for (const [name, protocol, at] of [
  ['IPFIX over UDP', 'ipfix', udpAt],
  ['NetFlow v9', 'netflow9', udpAt],
  ['IPFIX over TCP', 'ipfix', tcpAt],
] as const) {
  t.test(`${name}: another address is a new Transport Session`, async (t) => {
    const old = await at(t, OLD, 0);
    const moved = await at(t, NEW, old.port);
    const clock = new FakeClock();
    let address = OLD;
    const options = {
      host: 'collector.example',
      port: old.port,
      lookup: async (): Promise<readonly ResolvedAddress[]> => [{ address, family: 4 }],
      clock,
      random: () => 0,
      onEvent: () => {},
    };
    const transport =
      at === tcpAt
        ? new TcpTransport<Message>(options)
        : new UdpTransport<Message>({ ...options, datagramsPerSecond: 0, burst: 0 });
    t.teardown(() => transport.stop());
    const exporter = new Exporter(
      {
        protocol,
        observationDomain: 1,
        messageOctets: 1452,
        templateRefreshMilliseconds: 0, // so that only a session brings templates
        templateRefreshMessages: 0,
        fields: 'standard',
        tcpControlBitsOctets: 2,
        layouts: LAYOUTS,
        bootMilliseconds: 1_700_000_000_000,
        clockMilliseconds: () => 1_700_000_100_000,
        refreshClockMilliseconds: () => 0,
        observed: () => ({
          interfaces: [],
          metering: {
            packetTotalCount: 0,
            octetTotalCount: 0,
            ignoredPacketTotalCount: 0,
            ignoredOctetTotalCount: 0,
            droppedPacketTotalCount: 0,
            observedFlowTotalCount: 0,
          },
        }),
        onNotice: () => {},
      },
      transport,
    );
    const send = () => {
      const times = { flowStartMilliseconds: 1_700_000_090_000, flowEndMilliseconds: 1_700_000_095_000 };
      for (let i = 0; i < 100; i++)
        exporter.record(flowRecord(LAYOUTS[i % 2]!, { packetDeltaCount: 1, octetDeltaCount: 40, ...times }));
      exporter.flush();
    };
    transport.start(exporter);
    send();
    await until('all has arrived', () => old.arrivals.records === 100);

    address = NEW;
    await old.leave(); // a connection stays where it is until it is lost; datagrams follow the name
    if (at === tcpAt) await until('the loss is seen', () => transport.state === 'failing');
    await clock.advance(60_000);
    await until('it has found the other address', () => transport.counters.sessions === 2);
    send();
    await until('all has arrived there', () => moved.arrivals.records === 100);
    t.equal(old.arrivals.firstSequence, 0);
    t.equal(moved.arrivals.firstSequence, 0, 'the sequence begins anew');
    for (const { decoder } of [old.arrivals, moved.arrivals]) {
      t.match(decoder.counters, { missingTemplate: 0, lostRecords: 0, lostPackets: 0, records: 100 });
    }
    t.equal(old.arrivals.records, 100, 'nothing more came to the old one');
    t.equal(exporter.sent.records, 200);
  });
}
