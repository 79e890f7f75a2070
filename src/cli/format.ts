/** Numbers, addresses and flags as a person reads them. Pure: no clock, no terminal, no environment. */

const SI = ['', 'k', 'M', 'G', 'T', 'P', 'E'] as const;

/** Three significant digits and an SI prefix: `0 B`, `999 B`, `1.50 kB`. Whole numbers below 1000 stay whole. */
function withPrefix(value: number, unit: string): string {
  if (!Number.isFinite(value)) return `? ${unit}`;
  let scaled = Math.abs(value);
  let step = 0;
  // 999.5 would be rounded to 1000: that is the next prefix.
  while (scaled >= 999.5 && step < SI.length - 1) {
    scaled /= 1000;
    step++;
  }
  const digits = scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  const whole = step === 0 && Number.isInteger(scaled);
  return `${value < 0 ? '-' : ''}${scaled.toFixed(whole ? 0 : digits)} ${SI[step]}${unit}`;
}

/** `12.3 MB`: octets, in powers of 1000. */
export function octets(value: number): string {
  return withPrefix(value, 'B');
}

/** `12.3 Mbit/s`. */
export function bitRate(bitsPerSecond: number): string {
  return withPrefix(bitsPerSecond < 10 ? Math.round(bitsPerSecond) : bitsPerSecond, 'bit/s');
}

/** `1 234 567`: every digit, in groups of three. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return '?';
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** Packets a second without the unit: `0.4`, `17`, `358 000`. */
export function packetRate(packetsPerSecond: number): string {
  if (packetsPerSecond > 0 && packetsPerSecond < 9.95) return packetsPerSecond.toFixed(1);
  return count(packetsPerSecond);
}

/** `0 s`, `12 ms`, `1.2 s`, `12 s`, `3 min 05 s`, `2 h 07 min`, `4 d 03 h`. */
export function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return '?';
  if (milliseconds === 0) return '0 s';
  if (milliseconds < 999.5) return `${Math.max(1, Math.round(milliseconds))} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1).replace('.0', '')} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${two((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${two((whole % 86_400) / 3600)} h`;
}

/** `14:05:09`, in the local time zone. */
export function timeOfDay(unixMilliseconds: number): string {
  const date = new Date(unixMilliseconds);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((value) => String(value).padStart(2, '0'))
    .join(':');
}

