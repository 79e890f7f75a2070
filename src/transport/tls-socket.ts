/**
 * TLS over a TCP connection to one collector (RFC 7011 §11): a way to open the socket, and nothing more.
 *
 * The collector's certificate is verified, against the CAs given or the system's, and has to name the host of the
 * URL; there is no way to turn that off. TLS 1.2 at least (RFC 9325). Where the collector demands a certificate of the
 * exporter, too, the two are sure of each other, as RFC 7011 §11.3 asks.
 */
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ResolvedAddress } from './resolve.ts';
import { ClosedByPeer, type ConnectOptions, type Connector, tcpConnector, whenReady } from './tcp-socket.ts';
import { explainTlsError } from './tls-errors.ts';
import { readTlsFiles, type TlsFiles } from './tls-files.ts';

/**
 * With TLS 1.3 the handshake ends, for this side, before the collector has looked at Weir's certificate. What it
 * refuses shows only then, so the first thing that it says is waited for: the session ticket that servers send. One
 * that sends none is taken to agree after this time. Without the wait, a batch would be written, counted as sent and
 * lost in every attempt.
 */
const AGREES_AFTER_MILLISECONDS = 1_000;

export class TlsConnector implements Connector {
  readonly #host: string;
  readonly #files: TlsFiles;

  /** @param host of the URL: whom the certificate has to name */
  constructor(host: string, files: TlsFiles) {
    // A certificate names neither zones nor the root's dot.
    this.#host = host.replace(/%.*$/, '').replace(/\.$/, '');
    this.#files = files;
  }

  async connect(collector: ResolvedAddress, options: ConnectOptions): Promise<TLSSocket> {
    // Read for each connection: certificates are renewed while Weir runs.
    const credentials = readTlsFiles(this.#files);
    // Loaded only here: it takes 5 ms, and most collectors have no TLS.
    const { connect } = await import('node:tls');
    const tcp = await tcpConnector.connect(collector, options);
    const socket = connect({
      socket: tcp,
      host: this.#host,
      ...(isIP(this.#host) === 0 ? { servername: this.#host } : {}), // RFC 6066 §3: no addresses
      ...credentials,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true, // said, so that NODE_TLS_REJECT_UNAUTHORIZED cannot unsay it
    });
    await whenReady(socket, 'secureConnect', options);
    if (socket.getProtocol() === 'TLSv1.3') {
      await whenReady(socket, 'session', { ...options, withinMilliseconds: AGREES_AFTER_MILLISECONDS }, true);
    }
    return socket;
  }

  explain(error: Error): string {
    if (error instanceof ClosedByPeer && this.#files.cert !== undefined) {
      return `${error.message} after the handshake; it may not accept the certificate of cert=`;
    }
    return explainTlsError(error, this.#host);
  }
}
