/** The line as a whole: nothing is lost or counted twice, whatever its ways out do; and packets cost no memory. */

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t, { type Test } from 'tap';
import { Frame, type FrameReceiver, GsoType, type PacketSource } from '../src/capture/packet-source.ts';
import { MessageDecoder } from '../src/collect/decode.ts';
import { fieldValue } from '../src/collect/record.ts';
import { type Message, NOT_SENT_REASONS, type NotSentReason, type Session } from '../src/export/message.ts';
import { Decapsulator, TUNNELS } from '../src/packet/decapsulator.ts';
import { type Outlet, Probe, type ProbeOptions, type Transport } from '../src/probe.ts';
import { Random } from './fuzz/random.ts';
import { ethernetFrame } from './support/frames.ts';

const SEEDS = [1, 2, 3, 4, 5];
const STEPS = 400;
const OWN_PORT = 4739;

/** Hands over what the test gives it. */
class HandSource implements PacketSource {
  readonly interfaces = [{ index: 1, name: 'eth0' }];
  readonly counters = { frames: 0, kernelDroppedPackets: 0, ringFreezes: 0 };
  readonly capturing = true;
  readonly finished = new Promise<void>(() => undefined);
  #receiver: FrameReceiver | undefined;

  async start(receiver: FrameReceiver): Promise<void> {
    this.#receiver = receiver;
  }

  batch(frames: readonly Frame[]): void {
    this.#receiver!.beginBatch();
    for (let i = 0; i < frames.length; i++) this.#receiver!.frame(frames[i]!);
    void this.#receiver!.endBatch();
  }

  refreshCounters(): void {}

  async stop(): Promise<void> {}
}

/** Sends, refuses, stalls and reconnects as chance has it. */
class FickleTransport implements Transport {
  readonly #random: Random;
  #session: Session<Message> | undefined;
  #held: Message[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  get queued(): number {
    return this.#held.length;
  }

  /** What the Messages say that wait here. */
  get held(): { records: number; packets: number; octets: number } {
    const sum = { records: 0, packets: 0, octets: 0 };
    for (const { flowRecords, packets, octets } of this.#held) {
      sum.records += flowRecords;
      sum.packets += packets;
      sum.octets += octets;
    }
    return sum;
  }

  start(session: Session<Message>): void {
    this.#session = session;
    this.#reconnect();
  }

  send(message: Message): void {
    const chance = this.#random.below(4);
    if (chance === 0) this.#settle(message, this.#random.pick(NOT_SENT_REASONS));
    else if (chance === 1) this.#settle(message);
    else this.#held.push(message);
  }

  /** Time passes: some of what waits leaves or is lost, and sometimes a new session begins. */
  turn(): void {
    const leaving = this.#held.splice(0, this.#random.below(this.#held.length + 1));
    for (const message of leaving)
      this.#settle(message, this.#random.below(3) === 0 ? this.#random.pick(NOT_SENT_REASONS) : undefined);
    if (this.#random.below(20) === 0) this.#reconnect();
  }

  whenBelow(): undefined {
    return undefined;
  }

  async drain(): Promise<void> {
    this.turn();
  }

  stop(): void {
    for (const message of this.#held.splice(0)) this.#settle(message, 'shutdown');
  }

  #reconnect(): void {
    this.#held.push(...this.#session!.sessionStarted());
  }

  #settle(message: Message, notSent?: NotSentReason): void {
    if (notSent === undefined) this.#session!.stamp(message);
    this.#session!.settled(message, notSent);
  }
}

/** Every Message leaves at once. */
class NullTransport implements Transport {
  readonly queued = 0;
  messages = 0;
  #session: Session<Message> | undefined;

  start(session: Session<Message>): void {
    this.#session = session;
    for (const message of session.sessionStarted()) this.send(message);
  }

  send(message: Message): void {
    this.messages++;
    this.#session!.stamp(message);
    this.#session!.settled(message);
  }

  whenBelow(): undefined {
    return undefined;
  }

  async drain(): Promise<void> {}

  stop(): void {}
}

const outlet = (protocol: Outlet['protocol'], transport: Transport, name = '', balance?: string): Outlet => ({
  name: protocol + name,
  balance,
  protocol,
  observationDomain: 1,
  messageOctets: 1452,
  templateRefreshMilliseconds: 1000,
  templateRefreshMessages: 10,
  tcpControlBitsOctets: 2,
  transport,
});