/** `2026-11-21 14:05:09.123`, in the local time zone. */
export function dateTime(unixMilliseconds: number): string {
  const date = new Date(unixMilliseconds);
  if (Number.isNaN(date.getTime())) return '?';
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map((value) => String(value).padStart(2, '0'))
    .join('-');
  return `${day} ${timeOfDay(unixMilliseconds)}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/**
 * The six flags of RFC 9293 §3.1, from URG down to FIN, a dot for each that is not set: `.AP.SF`.
 * ECE, CWR and the bits above them are not shown.
 */
export function tcpFlags(tcpControlBits: number): string {
  let text = '';
  for (let bit = 5; bit >= 0; bit--) text += (tcpControlBits >> bit) & 1 ? 'FSRPAU'[bit]! : '.';
  return text;
}

/** Names of IANA's protocol numbers as people say them. */
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [2, 'igmp'],
  [4, 'ipip'],
  [6, 'tcp'],
  [17, 'udp'],
  [41, 'ipv6'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [58, 'icmp6'],
  [59, 'none'],
  [88, 'eigrp'],
  [89, 'ospf'],
  [97, 'etherip'],
  [103, 'pim'],
  [108, 'ipcomp'],
  [112, 'vrrp'],
  [115, 'l2tp'],
  [132, 'sctp'],
  [136, 'udplite'],
]);

/** `tcp`, or the number where it has no name that people know. */
export function protocolName(protocolIdentifier: number): string {
  return PROTOCOLS.get(protocolIdentifier) ?? String(protocolIdentifier);
}

export const ICMP = 1;
export const ICMPV6 = 58;

/** Whether the protocol's first octets are ports. */
export function hasPorts(protocolIdentifier: number): boolean {
  return [6, 17, 33, 132, 136].includes(protocolIdentifier);
}

/** `10.0.0.1:443`, `[2001:db8::1]:443`; without a port the address alone. */
export function endpoint(address: string, port?: number): string {
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** By type · 256 + code; a type whose code says nothing more stands at code 0 (RFC 792, RFC 4443, RFC 4861). */
const ICMP_TEXTS: ReadonlyMap<number, string> = new Map([
  [0, 'echo reply'],
  [0x300, 'net unreachable'],
  [0x301, 'host unreachable'],
  [0x302, 'protocol unreachable'],
  [0x303, 'port unreachable'],
  [0x304, 'fragmentation needed'],
  [0x30d, 'prohibited'],
  [0x500, 'redirect'],
  [0x800, 'echo request'],
  [0xb00, 'time exceeded'],
  [0xb01, 'reassembly time exceeded'],
  [0xc00, 'parameter problem'],
]);
const ICMPV6_TEXTS: ReadonlyMap<number, string> = new Map([
  [0x100, 'no route'],
  [0x101, 'prohibited'],
  [0x103, 'address unreachable'],
  [0x104, 'port unreachable'],
  [0x200, 'packet too big'],
  [0x300, 'time exceeded'],
  [0x301, 'reassembly time exceeded'],
  [0x400, 'parameter problem'],
  [0x8000, 'echo request'],
  [0x8100, 'echo reply'],
  [0x8200, 'listener query'],
  [0x8300, 'listener report'],
  [0x8500, 'router solicitation'],
  [0x8600, 'router advertisement'],
  [0x8700, 'neighbor solicitation'],
  [0x8800, 'neighbor advertisement'],
  [0x8900, 'redirect'],
  [0x8f00, 'listener report'],
]);

/** `echo request`, or `type 3 code 9`. `typeCode` is type · 256 + code. */
export function icmpText(typeCode: number, ipVersion: 4 | 6): string {
  const text = (ipVersion === 4 ? ICMP_TEXTS : ICMPV6_TEXTS).get(typeCode);
  return text ?? `type ${typeCode >> 8} code ${typeCode & 0xff}`;
}

/** Names of flowEndReason (IANA 136). */
const END_REASONS = ['', 'idle', 'active', 'end', 'forced', 'resources'] as const;

/** `idle`, `active`, …; the number where IANA has no such reason; empty for 0, which says nothing. */
export function flowEndReasonText(flowEndReason: number): string {
  return END_REASONS[flowEndReason] ?? String(flowEndReason);
}

/**
 * Text that may stand on a terminal: what moves the cursor, changes colours, reverses the direction of writing or
 * is wider than one column is written as `\x1b` or `\u{202e}`. So a text's length is its width.
 */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\xa1-\xac\xae-\xff]/gu, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/**
 * A sentence that may stand on a terminal: as {@link printable}, but of other characters only those are written out
 * that a terminal obeys. A line feed and a tab stay.
 */
export function withoutControls(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, printable);
}

/** The text, cut to the width with `…` as its last column where it is longer. */
export function truncate(text: string, width: number): string {
  if (text.length <= width) return text;
  return width <= 0 ? '' : `${text.slice(0, width - 1)}…`;
}

/** As {@link truncate}, but the middle goes: of an address the prefix, the last groups and the port stay. */
export function truncateMiddle(text: string, width: number): string {
  if (text.length <= width) return text;
  if (width <= 1) return truncate(text, width);
  const head = Math.floor((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  /** Black on white, or as the terminal has it: a heading. */
  inverse(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

/** Select Graphic Rendition around a text (ECMA-48 §8.3.117), or nothing where `color` is false. */
export function style(color: boolean): Style {
  const sgr = (on: number, off: number) => (text: string) =>
    color && text !== '' ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    bold: sgr(1, 22),
    dim: sgr(2, 22),
    inverse: sgr(7, 27),
    red: sgr(31, 39),
    green: sgr(32, 39),
    yellow: sgr(33, 39),
    cyan: sgr(36, 39),
  };
}
