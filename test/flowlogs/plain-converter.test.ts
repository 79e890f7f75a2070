/** A log is converted to the same records and counts, whether its plain lines go the short way or none does. */

import t, { type Test } from 'tap';
import { MessageDecoder } from '../../src/collect/decode.ts';
import { recordToJson } from '../../src/collect/json.ts';
import type { Message, Session } from '../../src/export/message.ts';
import type { Transport } from '../../src/export/outlet.ts';
import type { ConverterOptions, ConvertOutlet, RecordWay } from '../../src/flowlogs/convert-options.ts';
import { Converter } from '../../src/flowlogs/converter.ts';
import { type InterfaceMap, openInterfaceMap } from '../../src/flowlogs/interface-map.ts';
import { DEFAULT_FORMAT, parseFormat } from '../../src/flowlogs/log-format.ts';
import type { LogFormat } from '../../src/flowlogs/log-object.ts';
import { Random } from '../fuzz/random.ts';
import { asText } from './support/carry.ts';
import { generateLog } from './support/generate.ts';
import { MemorySource } from './support/memory-source.ts';
import { readLines } from './twin-parsers.ts';

/** Keeps the records that it is sent. The Messages' own time may be that of a line some lines on. */
class KeepingTransport implements Transport {
  readonly queued = 0;
  readonly records: string[] = [];
  /** Seconds in the last Message's header: the clock of what is converted. */
  seconds = 0;
  readonly #decoder = new MessageDecoder();
  #session: Session<Message> | undefined;

  start(session: Session<Message>): void {
    this.#session = session;
    for (const message of session.sessionStarted()) this.send(message);
  }

  send(message: Message): void {
    this.#session!.stamp(message);
    this.seconds = new DataView(message.bytes.buffer, message.bytes.byteOffset).getUint32(8);
    const fault = this.#decoder.decode(
      message.bytes,
      { address: '127.0.0.1', port: 1 },
      { record: (record) => this.records.push(recordToJson(record)), options: () => {} },
    );
    if (fault !== undefined) throw new Error(fault);
    this.#session!.settled(message);
  }

  whenBelow(): undefined {}
  async drain(): Promise<void> {}
  stop(): void {}
}

/** While there is a way out that asks for each line, no line goes the short way. */
const ASKS_FOR_LINES: RecordWay = { exports: [], start() {}, record() {}, endObject() {} };

type Choices = Partial<Pick<ConverterOptions, 'rejects' | 'vantage'>>;

async function convert(
  format: LogFormat,
  text: Buffer,
  choices: Choices,
  interfaceMap: InterfaceMap,
  isShort: boolean,
) {
  const transports: KeepingTransport[] = [];
  const outlet = (protocol: 'netflow5' | 'netflow9', domain: number): ConvertOutlet => {
    const transport = new KeepingTransport();
    transports.push(transport);
    return {
      name: `${protocol} ${domain}`,
      protocol,
      transport,
      observationDomain: domain,
      messageOctets: 1472,
      templateRefreshMilliseconds: 0,
      templateRefreshMessages: 0,
      tcpControlBitsOctets: 1,
    };
  };
  // One that tells accepted from refused flows, or none.
  const withRejects = choices.rejects !== undefined;
  const v5 = outlet('netflow5', 1);
  const converter = new Converter({
    sources: [
      new MemorySource([
        {
          name: 'log',
          storedOctets: text.length,
          format,
          content: {
            kind: 'text',
            header: 'none',
            async *chunks() {
              for (let at = 0; at < text.length; at += 50_000)
                yield Buffer.from(text.subarray(at, at + 50_000));
            },
          },
        },
      ]),
    ],
    outlets: [withRejects ? { ...v5, rejects: outlet('netflow5', 2) } : v5, outlet('netflow9', 3)],
    ways: isShort ? undefined : [ASKS_FOR_LINES],
    rejects: 'keep',
    vantage: 'both',
    ...choices,
    format: undefined,
    interfaceMap,
    recordsPerSecond: 0,
    enterpriseNumber: undefined,
    clocks: { unix: Date.now, monotonic: () => 0 },
    onNotice: () => {},
    onLongWay: (problem) => {
      throw problem;
    },
    onFault: () => {},
    onWrongFormat: () => {},
    onObjectError: (_, error) => {
      throw error;
    },
  });
  await converter.start();
  await converter.finished;
  await converter.stop(1000);
  const { faults, ...counts } = converter.counts;
  const interfaces = interfaceMap.interfaces(100_000);
  // Where one way out has two exporters, another one gets accepted flows before refused ones, of up to 64 lines.
  const records = transports.map(({ records }) => (withRejects ? records.toSorted() : records));
  const seconds = transports.map((transport) => transport.seconds);
  return { counts, faults: [...faults], records, seconds, interfaces };
}