/** A live probe whose clock is the test's. */
function probeWith(options: Partial<ProbeOptions> & Pick<ProbeOptions, 'outlets'>) {
  const source = new HandSource();
  const clock = { milliseconds: 1000 };
  const probe = new Probe({
    activeTimeoutMilliseconds: 5000,
    idleTimeoutMilliseconds: 15_000,
    maxFlows: 64,
    fields: 'standard',
    seed: [3, 4],
    sources: [source],
    live: true,
    clocks: { unix: () => 1_700_000_000_000 + clock.milliseconds, monotonic: () => clock.milliseconds },
    onNotice: () => undefined,
    onSourceError: (error) => {
      throw error;
    },
    ...options,
  });
  return { probe, source, clock };
}

function frameOf(bytes: Uint8Array, about: Partial<Frame> = {}): Frame {
  return Object.assign(new Frame(), {
    view: new DataView(bytes.buffer, bytes.byteOffset),
    capturedLength: bytes.length,
    wireLength: bytes.length,
    seconds: 1_700_000_000,
    ingressInterface: 1,
    ...about,
  });
}

/** A frame of any fate, and the packets that it was on the wire. */
function anyFrame(random: Random): { frame: Frame; packets: number } {
  const isIpv6 = random.below(3) === 0;
  const address = () => (isIpv6 ? `2001:db8::${1 + random.below(9)}` : `10.0.0.${random.below(9)}`);
  const protocol = random.pick([6, 6, 17, 1, 132]);
  const bytes = ethernetFrame({
    source: address(),
    destination: address(),
    protocol,
    sourcePort: 1024 + random.below(5),
    destinationPort: random.pick([53, 80, OWN_PORT]),
    flags: random.pick([0x02, 0x10, 0x18, 0x11, 0x04]),
    payload: random.below(1400),
  });
  switch (random.below(12)) {
    case 0:
      bytes[12] = 0x08;
      bytes[13] = 0x06; // ARP
      return { frame: frameOf(bytes), packets: 1 };
    case 1:
      return { frame: frameOf(bytes.subarray(0, random.below(40))), packets: 1 };
    case 2:
      return { frame: frameOf(bytes, { linkType: 147 }), packets: 1 };
    case 3:
      bytes[14] = 0x50; // IP version 5
      return { frame: frameOf(bytes), packets: 1 };
    case 4: {
      // What TSO made one of several.
      const payload = protocol === 6 ? bytes.length - 14 - (isIpv6 ? 40 : 20) - 20 : 0;
      if (payload < 200) break;
      const gso = { gsoType: isIpv6 ? GsoType.TCPV6 : GsoType.TCPV4, gsoSize: 100 };
      return { frame: frameOf(bytes, gso), packets: Math.ceil(payload / 100) };
    }
  }
  return { frame: frameOf(bytes), packets: 1 };
}

const VARIANTS: readonly { seed: number; options?: Pick<ProbeOptions, 'biflow' | 'sampling'> }[] = [
  ...SEEDS.map((seed) => ({ seed })),
  { seed: 6, options: { biflow: true } },
  { seed: 7, options: { biflow: true, sampling: { interval: 2, mode: 'random' } } },
];

