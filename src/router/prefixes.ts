/** Prefixes in CIDR notation, compared. */
import ipaddr from 'ipaddr.js';

/** Whether the whole of `inner` lies in `outer`; false where either is no prefix (a prefix list, say). */
export function prefixCovers(outer: string, inner: string): boolean {
  if (!ipaddr.isValidCIDR(outer) || !ipaddr.isValidCIDR(inner)) return false;
  const [outerAddress, outerLength] = ipaddr.parseCIDR(outer);
  const [innerAddress, innerLength] = ipaddr.parseCIDR(inner);
  if (outerAddress.kind() !== innerAddress.kind() || innerLength < outerLength) return false;
  return innerAddress.match(outerAddress as ipaddr.IPv4, outerLength);
}

export function isIPv4Prefix(prefix: string): boolean {
  return !prefix.includes(':');
}
