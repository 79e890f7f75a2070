/**
 * The types of values: each reads a text, as it stands in a flag, in YAML or in a collector's URL.
 * A text that is no such value throws {@link BadValue}, whose message begins with the text.
 */
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { didYouMean } from './suggest.ts';

export class BadValue extends Error {}

export interface ValueType<T> {
  /** @throws BadValue */
  parse(text: string): T;
  /** The text that `parse` reads as this value. */
  format(value: T): string;
}

/** An address of this machine and a port to listen on; port 0 lets the kernel choose. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const quoted = (text: string) => JSON.stringify(text);

/** Seconds, fractions allowed. */
export function seconds(minimum: number, maximum: number): ValueType<number> {
  return {
    parse(text) {
      if (!/^(\d+(\.\d*)?|\.\d+)$/.test(text))
        throw new BadValue(`${quoted(text)} is not a number of seconds`);
      const value = Number(text);
      if (value < minimum || value > maximum) {
        throw new BadValue(`${quoted(text)} is not between ${minimum} and ${maximum} seconds`);
      }
      return value;
    },
    format: String,
  };
}

export function integer(minimum: number, maximum: number): ValueType<number> {
  return {
    parse(text) {
      const value = Number(text);
      if (!/^[-+]?\d+$/.test(text) || value < minimum || value > maximum) {
        throw new BadValue(`${quoted(text)} is not a whole number from ${minimum} to ${maximum}`);
      }
      return value;
    },
    format: String,
  };
}

const OCTET_UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Octets; K, M and G stand for 2^10, 2^20 and 2^30 of them. */
export function octets(minimum: number, maximum: number): ValueType<number> {
  return {
    parse(text) {
      const [, digits, unit] = /^(\d+)([KMG]?)$/.exec(text) ?? [];
      if (digits === undefined) {
        throw new BadValue(`${quoted(text)} is not a number of octets, like 65536, 64K, 100M or 1G`);
      }
      const value = Number(digits) * OCTET_UNITS[unit!]!;
      if (value < minimum || value > maximum) {
        throw new BadValue(`${quoted(text)} is not from ${minimum} to ${maximum} octets`);
      }
      return value;
    },
    format: String,
  };
}

/** A whole number, or `auto`. */
export function integerOrAuto(minimum: number, maximum: number): ValueType<number | 'auto'> {
  const number = integer(minimum, maximum);
  return {
    parse(text) {
      if (text === 'auto') return 'auto';
      if (!/^[-+]?\d/.test(text)) {
        throw new BadValue(
          `${quoted(text)} is neither a whole number from ${minimum} to ${maximum} nor auto${didYouMean(text, ['auto'])}`,
        );
      }
      return number.parse(text);
    },
    format: String,
  };
}

export function choice<const C extends string>(...choices: C[]): ValueType<C> {
  const last = choices.at(-1);
  const listed = choices.length === 1 ? last : `${choices.slice(0, -1).join(', ')} or ${last}`;
  return {
    parse(text) {
      const found = choices.find((candidate) => candidate === text);
      if (found === undefined) {
        throw new BadValue(`${quoted(text)} is not ${listed}${didYouMean(text, choices)}`);
      }
      return found;
    },
    format: (value) => value,
  };
}

export const boolean: ValueType<boolean> = {
  parse(text) {
    if (text !== 'true' && text !== 'false') throw new BadValue(`${quoted(text)} is neither true nor false`);
    return text === 'true';
  },
  format: String,
};

/** Any text but an empty one. */
export const string: ValueType<string> = {
  parse(text) {
    if (text.trim() === '') throw new BadValue(`${quoted(text)} is empty`);
    return text;
  },
  format: (value) => value,
};

/** `1:N`: one of N packets; `off`, or 1:1, which reads as 1. NetFlow v5 has 14 bits for N. */
export const samplingRate: ValueType<number> = {
  parse(text) {
    if (text === 'off') return 1;
    const interval = /^1:(\d{1,5})$/.exec(text)?.[1];
    if (interval === undefined || Number(interval) < 1 || Number(interval) > 16_383) {
      throw new BadValue(`${quoted(text)} is neither off nor 1:N with N from 1 to 16383`);
    }
    return Number(interval);
  },
  format: (value) => (value === 1 ? 'off' : `1:${value}`),
};

/** The name of a network interface: what the kernel allows in one. Whether it exists shows at start. */
export const interfaceName: ValueType<string> = {
  parse(text) {
    if (!/^[^\s/,]+$/.test(text) || text === '.' || text === '..') {
      throw new BadValue(`${quoted(text)} is not the name of an interface`);
    }
    return text;
  },
  format: (value) => value,
};

