/** The converter from objects to Messages: order, choices, ends. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { MessageDecoder } from '../../src/collect/decode.ts';
import { recordToJson } from '../../src/collect/json.ts';
import type { Message, Session } from '../../src/export/message.ts';
import type { Transport } from '../../src/export/outlet.ts';
import type { ConverterOptions, ConvertOutlet } from '../../src/flowlogs/convert-options.ts';
import { Converter } from '../../src/flowlogs/converter.ts';
import { openInterfaceMap } from '../../src/flowlogs/interface-map.ts';
import { parseFormat } from '../../src/flowlogs/log-format.ts';
import type { LogFormat, LogObject, LogSource } from '../../src/flowlogs/log-object.ts';

interface Json {
  readonly sourceIPv4Address?: string;
  readonly interfaceName?: string;
  readonly informationElementName?: string;
  readonly region?: string;
  readonly [name: string]: string | number | undefined;
}

/** A collector that takes Messages at once, or holds them until it is told to. */
class MemoryTransport implements Transport {
  readonly datagrams: Uint8Array[] = [];
  readonly records: Json[] = [];
  readonly options: Json[] = [];
  isHolding = false;
  /** Whoever waits is told to go on, although nothing leaves. */
  isImpatient = false;
  /** What is held is lost instead of released. */
  isBroken = false;
  isStopped = false;
  readonly #decoder = new MessageDecoder();
  readonly #held: Message[] = [];
  readonly #waiters: (() => void)[] = [];
  #session: Session<Message> | undefined;

  get queued(): number {
    return this.#held.length;
  }

  start(session: Session<Message>): void {
    this.#session = session;
    for (const message of session.sessionStarted()) this.#leave(message);
  }

  send(message: Message): void {
    if (this.isHolding) this.#held.push(message);
    else this.#leave(message);
  }

  release(): void {
    this.isHolding = false;
    for (const message of this.#held.splice(0)) {
      if (this.isBroken) this.#session!.settled(message, 'disconnected');
      else this.#leave(message);
    }
    for (const wake of this.#waiters.splice(0)) wake();
  }

  whenBelow(messages: number): Promise<void> | undefined {
    return this.queued < messages || this.isImpatient
      ? undefined
      : new Promise((resolve) => this.#waiters.push(resolve));
  }

  async drain(): Promise<void> {
    this.release();
  }

  stop(): void {
    this.isStopped = true;
  }

  #leave(message: Message): void {
    this.#session!.stamp(message);
    this.datagrams.push(message.bytes.slice());
    const fault = this.#decoder.decode(
      message.bytes,
      { address: '127.0.0.1', port: 1 },
      {
        record: (record) => this.records.push(JSON.parse(recordToJson(record)) as Json),
        options: (record) => this.options.push(JSON.parse(recordToJson(record)) as Json),
      },
    );
    if (fault !== undefined) throw new Error(fault);
    this.#session!.settled(message);
  }
}

function outlet(
  protocol: ConvertOutlet['protocol'],
  transport: Transport,
  more: Partial<ConvertOutlet> = {},
): ConvertOutlet {
  return {
    name: protocol,
    protocol,
    transport,
    observationDomain: 4,
    messageOctets: 1472,
    templateRefreshMilliseconds: 60_000,
    templateRefreshMessages: 0,
    tcpControlBitsOctets: 1,
    ...more,
  };
}

interface TextObject {
  readonly text: string;
  readonly format?: LogFormat;
  readonly fails?: Error;
}

/** Objects from memory; tells what it was told. */
class MemorySource implements LogSource {
  readonly found = { objects: 0, storedOctets: 0 };
  vanished = 0;
  readonly told: string[] = [];
  readonly #objects: readonly TextObject[];

  constructor(...objects: readonly TextObject[]) {
    this.#objects = objects;
  }

