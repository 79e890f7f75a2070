/** One reader a kind of field: octets in a message → a value (RFC 7011 §6.1). */

import type { ElementType } from '../export/elements.ts';
import { hexText, ipv4Text, ipv6Text, macText } from './address-text.ts';
import type { Value } from './record.ts';

/** The two clocks of a NetFlow header, read by the exporter at one instant. */
export interface UptimeBase {
  /** Unix time. */
  unixMilliseconds: number;
  /** SysUptime, modulo 2^32. */
  sysUptimeMilliseconds: number;
}

/** Reads `length` octets at `at`, which lie within the view. */
export type FieldReader = (view: DataView, at: number, length: number, base: UptimeBase) => Value;

/** Seconds from NTP's epoch, 1900, to Unix's (RFC 5905 §6). */
const NTP_TO_UNIX_SECONDS = 2_208_988_800;

/**
 * The reader of a field.
 * @param type undefined: an Information Element that is not known, read as octetArray
 * @param length octets; 65535: variable
 * @returns undefined where the type cannot have this length: only integers may come in a reduced size, and none
 * but strings and octetArrays vary (RFC 7011 §6.2, §7). An integer wider than its type is read all the same, since
 * exporters send it (samplerId in 4 octets) and it is not ambiguous.
 */
export function readerFor(type: ElementType | undefined, length: number): FieldReader | undefined {
  switch (type) {
    case 'unsigned8':
    case 'unsigned16':
    case 'unsigned32':
    case 'unsigned64':
      return length >= 1 && length <= 8 ? UNSIGNED[length] : undefined;
    case 'boolean':
      return length === 1 ? readBoolean : undefined;
    case 'ipv4Address':
      return length === 4 ? ipv4Text : undefined;
    case 'ipv6Address':
      return length === 16 ? ipv6Text : undefined;
    case 'macAddress':
      return length === 6 ? macText : undefined;
    case 'dateTimeSeconds':
      return length === 4 ? readUnsigned32 : undefined;
    case 'dateTimeMilliseconds':
      return length === 8 ? readUnsigned64 : undefined;
    case 'dateTimeMicroseconds':
      return length === 8 ? readNtpMicroseconds : undefined;
    case 'dateTimeNanoseconds':
      return length === 8 ? readNtpNanoseconds : undefined;
    case 'string':
      return readString;
    case 'octetArray':
    case undefined:
      return hexText;
  }
}

/** SysUptime milliseconds (v5 First and Last, v9 fields 21 and 22) → Unix milliseconds. */
export const readUptime: FieldReader = (view, at, _length, base) =>
  uptimeToUnixMilliseconds(view.getUint32(at), base);

/**
 * The instant at which SysUptime showed `uptimeMilliseconds`. A value not above the header's is earlier than the
 * header, by up to 2^32 ms (49.7 days). One above it is from before SysUptime's last wrap, or from an exporter that
 * read its clock before it stamped the record: the nearer of the two.
 */
export function uptimeToUnixMilliseconds(uptimeMilliseconds: number, base: UptimeBase): number {
  const ago = base.sysUptimeMilliseconds - uptimeMilliseconds;
  return base.unixMilliseconds - (ago >= 0 ? ago : ago | 0);
}

const readUnsigned32: FieldReader = (view, at) => view.getUint32(at);

const readUnsigned64: FieldReader = (view, at) => {
  const high = view.getUint32(at);
  if (high > 0x1f_ffff) return view.getBigUint64(at);
  return high * 0x1_0000_0000 + view.getUint32(at + 4);
};

/** 3, 5, 6 and 7 octets. */
const readUnsigned: FieldReader = (view, at, length) => {
  let value = 0;
  for (let octet = 0; octet < Math.min(length, 6); octet++) value = value * 256 + view.getUint8(at + octet);
  if (length < 7) return value;
  const last = view.getUint8(at + 6);
  return value < 2 ** 45 ? value * 256 + last : BigInt(value) * 256n + BigInt(last);
};

/** By length. */
const UNSIGNED: readonly (FieldReader | undefined)[] = [
  undefined,
  (view, at) => view.getUint8(at),
  (view, at) => view.getUint16(at),
  readUnsigned,
  readUnsigned32,
  readUnsigned,
  readUnsigned,
  readUnsigned,
  readUnsigned64,
];

/** 1 is true, 2 is false, and nothing else is defined (RFC 7011 §6.1.5): then the number stands for itself. */
const readBoolean: FieldReader = (view, at) => {
  const octet = view.getUint8(at);
  return octet === 1 ? true : octet === 2 ? false : octet;
};

/** Unix seconds of an NTP timestamp's first word: era 0, and era 1 for what would lie before 1970 (RFC 7011 §5.2). */
function ntpUnixSeconds(ntpSeconds: number): number {
  return ntpSeconds - NTP_TO_UNIX_SECONDS + (ntpSeconds < NTP_TO_UNIX_SECONDS ? 2 ** 32 : 0);
}

/** Unix microseconds, below 2^53 until 2255. The last 11 bits of the fraction are to be ignored (RFC 7011 §6.1.9). */
const readNtpMicroseconds: FieldReader = (view, at) => {
  const fraction = (view.getUint32(at + 4) & ~0x7ff) >>> 0;
  return ntpUnixSeconds(view.getUint32(at)) * 1e6 + Math.round((fraction * 1e6) / 2 ** 32);
};

/** Unix nanoseconds: above 2^53 since April 1970. */
const readNtpNanoseconds: FieldReader = (view, at) => {
  const nanoseconds = Math.round((view.getUint32(at + 4) * 1e9) / 2 ** 32);
  const value = BigInt(ntpUnixSeconds(view.getUint32(at))) * 1_000_000_000n + BigInt(nanoseconds);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
};

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** UTF-8; what is not becomes U+FFFD. Fixed-length strings come padded with NUL, which is no part of them. */
const readString: FieldReader = (view, at, length) => {
  let end = length;
  while (end > 0 && view.getUint8(at + end - 1) === 0) end--;
  return utf8.decode(new Uint8Array(view.buffer, view.byteOffset + at, end));
};
