/** The peers of a router: who they are (EC2 says), and whether they forward (they say). */
import type { Ec2Interface } from '../aws/ec2.ts';
import { Health } from './health.ts';
import { type CheckResult, checkHealth } from './health-check.ts';
import type { RouterState } from './routes.ts';

export interface PeerPlace {
  /** Matches the interface by ID or tag. */
  readonly matches: (one: Ec2Interface) => boolean;
  /** Undefined: the interface's own address and the common port. */
  readonly at: { readonly host: string; readonly port: number } | undefined;
}

export interface PeersOptions {
  readonly places: readonly PeerPlace[];
  readonly port: number;
  readonly rise: number;
  readonly fall: number;
  readonly timeoutMilliseconds: number;
  /** A peer's state has changed. */
  readonly onChange: (peer: Peer, why: string | undefined) => void;
  readonly check?: typeof checkHealth | undefined;
}

export interface Peer {
  /** Of its network interface. */
  readonly id: string;
  readonly zone: string;
  readonly address: { readonly host: string; readonly port: number } | undefined;
  readonly state: RouterState;
  /** Of the last check that was not good. */
  readonly why: string | undefined;
  readonly checks: { good: number; bad: number };
}

type Known = { -readonly [P in keyof Peer]: Peer[P] };

/** EC2's lists are eventually consistent: one that is missing from fewer readings in a row is there. */
const READINGS_UNTIL_FORGOTTEN = 3;

export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<string, Known & { readonly health: Health; missing: number }>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** By their IDs. */
  get all(): readonly Peer[] {
    return [...this.#peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Takes over what EC2 knows. One that is no more is forgotten after some readings: a route that leads to nobody's
   * interface is taken at once, so one bad answer must not make a healthy router nobody.
   * @returns whether there are others now
   */
  follow(interfaces: readonly Ec2Interface[]): boolean {
    const { places, port, rise, fall } = this.#options;
    let hasChanged = false;
    for (const [id, peer] of this.#peers) {
      peer.missing = interfaces.some((one) => one.id === id) ? 0 : peer.missing + 1;
      if (peer.missing < READINGS_UNTIL_FORGOTTEN) continue;
      this.#peers.delete(id);
      hasChanged = true;
    }
    for (const one of interfaces) {
      const at = places.find((place) => place.at !== undefined && place.matches(one))?.at;
      const address = at ?? (one.address === undefined ? undefined : { host: one.address, port });
      const known = this.#peers.get(one.id);
      if (known !== undefined) {
        known.address = address;
        known.zone = one.zone;
        continue;
      }
      hasChanged = true;
      this.#peers.set(one.id, {
        id: one.id,
        zone: one.zone,
        address,
        state: 'unknown',
        why: undefined,
        checks: { good: 0, bad: 0 },
        health: new Health(rise, fall),
        missing: 0,
      });
    }
    return hasChanged;
  }

  /** Asks every peer once, all at the same time. */
  async check(): Promise<void> {
    const { check = checkHealth, timeoutMilliseconds, onChange } = this.#options;
    await Promise.all(
      [...this.#peers.values()].map(async (peer) => {
        const result: CheckResult =
          peer.address === undefined
            ? { finding: 'bad', why: 'it has no address' }
            : await check(peer.address, peer.id, timeoutMilliseconds);
        // Forgotten meanwhile.
        if (this.#peers.get(peer.id) !== peer) return;
        peer.checks[result.finding === 'bad' ? 'bad' : 'good']++;
        peer.why = result.why;
        const hasChanged = peer.health.found(result.finding);
        peer.state = peer.health.state;
        if (hasChanged) onChange(peer, result.why);
      }),
    );
  }
}