for (const { seed, options = {} } of VARIANTS) {
  const what = ['', ...Object.keys(options)].join(' ');
  t.test(`both identities of conservation hold at every moment (seed ${seed}${what})`, async (t) => {
    const random = new Random(seed);
    const transports = [1, 2, 3, 4, 5].map((n) => new FickleTransport(new Random(1000 * seed + n)));
    const { probe, source, clock } = probeWith({
      ...options,
      outlets: [
        ...(['ipfix', 'netflow9', 'netflow5'] as const).map((protocol, i) =>
          outlet(protocol, transports[i]!),
        ),
        outlet('ipfix', transports[3]!, ' a', 'group'),
        outlet('netflow9', transports[4]!, ' b', 'group'),
      ],
      ownExport: { refresh: () => undefined, matches: (view) => view.destinationTransportPort === OWN_PORT },
    });
    await probe.start();
    let packets = 0;
    for (let step = 0; step < STEPS; step++) {
      const frames = Array.from({ length: random.below(60) }, () => {
        const one = anyFrame(random);
        packets += one.packets;
        return one.frame;
      });
      source.batch(frames);
      identities(t, probe);
      for (const transport of transports) transport.turn();
      identities(t, probe);
      clock.milliseconds += random.pick([0, 1, 20, 300, 2000, 7000, 16_000]);
      probe.meter.expire();
      identities(t, probe);
      for (const { exporter } of probe.exports) {
        exporter.tick(clock.milliseconds);
        if (random.below(5) === 0) exporter.flush();
      }
      identities(t, probe);
      groupIdentity(t, probe);
      for (const [i, { exporter }] of probe.exports.entries()) {
        exporter.flush();
        same(t, exporter.queued, transports[i]!.held, 'queued is what the transport holds');
      }
    }
    t.equal(probe.meter.capturedPackets, packets, `${packets} packets`);
    for (const [i, count] of probe.meter.ignoredPackets.entries()) {
      // Reasons that these frames give: not_ip, truncated …, unknown_link_type, …, bad_ip_version, own_export.
      if ([0, 1, 2, 3, 4, 7].includes(i)) t.ok(count > 0, `reason ${i}`);
    }

    await probe.stop(1000);
    identities(t, probe);
    t.equal(probe.meter.flows, 0);
    for (const { exporter } of probe.exports) {
      same(t, exporter.queued, { records: 0, packets: 0, octets: 0 }, 'nothing is queued');
      t.ok(exporter.sent.records > 100 && exporter.notSent.get('refused')!.records > 0);
    }
    t.ok(probe.exports[2]!.exporter.notSent.get('not_representable')!.records > 0);
    const [one, other] = [probe.exports[3]!.exporter, probe.exports[4]!.exporter];
    t.ok(one.balancedAway.records > 100 && other.balancedAway.records > 100, 'both have a share');
    // Of a biflow IPFIX gets one record, and v9 two.
    const carried = ({ packets, octets }: { packets: number; octets: number }) => ({ packets, octets });
    t.same(carried(one.balancedAway), carried(other.accepted), 'what one does not get the other gets');
    t.same(carried(other.balancedAway), carried(one.accepted));
    if (!options.biflow) t.equal(one.balancedAway.records, other.accepted.records);
  });
}

function identities(t: Test, { meter, exports }: Probe): void {
  const sum = (counts: Iterable<number>) => [...counts].reduce((all, n) => all + n, 0);
  const open = meter.tables.map((table) => table.sumOpen());
  const unit = (name: 'packets' | 'octets', captured: number, metered: number, ignored: Float64Array) => {
    same(t, captured, metered + sum(ignored), `captured = metered + ignored ${name}`);
    const inTable = open[0]![name] + open[1]![name];
    for (const { exporter } of exports) {
      const notSent = sum([...exporter.notSent.values()].map((counts) => counts[name]));
      const all =
        exporter.sent[name] + exporter.queued[name] + inTable + exporter.balancedAway[name] + notSent;
      const terms = 'sent + queued + in table + balanced away + not sent';
      same(t, all, metered, `metered = ${terms} ${name}, ${exporter.protocol}`);
    }
  };
  unit('packets', meter.capturedPackets, meter.meteredPackets, meter.ignoredPackets);
  unit('octets', meter.capturedOctets, meter.meteredOctets, meter.ignoredOctets);
}

/** The group as a whole, its members from the start on: what one got, another did not. */
function groupIdentity(t: Test, { meter, exports }: Probe): void {
  const group = exports.filter(({ outlet: { balance } }) => balance !== undefined);
  const accepted = group.reduce((sum, { exporter }) => sum + exporter.accepted.packets, 0);
  const inTable = meter.tables.reduce((sum, table) => sum + table.sumOpen().packets, 0);
  same(t, accepted + inTable, meter.meteredPackets, "metered packets = the group's + in table");
}

/** Thousands of comparisons: only those that fail are told. */
function same(t: Test, found: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) t.same(found, wanted, what);
}

const ROUNDS = 40;
const PACKETS = 25_000;
const BATCH_PACKETS = 250;
const FLOWS = 1000;
const LONG_MILLISECONDS = 86_400_000;