  async *objects(): AsyncIterable<LogObject> {
    for (const [i, { text, format, fails }] of this.#objects.entries()) {
      this.told.push(`taken ${i}`);
      yield {
        name: `object ${i}`,
        storedOctets: text.length,
        format,
        content: {
          kind: 'text',
          header: format === undefined ? 'first-line' : 'none',
          async *chunks() {
            yield Buffer.from(text);
            if (fails !== undefined) throw fails;
          },
        },
      };
    }
  }

  async exported({ name }: LogObject): Promise<void> {
    this.told.push(`exported ${name}`);
  }

  async failed({ name }: LogObject, { message }: Error): Promise<void> {
    this.told.push(`failed ${name}: ${message}`);
    if (message === 'vanished') this.vanished++;
  }
}

function converter(
  sources: readonly LogSource[],
  outlets: readonly ConvertOutlet[],
  more: Partial<ConverterOptions> = {},
) {
  const faults: string[] = [];
  const errors: string[] = [];
  const notices: string[] = [];
  const doubted: string[] = [];
  const made = new Converter({
    sources,
    outlets,
    rejects: 'keep',
    vantage: 'both',
    format: undefined,
    interfaceMap: openInterfaceMap(undefined),
    recordsPerSecond: 0,
    enterpriseNumber: undefined,
    clocks: { unix: Date.now, monotonic: () => performance.now() },
    onNotice: (_, text) => notices.push(text),
    onFault: ({ kind, object, line, text }) => faults.push(`${kind} ${object}:${line} ${text}`),
    onLongWay: ({ message }) => notices.push(message),
    onWrongFormat: (object) => doubted.push(object),
    onObjectError: (object, { message }) => errors.push(`${object} ${message}`),
    ...more,
  });
  return { made, faults, errors, notices, doubted };
}

async function convertAll(...args: Parameters<typeof converter>) {
  const result = converter(...args);
  await result.made.start();
  await result.made.finished;
  await result.made.stop(5000);
  return result;
}

const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n';
const line = (source: string, action = 'ACCEPT', packets = '1', octets = '40', eni = 'eni-a') =>
  `2 123456789010 ${eni} ${source} 198.51.100.2 20641 22 6 ${packets} ${octets} 1418530010 1418530070 ${action} OK\n`;
const sources = (transport: MemoryTransport) => transport.records.map((record) => record.sourceIPv4Address);

t.test('the same record in v5, v9 and IPFIX', async (t) => {
  const v5 = new MemoryTransport();
  const v9 = new MemoryTransport();
  const ipfix = new MemoryTransport();
  await convertAll(
    [new MemorySource({ text: HEADER + line('192.0.2.1', 'REJECT', '5000000000', '9000000000') })],
    [outlet('netflow5', v5), outlet('netflow9', v9), outlet('ipfix', ipfix, { enterpriseNumber: 32_473 })],
  );
  t.equal(v5.records.length, 3, 'what 32 bits do not hold is several records');
  const sum = (name: string) => v5.records.reduce((all, record) => all + Number(record[name]), 0);
  t.same([sum('packetDeltaCount'), sum('octetDeltaCount')], [5_000_000_000, 9_000_000_000]);
  const COMMON = {
    sourceIPv4Address: '192.0.2.1',
    destinationIPv4Address: '198.51.100.2',
    sourceTransportPort: 20_641,
    destinationTransportPort: 22,
    protocolIdentifier: 6,
    ingressInterface: 1,
    egressInterface: 0,
  };
  const TIMES = { flowStartMilliseconds: 1_418_530_010_000, flowEndMilliseconds: 1_418_530_070_000 };
  const VERDICT = { forwardingStatus: 129, firewallEvent: 3, packetDeltaCount: 5_000_000_000 };
  for (const { records } of [v5, v9, ipfix]) t.match(records[0], COMMON);
  for (const { records } of [v9, ipfix]) t.match(records[0], { ...TIMES, ...VERDICT });
  t.match(ipfix.records[0], { 'account-id': '123456789010', 'interface-id': 'eni-a', version: 2 });
  t.notOk('ipClassOfService' in ipfix.records[0]!, 'what flow logs do not tell is not told');
  const names = (transport: MemoryTransport) =>
    transport.options.filter((row) => 'interfaceName' in row).map((row) => row.interfaceName);
  t.same([names(v9).at(-1), names(ipfix).at(-1)], ['eni-a', 'eni-a']);
  // RFC 5610 §3.1: the elements of the enterprise, and their types.
  const types = ipfix.options.filter(({ informationElementName }) => informationElementName !== undefined);
  t.match(
    types.find(({ informationElementName }) => informationElementName === 'account-id'),
    { privateEnterpriseNumber: 32_473, informationElementId: 2, informationElementDataType: 13 },
  );
  t.equal(
    new Set(types.map(({ informationElementName }) => informationElementName)).size,
    3,
    'those of the format',
  );
  // The header has the clock of the data: the greatest end.
  t.equal(new DataView(ipfix.datagrams[0]!.buffer).getUint32(4), 1_418_530_070);
  t.equal(new DataView(v5.datagrams[0]!.buffer).getUint32(8), 1_418_530_070);
});

