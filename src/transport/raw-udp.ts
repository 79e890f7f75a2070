/**
 * Messages as UDP datagrams whose source is any address: the datagrams of a device that this machine speaks for.
 *
 *   start ─▶ locate ─▶ session ─▶ pump: ask for a turn ─▶ take ─▶ headers ─▶ raw socket ─▶ settle ─▶ pump …
 *
 * The IP header is written here (IP_HDRINCL), so nothing comes back: no error of ICMP's, which goes to the source. One
 * datagram of a device is in flight at a time, and all that send to one Collector share its socket and its pace.
 */
import ipaddr from 'ipaddr.js';
import { headerOctets, udpDatagram } from './ip-headers.ts';
import { type RawSender, RawSocketError } from './raw-socket.ts';
import { endpoint, inOrder, type ResolvedAddress } from './resolve.ts';
import type { Sendable, SessionEndpoints, TransportNotSentReason, TransportState } from './session.ts';
import { Transport, type TransportOptions } from './transport.ts';
import type { LookUpPathMtu } from './udp.ts';
import { explainUdpError, isBufferShortage, reasonForUdpError } from './udp-errors.ts';

export interface RawUdpOptions extends TransportOptions {
  /** The address that the datagrams come from. Of the Collector's addresses, those of its IP version are used. */
  readonly source: string;
  readonly sourcePort: number;
  readonly sender: RawSender;
  /** Octets of the largest datagram, IP and UDP headers included; where the path is looked up, it may be less. */
  readonly mtu: number;
  readonly lookUpPathMtu?: LookUpPathMtu | undefined;
}

const RESOLVE_EVERY_MILLISECONDS = 60_000;
const RECOVERED_AFTER_MILLISECONDS = 5_000;
/** How long to wait for the sender while nothing leaves. */
const PATIENCE_MILLISECONDS = 5_000;
/** From one look at the path's MTU to the next. */
const BETWEEN_PATH_LOOKS_MILLISECONDS = 1000;
const LEAST_MTU = 512;
const BUFFER_RETRIES = 5;
const BUFFER_PAUSE_MILLISECONDS = 10;

export class RawUdpTransport<M extends Sendable> extends Transport<M> {
  readonly #sender: RawSender;
  readonly #sourceAddress: string;
  readonly #source: Uint8Array;
  readonly #sourcePort: number;
  readonly #configuredMtu: number;
  readonly #lookUpPathMtu: LookUpPathMtu | undefined;
  #mtu: number;
  #lookAgainMilliseconds = 0;
  /** The Collector's; undefined: there is no session. */
  #destination: Uint8Array | undefined;
  #identification = 0;
  /** A turn was asked for, which outlives a session … */
  #isAsking = false;
  /** … or a datagram is in flight, which does not. */
  #isInFlight = false;
  #failing = false;
  #failedAtMilliseconds = 0;
  #leaveAddress = false;
  #cancelTimer: () => void = () => {};
  /** What `sender.queued` counts of this transport. */
  #counted = 0;

  constructor(options: RawUdpOptions) {
    super(options, RESOLVE_EVERY_MILLISECONDS);
    this.#sender = options.sender;
    this.#sourceAddress = options.source;
    this.#source = octetsOf(options.source);
    this.#sourcePort = options.sourcePort;
    this.#configuredMtu = options.mtu;
    this.#mtu = options.mtu;
    this.#lookUpPathMtu = options.lookUpPathMtu;
  }

