/** Addresses as text, read where they lie in a message. */

const DECIMAL = Array.from({ length: 256 }, (_, octet) => String(octet));
const HEXADECIMAL = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));

/** `192.0.2.1`, from 4 octets. */
export function ipv4Text(view: DataView, at: number): string {
  const word = view.getUint32(at);
  return `${DECIMAL[word >>> 24]}.${DECIMAL[(word >>> 16) & 0xff]}.${DECIMAL[(word >>> 8) & 0xff]}.${DECIMAL[word & 0xff]}`;
}

/** `2001:db8::1`, from 16 octets, as RFC 5952 has it: §4, and §5 for IPv4-mapped addresses. */
export function ipv6Text(view: DataView, at: number): string {
  if (view.getUint32(at) === 0 && view.getUint32(at + 4) === 0 && view.getUint32(at + 8) === 0xffff) {
    return `::ffff:${ipv4Text(view, at + 12)}`;
  }
  // The longest run of two or more zero groups, the first of equals (RFC 5952 §4.2).
  let runStart = 8;
  let runLength = 1;
  for (let group = 0; group < 8; group++) {
    let end = group;
    while (end < 8 && view.getUint16(at + 2 * end) === 0) end++;
    if (end - group > runLength) {
      runStart = group;
      runLength = end - group;
    }
    if (end > group) group = end;
  }
  if (runStart === 8) return groups(view, at, 0, 8);
  return `${groups(view, at, 0, runStart)}::${groups(view, at, runStart + runLength, 8)}`;
}

function groups(view: DataView, at: number, from: number, to: number): string {
  let text = '';
  for (let group = from; group < to; group++) {
    if (group > from) text += ':';
    text += view.getUint16(at + 2 * group).toString(16);
  }
  return text;
}

/** `00:00:5e:00:53:01`, from 6 octets. */
export function macText(view: DataView, at: number): string {
  let text = HEXADECIMAL[view.getUint8(at)]!;
  for (let octet = 1; octet < 6; octet++) text += `:${HEXADECIMAL[view.getUint8(at + octet)]}`;
  return text;
}

/** `0a00ff`: two lower-case digits an octet. */
export function hexText(view: DataView, at: number, length: number): string {
  let text = '';
  for (let octet = 0; octet < length; octet++) text += HEXADECIMAL[view.getUint8(at + octet)];
  return text;
}
