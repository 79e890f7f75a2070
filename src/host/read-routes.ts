/** Reads the kernel's interfaces, policy rules and routing tables, as `ip -json` prints them, into {@link Routes}. */

import { setImmediate as turn } from 'node:timers/promises';
import { ipObjects } from './ip-command.ts';
import { ADDRESS_WORDS, type IpVersion, parseAddress, parsePrefix } from './prefix.ts';
import { PrefixColumns } from './prefix-columns.ts';
import { buildRanges } from './range-builder.ts';
import { RangeTable } from './range-table.ts';
import { type FamilyRoutes, Fate, GATEWAY_WORDS, hostOrder, NextHops, Routes } from './routes.ts';

export interface ReadOptions {
  /** `ip`. */
  readonly program: string;
  /** More routes than this are not kept: the reading fails with {@link TooManyRoutes}. */
  readonly maxRoutes: number;
  readonly signal: AbortSignal;
}

export interface ReadRoutes {
  readonly routes: Routes;
  /** Policy rules and routes that were passed over, because they look at more than the destination. */
  readonly unfollowedRules: number;
  readonly unfollowedRoutes: number;
}

export class TooManyRoutes extends Error {}

/** What `ip -json route` prints of a route, as far as it is of use. */
interface PrintedRoute extends PrintedHop {
  readonly type?: string;
  readonly dst?: string;
  readonly table?: string;
  readonly metric?: number;
  /** A type of service that packets must have (then it is a string), or one of an encapsulation. */
  readonly tos?: string | number;
  /** IPv6: the sources that the route is for. */
  readonly from?: string;
  /** Where one has to be chosen for each flow. */
  readonly nexthops?: readonly PrintedHop[];
}

interface PrintedHop {
  readonly gateway?: string;
  /** A gateway of the other IP version. */
  readonly via?: { readonly family: string; readonly host: string };
  readonly dev?: string;
  readonly flags?: readonly string[];
}

interface PrintedRule {
  readonly src?: string;
  readonly table?: string;
}

/** What a rule may say and still apply to every packet. */
const PLAIN_RULE = new Set(['priority', 'src', 'table', 'protocol']);

/** Types of routes by what becomes of a packet. Those that are not here keep it. */
const FATES: Readonly<Record<string, number>> = { unicast: Fate.FORWARDED, throw: Fate.PASSED_ON };

/** Rejects where `ip` fails, or prints what cannot be read. */
export async function readRoutes(options: ReadOptions): Promise<ReadRoutes> {
  const { program, signal } = options;
  const indexes = new Map<string, number>();
  const names = new Map<number, string>();
  await ipObjects(program, ['link', 'show'], signal, (text) => {
    const { ifindex, ifname } = parse<{ ifindex?: number; ifname?: string }>(text);
    if (ifindex === undefined || ifname === undefined) return;
    indexes.set(ifname, ifindex);
    names.set(ifindex, ifname);
  });

  const hops = new NextHops();
  const reader = new RouteReader(hops, indexes, options.maxRoutes);
  const rules4 = await readRules(options, '-4');
  const rules6 = await readRules(options, '-6');
  await ipObjects(program, ['-4', 'route', 'show', 'table', 'all'], signal, (text) => reader.read(text, 4));
  await ipObjects(program, ['-6', 'route', 'show', 'table', 'all'], signal, (text) => reader.read(text, 6));
  const ipv4 = await compile(rules4.tables, reader, 4);
  const ipv6 = await compile(rules6.tables, reader, 6);
  signal.throwIfAborted();
  return {
    routes: new Routes(ipv4, ipv6, hops, names),
    unfollowedRules: rules4.unfollowed + rules6.unfollowed,
    unfollowedRoutes: reader.unfollowed,
  };
}

/** The tables that are asked for every packet, in their order. */
async function readRules(
  { program, signal }: ReadOptions,
  family: '-4' | '-6',
): Promise<{ tables: readonly string[]; unfollowed: number }> {
  const tables = new Set<string>();
  let unfollowed = 0;
  await ipObjects(program, [family, 'rule', 'show'], signal, (text) => {
    const rule = parse<PrintedRule>(text);
    const isPlain = rule.src === 'all' && Object.keys(rule).every((key) => PLAIN_RULE.has(key));
    if (isPlain && rule.table !== undefined) tables.add(rule.table);
    else unfollowed++;
  });
  return { tables: [...tables], unfollowed };
}