t.test(
  'an object is exported when all of it has left, and not before; the next is not taken earlier',
  async (t) => {
    const transport = new MemoryTransport();
    transport.isHolding = true;
    const source = new MemorySource(
      { text: HEADER + line('192.0.2.1') },
      { text: HEADER + line('192.0.2.2') },
    );
    const { made } = converter([source], [outlet('ipfix', transport)]);
    await made.start();
    while (transport.queued === 0) await new Promise(setImmediate);
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
    t.same(source.told, ['taken 0']);
    t.equal(made.counts.objects, 0);
    transport.release();
    await made.finished;
    t.same(source.told, ['taken 0', 'exported object 0', 'taken 1', 'exported object 1']);
    await made.stop(1000);
    t.ok(transport.isStopped);
  },
);

t.test(
  'a collector that is away for a while is waited for: nothing is queued without bound, or lost',
  async (t) => {
    const transport = new MemoryTransport();
    transport.isHolding = true;
    transport.isImpatient = true;
    const records = 100_000;
    const source = new MemorySource({ text: HEADER + line('192.0.2.1').repeat(records) });
    const { made } = converter([source], [outlet('netflow5', transport)]);
    await made.start();
    while (transport.queued < 1024) await new Promise(setImmediate);
    for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate);
    // What was converted in the turn that met the bound: 4096 lines, 30 records a datagram.
    t.ok(transport.queued < 1024 + 4096 / 30 + 1, `${transport.queued} datagrams are queued`);
    transport.release();
    await made.finished;
    t.equal(transport.records.length, records);
    t.same(source.told, ['taken 0', 'exported object 0']);
    await made.stop(1000);
  },
);

t.test('an object of which records are lost is not exported', async (t) => {
  const transport = new MemoryTransport();
  transport.isHolding = true;
  transport.isBroken = true;
  const source = new MemorySource({ text: HEADER + line('192.0.2.1') }, { text: HEADER + line('192.0.2.2') });
  const { made, errors } = converter([source], [outlet('ipfix', transport)]);
  await made.start();
  while (transport.queued === 0) await new Promise(setImmediate);
  transport.release();
  await made.finished;
  t.same(source.told, [
    'taken 0',
    'failed object 0: 1 of its records were not sent',
    'taken 1',
    'exported object 1',
  ]);
  t.same(errors, ['object 0 1 of its records were not sent']);
  t.match(made.counts, { objects: 1, failedObjects: 1 });
  await made.stop(1000);
});

