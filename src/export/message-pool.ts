/** Messages and trains that have been settled, and whose memory is used again. */

import { type Message, MOST_TRAIN_MESSAGES, MOST_TRAIN_OCTETS } from './message.ts';

/** Messages whose memory is kept for the next ones: 1.5 MB. After a burst the rest is let go. */
const MOST_MESSAGES = 1024;
/** And trains: 1.6 MB, too. */
const MOST_TRAINS = 6;

/** A Message and the memory that it reuses. */
export class PooledMessage implements Message {
  readonly memory: Uint8Array;
  bytes: Uint8Array;
  messages = 1;
  flowRecords = 0;
  packets = 0;
  octets = 0;
  sequenced = 0;

  constructor(capacity: number) {
    this.memory = new Uint8Array(capacity);
    this.bytes = this.memory;
  }

  /** Its octets are a copy of these. */
  fill(octets: Uint8Array): void {
    this.bytes = this.memory.subarray(0, octets.length);
    this.bytes.set(octets);
  }

  /** As if it were new. */
  clear(): this {
    this.bytes = this.memory;
    this.flowRecords = 0;
    this.packets = 0;
    this.octets = 0;
    this.sequenced = 0;
    return this;
  }
}

export class PooledTrain extends PooledMessage {
  /** Packets and octets of each Message, in turn. */
  readonly sums = new Float64Array(2 * MOST_TRAIN_MESSAGES);
}

export class MessagePool {
  readonly #messageOctets: number;
  readonly #messages: PooledMessage[] = [];
  readonly #trains: PooledTrain[] = [];

  /** @param messageOctets of the largest Message */
  constructor(messageOctets: number) {
    this.#messageOctets = messageOctets;
  }

  take(): PooledMessage {
    return this.#messages.pop()?.clear() ?? new PooledMessage(this.#messageOctets);
  }

  takeTrain(): PooledTrain {
    return this.#trains.pop()?.clear() ?? new PooledTrain(MOST_TRAIN_OCTETS);
  }

  /** @param message one of its own */
  giveBack(message: Message): void {
    if (message instanceof PooledTrain) {
      if (this.#trains.length < MOST_TRAINS) this.#trains.push(message);
    } else if (this.#messages.length < MOST_MESSAGES) this.#messages.push(message as PooledMessage);
  }

  /** The Messages of a train, one by one; the train is given back. */
  part(train: PooledTrain): PooledMessage[] {
    const { bytes, messages, flowRecords, sequenced, sums } = train;
    const octets = bytes.length / messages;
    const parts = Array.from({ length: messages }, (_, i) => {
      const part = this.take();
      part.fill(bytes.subarray(i * octets, (i + 1) * octets));
      part.flowRecords = flowRecords / messages;
      part.sequenced = sequenced / messages;
      part.packets = sums[2 * i]!;
      part.octets = sums[2 * i + 1]!;
      return part;
    });
    this.giveBack(train);
    return parts;
  }
}
