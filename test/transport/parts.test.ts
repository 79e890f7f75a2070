import t from 'tap';
import { Backoff } from '../../src/transport/backoff.ts';
import { Fifo } from '../../src/transport/fifo.ts';
import { Outbox } from '../../src/transport/outbox.ts';
import { Pacer } from '../../src/transport/pacer.ts';
import { inOrder, resolveHost } from '../../src/transport/resolve.ts';
import { transportCounters } from '../../src/transport/session.ts';
import { FakeClock, range, type TestMessage, testMessage } from './helpers.ts';

t.test('a backoff doubles up to its bound, is shortened by at most half, and starts again', async (t) => {
  const plain = new Backoff(500, 30_000, () => 0);
  t.same(
    range(8).map(() => plain.next()),
    [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000],
  );
  plain.reset();
  t.equal(plain.next(), 500);
  const shortened = new Backoff(500, 30_000, () => 0.999);
  t.ok(shortened.next() > 250);
});

t.test('a fifo keeps its order while it wraps around and grows', async (t) => {
  const fifo = new Fifo<number>();
  const taken: (number | undefined)[] = [];
  let put = 0;
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 7; i++) fifo.push(put++);
    for (let i = 0; i < 5; i++) taken.push(fifo.shift());
  }
  t.equal(fifo.length, 100);
  while (fifo.length > 0) taken.push(fifo.shift());
  t.same(taken, range(350));
  t.equal(fifo.shift(), undefined);
});

t.test('a pacer lets a burst pass, then its rate, and saves up no more than a burst', async (t) => {
  const passedAt = (pacer: Pacer, now: number) => {
    let passed = 0;
    while (pacer.take(now) === 0) passed++;
    return passed;
  };
  const pacer = new Pacer(1000, 20);
  t.equal(passedAt(pacer, 0), 20);
  t.same(
    range(5).map((ms) => passedAt(pacer, ms + 1)),
    [1, 1, 1, 1, 1],
  );
  t.equal(passedAt(pacer, 10), 5);
  t.equal(passedAt(pacer, 10_000), 20);

  const slow = new Pacer(2, 1);
  t.equal(slow.take(0), 0);
  t.equal(slow.take(100), 400, 'the wait is the time until the next token');
  t.equal(slow.take(500), 0);

  t.equal(passedAt(new Pacer(10_000, 1), 0), 50, 'never less than 5 ms of the rate at once');
});

t.test('addresses: the one in use first, or last after a failure', async (t) => {
  const [a, b, c] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => ({
    address,
    family: 4 as const,
  }));
  const all = [a!, b!, c!];
  t.same(inOrder(all, undefined, false), [a, b, c]);
  t.same(inOrder(all, '192.0.2.2', false), [b, c, a]);
  t.same(inOrder(all, '192.0.2.2', true), [c, a, b]);
  t.same(inOrder(all, '192.0.2.3', true), [a, b, c]);
  t.same(inOrder(all, '192.0.2.9', true), [a, b, c], 'an address that is gone asks for the first');
  t.same(inOrder([a!], '192.0.2.1', true), [a], 'the only one is tried again');
});

t.test(
  'resolving: literals need no lookup, a pinned source asks for its family, failures say what is wrong',
  async (t) => {
    const clock = new FakeClock();
    const v4 = { address: '192.0.2.1', family: 4 as const };
    const v6 = { address: '2001:db8::1', family: 6 as const };
    const never = async () => t.fail('looked an address up') as never;
    t.same(await resolveHost('192.0.2.1', undefined, never, clock), [v4]);
    t.same(await resolveHost('2001:db8::1', '::1', never, clock), [v6]);
    const both = async () => [v6, v4];
    t.same(await resolveHost('collector.example', undefined, both, clock), [v6, v4]);
    t.same(await resolveHost('collector.example', '127.0.0.2', both, clock), [v4]);
    t.equal(clock.pending, 0, 'no timer is left behind');

    await t.rejects(resolveHost('2001:db8::1', '127.0.0.2', never, clock), {
      message: '2001:db8::1 has no IPv4 address, which the source 127.0.0.2 needs',
    });
    await t.rejects(resolveHost('192.0.2.1', 'eth0', never, clock), {
      message: /source eth0 is no IP address/,
    });
    await t.rejects(
      resolveHost('collector.example', undefined, async () => [], clock),
      { message: 'the name collector.example has no address' },
    );
    const notFound = async () => {
      throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    };
    await t.rejects(resolveHost('collector.example', undefined, notFound, clock), {
      message: 'the name collector.example does not resolve (ENOTFOUND)',
    });
    const late = resolveHost('collector.example', undefined, () => new Promise(() => {}), clock);
    const rejected = t.rejects(late, { message: 'the name collector.example did not resolve within 10 s' });
    await clock.advance(10_000);
    await rejected;
  },
);

t.test('a new session makes what opened the one before obsolete, and passes what waits', async (t) => {
  let session = 0;
  const settled: unknown[] = [];
  const outbox = new Outbox<TestMessage>(
    {
      sessionStarted: () => {
        session += 10;
        return [testMessage(session + 1), testMessage(session + 2)];
      },
      stamp: () => {},
      limitMessages: () => {},
      settled: ({ id }, notSent) => settled.push([id, notSent]),
      parted: () => [],
    },
    10,
    1_000,
    new FakeClock(),
    transportCounters(),
  );
  outbox.beginSession();
  outbox.put(testMessage(1), 'queue_full');
  outbox.take();
  outbox.beginSession();
  t.same(settled, [
    [11, 'disconnected'],
    [12, 'disconnected'],
  ]);
  t.same(
    [outbox.take()?.id, outbox.take()?.id, outbox.take()?.id, outbox.take()?.id],
    [21, 22, 1, undefined],
  );
});
