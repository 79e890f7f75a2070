/**
 * A collector's URL: `scheme://host[:port][?parameter=value&…]`.
 *
 * It is read here and not by WHATWG's `URL`, which treats these schemes as opaque: it says "Invalid URL" without the
 * part, refuses IPv6 zones, and takes 10.0.0 and 256.1.1.1 for names.
 */
import { isIP, isIPv6 } from 'node:net';
import { OPTIONS, type Settings } from './schema.ts';
import { didYouMean } from './suggest.ts';
import { BadValue, choice, integer, parseHost, parsePort, type ValueType } from './value-types.ts';

export type Protocol = 'netflow5' | 'netflow9' | 'ipfix';

/** One collector, every value resolved. */
export interface CollectorConfig {
  /** As the user wrote it: its name in logs and metrics. */
  readonly url: string;
  readonly protocol: Protocol;
  readonly transport: 'udp' | 'tcp';
  /** A name, an IPv4 address, or an IPv6 address without brackets (a zone after `%`). */
  readonly host: string;
  readonly port: number;
  /** Octets of the largest datagram, IP and UDP headers included. */
  readonly mtu: number;
  readonly templateRefreshSeconds: number;
  /** The templates are also sent again after so many datagrams (RFC 3954 §9). */
  readonly templateRefreshPackets: number;
  /** Observation Domain ID, Source ID, or engine type · 256 + engine ID. */
  readonly observationDomain: number;
  /** The local address to send from; undefined: the kernel chooses. */
  readonly source: string | undefined;
  /** Pace over UDP; 0: none. */
  readonly datagramsPerSecond: number;
  readonly tcpControlBitsOctets: 1 | 2;
}

/** Paces a burst without ever slowing a steady flow of records: 20 000 full datagrams carry 400 000 records. */
export const DEFAULT_DATAGRAMS_PER_SECOND = 20_000;

/** At the default pace once in a fifth of a second at most; at a few datagrams a second, time comes first. */
const DEFAULT_TEMPLATE_REFRESH_PACKETS = 4096;

interface Scheme {
  readonly protocol: Protocol;
  readonly transport: 'udp' | 'tcp';
  readonly port: number;
}
const SCHEMES = new Map<string, Scheme>([
  ['netflow5', { protocol: 'netflow5', transport: 'udp', port: 2055 }],
  ['netflow9', { protocol: 'netflow9', transport: 'udp', port: 2055 }],
  ['ipfix', { protocol: 'ipfix', transport: 'udp', port: 4739 }],
  ['ipfix+tcp', { protocol: 'ipfix', transport: 'tcp', port: 4739 }],
]);

const localAddress: ValueType<string> = {
  parse(text) {
    const host = parseHost(isIPv6(text) ? `[${text}]` : text);
    if (host === undefined || isIP(host) === 0)
      throw new BadValue(`${JSON.stringify(text)} is not an IP address`);
    return host;
  },
  format: (value) => value,
};

const PARAMETERS = {
  mtu: OPTIONS.mtu.type,
  'template-refresh': OPTIONS.templateRefreshSeconds.type,
  'template-refresh-packets': integer(1, 1_000_000),
  'observation-domain': OPTIONS.observationDomain.type,
  source: localAddress,
  rate: integer(0, 10_000_000),
  'tcp-control-bits': choice('8', '16'),
};
type Parameters = { [P in keyof typeof PARAMETERS]?: ReturnType<(typeof PARAMETERS)[P]['parse']> };

