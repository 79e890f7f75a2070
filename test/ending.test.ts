/** How the line ends: the last word is told when all is said, and nothing that is stuck holds the end up. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { PcapFileSource } from '../src/capture/pcap-file.ts';
import { PcapWriter } from '../src/capture/pcap-writer.ts';
import { MessageDecoder } from '../src/collect/decode.ts';
import { fieldValue } from '../src/collect/record.ts';
import type { Message, Session } from '../src/export/message.ts';
import { Probe, type Transport } from '../src/probe.ts';
import { ethernetFrame } from './support/frames.ts';

const MAIN = fileURLToPath(new URL('../bundle/weir/main.js', import.meta.url));

/** A capture of so many flows of one packet, a millisecond apart. */
function capture(flows: number): Uint8Array {
  const writer = new PcapWriter({});
  for (let i = 0; i < flows; i++) {
    const source = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
    writer.write({
      seconds: 1_700_000_000 + Math.floor(i / 1000),
      nanoseconds: (i % 1000) * 1_000_000,
      bytes: ethernetFrame({ source, destination: '10.0.0.1', protocol: 17 }),
    });
  }
  return writer.take();
}

function reads(t: Test, path: string, transport: Transport): Probe {
  return new Probe({
    activeTimeoutMilliseconds: 5000,
    idleTimeoutMilliseconds: 15_000,
    maxFlows: 10_000,
    fields: 'standard',
    seed: [1, 2],
    sources: [new PcapFileSource({ path })],
    live: false,
    outlets: [
      {
        name: 'held',
        protocol: 'ipfix',
        observationDomain: 1,
        messageOctets: 1472,
        templateRefreshMilliseconds: 60_000,
        templateRefreshMessages: 0,
        tcpControlBitsOctets: 2,
        transport,
      },
    ],
    clocks: { unix: Date.now, monotonic: () => performance.now() },
    onNotice: (_, text) => t.fail(text),
    onSourceError: (error) => t.fail(String(error)),
  });
}

t.test('the last statistics tell of all that was sent', async (t) => {
  const path = `${t.testdir({})}/flows.pcap`;
  writeFileSync(path, capture(1000));
  const decoder = new MessageDecoder();
  let exported: unknown;
  const queue: Message[] = [];
  let session: Session<Message> | undefined;
  const receiver = {
    record() {},
    options(record: Parameters<typeof fieldValue>[0]) {
      exported = fieldValue(record, 'exportedFlowRecordTotalCount') ?? exported;
    },
  };
  /** Sends only when it is drained: what is queued has not left. */
  const transport = {
    get queued() {
      return queue.length;
    },
    start(owner: Session<Message>) {
      session = owner;
      queue.push(...owner.sessionStarted());
    },
    send: (message: Message) => void queue.push(message),
    whenBelow: () => new Promise<void>((resolve) => setImmediate(resolve)).then(() => transport.drain()),
    async drain() {
      for (const message of queue.splice(0)) {
        session!.stamp(message);
        decoder.decode(message.bytes, { address: '127.0.0.1', port: 1 }, receiver);
        session!.settled(message);
      }
    },
    stop() {},
  };
  const probe = reads(t, path, transport);
  await probe.start();
  await probe.finished;
  await probe.stop(5000);
  t.equal(exported, 1000);
});

t.test('a socket that opens with the first record is open when the records of the end come', async (t) => {
  const path = `${t.testdir({})}/flows.pcap`;
  writeFileSync(path, capture(2000));
  const sent: [messages: number, records: number][] = [];
  let session: Session<Message> | undefined;
  let isOpen = false;
  const transport = {
    queued: 0,
    get takesTrains() {
      return isOpen;
    },
    start(owner: Session<Message>) {
      session = owner;
      setImmediate(() => {
        isOpen = true;
        for (const message of owner.sessionStarted()) transport.send(message);
      });
    },
    send(message: Message) {
      sent.push([message.messages, message.flowRecords]);
      session!.stamp(message);
      session!.settled(message);
    },
    whenBelow: () => undefined,
    async drain() {},
    stop() {},
  };
  const probe = reads(t, path, transport);
  await probe.start();
  await probe.finished;
  await probe.stop(5000);
  t.same(sent, [
    [1, 0], //      templates
    [83, 83 * 24],
    [1, 8],
    [1, 0], //      the last statistics
  ]);
});

t.test('output that nobody reads does not hold up an end that is asked for', async (t) => {
  const path = `${t.testdir({})}/flows.pcap`;
  // 100 000 lines: far more than a pipe holds.
  writeFileSync(path, capture(100_000));
  const child = spawn(process.execPath, [MAIN, 'read', '--json', '--active-timeout', '0.01', path]);
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'readable');
  const asked = performance.now();
  child.kill('SIGTERM');
  const [code, signal] = await once(child, 'exit');
  const took = performance.now() - asked;
  t.equal(signal, null);
  t.type(code, 'number');
  t.ok(took < 8000, `it ended ${took.toFixed(0)} ms after SIGTERM`);
});
