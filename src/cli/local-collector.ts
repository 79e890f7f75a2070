/**
 * A Collector in the same process: for `--json` and for `run` and `read` without a collector.
 *
 * It takes IPFIX Messages like any other transport and decodes them with the decoder that `listen` uses, so
 * that both print the same line for the same record, and nothing is printed in two ways.
 */

import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { type DecodedRecordReceiver, MessageDecoder } from '../collect/decode.ts';
import { recordToJson } from '../collect/json.ts';
import { type DecodedRecord, fieldValue } from '../collect/record.ts';
import { DOCUMENTATION_ENTERPRISE } from '../export/elements.ts';
import type { Message, Session } from '../export/message.ts';
import type { Outlet, Transport } from '../probe.ts';
import type { Output } from './context.ts';
import type { FieldReader } from './flow-fields.ts';

const LOCAL_SOURCE = { address: '127.0.0.1', port: 0 };

/** Who takes the records. */
export interface RecordSink {
  record(record: DecodedRecord): void;
  /** After each Message. A returned promise asks a file to wait. */
  written(): Promise<void> | undefined;
}

class LocalCollector implements Transport {
  readonly queued = 0;
  readonly #sink: RecordSink;
  readonly #decoder = new MessageDecoder();
  readonly #receiver: DecodedRecordReceiver;
  #session: Session<Message> | undefined;
  #busy: Promise<void> | undefined;

  constructor(sink: RecordSink) {
    this.#sink = sink;
    this.#receiver = { record: (record) => sink.record(record), options: () => {} };
  }

  start(session: Session<Message>): void {
    this.#session = session;
    for (const message of session.sessionStarted()) this.send(message);
  }

  send(message: Message): void {
    const session = this.#session;
    if (session === undefined) throw new Error('a Message came before the session');
    session.stamp(message);
    decodeOwn(this.#decoder, message.bytes, this.#receiver);
    session.settled(message);
    this.#busy = this.#sink.written();
  }

  whenBelow(): Promise<void> | undefined {
    return this.#busy;
  }

  async drain(deadlineMilliseconds: number): Promise<void> {
    await Promise.race([this.#busy, setTimeoutPromise(deadlineMilliseconds, undefined, { ref: false })]);
  }

  stop(): void {}
}

/** The way out to a sink in this thread. */
export function localOutlet(sink: RecordSink, observationDomain: number): Outlet {
  return { ...localOptions(observationDomain), transport: new LocalCollector(sink) };
}

/** How Messages to standard output are made, in whatever thread. */
export function localOptions(observationDomain: number): Omit<Outlet, 'transport'> {
  return {
    name: 'local',
    protocol: 'ipfix',
    observationDomain,
    messageOctets: 16_384,
    templateRefreshMilliseconds: 0,
    templateRefreshMessages: 0,
    tcpControlBitsOctets: 2,
    // JSON names what it tells: whose number an element is under is not seen there, and need not be configured.
    enterpriseNumber: DOCUMENTATION_ENTERPRISE,
  };
}

/** Takes the Messages of workers, whose Observation Domains are theirs alone. */
export class WorkersCollector {
  readonly #sink: RecordSink;
  readonly #receiver: DecodedRecordReceiver;
  readonly #decoders: MessageDecoder[] = [];

  constructor(sink: RecordSink) {
    this.#sink = sink;
    this.#receiver = { record: (record) => sink.record(record), options: () => {} };
  }

  /** A worker begins a Transport Session. */
  begin(worker: number): void {
    this.#decoders[worker] = new MessageDecoder();
  }

  /** @returns a promise where the reader of the output is behind */
  message(worker: number, octets: Uint8Array): Promise<void> | undefined {
    decodeOwn(this.#decoders[worker]!, octets, this.#receiver);
    return this.#sink.written();
  }
}

function decodeOwn(decoder: MessageDecoder, octets: Uint8Array, receiver: DecodedRecordReceiver): void {
  const fault = decoder.decode(octets, LOCAL_SOURCE, receiver);
  if (fault !== undefined) throw new Error(`Weir could not decode what it encoded: ${fault}`);
}

/** Octets that may wait for whoever reads standard output; live, records beyond are dropped, and counted. */
const MOST_WAITING_OCTETS = 16 * 1024 * 1024;

/** Writes each record as a line of JSON. `dropped` counts those that the reader was too slow for. */
export function jsonLines(stdout: Output): RecordSink & { readonly dropped: number } {
  let lines = '';
  let dropped = 0;
  /** While the reader is behind. One for all Messages meanwhile: each would add listeners of its own. */
  let drained: Promise<void> | undefined;
  const whenDrained = (): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        stdout.off('drain', done).off('close', done).off('error', done);
        drained = undefined;
        resolve();
      };
      stdout.on('drain', done).on('close', done).on('error', done);
    });
  return {
    get dropped() {
      return dropped;
    },
    record(record) {
      if (stdout.writableLength > MOST_WAITING_OCTETS) dropped++;
      else lines += `${recordToJson(record)}\n`;
    },
    written() {
      if (lines === '' || stdout.destroyed) return drained;
      const hasRoom = stdout.write(lines);
      lines = '';
      if (!hasRoom) drained ??= whenDrained();
      return drained;
    },
  };
}

/** Hands each record to a view. */
export function toView(view: { record(read: FieldReader): void }): RecordSink {
  return {
    record: (record) => view.record((name) => fieldValue(record, name)),
    written: () => undefined,
  };
}
