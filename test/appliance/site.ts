/** The wire with its users: traffic through the machine, a collector that tells what it hears, and what the machine is told. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { serve, traffic } from '../capture/live.ts';
import { type Program, received, server, total } from '../network/program.ts';
import { run } from './process.ts';
import { layWire, type Wire } from './wire.ts';

const DATAGRAMS = 20;
const OCTETS = 200;
const UDP_AND_IP_HEADERS = 28;
const UDP = 17;

export class Site {
  readonly wire: Wire;
  #collector: Program;
  readonly #port: number;

  private constructor(wire: Wire, collector: Program, port: number) {
    this.wire = wire;
    this.#collector = collector;
    this.#port = port;
  }

  static async open(t: Test): Promise<Site> {
    const wire = await layWire(t);
    const { lab } = wire;
    const { program, port } = await server(lab.server, 'collector', lab.addresses.server.ipv4, 0);
    return new Site(wire, program, port);
  }

  /** weir.yaml for this site. */
  configuration(more: { readonly collectors?: readonly string[] } = {}): string {
    const { cloud, lab } = this.wire;
    return [
      'interface: [ens5, ens6]',
      'active-timeout: 2',
      'idle-timeout: 2',
      'metrics: 0.0.0.0:9469',
      'collector:',
      `  - ipfix://${lab.addresses.server.ipv4}:${this.#port}`,
      ...(more.collectors ?? []).map((url) => `  - ${url}`),
      'router:',
      `  route: ['${cloud.table} 0.0.0.0/0']`,
      '',
    ].join('\n');
  }

  /** Files that an instance of this site has. */
  get files(): Record<string, string> {
    return {
      '/etc/weir/weir.yaml': this.configuration(),
      '/etc/weir/environment': `AWS_ENDPOINT_URL=${this.wire.cloud.endpoint}\n`,
    };
  }

  /** Resolves once the client and the server reach each other. @returns after how long */
  async forwards(withinMilliseconds: number): Promise<number> {
    const { client, addresses } = this.wire.lab;
    const from = performance.now();
    for (;;) {
      const { code } = await run([
        'ip',
        'netns',
        'exec',
        client.name,
        'ping',
        '-c1',
        '-W1',
        addresses.server.ipv4,
      ]);
      const took = performance.now() - from;
      if (code === 0) return took;
      if (took > withinMilliseconds) throw new Error(`nothing is forwarded after ${Math.round(took)} ms`);
      await delay(100);
    }
  }

  /** Pings ten times a second while something happens. @returns how many had no answer */
  async lostDuring(happens: () => Promise<void>): Promise<{ sent: number; lost: number }> {
    const { client, addresses } = this.wire.lab;
    const ping = client.spawn(['ping', '-q', '-i', '0.1', '-W', '5', addresses.server.ipv4], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let said = '';
    ping.stdout!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const closed = new Promise((resolve) => ping.once('close', resolve));
    try {
      await happens();
    } finally {
      ping.kill('SIGINT');
      await closed;
    }
    const [, sent, back] = /(\d+) packets transmitted, (\d+) received/.exec(said) ?? [];
    // The last one may have been on its way when it ended.
    return { sent: Number(sent), lost: Math.max(0, Number(sent) - Number(back) - 1) };
  }

  /** Resolves once datagrams of a flow that is new have come to the collector as records, all of them. */
  async meters(withinMilliseconds: number): Promise<void> {
    const { lab } = this.wire;
    const host = lab.addresses.server.ipv4;
    const deadline = performance.now() + withinMilliseconds;
    const expected = { packets: DATAGRAMS, octets: DATAGRAMS * (OCTETS + UDP_AND_IP_HEADERS) };
    let sums: object | undefined;
    do {
      const port = await serve(lab.server, 'udp-echo', host);
      await traffic(lab.client, 'udp-send', host, port, DATAGRAMS, OCTETS);
      const pattern = { protocolIdentifier: UDP, destinationTransportPort: port };
      const isThere = () => {
        const records = received(this.#collector).map(({ record }) => record);
        sums = total(records, pattern);
        return JSON.stringify(sums) === JSON.stringify(expected);
      };
      for (let waited = 0; waited < 15_000 && performance.now() < deadline; waited += 200) {
        if (isThere()) return;
        await delay(200);
      }
    } while (performance.now() < deadline);
    throw new Error(`the collector has ${JSON.stringify(sums)}, not ${JSON.stringify(expected)}`);
  }

  async endCollector(): Promise<void> {
    await this.#collector.end();
  }

  async startCollector(): Promise<void> {
    const { lab } = this.wire;
    const host = lab.addresses.server.ipv4;
    ({ program: this.#collector } = await server(lab.server, 'collector', host, this.#port));
  }

  /** Asks EC2 until the route leads to the machine. */
  async routed(withinMilliseconds: number): Promise<void> {
    const deadline = performance.now() + withinMilliseconds;
    while (!(await this.wire.cloud.isRouted('0.0.0.0/0'))) {
      if (performance.now() > deadline)
        throw new Error(`EC2 says ${JSON.stringify(await this.wire.cloud.state())}`);
      await delay(500);
    }
  }
}
