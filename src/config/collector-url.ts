/**
 * A collector's URL: `scheme://host[:port][?parameter=value&…]`, or for a file `ipfix+file:///path[?…]`.
 *
 * It is read here and not by WHATWG's `URL`, which treats these schemes as opaque: it says "Invalid URL" without the
 * part, refuses IPv6 zones, and takes 10.0.0 and 256.1.1.1 for names.
 */
import { isIP, isIPv6 } from 'node:net';
import { OPTIONS, type Settings } from './schema.ts';
import { didYouMean } from './suggest.ts';
import {
  BadValue,
  choice,
  integer,
  octets,
  parseHost,
  parsePort,
  seconds,
  string,
  type ValueType,
} from './value-types.ts';

export type Protocol = 'netflow5' | 'netflow9' | 'ipfix';
export type CollectorTransport = 'udp' | 'tcp' | 'tls' | 'file';

/** The PEM files of TLS, as they were given. */
export interface TlsFiles {
  /** What is trusted, and nothing else; undefined: the system's roots. */
  readonly ca: string | undefined;
  /** Whom Weir is, with its key: both or neither. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** An IPFIX File, and when the next one begins; undefined: not for this reason. */
export interface FileSettings {
  /** Absolute. */
  readonly path: string;
  readonly rotateOctets: number | undefined;
  readonly rotateSeconds: number | undefined;
}

/** One collector, every value resolved. */
export interface CollectorConfig {
  /** As the user wrote it: its name in logs and metrics. */
  readonly url: string;
  readonly protocol: Protocol;
  readonly transport: CollectorTransport;
  /** A name, an IPv4 address, or an IPv6 address without brackets (a zone after `%`). Of a file: empty. */
  readonly host: string;
  /** Of a file: 0. */
  readonly port: number;
  /** Over TLS only. */
  readonly tls: TlsFiles | undefined;
  /** For a file only. */
  readonly file: FileSettings | undefined;
  /** Collectors with the same group share the flows; undefined: this one gets every flow. */
  readonly balance: string | undefined;
  /** Over UDP: octets of the largest datagram, IP and UDP headers included. */
  readonly mtu: number;
  /** Over UDP. */
  readonly templateRefreshSeconds: number;
  /** Over UDP the templates are also sent again after so many datagrams (RFC 3954 §9). */
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
  readonly transport: CollectorTransport;
  readonly port: number;
}
const SCHEMES = new Map<string, Scheme>([
  ['netflow5', { protocol: 'netflow5', transport: 'udp', port: 2055 }],
  ['netflow9', { protocol: 'netflow9', transport: 'udp', port: 2055 }],
  ['ipfix', { protocol: 'ipfix', transport: 'udp', port: 4739 }],
  ['ipfix+tcp', { protocol: 'ipfix', transport: 'tcp', port: 4739 }],
  ['ipfix+tls', { protocol: 'ipfix', transport: 'tls', port: 4740 }],
  ['ipfix+file', { protocol: 'ipfix', transport: 'file', port: 0 }],
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

const groupName: ValueType<string> = {
  parse(text) {
    if (!/^[\w.-]{1,64}$/.test(text)) {
      throw new BadValue(`${JSON.stringify(text)} is not a name of letters, digits, ".", "-" and "_"`);
    }
    return text;
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
  balance: groupName,
  ca: string,
  cert: string,
  key: string,
  // Smaller files would be mostly templates.
  'rotate-octets': octets(65_536, 2 ** 50),
  'rotate-seconds': seconds(1, 31_536_000),
};
type Parameter = keyof typeof PARAMETERS;
type Parameters = { [P in Parameter]?: ReturnType<(typeof PARAMETERS)[P]['parse']> };

/** Why a parameter means nothing to a scheme; undefined: it means something. */
function whyMeaningless(parameter: Parameter, { protocol, transport }: Scheme): string | undefined {
  switch (parameter) {
    case 'mtu':
    case 'rate':
      return transport === 'udp' ? undefined : 'it sends no datagrams';
    case 'template-refresh':
    case 'template-refresh-packets':
      if (protocol === 'netflow5') return 'NetFlow v5 has no templates';
      if (transport === 'udp') return undefined;
      return transport === 'file'
        ? 'every file begins with the templates'
        : 'templates are sent once a connection';
    case 'source':
      return transport === 'file' ? 'a file is not sent from an address' : undefined;
    case 'ca':
    case 'cert':
    case 'key':
      return transport === 'tls' ? undefined : 'certificates belong to ipfix+tls://';
    case 'rotate-octets':
    case 'rotate-seconds':
      return transport === 'file' ? undefined : 'only files are rotated';
    default:
      return undefined;
  }
}

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
  if (fragment !== undefined) throw wrong(`a collector has no fragment (${JSON.stringify(fragment)})`);
  const isFile = scheme.transport === 'file';
  if (!isFile && authority.includes('@')) throw wrong('a collector takes no user and no password');
  if (!isFile && path !== '' && path !== '/')
    throw wrong(`a collector has no path (${JSON.stringify(path)})`);
  const { host, port } = isFile ? { host: '', port: 0 } : parseAuthority(authority, scheme.port, wrong);
  const filePath = isFile ? parsePath(authority, path, wrong) : '';

  const parameters = parseQuery(query.slice(1), scheme, schemeText, wrong);
  const { source, ca, cert, key } = parameters;
  if (source !== undefined && isIP(host) !== 0 && isIPv6(host) !== isIPv6(source)) {
    throw wrong(`source ${source} and host ${host} are not of one IP version`);
  }
  if (cert !== undefined && key === undefined)
    throw wrong('cert: the key of the certificate is missing; give key=');
  if (key !== undefined && cert === undefined)
    throw wrong('key: the certificate of the key is missing; give cert=');
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
    tls: scheme.transport === 'tls' ? { ca, cert, key } : undefined,
    file: isFile
      ? {
          path: filePath,
          rotateOctets: parameters['rotate-octets'],
          rotateSeconds: parameters['rotate-seconds'],
        }
      : undefined,
    balance: parameters.balance,
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

/** The path of `ipfix+file:///path`, where `%3F` stands for a question mark (RFC 3986 §2.1). */
function parsePath(authority: string, path: string, wrong: (what: string) => BadValue): string {
  if (authority !== '') {
    throw wrong(
      `"${authority}" stands where a host would; write a file as ipfix+file:///PATH, with three slashes`,
    );
  }
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    throw wrong(`${JSON.stringify(path)}: a "%" is written %25`);
  }
  if (decoded === '' || decoded.endsWith('/') || decoded.includes('\0')) {
    throw wrong(`${JSON.stringify(decoded)} is not the path of a file`);
  }
  return decoded;
}

function parseQuery(
  query: string,
  scheme: Scheme,
  schemeText: string,
  wrong: (what: string) => BadValue,
): Parameters {
  const all = Object.keys(PARAMETERS) as Parameter[];
  const known = all.filter((parameter) => whyMeaningless(parameter, scheme) === undefined);
  const found: Record<string, unknown> = {};
  for (const [name, text] of new URLSearchParams(query)) {
    const parameter = all.find((one) => one === name);
    if (parameter === undefined) {
      throw wrong(
        `unknown parameter "${name}"${didYouMean(name, known) || `; Weir knows ${known.join(', ')}`}`,
      );
    }
    const meaningless = whyMeaningless(parameter, scheme);
    if (meaningless !== undefined) {
      throw wrong(`${name} means nothing to ${schemeText.toLowerCase()}://: ${meaningless}`);
    }
    if (name in found) throw wrong(`${name} is given twice`);
    try {
      found[name] = PARAMETERS[parameter].parse(text);
    } catch (error) {
      if (error instanceof BadValue) throw wrong(`${name}: ${error.message}`);
      throw error;
    }
  }
  return found;
}