const ALL_TUNNELS = { decapsulator: new Decapsulator({ tunnels: TUNNELS }) };
/** What shapes records, and where packets take another way through the code. */
const SHAPES: readonly [name: string, options: Pick<ProbeOptions, 'fields' | 'biflow' | 'decapsulator'>][] = [
  ['standard', { fields: 'standard' }],
  ['full', { fields: 'full' }],
  ['biflows', { fields: 'standard', biflow: true }],
  ['biflows, full', { fields: 'full', biflow: true }],
  ['tunnels', { fields: 'standard', ...ALL_TUNNELS }],
  ['biflows of tunnels, full', { fields: 'full', biflow: true, ...ALL_TUNNELS }],
];

for (const [name, options] of SHAPES) {
  t.test(`a million packets leave the heap as it was (${name})`, async (t) => {
    const growth = await heapGrowth(t, { ...options, activeTimeoutMilliseconds: LONG_MILLISECONDS });
    t.ok(growth < PACKETS / 4, `${growth} octets in ${PACKETS} packets: nothing a packet`);
    const withRecords = await heapGrowth(t, { ...options, activeTimeoutMilliseconds: 1000 });
    const records = withRecords - growth;
    // A biflow is two records to the collectors of v5 and v9.
    const told = options.biflow === true ? 5 : 3;
    t.ok(
      records < 50 * told * FLOWS,
      `${records} octets more for ${FLOWS} flows' records to three collectors: views of Messages`,
    );
  });
}

/** An Ethernet frame within VXLAN, within an Ethernet frame. */
function withinVxlan(inner: Uint8Array): Uint8Array {
  const outer = ethernetFrame({
    ...{ source: '192.0.2.1', destination: '192.0.2.2', protocol: 17 },
    ...{ sourcePort: 50_000, destinationPort: 4789, payload: 8 + inner.length },
  });
  outer.set([0x08, 0, 0, 0, 0, 0, 7, 0, ...inner], outer.length - inner.length - 8);
  return outer;
}

/** The median of what the heap grows by in 25 000 packets of 1000 flows, a second of the probe's time. */
async function heapGrowth(
  t: Test,
  options: Pick<ProbeOptions, 'fields' | 'biflow' | 'decapsulator' | 'activeTimeoutMilliseconds'>,
): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const transports = [new NullTransport(), new NullTransport(), new NullTransport()];
  const { probe, source, clock } = probeWith({
    outlets: (['ipfix', 'netflow9', 'netflow5'] as const).map((protocol, i) => ({
      ...outlet(protocol, transports[i]!),
      templateRefreshMilliseconds: LONG_MILLISECONDS,
      templateRefreshMessages: 0,
    })),
    maxFlows: 4096,
    ...options,
  });
  await probe.start();
  const frameTo = (flow: number, isAnswer: boolean): Frame => {
    const net = flow % 4 === 0 ? '2001:db8::' : '10.0.0.';
    const [near, far] = [
      [`${net}1`, 1024 + flow],
      [`${net}2`, 0],
    ] as const;
    const [[source, sourcePort], [destination, destinationPort]] = isAnswer ? [far, near] : [near, far];
    const packet = { source, sourcePort, destination, destinationPort, protocol: 6, payload: 10 };
    const bytes = ethernetFrame(packet);
    return frameOf(options.decapsulator === undefined ? bytes : withinVxlan(bytes));
  };
  // Of a biflow first each one's question, then each one's answer.
  const directions = options.biflow === true ? [false, true] : [false];
  const batches = directions.flatMap((isAnswer) =>
    Array.from({ length: FLOWS / BATCH_PACKETS }, (_, batch) =>
      Array.from({ length: BATCH_PACKETS }, (_, i) => frameTo(batch * BATCH_PACKETS + i, isAnswer)),
    ),
  );
  const round = () => {
    for (let done = 0; done < PACKETS; done += BATCH_PACKETS) {
      source.batch(batches[(done / BATCH_PACKETS) % batches.length]!);
      clock.milliseconds += 10;
      probe.meter.expire();
      for (let i = 0; i < probe.exports.length; i++) probe.exports[i]!.exporter.tick(clock.milliseconds);
    }
  };

  for (let i = 0; i < 20; i++) round(); // until the optimizing compiler is done
  const growth: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    collectGarbage();
    const before = getHeapStatistics().used_heap_size;
    round();
    growth.push(getHeapStatistics().used_heap_size - before);
  }
  t.equal(probe.meter.meteredPackets, (20 + ROUNDS) * PACKETS);
  t.equal(probe.meter.flows, FLOWS);
  const isQuiet = options.activeTimeoutMilliseconds === LONG_MILLISECONDS;
  const { records } = probe.exports[0]!.exporter.sent;
  t.ok(isQuiet ? records === 0 : records > 50 * FLOWS, `${records} records`);
  await probe.stop(1000);
  return growth.sort((a, b) => a - b)[ROUNDS / 2]!;
}

