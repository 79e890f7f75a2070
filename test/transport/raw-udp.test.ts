/** Datagrams with sources of their own: with a library that plays the kernel, and, as root, through the kernel itself. */
import { once } from 'node:events';
import t from 'tap';
import {
  loadRawSocket,
  RawSender,
  RawSocketError,
  type RawSocketPackage,
} from '../../src/transport/raw-socket.ts';
import { type RawUdpOptions, RawUdpTransport } from '../../src/transport/raw-udp.ts';
import type { ResolvedAddress } from '../../src/transport/resolve.ts';
import {
  Books,
  FakeClock,
  OPENING,
  range,
  type TestMessage,
  testMessage,
  turns,
  udpCollector,
  until,
} from './helpers.ts';

/** What left: the source and the number, read from the octets. */
interface Left {
  readonly source: string;
  readonly id: number;
}

/** Plays the kernel: an error for each of the next datagrams, in its words. */
class Kernel implements RawSocketPackage {
  readonly AddressFamily = { IPv4: 1, IPv6: 2 };
  errors: string[] = [];
  openError = '';
  stuck = false;
  readonly left: Left[] = [];
  sockets = 0;
  closed = 0;

  createSocket(options: { protocol: number; addressFamily: number }) {
    if (this.openError !== '') throw new Error(this.openError);
    this.sockets++;
    const headers = options.addressFamily === 2 ? 40 : 20;
    return {
      send: (
        bytes: Uint8Array,
        offset: number,
        length: number,
        _to: string,
        after: (error: Error | null) => void,
      ) => {
        if (this.stuck) return;
        const error = this.errors.shift() ?? '';
        const view = new DataView(bytes.buffer, offset, length);
        if (error === '') {
          const source = [...bytes.subarray(headers === 20 ? 12 : 8, headers === 20 ? 16 : 24)];
          this.left.push({ source: source.join('.'), id: view.getUint32(headers + 8) });
        }
        queueMicrotask(() => after(error === '' ? null : new Error(error)));
      },
      on: () => undefined,
      pauseRecv: () => undefined,
      close: () => {
        this.closed++;
      },
    };
  }
}

function setUp(options: { datagramsPerSecond?: number; maxQueuedMessages?: number } = {}) {
  const kernel = new Kernel();
  const clock = new FakeClock();
  const sender = new RawSender({
    library: kernel,
    datagramsPerSecond: 0,
    burst: 1,
    maxQueuedMessages: 1000,
    clock,
    ...options,
  });
  const names = { addresses: [{ address: '192.0.2.1', family: 4 }] as ResolvedAddress[] };
  const told: string[] = [];
  const device = (source: string, more: Partial<RawUdpOptions> = {}) => {
    const books = new Books();
    const transport = new RawUdpTransport<TestMessage>({
      host: 'collector.example',
      port: 2055,
      source,
      sourcePort: 50_000,
      sender,
      mtu: 1500,
      onEvent: ({ text }) => told.push(text),
      clock,
      random: () => 0,
      lookup: async () => names.addresses,
      ...more,
    });
    return { books, transport };
  };
  return { kernel, clock, sender, names, told, device };
}

t.test('devices share a socket, each with its own source, order and sequence', async (t) => {
  const { kernel, clock, sender, told, device } = setUp();
  const devices = ['10.0.0.1', '10.0.0.2'].map((source) => ({ source, ...device(source) }));
  for (const { transport, books } of devices) {
    transport.start(books);
    for (const id of range(100)) transport.send(testMessage(id));
  }
  t.equal(sender.queued, 200);
  await clock.advance(0);
  await until('all have left', () => sender.queued === 0);
  for (const { source, books } of devices) {
    t.same(
      kernel.left.filter((each) => each.source === source).map(({ id }) => id),
      [OPENING + 1, ...range(100)],
    );
    t.equal(books.limit, 1472);
    t.equal(books.notSent.size, 0);
  }
  t.equal(kernel.sockets, 1);
  t.equal(told[0], 'sending to collector.example (192.0.2.1:2055) from 10.0.0.1:50000');
  const [first] = devices;
  t.match(first!.transport.endpoints, {
    localAddress: '10.0.0.1',
    localPort: 50_000,
    remoteAddress: '192.0.2.1',
  });
  first!.transport.stop();
  first!.transport.send(testMessage(1000));
  t.same(first!.books.withReason('shutdown'), [1000]);
});

t.test('the pace and the queue are of all together', async (t) => {
  const { kernel, clock, sender, device } = setUp({ datagramsPerSecond: 1000, maxQueuedMessages: 60 });
  const [a, b] = ['10.0.0.1', '10.0.0.2'].map((source) => device(source));
  for (const { transport, books } of [a!, b!]) transport.start(books);
  await clock.advance(0);
  t.equal(kernel.left.length, 2, "the sessions' openings");
  for (const id of range(50)) for (const { transport } of [a!, b!]) transport.send(testMessage(id));
  await turns();
  t.equal(a!.books.withReason('queue_full').length + b!.books.withReason('queue_full').length, 40);
  t.equal(kernel.left.length, 5, 'five milliseconds of the pace leave at once');
  let relieved = false;
  // Its own queue is shorter than that; that of all is not.
  void a!.transport.whenBelow(1000)!.then(() => {
    relieved = true;
  });
  await clock.advance(20);
  t.equal(kernel.left.length, 25);
  t.notOk(relieved);
  await clock.advance(10);
  t.ok(relieved);
  t.equal(a!.transport.whenBelow(1000), undefined);
  await clock.advance(1000);
  t.equal(kernel.left.length, 62);
  t.equal(sender.queued, 0);
});

