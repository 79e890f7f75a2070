/** Whether what was exported has left: beside a connection that acknowledges, loses or says nothing. */

import t from 'tap';
import type { NotSentReason } from '../../src/export/message.ts';
import { Delivery } from '../../src/lambda/delivery.ts';
import type { SessionEndpoints, TransportState } from '../../src/transport/session.ts';

const TCP: SessionEndpoints = {
  protocolIdentifier: 6,
  localAddress: '127.0.0.1',
  localPort: 1,
  remoteAddress: '127.0.0.1',
  remotePort: 2,
};

function way(protocol: 'tcp' | 'udp', state: TransportState = 'sending') {
  const endpoints: SessionEndpoints | undefined = { ...TCP, protocolIdentifier: protocol === 'tcp' ? 6 : 17 };
  const transport = {
    state,
    endpoints: endpoints as SessionEndpoints | undefined,
    counters: { sessions: 3 },
  };
  const notSent = new Map<NotSentReason, { records: number }>([
    ['queue_full', { records: 5 }],
    ['not_representable', { records: 1 }],
  ]);
  const exporter = { sent: { records: 10 }, notSent };
  return { outlet: { name: `${protocol}://c`, transport }, exporter };
}

const never = new AbortController().signal;
/** The kernel's answers, one a look; the last stays. */
const kernel = (...unacknowledged: (number | undefined)[]) => {
  const looks = { count: 0 };
  const look = async () => {
    const octets = unacknowledged[Math.min(looks.count++, unacknowledged.length - 1)];
    return octets === undefined ? undefined : { unanswered: 0, unacknowledgedOctets: octets };
  };
  return { look, looks };
};

t.test('UDP: what the kernel has is delivered', async (t) => {
  const one = way('udp');
  const { look, looks } = kernel(7);
  const delivery = new Delivery([one], look);
  one.exporter.sent.records += 4;
  one.outlet.transport.counters.sessions = 9; // another address: nothing is lost with that
  await delivery.done(never);
  t.equal(looks.count, 0);
});

t.test('TCP: the acknowledgement is waited for', async (t) => {
  const one = way('tcp');
  const { look, looks } = kernel(70, 7, 0);
  const delivery = new Delivery([one], look);
  one.exporter.sent.records += 4;
  await delivery.done(never);
  t.equal(looks.count, 3);
  await new Delivery([way('tcp')], kernel(undefined).look).done(never);
});

t.test('TCP: no acknowledgement in time', async (t) => {
  const stop = new AbortController();
  const { look } = kernel(70);
  const done = new Delivery([way('tcp')], look).done(stop.signal);
  stop.abort();
  await t.rejects(done, /did not acknowledge everything in time/);
});

t.test('records that were not sent: new ones, and those that another attempt could send', async (t) => {
  const [tcp, udp] = [way('tcp'), way('udp')];
  const delivery = new Delivery([tcp, udp], kernel(0).look);
  udp.exporter.notSent.set('not_representable', { records: 9 });
  await delivery.done(never);
  udp.exporter.notSent.set('refused', { records: 2 });
  udp.exporter.notSent.set('queue_full', { records: 6 });
  await t.rejects(delivery.done(never), { message: '3 records were not sent to udp://c' });
});

t.test('TCP: a connection that broke, and one that was only made', async (t) => {
  const broke = way('tcp');
  const delivery = new Delivery([broke], kernel(0).look);
  broke.outlet.transport.counters.sessions++;
  await delivery.done(never); // nothing was sent over it
  broke.exporter.sent.records++;
  await t.rejects(delivery.done(never), /the connection to tcp:\/\/c was lost/);

  const made = way('tcp', 'resolving');
  const first = new Delivery([made], kernel(0).look);
  made.outlet.transport.counters.sessions++;
  made.outlet.transport.state = 'sending';
  made.exporter.sent.records++;
  await first.done(never);

  const gone = way('tcp');
  const last = new Delivery([gone], kernel(0).look);
  gone.exporter.sent.records++;
  gone.outlet.transport.state = 'failing';
  gone.outlet.transport.endpoints = undefined;
  await t.rejects(last.done(never), /was lost/);
});
