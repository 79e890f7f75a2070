/** What the kernel answers seldom: a socket that plays the errors, and time that the test lets pass. */
import fc from 'fast-check';
import t from 'tap';
import type { ResolvedAddress } from '../../src/transport/resolve.ts';
import {
  TRANSPORT_NOT_SENT_REASONS,
  type TransportEvent,
  type TransportNotSentReason,
} from '../../src/transport/session.ts';
import { type UdpOptions, UdpTransport } from '../../src/transport/udp.ts';
import { MOST_TOGETHER, type OpenUdpSocket } from '../../src/transport/udp-socket.ts';
import {
  Books,
  FakeClock,
  OPENING,
  range,
  type TestMessage,
  testMessage,
  testTrain,
  turns,
} from './helpers.ts';

/** Error codes for the next datagrams, in their order; an empty one, or none left: it leaves. */
class Kernel {
  errors: string[] = [];
  /** Never answers while this is true, as when a socket's buffer does not empty. */
  stuck = false;
  /** Takes several at once, whoever asks for it. */
  segments = true;
  /** An error for the next attempts to open a socket. */
  openError = '';
  /** Datagrams that were handed over, and those that left: with the number of the socket. */
  handedOver = 0;
  readonly left: { socket: number; id: number; stamp: number }[] = [];
  sockets = 0;
  /** Datagrams of each call that handed over several. */
  readonly calls: number[][] = [];

  readonly open: OpenUdpSocket = async ({ together }) => {
    if (this.openError !== '')
      throw Object.assign(new Error(`connect ${this.openError}`), { code: this.openError });
    const socket = ++this.sockets;
    let closed = false;
    const leave = (bytes: Uint8Array) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      this.left.push({ socket, id: view.getUint32(0), stamp: view.getUint32(4) });
    };
    const sendTogether = (
      datagrams: readonly Uint8Array[],
      count: number,
      octets: number,
    ): string | undefined => {
      if (closed) throw new Error('sent through a closed socket');
      if (this.stuck) return 'EAGAIN';
      const code = this.errors.shift() ?? '';
      if (code !== '') return code;
      // As the kernel parts them: what lies in which piece makes no difference.
      const all = Buffer.concat(datagrams.slice(0, count));
      const call: number[] = [];
      for (let at = 0; at < all.length; at += octets) {
        const bytes = all.subarray(at, at + octets);
        call.push(bytes.length);
        leave(bytes);
      }
      this.calls.push(call);
      return undefined;
    };
    return {
      ...(together && this.segments ? { sendTogether } : {}),
      send: (bytes, callback) => {
        if (closed) throw new Error('sent through a closed socket');
        this.handedOver++;
        if (this.stuck) return;
        const code = this.errors.shift() ?? '';
        if (code === '') leave(bytes);
        queueMicrotask(() => callback(code === '' ? null : Object.assign(new Error(code), { code })));
      },
      address: () => ({ address: '192.0.2.100', port: 40_000 + socket }),
      close: () => {
        if (closed) throw new Error('closed twice');
        closed = true;
      },
    };
  };
}

const sum = (messages: readonly TestMessage[]): number =>
  messages.reduce((octets, { bytes }) => octets + bytes.length, 0);

function setUp(options: Partial<UdpOptions> = {}) {
  const kernel = new Kernel();
  const clock = new FakeClock();
  const books = new Books();
  const names = { addresses: [{ address: '192.0.2.1', family: 4 }] as ResolvedAddress[] };
  const transport = new UdpTransport<TestMessage>({
    host: 'collector.example',
    port: 4739,
    datagramsPerSecond: 0,
    burst: 0,
    onEvent: () => {},
    clock,
    random: () => 0,
    lookup: async () => names.addresses,
    openSocket: kernel.open,
    ...options,
  });
  return { kernel, clock, books, names, transport };
}

