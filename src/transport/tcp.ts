/**
 * Messages over a TCP connection to one collector: IPFIX over TCP (RFC 7011 §10.4), or over TLS (§11).
 *
 *   start ─▶ locate ─▶ connect ─▶ session ─▶ write a batch ─▶ the kernel has it ─▶ settle ─▶ next batch …
 *               ▲        │ refused                  │ lost, closed, stalled
 *               └────────┴──── after a backoff ─────┘
 *
 * A batch is what waits, up to BATCH_OCTETS, in one writev. The next follows when the kernel has taken the whole
 * of it: that is the back-pressure, and so no more than a batch is ever in doubt when a connection breaks.
 */
import type { Socket } from 'node:net';
import { inOrder, type ResolvedAddress } from './resolve.ts';
import type { Sendable, SessionEndpoints, TransportState } from './session.ts';
import { type LookForSilence, lookIntoProc } from './tcp-silence.ts';
import { type Connector, tcpConnector } from './tcp-socket.ts';
import { Transport, type TransportOptions } from './transport.ts';

export interface TcpOptions extends TransportOptions {
  /** How to open a connection; by default without TLS. */
  readonly connector?: Connector | undefined;
  /** A connection that is not made in this time is given up. */
  readonly connectMilliseconds?: number | undefined;
  /** A connection whose peer does not take a batch, or acknowledges nothing, in this time is closed. */
  readonly stallMilliseconds?: number | undefined;
  readonly lookForSilence?: LookForSilence | undefined;
}

const CONNECT_MILLISECONDS = 10_000;
const STALL_MILLISECONDS = 30_000;
/** Looks at the peer's silence in that time: so much of it more may pass. */
const LOOKS_A_STALL = 6;
/** 45 Messages of an Ethernet's size. */
const BATCH_OCTETS = 65_536;
/** A connection that lived so long was a good one: after its loss the backoff starts from its beginning. */
const WORKS_WELL_MILLISECONDS = 10_000;

export class TcpTransport<M extends Sendable> extends Transport<M> {
  readonly #connector: Connector;
  readonly #connectMilliseconds: number;
  readonly #stallMilliseconds: number;
  readonly #giveUp = new AbortController();
  #socket: Socket | undefined;
  #connectedAtMilliseconds = 0;
  #flushScheduled = false;
  #cancelStall: () => void = () => {};
  readonly #lookForSilence: LookForSilence;
  #cancelLook: () => void = () => {};

  constructor(options: TcpOptions) {
    super(options, undefined); // a connection stays where it is
    this.#connector = options.connector ?? tcpConnector;
    this.#connectMilliseconds = options.connectMilliseconds ?? CONNECT_MILLISECONDS;
    this.#lookForSilence = options.lookForSilence ?? lookIntoProc;
    this.#stallMilliseconds = options.stallMilliseconds ?? STALL_MILLISECONDS;
  }

  override get state(): TransportState {
    if (this.#socket !== undefined) return 'sending';
    return this.locator.everFailed || this.address !== undefined ? 'failing' : 'resolving';
  }

  /** The present connection's; undefined: there is none. */
  get endpoints(): SessionEndpoints | undefined {
    const socket = this.#socket;
    if (socket?.localAddress === undefined || socket.localPort === undefined) return undefined;
    return {
      protocolIdentifier: 6,
      localAddress: socket.localAddress,
      localPort: socket.localPort,
      remoteAddress: this.address!,
      remotePort: this.options.port,
    };
  }

  // ---- the way out ----

  /** Writes at the end of this turn of the event loop, so that what is sent within it goes in one batch. */
  protected override pump(): void {
    if (this.#flushScheduled || this.#socket === undefined || this.outbox.inFlight > 0) return;
    this.#flushScheduled = true;
    setImmediate(this.#flush);
  }

  /** Writes the next batch: `pump` has seen to it that the one before has gone. */
  readonly #flush = (): void => {
    this.#flushScheduled = false;
    const { outbox } = this;
    const socket = this.#socket;
    if (socket === undefined || !outbox.hasNext) return;
    this.#cancelStall = this.clock.after(this.#stallMilliseconds, () =>
      socket.destroy(
        new Error(`it did not take ${outbox.inFlight} Messages in ${this.#stallMilliseconds / 1000} s`),
      ),
    );
    // One callback for all of them: a stream calls back in the order of the writes. Without an error even when it
    // was destroyed before the kernel took anything, which is why that is asked, too.
    const written = (error?: Error | null) => {
      if (!error && !socket.destroyed && this.#socket === socket) this.#written();
    };
    socket.cork();
    for (let octets = 0; octets < BATCH_OCTETS && outbox.hasNext; ) {
      const { bytes } = outbox.take()!;
      octets += bytes.length;
      socket.write(bytes, written);
    }
    socket.uncork();
  };

  /** The kernel has one Message more. */
  #written(): void {
    this.outbox.settleOldest();
    if (this.outbox.inFlight > 0) return;
    this.#cancelStall();
    if (this.outbox.hasNext) this.pump();
  }

  // ---- the connection ----

  /** Connects to the first of the addresses that accepts, the last one used before the others. */
  protected override async reach(addresses: readonly ResolvedAddress[]): Promise<boolean> {
    if (this.#socket !== undefined) return true;
    for (const one of inOrder(addresses, this.address, false)) {
      let socket: Socket;
      try {
        socket = await this.#connector.connect(one, {
          port: this.options.port,
          source: this.options.source,
          withinMilliseconds: this.#connectMilliseconds,
          clock: this.clock,
          signal: this.#giveUp.signal,
        });
      } catch (error) {
        if (this.stopped) return false;
        this.tellError(
          `cannot connect to ${this.where(one.address)}: ${this.#connector.explain(error as Error)}`,
        );
        continue;
      }
      this.#adopt(one.address, socket);
      return true;
    }
    return false;
  }

