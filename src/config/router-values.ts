/** The types of the router's values: tables and their destinations, peers, addresses to be had at the start. */

import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { BadValue, type Endpoint, endpointOrOff, parsePort, prefix, type ValueType } from './value-types.ts';

const quoted = (text: string) => JSON.stringify(text);

/** Of AWS's objects: those with an ID, or those that have a tag. */
export type Selector =
  | { readonly id: string }
  | { readonly tag: { readonly key: string; readonly value: string } };

/** Destinations that route tables get, with this router (or a peer) as their target. */
export interface RouteRule {
  readonly tables: readonly Selector[];
  /** Prefixes, or the IDs of managed prefix lists. */
  readonly destinations: readonly string[];
  /** Tables with the same name move together; undefined: each by itself, unless they face each other. */
  readonly group: string | undefined;
  /** IDs of network interfaces of routers, the most preferred first; they go before those of the table's zone. */
  readonly prefer: readonly string[];
}

export interface PeerRule {
  readonly interfaces: Selector;
  /** Where its health is asked for; undefined: at the interface's own address, and the port of this router's `health`. */
  readonly at: Endpoint | undefined;
}

/** An endpoint to listen on; `auto`: the address of the interface that routes lead to. */
export interface AutoEndpoint {
  readonly host: string | 'auto';
  readonly port: number;
}

/** `rtb-0123abcd` or `tag:KEY=VALUE`. */
function parseSelector(text: string, kind: string, example: string): Selector {
  const tag = /^tag:([^=]+)=(.+)$/.exec(text);
  if (tag !== null) return { tag: { key: tag[1]!, value: tag[2]! } };
  if (new RegExp(`^${kind}-[0-9a-f]{8,17}$`).test(text)) return { id: text };
  throw new BadValue(`${quoted(text)} is neither ${example} nor tag:KEY=VALUE`);
}

export function formatSelector(selector: Selector): string {
  return 'id' in selector ? selector.id : `tag:${selector.tag.key}=${selector.tag.value}`;
}

/** The ID of one of AWS's objects: `eni-0123abcd`. */
export function awsId(kind: string): ValueType<string> {
  return {
    parse(text) {
      if (!new RegExp(`^${kind}-[0-9a-f]{8,17}$`).test(text))
        throw new BadValue(`${quoted(text)} is not an ID like ${kind}-0123456789abcdef0`);
      return text;
    },
    format: (value) => value,
  };
}

const interfaceId = awsId('eni');

function parseDestination(text: string): string {
  return /^pl-[0-9a-f]{8,17}$/.test(text) ? text : withLength(prefix.parse(text), text);
}

/** EC2 wants the length, and so do people who read a route. Spelled as EC2 tells it (RFC 5952): that is what it is found by. */
function withLength(parsed: string, text: string): string {
  if (!text.includes('/')) throw new BadValue(`${quoted(text)} has no length; did you mean "${parsed}"?`);
  const [address, length] = ipaddr.parseCIDR(parsed);
  return `${address.toString()}/${length}`;
}

/** `TABLE[,TABLE…] DESTINATION[,DESTINATION…] [group=NAME] [prefer=ENI[,ENI…]]`. */
export const routeRule: ValueType<RouteRule> = {
  parse(text) {
    const [tables, destinations, ...parameters] = text.trim().split(/\s+/);
    if (tables === undefined || tables === '' || destinations === undefined)
      throw new BadValue(
        `${quoted(text)} is not TABLE[,TABLE…] DESTINATION[,DESTINATION…] [group=NAME] [prefer=eni-…]`,
      );
    let group: string | undefined;
    let prefer: readonly string[] = [];
    for (const parameter of parameters) {
      const [, name, value = ''] = /^(\w+)=(.+)$/.exec(parameter) ?? [];
      if (name === 'group' && /^[\w.-]{1,64}$/.test(value)) group = value;
      else if (name === 'prefer') prefer = value.split(',').map((id) => interfaceId.parse(id));
      else throw new BadValue(`${quoted(parameter)} is neither group=NAME nor prefer=eni-…[,eni-…]`);
    }
    return {
      tables: tables.split(',').map((one) => parseSelector(one, 'rtb', 'the ID of a route table (rtb-…)')),
      destinations: destinations.split(',').map(parseDestination),
      group,
      prefer,
    };
  },
  format: ({ tables, destinations, group, prefer }) =>
    [
      tables.map(formatSelector).join(','),
      destinations.join(','),
      ...(group === undefined ? [] : [`group=${group}`]),
      ...(prefer.length === 0 ? [] : [`prefer=${prefer.join(',')}`]),
    ].join(' '),
};

/** `eni-…` or `tag:KEY=VALUE`, and behind an `@` where its health is asked for. */
export const peerRule: ValueType<PeerRule> = {
  parse(text) {
    const at = text.lastIndexOf('@');
    const interfaces = parseSelector(
      at === -1 ? text : text.slice(0, at),
      'eni',
      'the ID of a network interface (eni-…)',
    );
    if (at === -1) return { interfaces, at: undefined };
    const endpoint = endpointOrOff.parse(text.slice(at + 1));
    if (endpoint === undefined || endpoint.port === 0)
      throw new BadValue(`${quoted(text.slice(at + 1))} is not ADDRESS:PORT`);
    return { interfaces, at: endpoint };
  },
  format: ({ interfaces, at }) =>
    formatSelector(interfaces) + (at === undefined ? '' : `@${endpointOrOff.format(at)}`),
};

/** `auto:PORT`, `ADDRESS:PORT` or `off`, which reads as undefined. */
export const autoEndpoint: ValueType<AutoEndpoint | undefined> = {
  parse(text) {
    const port = /^auto:(\d+)$/.exec(text)?.[1];
    if (port !== undefined) {
      const number = parsePort(port, 0);
      if (number === undefined) throw new BadValue(`${quoted(text)}: ${port} is not a port`);
      return { host: 'auto', port: number };
    }
    let endpoint: Endpoint | undefined;
    try {
      endpoint = endpointOrOff.parse(text);
    } catch {
      throw new BadValue(`${quoted(text)} is none of auto:PORT, ADDRESS:PORT (IPv6 in brackets) and off`);
    }
    if (endpoint !== undefined && isIP(endpoint.host) === 0)
      throw new BadValue(`${quoted(text)}: ${endpoint.host} is not an IP address`);
    return endpoint;
  },
  format: (value) =>
    value === undefined ? 'off' : value.host === 'auto' ? `auto:${value.port}` : endpointOrOff.format(value),
};