t.test('what the kernel answers decides what becomes of the datagram', async (t) => {
  const cases: { errors: string[]; reason?: TransportNotSentReason; handedOver: number; sockets?: number }[] =
    [
      { errors: ['ECONNREFUSED'], handedOver: 2 }, //                         an ICMP answer to another datagram
      { errors: ['ECONNREFUSED', 'ECONNREFUSED'], handedOver: 2, reason: 'refused' },
      { errors: ['EPERM'], handedOver: 1, reason: 'refused' },
      { errors: ['EMSGSIZE'], handedOver: 2 }, //                             an ICMP answer to another datagram
      { errors: ['EMSGSIZE', 'EMSGSIZE'], handedOver: 2, reason: 'too_large' },
      { errors: ['ENETUNREACH'], handedOver: 1, reason: 'unreachable' },
      { errors: ['EHOSTUNREACH'], handedOver: 1, reason: 'unreachable' },
      { errors: ['ENETDOWN'], handedOver: 1, reason: 'unreachable' },
      { errors: ['ENOBUFS', 'ENOBUFS', 'EAGAIN'], handedOver: 4 }, //           10 ms between the attempts
      { errors: Array(6).fill('ENOBUFS'), handedOver: 6, reason: 'other' }, //  given up
      { errors: ['EINVAL'], handedOver: 1, reason: 'other', sockets: 2 }, //    the local address is gone
    ];
  for (const { errors, reason, handedOver, sockets = 1 } of cases) {
    const name = errors.join(' ');
    const { kernel, clock, books, transport } = setUp();
    transport.start(books);
    await turns();
    kernel.errors = [...errors];
    kernel.handedOver = 0;
    transport.send(testMessage(0));
    await clock.advance(100);
    t.equal(books.notSent.get(0), reason, `${name}: reason`);
    t.equal(books.sent.includes(0), reason === undefined, `${name}: sent`);
    t.equal(kernel.handedOver, handedOver, `${name}: times handed to the kernel`);
    t.equal(transport.counters.sendErrors, errors.length, `${name}: errors counted`);
    t.equal(transport.state, 'failing', `${name}: state`);
    await clock.advance(5_000);
    t.equal(kernel.sockets, sockets, `${name}: sockets`);
    t.equal(books.sessions, sockets, `${name}: sessions`);
    transport.send(testMessage(1));
    await turns();
    t.equal(transport.state, 'sending', `${name}: it is over after 5 s without an error`);
    transport.stop();
    t.equal(clock.pending, 0, `${name}: no timer is left`);
  }
});

t.test('Messages become smaller when the path takes less, and larger again on another path', async (t) => {
  const mtus = new Map<string, number | undefined>([['192.0.2.1', 1500]]);
  const events: TransportEvent[] = [];
  let looks = 0;
  const { kernel, clock, books, names, transport } = setUp({
    mtu: 1500,
    lookUpPathMtu: async (address) => {
      looks++;
      return mtus.get(address);
    },
    onEvent: (event) => events.push(event),
  });
  transport.start(books);
  await turns();
  t.equal(books.limit, 1472);
  t.equal(looks, 1);
  await clock.advance(1000);
  // A router says so: of which datagram, nobody knows.
  mtus.set('192.0.2.1', 1280);
  kernel.errors = ['EMSGSIZE'];
  transport.send(testMessage(0));
  await turns();
  t.equal(books.limit, 1252);
  t.match(events.slice(-2), [
    { kind: 'error', text: /EMSGSIZE, a datagram was larger than the path takes/ },
    {
      kind: 'path_mtu',
      text: 'the path to collector.example (192.0.2.1:4739) takes 1280 octets, not 1500: datagrams are smaller from now on; configure mtu=1280',
    },
  ]);
  t.same(books.notSent.size, 0);
  // A burst of errors: one look within the second, and one after it.
  for (let i = 1; i <= 20; i++) {
    kernel.errors = ['EMSGSIZE'];
    transport.send(testMessage(i));
    await turns();
  }
  t.equal(looks, 2);
  await clock.advance(1000);
  t.equal(looks, 3);
  t.equal(events.filter(({ kind }) => kind === 'path_mtu').length, 1, 'the same is not told again');

  for (const [address, family, limit] of [
    ['2001:db8::1', 6, 1452], //  not known
    ['192.0.2.3', 4, 484], //      less than RFC 7011's floor
    ['192.0.2.1', 4, 1252],
  ] as const) {
    mtus.set('192.0.2.3', 400);
    names.addresses = [{ address, family }];
    await clock.advance(60_000);
    t.equal(books.limit, limit, address);
  }
  t.equal(kernel.sockets, 4);
  transport.stop();
});

