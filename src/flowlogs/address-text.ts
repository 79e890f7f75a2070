/** IPv4 and IPv6 addresses from their text (RFC 4291 §2.2), octet by octet, into network byte order. */

/** What {@link parseIPv4} and {@link parseIPv6} return for a text that is no address. */
export const NO_ADDRESS = -1;

const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;

/**
 * Reads `192.0.2.1`: four decimal numbers without leading zeros.
 * @param target octets; four are written at `at`, also where the text turns out to be no address
 * @returns where the text ends, or {@link NO_ADDRESS}. It ends at the first octet that belongs to no number: `source` has one.
 */
export function parseIPv4(source: Uint8Array, from: number, target: Uint8Array, at: number): number {
  let position = from;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && source[position++] !== DOT) return NO_ADDRESS;
    let value = source[position]! - ZERO;
    if (value >>> 0 > 9) return NO_ADDRESS;
    let digit = source[++position]! - ZERO;
    if (digit >>> 0 <= 9) {
      if (value === 0) return NO_ADDRESS;
      value = value * 10 + digit;
      digit = source[++position]! - ZERO;
      if (digit >>> 0 <= 9) {
        value = value * 10 + digit;
        position++;
        if (value > 255) return NO_ADDRESS;
      }
    }
    target[at + part] = value;
  }
  return position;
}

/** The value of a hexadecimal digit; above 15: it is none. */
function hexDigit(octet: number): number {
  const decimal = octet - ZERO;
  if (decimal >>> 0 <= 9) return decimal;
  const letter = (octet | 0x20) - 0x61;
  return letter >>> 0 <= 5 ? letter + 10 : 16;
}

/**
 * Reads `2001:db8::1`, `::ffff:192.0.2.1`: eight groups, of which `::` stands for one or more.
 * @param target octets; sixteen are written at `at`, also where the text turns out to be no address
 * @returns as {@link parseIPv4}
 */
export function parseIPv6(source: Uint8Array, from: number, target: Uint8Array, at: number): number {
  let position = from;
  let octets = 0;
  /** Octets before `::`; -1: there is none. */
  let gap = -1;
  if (source[position] === COLON) {
    if (source[position + 1] !== COLON) return NO_ADDRESS;
    gap = 0;
    position += 2;
  }
  for (;;) {
    const group = position;
    let value = 0;
    let digits = 0;
    let digit = hexDigit(source[position]!);
    while (digit < 16 && digits < 4) {
      value = (value << 4) | digit;
      digits++;
      digit = hexDigit(source[++position]!);
    }
    if (digits === 0) {
      if (gap === octets) break; // the text ends in `::`
      return NO_ADDRESS;
    }
    if (source[position] === DOT) {
      if (octets > 12) return NO_ADDRESS;
      position = parseIPv4(source, group, target, at + octets);
      if (position === NO_ADDRESS) return NO_ADDRESS;
      octets += 4;
      break;
    }
    if (digit < 16 || octets === 16) return NO_ADDRESS;
    target[at + octets] = value >>> 8;
    target[at + octets + 1] = value & 0xff;
    octets += 2;
    if (source[position] !== COLON) break;
    position++;
    if (source[position] === COLON) {
      if (gap >= 0) return NO_ADDRESS;
      gap = octets;
      position++;
    }
  }
  if (gap < 0) return octets === 16 ? position : NO_ADDRESS;
  if (octets === 16) return NO_ADDRESS;
  target.copyWithin(at + 16 - (octets - gap), at + gap, at + octets);
  target.fill(0, at + gap, at + 16 - (octets - gap));
  return position;
}
