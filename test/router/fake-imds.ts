/** An instance metadata service of the tests' own: version 2 alone, and as unwilling as a test wants it. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeInterface {
  readonly id: string;
  readonly mac: string;
  readonly deviceNumber: number;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly ipv4: readonly string[];
  readonly subnetCidr: string;
  readonly vpcCidrs: readonly string[];
}

/** What stands below /latest/. */
export function metadataOf(
  instanceId: string,
  zone: string,
  interfaces: readonly FakeInterface[],
): Map<string, string> {
  const folder = 'meta-data/network/interfaces/macs';
  return new Map([
    ['meta-data/instance-id', instanceId],
    ['meta-data/instance-type', 'c7gn.large'],
    ['meta-data/placement/availability-zone', zone],
    ['meta-data/placement/region', zone.slice(0, -1)],
    [folder, interfaces.map(({ mac }) => `${mac}/`).join('\n')],
    ...interfaces.flatMap((one): [string, string][] => [
      [`${folder}/${one.mac}/interface-id`, one.id],
      [`${folder}/${one.mac}/device-number`, String(one.deviceNumber)],
      [`${folder}/${one.mac}/subnet-id`, one.subnetId],
      [`${folder}/${one.mac}/vpc-id`, one.vpcId],
      [`${folder}/${one.mac}/local-ipv4s`, one.ipv4.join('\n')],
      [`${folder}/${one.mac}/subnet-ipv4-cidr-block`, one.subnetCidr],
      [`${folder}/${one.mac}/vpc-ipv4-cidr-blocks`, one.vpcCidrs.join('\n')],
    ]),
  ]);
}

export class FakeImds {
  /** `PUT /latest/api/token`, `GET /latest/…`, in order; questions without a token are `V1 …`. */
  readonly asked: string[] = [];
  readonly values: Map<string, string>;
  /** Every question is answered with it. */
  status: number | undefined;
  /** Tokens given from now on are the only ones that are taken. */
  #epoch = 0;
  #tokens = 0;
  #valid = new Set<string>();
  readonly #server: Server;

  constructor(values: Map<string, string>) {
    this.values = values;
    this.#server = createServer((request, response) => {
      request.resume();
      const { status, body } = this.#answer(request);
      response.writeHead(status, { 'Content-Type': 'text/plain', Connection: 'close' });
      response.end(body);
    });
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** As if the machine had been suspended for long: no token is known any more. */
  forgetTokens(): void {
    this.#valid = new Set();
    this.#epoch++;
  }

  async start(host = '127.0.0.1'): Promise<number> {
    this.#server.listen(0, host);
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #answer({ method, url = '', headers }: IncomingMessage): { status: number; body: string } {
    const token = headers['x-aws-ec2-metadata-token'];
    const isToken = method === 'PUT' && url === '/latest/api/token';
    this.asked.push(isToken || token !== undefined ? `${method} ${url}` : `V1 ${url}`);
    if (this.status !== undefined) return { status: this.status, body: '' };
    if (isToken) {
      const seconds = Number(headers['x-aws-ec2-metadata-token-ttl-seconds']);
      if (!(seconds >= 1 && seconds <= 21_600)) return { status: 400, body: '' };
      const text = `token-${this.#epoch}-${this.#tokens++}`;
      this.#valid.add(text);
      return { status: 200, body: text };
    }
    if (typeof token !== 'string' || !this.#valid.has(token)) return { status: 401, body: '' };
    const value = this.values.get(url.replace(/^\/latest\//, '').replace(/\/$/, ''));
    return value === undefined ? { status: 404, body: '' } : { status: 200, body: value };
  }
}