t.test('no path is looked up to a loopback address, until a datagram is too large', async (t) => {
  const looks: string[] = [];
  const { kernel, books, names, transport, clock } = setUp({
    mtu: 1500,
    lookUpPathMtu: async (address) => {
      looks.push(address);
      return 1280;
    },
  });
  names.addresses = [{ address: '127.0.0.1', family: 4 }];
  transport.start(books);
  await turns();
  t.equal(books.limit, 1472);
  names.addresses = [{ address: '::1', family: 6 }];
  await clock.advance(60_000);
  t.equal(books.limit, 1452);
  t.same(looks, []);
  kernel.errors = ['EMSGSIZE'];
  transport.send(testMessage(0));
  await turns();
  t.same(looks, ['::1']);
  t.equal(books.limit, 1232);
  transport.stop();
});

t.test('together: what is of one size, with a smaller one at the end; so many, so large', async (t) => {
  const { kernel, books, transport } = setUp({ together: true });
  transport.start(books);
  await turns();
  t.same(kernel.calls, [[8]], 'the opening Message');
  const sizes = [...Array(70).fill(100), 60, 100, 60, 60, 80, ...Array(50).fill(1464)];
  for (const [id, octets] of sizes.entries()) transport.send(testMessage(id, octets));
  t.equal(transport.queued, sizes.length, 'what is sent in a turn is waited for');
  await turns(8);
  t.same(
    kernel.calls.slice(1).map((call) => [call.length, call[0], call.at(-1)]),
    [
      [64, 100, 100],
      [7, 100, 60],
      [2, 100, 60],
      [1, 60, 60],
      [1, 80, 80],
      [44, 1464, 1464],
      [6, 1464, 1464],
    ],
  );
  t.same(
    kernel.left.map(({ stamp }) => stamp),
    range(sizes.length + 1),
  );
  t.equal(kernel.handedOver, 0, 'none alone');
  t.equal(transport.counters.messagesSent, sizes.length + 1);
  transport.stop();
});

t.test('together: what the kernel does not take so leaves one by one, in order', async (t) => {
  for (const { errors, sendErrors, goesOnTogether } of [
    { errors: ['EINVAL'], sendErrors: 0, goesOnTogether: false }, //    larger than the path takes
    { errors: ['EIO'], sendErrors: 0, goesOnTogether: false }, //       a device without checksums
    { errors: ['EMSGSIZE'], sendErrors: 1, goesOnTogether: false }, //  an ICMP answer to an earlier one
    { errors: ['ECONNREFUSED'], sendErrors: 1, goesOnTogether: true }, // another
    { errors: ['EAGAIN'], sendErrors: 0, goesOnTogether: true }, //     no room at the moment
    { errors: ['ENETDOWN', 'ENETDOWN'], sendErrors: 2, goesOnTogether: true }, // neither so nor so
  ]) {
    const name = errors.join(' ');
    const { kernel, clock, books, transport } = setUp({ together: true });
    transport.start(books);
    await turns();
    kernel.errors = [...errors];
    for (const id of range(80)) transport.send(testMessage(id));
    await clock.advance(0);
    const lost = errors.length === 2 ? [0] : [];
    t.same(
      kernel.left.map(({ id }) => id),
      [OPENING + 1, ...range(80).filter((id) => !lost.includes(id))],
      `${name}: order`,
    );
    t.same(books.withReason('unreachable'), lost, `${name}: lost`);
    t.equal(kernel.handedOver, goesOnTogether ? 64 : 80, `${name}: one by one`);
    t.equal(transport.counters.sendErrors, sendErrors, `${name}: errors counted`);
    kernel.calls.length = 0;
    for (const id of range(10, 80)) transport.send(testMessage(id));
    await turns();
    t.equal(kernel.calls.length, goesOnTogether ? 1 : 0, `${name}: afterwards`);
    t.equal(transport.queued, 0);
    transport.stop();
  }
});

