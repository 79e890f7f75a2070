/**
 * Messages as UDP datagrams to one collector.
 *
 *   start ─▶ locate ─▶ open a connected socket ─▶ session ─▶ pump: pace ─▶ take ─▶ kernel ─▶ settle ─▶ pump …
 *              ▲  every 60 s, and after a failure   │
 *              └────────────────────────────────────┘  another address: a new socket and session
 *
 * One datagram is in flight at a time. That keeps their order through errors and retries, and costs next to
 * nothing: node:dgram sends within the call, only its callback waits for the end of the turn. Measured with
 * datagrams of 1472 octets on loopback, µs each: this 3.6–4.3, 64 in flight 3.6–4.0, writing to the descriptor
 * past node:dgram 3.2–3.8, a C loop over send() 2.6–3.3. (2 cores, Node 20.20; 2.7–3.2 are the kernel's.)
 *
 * Who exports in bulk (a file, flow logs) has them leave together, up to 64 in one call of the kernel, which parts
 * them at the end of its stack (UDP_SEGMENT): 0.8–1.0 µs each in C. The exporter then hands over trains, where it has as
 * many. What the kernel does not take so leaves one by one.
 */
import { Fifo } from './fifo.ts';
import { Pacer } from './pacer.ts';
import { inOrder, isLoopback, type ResolvedAddress } from './resolve.ts';
import type { Sendable, SessionEndpoints, TransportNotSentReason, TransportState } from './session.ts';
import { Transport, type TransportOptions } from './transport.ts';
import { explainUdpError, isBufferShortage, reasonForUdpError } from './udp-errors.ts';
import {
  MOST_OCTETS_TOGETHER,
  MOST_TOGETHER,
  type OpenUdpSocket,
  openUdpSocket,
  type SendTogether,
  type UdpSocket,
} from './udp-socket.ts';

/** The largest IP packet that the way to an address takes, in octets; undefined: it is not known. Never rejects. */
export type LookUpPathMtu = (address: string) => Promise<number | undefined>;

export interface UdpOptions extends TransportOptions {
  /** 0: unpaced. */
  readonly datagramsPerSecond: number;
  /** Datagrams that may leave at once after a pause; at least 5 ms' worth. Without meaning where unpaced. */
  readonly burst: number;
  /** Octets of the largest datagram that is sent, IP and UDP headers included; with it, the path's is looked up. */
  readonly mtu?: number | undefined;
  readonly lookUpPathMtu?: LookUpPathMtu | undefined;
  /**
   * Datagrams may leave together, which costs a fraction, and which this machine's own captures show as one large
   * datagram (its collectors do not). Not for what is live.
   */
  readonly together?: boolean | undefined;
  readonly openSocket?: OpenUdpSocket | undefined;
}

const RESOLVE_EVERY_MILLISECONDS = 60_000;
/** Linux sends a host at most one ICMP error a second (icmp_ratelimit): so much silence means that it is over. */
const RECOVERED_AFTER_MILLISECONDS = 5_000;
/** Datagrams in a turn of the event loop, some 0.2 ms, before capture and metrics get theirs. */
const DATAGRAMS_A_TURN = 64;
/** Octets of the headers in front of a Message. */
const UDP_HEADERS = { 4: 28, 6: 48 } as const;
/** From one look at the path's MTU to the next. */
const BETWEEN_PATH_LOOKS_MILLISECONDS = 1000;
/** No Message is made smaller than for this, which every path is said to take (RFC 7011 §10.3.3). */
const LEAST_MTU = 512;
/** No buffers in the kernel: how often, and after which pause, to try again. */
const BUFFER_RETRIES = 5;
const BUFFER_PAUSE_MILLISECONDS = 10;
/** Segments of this size do not go, or none do: the path takes less, or its device does no checksums. */
const IS_ABOUT_SEGMENTS: ReadonlySet<string> = new Set(['EINVAL', 'EIO', 'EMSGSIZE']);

export class UdpTransport<M extends Sendable> extends Transport<M> {
  readonly #pacer: Pacer | undefined;
  readonly #openSocket: OpenUdpSocket;
  readonly #configuredMtu: number | undefined;
  /** A look at the path's MTU is on its way, and no other before that time. */
  #isLookingAtPath = false;
  #lookAgainMilliseconds = 0;
  #cancelPathLook: () => void = () => {};
  readonly #lookUpPathMtu: LookUpPathMtu | undefined;
  readonly #mayGoTogether: boolean;
  /** The present session's, configured or learned. */
  #mtu = 0;
  #socket: UdpSocket | undefined;
  #endpoints: SessionEndpoints | undefined;
  /** The present socket's callback for every datagram. */
  #onSent: (error: Error | null) => void = () => {};

