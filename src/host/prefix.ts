/** Addresses and prefixes as `ip` writes them, to 32-bit words: one for IPv4, four for IPv6, the first octet highest. */

export type IpVersion = 4 | 6;

/** 32-bit words of an address. */
export const ADDRESS_WORDS: Readonly<Record<IpVersion, number>> = { 4: 1, 6: 4 };

/** Reads `default`, `10.0.0.0/8` or `fd00::1` into `words`. @returns the prefix length, or -1: that is no prefix */
export function parsePrefix(text: string, ipVersion: IpVersion, words: Uint32Array): number {
  const most = ADDRESS_WORDS[ipVersion] * 32;
  if (text === 'default') {
    words.fill(0);
    return 0;
  }
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const length = slash < 0 ? most : decimal(text, slash + 1, text.length, most);
  return length >= 0 && parseAddress(address, ipVersion, words) ? length : -1;
}

/** @returns false: that is no address of that version */
export function parseAddress(text: string, ipVersion: IpVersion, words: Uint32Array): boolean {
  if (ipVersion === 6) return parseIPv6(text, words);
  const word = parseIPv4(text);
  words[0] = word;
  return word >= 0;
}

/** @returns -1: that is no address */
function parseIPv4(text: string): number {
  let word = 0;
  let from = 0;
  for (let octets = 1; ; octets++) {
    const dot = text.indexOf('.', from);
    const to = dot < 0 ? text.length : dot;
    const octet = decimal(text, from, to, 255);
    if (octet < 0) return -1;
    word = word * 256 + octet;
    if (dot < 0) return octets === 4 ? word : -1;
    if (octets === 4) return -1;
    from = dot + 1;
  }
}

/** RFC 4291 §2.2: all eight groups, `::` for some of them, or an IPv4 address in the place of the last two. */
function parseIPv6(text: string, words: Uint32Array): boolean {
  const gap = text.indexOf('::');
  const before = gap < 0 ? groupsOf(text) : groupsOf(text.slice(0, gap));
  const after = gap < 0 ? [] : groupsOf(text.slice(gap + 2));
  if (before === undefined || after === undefined) return false;
  const missing = 8 - before.length - after.length;
  if (gap < 0 ? missing !== 0 : missing < 1) return false;
  const groups = [...before, ...new Array<number>(missing).fill(0), ...after];
  for (let i = 0; i < 4; i++) words[i] = groups[2 * i]! * 65_536 + groups[2 * i + 1]!;
  return true;
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.') && i === parts.length - 1) {
      const word = parseIPv4(part);
      if (word < 0) return undefined;
      groups.push(word >>> 16, word & 0xffff);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

/** The decimal number from `from` to `to`; -1: it is none, or greater than `most`. */
function decimal(text: string, from: number, to: number, most: number): number {
  if (to === from || to - from > 3) return -1;
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= most ? value : -1;
}