t.test('a train leaves at once, in as many calls as it takes', async (t) => {
  const { kernel, books, transport } = setUp({ together: true });
  t.notOk(transport.takesTrains, 'not without a socket');
  transport.start(books);
  await turns();
  t.ok(transport.takesTrains);
  const sent = [
    testMessage(0, 100),
    testTrain(1, 40, 100), // behind what waits, and apart from it
    testTrain(41, 128, 100),
    testTrain(169, 100, 1464), // 44 of them are 64 416 octets
    testMessage(269, 1464),
    testTrain(270, 4, 65_507), // none has room for a second
  ];
  for (const message of sent) transport.send(message);
  await turns(12);
  t.same(
    kernel.calls.slice(1).map((call) => [call.length, call[0]]),
    [
      [1, 100],
      [40, 100],
      [64, 100],
      [64, 100],
      [44, 1464],
      [44, 1464],
      [12, 1464],
      [1, 1464],
      ...Array(4).fill([1, 65_507]),
    ],
  );
  t.same(
    kernel.left.map(({ id, stamp }) => [id, stamp]),
    [OPENING + 1, ...range(274)].map((id, stamp) => [id, stamp]),
  );
  t.same(books.sent, [OPENING + 1, ...range(274)]);
  t.match(transport.counters, { messagesSent: 275, octetsSent: sum(sent) + 8 });
  t.equal(transport.queued, 0);
  transport.send(testTrain(274, 2));
  t.equal(transport.queued, 0, 'where nothing waits');
  transport.stop();
});

t.test(
  'a train that the kernel does not take leaves one by one, each Message settled for itself',
  async (t) => {
    for (const { errors, lost, together = 0 } of [
      { errors: ['EINVAL'], lost: [] },
      { errors: ['EAGAIN'], lost: [] },
      { errors: ['', 'EINVAL'], lost: [], together: 64 },
      { errors: ['', '', 'ENETDOWN', 'ENETDOWN'], lost: [128], together: 128 },
      { errors: ['ENETDOWN', 'ENETDOWN', '', 'ENETDOWN'], lost: [0, 2] },
    ]) {
      const name = errors.join(' ');
      const { kernel, clock, books, transport } = setUp({ together: true });
      transport.start(books);
      await turns();
      kernel.errors = [...errors];
      transport.send(testTrain(0, 150));
      transport.send(testMessage(150));
      await clock.advance(0);
      const left = range(151).filter((id) => !lost.includes(id));
      t.same(
        kernel.left.map(({ id, stamp }) => [id, stamp]),
        [[OPENING + 1, 0], ...left.map((id) => [id, id + 1])],
        name,
      );
      t.same(books.sent, [OPENING + 1, ...left], `${name}: said so`);
      t.same(books.withReason('unreachable'), lost, `${name}: lost`);
      t.equal(transport.counters.messagesNotSent.unreachable, lost.length, `${name}: counted`);
      const alone = kernel.calls.flat().length - 1 - together;
      t.equal(kernel.handedOver, 151 - together - alone, `${name}: one by one`);
      t.ok(errors.includes('EINVAL') ? alone === 0 : alone <= 1, `${name}: together`);
      t.equal(transport.queued, 0);
      t.equal(transport.takesTrains, !errors.includes('EINVAL'), `${name}: afterwards`);
      transport.stop();
    }
  },
);

t.test('a train waits in a queue, and counts for as many as it has', async (t) => {
  const { kernel, books, names, transport, clock } = setUp({ together: true, maxQueuedMessages: 20 });
  names.addresses = [];
  transport.start(books);
  await turns();
  transport.send(testTrain(0, 8));
  transport.send(testTrain(8, 17)); // there is room for twelve of it
  transport.send(testTrain(25, 8)); // and for none
  transport.send(testMessage(33));
  t.equal(transport.queued, 20);
  t.same(books.withReason('unresolved'), range(14, 20));
  t.equal(transport.counters.messagesNotSent.unresolved, 14);
  // A socket that takes nothing together.
  kernel.segments = false;
  names.addresses = [{ address: '192.0.2.1', family: 4 }];
  await clock.advance(60_000);
  t.same(
    kernel.left.map(({ id, stamp }) => [id, stamp]),
    [[OPENING + 1, 0], ...range(20).map((id) => [id, id + 1])],
  );
  t.equal(transport.queued, 0);
  kernel.stuck = true;
  transport.send(testTrain(34, 20));
  transport.send(testTrain(54, 19)); // the one before is in flight
  transport.send(testMessage(73));
  transport.send(testMessage(74));
  t.same(books.withReason('queue_full'), [74]);
  transport.stop();
  t.same(books.withReason('shutdown'), range(40, 34));
  t.equal(transport.queued, 0);
});