t.test('interfaces that turn up later are named where templates are sent once, too', async (t) => {
  const transport = new MemoryTransport();
  const source = new MemorySource(
    { text: HEADER + line('192.0.2.1', 'ACCEPT', '1', '40', 'eni-a') },
    { text: HEADER + line('192.0.2.2', 'ACCEPT', '1', '40', 'eni-b') },
  );
  let now = 0;
  const clocks = { unix: Date.now, monotonic: () => now };
  const { made } = converter([source], [outlet('ipfix', transport, { templateRefreshMilliseconds: 0 })], {
    clocks,
  });
  const names = () => transport.options.flatMap(({ interfaceName }) => interfaceName ?? []);
  await made.start();
  await made.finished;
  t.same(names(), ['eni-a']);
  now = 1000;
  while (!names().includes('eni-b')) await new Promise((resolve) => setTimeout(resolve, 5));
  const told = transport.datagrams.length;
  now = 5000;
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal(transport.datagrams.length, told, 'and then no more');
  await made.stop(1000);
});

t.test('an object that has vanished is no failure, and makes none of another', async (t) => {
  const source = new MemorySource(
    { text: '', fails: new Error('vanished') },
    { text: '', fails: new Error('damaged') },
  );
  const { made, errors } = await convertAll([source], [outlet('ipfix', new MemoryTransport())]);
  t.same(errors, ['object 1 damaged']);
  t.match(made.counts, { objects: 0, failedObjects: 1 });
});

t.test('waiting keeps nothing', async (t) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  class SlowTransport extends MemoryTransport {
    override send(message: Message): void {
      super.send(message);
      this.records.length = 0;
      this.datagrams.length = 0;
    }
    override whenBelow(): Promise<void> {
      return Promise.resolve();
    }
  }
  const heap: number[] = [];
  const source = new MemorySource();
  source.objects = async function* () {
    yield {
      name: 'a long one',
      storedOctets: undefined,
      format: undefined,
      content: {
        kind: 'text',
        header: 'none',
        async *chunks() {
          const one = Buffer.from(line('192.0.2.1'));
          for (let waits = 0; waits <= 40_000; waits++) {
            if (waits % 20_000 === 0) {
              collectGarbage();
              heap.push(process.memoryUsage().heapUsed);
            }
            yield one;
          }
        },
      },
    };
  };
  await convertAll([source], [outlet('netflow5', new SlowTransport())]);
  const grown = heap[2]! - heap[1]!;
  t.ok(grown < 1_000_000, `${grown} octets in 20 000 waits`);
});

t.test(
  'a stop in the middle: the object is neither exported nor failed, and what was converted leaves',
  async (t) => {
    const transport = new MemoryTransport();
    transport.isHolding = true;
    const source = new MemorySource({ text: HEADER + line('192.0.2.1') });
    const { made } = converter([source], [outlet('ipfix', transport)]);
    await made.start();
    while (transport.queued === 0) await new Promise(setImmediate);
    await made.stop(1000);
    t.same(source.told, ['taken 0']);
    t.same(sources(transport), ['192.0.2.1']);
  },
);

t.test('rejects', async (t) => {
  const text = HEADER + line('192.0.2.1') + line('192.0.2.2', 'REJECT') + line('192.0.2.3', '-');
  const WANTED = {
    keep: { addresses: ['192.0.2.1', '192.0.2.2', '192.0.2.3'], dropped: 0 },
    drop: { addresses: ['192.0.2.1', '192.0.2.3'], dropped: 1 },
    only: { addresses: ['192.0.2.2'], dropped: 2 },
  };
  for (const rejects of ['keep', 'drop', 'only'] as const) {
    const transport = new MemoryTransport();
    const { made } = await convertAll([new MemorySource({ text })], [outlet('ipfix', transport)], {
      rejects,
    });
    t.same(sources(transport), WANTED[rejects].addresses, rejects);
    t.match(made.counts, { records: 3, rejects: 1, droppedRejects: WANTED[rejects].dropped });
    t.equal(made.counts.converted, WANTED[rejects].addresses.length);
  }
  const accepted = new MemoryTransport();
  const rejected = new MemoryTransport();
  const own = outlet('netflow5', rejected, { observationDomain: 5 });
  await convertAll([new MemorySource({ text })], [outlet('netflow5', accepted, { rejects: own })]);
  t.same([sources(accepted), sources(rejected)], [['192.0.2.1', '192.0.2.3'], ['192.0.2.2']]);
  t.same([accepted.datagrams[0]![21], rejected.datagrams[0]![21]], [4, 5], 'engine IDs');
});

