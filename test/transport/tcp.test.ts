/** TCP over real sockets on loopback; only time is the test's. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { TransportEvent } from '../../src/transport/session.ts';
import { type TcpOptions, TcpTransport } from '../../src/transport/tcp.ts';
import { inTable, lookIntoProc, silenceOf } from '../../src/transport/tcp-silence.ts';
import { Books, FakeClock, OPENING, range, type TestMessage, testMessage, turns, until } from './helpers.ts';

/** A collector: every connection with the numbers of the whole Messages that it has read. */
class Collector {
  readonly connections: { socket: Socket; ids: number[]; stamps: number[] }[] = [];
  port = 0;
  /** New connections are not read. */
  stalled = false;
  readonly #octets: number;
  #server: Server | undefined;

  /** @param octets of every Message */
  constructor(octets = 8) {
    this.#octets = octets;
  }

  async listen(address = '127.0.0.1'): Promise<this> {
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
    this.#server.listen(this.port, address);
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  #accept(socket: Socket): void {
    const ids: number[] = [];
    const stamps: number[] = [];
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      const bytes = Buffer.concat([rest, chunk]);
      let at = 0;
      for (; at + this.#octets <= bytes.length; at += this.#octets) {
        ids.push(bytes.readUInt32BE(at));
        stamps.push(bytes.readUInt32BE(at + 4));
      }
      rest = bytes.subarray(at);
    });
    socket.on('error', () => {}); // resets are part of the play
    this.connections.push({ socket, ids, stamps });
    if (!this.stalled) socket.resume();
  }

  /** Breaks every connection. */
  disconnect(): void {
    for (const { socket } of this.connections) socket.destroy();
  }

  /** Refuses new connections, and breaks those that are. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.close();
    this.disconnect();
    await once(server, 'close');
  }
}

async function collectorFor(t: Test, octets?: number, address?: string): Promise<Collector> {
  const collector = await new Collector(octets).listen(address);
  t.teardown(() => collector.close());
  return collector;
}

function transportTo(t: Test, options: Partial<TcpOptions> & { port: number }) {
  const events: TransportEvent[] = [];
  const clock = new FakeClock();
  const transport = new TcpTransport<TestMessage>({
    host: '127.0.0.1',
    onEvent: (event) => events.push(event),
    clock,
    random: () => 0,
    ...options,
  });
  t.teardown(() => transport.stop());
  return { transport, events, clock };
}

t.test(
  'Messages arrive in order, the session’s first before them, and all that was drained after stop',
  async (t) => {
    const collector = await collectorFor(t);
    const { transport, events } = transportTo(t, { port: collector.port });
    const books = new Books();
    t.equal(transport.state, 'resolving');
    transport.start(books);
    for (const id of range(5_000)) transport.send(testMessage(id));
    t.equal(books.stamped.size, 0, 'what waits is not stamped');
    await until('it is connected', () => collector.connections.length === 1);
    collector.connections[0]!.socket.write('hello');
    await transport.drain(5_000);
    t.equal(transport.queued, 0);
    t.equal(transport.state, 'sending');
    await until('what the collector says is read', () => transport.counters.octetsReceived === 5);
    transport.stop();
    const { ids, stamps, socket } = collector.connections[0]!;
    await until('the collector has seen the end', () => socket.readableEnded);
    t.same(ids, [OPENING + 1, ...range(5_000)]);
    t.same(stamps, range(5_001));
    t.same(books.sent, ids);
    t.match(transport.counters, { messagesSent: 5_001, octetsSent: 5_001 * 8, sendErrors: 0, sessions: 1 });
    t.same(events, [{ kind: 'connected', text: `connected to 127.0.0.1:${collector.port}` }]);

    transport.send(testMessage(5_000));
    t.same(books.withReason('shutdown'), [5_000]);
  },
);

t.test('IPv6, a pinned source address, and a name with an address that refuses', async (t) => {
  const six = await collectorFor(t, 8, '::1');
  const toSix = transportTo(t, { host: '::1', port: six.port }).transport;
  toSix.start(new Books());
  await until('the IPv6 connection is there', () => six.connections.length === 1);

  const four = await collectorFor(t);
  const pinned = transportTo(t, {
    host: 'collector.example',
    port: four.port,
    source: '127.0.0.2',
    lookup: async () => [
      { address: '::1', family: 6 }, //       not of the source's family
      { address: '127.0.0.9', family: 4 }, // nobody listens there
      { address: '127.0.0.1', family: 4 },
    ],
  });
  pinned.transport.start(new Books());
  await until('the connection is there', () => four.connections.length === 1);
  t.equal(four.connections[0]!.socket.remoteAddress, '127.0.0.2');
  await until('the transport knows, too', () => pinned.transport.endpoints !== undefined);
  t.same(pinned.transport.endpoints, {
    protocolIdentifier: 6,
    localAddress: '127.0.0.2',
    localPort: four.connections[0]!.socket.remotePort,
    remoteAddress: '127.0.0.1',
    remotePort: four.port,
  });
  t.match(pinned.events, [
    { kind: 'error', text: /^cannot connect to collector.example \(127.0.0.9:\d+\): connect ECONNREFUSED/ },
    { kind: 'connected', text: `connected to collector.example (127.0.0.1:${four.port})` },
  ]);
});

t.test('a collector that closes and returns: a new session, and what was queued meanwhile', async (t) => {
  const collector = await collectorFor(t);
  const { transport, events, clock } = transportTo(t, { port: collector.port });
  const books = new Books();
  transport.start(books);
  transport.send(testMessage(0));
  await until('it has arrived', () => collector.connections[0]?.ids.length === 2);

  await collector.close();
  await until('the loss is seen', () => transport.state === 'failing');
  for (const id of range(3, 1)) transport.send(testMessage(id));
  await clock.advance(500);
  await until('it was refused', () => events.length === 3);
  await clock.advance(999);
  t.equal(transport.counters.resolutions, 2, 'the pause doubles');

  await collector.listen();
  await clock.advance(1);
  await until('it is connected again', () => collector.connections[1]?.ids.length === 4);
  t.same(collector.connections[1]!.ids, [OPENING + 2, 1, 2, 3]);
  t.equal(transport.counters.sessions, 2);
  t.same(
    events.map((event) => event.kind),
    ['connected', 'disconnected', 'error', 'connected'],
  );

  await clock.advance(10_000);
  collector.disconnect();
  await until('the loss is seen', () => transport.state === 'failing');
  await clock.advance(500);
  t.equal(transport.counters.resolutions, 4, 'after a good connection the pause is the first one again');
});

t.test(
  'a collector that never was there: the queue is bounded, drain tries once more and ends',
  async (t) => {
    const collector = await new Collector().listen();
    await collector.close();
    const { transport, events, clock } = transportTo(t, { port: collector.port, maxQueuedMessages: 10 });
    const books = new Books();
    transport.start(books);
    for (const id of range(10)) transport.send(testMessage(id));
    await until('it was refused', () => transport.counters.sendErrors === 1);
    for (const id of range(5, 10)) transport.send(testMessage(id));
    t.same(books.withReason('queue_full'), range(5, 10), 'the newest have no room');
    t.equal(transport.state, 'failing');
    await clock.advance(90_000);
    await until('it was tried again', () => transport.counters.sendErrors > 5);
    t.equal(events.length, 1, 'the same error is told once');

    const attempts = transport.counters.sendErrors;
    const drained = transport.drain(1_000);
    await until('drain does not wait for the backoff', () => transport.counters.sendErrors === attempts + 1);
    await clock.advance(1_000);
    await drained;
    t.same(books.withReason('shutdown'), range(10));
    t.equal(clock.pending, 0, 'no timer is left');
  },
);

t.test(
  'a collector that stalls: memory is bounded, the connection is given up, the queue goes on',
  async (t) => {
    const octets = 16_000;
    const collector = await collectorFor(t, octets);
    collector.stalled = true;
    const { transport, events, clock } = transportTo(t, {
      port: collector.port,
      maxQueuedMessages: 1_000,
      stallMilliseconds: 30_000,
    });
    const books = new Books(octets);
    transport.start(books);
    let next = 0;
    while (books.withReason('queue_full').length === 0) {
      transport.send(testMessage(next++, octets));
      if (next % 10 === 0) await turns();
    }
    const inFlight = books.stamped.size - books.sent.length;
    t.ok(inFlight > 0 && inFlight <= 5, `no more than a batch of 64 KiB is in doubt: ${inFlight} Messages`);
    t.equal(transport.state, 'sending');
    const full = books.withReason('queue_full').length;

    collector.stalled = false;
    await clock.advance(29_999);
    t.equal(collector.connections.length, 1);
    await clock.advance(1);
    await until('it is given up', () => transport.state === 'failing');
    t.equal(
      events.at(-1)!.text,
      `lost the connection to 127.0.0.1:${collector.port}: it did not take ${inFlight} Messages in 30 s`,
    );
    t.equal(books.withReason('disconnected').length, inFlight);
    await clock.advance(500);
    await transport.drain(5_000);
    await until('the rest has arrived', () => collector.connections[1]?.ids.length === 1_001);
    t.equal(books.settledCount, next);
    t.equal(books.withReason('queue_full').length, full);
  },
);

t.test('a collector that closes while it reads nothing is not waited for', async (t) => {
  const octets = 16_000;
  const collector = await collectorFor(t, octets);
  collector.stalled = true;
  const { transport } = transportTo(t, { port: collector.port });
  const books = new Books(octets);
  transport.start(books);
  for (let id = 0; id < 1_000; id++) {
    transport.send(testMessage(id, octets));
    if (id % 10 === 0) await turns();
  }
  const stuck = books.stamped.size - books.sent.length;
  t.ok(stuck > 0, 'its connection is full');
  collector.connections[0]!.socket.end();
  await until('the loss is seen, although no time passes', () => transport.state === 'failing');
  t.equal(books.withReason('disconnected').length, stuck);
});

/** A port whose listener never accepts and whose backlog is full: Linux drops what asks to connect (listen(2)). */
async function silentPort(t: Test): Promise<number> {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      Atomics.wait(workerData, 0, 0, 60_000);
    });`;
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(program, { eval: true, workerData: flag });
  const fillers: Socket[] = [];
  t.teardown(async () => {
    for (const filler of fillers) filler.destroy();
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    await worker.terminate();
  });
  const [port] = await once(worker, 'message');
  for (let i = 0; i < 2; i++) {
    const filler = connect(port, '127.0.0.1');
    filler.on('error', () => {}); // reset when the listener ends
    fillers.push(filler);
    await once(filler, 'connect');
  }
  return port;
}

t.test('an attempt to connect that is not answered is given up, by time or by stop', async (t) => {
  const port = await silentPort(t);
  const { transport, events, clock } = transportTo(t, { port });
  transport.start(new Books());
  await clock.advance(9_999);
  t.equal(transport.state, 'resolving');
  await clock.advance(1);
  await until('the attempt has failed', () => events.length === 1);
  t.equal(events[0]!.text, `cannot connect to 127.0.0.1:${port}: no answer within 10 s`);
  t.equal(transport.state, 'failing');
  await clock.advance(500);
  t.equal(transport.counters.resolutions, 2, 'the next attempt is under way');
  transport.stop();
  await until('no timer is left', () => clock.pending === 0);
});

t.test(
  'whatever a collector does, every Message is settled once and leaves at most once, in order',
  async (t) => {
    const octets = 4_000;
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('send' as const), count: fc.integer({ min: 1, max: 400 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 30 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('wait' as const),
          milliseconds: fc.constantFrom(600, 31_000),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constantFrom('break' as const, 'refuse' as const, 'return' as const),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('stall' as const), stalled: fc.boolean() }) },
    );
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 3, maxLength: 20 }),
        fc.boolean(),
        async (steps, patientEnd) => {
          const collector = await new Collector(octets).listen();
          const clock = new FakeClock();
          const transport = new TcpTransport<TestMessage>({
            host: '127.0.0.1',
            port: collector.port,
            maxQueuedMessages: 500,
            onEvent: () => {},
            clock,
            random: () => 0,
          });
          const books = new Books(octets);
          let next = 0;
          try {
            transport.start(books);
            for (const one of steps) {
              if (one.kind === 'send') {
                for (const id of range(one.count, next)) transport.send(testMessage(id, octets));
                next += one.count;
              }
              if (one.kind === 'turns') await turns(one.count);
              if (one.kind === 'wait') await clock.advance(one.milliseconds);
              if (one.kind === 'break') collector.disconnect();
              if (one.kind === 'refuse') await collector.close();
              if (one.kind === 'return') {
                await collector.close();
                await collector.listen();
              }
              if (one.kind === 'stall') {
                collector.stalled = one.stalled;
                for (const { socket } of collector.connections)
                  one.stalled ? socket.pause() : socket.resume();
              }
              const unsettled = next - books.settledCount;
              if (transport.queued < unsettled || transport.queued > unsettled + 2)
                throw new Error('the books are wrong');
            }
            if (patientEnd) {
              // The collector is well again: what is queued must leave.
              await collector.close();
              collector.stalled = false;
              await collector.listen();
              const drained = transport.drain(600_000);
              for (let i = 0; i < 200 && transport.queued > 0; i++) {
                await clock.advance(500);
                await turns(20);
              }
              if (transport.queued > 0) throw new Error('did not carry on');
              await drained;
            }
            transport.stop();
            if (books.settledCount !== next || !books.openingsSettled || transport.queued !== 0)
              throw new Error('something was not settled');
            if (patientEnd && books.withReason('shutdown').length > 0)
              throw new Error('lost at a shutdown with time');
            if (patientEnd) {
              const last = collector.connections.at(-1);
              await until('the last connection is read to its end', () => last?.socket.destroyed !== false);
            }
          } finally {
            transport.stop();
            await collector.close();
          }
          const all = collector.connections.flatMap(({ ids }) => ids).filter((id) => id < OPENING);
          if (all.some((id, i) => i > 0 && id <= all[i - 1]!)) throw new Error('out of order, or twice');
          for (const id of all) if (!books.stamped.has(id)) throw new Error(`${id} left without a stamp`);
          for (const { ids } of collector.connections) {
            if (ids.length > 0 && ids[0]! < OPENING)
              throw new Error('a connection without its opening Message');
            if (ids.slice(1).some((id) => id >= OPENING)) throw new Error('an opening Message too many');
          }
          for (const reason of books.notSent.values()) seen.add(reason);
        },
      ),
      { numRuns: 60, seed: 20261121, endOnFailure: true },
    );
    t.same([...seen].sort(), ['disconnected', 'queue_full', 'shutdown'], 'every reason was met on the way');
  },
);

t.test('a peer that has vanished is given up after 30 s, one that answers now and then is not', async (t) => {
  const collector = await collectorFor(t);
  /** What each look finds: unanswered so often in a row. */
  let unanswered: number[] = [];
  const { transport, events, clock } = transportTo(t, {
    port: collector.port,
    lookForSilence: async () => ({ unanswered: unanswered.shift() ?? 0, unacknowledgedOctets: 77 }),
  });
  transport.start(new Books());
  await until('it is connected', () => transport.state === 'sending');

  unanswered = [
    ...[1, 2, 3, 4, 5, 6, 1],
    ...[2, 3, 4, 5, 6, 0],
    ...[0, 9, 9, 9, 9, 9, 9, 0],
    8,
    8,
    8,
    8,
    8,
    8,
  ];
  const looks = unanswered.length;
  await clock.advance(5_000 * looks);
  t.same(unanswered, [], 'it looks every 5 s');
  t.equal(transport.state, 'sending', 'an answer begins the time anew');
  unanswered = [8];
  await clock.advance(5_000);
  await until('the loss is seen', () => transport.state === 'failing');
  t.match(events.at(-1), {
    kind: 'disconnected',
    text: /nothing was acknowledged for 30 s; 77 octets that had left may be lost$/,
  });
  await clock.advance(500);
  await until('it is connected again', () => transport.state === 'sending');
  transport.stop();
  t.equal(clock.pending, 0, 'no timer is left');
});

t.test('what the kernel says of a connection', async (t) => {
  t.equal(inTable('127.0.0.1', 4739), '0100007F:1283');
  t.equal(inTable('2001:db8::9%eth0', 80), 'B80D0120000000000000000009000000:0050');
  // A retransmission (1 s to the next, the third in a row), and a probe of a closed window or of keepalive.
  const retransmitting =
    '   3: 0100007F:9C40 0200007F:1283 01 000003E8:00000000 01:00000064 00000003     0        0 4711 2 ffff 800';
  const probing =
    '  12: 0100007F:9C41 0200007F:1283 01 00000000:00000000 02:00000064 00000000  1000        2 4712 2 ffff 20';
  t.same(silenceOf(retransmitting), { unanswered: 3, unacknowledgedOctets: 1000 });
  t.same(silenceOf(probing), { unanswered: 2, unacknowledgedOctets: 0 });

  for (const address of ['127.0.0.1', '::1']) {
    const collector = await collectorFor(t, 8, address);
    const { transport } = transportTo(t, { host: address, port: collector.port });
    transport.start(new Books());
    await until('it is connected', () => transport.endpoints !== undefined);
    const silence = await lookIntoProc(transport.endpoints!);
    if (process.platform === 'linux') t.equal(silence?.unanswered, 0, `${address}: found, and all is well`);
    else t.equal(silence, undefined, 'not known here');
    t.equal(
      await lookIntoProc({ ...transport.endpoints!, localPort: 1 }),
      undefined,
      'not another connection',
    );
  }
});