/** Scheme, authority, path, query, fragment (RFC 3986 appendix B, the scheme and authority required). */
const URL_PARTS = /^([^:/?#]+):\/\/([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/;

/**
 * Reads a collector's URL; what it does not say comes from the options.
 * @throws BadValue, whose message names the URL and the part that is wrong
 */
export function parseCollectorUrl(
  url: string,
  options: Pick<Settings, 'mtu' | 'templateRefreshSeconds' | 'observationDomain'>,
): CollectorConfig {
  const wrong = (what: string) => new BadValue(`${JSON.stringify(url)}: ${what}`);
  const parts = URL_PARTS.exec(url);
  if (parts === null) throw wrong('not a URL like ipfix://HOST:4739');
  const [, schemeText = '', authority = '', path = '', query = '', fragment] = parts;

  const scheme = SCHEMES.get(schemeText.toLowerCase());
  if (scheme === undefined) {
    const known = [...SCHEMES.keys()];
    const suggestion = didYouMean(schemeText, known) || `; Weir knows ${known.join(', ')}`;
    throw wrong(`unknown scheme "${schemeText}"${suggestion}`);
  }
  if (authority.includes('@')) throw wrong('a collector takes no user and no password');
  if (path !== '' && path !== '/') throw wrong(`a collector has no path (${JSON.stringify(path)})`);
  if (fragment !== undefined) throw wrong(`a collector has no fragment (${JSON.stringify(fragment)})`);

  const { host, port } = parseAuthority(authority, scheme.port, wrong);
  const parameters = parseQuery(query.slice(1), wrong);
  const { source } = parameters;
  if (source !== undefined && isIP(host) !== 0 && isIPv6(host) !== isIPv6(source)) {
    throw wrong(`source ${source} and host ${host} are not of one IP version`);
  }
  const observationDomain = parameters['observation-domain'] ?? options.observationDomain;
  if (scheme.protocol === 'netflow5' && observationDomain > 65_535) {
    throw wrong(`observation-domain: ${observationDomain} does not fit NetFlow v5, which has 16 bits for it`);
  }
  const tcpControlBits = parameters['tcp-control-bits'];
  if (scheme.protocol === 'netflow5' && tcpControlBits === '16') {
    throw wrong('tcp-control-bits: NetFlow v5 has 8 bits for the TCP flags, not 16');
  }
  return {
    url,
    protocol: scheme.protocol,
    transport: scheme.transport,
    host,
    port,
    mtu: parameters.mtu ?? options.mtu,
    templateRefreshSeconds: parameters['template-refresh'] ?? options.templateRefreshSeconds,
    templateRefreshPackets: parameters['template-refresh-packets'] ?? DEFAULT_TEMPLATE_REFRESH_PACKETS,
    observationDomain,
    source,
    datagramsPerSecond: parameters.rate ?? DEFAULT_DATAGRAMS_PER_SECOND,
    tcpControlBitsOctets: tcpControlBits === '8' || scheme.protocol === 'netflow5' ? 1 : 2,
  };
}

function parseAuthority(authority: string, defaultPort: number, wrong: (what: string) => BadValue) {
  const parts = /^(\[[^\]]*\]|[^:[\]]*)(?::([^:]*))?$/.exec(authority);
  if (parts === null) {
    throw wrong(
      `"${authority}" is not HOST:PORT; write an IPv6 address in brackets: [2001:db8::1]:${defaultPort}`,
    );
  }
  const [, hostText = '', portText] = parts;
  if (hostText === '') throw wrong('the host is missing');
  const host = parseHost(hostText);
  if (host === undefined) throw wrong(`"${hostText}" is neither a host name nor an IP address`);
  const port = portText === undefined ? defaultPort : parsePort(portText, 1);
  if (port === undefined) throw wrong(`"${portText}" is not a port from 1 to 65535`);
  return { host, port };
}

function parseQuery(query: string, wrong: (what: string) => BadValue): Parameters {
  const known = Object.keys(PARAMETERS);
  const found: Record<string, unknown> = {};
  for (const [name, text] of new URLSearchParams(query)) {
    if (!known.includes(name)) {
      throw wrong(
        `unknown parameter "${name}"${didYouMean(name, known) || `; Weir knows ${known.join(', ')}`}`,
      );
    }
    if (name in found) throw wrong(`${name} is given twice`);
    try {
      found[name] = PARAMETERS[name as keyof typeof PARAMETERS].parse(text);
    } catch (error) {
      if (error instanceof BadValue) throw wrong(`${name}: ${error.message}`);
      throw error;
    }
  }
  return found;
}