t.test('vantage', async (t) => {
  const format = parseFormat('srcaddr dstaddr flow-direction packets bytes');
  const text = [
    '10.0.0.1 10.0.0.9 ingress 1 100',
    '10.0.0.2 10.0.0.9 egress 2 200',
    '10.0.0.3 10.0.0.9 - 3 300',
  ].join('\n');
  for (const [vantage, last] of [
    ['ingress', '10.0.0.1'],
    ['egress', '10.0.0.2'],
  ] as const) {
    const transport = new MemoryTransport();
    const { made } = await convertAll([new MemorySource({ text, format })], [outlet('ipfix', transport)], {
      vantage,
    });
    t.same(sources(transport), [last, '10.0.0.3']);
    t.match(made.counts, { lines: 3, records: 3, converted: 2, droppedVantage: 1, directionless: 1 });
    t.equal(made.counts.octets + made.counts.droppedOctets, 600);
  }
});

t.test(
  'formats: a header in the middle, a wrong one, none; templates come before their records',
  async (t) => {
    const transport = new MemoryTransport();
    const source = new MemorySource(
      { text: `${HEADER}${line('192.0.2.1')}dstaddr srcaddr\n10.0.0.1 10.0.0.2\n` },
      { text: 'srcaddr dstaddr srcaddr\n10.0.0.3 10.0.0.4 10.0.0.5\n' },
      { text: line('192.0.2.6') },
      { text: `${line('192.0.2.7')}srcaddr dstaddr\n10.0.0.8 10.0.0.9\n`, format: parseFormat(HEADER) },
      { text: '' },
    );
    const { made, faults, errors } = await convertAll([source], [outlet('ipfix', transport)]);
    t.same(sources(transport), ['192.0.2.1', '10.0.0.2', '192.0.2.6', '192.0.2.7']);
    t.same(errors, ['object 1 "srcaddr" at character 17 is there twice']);
    t.same(
      faults,
      ['number object 3:2 srcaddr dstaddr'],
      'a stream without headers has none in the middle either',
    );
    t.match(made.counts, { lines: 6, records: 4, objects: 4, failedObjects: 1 });
    t.equal(made.counts.faults.get('number'), 2);
  },
);

t.test(
  'an object that breaks off: what came counts, the piece of a line is a fault, the others go on',
  async (t) => {
    const transport = new MemoryTransport();
    const source = new MemorySource(
      {
        text: HEADER + line('192.0.2.1') + line('192.0.2.2').slice(0, -20),
        fails: new Error('unexpected end of file'),
      },
      { text: HEADER + line('192.0.2.3') },
    );
    const { made, faults, errors } = await convertAll([source], [outlet('ipfix', transport)]);
    t.same(sources(transport), ['192.0.2.1', '192.0.2.3']);
    t.same(source.told, [
      'taken 0',
      'failed object 0: unexpected end of file',
      'taken 1',
      'exported object 1',
    ]);
    t.same(errors, ['object 0 unexpected end of file']);
    t.match(faults, [/^cut_off object 0:3 2 123/]);
    t.match(made.counts, { lines: 3, records: 2 });
  },
);

t.test('an object that ends its source is said once, by what ends it', async (t) => {
  const source = new MemorySource({ text: HEADER, fails: new Error('AWS cannot be reached') });
  source.failed = async (object, error) => {
    throw new Error(`${object.name}: ${error.message}`);
  };
  const { made, errors } = converter([source], [outlet('ipfix', new MemoryTransport())]);
  await made.start();
  await t.rejects(made.finished, { message: 'object 0: AWS cannot be reached' });
  await made.stop(100);
  t.same(errors, []);
  t.match(made.counts, { objects: 0, failedObjects: 1 });
});

