/** UDP over real sockets on loopback. The kernel's rarer errors: udp-faults.test.ts. */
import { once } from 'node:events';
import t, { type Test } from 'tap';
import type { ResolvedAddress } from '../../src/transport/resolve.ts';
import type { TransportEvent } from '../../src/transport/session.ts';
import { type UdpOptions, UdpTransport } from '../../src/transport/udp.ts';
import { udpAddon } from '../../src/transport/udp-addon.ts';
import {
  Books,
  FakeClock,
  OPENING,
  range,
  type TestMessage,
  testMessage,
  testTrain,
  turns,
  udpCollector,
  until,
} from './helpers.ts';

const noAddon = udpAddon() === undefined && 'the addon is not built';

/** A transport that the test stops, and what it told. */
function transportTo(t: Test, options: Partial<UdpOptions> & { port: number }) {
  const events: TransportEvent[] = [];
  const transport = new UdpTransport<TestMessage>({
    host: '127.0.0.1',
    datagramsPerSecond: 0,
    burst: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  t.teardown(() => transport.stop());
  return { transport, events };
}

async function collector(t: Test, address = '127.0.0.1', port = 0) {
  const one = await udpCollector(address, port);
  t.teardown(() => one.socket.close());
  return one;
}

const v4 = (address: string): ResolvedAddress => ({ address, family: 4 });

t.test('Messages arrive in order, the session’s first before them, stamped as they leave', async (t) => {
  const receiver = await collector(t);
  const { transport, events } = transportTo(t, { port: receiver.port });
  const books = new Books();
  t.equal(transport.state, 'resolving');
  transport.start(books);
  for (const id of range(300)) transport.send(testMessage(id));
  t.equal(transport.queued, 300);
  t.equal(books.stamped.size, 0, 'what waits is not stamped');
  await transport.drain(5_000);
  t.equal(transport.state, 'sending');
  t.equal(transport.queued, 0);
  await until('all have arrived', () => receiver.ids.length === 301);
  t.same(receiver.ids, [OPENING + 1, ...range(300)]);
  t.same(receiver.stamps, range(301));
  t.same(books.sent, receiver.ids);
  t.match(transport.counters, {
    messagesSent: 301,
    octetsSent: 301 * 8,
    sendErrors: 0,
    resolutions: 1,
    sessions: 1,
  });
  t.same(events, [{ kind: 'resolved', text: `sending to 127.0.0.1:${receiver.port}` }]);

  transport.stop();
  transport.send(testMessage(300));
  t.same(books.withReason('shutdown'), [300], 'after stop nothing leaves, and it is said');
});

t.test('trains arrive as Messages of their own', { skip: noAddon }, async (t) => {
  for (const address of ['127.0.0.1', '::1']) {
    const receiver = await collector(t, address);
    const { transport } = transportTo(t, { host: address, port: receiver.port, together: true });
    const books = new Books();
    transport.start(books);
    await until('it takes trains', () => transport.takesTrains);
    transport.send(testTrain(0, 44, 1464));
    transport.send(testTrain(44, 40, 100));
    transport.send(testMessage(84, 60));
    await transport.drain(5_000);
    await until('all have arrived', () => receiver.ids.length === 86);
    t.same(receiver.ids, [OPENING + 1, ...range(85)], address);
    t.same(receiver.stamps, range(86));
    t.same(books.sent, receiver.ids);
    t.equal(transport.counters.sendErrors, 0);
  }
});

t.test('IPv6, and a pinned source address', async (t) => {
  const six = await collector(t, '::1');
  const toSix = transportTo(t, { host: '::1', port: six.port }).transport;
  toSix.start(new Books());
  await until('the IPv6 datagram has arrived', () => six.ids.length === 1);
  t.equal(six.senders[0]!.address, '::1');

  const four = await collector(t);
  const pinned = transportTo(t, { port: four.port, source: '127.0.0.2' }).transport;
  pinned.start(new Books());
  await until('the datagram has arrived', () => four.ids.length === 1);
  t.equal(four.senders[0]!.address, '127.0.0.2');
  const { port } = four.senders[0]!;
  t.same(pinned.endpoints, {
    protocolIdentifier: 17,
    localAddress: '127.0.0.2',
    localPort: port,
    remoteAddress: '127.0.0.1',
    remotePort: four.port,
  });
  pinned.stop();
  t.equal(pinned.endpoints, undefined);

  const chosen = transportTo(t, { port: four.port }).transport;
  chosen.start(new Books());
  await until('the datagram has arrived', () => four.ids.length === 2);
  t.match(
    chosen.endpoints,
    { localAddress: '127.0.0.1', localPort: four.senders[1]!.port },
    'as the kernel chose',
  );
});

t.test(
  'together: each arrives as a datagram of its own, whole and in order',
  { skip: noAddon },
  async (t) => {
    for (const [family, any, source] of [
      [4, '127.0.0.1', undefined],
      [4, '127.0.0.1', '127.0.0.2'],
      [6, '::1', undefined],
    ] as const) {
      const receiver = await collector(t, any);
      const { transport } = transportTo(t, {
        host: any,
        source,
        port: receiver.port,
        together: true,
        lookup: async () => [{ address: any, family }],
      });
      const books = new Books();
      transport.start(books);
      // 44 of 1464 fill a call; then every size, falling and rising.
      const sizes = [...Array(100).fill(1464), ...range(400).map((i) => 8 + ((i * 7) % 1400))];
      for (const [id, octets] of sizes.entries()) transport.send(testMessage(id, octets));
      await transport.drain(5_000);
      await until('all have arrived', () => receiver.ids.length === sizes.length + 1);
      t.same(receiver.ids, [OPENING + 1, ...range(sizes.length)]);
      t.same(receiver.stamps, range(sizes.length + 1));
      t.same(
        receiver.senders.map(({ size }) => size),
        [8, ...sizes],
      );
      if (source !== undefined) t.equal(transport.endpoints?.localAddress, source);
      transport.stop();
    }
  },
);

t.test(
  'together: a collector that refuses is told, and loses what it refused',
  { skip: noAddon },
  async (t) => {
    const receiver = await udpCollector('127.0.0.1');
    receiver.socket.close();
    const clock = new FakeClock();
    const { transport, events } = transportTo(t, { port: receiver.port, together: true, clock });
    const books = new Books();
    transport.start(books);
    for (const id of range(200)) transport.send(testMessage(id));
    await until('all are settled', () => books.settledCount === 200);
    t.match(events.at(-1), { kind: 'error', text: /ECONNREFUSED, nobody listens on that port/ });
    t.equal(transport.state, 'failing');
  },
);

t.test('a source address that this machine lacks is told, and tried again', async (t) => {
  const clock = new FakeClock();
  const options = { port: 9, source: '192.0.2.77', clock, random: () => 0 };
  const { transport, events } = transportTo(t, options);
  transport.start(new Books());
  await until('it has failed', () => events.length === 1);
  const told = [
    { kind: 'error', text: 'cannot send to 127.0.0.1:9: bind EADDRNOTAVAIL 192.0.2.77' },
  ] as const;
  t.same(events, told);
  const bulk = transportTo(t, { ...options, together: true });
  bulk.transport.start(new Books());
  await until('this one, too', () => bulk.events.length === 1);
  t.same(bulk.events, told);
  t.equal(transport.state, 'failing');
  await clock.advance(500);
  await until('it was tried again', () => transport.counters.sendErrors === 2);
  t.equal(events.length, 1, 'the same is not told twice');
});

t.test('a name is looked up ahead and every 60 s; another address is a new session', async (t) => {
  const first = await collector(t);
  const second = await collector(t, '127.0.0.2', first.port);
  const clock = new FakeClock();
  let answer = [v4('127.0.0.1'), v4('127.0.0.3')];
  const { transport, events } = transportTo(t, {
    host: 'collector.example',
    port: first.port,
    clock,
    lookup: async () => answer,
  });
  const books = new Books();
  transport.start(books);
  await until('the session has begun', () => first.ids.length === 1);
  transport.send(testMessage(0));
  await until('the Message has arrived', () => first.ids.length === 2);

  answer = [v4('127.0.0.3'), v4('127.0.0.1')];
  await clock.advance(60_000);
  await until('the name was looked up again', () => transport.counters.resolutions === 2);
  t.equal(books.sessions, 1, 'another order of the same addresses changes nothing');

  answer = [v4('127.0.0.2')];
  await clock.advance(60_000);
  await until('the second collector heard of it', () => second.ids.length === 1);
  transport.send(testMessage(1));
  await until('the Message has arrived', () => second.ids.length === 2);
  t.same(first.ids, [OPENING + 1, 0]);
  t.same(second.ids, [OPENING + 2, 1]);
  const at = (address: string) => `collector.example (${address}:${first.port})`;
  t.same(events, [
    { kind: 'resolved', text: `sending to ${at('127.0.0.1')}` },
    { kind: 'address_changed', text: `sending to ${at('127.0.0.2')} now, no longer to 127.0.0.1` },
  ]);
});

t.test('a name that does not resolve: the queue is bounded, and leaves in order once it does', async (t) => {
  const receiver = await collector(t);
  const clock = new FakeClock();
  let answer: ResolvedAddress[] = [];
  const { transport, events } = transportTo(t, {
    host: 'collector.example',
    port: receiver.port,
    maxQueuedMessages: 3,
    clock,
    random: () => 0,
    lookup: async () => answer,
  });
  const books = new Books();
  transport.start(books);
  for (const id of range(5)) transport.send(testMessage(id));
  t.same(books.withReason('unresolved'), [3, 4], 'the newest have no room');
  await clock.advance(400);
  t.equal(transport.state, 'failing');
  await clock.advance(2_000);
  t.equal(transport.counters.resolutions, 3, 'at once, after 0.5 s and after 1.5 s');
  answer = [v4('127.0.0.1')];
  await clock.advance(2_000);
  await until('the queue has arrived', () => receiver.ids.length === 4);
  t.same(receiver.ids, [OPENING + 1, 0, 1, 2]);
  t.equal(transport.state, 'sending');
  t.same(
    events.map((event) => event.kind),
    ['unresolved', 'resolved', 'resolved'],
  );

  answer = [];
  await clock.advance(60_000);
  transport.send(testMessage(5));
  await until('the Message has arrived', () => receiver.ids.length === 5);
  t.equal(transport.state, 'sending', 'a name that is lost later does not stop what works');
});

t.test('a collector that refuses, and comes back on the same port', async (t) => {
  const before = await udpCollector('127.0.0.1');
  const clock = new FakeClock();
  const { transport, events } = transportTo(t, { port: before.port, clock, random: () => 0 });
  const books = new Books();
  transport.start(books);
  await until('it has arrived', () => before.ids.length === 1);
  before.socket.close();
  await once(before.socket, 'close');

  for (const id of range(10)) {
    transport.send(testMessage(id));
    await turns();
  }
  await until('they are settled', () => books.settledCount === 10);
  t.equal(transport.state, 'failing');
  t.ok(transport.counters.sendErrors >= 9, 'ICMP answers every datagram but the last');
  t.same(
    events.slice(1).map((event) => event.text),
    [`sending to 127.0.0.1:${before.port}: ECONNREFUSED, nobody listens on that port`],
    'and is told once',
  );

  const after = await collector(t, '127.0.0.1', before.port);
  await turns();
  transport.send(testMessage(10));
  await until('it has arrived', () => after.ids.includes(10));
  t.equal(transport.state, 'failing', 'one datagram without an error proves nothing');
  await clock.advance(5_001);
  transport.send(testMessage(11));
  await until('it has arrived', () => after.ids.includes(11));
  t.equal(transport.state, 'sending');
  t.equal(events.at(-1)!.kind, 'recovered');
});

t.test('of several addresses, one that works is found', async (t) => {
  const receiver = await collector(t, '127.0.0.2');
  const clock = new FakeClock();
  const { transport } = transportTo(t, {
    host: 'collector.example',
    port: receiver.port,
    clock,
    random: () => 0,
    lookup: async () => [v4('127.0.0.1'), v4('127.0.0.2')],
  });
  const books = new Books();
  transport.start(books);
  await until('nobody listens at the first', () => transport.state === 'failing');
  await clock.advance(500);
  await until('the second was tried', () => receiver.ids.length === 1);
  t.same(receiver.ids, [OPENING + 2]);
});

t.test('drain: within the deadline all, after it the rest is settled as shutdown', async (t) => {
  const receiver = await collector(t);
  const clock = new FakeClock();
  const { transport } = transportTo(t, { port: receiver.port, clock, datagramsPerSecond: 10, burst: 3 });
  const books = new Books();
  transport.start(books);
  for (const id of range(10)) transport.send(testMessage(id));
  const drained = transport.drain(450);
  await clock.advance(449);
  t.equal(transport.queued, 4, 'the opening, then two of the burst, then one each 100 ms');
  await clock.advance(1);
  await drained;
  t.same(books.withReason('shutdown'), [6, 7, 8, 9]);
  t.equal(clock.pending, 0, 'and no timer is left');
  t.equal(transport.queued, 0);
});

t.test('whenBelow makes a reader wait for room, but not for a collector that takes nothing', async (t) => {
  const receiver = await collector(t);
  const clock = new FakeClock();
  let found = (_addresses: ResolvedAddress[]) => {};
  const { transport } = transportTo(t, {
    host: 'collector.example',
    port: receiver.port,
    clock,
    patienceMilliseconds: 1_000,
    lookup: () =>
      new Promise((resolve) => {
        found = resolve;
      }),
  });
  transport.start(new Books());
  for (const id of range(10)) transport.send(testMessage(id));
  t.equal(transport.whenBelow(11), undefined);
  const waiting = transport.whenBelow(5);
  t.not(waiting, undefined);
  await clock.advance(1_000);
  await waiting;
  t.equal(transport.queued, 10, 'nothing has left');
  t.equal(transport.whenBelow(5), undefined, 'nor does anybody wait again while that is so');

  found([v4('127.0.0.1')]);
  await until('the queue has left', () => transport.queued === 0);
  for (const id of range(10, 10)) transport.send(testMessage(id));
  const room = transport.whenBelow(5);
  t.not(room, undefined, 'something has left since');
  await room;
  t.ok(transport.queued < 5);
});