  override get state(): TransportState {
    if (this.#destination === undefined) return this.locator.everFailed ? 'failing' : 'resolving';
    return this.#failing ? 'failing' : 'sending';
  }

  get endpoints(): SessionEndpoints | undefined {
    if (this.#destination === undefined) return undefined;
    return {
      protocolIdentifier: 17,
      localAddress: this.#sourceAddress,
      localPort: this.#sourcePort,
      remoteAddress: this.address!,
      remotePort: this.options.port,
    };
  }

  /** As every transport's; the queue is also full when those of all who share the sender are, together. */
  override send(message: M): void {
    const { queued, maxQueuedMessages } = this.#sender;
    if (queued >= maxQueuedMessages && !this.stopped) {
      this.outbox.refuse(message, this.locator.everResolved ? 'queue_full' : 'unresolved');
      return;
    }
    super.send(message);
    this.#count();
  }

  /** As every transport's; and all wait where those who share the sender have much queued, together. */
  override whenBelow(messages: number): Promise<void> | undefined {
    return super.whenBelow(messages) ?? this.#sender.whenRelieved(PATIENCE_MILLISECONDS);
  }

  override stop(): void {
    super.stop();
    this.#count();
  }

  // ---- the way out ----

  protected override pump(): void {
    if (this.#isAsking || this.#isInFlight || this.#destination === undefined || !this.outbox.hasNext) return;
    this.#isAsking = true;
    this.#sender.turn(this.#take);
  }

  readonly #take = (): void => {
    this.#isAsking = false;
    const destination = this.#destination;
    const message = destination === undefined ? undefined : this.outbox.take();
    if (destination === undefined || message === undefined) {
      this.#sender.pass();
      return;
    }
    this.#isInFlight = true;
    // 0 would be for the kernel to fill in (raw(7)).
    this.#identification = (this.#identification % 0xffff) + 1;
    const datagram = udpDatagram(
      {
        source: this.#source,
        sourcePort: this.#sourcePort,
        destination,
        destinationPort: this.options.port,
      },
      message.bytes,
      this.#identification,
    );
    this.#handOver(datagram, destination, 1);
  };

  #handOver(datagram: Uint8Array, destination: Uint8Array, attempt: number): void {
    this.#sender.send(datagram, this.address!, (code) => {
      // The session has ended meanwhile, and has settled what was in flight.
      if (this.#destination !== destination) return;
      if (code === undefined) {
        if (this.#failing) this.#recover();
        this.#settle();
        return;
      }
      this.#failed(code);
      if (!isBufferShortage(code) || attempt > BUFFER_RETRIES) {
        this.#settle(reasonForUdpError(code));
        return;
      }
      this.#cancelTimer = this.clock.after(BUFFER_PAUSE_MILLISECONDS, () =>
        this.#sender.turn(() => {
          if (this.#destination === destination) this.#handOver(datagram, destination, attempt + 1);
          else this.#sender.pass();
        }),
      );
    });
  }

  #settle(notSent?: TransportNotSentReason): void {
    this.#isInFlight = false;
    this.outbox.settleOldest(notSent);
    this.#count();
    this.pump();
  }

  /** Brings `sender.queued` up to date. */
  #count(): void {
    this.#sender.queued += this.queued - this.#counted;
    this.#counted = this.queued;
  }

  // ---- failure and recovery ----

  #failed(code: string): void {
    this.#failing = true;
    this.#failedAtMilliseconds = this.clock.nowMilliseconds();
    this.tellError(`sending to ${this.where()}: ${explainUdpError(code)}`);
    const reason = reasonForUdpError(code);
    if (reason === 'too_large') this.#learnPathMtu();
    if (reason === 'too_large' || isBufferShortage(code)) return;
    this.#leaveAddress = true;
    this.locator.locateSoon();
  }

  #recover(): void {
    if (this.clock.nowMilliseconds() - this.#failedAtMilliseconds < RECOVERED_AFTER_MILLISECONDS) return;
    this.#failing = false;
    this.locator.worksWell();
    this.tell('recovered', `sending to ${this.where()} works again`);
  }

  #learnPathMtu(): void {
    const now = this.clock.nowMilliseconds();
    if (this.#lookUpPathMtu === undefined || now < this.#lookAgainMilliseconds) return;
    this.#lookAgainMilliseconds = now + BETWEEN_PATH_LOOKS_MILLISECONDS;
    const destination = this.#destination;
    void this.#lookUpPathMtu(this.address!).then((found) => {
      if (this.#destination !== destination || found === undefined || found >= this.#mtu) return;
      this.#mtu = Math.max(found, LEAST_MTU);
      this.#limitMessages();
      this.tell(
        'path_mtu',
        `the path to ${this.where()} takes ${found} octets, not ${this.#configuredMtu}: datagrams are smaller from now on; configure mtu=${this.#mtu}`,
      );
    });
  }

  #limitMessages(): void {
    this.outbox.limitMessages(this.#mtu - headerOctets(this.#source.length === 4 ? 4 : 6));
  }

  // ---- the session ----

  protected override async reach(addresses: readonly ResolvedAddress[]): Promise<boolean> {
    const [next] = inOrder(addresses, this.address, this.#leaveAddress);
    if (next === undefined) return false;
    this.#leaveAddress = false;
    if (this.#destination !== undefined && next.address === this.address) return true;
    try {
      this.#sender.open(next.family);
    } catch (error) {
      if (!(error instanceof RawSocketError)) throw error;
      this.tellError(`cannot send to ${this.where(next.address)}: ${error.message}`);
      return false;
    }
    if (!this.stopped) this.#adopt(next.address);
    return true;
  }

  /** Goes over to another address of the Collector: a new Transport Session. */
  #adopt(address: string): void {
    const before = this.address;
    this.close();
    this.address = address;
    const from = endpoint(this.#sourceAddress, this.#sourcePort);
    if (before === undefined) this.tell('resolved', `sending to ${this.where()} from ${from}`);
    else this.tell('address_changed', `sending to ${this.where()} from ${from} now, no longer to ${before}`);
    this.#mtu = this.#configuredMtu;
    this.#limitMessages();
    this.outbox.beginSession();
    this.#destination = octetsOf(address);
    this.#count();
    this.pump();
    this.#learnPathMtu();
  }

  protected override close(): void {
    this.#cancelTimer();
    this.#destination = undefined;
    this.#isInFlight = false;
    this.#lookAgainMilliseconds = 0;
  }
}

function octetsOf(address: string): Uint8Array {
  return Uint8Array.from(ipaddr.parse(address).toByteArray());
}
