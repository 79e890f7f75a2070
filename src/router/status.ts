/** How a router stands, as `weir router status --json` prints it. */
import type { CheckName } from './machine.ts';
import type { Router } from './router.ts';
import type { RouterState, RouteState } from './routes.ts';

export interface RouterStatus {
  readonly mode: string;
  readonly instance: string;
  readonly zone: string;
  readonly state: RouterState;
  readonly forwarding: boolean;
  readonly released: boolean;
  readonly health: string | null;
  /** Since EC2 was last read to the end; null: it never was. */
  readonly observedSecondsAgo: number | null;
  readonly interfaces: readonly {
    readonly name: string;
    readonly id: string;
    readonly subnet: string;
    readonly addresses: readonly string[];
  }[];
  readonly checks: readonly { readonly name: CheckName; readonly ok: boolean; readonly detail: string }[];
  readonly routers: readonly {
    readonly id: string;
    readonly zone: string;
    readonly state: RouterState;
    readonly self: boolean;
    readonly address: string | null;
    readonly why: string | null;
  }[];
  readonly routes: readonly {
    readonly table: string;
    readonly destination: string;
    readonly unit: string;
    /** What the route leads to; null: there is no route. */
    readonly owner: string | null;
    readonly wanted: string | null;
    /** `blackhole` where AWS says so. */
    readonly state: RouteState | 'blackhole';
  }[];
  /** What went wrong in the last round. */
  readonly problems: readonly string[];
}

export function statusOf(router: Router, mode: string, nowMilliseconds: number): RouterStatus {
  const { instance, interfaces, reconciler, healthAddress } = router;
  const peers = new Map(router.peers.map((peer) => [peer.id, peer]));
  const observedAt = reconciler?.observedAt;
  return {
    mode,
    instance: instance?.instanceId ?? '',
    zone: instance?.zone ?? '',
    state: router.state,
    forwarding: router.isForwarding,
    released: router.isReleased,
    health: healthAddress === undefined ? null : endpoint(healthAddress.address, healthAddress.port),
    observedSecondsAgo: observedAt === undefined ? null : Math.round(nowMilliseconds - observedAt) / 1000,
    interfaces: interfaces.map(({ name, id, subnetId, ipv4, ipv6 }) => ({
      name,
      id,
      subnet: subnetId,
      addresses: [...ipv4, ...ipv6],
    })),
    checks: router.checks.map(({ name, ok, detail }) => ({ name, ok, detail })),
    routers: router.routers.map(({ id, zone, state }, i) => {
      const at = peers.get(id)?.address;
      const why = peers.get(id)?.why;
      return {
        id,
        zone,
        state,
        self: i === 0,
        address: at === undefined ? null : endpoint(at.host, at.port),
        why: why ?? null,
      };
    }),
    routes: (reconciler?.routes ?? []).map(({ table, destination, unit, wanted, current, state }) => ({
      table,
      destination,
      unit,
      owner: current?.target ?? null,
      wanted: wanted ?? null,
      state: current?.state === 'blackhole' ? 'blackhole' : state,
    })),
    problems: reconciler?.problems ?? [],
  };
}

function endpoint(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