t.test('faults are shown once a kind, with their place; a line of a megabyte stops nothing', async (t) => {
  const transport = new MemoryTransport();
  const text = [
    HEADER,
    '\n',
    line('192.0.2.x'),
    line('192.0.2.y'),
    'x'.repeat(1_000_000),
    '\n',
    line('192.0.2.1'),
  ].join('');
  const { made, faults } = await convertAll([new MemorySource({ text })], [outlet('netflow5', transport)]);
  t.same(
    faults.map((fault) => fault.slice(0, 40)),
    [
      'empty object 0:2 ',
      'address object 0:3 2 123456789010 eni-a 192.0.2.x 198.51.100'.slice(0, 40),
      `too_long object 0:5 ${'x'.repeat(20)}`,
    ],
  );
  t.match(made.counts, { lines: 5, records: 1 });
  t.equal(made.counts.faults.get('address'), 2);
});

t.test('an object of which no line can be read most likely has another format: said once', async (t) => {
  const other = '192.0.2.1 198.51.100.2 40\n';
  const { doubted } = await convertAll(
    [
      new MemorySource(
        { text: HEADER + other + line('192.0.2.1') },
        { text: HEADER },
        { text: '' },
        { text: other.repeat(2) },
        { text: other },
      ),
    ],
    [outlet('ipfix', new MemoryTransport())],
  );
  t.same(doubted, ['object 3']);
});

t.test(
  'of records too large for a datagram strings are left empty; that, and IPv6 in v5, is counted and said once',
  async (t) => {
    const format = parseFormat('srcaddr dstaddr region packets');
    const text = `2001:db8::1 2001:db8::2 ${'r'.repeat(1500)} 1\n2001:db8::1 2001:db8::2 ${'r'.repeat(1300)} 2\n`;
    const ipfix = new MemoryTransport();
    const v5 = new MemoryTransport();
    const { made, notices } = await convertAll(
      [new MemorySource({ text: text + text, format })],
      [outlet('ipfix', ipfix, { enterpriseNumber: 32_473 }), outlet('netflow5', v5)],
    );
    t.same(
      ipfix.records.map((record) => String(record.region).length),
      [0, 1300, 0, 1300],
    );
    t.same(
      ipfix.records.map(({ packetDeltaCount }) => packetDeltaCount),
      [1, 2, 1, 2],
    );
    t.equal(made.counts.shortened, 2);
    const [first, second] = made.exports;
    t.equal(first!.exporter.notSent.get('not_representable')!.records, 0);
    t.equal(second!.exporter.notSent.get('not_representable')!.records, 4);
    t.same(notices.sort(), [
      'NetFlow v5 carries IPv4 only: IPv6 flows are not sent to this collector',
      'a record does not fit a datagram of this size with all of its strings: the longest are left empty',
    ]);
    t.same(v5.datagrams, []);
    t.ok(
      ipfix.datagrams.every(({ length }) => length > 16),
      'no Message without a Set',
    );
  },
);

