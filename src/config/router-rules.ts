/** What of the router's options does not go together. */
import { formatSelector, type RouteRule } from './router-values.ts';
import type { Property, Settings } from './schema.ts';

/**
 * A line for each contradiction.
 * @param whereOf where an option was given first; undefined: nowhere
 */
export function routerMistakes(
  settings: Settings,
  whereOf: (property: Property) => string | undefined,
): string[] {
  const { routerMode: mode, routerRoutes: routes, routerHealth, routerPeers, routerNat } = settings;
  const mistakes: string[] = [];
  const wrong = (property: Property, what: string) => {
    const where = whereOf(property);
    if (where !== undefined) mistakes.push(`${where}: ${what}`);
  };
  if (mode !== 'route') {
    if (routes.length > 0) wrong('routerRoutes', `a ${mode} owns no routes`);
    if (routerPeers.length > 0) wrong('routerPeers', `a ${mode} has no peers`);
    if (routerNat) wrong('routerNat', `a ${mode} translates no addresses`);
  }
  if (mode !== 'gwlb-target') wrong('routerTunnelSources', 'it means something to mode gwlb-target alone');
  if (!routerNat) wrong('routerNatSources', 'it means nothing without nat');
  const isV6 = settings.routerNatSources.find((source) => source.includes(':'));
  if (isV6 !== undefined) wrong('routerNatSources', `${isV6} is not IPv4, and only that is masqueraded`);
  if (routerHealth === undefined && routerPeers.length > 0)
    wrong('routerPeers', 'peers could not ask for the health of this router: health is off');
  for (const twice of givenTwice(routes)) wrong('routerRoutes', `${twice} is given twice`);
  return mistakes;
}

function givenTwice(rules: readonly RouteRule[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { tables, destinations } of rules) {
    for (const table of tables) {
      for (const destination of destinations) {
        const one = `${destination} in ${formatSelector(table)}`;
        if (seen.has(one)) twice.add(one);
        seen.add(one);
      }
    }
  }
  return [...twice];
}