/** Takes routes as they are printed, and keeps a column of prefixes for each table. */
class RouteReader {
  readonly tables = { 4: new Map<string, PrefixColumns>(), 6: new Map<string, PrefixColumns>() };
  readonly counts = { 4: 0, 6: 0 };
  unfollowed = 0;
  readonly #hops: NextHops;
  readonly #indexes: ReadonlyMap<string, number>;
  readonly #maxRoutes: number;
  readonly #words = new Uint32Array(4);

  /** @param indexes ifIndex by interface name */
  constructor(hops: NextHops, indexes: ReadonlyMap<string, number>, maxRoutes: number) {
    this.#hops = hops;
    this.#indexes = indexes;
    this.#maxRoutes = maxRoutes;
  }

  read(text: string, ipVersion: IpVersion): void {
    const route = parse<PrintedRoute>(text);
    // An encapsulation ("encap ip") prints a "dst" of its own, further behind, which JSON.parse would take.
    const dst = /"dst":"([^"]*)"/.exec(text)?.[1];
    if (dst === undefined) throw new Error(`ip prints a route without a destination: ${text.slice(0, 100)}`);
    if (typeof route.tos === 'string' || route.from !== undefined) {
      this.unfollowed++;
      return;
    }
    const hop = this.#hopOf(route);
    if (hop === undefined) return;
    const length = parsePrefix(dst, ipVersion, this.#words);
    if (length < 0) throw new Error(`ip prints a route to ${dst}, which is no prefix`);
    if (++this.counts[ipVersion] + this.counts[ipVersion === 4 ? 6 : 4] > this.#maxRoutes)
      throw new TooManyRoutes(`the kernel has more than ${this.#maxRoutes} routes`);
    const { table = 'main' } = route;
    const tables = this.tables[ipVersion];
    let prefixes = tables.get(table);
    if (prefixes === undefined) {
      prefixes = new PrefixColumns(ipVersion);
      tables.set(table, prefixes);
    }
    prefixes.add(this.#words, length, hop, route.metric ?? 0);
  }

  /** The number of a route's next hop: of several the first that lives. Undefined: none of them does. */
  #hopOf(route: PrintedRoute): number | undefined {
    const { type = 'unicast' } = route;
    const fate = FATES[type] ?? Fate.KEPT;
    if (fate !== Fate.FORWARDED) {
      const gateway = new Int32Array(GATEWAY_WORDS);
      return this.#hops.number(String(fate), () => ({ fate, egressInterface: 0, gateway }));
    }
    const hop = (route.nexthops ?? [route]).find(({ flags }) => flags?.includes('dead') !== true);
    if (hop === undefined) return undefined;
    const { gateway, dev = '' } = hop;
    return this.#hops.number(`${dev} ${gateway ?? ''}`, () => ({
      fate,
      egressInterface: this.#indexes.get(dev) ?? 0,
      gateway: gatewayWords(gateway),
    }));
  }
}

function parse<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`ip prints what is no JSON: ${text.slice(0, 100)}`, { cause: error });
  }
}

/** A gateway as Flow Records have it. IPv4 through a gateway of IPv6 ("via inet6") has none that its records could tell. */
function gatewayWords(gateway: string | undefined): Int32Array {
  const words = new Int32Array(GATEWAY_WORDS);
  if (gateway === undefined) return words;
  const ipVersion = gateway.includes(':') ? 6 : 4;
  const read = new Uint32Array(ADDRESS_WORDS[ipVersion]);
  if (!parseAddress(gateway, ipVersion, read))
    throw new Error(`ip prints the gateway ${gateway}, which is no address`);
  for (const [i, word] of read.entries()) words[i] = hostOrder(word);
  return words;
}

async function compile(
  names: readonly string[],
  { tables, counts }: RouteReader,
  ipVersion: IpVersion,
): Promise<FamilyRoutes> {
  const compiled: RangeTable[] = [];
  for (const name of names) {
    const prefixes = tables[ipVersion].get(name);
    if (prefixes === undefined) continue;
    const ranges = await buildRanges(prefixes, turn);
    await turn();
    compiled.push(await RangeTable.of(ranges, turn));
  }
  return { tables: compiled, count: counts[ipVersion] };
}