/** An address, or a prefix in CIDR notation (RFC 4632, RFC 4291 §2.3): its own text, with the length. */
export const prefix: ValueType<string> = {
  parse(text) {
    const [address = '', length, ...rest] = text.split('/');
    const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : undefined;
    const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (bits ?? 0));
    if (bits === undefined || !isLength || rest.length > 0) {
      throw new BadValue(`${quoted(text)} is not an address or a prefix (10.0.0.0/8, 2001:db8::/32)`);
    }
    const whole = `${address}/${length ?? bits}`;
    const network =
      bits === 32 ? ipaddr.IPv4.networkAddressFromCIDR(whole) : ipaddr.IPv6.networkAddressFromCIDR(whole);
    if (
      !ipaddr
        .parse(address)
        .toByteArray()
        .every((octet, i) => octet === network.toByteArray()[i])
    ) {
      throw new BadValue(`${quoted(text)} has bits behind its length; did you mean "${network}/${length}"?`);
    }
    return whole;
  },
  format: (value) => value,
};

/** A port: 1 to 65535, or from 0 where the kernel may choose. */
export function parsePort(text: string, minimum: 0 | 1): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= minimum && port <= 65535 ? port : undefined;
}

/** A host as it stands before `:port`: a name, an IPv4 address, or an IPv6 address in brackets. Undefined: none of them. */
export function parseHost(text: string): string | undefined {
  const bracketed = /^\[(.*)\]$/.exec(text)?.[1];
  if (bracketed !== undefined) {
    // RFC 6874 writes the zone of a link-local address as %25eth0; people write %eth0.
    const address = bracketed.replace(/%25/, '%');
    return isIPv6(address) ? address : undefined;
  }
  // What ends in a number is meant as an IPv4 address: 10.0.0 and 256.1.1.1 are none.
  if (/(^|\.)\d+\.?$/.test(text)) return isIPv4(text) ? text : undefined;
  const label = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/i;
  const labels = text.replace(/\.$/, '').split('.');
  return text.length <= 254 && labels.every((part) => part.length <= 63 && label.test(part))
    ? text
    : undefined;
}

/** `host:port`, an IPv6 host in brackets. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `ADDRESS:PORT`, or `off`, which reads as undefined. */
export const endpointOrOff: ValueType<Endpoint | undefined> = {
  parse(text) {
    if (text === 'off') return undefined;
    const colon = text.lastIndexOf(':');
    const host = parseHost(text.slice(0, colon === -1 ? undefined : colon));
    const port = colon === -1 ? undefined : parsePort(text.slice(colon + 1), 0);
    if (host === undefined || port === undefined) {
      throw new BadValue(`${quoted(text)} is neither ADDRESS:PORT (IPv6 in brackets) nor off`);
    }
    return { host, port };
  },
  format: (value) => (value === undefined ? 'off' : formatEndpoint(value)),
};

/** An instant, or so long before now. */
export type Instant =
  | { readonly kind: 'at'; readonly unixMilliseconds: number; readonly text: string }
  | { readonly kind: 'ago'; readonly milliseconds: number; readonly text: string };

const AGO_UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** `2026-11-26`, `2026-11-26T14:00Z` (RFC 3339, as short as one likes, UTC where no offset is given), or `90m`, `6h`, `2d`. */
export const instant: ValueType<Instant> = {
  parse(text) {
    const [, digits, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
    if (digits !== undefined) {
      return { kind: 'ago', milliseconds: Number(digits) * AGO_UNITS[unit!]!, text };
    }
    const parts =
      /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?([Zz]|[-+]\d{2}:\d{2})?)?$/.exec(text);
    const [, day = '', minutes = '00:00', rest = ':00', zone = 'Z'] = parts ?? [];
    const unixMilliseconds = Date.parse(`${day}T${minutes}${rest.slice(0, 7)}${zone.toUpperCase()}`);
    // Date.parse takes 2026-02-30 for the second of March.
    const isDay = new Date(Date.parse(`${day}T00:00Z`) || 0).toISOString().startsWith(day);
    if (parts === null || Number.isNaN(unixMilliseconds) || !isDay) {
      throw new BadValue(
        `${quoted(text)} is neither a time like 2026-11-26T14:00Z nor an age like 90m, 6h or 2d`,
      );
    }
    return { kind: 'at', unixMilliseconds, text };
  },
  format: ({ text }) => text,
};

/** Unix milliseconds. */
export function resolveInstant(value: Instant, nowMilliseconds: number): number {
  return value.kind === 'at' ? value.unixMilliseconds : nowMilliseconds - value.milliseconds;
}

/** An http or https URL. */
export const httpUrl: ValueType<string> = {
  parse(text) {
    if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
      throw new BadValue(`${quoted(text)} is not a URL like https://HOST or http://127.0.0.1:5000`);
    }
    return text;
  },
  format: (value) => value,
};
