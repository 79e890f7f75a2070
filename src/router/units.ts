/**
 * Which routes move together. A table is a unit by itself; tables of one `group` are one, and so are tables that face
 * each other: where the routes of one lead to subnets that use the other, both ways must take the same router.
 */
import { prefixCovers } from './prefixes.ts';
import type { RouteKey, Unit } from './routes.ts';

/** A route table, and the subnets that use it. */
export interface TableWithSubnets {
  readonly id: string;
  readonly subnets: readonly { readonly zone: string; readonly cidrs: readonly string[] }[];
}

/** A rule of the configuration, its selectors resolved. */
export interface ResolvedRule {
  /** IDs, those of tables that exist and those that do not. */
  readonly tables: readonly string[];
  readonly destinations: readonly string[];
  readonly group: string | undefined;
  readonly prefer: readonly string[];
}

/**
 * @param vpcCidrs only a destination within these can lead to a subnet; for others the VPC's own routes are more specific
 * @returns in the order of their IDs; a route that several rules give is one
 */
export function unitsOf(
  rules: readonly ResolvedRule[],
  tables: readonly TableWithSubnets[],
  vpcCidrs: readonly string[],
): Unit[] {
  const byId = new Map(tables.map((table) => [table.id, table]));
  const destinations = new Map<string, Set<string>>();
  for (const rule of rules) {
    for (const table of rule.tables) {
      const known = destinations.get(table) ?? new Set();
      destinations.set(table, known);
      for (const destination of rule.destinations) known.add(destination);
    }
  }
  const ids = [...destinations.keys()].sort();
  const joined = new Joined(ids);
  const names = new Map<string, string>();
  for (const { tables: members, group } of rules) {
    if (group === undefined) continue;
    const first = names.get(group) ?? members[0];
    if (first === undefined) continue;
    names.set(group, first);
    for (const member of members) joined.join(first, member);
  }
  for (const from of ids) {
    const inside = [...destinations.get(from)!].filter((one) =>
      vpcCidrs.some((vpc) => prefixCovers(vpc, one)),
    );
    for (const to of ids) {
      const subnets = byId.get(to)?.subnets ?? [];
      const faces = inside.some((destination) =>
        subnets.some(({ cidrs }) => cidrs.some((cidr) => prefixCovers(destination, cidr))),
      );
      if (from !== to && faces) joined.join(from, to);
    }
  }

  return joined.sets().map((members) => {
    const routes: RouteKey[] = members.flatMap((table) =>
      [...destinations.get(table)!].sort().map((destination) => ({ table, destination })),
    );
    const named = [...names].filter(([, first]) => members.includes(first)).map(([name]) => name);
    return {
      id: named.sort()[0] ?? members[0]!,
      routes,
      zone: zoneOf(members.flatMap((id) => byId.get(id)?.subnets ?? [])),
      prefer: [
        ...new Set(
          rules
            .filter((rule) => rule.tables.some((id) => members.includes(id)))
            .flatMap(({ prefer }) => prefer),
        ),
      ],
    };
  });
}

/** The zone of most of the subnets, the first by name where several have as many. */
function zoneOf(subnets: readonly { readonly zone: string }[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { zone } of subnets) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))[0]?.[0];
}

/** Sets that are joined (union-find). */
class Joined {
  readonly #parents = new Map<string, string>();

  constructor(ids: readonly string[]) {
    for (const id of ids) this.#parents.set(id, id);
  }

  join(a: string, b: string): void {
    const [first, second] = [this.#root(a), this.#root(b)].sort() as [string, string];
    this.#parents.set(second, first);
  }

  /** The sets, and what is in each, in order. */
  sets(): string[][] {
    const sets = new Map<string, string[]>();
    for (const id of [...this.#parents.keys()].sort()) {
      const root = this.#root(id);
      const known = sets.get(root);
      if (known === undefined) sets.set(root, [id]);
      else known.push(id);
    }
    return [...sets.values()];
  }

  #root(id: string): string {
    let root = id;
    for (;;) {
      const parent = this.#parents.get(root) ?? root;
      if (parent === root) return root;
      root = parent;
    }
  }
}
