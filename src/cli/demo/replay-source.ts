/** Generated traffic as a live source: each packet is handed over when its time has come, round after round. */
import {
  type CaptureCounters,
  type CaptureInterface,
  Frame,
  type FrameReceiver,
  type PacketSource,
} from '../../capture/packet-source.ts';
import type { CaptureRecord } from '../../capture/pcap-writer.ts';
import { type GenerateOptions, generatePackets } from './generate-capture.ts';

export interface ReplayClock {
  readonly unixMilliseconds: () => number;
  readonly monotonicMilliseconds: () => number;
}

const ROUND_SECONDS = 10;
const STEP_MILLISECONDS = 20;

export class ReplaySource implements PacketSource {
  readonly interfaces: readonly CaptureInterface[] = [{ index: 1, name: 'replay' }];
  readonly counters: CaptureCounters = { frames: 0, kernelDroppedPackets: 0, ringFreezes: 0 };
  readonly finished: Promise<void>;
  capturing = false;
  readonly #clock: ReplayClock;
  readonly #generate: (options: GenerateOptions) => readonly CaptureRecord[];
  readonly #frame = new Frame();
  #receiver: FrameReceiver | undefined;
  #timer: NodeJS.Timeout | undefined;
  #finish: () => void = () => {};
  /** What of this round has not been handed over, and where it begins. */
  #packets: readonly CaptureRecord[] = [];
  #next = 0;
  #round = 0;
  #startUnixMilliseconds = 0;
  #startMilliseconds = 0;

  constructor(clock: ReplayClock, generate: typeof generatePackets = generatePackets) {
    this.#clock = clock;
    this.#generate = generate;
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  async start(receiver: FrameReceiver): Promise<void> {
    this.#receiver = receiver;
    this.#startUnixMilliseconds = this.#clock.unixMilliseconds();
    this.#startMilliseconds = this.#clock.monotonicMilliseconds();
    this.#frame.ingressInterface = 1;
    this.capturing = true;
    this.#timer = setInterval(() => this.step(), STEP_MILLISECONDS);
  }

  refreshCounters(): void {
    // They are always up to date.
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.capturing) this.step();
    this.capturing = false;
    this.#finish();
  }

  /** Hands over what is due. */
  step(): void {
    const receiver = this.#receiver!;
    const elapsed = this.#clock.monotonicMilliseconds() - this.#startMilliseconds;
    const now = this.#startUnixMilliseconds + elapsed;
    receiver.beginBatch();
    while (this.#round * ROUND_SECONDS * 1000 <= elapsed || this.#next < this.#packets.length) {
      if (this.#next === this.#packets.length) this.#beginRound();
      const packet = this.#packets[this.#next];
      if (packet === undefined || packet.seconds * 1000 + packet.nanoseconds / 1e6 > now) break;
      this.#next++;
      this.#handOver(packet, receiver);
    }
    // Live: it does not wait for a congested way out.
    void receiver.endBatch();
  }

  #beginRound(): void {
    this.#packets = this.#generate({
      seconds: ROUND_SECONDS,
      startMilliseconds: this.#startUnixMilliseconds + this.#round * ROUND_SECONDS * 1000,
      round: this.#round,
    });
    this.#next = 0;
    this.#round++;
  }

  #handOver({ bytes, seconds, nanoseconds, wireLength }: CaptureRecord, receiver: FrameReceiver): void {
    const frame = this.#frame;
    frame.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    frame.capturedLength = bytes.length;
    frame.wireLength = wireLength ?? bytes.length;
    frame.seconds = seconds;
    frame.nanoseconds = nanoseconds;
    this.counters.frames++;
    receiver.frame(frame);
  }
}