t.test("the kernel's answers", async (t) => {
  const cases: [errors: string[], reason: string | undefined, pauseMilliseconds: number][] = [
    [['Operation not permitted'], 'refused', 0],
    [['Message too long'], 'too_large', 0],
    [['Network is unreachable'], 'unreachable', 0],
    [['No buffer space available', 'No buffer space available'], undefined, 20],
    [new Array(6).fill('No buffer space available'), 'other', 50],
    [['Something new'], 'other', 0],
  ];
  for (const [errors, reason, pause] of cases) {
    const { kernel, clock, told, device } = setUp();
    const { transport, books } = device('10.0.0.1');
    transport.start(books);
    await clock.advance(0);
    kernel.errors = [...errors];
    for (const id of range(3)) transport.send(testMessage(id));
    await clock.advance(pause);
    t.same(books.notSent.get(0), reason, errors[0]!);
    t.same(books.sent.slice(1), reason === undefined ? [0, 1, 2] : [1, 2]);
    t.equal(transport.state, 'failing');
    t.match(told.at(-1), /^sending to collector\.example \(192\.0\.2\.1:2055\): /);
    transport.stop();
  }
});

t.test('without the right to a raw socket it says which, and goes on trying', async (t) => {
  const { kernel, clock, told, device } = setUp();
  kernel.openError = 'Operation not permitted';
  const { transport, books } = device('10.0.0.1');
  transport.start(books);
  transport.send(testMessage(0));
  await clock.advance(0);
  t.match(told, [/^cannot send to .*: a raw socket takes the capability CAP_NET_RAW: run Weir as root/]);
  t.equal(transport.state, 'failing');
  kernel.openError = '';
  await clock.advance(60_000);
  t.same(books.sent, [OPENING + 1, 0]);
});

t.test('another address of the collector is another session; what was in flight is not sent', async (t) => {
  const { kernel, clock, names, device } = setUp();
  const { transport, books } = device('10.0.0.1');
  transport.start(books);
  await clock.advance(0);
  kernel.stuck = true;
  for (const id of range(3)) transport.send(testMessage(id));
  await turns();
  names.addresses = [{ address: '192.0.2.9', family: 4 }];
  await clock.advance(60_000);
  t.same(books.withReason('disconnected'), [0]);
  t.equal(books.sessions, 2);
  // The datagram that the kernel never answered keeps the socket busy: with the device it is given up.
  transport.stop();
  t.same(books.withReason('shutdown'), [OPENING + 2, 1, 2]);
  t.ok(books.openingsSettled);
});

t.test('a path that takes less', async (t) => {
  const { clock, told, device } = setUp();
  const { transport, books } = device('10.0.0.1', { lookUpPathMtu: async () => 1400 });
  transport.start(books);
  await clock.advance(0);
  t.equal(books.limit, 1372);
  t.match(told.at(-1), /takes 1400 octets, not 1500/);
  transport.stop();
});

t.test('IPv6 sources go to the IPv6 address', async (t) => {
  const { kernel, clock, names, device } = setUp();
  names.addresses = [
    { address: '192.0.2.1', family: 4 },
    { address: '2001:db8::1', family: 6 },
  ];
  const { transport, books } = device('2001:db8::5');
  transport.start(books);
  await clock.advance(0);
  t.equal(transport.endpoints?.remoteAddress, '2001:db8::1');
  t.equal(books.limit, 1452);
  t.equal(kernel.left.length, 1);
  transport.stop();
});

const noRaw = await (async () => {
  try {
    const sender = new RawSender({
      library: await loadRawSocket(),
      datagramsPerSecond: 0,
      burst: 0,
      maxQueuedMessages: 1,
    });
    sender.open(4);
    sender.close();
    return false;
  } catch (error) {
    if (error instanceof RawSocketError) return error.message;
    throw error;
  }
})();

t.test('through the kernel: addresses that this machine does not have', { skip: noRaw }, async (t) => {
  for (const [to, sources] of [
    ['127.0.0.1', ['127.0.0.9', '10.87.0.1']],
    ['::1', ['2001:db8::7']],
  ] as const) {
    const collector = await udpCollector(to);
    const sender = new RawSender({
      library: await loadRawSocket(),
      datagramsPerSecond: 0,
      burst: 0,
      maxQueuedMessages: 1000,
    });
    const devices = sources.map((source) => {
      const books = new Books();
      const transport = new RawUdpTransport<TestMessage>({
        host: to,
        port: collector.port,
        source,
        sourcePort: 50_000,
        sender,
        mtu: 1500,
        onEvent: () => {},
      });
      transport.start(books);
      for (const id of range(20)) transport.send(testMessage(id, 9 + (id % 2)));
      return { source, transport, books };
    });
    t.teardown(async () => {
      for (const { transport } of devices) transport.stop();
      sender.close();
      collector.socket.close();
      await once(collector.socket, 'close');
    });
    await until('all have arrived', () => collector.ids.length === devices.length * 21);
    for (const { source, books } of devices) {
      const mine = collector.ids.filter((_, i) => collector.senders[i]!.address === source);
      t.same(mine, [OPENING + 1, ...range(20)], source);
      t.same(books.sent, mine);
    }
    t.same(new Set(collector.senders.map(({ port }) => port)), new Set([50_000]));
  }
});
