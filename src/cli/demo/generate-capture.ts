/**
 * Packets as a router between a client and a server might see them: HTTP over IPv4 and IPv6, a long download, DNS,
 * ping, a UDP stream in a VLAN, a port scan, and ARP. Made up, but right in every length, flag and checksum, and
 * the same for the same options. For the demo without root, and for tests.
 */
import { type CaptureRecord, PcapWriter } from '../../capture/pcap-writer.ts';
import { DNS_TYPE_A, DNS_TYPE_AAAA, encodeAnswer, encodeQuery } from './dns.ts';
import { arpRequest, echo, type Host, type IpOptions, TcpFlag, tcp, udp } from './frames.ts';

export interface GenerateOptions {
  /** How long the traffic goes on, in seconds. Default 10. */
  readonly seconds?: number;
  /** Unix time of the first packet. Default 2026-01-01T00:00:00Z. */
  readonly startMilliseconds?: number;
  /** Makes client ports and sequence numbers differ from those of another round. Default 0. */
  readonly round?: number;
}

/** Documentation addresses (RFC 5737, RFC 3849) and MAC addresses (RFC 7042 §2.1.2). */
const CLIENT: Host = {
  mac: Uint8Array.of(0x00, 0x00, 0x5e, 0x00, 0x53, 0x01),
  ipv4: '192.0.2.10',
  ipv6: '2001:db8:1::10',
};
const SERVER: Host = {
  mac: Uint8Array.of(0x00, 0x00, 0x5e, 0x00, 0x53, 0x02),
  ipv4: '198.51.100.20',
  ipv6: '2001:db8:2::20',
};

/** Octets of data in a full segment: 1500 less the headers of IPv6 and TCP. */
const SEGMENT_OCTETS = 1440;
const ROUND_TRIP_MILLISECONDS = 4;
const SCANNED_PORTS = 100;
const NAMES = ['www.example.com', 'mail.example.org', 'api.example.net', 'cdn.example.com'] as const;

interface TimedFrame {
  /** From the start of the traffic. */
  readonly milliseconds: number;
  readonly bytes: Uint8Array;
}

/** The packets in the order of their times. */
export function generatePackets(options: GenerateOptions = {}): CaptureRecord[] {
  const { seconds = 10, startMilliseconds = Date.UTC(2026, 0, 1), round = 0 } = options;
  const traffic = new Traffic(round);
  const end = seconds * 1000;
  for (let at = 0; at < end; at += 400) traffic.fetch(at + 20, at % 800 === 0 ? 4 : 6, 1500 + (at % 7000));
  for (let at = 0; at < end; at += 250) traffic.lookUp(at + 5, at % 500 === 0 ? 4 : 6);
  for (let at = 0; at < end; at += 1000) traffic.ping(at + 100);
  for (let at = 0; at < end; at += 20) traffic.speak(at + 3);
  for (let at = 0; at < end; at += 10_000) traffic.scan(at + 1500);
  for (let at = 0; at < end; at += 15_000) traffic.resolveAddress(at);
  traffic.download(700, end - 1000);
  return traffic.frames
    .filter(({ milliseconds }) => milliseconds < end)
    .sort((a, b) => a.milliseconds - b.milliseconds)
    .map(({ milliseconds, bytes }) => {
      const microseconds = Math.round((startMilliseconds + milliseconds) * 1000);
      return {
        seconds: Math.floor(microseconds / 1e6),
        nanoseconds: (microseconds % 1e6) * 1000,
        bytes,
      };
    });
}

/** The packets as a classic pcap file. */
export function generateCapture(options: GenerateOptions = {}): Uint8Array {
  const writer = new PcapWriter();
  for (const packet of generatePackets(options)) writer.write(packet);
  return writer.take();
}

class Traffic {
  readonly frames: TimedFrame[] = [];
  readonly #round: number;
  #nextPort: number;
  #identification = 0;
  #pings = 0;
  #spoken = 0;

  constructor(round: number) {
    this.#round = round;
    this.#nextPort = 40_000 + ((round * 997) % 20_000);
  }

