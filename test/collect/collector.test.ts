import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { MessageFramer, TcpCollector, UdpCollector } from '../../src/collect/collector.ts';
import { MessageDecoder } from '../../src/collect/decode.ts';
import { ipfix } from './octets.ts';

const TEMPLATE = '00 02 00 0c 01 00 00 01 00 07 00 02\n';
const ONE = '01 00 00 06 00 50\n';

/** Options for a collector on loopback, and how to wait for records. */
function setUp() {
  const decoder = new MessageDecoder();
  let wanted = Number.POSITIVE_INFINITY;
  let reached = () => {};
  const receiver = {
    record: () => {
      if (decoder.counters.records >= wanted) reached();
    },
    options: () => {},
  };
  const records = (count: number) =>
    new Promise<void>((resolve) => {
      wanted = count;
      reached = resolve;
      if (decoder.counters.records >= count) resolve();
    });
  return { decoder, records, options: { address: '127.0.0.1', port: 0, decoder, receiver } };
}

t.test('UDP: what the kernel has received when the collector stops still counts', async (t) => {
  const { decoder, options } = setUp();
  const collector = new UdpCollector(options);
  const { address, port } = await collector.start();
  t.equal(address, '127.0.0.1');
  const sender = createSocket('udp4');
  t.teardown(() => sender.close());
  sender.connect(port, address);
  await once(sender, 'connect');
  const sizes = [ipfix(0, TEMPLATE), ...Array.from({ length: 200 }, (_, index) => ipfix(index, ONE))].map(
    (message) => {
      sender.send(message);
      return message.length;
    },
  );
  t.equal(collector.counters.datagrams, 0, 'nothing has been read yet');
  await collector.stop();
  await collector.stop();
  t.same(collector.counters, { datagrams: 201, octets: sizes.reduce((sum, size) => sum + size, 0) });
  t.equal(decoder.counters.records, 200);
  t.equal(decoder.counters.lostRecords, 0);
});

t.test('a port that is taken', async (t) => {
  const { options } = setUp();
  for (const Collector of [UdpCollector, TcpCollector]) {
    const first = new Collector(options);
    const { port } = await first.start();
    t.teardown(() => first.stop());
    await t.rejects(new Collector({ ...options, port }).start(), { code: 'EADDRINUSE' });
  }
});

const hasIPv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);

t.test('IPv6', { skip: hasIPv6 ? false : 'this machine has no address ::1' }, async (t) => {
  const { decoder, records, options } = setUp();
  const collector = new UdpCollector({ ...options, address: '::1' });
  const { port } = await collector.start();
  const sender = createSocket('udp6');
  t.teardown(() => sender.close());
  sender.send(ipfix(0, TEMPLATE + ONE), port, '::1');
  await records(1);
  t.equal(decoder.counters.records, 1);
  await collector.stop();
});

t.test('framing: messages whole, however the stream is cut', async (t) => {
  const stream = Buffer.concat([ipfix(0, TEMPLATE + ONE), ipfix(1, ''), ipfix(1, ONE.repeat(20))]);
  const whole: string[] = [];
  new MessageFramer((bytes) => whole.push(Buffer.from(bytes).toString('hex'))).push(stream);
  t.equal(whole.length, 3);
  t.equal(whole.join(''), stream.toString('hex'));
  for (let cut = 0; cut <= stream.length; cut++) {
    const messages: string[] = [];
    const framer = new MessageFramer((bytes) => messages.push(Buffer.from(bytes).toString('hex')));
    t.ok(framer.push(stream.subarray(0, cut)));
    t.ok(framer.push(stream.subarray(cut)));
    t.same(messages, whole);
    t.equal(framer.rest.length, 0);
  }
});

async function connectTo(t: Test, port: number) {
  const client = connect(port, '127.0.0.1');
  t.teardown(() => client.destroy());
  await once(client, 'connect');
  client.setNoDelay(true);
  return client;
}

t.test('TCP: a session has its own Templates, and takes them with it', async (t) => {
  const { decoder, records, options } = setUp();
  const collector = new TcpCollector(options);
  const { port } = await collector.start();
  t.teardown(() => collector.stop());
  const client = await connectTo(t, port);
  const bytes = Buffer.concat([ipfix(0, TEMPLATE + ONE), ipfix(1, ONE)]);
  for (const octet of bytes) client.write(Uint8Array.of(octet));
  await records(2);
  t.equal(decoder.store.size, 1);
  t.same([collector.counters.connections, collector.counters.messages, collector.open], [1, 2, 1]);
  client.end();
  await once(client, 'close');
  while (collector.open > 0) await nextTurn();
  t.equal(decoder.store.size, 0);
  t.same(decoder.counters.malformed.bad_message_length, 0);
});

t.test('TCP: what is no IPFIX ends the connection; the next one is served', async (t) => {
  const { decoder, records, options } = setUp();
  const collector = new TcpCollector(options);
  const { port } = await collector.start();
  t.teardown(() => collector.stop());

  const netflow = await connectTo(t, port);
  netflow.resume();
  netflow.write(Uint8Array.of(0, 9, 0, 1, 0, 0, 0, 0));
  await once(netflow, 'close');
  t.equal(decoder.counters.malformed.not_ipfix, 1);

  const short = await connectTo(t, port);
  short.resume();
  short.write(Uint8Array.of(0, 10, 0, 15));
  await once(short, 'close');
  t.equal(decoder.counters.malformed.truncated_header, 1);

  const cut = await connectTo(t, port);
  cut.end(ipfix(0, TEMPLATE + ONE).subarray(0, 30));
  cut.resume();
  await once(cut, 'close');
  while (collector.open > 0) await nextTurn();
  t.equal(decoder.counters.malformed.bad_message_length, 1);

  const sound = await connectTo(t, port);
  // A malformed message whose length is sound does no harm to those that follow.
  sound.write(Buffer.concat([ipfix(0, '01 00 00 03'), ipfix(0, TEMPLATE + ONE)]));
  await records(1);
  t.equal(decoder.counters.malformed.bad_set_length, 1);
});

t.test('TCP: a collector that pauses holds its exporters back', async (t) => {
  const { decoder, records, options } = setUp();
  const collector = new TcpCollector(options);
  const { port } = await collector.start();
  t.teardown(() => collector.stop());
  const client = await connectTo(t, port);
  client.write(ipfix(0, TEMPLATE + ONE));
  await records(1);
  collector.pause();
  // More than the kernel's buffers of both ends together.
  const message = ipfix(1, ONE.repeat(5000));
  const MESSAGES = 1000;
  for (let index = 0; index < MESSAGES; index++) client.write(message);
  for (let turn = 0; turn < 500; turn++) await nextTurn();
  const taken = collector.counters.octets;
  t.ok(client.writableLength > 0, `${client.writableLength} octets still wait at the exporter`);
  t.ok(taken < 1_000_000, `${taken} octets were taken in`);
  collector.resume();
  await records(1 + MESSAGES * 5000);
  t.equal(decoder.counters.records, 1 + MESSAGES * 5000);
});