  /** The octets of the Message that the kernel has not answered for, and how often it was handed over. */
  #current: Uint8Array | undefined;
  #attempts = 0;
  /** Those that were taken together and that the kernel did not take so: they leave one by one, before any other. */
  #apart = new Fifo<Uint8Array>();
  /** The present socket takes no datagrams together, or not of this size. */
  #isApart = false;
  /** For the socket's call. */
  readonly #together: Uint8Array[] = [];
  /** Datagrams of a train that left before one did not. */
  #trainLeft = 0;
  #datagramsThisTurn = 0;
  /** A timer or an immediate will call `pump`. */
  #pumpScheduled = false;
  #cancelTimer: () => void = () => {};

  /** An error was met, and not yet a time without one. */
  #failing = false;
  #failedAtMilliseconds = 0;
  /** A failure asks for another address, where there is one … */
  #leaveAddress = false;
  /** … or for another socket, where the error may lie in this one (its local address is gone). */
  #leaveSocket = false;

  constructor(options: UdpOptions) {
    super(options, RESOLVE_EVERY_MILLISECONDS);
    this.#openSocket = options.openSocket ?? openUdpSocket;
    this.#configuredMtu = options.mtu;
    this.#lookUpPathMtu = options.lookUpPathMtu;
    this.#mayGoTogether = options.together ?? false;
    this.#pacer =
      options.datagramsPerSecond > 0 ? new Pacer(options.datagramsPerSecond, options.burst) : undefined;
  }