t.test(
  'the longest strings are left empty, no more than have to be, and for that collector alone',
  async (t) => {
    const format = parseFormat('srcaddr dstaddr packets bytes start end region account-id az-id vpc-id');
    const strings = ['r', 'a', 'z', 'v'].map((letter, i) => letter.repeat([400, 700, 500, 50][i]!));
    const text = `192.0.2.1 192.0.2.2 7 ${2 ** 40} 10 20 ${strings.join(' ')}\n`;
    const small = new MemoryTransport();
    const large = new MemoryTransport();
    const { made } = await convertAll(
      [new MemorySource({ text: text.repeat(3), format })],
      [
        outlet('ipfix', small, { enterpriseNumber: 32_473, messageOctets: 1000 }),
        outlet('ipfix', large, { enterpriseNumber: 32_473, messageOctets: 9000 }),
      ],
    );
    const whole = {
      sourceIPv4Address: '192.0.2.1',
      destinationIPv4Address: '192.0.2.2',
      packetDeltaCount: 7,
      octetDeltaCount: 2 ** 40,
      flowStartMilliseconds: 10_000,
      flowEndMilliseconds: 20_000,
      region: strings[0],
      'account-id': strings[1],
      'az-id': strings[2],
      VRFname: strings[3],
    };
    t.equal(large.records.length, 3);
    for (const record of large.records) t.match(record, whole);
    t.equal(small.records.length, 3);
    // 700 have to go, and of what is left another 500 need not: 400, 500, 50 and some 90 are too many for 1000.
    for (const record of small.records) t.match(record, { ...whole, 'account-id': '', 'az-id': '' });
    t.equal(made.counts.shortened, 3);
    t.ok(small.datagrams.every(({ length }) => length <= 1000));
  },
);

t.test(
  'what srcaddr and dstaddr tell is not lost where the packet’s own addresses go before them',
  async (t) => {
    const ipfix = new MemoryTransport();
    const plain = new MemoryTransport();
    const log = (header: string, ...lines: string[]) => ({ text: `${header}\n${lines.join('\n')}\n` });
    const { made, faults } = await convertAll(
      [
        new MemorySource(
          log(
            'srcaddr dstaddr pkt-srcaddr pkt-dstaddr region',
            '10.0.0.1 10.0.0.2 192.0.2.1 192.0.2.2 r',
            // Behind NAT64 the two are of different families.
            '10.0.0.1 2001:DB8::9 2001:db8::1 2001:db8::2 r',
            '10.0.0.1 - - 192.0.2.2 r',
            '10.0.0.1x 10.0.0.2 192.0.2.1 192.0.2.2 r',
            'ten 10.0.0.2 192.0.2.1 192.0.2.2 r',
          ),
          log('srcaddr dstaddr pkt-dstaddr', '10.0.0.1 10.0.0.2 192.0.2.2'),
          log('srcaddr dstaddr', '10.0.0.1 10.0.0.2'),
        ),
      ],
      [outlet('ipfix', ipfix, { enterpriseNumber: 32_473 }), outlet('ipfix', plain)],
    );
    const told = (record: (typeof ipfix.records)[number]) => {
      const { sourceIPv4Address, sourceIPv6Address, srcaddr, dstaddr, region } = record;
      const { destinationIPv4Address, destinationIPv6Address } = record;
      const source = sourceIPv4Address ?? sourceIPv6Address;
      return [source, destinationIPv4Address ?? destinationIPv6Address, srcaddr, dstaddr, region];
    };
    t.same(ipfix.records.map(told), [
      ['192.0.2.1', '192.0.2.2', '10.0.0.1', '10.0.0.2', 'r'],
      ['2001:db8::1', '2001:db8::2', '10.0.0.1', '2001:DB8::9', 'r'],
      ['10.0.0.1', '192.0.2.2', '10.0.0.1', '', 'r'],
      ['10.0.0.1', '192.0.2.2', undefined, '10.0.0.2', undefined],
      ['10.0.0.1', '10.0.0.2', undefined, undefined, undefined],
    ]);
    t.notOk(plain.records.some((record) => 'srcaddr' in record || 'dstaddr' in record));
    t.equal(made.counts.faults.get('address'), 2);
    t.equal(faults.length, 1);
  },
);

t.test('the rate is kept', async (t) => {
  const transport = new MemoryTransport();
  const text = HEADER + Array.from({ length: 300 }, () => line('192.0.2.1')).join('');
  const begun = performance.now();
  await convertAll([new MemorySource({ text })], [outlet('ipfix', transport)], { recordsPerSecond: 1000 });
  const took = performance.now() - begun;
  t.equal(transport.records.length, 300);
  t.ok(took > 240, `300 records at 1000 a second took ${Math.round(took)} ms`);
});
