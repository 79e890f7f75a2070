/** What the kernel's errors of a UDP socket mean. */
import type { TransportNotSentReason } from './session.ts';

const ERRORS: Readonly<Record<string, readonly [TransportNotSentReason, string]>> = {
  ECONNREFUSED: ['refused', 'nobody listens on that port'],
  EPERM: ['refused', 'a firewall rule of this machine forbids it'],
  EACCES: ['refused', 'this machine does not permit it (a broadcast address?)'],
  EMSGSIZE: ['too_large', 'a datagram was larger than the path takes; lower the mtu'],
  ENETUNREACH: ['unreachable', 'there is no route'],
  EHOSTUNREACH: ['unreachable', 'there is no way to the host'],
  ENETDOWN: ['unreachable', 'the network interface is down'],
  EHOSTDOWN: ['unreachable', 'the host is down'],
};

/** Why a Message did not leave, given the error's code. */
export function reasonForUdpError(code: string): TransportNotSentReason {
  return ERRORS[code]?.[0] ?? 'other';
}

/** The code, and what it means where that is known. */
export function explainUdpError(code: string): string {
  const known = ERRORS[code];
  return known === undefined ? code : `${code}, ${known[1]}`;
}

/** The kernel has no memory for the datagram at this moment. */
export function isBufferShortage(code: string): boolean {
  return code === 'ENOBUFS' || code === 'EAGAIN' || code === 'ENOMEM';
}