  /** A connection is made: a new Transport Session. */
  #adopt(address: string, socket: Socket): void {
    let failure = 'the collector closed it';
    socket.on('error', (error) => {
      failure = this.#connector.explain(error);
    });
    socket.on('data', (octets) => {
      this.counters.octetsReceived += octets.length;
    });
    socket.on('end', () => socket.destroy()); // a collector that sends no more has closed; it does not read either
    socket.on('close', () => this.#lost(socket, failure));
    if (this.stopped) {
      socket.destroy();
      return;
    }
    this.address = address;
    this.#connectedAtMilliseconds = this.clock.nowMilliseconds();
    this.tell('connected', `connected to ${this.where()}`);
    this.outbox.beginSession();
    this.#socket = socket; // only now, so that nothing passes the session's first Messages
    this.pump();
    this.#lookSoon(socket, 0, undefined);
  }

  /**
   * Closes a connection whose peer has vanished.
   * @param before what was unanswered at the last look
   * @param sinceMilliseconds since when something has been; undefined: nothing is
   */
  #lookSoon(socket: Socket, before: number, sinceMilliseconds: number | undefined): void {
    this.#cancelLook = this.clock.after(this.#stallMilliseconds / LOOKS_A_STALL, async () => {
      const { endpoints } = this;
      const silence = endpoints && (await this.#lookForSilence(endpoints));
      if (this.#socket !== socket || endpoints === undefined) return;
      if (silence === undefined) {
        // Not among the connections of one look: the kernel does not list them all at one instant.
        this.#lookSoon(socket, before, sinceMilliseconds);
        return;
      }
      const { unanswered, unacknowledgedOctets } = silence;
      const now = this.clock.nowMilliseconds();
      // The kernel counts from anew when an answer comes.
      const since = unanswered === 0 ? undefined : unanswered < before ? now : (sinceMilliseconds ?? now);
      if (since === undefined || now - since < this.#stallMilliseconds) {
        this.#lookSoon(socket, unanswered, since);
        return;
      }
      const lost =
        unacknowledgedOctets > 0 ? `; ${unacknowledgedOctets} octets that had left may be lost` : '';
      socket.destroy(new Error(`nothing was acknowledged for ${(now - since) / 1000} s${lost}`));
    });
  }

  #lost(socket: Socket, failure: string): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    this.#cancelStall();
    this.#cancelLook();
    this.tellError(`lost the connection to ${this.where()}: ${failure}`, 'disconnected');
    this.outbox.settleInFlight('disconnected');
    if (this.clock.nowMilliseconds() - this.#connectedAtMilliseconds >= WORKS_WELL_MILLISECONDS) {
      this.locator.worksWell();
    }
    this.locator.locateSoon();
  }

  protected override close(): void {
    this.#giveUp.abort();
    this.#cancelStall();
    this.#cancelLook();
    // What the kernel has taken it sends nevertheless, and then FIN. TLS has a word of its own for the end, which an
    // orderly end says; where something is stuck, there is no such end.
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    if (this.outbox.inFlight === 0) socket.unref().destroySoon();
    else socket.destroy();
  }
}
