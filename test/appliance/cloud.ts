/** EC2 of the tests (cloud-inside.ts), as the test sees it. */
import { fileURLToPath } from 'node:url';
import type { LabNamespace } from '../../src/cli/demo/lab.ts';
import { Program } from '../network/program.ts';

const INSIDE = fileURLToPath(new URL('./cloud-inside.js', import.meta.url));
const START_MILLISECONDS = 60_000;

export interface CloudState {
  readonly routes: readonly { destination?: string; interface?: string; state?: string }[];
  readonly sourceDestChecks: readonly boolean[];
}

/** What it says first. */
type Said = Pick<Cloud, 'endpoint' | 'table' | 'vpc' | 'interfaces' | 'subnets'>;

export class Cloud {
  readonly endpoint: string;
  readonly table: string;
  readonly interfaces: readonly string[];
  readonly subnets: readonly string[];
  readonly vpc: string;
  readonly #program: Program;

  private constructor(program: Program, said: Said) {
    this.#program = program;
    this.endpoint = said.endpoint;
    this.table = said.table;
    this.vpc = said.vpc;
    this.interfaces = said.interfaces;
    this.subnets = said.subnets;
  }

  /** It ends with the namespace. */
  static async start(namespace: LabNamespace, host: string, addresses: readonly string[]): Promise<Cloud> {
    const program = new Program(namespace, [process.execPath, INSIDE, host, ...addresses]);
    const said = await program.until('EC2', ({ lines }) => lines[0], START_MILLISECONDS);
    return new Cloud(program, said as unknown as Said);
  }

  /** As EC2 tells it now. */
  async state(): Promise<CloudState> {
    const { lines, child } = this.#program;
    const seen = lines.length;
    child.stdin!.write('\n');
    const said = await this.#program.until('its state', () => lines[seen], START_MILLISECONDS);
    return said as unknown as CloudState;
  }

  /** Whether the route leads to the machine's first interface, and packets for others may reach both. */
  async isRouted(destination: string): Promise<boolean> {
    const { routes, sourceDestChecks } = await this.state();
    return (
      routes.some((route) => route.destination === destination && route.interface === this.interfaces[0]) &&
      sourceDestChecks.every((checked) => !checked)
    );
  }
}