/** Both ways, and what they come to. */
async function both(
  t: Test,
  name: string,
  format: LogFormat,
  text: Buffer,
  choices: Choices = {},
  map: () => InterfaceMap = () => openInterfaceMap(undefined),
) {
  const short = await convert(format, text, choices, map(), true);
  const long = await convert(format, text, choices, map(), false);
  t.same(short, long, name);
  return short;
}

const CHOICES: readonly Choices[] = [
  {},
  { rejects: 'keep' },
  { rejects: 'drop' },
  { rejects: 'only' },
  { vantage: 'ingress' },
  { vantage: 'egress' },
  { rejects: 'keep', vantage: 'ingress' },
];

t.test('logs of every kind, whatever is chosen of them', async (t) => {
  let plain = 0;
  for (const version of [2, 3, 5, 8, 11])
    for (const faultyPercent of [0, 10])
      for (const choices of CHOICES) {
        const shape = {
          ...{ seed: version, version, faultyPercent, ipv4Only: version !== 5, lines: 700 },
          smallCounters: faultyPercent === 0 || version > 3,
        };
        const log = generateLog(shape);
        const text = asText(log, { header: false });
        const { counts } = await both(
          t,
          `version ${version}, ${faultyPercent} % faulty, ${JSON.stringify(choices)}`,
          { fields: log.fields },
          text,
          choices,
        );
        plain += readLines({ fields: log.fields }, text, 50_000, true).plain;
        t.equal(counts.records, counts.converted + counts.droppedRejects + counts.droppedVantage);
      }
  t.ok(plain > 10_000, `${plain} lines went the short way`);
});

const line = (eni: string, more = 'ACCEPT OK', start = 1418530010) =>
  `2 123456789010 ${eni} 192.0.2.1 198.51.100.2 20641 22 6 20 4249 ${start} ${start + 60} ${more}\n`;

t.test('interfaces whose IDs differ in one octet, of every length', async (t) => {
  const random = new Random(7);
  const ids: string[] = [];
  for (let length = 1; length <= 40; length++) {
    const id = Array.from({ length }, () => random.pick([...'0123456789abcdef-']))
      .join('')
      .replace(/^-/, 'e');
    ids.push(id);
    for (let at = 0; at < length; at++) ids.push(`${id.slice(0, at)}x${id.slice(at + 1)}`);
  }
  // The same first and last octets.
  for (const length of [9, 10, 12, 14, 16, 18, 20]) ids.push('ab'.repeat(10).slice(0, length));
  const text = Array.from({ length: 6000 }, () => line(random.pick(ids))).join('');
  const { interfaces } = await both(t, 'random', DEFAULT_FORMAT, Buffer.from(text));
  t.equal(interfaces.length, new Set(text.split('\n').map((each) => each.split(' ')[2])).size - 1);
});

t.test('more interfaces than are known at once, and no number for some', async (t) => {
  const random = new Random(8);
  const ids = Array.from({ length: 5000 }, (_, i) => `eni-${i.toString(16).padStart(17, '0')}`);
  const text = Buffer.from(Array.from({ length: 10_000 }, () => line(random.pick(ids))).join(''));
  await both(t, 'many', DEFAULT_FORMAT, text);
  const some = (): InterfaceMap => {
    const map = openInterfaceMap(undefined);
    return Object.assign(Object.create(map) as InterfaceMap, {
      number: (octets: DataView, from: number, to: number) =>
        octets.getUint8(to - 1) % 3 === 0 ? 0 : map.number(octets, from, to),
      interfaces: (most: number) => map.interfaces(most),
      save: () => map.save(),
    });
  };
  for (const choices of CHOICES) {
    const { counts } = await both(t, `some ${JSON.stringify(choices)}`, DEFAULT_FORMAT, text, choices, some);
    t.equal(counts.unnumberedInterfaces > 0, counts.converted > 0);
  }
});

t.test('accepted and refused flows in turn, and times that run back', async (t) => {
  const random = new Random(9);
  const text = Array.from({ length: 3000 }, () =>
    line('eni-a', random.pick(['ACCEPT OK', 'ACCEPT OK', 'REJECT OK']), 1418530010 - random.below(1e6)),
  ).join('');
  for (const choices of CHOICES)
    await both(t, JSON.stringify(choices), DEFAULT_FORMAT, Buffer.from(text), choices);
  const without = parseFormat('${interface-id} ${srcaddr} ${dstaddr} ${start} ${end}');
  const few = Buffer.from('eni-a 10.0.0.1 10.0.0.2 1 2\n- 10.0.0.1 10.0.0.2 1 2\n'.repeat(200));
  for (const choices of CHOICES)
    await both(t, `few fields ${JSON.stringify(choices)}`, without, few, choices);
});