t.test('trains end a turn of the event loop, too, in whatever way they leave', async (t) => {
  for (const segments of [true, false]) {
    const { kernel, books, names, transport, clock } = setUp({ together: true });
    kernel.segments = segments;
    names.addresses = [];
    transport.start(books);
    await turns();
    for (const id of range(10)) transport.send(testTrain(40 * id, 40));
    names.addresses = [{ address: '192.0.2.1', family: 4 }];
    const inTurns: number[] = [];
    const found = clock.advance(60_000);
    while (kernel.left.length < 401) {
      const before = kernel.left.length;
      await turns(1);
      inTurns.push(kernel.left.length - before);
    }
    await found;
    t.ok(Math.max(...inTurns) <= 81, `${inTurns}`);
    t.equal(books.sent.length, 401);
    transport.stop();
  }
});

t.test('together: not where datagrams are paced', async (t) => {
  const { kernel, clock, books, transport } = setUp({ together: true, datagramsPerSecond: 1_000, burst: 10 });
  transport.start(books);
  for (const id of range(20)) transport.send(testMessage(id));
  await clock.advance(1_000);
  t.equal(kernel.handedOver, 21);
  t.equal(kernel.calls.length, 0);
  t.notOk(transport.takesTrains);
  transport.stop();
});

t.test('a paced queue leaves at its rate', async (t) => {
  const { kernel, clock, books, transport } = setUp({ datagramsPerSecond: 1_000, burst: 10 });
  transport.start(books);
  for (const id of range(200)) transport.send(testMessage(id));
  await turns();
  t.equal(kernel.left.length, 10);
  for (const millisecond of range(10, 1)) {
    await clock.advance(1);
    t.equal(kernel.left.length, 10 + millisecond);
  }
  await clock.advance(1_000);
  t.equal(transport.queued, 0);
  transport.stop();
});

t.test('without a route at the start the queue waits; with one the session begins', async (t) => {
  const { kernel, clock, books, transport } = setUp({ maxQueuedMessages: 2 });
  kernel.openError = 'ENETUNREACH';
  transport.start(books);
  await turns();
  for (const id of range(3)) transport.send(testMessage(id));
  t.same(books.withReason('queue_full'), [2]);
  t.equal(transport.state, 'failing');
  kernel.openError = '';
  await clock.advance(500);
  t.same(
    kernel.left.map(({ id }) => id),
    [OPENING + 1, 0, 1],
  );
  transport.stop();
});

t.test('together: an address that changes while one of several is stuck', async (t) => {
  const { kernel, clock, books, names, transport } = setUp({ together: true });
  transport.start(books);
  await turns();
  kernel.stuck = true;
  for (const id of range(3)) transport.send(testMessage(id));
  await turns();
  names.addresses = [{ address: '192.0.2.2', family: 4 }];
  kernel.stuck = false;
  transport.send(testMessage(3));
  await clock.advance(60_000);
  t.same(books.withReason('disconnected'), range(3), 'they had been stamped for the session before');
  t.same(
    kernel.left.map(({ id }) => id),
    [OPENING + 1, OPENING + 2, 3],
  );
  transport.stop();
});

t.test('an address that changes while a datagram is stuck', async (t) => {
  const { kernel, clock, books, names, transport } = setUp();
  transport.start(books);
  await turns();
  kernel.stuck = true;
  transport.send(testMessage(0));
  transport.send(testMessage(1));
  names.addresses = [{ address: '192.0.2.2', family: 4 }];
  kernel.stuck = false;
  await clock.advance(60_000);
  t.same(books.withReason('disconnected'), [0], 'nobody knows of the one in flight');
  t.same(
    kernel.left.map(({ id }) => id),
    [OPENING + 1, OPENING + 2, 1],
  );
  transport.stop();
});