  override get state(): TransportState {
    if (this.#socket === undefined) return this.locator.everFailed ? 'failing' : 'resolving';
    return this.#failing ? 'failing' : 'sending';
  }

  /** The present session's; undefined: there is none. */
  get endpoints(): SessionEndpoints | undefined {
    return this.#endpoints;
  }

  // ---- the way out ----

  /** Sends the next Message, if there is one, there is a socket, and it is time. */
  protected override pump(): void {
    if (this.#current !== undefined || this.#pumpScheduled || this.#socket === undefined) return;
    if (this.#apart.length === 0) {
      if (!this.outbox.hasNext) return;
      if (this.#datagramsThisTurn >= DATAGRAMS_A_TURN) {
        this.#pumpScheduled = true;
        setImmediate(this.#pumpInNewTurn);
        return;
      }
      if (this.takesTrains) {
        // What else is sent in this turn goes with it; a train is long enough.
        if (this.outbox.next!.messages > 1) {
          this.#sendTogether();
          return;
        }
        this.#pumpScheduled = true;
        queueMicrotask(this.#sendTogether);
        return;
      }
      const wait = this.#pacer === undefined ? 0 : this.#pacer.take(this.clock.nowMilliseconds());
      if (wait > 0) {
        this.#pumpScheduled = true;
        this.#cancelTimer = this.clock.after(wait, this.#pumpInNewTurn);
        return;
      }
      this.#datagramsThisTurn++;
    }
    this.#current = this.#apart.shift() ?? this.#takeOne();
    this.#attempts = 0;
    this.#handOver();
  }

  readonly #pumpInNewTurn = (): void => {
    this.#pumpScheduled = false;
    this.#datagramsThisTurn = 0;
    this.pump();
  };

  // ---- together ----

  override get takesTrains(): boolean {
    return !this.#isApart && this.#pacer === undefined && this.#socket?.sendTogether !== undefined;
  }

  /** Hands over what waits, as many as go together, or a train. */
  readonly #sendTogether = (): void => {
    this.#pumpScheduled = false;
    const socket = this.#socket;
    if (this.#current !== undefined || socket?.sendTogether === undefined || !this.outbox.hasNext) return;
    const { outbox } = this;
    const code =
      outbox.next!.messages > 1
        ? this.#handOverTrain(socket.sendTogether)
        : this.#handOverSome(socket.sendTogether);
    if (code === undefined) {
      if (this.#failing) this.#recover();
      while (outbox.inFlight > 0 && this.#socket === socket) outbox.settleOldest();
    } else {
      for (const { bytes } of outbox.partInFlight()) this.#apart.push(bytes);
      for (; this.#trainLeft > 0 && this.#socket === socket; this.#trainLeft--) {
        this.#apart.shift();
        outbox.settleOldest();
      }
      if (IS_ABOUT_SEGMENTS.has(code)) this.#isApart = true;
      // What it answers is an earlier datagram; where there is no room, node:dgram waits for it.
      if (code !== 'EINVAL' && code !== 'EIO' && !isBufferShortage(code)) this.#failed(code);
    }
    this.pump();
  };

  /** @returns the code of an error; none of them has left then */
  #handOverSome(sendTogether: SendTogether): string | undefined {
    const { outbox } = this;
    const together = this.#together;
    let count = 0;
    let octets = 0;
    while (count < MOST_TOGETHER) {
      const next = outbox.next;
      if (next === undefined || next.messages > 1) break;
      const { length } = next.bytes;
      // Of one size, but for a smaller one at the end.
      if (count > 0 && (length > together[0]!.length || together[count - 1]!.length < together[0]!.length))
        break;
      if (count > 0 && octets + length > MOST_OCTETS_TOGETHER) break;
      together[count++] = outbox.take()!.bytes;
      octets += length;
    }
    this.#datagramsThisTurn += count;
    return sendTogether(together, count, together[0]!.length);
  }

  /** @returns the code of an error; {@link #trainLeft} of its datagrams have left by then */
  #handOverTrain(sendTogether: SendTogether): string | undefined {
    const { bytes, messages } = this.outbox.take()!;
    const octets = bytes.length / messages;
    const most = Math.max(1, Math.min(MOST_TOGETHER, Math.floor(MOST_OCTETS_TOGETHER / octets)));
    this.#datagramsThisTurn += messages;
    for (this.#trainLeft = 0; this.#trainLeft < messages; this.#trainLeft += most) {
      const at = this.#trainLeft * octets;
      this.#together[0] = bytes.subarray(at, at + most * octets);
      const code = sendTogether(this.#together, 1, octets);
      if (code !== undefined) return code;
    }
    this.#trainLeft = 0;
    return undefined;
  }

  /** The next datagram that leaves alone: the first of a train, whose others follow it. */
  #takeOne(): Uint8Array {
    const { bytes, messages } = this.outbox.take()!;
    if (messages === 1) return bytes;
    for (const one of this.outbox.partInFlight()) this.#apart.push(one.bytes);
    this.#datagramsThisTurn += messages - 1;
    return this.#apart.shift()!;
  }

  #handOver(): void {
    this.#attempts++;
    this.#socket!.send(this.#current!, this.#onSent);
  }

  /** The kernel's answer for the current Message. */
  #answered(error: NodeJS.ErrnoException | null | undefined): void {
    if (!error) {
      if (this.#failing) this.#recover();
      this.#settleCurrent();
      return;
    }
    const code = error.code ?? error.message;
    this.#failed(code);
    // These answer an earlier datagram and are then forgotten (udp(7)); this one was not sent: once more.
    if ((code === 'ECONNREFUSED' || code === 'EMSGSIZE') && this.#attempts === 1) {
      this.#handOver();
    } else if (isBufferShortage(code) && this.#attempts <= BUFFER_RETRIES) {
      this.#cancelTimer = this.clock.after(BUFFER_PAUSE_MILLISECONDS, () => this.#handOver());
    } else {
      this.#settleCurrent(reasonForUdpError(code));
    }
  }

  #settleCurrent(notSent?: TransportNotSentReason): void {
    this.#current = undefined;
    this.outbox.settleOldest(notSent);
    this.pump();
  }

  // ---- failure and recovery ----

  #failed(code: string): void {
    this.#failing = true;
    this.#failedAtMilliseconds = this.clock.nowMilliseconds();
    this.tellError(`sending to ${this.where()}: ${explainUdpError(code)}`);
    const reason = reasonForUdpError(code);
    if (reason === 'too_large') this.#learnPathMtu();
    if (reason === 'too_large' || isBufferShortage(code)) return; // no other address or socket would mend these
    this.#leaveAddress = true;
    if (reason === 'other') this.#leaveSocket = true;
    this.locator.locateSoon();
  }

  #recover(): void {
    if (this.clock.nowMilliseconds() - this.#failedAtMilliseconds < RECOVERED_AFTER_MILLISECONDS) return;
    this.#failing = false;
    this.locator.worksWell();
    this.tell('recovered', `sending to ${this.where()} works again`);
  }

  // ---- the path ----