// Behind the measurement of the heap: other transports make the compiler's code for these more general.

for (const seed of SEEDS) {
  t.test(`both identities hold while collectors come and go (seed ${seed})`, async (t) => {
    const random = new Random(seed);
    const transports = new Map<Outlet, FickleTransport>();
    const make = (n: number): Outlet => {
      const transport = new FickleTransport(new Random(1000 * seed + n));
      // Every other one shares with those that are there at the time.
      const balance = n % 2 === 1 ? 'group' : undefined;
      const made = outlet(random.pick(['ipfix', 'netflow9', 'netflow5']), transport, ` ${n}`, balance);
      transports.set(made, transport);
      return made;
    };
    const { probe, source, clock } = probeWith({ outlets: [make(0)] });
    await probe.start();
    const [first] = probe.exports;
    const left: Promise<void>[] = [];
    let added = 0;
    let hasShared = false;
    for (let step = 0; step < STEPS; step++) {
      source.batch(Array.from({ length: random.below(60) }, () => anyFrame(random).frame));
      if (random.below(10) === 0) {
        const { exporter } = probe.addOutlet(make(step));
        added++;
        same(t, exporter.queued, { records: 0, packets: 0, octets: 0 }, 'nothing came before the beginning');
        same(
          t,
          exporter.notSent.get('before_start')!.records,
          probe.meter.records.reduce((sum, n) => sum + n, 0),
          'what had left the table',
        );
      }
      const [, ...others] = probe.exports;
      if (random.below(12) === 0 && others.length > 0) {
        const gone = random.pick(others);
        const { accepted } = gone.exporter;
        left.push(
          probe.removeOutlet(gone.outlet, 1000).then(() => {
            same(t, gone.exporter.queued, { records: 0, packets: 0, octets: 0 }, 'all is settled');
            same(t, gone.exporter.accepted, accepted, 'no record came any more');
          }),
        );
        t.notOk(probe.exports.includes(gone));
      }
      identities(t, probe);
      for (const transport of transports.values()) transport.turn();
      clock.milliseconds += random.pick([0, 1, 20, 300, 2000, 7000]);
      probe.meter.expire();
      for (const { exporter } of probe.exports) exporter.tick(clock.milliseconds);
      identities(t, probe);
      hasShared ||= probe.exports.some(({ exporter }) => exporter.balancedAway.records > 0);
      // What is taken away drains between the turns of the event loop.
      if (random.below(4) === 0) await new Promise(setImmediate);
    }
    t.ok(added > 20 && left.length > 10, `${added} added, ${left.length} removed`);
    t.ok(hasShared, 'some have shared');
    t.equal(probe.exports[0], first, 'the first was left alone');
    await probe.stop(1000);
    await Promise.all(left);
    identities(t, probe);
    for (const { exporter } of probe.exports) t.equal(exporter.queued.records, 0);
  });
}

t.test('the end does not wait for a collector that was taken away and is stuck', async (t) => {
  let stop = (): void => {};
  const untilStopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const transport: Transport = {
    queued: 1,
    start: () => undefined,
    send: () => undefined,
    whenBelow: () => untilStopped,
    drain: () => untilStopped,
    stop: () => stop(),
  };
  const stuck = outlet('ipfix', transport);
  const { probe } = probeWith({ outlets: [stuck, outlet('netflow9', new NullTransport())] });
  await probe.start();
  const removed = probe.removeOutlet(stuck, 3_600_000);
  await probe.stop(0);
  await removed;
  t.equal(probe.exports.length, 1);
});