t.test(
  'whatever happens, every Message is settled exactly once and leaves at most once, in order',
  async (t) => {
    const code = fc.constantFrom(
      '',
      '',
      'ECONNREFUSED',
      'ENETUNREACH',
      'EMSGSIZE',
      'ENOBUFS',
      'EINVAL',
      'EPERM',
    );
    const step = fc.oneof(
      fc.record({ kind: fc.constant('send' as const), count: fc.integer({ min: 1, max: 30 }) }),
      fc.record({ kind: fc.constant('errors' as const), codes: fc.array(code, { maxLength: 12 }) }),
      fc.record({
        kind: fc.constant('wait' as const),
        milliseconds: fc.constantFrom(0, 5, 700, 6_000, 61_000),
      }),
      fc.record({ kind: fc.constant('move' as const), host: fc.integer({ min: 0, max: 3 }) }), // 0: nowhere
      fc.record({ kind: fc.constant('stuck' as const), stuck: fc.boolean() }),
      fc.record({ kind: fc.constant('opening' as const), error: fc.constantFrom('', 'ENETUNREACH') }),
      fc.record({ kind: fc.constant('drain' as const), deadline: fc.constantFrom(0, 50, 5_000) }),
      fc.record({
        kind: fc.constant('train' as const),
        count: fc.integer({ min: 2, max: 30 }),
        octets: fc.constantFrom(8, 12),
      }),
      fc.record({ kind: fc.constant('segments' as const), segments: fc.boolean() }),
    );
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.constantFrom(0, 500),
        fc.boolean(),
        async (steps, datagramsPerSecond, together) => {
          const { kernel, clock, books, names, transport } = setUp({
            datagramsPerSecond,
            together,
            burst: 5,
            maxQueuedMessages: 40,
          });
          transport.start(books);
          let next = 0;
          for (const one of steps) {
            if (one.kind === 'send') for (const id of range(one.count, next)) transport.send(testMessage(id));
            // A socket that takes them may be gone by the time they leave.
            if (one.kind === 'train') transport.send(testTrain(next, one.count, one.octets));
            if (one.kind === 'send' || one.kind === 'train') next += one.count;
            if (one.kind === 'segments') kernel.segments = one.segments;
            if (one.kind === 'errors') kernel.errors = [...one.codes];
            if (one.kind === 'wait') await clock.advance(one.milliseconds);
            if (one.kind === 'stuck') kernel.stuck = one.stuck;
            if (one.kind === 'opening') kernel.openError = one.error;
            if (one.kind === 'move') {
              names.addresses = one.host === 0 ? [] : [{ address: `192.0.2.${one.host}`, family: 4 }];
              await clock.advance(60_000); // the name is looked up again by then
            }
            if (one.kind === 'drain') {
              const drained = transport.drain(one.deadline);
              await clock.advance(one.deadline);
              await drained; // would hang, and so fail, if a drain outlived its deadline
            }
            // At any time: what was sent is settled or queued (the queue may hold an opening Message, too).
            const unsettled = next - books.settledCount;
            if (transport.queued < unsettled || transport.queued > unsettled + 1)
              throw new Error('the books are wrong');
            // And what is in flight: one, or what was taken together.
            const inFlight = together || steps.some(({ kind }) => kind === 'train') ? MOST_TOGETHER : 1;
            if (transport.queued > 40 + 1 + inFlight) throw new Error('the queue is not bounded');
          }
          transport.stop();
          await turns();
          if (books.settledCount !== next || !books.openingsSettled || transport.queued !== 0)
            throw new Error('something was not settled');
          if (clock.pending !== 0) throw new Error('a timer is left');
          const left = kernel.left.filter(({ id }) => id < OPENING).map(({ id }) => id);
          if (left.some((id, i) => i > 0 && id <= left[i - 1]!)) throw new Error('out of order, or twice');
          const stamps = kernel.left.map(({ stamp }) => stamp);
          if (stamps.some((stamp, i) => i > 0 && stamp <= stamps[i - 1]!))
            throw new Error('stamped out of order');
          // The kernel's last answer may not have been heard when the transport stopped.
          const sent = books.sent.filter((id) => id < OPENING);
          if (left.length < sent.length || left.length > sent.length + books.sessions)
            throw new Error('sent ≠ left');
          for (const [i, { socket, id }] of kernel.left.entries()) {
            const first = i === 0 || kernel.left[i - 1]!.socket !== socket;
            if (id >= OPENING && !first)
              throw new Error('an opening Message that was not the first of its session');
          }
          for (const reason of books.notSent.values()) seen.add(reason);
        },
      ),
      { numRuns: 400, seed: 20261121 },
    );
    t.same(
      TRANSPORT_NOT_SENT_REASONS.filter((reason) => reason !== 'disk_full' && !seen.has(reason)),
      [],
      'every reason was met on the way',
    );
  },
);
