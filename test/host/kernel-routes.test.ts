/** The routes kept current, with a program that stands for `ip`; the real one is in test/network/routes.test.ts. */

import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { KernelRoutes, type KernelRoutesOptions } from '../../src/host/kernel-routes.ts';
import { flowWords } from './addresses.ts';
import { FakeIp } from './fake-ip.ts';

const WAIT_MILLISECONDS = 15_000;
const LINK = '[{"ifindex":2,"ifname":"eth0"},{"ifindex":3,"ifname":"eth1"}]';
const TO_ETH0 = '[{"dst":"default","gateway":"10.0.0.1","dev":"eth0","flags":[]}]';
const TO_ETH1 = '[{"dst":"default","gateway":"10.0.0.1","dev":"eth1","flags":[]}]';
const WORDS = flowWords('10.0.0.9', '192.0.2.1');

class Rig {
  readonly ip: FakeIp;
  readonly routes: KernelRoutes;
  readonly notices: string[] = [];

  constructor(t: Test, options: Partial<KernelRoutesOptions> = {}) {
    this.ip = new FakeIp(t, { link: LINK, route4: TO_ETH0 });
    this.routes = new KernelRoutes({
      program: this.ip.program,
      monotonicMilliseconds: () => performance.now(),
      onNotice: (text) => this.notices.push(text),
      ...options,
    });
    t.teardown(() => this.routes.stop());
  }

  get egress(): number {
    return this.routes.lookup(WORDS, 0, 4).egressInterface;
  }

  /** The number of readings, by any of their outcomes. */
  get readings(): number {
    const { reads, failures } = this.routes.counters;
    return reads + failures;
  }

  /** Resolves when the condition holds: what child processes bring about, the routes tell nobody. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + WAIT_MILLISECONDS;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
      await delay(5);
    }
  }
}

test('new is inert; start reads; stop ends the child processes', async (t) => {
  const { ip, routes } = new Rig(t);
  t.same(ip.calls, []);
  t.equal(routes.lookup(WORDS, 0, 4).egressInterface, 0);
  t.equal(routes.ageMilliseconds, Number.POSITIVE_INFINITY);
  t.equal(routes.generation, 0);

  await routes.start();
  t.match(routes.lookup(WORDS, 0, 4), { egressInterface: 2, destinationPrefixLength: 0 });
  t.same(routes.interfaces, [{ index: 2, name: 'eth0' }]);
  t.same([routes.count(4), routes.count(6)], [1, 0]);
  t.same(routes.counters, { reads: 1, failures: 0, monitors: 1 });
  t.equal(routes.generation, 1);
  t.ok(routes.ageMilliseconds < WAIT_MILLISECONDS);
  t.ok(routes.readMilliseconds > 0);
  const calls = ip.calls.length;

  await routes.stop();
  await routes.stop();
  ip.say();
  await new Promise(setImmediate);
  t.equal(ip.calls.length, calls, 'nothing is started any more');
});

test('a change is read; another generation tells', async (t) => {
  const rig = new Rig(t);
  await rig.routes.start();
  const { generation } = rig.routes;
  rig.ip.print({ route4: TO_ETH1 });
  rig.ip.say();
  await rig.until('the change is read', () => rig.egress === 3);
  t.not(rig.routes.generation, generation);
  t.same(rig.routes.interfaces, [{ index: 3, name: 'eth1' }]);
});

test('a change that comes before ip monitor listens is read all the same', async (t) => {
  const rig = new Rig(t);
  await rig.routes.start();
  rig.ip.print({ route4: TO_ETH1 });
  await rig.until('a second reading', () => rig.egress === 3);
  t.equal(rig.routes.counters.reads, 2);
});

test('changes that come together, and during a reading, are read together', async (t) => {
  const rig = new Rig(t);
  await rig.routes.start();
  const from = rig.readings;
  const began = performance.now();
  while (performance.now() - began < 1500) {
    rig.ip.say();
    await delay(5);
  }
  // A reading, then a pause of half a second at least.
  t.ok(rig.readings - from <= 3, `${rig.readings - from} readings`);
  const last = rig.readings;
  await rig.until('what came last is read', () => rig.readings > last);
});

test('a reading that fails: the routes stay, it is said once, and tried again', async (t) => {
  const rig = new Rig(t);
  await rig.routes.start();
  rig.ip.fail('RTNETLINK answers: busy');
  rig.ip.say();
  await rig.until('two failures', () => rig.routes.counters.failures >= 2);
  t.equal(rig.egress, 2);
  t.same(rig.notices, [
    'the routes cannot be read: ip link show: it ended with 2: RTNETLINK answers: busy; those read before are used',
  ]);
  rig.ip.print({ route4: TO_ETH1 });
  rig.ip.fail(undefined);
  await rig.until('it succeeds', () => rig.egress === 3);
  t.equal(rig.notices.length, 1);
});

test('more routes than are kept: none', async (t) => {
  const rig = new Rig(t, { maxRoutes: 1 });
  await rig.routes.start();
  t.equal(rig.egress, 2);
  rig.ip.print({ route4: '[{"dst":"default","dev":"eth0"},{"dst":"10.0.0.0/8","dev":"eth1"}]' });
  rig.ip.say();
  await rig.until('a failure', () => rig.routes.counters.failures > 0);
  t.equal(rig.egress, 0);
  t.same(rig.notices, [
    'the routes cannot be read: the kernel has more than 1 routes; ' +
      'records carry no egress interface, next hop and prefix lengths',
  ]);
});

test('a machine without ip: said once, and none is tried again', async (t) => {
  const rig = new Rig(t, { program: '/nowhere/ip' });
  await rig.routes.start();
  t.equal(rig.egress, 0);
  t.same(rig.routes.counters, { reads: 0, failures: 1, monitors: 1 });
  t.match(rig.notices, [
    /^there is no ip command \(Debian: apt-get install iproute2\): records carry no egress/,
  ]);
  await rig.routes.stop();
});

test('an ip monitor that ends is started again, and what it may have missed is read', async (t) => {
  const rig = new Rig(t);
  await rig.routes.start();
  const monitor = () => rig.ip.calls.filter((call) => call === 'monitor link route rule').length;
  await rig.until('it runs', () => monitor() === 1);
  rig.ip.endMonitor();
  await rig.until('it is started again', () => rig.routes.counters.monitors === 2);
  t.match(rig.notices, [/^ip monitor has ended \(3\); it is started again$/]);
  const { reads } = rig.routes.counters;
  rig.ip.print({ route4: TO_ETH1 });
  await rig.until('a reading', () => rig.routes.counters.reads > reads && rig.egress === 3);
});

test('policy rules that are not followed are said once', async (t) => {
  const rig = new Rig(t);
  rig.ip.print({
    rule4:
      '[{"priority":9,"src":"10.0.0.0","srclen":8,"table":"7"},{"priority":32766,"src":"all","table":"main"}]',
  });
  await rig.routes.start();
  rig.ip.say();
  await rig.until('two readings', () => rig.routes.counters.reads === 2);
  t.match(rig.notices, [
    /^1 policy rules and 0 routes look at more than the destination and are not followed/,
  ]);
  t.equal(rig.routes.unfollowedRules, 1);
});

test('stop during a reading ends it', async (t) => {
  const rig = new Rig(t);
  const started = rig.routes.start();
  await rig.routes.stop();
  await started;
  t.same([rig.routes.counters.reads, rig.routes.counters.failures], [0, 0]);
  t.same(rig.notices, []);
});