t.test(
  'the clock is set back and forward by an hour: deadlines, templates and uptimes do not follow',
  async (t) => {
    const HOUR = 3_600_000;
    const decoders = {
      netflow5: new MessageDecoder(),
      netflow9: new MessageDecoder(),
      ipfix: new MessageDecoder(),
    };
    const protocols = ['netflow5', 'netflow9', 'ipfix'] as const;
    const times: { protocol: string; start: number; end: number; packets: number; header: number }[] = [];
    const transports = protocols.map((protocol) => {
      class DecodingTransport extends NullTransport {
        override send(message: Message): void {
          super.send(message);
          const fault = decoders[protocol].decode(
            message.bytes,
            { address: '127.0.0.1', port: 9 },
            {
              record: (record, { exportTimeMilliseconds }) => {
                const value = (name: string) => Number(fieldValue(record, name));
                const [start, end] = [value('flowStartMilliseconds'), value('flowEndMilliseconds')];
                times.push({
                  protocol,
                  start,
                  end,
                  packets: value('packetDeltaCount'),
                  header: exportTimeMilliseconds,
                });
              },
              options: () => undefined,
            },
          );
          if (fault !== undefined) t.fail(fault);
        }
      }
      return new DecodingTransport();
    });
    let step = 0;
    const unixOf = (monotonic: number) => 1_700_000_000_000 + monotonic + step;
    const clock = { milliseconds: 1000 };
    const { probe, source } = probeWith({
      outlets: protocols.map((protocol, i) => outlet(protocol, transports[i]!)),
      activeTimeoutMilliseconds: 2000,
      clocks: { unix: () => unixOf(clock.milliseconds), monotonic: () => clock.milliseconds },
    });
    await probe.start();
    const bytes = ethernetFrame({ source: '10.0.0.1', destination: '10.0.0.2', protocol: 17 });
    /** A packet every 100 ms, stamped by the machine's clock as the kernel does. */
    const flow = (milliseconds: number) => {
      for (let passed = 0; passed < milliseconds; passed += 100) {
        const unix = unixOf(clock.milliseconds);
        const about = { seconds: Math.floor(unix / 1000), nanoseconds: (unix % 1000) * 1e6 };
        source.batch([frameOf(bytes, about)]);
        clock.milliseconds += 100;
        probe.meter.expire();
        for (const { exporter } of probe.exports) exporter.tick(clock.milliseconds);
      }
    };
    flow(1000); // so that the steps come amid a record
    const count = () => ({
      records: probe.meter.records[2]!,
      templates: probe.exports[2]!.exporter.templatesSent,
    });
    const start = count();
    flow(10_000);
    const usual = { records: 5, templates: count().templates - start.templates };
    t.match({ records: count().records - start.records }, { records: usual.records });
    t.ok(usual.templates >= 9, `${usual.templates} refreshes`);
    for (const hours of [-1, 1]) {
      const before = count();
      step += hours * HOUR;
      flow(10_000);
      t.equal(count().records - before.records, usual.records, `${hours} h: as many records as ever`);
      t.equal(count().templates - before.templates, usual.templates, `${hours} h: as many templates`);
      identities(t, probe);
    }
    await probe.stop(1000);
    identities(t, probe);
    for (const protocol of protocols) {
      const own = times.filter((each) => each.protocol === protocol);
      t.equal(
        own.reduce((sum, { packets }) => sum + packets, 0),
        310,
        `${protocol}: every packet, once`,
      );
      t.ok(
        own.every(({ start, end }) => start <= end),
        `${protocol}: no flow ends before it begins`,
      );
      // v5 and v9 count times back from their header; IPFIX need not.
      t.ok(
        protocol === 'ipfix' || own.every(({ end, header }) => end <= header),
        `${protocol}: none after its header`,
      );
      // Both steps fall within a record, whose times therefore span the hour; all others are two seconds.
      const spans = own.map(({ start, end }) => end - start).filter((span) => span > 2000);
      t.same(
        spans.map((span) => Math.round(span / HOUR)),
        [1, 1],
        `${protocol}: ${spans}`,
      );
    }
  },
);