  /** An HTTP exchange: handshake, request, a response of so many octets, and both sides' FIN. */
  fetch(at: number, ipVersion: 4 | 6, octets: number): void {
    const connection = new Connection(this, ipVersion, this.#port(), 80);
    connection.open(at);
    connection.send('client', at + ROUND_TRIP_MILLISECONDS, httpRequest(`/page/${octets}`));
    const answered = at + 2 * ROUND_TRIP_MILLISECONDS;
    connection.send('server', answered, httpResponse(octets));
    connection.close(answered + ROUND_TRIP_MILLISECONDS);
  }

  /** A download at 40 full segments a second, cut off by the end of the capture. */
  download(at: number, until: number): void {
    const connection = new Connection(this, 4, this.#port(), 8080);
    connection.open(at);
    connection.send('client', at + ROUND_TRIP_MILLISECONDS, httpRequest('/large.iso'));
    for (let time = at + 3 * ROUND_TRIP_MILLISECONDS; time < until; time += 50) {
      connection.send('server', time, new Uint8Array(2 * SEGMENT_OCTETS));
    }
  }

  lookUp(at: number, ipVersion: 4 | 6): void {
    const port = this.#port();
    const name = NAMES[(at >> 3) % NAMES.length]!;
    const question = { id: port, name, type: ipVersion === 4 ? DNS_TYPE_A : DNS_TYPE_AAAA };
    const address =
      ipVersion === 4
        ? Uint8Array.of(203, 0, 113, 7)
        : Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Array(12).fill(7));
    this.add(at, udp(this.to(ipVersion), port, 53, encodeQuery(question)));
    this.add(
      at + ROUND_TRIP_MILLISECONDS,
      udp(this.from(ipVersion), 53, port, encodeAnswer(question, address)),
    );
  }

  ping(at: number): void {
    const sequence = ++this.#pings;
    for (const ipVersion of [4, 6] as const) {
      this.add(at, echo(this.to(ipVersion), false, 0x5745, sequence));
      this.add(at + ROUND_TRIP_MILLISECONDS, echo(this.from(ipVersion), true, 0x5745, sequence));
    }
  }

  /** A datagram of a call each way, expedited (RFC 3246), in VLAN 100. */
  speak(at: number): void {
    const sequence = this.#spoken++;
    const data = new Uint8Array(172);
    const view = new DataView(data.buffer);
    view.setUint16(0, 0x8000); // RTP version 2, PCMU (RFC 3550 §5.1)
    view.setUint16(2, sequence);
    view.setUint32(4, sequence * 160);
    const voice = { vlans: [100], ipClassOfService: 46 << 2 };
    this.add(at, udp({ ...this.to(4), ...voice }, 16_384, 16_386, data));
    this.add(at + 7, udp({ ...this.from(4), ...voice }, 16_386, 16_384, data));
  }

  /** A SYN to each of the ports, and the RST that says: closed (RFC 9293 §3.10.7.1). */
  scan(at: number): void {
    const sourcePort = this.#port();
    for (let i = 0; i < SCANNED_PORTS; i++) {
      const sequence = (0x1000_0000 + i * 7919) >>> 0;
      const ports = { sourcePort, destinationPort: 1000 + i };
      this.add(at + i * 10, tcp(this.to(4), { ...ports, sequence, acknowledgment: 0, flags: TcpFlag.SYN }));
      this.add(
        at + i * 10 + ROUND_TRIP_MILLISECONDS,
        tcp(this.from(4), {
          sourcePort: ports.destinationPort,
          destinationPort: sourcePort,
          sequence: 0,
          acknowledgment: sequence + 1,
          flags: TcpFlag.RST | TcpFlag.ACK,
        }),
      );
    }
  }

  resolveAddress(at: number): void {
    this.add(at, arpRequest(CLIENT, SERVER));
  }

  add(milliseconds: number, bytes: Uint8Array): void {
    this.frames.push({ milliseconds, bytes });
  }

  /** From the client to the server … */
  to(ipVersion: 4 | 6): IpOptions {
    return { from: CLIENT, to: SERVER, ipVersion, identification: this.#identify() };
  }

  /** … and from the server to the client. */
  from(ipVersion: 4 | 6): IpOptions {
    return { from: SERVER, to: CLIENT, ipVersion, identification: this.#identify() };
  }

  get initialSequence(): number {
    return Math.imul(this.#nextPort, 2_654_435_761 + this.#round) >>> 0;
  }

  #port(): number {
    this.#nextPort = this.#nextPort >= 60_999 ? 32_768 : this.#nextPort + 1;
    return this.#nextPort;
  }

  #identify(): number {
    this.#identification = (this.#identification + 1) & 0xffff;
    return this.#identification;
  }
}

/** A TCP connection that loses nothing: each segment is in order, each burst acknowledged once. */
class Connection {
  readonly #traffic: Traffic;
  readonly #ipVersion: 4 | 6;
  readonly #clientPort: number;
  readonly #serverPort: number;
  /** The next octet of each side. */
  readonly #sequence: { client: number; server: number };

  constructor(traffic: Traffic, ipVersion: 4 | 6, clientPort: number, serverPort: number) {
    this.#traffic = traffic;
    this.#ipVersion = ipVersion;
    this.#clientPort = clientPort;
    this.#serverPort = serverPort;
    const { initialSequence } = traffic;
    this.#sequence = { client: initialSequence, server: ~initialSequence >>> 0 };
  }

  open(at: number): void {
    this.#segment('client', at, TcpFlag.SYN);
    this.#segment('server', at + ROUND_TRIP_MILLISECONDS / 2, TcpFlag.SYN | TcpFlag.ACK);
    this.#segment('client', at + ROUND_TRIP_MILLISECONDS - 0.1, TcpFlag.ACK);
  }

  send(side: 'client' | 'server', at: number, data: Uint8Array): void {
    let time = at;
    for (let sent = 0; sent < data.length; sent += SEGMENT_OCTETS) {
      const isLast = sent + SEGMENT_OCTETS >= data.length;
      const part = data.subarray(sent, sent + SEGMENT_OCTETS);
      this.#segment(side, time, TcpFlag.ACK | (isLast ? TcpFlag.PSH : 0), part);
      time += 0.02;
    }
    this.#segment(side === 'client' ? 'server' : 'client', time + 1, TcpFlag.ACK);
  }

  close(at: number): void {
    this.#segment('server', at, TcpFlag.FIN | TcpFlag.ACK);
    this.#segment('client', at + 1, TcpFlag.FIN | TcpFlag.ACK);
    this.#segment('server', at + 2, TcpFlag.ACK);
  }

  #segment(side: 'client' | 'server', at: number, flags: number, data?: Uint8Array): void {
    const isClient = side === 'client';
    const sequence = this.#sequence[side];
    const acknowledgment = this.#sequence[isClient ? 'server' : 'client'];
    this.#traffic.add(
      at,
      tcp(isClient ? this.#traffic.to(this.#ipVersion) : this.#traffic.from(this.#ipVersion), {
        sourcePort: isClient ? this.#clientPort : this.#serverPort,
        destinationPort: isClient ? this.#serverPort : this.#clientPort,
        sequence,
        acknowledgment: (flags & TcpFlag.ACK) === 0 ? 0 : acknowledgment,
        flags,
        ...(data === undefined ? {} : { data }),
      }),
    );
    // SYN and FIN take a number each (RFC 9293 §3.4).
    const taken = (data?.length ?? 0) + ((flags & (TcpFlag.SYN | TcpFlag.FIN)) === 0 ? 0 : 1);
    this.#sequence[side] = (sequence + taken) >>> 0;
  }
}

function httpRequest(path: string): Uint8Array {
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: weir-demo\r\n\r\n`,
    'latin1',
  );
}

function httpResponse(octets: number): Uint8Array {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${octets}\r\nConnection: close\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(octets, 'weir ')]);
}