  /**
   * Sends no datagrams larger than the path takes (RFC 7011 §10.3.3). Larger ones would be lost at the router that says
   * so, and travel in fragments from then on.
   */
  #learnPathMtu(): void {
    // An error may come for each of many datagrams, and each look starts a program.
    if (this.#isLookingAtPath) return;
    const look = (): void => {
      this.#lookAgainMilliseconds = this.clock.nowMilliseconds() + BETWEEN_PATH_LOOKS_MILLISECONDS;
      void this.#lookAtPath().finally(() => {
        this.#isLookingAtPath = false;
      });
    };
    this.#isLookingAtPath = true;
    const wait = this.#lookAgainMilliseconds - this.clock.nowMilliseconds();
    if (wait <= 0) look();
    else this.#cancelPathLook = this.clock.after(wait, look);
  }

  /** Another socket, or none: the path may be another, too. */
  #forgetPathLook(): void {
    this.#cancelPathLook();
    this.#isLookingAtPath = false;
    this.#lookAgainMilliseconds = 0;
  }

  async #lookAtPath(): Promise<void> {
    const socket = this.#socket;
    if (this.#lookUpPathMtu === undefined || this.#configuredMtu === undefined || socket === undefined)
      return;
    const found = await this.#lookUpPathMtu(this.address!);
    if (this.#socket !== socket || found === undefined || found >= this.#mtu) return;
    this.#mtu = Math.max(found, LEAST_MTU);
    this.#limitMessages();
    this.tell(
      'path_mtu',
      `the path to ${this.where()} takes ${found} octets, not ${this.#configuredMtu}: datagrams are smaller from now on; configure mtu=${this.#mtu}`,
    );
  }

  #limitMessages(): void {
    this.#isApart = false;
    this.outbox.limitMessages(this.#mtu - UDP_HEADERS[this.address!.includes(':') ? 6 : 4]);
  }

  // ---- the socket ----

  /** Stays with the present address while it is among these and nothing speaks against it; else goes to another. */
  protected override async reach(addresses: readonly ResolvedAddress[]): Promise<boolean> {
    const ordered = inOrder(addresses, this.address, this.#leaveAddress);
    if (ordered.length > 0) this.#leaveAddress = false;
    for (const one of ordered) {
      if (this.#socket !== undefined && one.address === this.address && !this.#leaveSocket) return true;
      let socket: UdpSocket;
      try {
        socket = await this.#open(one);
      } catch (error) {
        this.tellError(`cannot send to ${this.where(one.address)}: ${(error as Error).message}`);
        continue;
      }
      if (this.stopped) socket.close();
      else this.#adopt(one.address, socket);
      return true;
    }
    return false;
  }

  async #open(collector: ResolvedAddress): Promise<UdpSocket> {
    let socket: UdpSocket | undefined;
    const { port, source } = this.options;
    socket = await this.#openSocket(
      { collector, port, source, together: this.#mayGoTogether },
      {
        received: (octets) => {
          this.counters.octetsReceived += octets;
        },
        failed: (error) => {
          if (socket === this.#socket) this.#failed(error.code ?? error.message);
        },
      },
    );
    return socket;
  }

  /** Goes over to another socket: a new Transport Session (RFC 7011 §2: over UDP, addresses and ports make it). */
  #adopt(address: string, socket: UdpSocket): void {
    const before = this.address;
    this.close(); // and without a socket until the session's first Messages are queued, so that none can pass them
    this.address = address;
    this.#leaveSocket = false;
    this.#onSent = (error) => {
      if (this.#socket === socket) this.#answered(error);
    };
    if (before === undefined) this.tell('resolved', `sending to ${this.where()}`);
    else if (before === address) this.tell('connected', `sending to ${this.where()} through another socket`);
    else this.tell('address_changed', `sending to ${this.where()} now, no longer to ${before}`);
    const local = socket.address();
    this.#endpoints = {
      protocolIdentifier: 17,
      localAddress: local.address,
      localPort: local.port,
      remoteAddress: address,
      remotePort: this.options.port,
    };
    if (this.#configuredMtu !== undefined) {
      this.#mtu = this.#configuredMtu;
      this.#limitMessages();
    }
    this.outbox.beginSession();
    this.#isApart = false;
    this.#socket = socket;
    this.pump();
    this.#forgetPathLook();
    // What stays on this machine has no path: whether its datagrams are too large, the kernel says itself.
    if (!isLoopback(address)) this.#learnPathMtu();
  }

  protected override close(): void {
    this.#cancelTimer();
    this.#forgetPathLook();
    this.#pumpScheduled = false;
    this.#socket?.close();
    this.#socket = undefined;
    this.#endpoints = undefined;
    this.#current = undefined;
    this.#apart = new Fifo();
    this.#trainLeft = 0;
  }
}
